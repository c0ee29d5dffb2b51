import type { Datagrams } from './datagrams.js'
import { FRAGMENT_HEADER_LENGTH, type Fragment, writeFragment } from './fragment.js'
import type { OutgoingEpoch } from './outgoing-epoch.js'
import { type Range, Ranges } from './ranges.js'
import { ContentType, MAX_CONTENT, type RecordNumber } from './record.js'

/** Handshake messages that the peer has not acknowledged: cuts them into fragments, and knows which bytes of them are
 *  to be sent, on their way, or there (RFC 9147 §7.2). */
export class Outbox {
  /** The largest content of a protected record. */
  maxContent = MAX_CONTENT
  #messages: OutgoingMessage[] = []
  #nextSeq: number
  /** Records on their way, and some of those that are thought lost, the oldest first. */
  readonly #sent = new Map<string, SentRecord>()
  #inFlight = 0
  #order = 0

  /** @param nextSeq message_seq of the first message */
  constructor(nextSeq = 0) {
    this.#nextSeq = nextSeq
  }

  /** Whether everything has been acknowledged. */
  get isEmpty(): boolean {
    return this.#messages.length === 0
  }

  /** How many bytes of bodies have not been acknowledged, at most. */
  get length(): number {
    return this.#messages.reduce((sum, { extent }) => sum + extent, 0)
  }

  /** @param raw header and body in the form of RFC 8446 §4, kept
   *  @param onAcknowledged called when the peer has got it, at the latest when it answers */
  add(raw: Uint8Array, epoch: OutgoingEpoch, onAcknowledged?: () => void): void {
    if (this.#nextSeq > 0xffff) throw new Error('there are no numbers for handshake messages left')
    this.#messages.push(new OutgoingMessage(raw, this.#nextSeq++, epoch, onAcknowledged))
  }

  /** Writes what is to be sent, as far as the window goes. @returns whether there was anything */
  transmit(datagrams: Datagrams): boolean {
    let record = new FragmentRecord()
    let hasSent = false
    const finish = () => {
      this.#write(record, datagrams)
      record = new FragmentRecord()
    }
    for (const message of this.#messages) {
      if (record.epoch !== message.epoch) finish()
      for (const { from, to } of message.unsent) {
        for (let at = from; at < to; ) {
          if (this.#inFlight >= WINDOW) return hasSent
          const room = this.#roomFor(message, record, datagrams)
          if (room < 1) {
            finish()
            if (this.#roomFor(message, record, datagrams) < 1) datagrams.next()
          } else {
            const end = Math.min(to, at + room)
            record.add(message, at, end)
            message.pending.add(at, end)
            hasSent = true
            at = end
          }
        }
      }
    }
    finish()
    return hasSent
  }

  /** How many bytes of a message the record can still take. */
  #roomFor({ epoch }: OutgoingMessage, record: FragmentRecord, datagrams: Datagrams): number {
    const inDatagram = datagrams.room - epoch.overhead
    const content = epoch.number === 0 ? inDatagram : Math.min(inDatagram, this.maxContent)
    return content - record.length - FRAGMENT_HEADER_LENGTH
  }

  #write({ epoch, length, fragments }: FragmentRecord, datagrams: Datagrams): void {
    if (!epoch) return
    const content = new Uint8Array(length)
    let at = 0
    for (const { message, from, to } of fragments) at = writeFragment(message.fragment(from, to), content, at)
    const key = keyOf({ epoch: epoch.number, sequenceNumber: epoch.sequenceNumber })
    datagrams.add(epoch.write(ContentType.handshake, content))
    this.#sent.set(key, { fragments, order: this.#order++, isInFlight: true })
    this.#inFlight++
    for (const oldest of this.#sent.keys()) {
      if (this.#sent.size <= MAX_REMEMBERED) break
      this.#forget(oldest)
    }
  }

  /** The peer has got these records. @returns whether that was news */
  acknowledge(numbers: readonly RecordNumber[]): boolean {
    let newest = -1
    for (const number of numbers) {
      const key = keyOf(number)
      const record = this.#sent.get(key)
      if (!record) continue
      newest = Math.max(newest, record.order)
      for (const { message, from, to } of record.fragments) message.acknowledged.add(from, to)
      this.#forget(key)
    }
    if (newest < 0) return false
    for (const record of this.#sent.values()) if (record.order <= newest - REORDERING) this.#lose(record)
    this.#removeAcknowledged()
    return true
  }

  /** The peer has answered: it has got everything. */
  acknowledgeAll(): void {
    const messages = this.#messages
    this.clear()
    for (const { onAcknowledged } of messages) onAcknowledged?.()
  }

  /** The timer has expired: what is on its way is taken for lost. */
  lose(): void {
    for (const record of this.#sent.values()) this.#lose(record)
  }

  /** Forgets everything. */
  clear(): void {
    this.#messages = []
    this.#sent.clear()
    this.#inFlight = 0
  }

  /** A record that is thought lost is remembered all the same: an acknowledgement may be late. */
  #lose(record: SentRecord): void {
    if (!record.isInFlight) return
    record.isInFlight = false
    this.#inFlight--
    for (const { message, from, to } of record.fragments) message.pending.remove(from, to)
  }

  #forget(key: string): void {
    if (this.#sent.get(key)?.isInFlight) this.#inFlight--
    this.#sent.delete(key)
  }

  #removeAcknowledged(): void {
    const there = this.#messages.filter(({ isAcknowledged }) => isAcknowledged)
    if (there.length === 0) return
    this.#messages = this.#messages.filter(({ isAcknowledged }) => !isAcknowledged)
    if (this.#messages.length === 0) this.clear()
    for (const { onAcknowledged } of there) onAcknowledged?.()
  }
}

/** How many records are on their way at once: those of two or three ACKs. Without a limit a long certificate would
 *  be sent faster than any path may take it (RFC 9147 §5.8.2). */
const WINDOW = 32
/** How many records later one must have arrived before an earlier one is thought lost, and not overtaken. */
const REORDERING = 3
/** Records that an acknowledgement may be about. */
const MAX_REMEMBERED = 512

interface SentRecord {
  readonly fragments: readonly SentFragment[]
  /** Which one of all records it was. */
  readonly order: number
  isInFlight: boolean
}

interface SentFragment {
  readonly message: OutgoingMessage
  readonly from: number
  readonly to: number
}

/** The fragments of a record that is being filled. */
class FragmentRecord {
  readonly fragments: SentFragment[] = []
  /** Of its content, in bytes. */
  length = 0

  get epoch(): OutgoingEpoch | undefined {
    return this.fragments[0]?.message.epoch
  }

  add(message: OutgoingMessage, from: number, to: number): void {
    this.fragments.push({ message, from, to })
    this.length += FRAGMENT_HEADER_LENGTH + message.fragment(from, to).data.length
  }
}

class OutgoingMessage {
  readonly epoch: OutgoingEpoch
  readonly onAcknowledged: (() => void) | undefined
  readonly acknowledged = new Ranges()
  /** On their way. */
  readonly pending = new Ranges()
  readonly #type: number
  readonly #seq: number
  readonly #body: Uint8Array
  /** An empty message counts as one byte, for it has to arrive too. */
  readonly extent: number

  constructor(raw: Uint8Array, seq: number, epoch: OutgoingEpoch, onAcknowledged: (() => void) | undefined) {
    this.epoch = epoch
    this.onAcknowledged = onAcknowledged
    this.#type = raw[0]
    this.#seq = seq
    this.#body = raw.subarray(4)
    this.extent = Math.max(1, this.#body.length)
  }

  get isAcknowledged(): boolean {
    return this.acknowledged.covers(this.extent)
  }

  get unsent(): readonly Range[] {
    return Ranges.missing(this.extent, this.acknowledged, this.pending)
  }

  fragment(from: number, to: number): Fragment {
    return {
      type: this.#type,
      length: this.#body.length,
      messageSeq: this.#seq,
      offset: from,
      data: this.#body.subarray(from, to),
    }
  }
}

function keyOf({ epoch, sequenceNumber }: RecordNumber): string {
  return `${epoch} ${sequenceNumber}`
}
