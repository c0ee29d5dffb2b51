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
 *  the old one at once, while the next is fetched. */
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
    const now = this.#now()
    const { held } = entry
    if (held && now < held.freshUntil && held.freshFrom - MOST_AHEAD <= now) {
      if (now >= refreshAt(held) && !entry.flight) {
        // The result at hand is still good: if this fails, the next asker tries again.
        this.#fly(entry, fetch).promise.catch(() => undefined)
      }
      return held.results
    }
    return this.#wait(entry, entry.flight ?? this.#fly(entry, fetch), signal)
  }

  #entry(name: string): Entry {
    const entry = this.#entries.get(name) ?? { held: null, flight: null }
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
}

interface Flight {
  readonly promise: Promise<Cmw>
  readonly controller: AbortController
  waiting: number
}

/** One for every key and Verifier of a process: a handful. */
const MOST_ENTRIES = 256

/** A Verifier's clock may be a little ahead of ours: ms. */
const MOST_AHEAD = 600_000

function refreshAt({ freshFrom, freshUntil }: CachedResult): number {
  return freshUntil - (freshUntil - freshFrom) / 5
}
