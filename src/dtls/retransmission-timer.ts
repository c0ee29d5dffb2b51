/** When a flight is sent again (RFC 9147 §5.8.2): after a second, then after twice as long each time. All times in ms. */
export class RetransmissionTimer {
  readonly #maxCount: number
  #initial: number
  #count = 0
  #startedAt: number | undefined

  /** @param maxCount how often a flight is sent again before the peer is given up */
  constructor(initial: number, maxCount: number) {
    this.#initial = initial
    this.#maxCount = maxCount
  }

  /** How long it waits at first. */
  get initial(): number {
    return this.#initial
  }

  /** The path takes longer than was thought, or not as long. It counts for what is waited for now, too. */
  set initial(initial: number) {
    this.#initial = initial
  }

  /** When it expires; undefined while nothing is waited for. */
  get deadline(): number | undefined {
    return this.#startedAt === undefined ? undefined : this.#startedAt + this.interval
  }

  /** How long it waits now. */
  get interval(): number {
    return Math.min(this.#initial * 2 ** this.#count, MAX_INTERVAL)
  }

  /** How often in a row it has expired. */
  get count(): number {
    return this.#count
  }

  /** Whether the peer has had all the time that it gets. */
  get isExhausted(): boolean {
    return this.#count > this.#maxCount
  }

  /** A flight has been sent for the first time, or the peer has shown that it is there. */
  start(now: number): void {
    this.#count = 0
    this.#startedAt = now
  }

  /** It has expired: the next interval is twice as long. */
  backOff(now: number): void {
    this.#count++
    this.#startedAt = now
  }

  /** What it waits for has been done already: it waits as long again, if it does at all. */
  postpone(now: number): void {
    if (this.#startedAt !== undefined) this.#startedAt = now
  }

  stop(): void {
    this.#count = 0
    this.#startedAt = undefined
  }
}

const MAX_INTERVAL = 60_000
