import { MessageError } from '../rats/index.js'

/** Reads the layouts of processor vendors, whose integers are little-endian, off a byte string. A read past the end is
 *  a MessageError. */
export class LittleEndian {
  readonly #bytes: Uint8Array
  readonly #what: string
  #offset = 0

  constructor(bytes: Uint8Array, what: string) {
    this.#bytes = bytes
    this.#what = what
  }

  /** How many bytes were read. */
  get offset(): number {
    return this.#offset
  }

  /** How many bytes are left. */
  get remaining(): number {
    return this.#bytes.length - this.#offset
  }

  uint16(): number {
    const [a = 0, b = 0] = this.bytes(2)
    return a | (b << 8)
  }

  uint32(): number {
    return this.uint16() + this.uint16() * 0x10000
  }

  /** The next `length` bytes: a view into the input, not a copy. */
  bytes(length: number): Uint8Array {
    const start = this.#offset
    this.skip(length)
    return this.#bytes.subarray(start, this.#offset)
  }

  /** Passes over bytes that mean nothing. */
  skip(length: number): void {
    if (length > this.remaining) {
      throw new MessageError(
        'ERR_RATS_MALFORMED',
        `${this.#what} has ${length} bytes to come at ${this.#offset}, where ${this.remaining} are left`,
      )
    }
    this.#offset += length
  }

  /** @throws MessageError if anything is left */
  end(): void {
    if (this.remaining > 0) {
      throw new MessageError('ERR_RATS_MALFORMED', `${this.#what} has ${this.remaining} bytes left over`)
    }
  }
}

/** A reader from the first byte on. @param what for messages: `a quote` */
export function littleEndian(bytes: Uint8Array, what: string): LittleEndian {
  return new LittleEndian(bytes, what)
}
