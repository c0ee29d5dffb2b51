/** Tells whether a record has been seen before (RFC 9147 §4.5.1): the sliding window of RFC 4303 §3.4.3, as a ring of
 *  words, so that moving it costs the words that it passes. */
export class ReplayWindow {
  readonly #words = new Uint32Array(WORDS)
  /** One more than the highest number that was accepted. */
  #next = 0

  /** One more than the highest number that was accepted: the one that is expected. */
  get next(): number {
    return this.#next
  }

  /** Whether a record of that number may be opened: it is new, and not so old that nobody can tell. */
  isFresh(number: number): boolean {
    if (number >= this.#next) return true
    if (number + WINDOW_SIZE < this.#next) return false
    return ((this.#words[wordOf(number)] >>> (number % 32)) & 1) === 0
  }

  /** Notes a record, after it has proved to be genuine. */
  accept(number: number): void {
    if (number >= this.#next) {
      const passed = Math.min(Math.floor(number / 32) - Math.floor((this.#next - 1) / 32), WORDS)
      for (let i = 0; i < passed; i++) this.#words[wordOf(number - i * 32)] = 0
      this.#next = number + 1
    }
    this.#words[wordOf(number)] |= 1 << (number % 32)
  }
}

const WORDS = 16
/** How far behind the highest number a record may come: one word less than there is room for, since the word of the
 *  highest number is not full. */
const WINDOW_SIZE = (WORDS - 1) * 32

function wordOf(number: number): number {
  return Math.floor(number / 32) % WORDS
}
