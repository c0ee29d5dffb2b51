import { equalBytes } from '../bytes/index.js'
import { ProtocolError } from '../handshake/index.js'
import { EarlyRecords } from './early-records.js'
import { epochNumber } from './outgoing-epoch.js'
import { ContentType, MAX_CONTENT, PLAIN_HEADER_LENGTH, type Record } from './record.js'
import { MIN_PAYLOAD, type RecordProtection } from './record-protection.js'
import { ReplayWindow } from './replay-window.js'

/** Takes the records out of datagrams and opens them (RFC 9147 §4). What is not a good record of this connection is
 *  dropped without a word (RFC 9147 §4.5.2): anyone can send datagrams. */
export class RecordReader {
  /** The protected epochs whose records are taken, the newest last. */
  #epochs: readonly IncomingEpoch[] = []
  readonly #early = new EarlyRecords<SealedRecord>()
  #takesPlain = true
  #lacksKeys = false
  #connectionIds: readonly Uint8Array[] = []
  /** The largest inner plaintext that we take, content type included. */
  #limit = MAX_CONTENT + 1
  readonly #failureLimit: number

  /** @param failureLimit after how many records that do not open a connection ends, where that is less than its AEAD
   *  allows */
  constructor(failureLimit = Number.MAX_SAFE_INTEGER) {
    this.#failureLimit = failureLimit
  }

  /** The newest epoch. */
  get epoch(): number {
    return this.#epochs.at(-1)?.number ?? 0
  }

  /** How many records of the newest epoch there have been, as far as we know: its highest number and one. */
  get sequenceNumber(): number {
    return this.#epochs.at(-1)?.window.next ?? 0
  }

  /** Takes records of another epoch from here on. Those of the epochs before it may have been overtaken
   *  (RFC 9147 §4.2.1); they are taken until one of the new epoch has come, for the peer may not know that we have its
   *  keys (RFC 9147 §8), and for a while after that. */
  protect(number: number, protection: RecordProtection, failureLimit: number): void {
    // Two bits of the epoch are sent, so that of four epochs in a row one would be taken for another.
    this.#keep([...this.#epochs.slice(-2), new IncomingEpoch(number, protection, failureLimit)])
  }

  /** How many bytes of records wait for their keys. */
  get length(): number {
    return this.#early.length
  }

  /** Whether a record of the last datagram was under keys, of which there are none yet. */
  get lacksKeys(): boolean {
    return this.#lacksKeys
  }

  /** Takes no plain records any more. */
  refusePlain(): void {
    this.#takesPlain = false
  }

  /** The connection IDs that may stand in records to us, all of the same length (RFC 9147 §9). */
  expectConnectionIds(ids: readonly Uint8Array[]): void {
    this.#connectionIds = ids
  }

  /** Our record_size_limit (RFC 8449 §4): content and its type. It counts for protected records only. */
  limit(recordSizeLimit: number): void {
    this.#limit = Math.min(recordSizeLimit, MAX_CONTENT + 1)
  }

  /** Forgets the keys: the connection is over. */
  clear(): void {
    this.#keep([])
    this.#takesPlain = false
    this.#early.take()
  }

  /** Has these epochs from here on, and wipes the keys of the others. */
  #keep(epochs: readonly IncomingEpoch[]): void {
    for (const epoch of this.#epochs) if (!epochs.includes(epoch)) epoch.protection.wipe()
    this.#epochs = epochs
  }

  /** The good records of a datagram, one by one: what is done with one may bring the keys of the next.
   *  @param now ms   @throws ProtocolError if a genuine record is not as it should be, or too many are not genuine */
  *read(datagram: Uint8Array, now: number): Generator<Record, void> {
    this.#keep(this.#epochs.filter(({ until }) => now < until))
    this.#lacksKeys = false
    for (let rest = datagram; rest.length > 0; ) {
      const found = (rest[0] & 0b1110_0000) === 0b0010_0000 ? this.#findSealed(rest) : findPlain(rest)
      if (!found) return
      rest = rest.subarray(found.length)
      const record = 'header' in found ? this.#open(found, now) : this.#takesPlain ? found.record : undefined
      if (!record) continue
      yield record
      if (!this.#early.isEmpty) yield* this.readEarly(now)
    }
  }

  /** The good ones of the records that came before their keys, as far as there are keys by now. They tell nothing of where
   *  the peer is. */
  *readEarly(now: number): Generator<Record, void> {
    for (const sealed of this.#early.take()) {
      const record = this.#open(sealed, now)
      if (record) yield { ...record, isNewest: false }
    }
  }

  /** Whether the keys of a record are those that the handshake brings next. */
  #isEarly({ epochBits }: SealedRecord): boolean {
    return (
      this.epoch < epochNumber.application &&
      epochBits === (this.epoch === 0 ? epochNumber.handshake : epochNumber.application)
    )
  }

  /** @returns undefined if what follows cannot be made sense of */
  #findSealed(bytes: Uint8Array): SealedRecord | undefined {
    const first = bytes[0]
    let at = 1
    if (first & 0b0001_0000) {
      const length = this.#connectionIds[0]?.length ?? 0
      const id = bytes.subarray(1, 1 + length)
      if (!this.#connectionIds.some(own => equalBytes(own, id))) return undefined
      at += length
    }
    const numberAt = at
    const numberLength = first & 0b0000_1000 ? 2 : 1
    at += numberLength
    let end = bytes.length
    if (first & 0b0000_0100) {
      if (bytes.length < at + 2) return undefined
      end = at + 2 + ((bytes[at] << 8) | bytes[at + 1])
      at += 2
    }
    if (end > bytes.length || at > end) return undefined
    return {
      length: end,
      epochBits: first & 3,
      header: bytes.subarray(0, at),
      numberAt,
      numberLength,
      payload: bytes.subarray(at, end),
    }
  }

  #open(sealed: SealedRecord, now: number): Record | undefined {
    const { epochBits, numberAt, numberLength, payload } = sealed
    if (payload.length < MIN_PAYLOAD || payload.length > MAX_CONTENT + 256) return undefined
    this.#lacksKeys ||= this.#epochs.length === 0
    if (this.#isEarly(sealed)) this.#early.add(sealed)
    const epoch = this.#epochs.findLast(({ number }) => (number & 3) === epochBits)
    if (!epoch) return undefined
    // The number in it is going to be shown, and the datagram is not ours.
    const header = sealed.header.slice()
    const field = header.subarray(numberAt, numberAt + numberLength)
    epoch.protection.mask(field, payload)
    const sequenceNumber = fullNumber(field, epoch.window.next)
    if (!epoch.window.isFresh(sequenceNumber)) return undefined
    const inner = epoch.protection.open(sequenceNumber, header, payload)
    if (!inner) {
      if (++epoch.failures > Math.min(epoch.failureLimit, this.#failureLimit)) {
        throw new ProtocolError('bad_record_mac', 'too many records could not be opened')
      }
      return undefined
    }
    const isNewest = epoch === this.#epochs.at(-1) && sequenceNumber >= epoch.window.next
    epoch.window.accept(sequenceNumber)
    for (const old of this.#epochs)
      if (old.number < epoch.number) old.until = Math.min(old.until, now + OLD_EPOCHS_KEPT)
    return { ...innerContent(inner, this.#limit), number: { epoch: epoch.number, sequenceNumber }, isNewest }
  }
}

/** ms: twice the default MSL, for which RFC 9147 §5.8.1 wants a server to answer what was sent under old keys. */
const OLD_EPOCHS_KEPT = 240_000

class IncomingEpoch {
  readonly number: number
  readonly protection: RecordProtection
  readonly failureLimit: number
  readonly window = new ReplayWindow()
  failures = 0
  until = Number.POSITIVE_INFINITY

  constructor(number: number, protection: RecordProtection, failureLimit: number) {
    this.number = number
    this.protection = protection
    this.failureLimit = failureLimit
  }
}

/** A DTLSCiphertext that has not been opened. */
interface SealedRecord {
  /** Of all of it, in bytes. */
  readonly length: number
  readonly epochBits: number
  readonly header: Uint8Array
  readonly numberAt: number
  readonly numberLength: number
  readonly payload: Uint8Array
}

/** A DTLSPlaintext.
 *  @returns undefined if what follows cannot be made sense of; no `record` if it is one that may not be plain */
export function findPlain(
  bytes: Uint8Array,
): { readonly length: number; readonly record: Record | undefined } | undefined {
  if (bytes.length < PLAIN_HEADER_LENGTH || bytes[1] !== 0xfe) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, PLAIN_HEADER_LENGTH)
  const length = PLAIN_HEADER_LENGTH + view.getUint16(11)
  if (length > bytes.length || length > PLAIN_HEADER_LENGTH + MAX_CONTENT) return undefined
  const type = bytes[0]
  const isWelcome = type === ContentType.alert || type === ContentType.handshake || type === ContentType.ack
  if (!isWelcome || view.getUint16(3) !== 0) return { length, record: undefined }
  const sequenceNumber = view.getUint16(5) * 2 ** 32 + view.getUint32(7)
  const content = bytes.slice(PLAIN_HEADER_LENGTH, length)
  return { length, record: { type, number: { epoch: 0, sequenceNumber }, isNewest: false, content } }
}

/** The sequence number that is nearest to the expected one and ends in these bits (RFC 9147 §4.2.2). */
function fullNumber(field: Uint8Array, expected: number): number {
  const size = field.length === 2 ? 0x1_0000 : 0x100
  const low = field.length === 2 ? (field[0] << 8) | field[1] : field[0]
  const number = expected - (expected % size) + low
  if (number > expected + size / 2 && number >= size) return number - size
  return number + size / 2 < expected ? number + size : number
}

/** The content of a DTLSInnerPlaintext: content, its type, zeros (RFC 9147 §4). */
function innerContent(inner: Uint8Array, limit: number): { readonly type: number; readonly content: Uint8Array } {
  if (inner.length > limit) {
    throw new ProtocolError('record_overflow', `a record holds ${inner.length} bytes, more than ${limit}`)
  }
  let end = inner.length - 1
  while (end >= 0 && inner[end] === 0) end--
  if (end < 0) throw new ProtocolError('unexpected_message', 'a record holds nothing but padding')
  return { type: inner[end], content: inner.subarray(0, end) }
}
