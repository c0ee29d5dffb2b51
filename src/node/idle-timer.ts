/** The idle time of a socket: fires when nothing has moved for so long. */
export class IdleTimer {
  readonly #fire: () => void
  #timeout: NodeJS.Timeout | undefined
  #ms = 0

  constructor(fire: () => void) {
    this.#fire = fire
  }

  /** ms; 0: it never fires. */
  get ms(): number {
    return this.#ms
  }

  /** @throws RangeError if it is no time */
  set(ms: number): void {
    if (!(ms >= 0 && ms <= 2 ** 31 - 1)) throw new RangeError(`an idle time is 0..2147483647 ms, not ${ms}`)
    this.clear()
    this.#ms = ms
    if (ms > 0) {
      this.#timeout = setTimeout(this.#fire, ms)
      // Waiting for nothing to happen keeps no process alive.
      this.#timeout.unref()
    }
  }

  /** Something has moved. */
  touch(): void {
    this.#timeout?.refresh()
  }

  clear(): void {
    clearTimeout(this.#timeout)
    this.#timeout = undefined
  }
}
