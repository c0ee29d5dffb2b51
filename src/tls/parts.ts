/** Byte strings that are read one after the other, as if they were one. */
export class Parts {
  readonly #parts: readonly Uint8Array[]
  #left: number
  #index = 0
  #offset = 0

  /** @param parts not copied: they must not change before they have been read */
  constructor(parts: readonly Uint8Array[]) {
    this.#parts = parts
    this.#left = parts.reduce((sum, { length }) => sum + length, 0)
  }

  /** How many bytes have not been read. */
  get left(): number {
    return this.#left
  }

  /** Reads the next `length` bytes into `output` at `at`. @throws RangeError if there are not as many left */
  copy(output: Uint8Array, at: number, length: number): void {
    if (length > this.#left) throw new RangeError(`there are ${this.#left} bytes left, not ${length}`)
    this.#left -= length
    for (let missing = length; missing > 0; ) {
      const part = this.#parts[this.#index]
      // Most are read whole; a part of one that is short would have to be moved out of V8's heap first.
      const isWhole = this.#offset === 0 && part.length <= missing
      const piece = isWhole ? part : part.subarray(this.#offset, this.#offset + missing)
      output.set(piece, at + length - missing)
      missing -= piece.length
      this.#offset += piece.length
      if (this.#offset === part.length) {
        this.#index++
        this.#offset = 0
      }
    }
  }
}
