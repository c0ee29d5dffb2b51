import { ProtocolError } from '../handshake/index.js'
import { ContentType, HEADER_LENGTH, MAX_CONTENT, MAX_EXPANSION, type Record } from './record.js'
import type { RecordProtection } from './record-protection.js'

/** Cuts a byte stream into records and opens them (RFC 8446 §5). Whole records are read where they lie in the chunk;
 *  only one that is split over chunks is copied. */
export class RecordReader {
  /** The largest inner plaintext that we take, content type included; our record_size_limit (RFC 8449 §4). */
  readonly #limit: number
  #protection: RecordProtection | undefined
  /** Bytes that have not been looked at. */
  #chunk: Uint8Array = EMPTY
  /** The record that is still incomplete; `#filled` bytes of it are there. */
  #partial: Uint8Array = EMPTY
  #filled = 0
  #hasSeenRecord = false

  constructor(recordSizeLimit: number | undefined) {
    this.#limit = recordSizeLimit ?? MAX_CONTENT + 1
  }

  /** Keys for the records from here on. */
  protect(protection: RecordProtection): void {
    this.#protection = protection
  }

  /** How many bytes wait to be read. */
  get pending(): number {
    return this.#chunk.length + this.#filled
  }

  /** Adds bytes from the transport. They are not copied unless the reader had some left over. */
  add(chunk: Uint8Array): void {
    if (this.#chunk.length === 0) {
      this.#chunk = chunk
      return
    }
    const joined = new Uint8Array(this.#chunk.length + chunk.length)
    joined.set(this.#chunk)
    joined.set(chunk, this.#chunk.length)
    this.#chunk = joined
  }

  /** The next record; undefined if more bytes are needed. @throws ProtocolError */
  next(): Record | undefined {
    const record = this.#filled > 0 ? this.#completePartial() : this.#whole()
    return record && this.#open(record)
  }

  /** A record that lies whole in the chunk. */
  #whole(): Uint8Array | undefined {
    const chunk = this.#chunk
    if (chunk.length >= HEADER_LENGTH) {
      const length = HEADER_LENGTH + this.#payloadLength(chunk)
      if (chunk.length >= length) {
        this.#chunk = chunk.subarray(length)
        return chunk.subarray(0, length)
      }
      this.#keep(length)
    } else if (chunk.length > 0) {
      this.#keep(HEADER_LENGTH)
    }
    return undefined
  }

  /** Moves what is there of a record of `length` bytes out of the chunk. */
  #keep(length: number): void {
    this.#partial = new Uint8Array(length)
    this.#partial.set(this.#chunk)
    this.#filled = this.#chunk.length
    this.#chunk = EMPTY
  }

  #completePartial(): Uint8Array | undefined {
    if (!this.#fill()) return undefined
    if (this.#partial.length === HEADER_LENGTH) {
      const header = this.#partial
      this.#partial = new Uint8Array(HEADER_LENGTH + this.#payloadLength(header))
      this.#partial.set(header)
      if (!this.#fill()) return undefined
    }
    const record = this.#partial
    this.#partial = EMPTY
    this.#filled = 0
    return record
  }

  /** Fills the partial record from the chunk. @returns whether it is full */
  #fill(): boolean {
    const taken = this.#chunk.subarray(0, this.#partial.length - this.#filled)
    this.#partial.set(taken, this.#filled)
    this.#filled += taken.length
    this.#chunk = this.#chunk.subarray(taken.length)
    return this.#filled === this.#partial.length
  }

  /** Checks a header and gives the length that it claims. */
  #payloadLength(header: Uint8Array): number {
    const type = header[0]
    if (!this.#hasSeenRecord && (header[1] !== 3 || type < ContentType.change_cipher_spec)) {
      // The first bytes of a peer that speaks something else, such as plain HTTP.
      throw new ProtocolError('protocol_version', 'the peer does not speak TLS', { code: 'ERR_TLS_NOT_TLS' })
    }
    this.#hasSeenRecord = true
    if (type < ContentType.change_cipher_spec || type > ContentType.application_data) {
      throw new ProtocolError('unexpected_message', `a record has content type ${type}`)
    }
    const length = (header[3] << 8) | header[4]
    const limit = this.#protection ? MAX_CONTENT + MAX_EXPANSION : MAX_CONTENT
    if (length > limit) {
      throw new ProtocolError('record_overflow', `a record of ${length} bytes is longer than ${limit}`)
    }
    return length
  }

  #open(record: Uint8Array): Record {
    const type = record[0]
    const payload = record.subarray(HEADER_LENGTH)
    if (!this.#protection) {
      if (type === ContentType.application_data) {
        throw new ProtocolError('unexpected_message', 'application data came before there were keys')
      }
      return { type, content: payload }
    }
    // change_cipher_spec stays plain (RFC 8446 §5); alerts are from a peer that has no keys yet.
    if (type === ContentType.change_cipher_spec) return { type, content: payload }
    if (type === ContentType.alert && this.#protection.sequenceNumber === 0) return { type, content: payload }
    if (type !== ContentType.application_data) {
      throw new ProtocolError('unexpected_message', `a plain record of type ${type} came where records are protected`)
    }
    const inner = this.#protection.open(record.subarray(0, HEADER_LENGTH), payload)
    if (!inner) throw new ProtocolError('bad_record_mac', 'a record could not be opened')
    if (inner.length > this.#limit) {
      throw new ProtocolError('record_overflow', `a record holds ${inner.length} bytes, more than ${this.#limit}`)
    }
    // TLSInnerPlaintext: content, its type, zeros (RFC 8446 §5.2).
    let end = inner.length - 1
    while (end >= 0 && inner[end] === 0) end--
    if (end < 0) throw new ProtocolError('unexpected_message', 'a record holds nothing but padding')
    return { type: inner[end], content: inner.subarray(0, end) }
  }
}

const EMPTY = new Uint8Array(0)
