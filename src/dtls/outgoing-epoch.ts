import { EMPTY } from '../bytes/index.js'
import { TAG_LENGTH } from '../crypto/index.js'
import type { Epoch } from '../handshake/index.js'
import { LEGACY_RECORD_VERSION, PLAIN_HEADER_LENGTH } from './record.js'
import type { RecordProtection } from './record-protection.js'

/** The numbers that RFC 9147 §6.1 gives to the epochs of the handshake; each key_update adds one. */
export const epochNumber: Readonly<Record<Epoch, number>> = { initial: 0, early: 1, handshake: 2, application: 3 }

/** One epoch of ours: makes records and counts them. */
export class OutgoingEpoch {
  readonly number: number
  readonly #protection: RecordProtection | undefined
  #connectionId: Uint8Array
  #sequenceNumber: number

  /** @param protection undefined for epoch 0
   *  @param connectionId what the peer wants to see in our records (RFC 9147 §9)
   *  @param sequenceNumber of the first record */
  constructor(
    number: number,
    protection: RecordProtection | undefined,
    connectionId: Uint8Array = EMPTY,
    sequenceNumber = 0,
  ) {
    this.number = number
    this.#protection = protection
    this.#connectionId = connectionId
    this.#sequenceNumber = sequenceNumber
  }

  /** The number of the next record: how many there have been. */
  get sequenceNumber(): number {
    return this.#sequenceNumber
  }

  /** What the peer wants to see in our records from here on (RFC 9147 §9). */
  set connectionId(id: Uint8Array) {
    this.#connectionId = id
  }

  /** How many bytes a record has besides its content. */
  get overhead(): number {
    return this.#protection ? this.#headerLength + 1 + TAG_LENGTH : PLAIN_HEADER_LENGTH
  }

  /** A record, in a buffer of its own.   @param padding how many zeros it holds besides, if it is protected */
  write(type: number, content: Uint8Array, padding = 0): Uint8Array {
    const sequenceNumber = this.#sequenceNumber++
    return this.#protection
      ? this.#seal(this.#protection, sequenceNumber, type, content, padding)
      : plain(type, sequenceNumber, content)
  }

  /** Nothing more is written: the key is overwritten. */
  wipe(): void {
    this.#protection?.wipe()
  }

  get #headerLength(): number {
    return 1 + this.#connectionId.length + 4
  }

  /*
   * RFC 9147 §4:
   *     0 1 2 3 4 5 6 7
   *    +-+-+-+-+-+-+-+-+
   *    |0|0|1|C|S|L|E E|
   *    +-+-+-+-+-+-+-+-+
   *    | Connection ID |   Legend:
   *    | (if any,      |
   *    /  length as    /   C   - Connection ID (CID) present
   *    |  negotiated)  |   S   - Sequence number length
   *    +-+-+-+-+-+-+-+-+   L   - Length present
   *    |  8 or 16 bit  |   E   - Epoch
   *    |Sequence Number|
   *    +-+-+-+-+-+-+-+-+
   *    | 16 bit Length |
   *    | (if present)  |
   *    +-+-+-+-+-+-+-+-+
   */
  #seal(
    protection: RecordProtection,
    sequenceNumber: number,
    type: number,
    content: Uint8Array,
    padding: number,
  ): Uint8Array {
    const connectionId = this.#connectionId
    const headerLength = this.#headerLength
    const end = headerLength + content.length + 1 + padding
    const record = new Uint8Array(end + TAG_LENGTH)
    // Always with 16 bits, which tell far more of the true number, and with a length, so that another record may follow.
    record[0] = 0b0010_1100 | (connectionId.length > 0 ? 0b0001_0000 : 0) | (this.number & 3)
    record.set(connectionId, 1)
    const at = 1 + connectionId.length
    const length = end + TAG_LENGTH - headerLength
    record[at] = sequenceNumber >>> 8
    record[at + 1] = sequenceNumber
    record[at + 2] = length >>> 8
    record[at + 3] = length
    record.set(content, headerLength)
    record[headerLength + content.length] = type
    protection.seal(sequenceNumber, record.subarray(0, headerLength), record, headerLength, end)
    protection.mask(record.subarray(at, at + 2), record.subarray(headerLength))
    return record
  }
}

/** DTLSPlaintext (RFC 9147 §4). */
export function plain(type: number, sequenceNumber: number, content: Uint8Array): Uint8Array {
  const record = new Uint8Array(PLAIN_HEADER_LENGTH + content.length)
  const view = new DataView(record.buffer)
  record[0] = type
  view.setUint16(1, LEGACY_RECORD_VERSION)
  // The epoch, which is 0, stands from 3 to 5.
  view.setUint16(5, Math.floor(sequenceNumber / 2 ** 32))
  view.setUint32(7, sequenceNumber % 2 ** 32)
  view.setUint16(11, content.length)
  record.set(content, PLAIN_HEADER_LENGTH)
  return record
}
