/** Times that are set and pass, as promises: a session waits for whichever comes first. */
export class Alarms {
  readonly #timer: (ms: number, fire: () => void) => () => void
  readonly #set = new Map<string, () => void>()
  readonly #due = new Set<string>()
  #wake: (() => void) | undefined

  constructor(timer: (ms: number, fire: () => void) => () => void) {
    this.#timer = timer
  }

  /** Sets an alarm, in place of the one of that name. @param ms from now on */
  set(name: string, ms: number): void {
    this.clear(name)
    this.#set.set(
      name,
      this.#timer(ms, () => this.ring(name)),
    )
  }

  /** Lets an alarm go off now. */
  ring(name: string): void {
    this.#set.get(name)?.()
    this.#set.delete(name)
    this.#due.add(name)
    this.#wake?.()
  }

  clear(name: string): void {
    this.#set.get(name)?.()
    this.#set.delete(name)
    this.#due.delete(name)
  }

  clearAll(): void {
    for (const cancel of this.#set.values()) cancel()
    this.#set.clear()
    this.#due.clear()
  }

  /** Fulfilled when an alarm has gone off. */
  next(): Promise<undefined> {
    return new Promise(resolve => {
      this.#wake = () => resolve(undefined)
      if (this.#due.size > 0) resolve(undefined)
    })
  }

  /** Whether an alarm has gone off; it is then as if it had never been set. */
  take(name: string): boolean {
    return this.#due.delete(name)
  }
}
