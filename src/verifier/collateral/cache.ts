import type { EndorsementNeed } from '../../evidence/index.js'

/** Collateral as it is kept: what it says, and until when. */
export interface DatedItem {
  /** Milliseconds since 1970. */
  readonly issuedAt: number
  /** Milliseconds since 1970. */
  readonly nextUpdate: number
}

/** Keeps answers of collateral services beyond the life of a process. Whoever can write to it can take collateral away
 *  or bring back an older one that is still valid, and nothing else: every signature is checked again. */
export interface CollateralStore {
  read(name: string): Promise<Uint8Array | undefined>
  write(name: string, bytes: Uint8Array): Promise<void>
}

/** How a cache gets and reads what it keeps. */
export interface CollateralCacheOptions<Item extends DatedItem> {
  /** Asks the service. Rejects when it does not answer, or the signal fires.
   *  @returns the answer, in a form that `read` reads and that can be stored */
  readonly load: (need: EndorsementNeed, signal: AbortSignal) => Promise<Uint8Array>
  /** @throws Error if that is no answer to the need */
  readonly read: (need: EndorsementNeed, answer: Uint8Array) => Item
  /** Milliseconds since 1970: `Date.now`. */
  readonly now: () => number
  /** A signal that fires after so many ms: `AbortSignal.timeout`. */
  readonly timeout: (ms: number) => AbortSignal
  readonly store?: CollateralStore | undefined
  /** How long a service may take to answer, in ms; 10 000 unless said. */
  readonly requestTimeout?: number | undefined
  /** How many items are kept, and how many pauses are remembered; 1 000 unless said. */
  readonly mostItems?: number | undefined
  /** How many requests may be under way; 32 unless said. What needs more is answered as if nothing were there. */
  readonly mostRequests?: number | undefined
  /** Is told of a service that does not answer well, and how long what is held still lasts. */
  readonly warn?: ((sentence: string) => void) | undefined
}

/** Collateral of one kind of service. What decides is what the collateral says of itself: it is used until its
 *  `nextUpdate`, and no longer; from the last quarter of its life on a newer one is looked for beside the work. Many
 *  who need one thing wait for one request; after a failure the service is left alone for a while. */
export class CollateralCache<Item extends DatedItem> {
  readonly #options: CollateralCacheOptions<Item>
  readonly #items = new Map<string, Item>()
  readonly #pauses = new Map<string, Pause>()
  readonly #flights = new Map<string, Promise<void>>()
  /** Those who wait, by the signal that they wait with. It may be one for many, and is listened to once. */
  readonly #waiting = new Map<AbortSignal, Listening>()

  constructor(options: CollateralCacheOptions<Item>) {
    this.#options = options
  }

  /** What is in memory, good or not. */
  held(need: EndorsementNeed): Item | undefined {
    return this.#items.get(nameOf(need))
  }

  /** All that is in memory, for people who want to know how long it lasts. */
  get status(): readonly { readonly name: string; readonly issuedAt: number; readonly nextUpdate: number }[] {
    return [...this.#items].map(([name, { issuedAt, nextUpdate }]) => ({ name, issuedAt, nextUpdate }))
  }

  /** Sees to it that what is needed is in memory, if it is to be had.
   *  @returns undefined if nothing has to be waited for   @throws the signal's reason when it fires */
  prepare(need: EndorsementNeed, at: number, signal: AbortSignal): Promise<void> | undefined {
    const name = nameOf(need)
    const item = this.#items.get(name)
    if (item && at <= item.nextUpdate) {
      if (isAging(item, at)) void this.#flight(name, need, at)
      return undefined
    }
    const flight = this.#flight(name, need, at)
    return flight && this.#untilAborted(flight, signal)
  }

  /** The promise, for as long as this one waits for it: others may wait on. */
  async #untilAborted(promise: Promise<void>, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    await new Promise<void>((resolve, reject) => {
      const leave = this.#onAbort(signal, () => reject(signal.reason))
      promise.then(resolve, reject).finally(leave)
    })
  }

  /** @returns what to call when there is nobody to tell any more */
  #onAbort(signal: AbortSignal, tell: () => void): () => void {
    const listening = this.#waiting.get(signal) ?? listenTo(signal)
    const { waiting, listener } = listening
    this.#waiting.set(signal, listening)
    waiting.add(tell)
    return () => {
      waiting.delete(tell)
      if (waiting.size > 0) return
      this.#waiting.delete(signal)
      signal.removeEventListener('abort', listener)
    }
  }

  /** The one request for this; undefined while none is made because one has failed, or because there are too many. */
  #flight(name: string, need: EndorsementNeed, at: number): Promise<void> | undefined {
    const running = this.#flights.get(name)
    if (running) return running
    const pause = this.#pauses.get(name)
    if (pause && this.#options.now() < pause.retryAt) return undefined
    if (this.#flights.size >= (this.#options.mostRequests ?? 32)) return undefined
    const flight = this.#fetch(name, need, at).finally(() => this.#flights.delete(name))
    this.#flights.set(name, flight)
    return flight
  }

  async #fetch(name: string, need: EndorsementNeed, at: number): Promise<void> {
    if (!this.#items.has(name) && (await this.#readStored(name, need, at))) return
    try {
      const { load, read, timeout, requestTimeout = 10_000 } = this.#options
      const answer = await load(need, timeout(requestTimeout))
      const item = read(need, answer)
      this.#keep(name, item)
      if (at > item.nextUpdate) throw new Error(`the answer held until ${new Date(item.nextUpdate).toISOString()}`)
      // A service that has nothing newer yet is not asked again with every connection.
      this.#pauses.delete(name)
      if (isAging(item, at)) this.#pause(name, 0, PAUSE_WITHOUT_NEWS)
      await this.#options.store?.write(name, answer).catch(error => this.#warn(name, 'cannot be stored', error))
    } catch (error) {
      this.#fail(name, error)
    }
  }

  /** @returns whether what was stored is good for some time yet */
  async #readStored(name: string, need: EndorsementNeed, at: number): Promise<boolean> {
    try {
      const stored = await this.#options.store?.read(name)
      if (!stored) return false
      const item = this.#options.read(need, stored)
      this.#keep(name, item)
      return at <= item.nextUpdate && !isAging(item, at)
    } catch (error) {
      this.#warn(name, 'cannot be read where it was stored', error)
      return false
    }
  }

  /** An answer that is older than what is held would undo a revocation. */
  #keep(name: string, item: Item): void {
    const held = this.#items.get(name)
    if (held && held.issuedAt > item.issuedAt) return
    setBounded(this.#items, name, item, this.#options.mostItems ?? 1_000)
  }

  #fail(name: string, error: unknown): void {
    const failures = (this.#pauses.get(name)?.failures ?? 0) + 1
    this.#pause(name, failures, Math.min(FIRST_PAUSE * 2 ** (failures - 1), LONGEST_PAUSE))
    this.#warn(name, 'was not to be had', error)
  }

  #pause(name: string, failures: number, length: number): void {
    const retryAt = this.#options.now() + length
    setBounded(this.#pauses, name, { failures, retryAt }, this.#options.mostItems ?? 1_000)
  }

  #warn(name: string, what: string, error: unknown): void {
    const held = this.#items.get(name)
    const lasts = held ? `; what is held is good until ${new Date(held.nextUpdate).toISOString()}` : ''
    this.#options.warn?.(`${name} ${what}: ${error instanceof Error ? error.message : 'no reason given'}${lasts}`)
  }
}

/** Those who are told when a signal fires. */
interface Listening {
  readonly waiting: Set<() => void>
  readonly listener: () => void
}

function listenTo(signal: AbortSignal): Listening {
  const waiting = new Set<() => void>()
  const listener = () => {
    for (const tell of waiting) tell()
  }
  signal.addEventListener('abort', listener, { once: true })
  return { waiting, listener }
}

/** For how long a service is left alone about one thing. */
interface Pause {
  /** How many times in a row it has failed. */
  readonly failures: number
  /** Milliseconds since 1970. */
  readonly retryAt: number
}

/** ms */
const FIRST_PAUSE = 1_000
/** ms */
const LONGEST_PAUSE = 5 * 60_000
/** ms */
const PAUSE_WITHOUT_NEWS = 60 * 60_000

/** The last quarter of the time that it is good for. */
function isAging({ issuedAt, nextUpdate }: DatedItem, at: number): boolean {
  return at > nextUpdate - (nextUpdate - issuedAt) / 4
}

/** `dcap-tcb-info fmspc=… tee=…`: equal for equal needs. */
export function nameOf({ kind, parameters }: EndorsementNeed): string {
  const list = Object.entries(parameters).sort(([a], [b]) => (a < b ? -1 : 1))
  return [kind, ...list.map(([name, value]) => `${name}=${value}`)].join(' ')
}

/** The one that was set longest ago makes place. */
function setBounded<Value>(map: Map<string, Value>, name: string, value: Value, most: number): void {
  map.delete(name)
  map.set(name, value)
  for (const oldest of map.keys()) {
    if (map.size <= most) return
    map.delete(oldest)
  }
}
