import { equalBytes, hex } from '../bytes/index.js'
import type { Credential, Step } from '../handshake/index.js'
import { until } from '../handshake/index.js'
import type { Verifier, VerifierSession } from '../rats/index.js'
import { within } from './deadline.js'
import { AttestationError, because } from './errors.js'
import type { CredentialKind, EvidenceType } from './evidence-type.js'
import { typeName } from './message-type.js'
import { credentialOf, type Settings } from './settings.js'
import { type NegotiatedAttestation, StatusRecord } from './status.js'

/** What was agreed on for one direction. */
export type Selection =
  | { readonly model: 'background-check'; readonly selected: EvidenceType; readonly nonce: Uint8Array }
  | { readonly model: 'passport'; readonly verifier: Uint8Array; readonly credentialKind: CredentialKind }

/** What is known of a connection before its handshake. */
export interface Surroundings {
  /** Where the peer connects from, or was connected to. */
  readonly remoteAddress?: string | undefined
}

/** One side of one handshake, as far as attestation is concerned: the client and the server parts write into it, and
 *  what they have in common reads it. */
export class Participant {
  readonly settings: Settings
  readonly status: StatusRecord
  readonly remoteAddress: string | undefined
  /** Open while the peer's Evidence may still come. */
  session: VerifierSession | undefined
  /** What the handshake was authenticated with; null if with nothing. */
  credential: Credential | null = null
  /** RD0 of either direction, where the profile has one: 64 bytes, zeros without. */
  ownReportData: Uint8Array = new Uint8Array(64)
  peerReportData: Uint8Array = new Uint8Array(64)
  /** Whether the peer takes Evidence that is for others, too. */
  takesBatches = false
  /** Has the peer attest anew, while there is a connection on which it can. */
  renew: (() => void) | undefined
  #own: Selection | undefined
  #peer: Selection | undefined

  constructor(settings: Settings, { remoteAddress }: Surroundings = {}) {
    this.settings = settings
    this.remoteAddress = remoteAddress
    this.status = new StatusRecord(settings.profile, settings.requirement)
  }

  /** What we owe the peer. */
  get own(): Selection | undefined {
    return this.#own
  }

  set own(selection: Selection | undefined) {
    this.#own = selection
    this.status.ownNegotiated = selection ? negotiatedOf(selection) : null
  }

  /** What the peer owes us. */
  get peer(): Selection | undefined {
    return this.#peer
  }

  set peer(selection: Selection | undefined) {
    this.#peer = selection
    this.status.peerNegotiated = selection ? negotiatedOf(selection) : null
  }

  /** Opens a session at the Verifier, whose nonce makes the peer's Evidence fresh.
   *  @param peerNonce the nonce that the peer has sent us, which ours must not be
   *  @throws AttestationError if there is none to be had, or not a good one */
  *openSession(verifier: Verifier, signal: AbortSignal, peerNonce?: Uint8Array): Step<Uint8Array> {
    this.session = yield* this.newSession(verifier, signal, peerNonce)
    signal.addEventListener('abort', () => this.closeSession(), { once: true })
    return this.session.nonce
  }

  /** A session that the caller closes. @throws AttestationError as `openSession` */
  *newSession(verifier: Verifier, signal: AbortSignal, peerNonce?: Uint8Array): Step<VerifierSession> {
    const session = yield* until(this.#ask(signal, verifier))
    const { nonce } = session
    const nonces = RecentNonces.of(verifier)
    const complaint = nonces.complaint(nonce, this.settings.profile.minNonceLength)
    if (complaint) throw failedVerifier(`the Verifier's nonce ${complaint}`)
    if (peerNonce && equalBytes(nonce, peerNonce)) throw failedVerifier("the Verifier's nonce is the one of the peer")
    nonces.add(nonce)
    return session
  }

  /** Tells the Verifier that no Evidence will come. */
  closeSession(): void {
    this.session?.close?.()
    this.session = undefined
  }

  async #ask(signal: AbortSignal, verifier: Verifier): Promise<VerifierSession> {
    const { environment, verifierTimeout } = this.settings
    const deadline = { timer: environment.timer, ms: verifierTimeout, who: 'the Verifier', signal }
    try {
      return await within(deadline, inner => verifier.newSession({ signal: inner }))
    } catch (cause) {
      if (cause instanceof AttestationError || signal.aborted) throw cause
      throw failedVerifier(`the Verifier opens no session${because(cause)}`, cause)
    }
  }

  /** Notes that the peer is not attested; whether that ends the connection is a matter of policy.
   *  @throws AttestationError if attestation is required */
  missing(reason: string, asksForEvidence: boolean, code: MissingCode = 'ERR_ATTESTATION_PEER_NOT_ATTESTED'): void {
    const { requirement, codePoints } = this.settings
    if (requirement === 'none') return
    this.status.reason = reason
    if (requirement === 'optional') return
    const alert = asksForEvidence ? codePoints.unsupported_evidence : codePoints.unsupported_verifiers
    throw new AttestationError(code, alert, `${reason}, and attestation is required`)
  }
}
type MissingCode =
  | 'ERR_ATTESTATION_PEER_NOT_ATTESTED'
  | 'ERR_ATTESTATION_UNSUPPORTED_EVIDENCE'
  | 'ERR_ATTESTATION_UNSUPPORTED_VERIFIERS'

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

/** The kind of credential that a selection comes in. */
export function credentialKindOf(selection: Selection): CredentialKind {
  return selection.model === 'passport' ? selection.credentialKind : selection.selected.credentialKind
}

function negotiatedOf(selection: Selection): NegotiatedAttestation {
  const credential = credentialOf(credentialKindOf(selection))
  return selection.model === 'passport'
    ? { model: 'passport', credential, evidenceType: null, verifier: selection.verifier }
    : { model: 'background-check', credential, evidenceType: typeName(selection.selected.type), verifier: null }
}

function failedVerifier(sentence: string, cause?: unknown): AttestationError {
  return new AttestationError('ERR_ATTESTATION_VERIFIER_FAILED', 'internal_error', sentence, { cause })
}
