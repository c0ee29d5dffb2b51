import { TAG_LENGTH } from '../crypto/index.js'
import { outputOf } from './output-memory.js'
import type { Parts } from './parts.js'
import { ContentType, HEADER_LENGTH, MAX_CONTENT, RECORD_VERSION } from './record.js'
import type { RecordProtection } from './record-protection.js'

/** How many zeros to add to a record of that much content (RFC 8446 §5.4). What would not fit is cut. */
export type PaddingRule = (contentLength: number) => number

/** Makes records (RFC 8446 §5). */
export class RecordWriter {
  readonly #padding: PaddingRule | undefined
  #protection: RecordProtection | undefined
  /** Of plain records; `#maxContent` is of protected ones. */
  readonly #maxPlain: number
  #maxContent: number
  /** legacy_record_version of the next plain record. */
  #version: number

  /** @param maxContent of a record, in bytes: 1..16384   @param firstVersion legacy_record_version of the first record */
  constructor(padding: PaddingRule | undefined, maxContent = MAX_CONTENT, firstVersion: number = RECORD_VERSION) {
    this.#padding = padding
    this.#maxPlain = maxContent
    this.#maxContent = maxContent
    this.#version = firstVersion
  }

  /** Keys for the records from here on, which are given away; those before are wiped. */
  protect(protection: RecordProtection): void {
    this.#protection?.wipe()
    this.#protection = protection
  }

  /** The peer's record_size_limit (RFC 8449 §4): content and its type. It counts for protected records only. */
  limit(recordSizeLimit: number): void {
    this.#maxContent = Math.min(this.#maxContent, recordSizeLimit - 1)
  }

  /** Whether records are protected. */
  get isProtecting(): boolean {
    return this.#protection !== undefined
  }

  /** Forgets the keys: the connection is over. */
  clear(): void {
    this.#protection?.wipe()
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

  /** The records that carry the next `length` bytes of `content`, one after the other in one buffer. No bytes make one
   *  record. */
  write(type: number, content: Parts, length = content.left): Uint8Array {
    if (this.#protection) return this.#seal(this.#protection, type, content, length)
    const records = plain(type, content, length, this.#maxPlain, this.#version)
    this.#version = RECORD_VERSION
    return records
  }

  #seal(protection: RecordProtection, type: number, content: Parts, contentLength: number): Uint8Array {
    const size = this.#maxContent
    const count = Math.max(1, Math.ceil(contentLength / size))
    const overhead = HEADER_LENGTH + 1 + TAG_LENGTH
    const isPadded = this.#padding !== undefined
    const output = outputOf(contentLength + count * overhead + (isPadded ? count * size - contentLength : 0))
    let at = 0
    for (let from = 0, i = 0; i < count; i++, from += size) {
      const to = Math.min(from + size, contentLength)
      const padding = isPadded ? this.#paddingFor(to - from) : 0
      const start = at + HEADER_LENGTH
      const end = start + (to - from) + 1 + padding
      const length = end - start + TAG_LENGTH
      output[at] = ContentType.application_data
      output[at + 1] = 3
      output[at + 2] = 3
      output[at + 3] = length >>> 8
      output[at + 4] = length
      content.copy(output, start, to - from)
      output[start + to - from] = type
      // The memory may have been used before.
      if (padding > 0) output.fill(0, end - padding, end)
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

function plain(type: number, content: Parts, contentLength: number, size: number, version: number): Uint8Array {
  const count = Math.max(1, Math.ceil(contentLength / size))
  const output = new Uint8Array(contentLength + count * HEADER_LENGTH)
  for (let from = 0, at = 0; at < output.length; from += size) {
    const length = Math.min(size, contentLength - from)
    output[at] = type
    output[at + 1] = version >>> 8
    output[at + 2] = version
    output[at + 3] = length >>> 8
    output[at + 4] = length
    content.copy(output, at + HEADER_LENGTH, length)
    at += HEADER_LENGTH + length
  }
  return output
}
