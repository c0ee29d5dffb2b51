/** Writes the presentation language of RFC 8446 §3 into a buffer that grows. */
export class Writer {
  #bytes: Uint8Array
  #length = 0

  constructor(sizeHint = 256) {
    this.#bytes = new Uint8Array(sizeHint)
  }

  /** How many bytes have been written. */
  get length(): number {
    return this.#length
  }

  uint8(value: number): void {
    const at = this.#room(1)
    this.#bytes[at] = value
  }

  uint16(value: number): void {
    const at = this.#room(2)
    this.#bytes[at] = value >>> 8
    this.#bytes[at + 1] = value
  }

  uint24(value: number): void {
    const at = this.#room(3)
    this.#bytes[at] = value >>> 16
    this.#bytes[at + 1] = value >>> 8
    this.#bytes[at + 2] = value
  }

  uint32(value: number): void {
    this.uint16(Math.floor(value / 0x10000))
    this.uint16(value & 0xffff)
  }

  uint64(value: bigint): void {
    this.uint32(Number(value >> 32n))
    this.uint32(Number(value & 0xffff_ffffn))
  }

  bytes(value: Uint8Array): void {
    // Room first: making it may replace the buffer.
    const at = this.#room(value.length)
    this.#bytes.set(value, at)
  }

  /** Writes a vector: a length of `lengthSize` bytes (1, 2 or 3), then what `body` writes.
   *  @throws RangeError unless the body has from `min` to `max` bytes: our own mistake, never a peer's */
  vector(lengthSize: 1 | 2 | 3, min: number, max: number, body: (writer: Writer) => void): void {
    const at = this.#room(lengthSize)
    body(this)
    const length = this.#length - at - lengthSize
    if (length < min || length > max) throw new RangeError(`a vector of ${min}..${max} bytes cannot hold ${length}`)
    for (let i = 0; i < lengthSize; i++) this.#bytes[at + i] = length >>> (8 * (lengthSize - 1 - i))
  }

  /** What was written, in a buffer of its own. */
  take(): Uint8Array {
    return this.#bytes.slice(0, this.#length)
  }

  /** Begins anew. What was written is wiped; a buffer that has grown large is let go. */
  clear(): void {
    if (this.#bytes.length > 4096) this.#bytes = new Uint8Array(256)
    else this.#bytes.fill(0, 0, this.#length)
    this.#length = 0
  }

  #room(length: number): number {
    const at = this.#length
    const needed = at + length
    if (needed > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(needed, this.#bytes.length * 2))
      larger.set(this.#bytes.subarray(0, at))
      this.#bytes = larger
    }
    this.#length = needed
    return at
  }
}

/** What `write` writes, in a buffer of its own. */
export function written(write: (writer: Writer) => void): Uint8Array {
  // Buffers to write in are used again: a handshake encodes some fifty small structures.
  const writer = idle.pop() ?? new Writer()
  try {
    write(writer)
    return writer.take()
  } finally {
    writer.clear()
    if (idle.length < 4) idle.push(writer)
  }
}

const idle: Writer[] = []
