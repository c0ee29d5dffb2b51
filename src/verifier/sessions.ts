import type { Entropy } from '../crypto/index.js'

/** A caller of the Verifier asked for what makes no sense. */
export class SessionMisuseError extends Error {
  readonly code = 'ERR_VERIFIER_SESSION_USED'

  constructor() {
    super('a session appraises once: open another one, with a nonce of its own')
    this.name = 'SessionMisuseError'
  }
}

/** More sessions are open than the Verifier keeps. */
export class VerifierBusyError extends Error {
  readonly code = 'ERR_VERIFIER_BUSY'

  constructor(most: number) {
    super(`${most} sessions are open at the Verifier, which is as many as it keeps`)
    this.name = 'VerifierBusyError'
  }
}

/** A session that is open. */
export interface OpenSession {
  /** 32 bytes. */
  readonly nonce: Uint8Array
  /** Begins the one appraisal, which counts as long as it lasts.
   *  @returns whether the session was still open in time
   *  @throws SessionMisuseError if it was begun before */
  begin(): boolean
  /** Ends what was begun. */
  end(): void
  /** Lets go of a session that nothing was begun in; otherwise nothing happens. */
  close(): void
}

/** The sessions of a Verifier: each with a fresh nonce, for one appraisal, for a while. Peers make others open them,
 *  so there is a bound to how many are open, or are being appraised, at a time. */
export class Sessions {
  readonly #entropy: Pick<Entropy, 'bytes'>
  readonly #now: () => number
  readonly #lifetime: number
  readonly #most: number
  /** In the order of their ends. */
  readonly #open = new Map<OpenSession, number>()
  #appraising = 0

  /** @param options.lifetime ms   @param options.now milliseconds since 1970 */
  constructor(options: {
    readonly entropy: Pick<Entropy, 'bytes'>
    readonly now: () => number
    readonly lifetime: number
    readonly most: number
  }) {
    this.#entropy = options.entropy
    this.#now = options.now
    this.#lifetime = options.lifetime
    this.#most = options.most
  }

  /** @throws VerifierBusyError */
  open(): OpenSession {
    const now = this.#now()
    for (const [session, end] of this.#open) {
      if (now < end) break
      this.#open.delete(session)
    }
    if (this.#open.size + this.#appraising >= this.#most) throw new VerifierBusyError(this.#most)
    const end = now + this.#lifetime
    let state: 'open' | 'appraising' | 'ended' = 'open'
    const session: OpenSession = {
      nonce: this.#entropy.bytes(NONCE_LENGTH),
      begin: () => {
        if (state !== 'open') throw new SessionMisuseError()
        state = 'appraising'
        this.#open.delete(session)
        this.#appraising++
        return this.#now() < end
      },
      end: () => {
        if (state === 'appraising') this.#appraising--
        state = 'ended'
      },
      close: () => {
        if (state === 'open') state = 'ended'
        this.#open.delete(session)
      },
    }
    this.#open.set(session, end)
    return session
  }
}

/** Fits every format: the smallest fixed challenge is of 32 bytes. */
const NONCE_LENGTH = 32
