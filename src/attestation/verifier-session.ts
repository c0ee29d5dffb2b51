import { equalBytes, hex } from '../bytes/index.js'
import { type Step, until } from '../handshake/index.js'
import type { Verifier, VerifierSession } from '../rats/index.js'
import { within } from './deadline.js'
import { AttestationError, because } from './errors.js'
import type { Clock } from './options.js'
import type { Profile } from './profile.js'
import type { Settings } from './settings.js'

/** Whoever asks a Verifier. */
export interface Asking {
  readonly settings: Pick<Settings, 'verifierTimeout'> & {
    readonly environment: Clock
    readonly profile: Pick<Profile, 'minNonceLength'>
  }
}

/** Opens a session at the Verifier, whose nonce makes the peer's Evidence fresh. The caller closes it.
 *  @param peerNonce the nonce that the peer has sent us, which ours must not be
 *  @throws AttestationError if there is none to be had, or not a good one */
export function* newSession(
  asking: Asking,
  verifier: Verifier,
  signal: AbortSignal,
  peerNonce?: Uint8Array,
): Step<VerifierSession> {
  const session = yield* until(opened(asking, verifier, signal))
  const { nonce } = session
  const nonces = RecentNonces.of(verifier)
  const complaint = nonces.complaint(nonce, asking.settings.profile.minNonceLength)
  if (complaint) throw failed(`the Verifier's nonce ${complaint}`)
  if (peerNonce && equalBytes(nonce, peerNonce)) throw failed("the Verifier's nonce is the one of the peer")
  nonces.add(nonce)
  return session
}

async function opened({ settings }: Asking, verifier: Verifier, signal: AbortSignal): Promise<VerifierSession> {
  const { environment, verifierTimeout } = settings
  const deadline = { timer: environment.timer, ms: verifierTimeout, who: 'the Verifier', signal }
  try {
    return await within(deadline, inner => verifier.newSession({ signal: inner }))
  } catch (cause) {
    if (cause instanceof AttestationError || signal.aborted) throw cause
    throw failed(`the Verifier opens no session${because(cause)}`, cause)
  }
}

/** A nonce is never used twice: a Verifier that gives out the same again, or none worth the name, is not trusted with
 *  freshness. The last ones are remembered. */
class RecentNonces {
  /** By Verifier: options are often read anew for every connection, and the Verifier stays. */
  static readonly #all = new WeakMap<Verifier, RecentNonces>()
  readonly #seen = new Set<string>()

  static of(verifier: Verifier): RecentNonces {
    let nonces = RecentNonces.#all.get(verifier)
    if (!nonces) {
      nonces = new RecentNonces()
      RecentNonces.#all.set(verifier, nonces)
    }
    return nonces
  }

  /** What is wrong with a nonce; undefined: nothing. */
  complaint(nonce: Uint8Array, minLength: number): string | undefined {
    if (nonce.length < minLength || nonce.length > 255) {
      return `has ${nonce.length} bytes, not ${minLength} to 255`
    }
    if (nonce.every(byte => byte === 0)) return 'is all zeros'
    return this.#seen.has(hex(nonce)) ? 'was used before' : undefined
  }

  add(nonce: Uint8Array): void {
    const [oldest] = this.#seen
    if (this.#seen.size >= MAX_REMEMBERED && oldest !== undefined) this.#seen.delete(oldest)
    this.#seen.add(hex(nonce))
  }
}
const MAX_REMEMBERED = 1024

function failed(sentence: string, cause?: unknown): AttestationError {
  return new AttestationError('ERR_ATTESTATION_VERIFIER_FAILED', 'internal_error', sentence, { cause })
}
