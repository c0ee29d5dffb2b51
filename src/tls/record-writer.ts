import { TAG_LENGTH } from '../crypto/index.js'
import { ContentType, HEADER_LENGTH, MAX_CONTENT } from './record.js'
import type { RecordProtection } from './record-protection.js'

/** How many zeros to add to a record of that much content (RFC 8446 §5.4). What would not fit is cut. */
export type PaddingRule = (contentLength: number) => number

/** Makes records (RFC 8446 §5). */
export class RecordWriter {
  readonly #padding: PaddingRule | undefined
  #protection: RecordProtection | undefined
  #maxContent = MAX_CONTENT

  constructor(padding: PaddingRule | undefined) {
    this.#padding = padding
  }

  /** Keys for the records from here on. */
  protect(protection: RecordProtection): void {
    this.#protection = protection
  }

  /** The peer's record_size_limit (RFC 8449 §4): content and its type. It counts for protected records only. */
  limit(recordSizeLimit: number): void {
    this.#maxContent = Math.min(MAX_CONTENT, recordSizeLimit - 1)
  }

  /** Forgets the keys: the connection is over. */
  clear(): void {
    this.#protection = undefined
  }

  /** The largest content of a record. */
  get maxContent(): number {
    return this.#maxContent
  }

  /** How many records the current keys have protected. */
  get sequenceNumber(): number {
    return this.#protection?.sequenceNumber ?? 0
  }

  /** The records that carry `content`, one after the other in one buffer. Empty content makes one record. */
  write(type: number, content: Uint8Array): Uint8Array {
    return this.#protection ? this.#seal(this.#protection, type, content) : plain(type, content)
  }

  #seal(protection: RecordProtection, type: number, content: Uint8Array): Uint8Array {
    const size = this.#maxContent
    const count = Math.max(1, Math.ceil(content.length / size))
    const overhead = HEADER_LENGTH + 1 + TAG_LENGTH
    const isPadded = this.#padding !== undefined
    const output = new Uint8Array(content.length + count * overhead + (isPadded ? count * size - content.length : 0))
    let at = 0
    for (let from = 0, i = 0; i < count; i++, from += size) {
      const to = Math.min(from + size, content.length)
      const padding = isPadded ? this.#paddingFor(to - from) : 0
      const start = at + HEADER_LENGTH
      const end = start + (to - from) + 1 + padding
      const length = end - start + TAG_LENGTH
      output[at] = ContentType.application_data
      output[at + 1] = 3
      output[at + 2] = 3
      output[at + 3] = length >>> 8
      output[at + 4] = length
      output.set(content.subarray(from, to), start)
      output[start + to - from] = type
      protection.seal(output.subarray(at, start), output, start, end)
      at = end + TAG_LENGTH
    }
    return at === output.length ? output : output.subarray(0, at)
  }

  #paddingFor(contentLength: number): number {
    const wanted = Math.floor(this.#padding?.(contentLength) ?? 0)
    return Math.max(0, Math.min(wanted, this.#maxContent - contentLength))
  }
}

function plain(type: number, content: Uint8Array): Uint8Array {
  const count = Math.max(1, Math.ceil(content.length / MAX_CONTENT))
  const output = new Uint8Array(content.length + count * HEADER_LENGTH)
  for (let from = 0, at = 0; at < output.length; from += MAX_CONTENT) {
    const part = content.subarray(from, from + MAX_CONTENT)
    output[at] = type
    output[at + 1] = 3
    // 0x0303; a first ClientHello may say 0x0301, but nobody needs it to (RFC 8446 §5.1).
    output[at + 2] = 3
    output[at + 3] = part.length >>> 8
    output[at + 4] = part.length
    output.set(part, at + HEADER_LENGTH)
    at += HEADER_LENGTH + part.length
  }
  return output
}
