/** Which parts of a row of bytes there are: a set of ranges, in order, none of which touch. */
export class Ranges {
  #ranges: readonly Range[] = []

  /** How many there are. */
  get count(): number {
    return this.#ranges.length
  }

  /** Whether all bytes from 0 to `length` are there. */
  covers(length: number): boolean {
    const [first] = this.#ranges
    return first !== undefined && first.from === 0 && first.to >= length
  }

  /** @returns whether any of it was not there */
  add(from: number, to: number): boolean {
    if (from >= to) return false
    const before = this.#ranges.filter(range => range.to < from)
    const after = this.#ranges.filter(range => range.from > to)
    const touching = this.#ranges.slice(before.length, this.#ranges.length - after.length)
    const joined = { from: Math.min(from, touching[0]?.from ?? from), to: Math.max(to, touching.at(-1)?.to ?? to) }
    this.#ranges = [...before, joined, ...after]
    return lengthOf([joined]) > lengthOf(touching)
  }

  remove(from: number, to: number): void {
    if (from >= to) return
    this.#ranges = this.#ranges.flatMap(range =>
      range.to <= from || range.from >= to
        ? [range]
        : [
            { from: range.from, to: Math.min(range.to, from) },
            { from: Math.max(range.from, to), to: range.to },
          ].filter(part => part.from < part.to),
    )
  }

  clear(): void {
    this.#ranges = []
  }

  /** What is in neither of two sets, of the bytes from 0 to `length`. */
  static missing(length: number, a: Ranges, b: Ranges): readonly Range[] {
    const all = new Ranges()
    all.add(0, length)
    for (const { from, to } of [...a.#ranges, ...b.#ranges]) all.remove(from, to)
    return all.#ranges
  }
}

function lengthOf(ranges: readonly Range[]): number {
  return ranges.reduce((sum, { from, to }) => sum + to - from, 0)
}

/** Bytes `from` to `to`, the last one not included. */
export interface Range {
  readonly from: number
  readonly to: number
}
