import { EMPTY, join, madeOutside } from '../bytes/index.js'
import { TAG_LENGTH, uninitialized } from '../crypto/index.js'
import { ProtocolError } from '../handshake/index.js'
import { ContentType, HEADER_LENGTH, MAX_CONTENT, MAX_EXPANSION, type Record } from './record.js'
import type { RecordProtection } from './record-protection.js'

/** Cuts a byte stream into records and opens them (RFC 8446 §5). Whole records are read where they lie in the chunk;
 *  only one that is split over chunks is copied. */
export class RecordReader {
  /** The largest inner plaintext that we take, content type included. */
  #limit = MAX_CONTENT + 1
  #protection: RecordProtection | undefined
  /** Whether the peer may not have keys yet, so that its alerts come plain. */
  #takesPlainAlerts = false
  /** How many bytes of early data may still be dropped; undefined where none are. */
  #earlyDataLeft: number | undefined
  /** Bytes that have not been looked at; more stand behind them in `#waiting`. */
  #chunk: Uint8Array = EMPTY
  #waiting: Uint8Array[] = []
  #waitingLength = 0
  /** The record that is still incomplete; `#filled` bytes of it are there. */
  #partial: Uint8Array = EMPTY
  #filled = 0
  #hasSeenRecord = false
  /** Where the next plaintext goes: behind the one before, so that what belongs together comes in one piece. */
  #room: Uint8Array = EMPTY

  /** Keys for the records from here on, which are given away; those before are wiped.
   *  @param takesPlainAlerts whether the peer may fail before it has its keys */
  protect(protection: RecordProtection, takesPlainAlerts: boolean): void {
    this.#protection?.wipe()
    this.#protection = protection
    this.#takesPlainAlerts = takesPlainAlerts
    this.#earlyDataLeft = undefined
  }

  /** Our record_size_limit (RFC 8449 §4): content and its type. It counts for protected records only. */
  limit(recordSizeLimit: number): void {
    this.#limit = Math.min(recordSizeLimit, MAX_CONTENT + 1)
  }

  /** Drops what looks like early data (RFC 8446 §4.2.10): records that do not open, or that come before there are keys,
   *  until one opens. */
  skipEarlyData(): void {
    this.#earlyDataLeft = MAX_SKIPPED_EARLY_DATA
  }

  /** How many records the current keys have opened. */
  get sequenceNumber(): number {
    return this.#protection?.sequenceNumber ?? 0
  }

  /** How many bytes wait to be read. */
  get pending(): number {
    return this.#chunk.length + this.#waitingLength + this.#filled
  }

  /** Adds bytes from the transport. They are not copied, so they must not change while they are pending. */
  add(chunk: Uint8Array): void {
    if (this.#chunk.length === 0) {
      this.#chunk = chunk
    } else {
      this.#waiting.push(chunk)
      this.#waitingLength += chunk.length
    }
  }

  /** Forgets everything: the connection is over. */
  clear(): void {
    this.#protection?.wipe()
    this.#protection = undefined
    this.#chunk = EMPTY
    this.#waiting = []
    this.#waitingLength = 0
    this.#partial = EMPTY
    this.#filled = 0
    this.#room = EMPTY
  }

  /** The next record; undefined if more bytes are needed. @throws ProtocolError */
  next(): Record | undefined {
    for (;;) {
      const record = this.#filled > 0 ? this.#completePartial() : this.#whole()
      if (record) {
        const opened = this.#open(record)
        if (opened) return opened
      } else if (this.#waiting.length > 0) {
        // What was left of the chunk has gone into the partial record.
        this.#chunk = join(this.#waiting)
        this.#waiting = []
        this.#waitingLength = 0
      } else {
        // Nobody is to find there what it held before.
        this.#room.fill(0)
        this.#room = EMPTY
        return undefined
      }
    }
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
    this.#partial = uninitialized(length)
    this.#partial.set(this.#chunk)
    this.#filled = this.#chunk.length
    this.#chunk = EMPTY
  }

  #completePartial(): Uint8Array | undefined {
    if (!this.#fill()) return undefined
    if (this.#partial.length === HEADER_LENGTH) {
      const header = this.#partial
      this.#partial = uninitialized(HEADER_LENGTH + this.#payloadLength(header))
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
      const sentence =
        'what came first is no TLS record: the peer speaks something else, such as plain HTTP; check the port'
      throw new ProtocolError('protocol_version', sentence, { code: 'ERR_TLS_NOT_TLS' })
    }
    this.#hasSeenRecord = true
    if (type < ContentType.change_cipher_spec || type > ContentType.application_data) {
      throw new ProtocolError('unexpected_message', `a record has content type ${type}`)
    }
    const length = (header[3] << 8) | header[4]
    const limit = this.#protection ? MAX_CONTENT + MAX_EXPANSION : MAX_CONTENT
    // Early data is protected, whether we have keys or not.
    if (length > limit && !(this.#earlyDataLeft !== undefined && length <= MAX_CONTENT + MAX_EXPANSION)) {
      throw new ProtocolError('record_overflow', `a record of ${length} bytes is longer than ${limit}`)
    }
    return length
  }

  /** @returns undefined for a record that is to be dropped */
  #open(record: Uint8Array): Record | undefined {
    const type = record[0]
    const payload = record.subarray(HEADER_LENGTH)
    const protection = this.#protection
    if (!protection) {
      if (type === ContentType.application_data) {
        if (this.#earlyDataLeft !== undefined) return this.#skip(payload, this.#earlyDataLeft)
        throw new ProtocolError('unexpected_message', 'application data came before there were keys')
      }
      // The transport's buffer is not ours to keep, and handshake messages are kept.
      return { type, content: new Uint8Array(payload) }
    }
    // change_cipher_spec stays plain (RFC 8446 §5).
    if (type === ContentType.change_cipher_spec) return { type, content: payload }
    if (type === ContentType.alert && this.#takesPlainAlerts && protection.sequenceNumber === 0) {
      return { type, content: payload }
    }
    const room = protection.fillsRoom ? this.#roomFor(payload.length - TAG_LENGTH) : undefined
    const inner = protection.open(record.subarray(0, HEADER_LENGTH), payload, room)
    if (!inner) {
      if (type === ContentType.application_data && this.#earlyDataLeft !== undefined) {
        return this.#skip(payload, this.#earlyDataLeft)
      }
      throw new ProtocolError('bad_record_mac', 'a record could not be opened')
    }
    if (type !== ContentType.application_data) {
      throw new ProtocolError('unexpected_message', `a protected record says that its content type is ${type}`)
    }
    this.#earlyDataLeft = undefined
    const opened = innerContent(inner, this.#limit)
    // The next one takes the place of this one's type and padding.
    if (room) this.#room = room.subarray(opened.content.length)
    return opened
  }

  /** Room for a plaintext, and behind it for those that have come with it. */
  #roomFor(length: number): Uint8Array {
    if (this.#room.length < length) {
      this.#room.fill(0)
      this.#room = uninitialized(Math.min(Math.max(length, 0) + this.#chunk.length, MAX_ROOM))
      madeOutside(this.#room.length)
    }
    return this.#room
  }

  #skip({ length }: Uint8Array, left: number): undefined {
    this.#earlyDataLeft = left - length
    if (left < length) {
      throw new ProtocolError('unexpected_message', 'the client sends more early data than can be dropped')
    }
    return undefined
  }
}

/** Bytes: what a socket brings at once, as a rule, and more than a record. */
const MAX_ROOM = 65_536

/** How much early data is dropped, in bytes of ciphertext: what one flight of a client that guessed wrong may hold. */
const MAX_SKIPPED_EARLY_DATA = 2 ** 14

/** TLSInnerPlaintext: content, its type, zeros (RFC 8446 §5.2). */
function innerContent(inner: Uint8Array, limit: number): Record {
  if (inner.length > limit) {
    throw new ProtocolError('record_overflow', `a record holds ${inner.length} bytes, more than ${limit}`)
  }
  let end = inner.length - 1
  while (end >= 0 && inner[end] === 0) end--
  if (end < 0) throw new ProtocolError('unexpected_message', 'a record holds nothing but padding')
  const type = inner[end]
  // RFC 8446 §5: change_cipher_spec is never protected.
  if (type < ContentType.alert || type > ContentType.application_data) {
    throw new ProtocolError('unexpected_message', `a protected record holds content type ${type}`)
  }
  return { type, content: inner.subarray(0, end) }
}
