/** When a flight is sent again (RFC 9147 §5.8.2): after a second, then after twice as long each time. All times in ms. */
export class RetransmissionTimer {
  /** How long it waits at first. */
  readonly initial: number
  readonly #maxCount: number
  #interval: number
  #count = 0
  #deadline: number | undefined

  /** @param maxCount how often a flight is sent again before the peer is given up */
  constructor(initial: number, maxCount: number) {
    this.initial = initial
    this.#interval = initial
    this.#maxCount = maxCount
  }

  /** When it expires; undefined while nothing is waited for. */
  get deadline(): number | undefined {
    return this.#deadline
  }

  /** How long it waits now. */
  get interval(): number {
    return this.#interval
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
    this.#interval = this.initial
    this.#count = 0
    this.#deadline = now + this.#interval
  }

  /** It has expired: the next interval is twice as long. */
  backOff(now: number): void {
    this.#count++
    this.#interval = Math.min(this.#interval * 2, MAX_INTERVAL)
    this.#deadline = now + this.#interval
  }

  /** What it waits for has been done already: it waits as long again, if it does at all. */
  postpone(now: number): void {
    if (this.#deadline !== undefined) this.#deadline = now + this.#interval
  }

  stop(): void {
    this.#deadline = undefined
    this.#count = 0
  }
}

const MAX_INTERVAL = 60_000
