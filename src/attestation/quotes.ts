import type { Attester, Cmw, EvidenceRequest } from '../rats/index.js'
import { AttestationError } from './errors.js'

/** How much of an Attester's time peers may take. What makes Evidence is slow, and often there is one of it for the
 *  whole machine: whoever can make handshakes begin can keep it busy. */
export interface QuoteLimits {
  /** How many pieces of Evidence are made at a time. Default: 8. */
  readonly concurrent?: number
  /** How many more connections may wait for their turn; those that come then are refused. Default: 256. */
  readonly waiting?: number
}

/** The limits with every default filled in. */
export type FullQuoteLimits = Required<QuoteLimits>

/** The turns at one Attester, for all connections that have it made Evidence. */
export class Quotes {
  /** By Attester: options are often read anew for every connection, and the Attester stays. */
  static readonly #all = new WeakMap<Attester, Quotes>()
  readonly #attester: Attester
  /** Those who wait, the one who came first at the front. */
  readonly #waiting = new Set<() => void>()
  #running = 0

  private constructor(attester: Attester) {
    this.#attester = attester
  }

  static of(attester: Attester): Quotes {
    let quotes = Quotes.#all.get(attester)
    if (!quotes) {
      quotes = new Quotes(attester)
      Quotes.#all.set(attester, quotes)
    }
    return quotes
  }

  /** How many pieces of Evidence are being made or waited for. */
  get pending(): number {
    return this.#running + this.#waiting.size
  }

  /** Has Evidence made when there is a turn for it. A turn ends when the Attester has answered, not when nobody listens
   *  any more: the device is busy until then.
   *  @throws AttestationError if too many wait already; the reason of the request's signal; what the Attester throws */
  async evidence(request: EvidenceRequest, { concurrent, waiting }: FullQuoteLimits): Promise<Cmw> {
    if (this.#running >= concurrent) {
      if (this.#waiting.size >= waiting) {
        const sentence = `the Attester has too much to do: ${this.pending} pieces of Evidence are under way`
        throw new AttestationError('ERR_ATTESTATION_ATTESTER_BUSY', 'internal_error', sentence)
      }
      await this.#turn(request.signal)
    } else {
      this.#running++
    }
    try {
      return await this.#attester.evidence(request)
    } finally {
      this.#pass()
    }
  }

  /** Waits for a turn, which is counted by whoever passes it on. */
  #turn(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const begin = () => {
        signal.removeEventListener('abort', leave)
        resolve()
      }
      const leave = () => {
        this.#waiting.delete(begin)
        reject(signal.reason)
      }
      this.#waiting.add(begin)
      signal.addEventListener('abort', leave, { once: true })
    })
  }

  #pass(): void {
    const [next] = this.#waiting
    if (!next) {
      this.#running--
      return
    }
    this.#waiting.delete(next)
    next()
  }
}
