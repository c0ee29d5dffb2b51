import { seededRandom } from '../test/support/datagram-pair.js'

/** Choices that are drawn from a seed, so that a run can be repeated. */
export class Random {
  readonly #next: () => number

  constructor(seed: number) {
    this.#next = seededRandom(seed)
  }

  /** A whole number from 0 on. */
  below(limit: number): number {
    return Math.floor(this.#next() * limit)
  }

  /** Whether something of that probability happens. */
  chance(probability: number): boolean {
    return this.#next() < probability
  }

  /** @throws RangeError if there is nothing to choose from */
  pick<T>(choices: readonly T[]): T {
    if (choices.length === 0) throw new RangeError('there is nothing to choose from')
    return choices[this.below(choices.length)] as T
  }

  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.below(256))
  }

  /** The seed of a run within this one. */
  seed(): number {
    return this.below(2 ** 32)
  }
}
