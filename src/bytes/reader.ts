/** Input that does not have the form that its codec demands. */
export class DecodeError extends Error {
  readonly code = 'ERR_TLS_DECODE'
}

/** Reads the presentation language of RFC 8446 §3 off a byte string; a read past the end is a DecodeError. */
export class Reader {
  readonly #bytes: Uint8Array
  #offset = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  /** How many bytes are left. */
  get remaining(): number {
    return this.#bytes.length - this.#offset
  }

  get isAtEnd(): boolean {
    return this.#offset === this.#bytes.length
  }

  uint8(): number {
    return this.#bytes[this.#take(1)] as number
  }

  uint16(): number {
    const at = this.#take(2)
    const b = this.#bytes
    return ((b[at] as number) << 8) | (b[at + 1] as number)
  }

  uint24(): number {
    const at = this.#take(3)
    const b = this.#bytes
    return ((b[at] as number) << 16) | ((b[at + 1] as number) << 8) | (b[at + 2] as number)
  }

  uint32(): number {
    return this.uint16() * 0x10000 + this.uint16()
  }

  uint64(): bigint {
    return (BigInt(this.uint32()) << 32n) | BigInt(this.uint32())
  }

  /** The next `length` bytes: a view into the input, not a copy. */
  bytes(length: number): Uint8Array {
    const at = this.#take(length)
    return this.#bytes.subarray(at, at + length)
  }

  /** All that is left. */
  rest(): Uint8Array {
    return this.bytes(this.remaining)
  }

  /** @throws DecodeError if anything is left */
  end(): void {
    if (this.remaining > 0) throw new DecodeError(`${this.remaining} bytes are left over`)
  }

  #take(length: number): number {
    const at = this.#offset
    if (length > this.#bytes.length - at) {
      throw new DecodeError(`${length} bytes are expected where ${this.#bytes.length - at} are left`)
    }
    this.#offset = at + length
    return at
  }
}
