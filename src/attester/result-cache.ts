import type { Cmw } from '../rats/index.js'

/** An Attestation Result, and for how long it may be presented. */
export interface CachedResult {
  readonly results: Cmw
  /** Milliseconds since 1970. */
  readonly freshFrom: number
  /** Milliseconds since 1970; infinite if it sets no end. */
  readonly freshUntil: number
}

/** Results by name. Who asks while one is being fetched waits for the same; who asks in the last fifth of its time gets
 *  the old one at once, while the next is fetched. What nobody waits for is not tried again at once when it fails. */
export class ResultCache {
  readonly #now: () => number
  readonly #entries = new Map<string, Entry>()

  /** @param now milliseconds since 1970 */
  constructor(now: () => number) {
    this.#now = now
  }

  /** @param fetch is told by its signal when nobody waits for it any more
   *  @throws whatever `fetch` throws, where there is nothing fresh; the signal's reason when it fires */
  async get(name: string, signal: AbortSignal, fetch: (signal: AbortSignal) => Promise<CachedResult>): Promise<Cmw> {
    signal.throwIfAborted()
    const entry = this.#entry(name)
    if (entry.held && this.#isFresh(entry.held)) {
      this.#refresh(entry, fetch)
      return entry.held.results
    }
    return this.#wait(entry, entry.flight ?? this.#fly(entry, fetch), signal)
  }

  /** Whether a result is at hand that is fresh. If it is not, or not for long, the next is fetched for those who ask
   *  later. */
  has(name: string, fetch: (signal: AbortSignal) => Promise<CachedResult>): boolean {
    const entry = this.#entry(name)
    this.#refresh(entry, fetch)
    return entry.held !== null && this.#isFresh(entry.held)
  }

  #isFresh({ freshFrom, freshUntil }: CachedResult): boolean {
    const now = this.#now()
    return now < freshUntil && freshFrom - MOST_AHEAD <= now
  }

  /** Fetches the next result, if it is time, without anybody waiting for it. */
  #refresh(entry: Entry, fetch: (signal: AbortSignal) => Promise<CachedResult>): void {
    const now = this.#now()
    const { held, flight, failedAt } = entry
    if (flight || now - failedAt < PAUSE || (held && this.#isFresh(held) && now < refreshAt(held))) return
    this.#fly(entry, fetch).promise.catch(() => {
      entry.failedAt = this.#now()
    })
  }

  #entry(name: string): Entry {
    const entry = this.#entries.get(name) ?? { held: null, flight: null, failedAt: Number.NEGATIVE_INFINITY }
    // The entry that was asked for longest ago is the first one.
    this.#entries.delete(name)
    this.#entries.set(name, entry)
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= MOST_ENTRIES) break
      this.#entries.delete(oldest)
    }
    return entry
  }

  #fly(entry: Entry, fetch: (signal: AbortSignal) => Promise<CachedResult>): Flight {
    const controller = new AbortController()
    const promise = fetch(controller.signal).then(result => {
      entry.held = result
      return result.results
    })
    const flight: Flight = { promise, controller, waiting: 0 }
    entry.flight = flight
    const landed = () => {
      if (entry.flight === flight) entry.flight = null
    }
    promise.then(landed, landed)
    return flight
  }

  /** Waits for a flight that others may wait for too: when the last of them has gone, it is called off. */
  #wait(entry: Entry, flight: Flight, signal: AbortSignal): Promise<Cmw> {
    flight.waiting++
    return new Promise((resolve, reject) => {
      const leave = () => {
        flight.waiting--
        signal.removeEventListener('abort', onAbort)
      }
      const onAbort = () => {
        leave()
        if (flight.waiting === 0) {
          // Who asks next must not join what is being called off.
          if (entry.flight === flight) entry.flight = null
          flight.controller.abort(signal.reason)
        }
        reject(signal.reason)
      }
      signal.addEventListener('abort', onAbort, { once: true })
      flight.promise.then(
        results => {
          leave()
          resolve(results)
        },
        error => {
          leave()
          reject(error)
        },
      )
    })
  }
}

interface Entry {
  held: CachedResult | null
  flight: Flight | null
  /** When a fetch failed that nobody waited for: ms since 1970. */
  failedAt: number
}

interface Flight {
  readonly promise: Promise<Cmw>
  readonly controller: AbortController
  waiting: number
}

/** How long after a failure nothing is fetched that nobody waits for: ms. */
const PAUSE = 10_000

/** One for every key and Verifier of a process: a handful. */
const MOST_ENTRIES = 256

/** A Verifier's clock may be a little ahead of ours: ms. */
const MOST_AHEAD = 600_000

function refreshAt({ freshFrom, freshUntil }: CachedResult): number {
  return freshUntil - (freshUntil - freshFrom) / 5
}
