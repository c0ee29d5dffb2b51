import { decode, encode, struct, uint64, vector } from '../bytes/index.js'
import type { RecordNumber } from './record.js'

/** ACK (RFC 9147 §7). */
const Acknowledgement = struct({
  recordNumbers: vector(struct({ epoch: uint64, sequenceNumber: uint64 }), 0, 0xffff),
})

/** The content of an ACK record. Numbers are sorted, as RFC 9147 §7 asks. */
export function encodeAcknowledgement(numbers: readonly RecordNumber[]): Uint8Array {
  const sorted = [...numbers].sort((a, b) => a.epoch - b.epoch || a.sequenceNumber - b.sequenceNumber)
  return encode(Acknowledgement, {
    recordNumbers: sorted.map(({ epoch, sequenceNumber }) => ({
      epoch: BigInt(epoch),
      sequenceNumber: BigInt(sequenceNumber),
    })),
  })
}

/** @throws DecodeError */
export function decodeAcknowledgement(content: Uint8Array): readonly RecordNumber[] {
  // Numbers that a double cannot tell apart are none of ours.
  return decode(Acknowledgement, content).recordNumbers.map(({ epoch, sequenceNumber }) => ({
    epoch: Number(epoch),
    sequenceNumber: Number(sequenceNumber),
  }))
}

/** Records with handshake messages that the peer should hear of, and when it should (RFC 9147 §7.1). Times are in ms.
 *
 *  An ACK names all records of the flight, as far as it goes, and not only those that came since the last one, which may
 *  be lost. It is not sent at once, even where something is missing: what is missing may only have been overtaken, and
 *  when the flight is complete, our own tells the peer so. */
export class Acknowledgements {
  /** The newest last. */
  #numbers: RecordNumber[] = []
  /** How many of them, the oldest, have been in an ACK. */
  #reported = 0
  #waitingSince: number | undefined
  #delay = 0
  #isComplete = false
  /** How many ACKs were sent since something new has come. */
  #fruitless = 0

  /** When they are to be sent; undefined if there is nothing to say. */
  get due(): number | undefined {
    return this.#waitingSince === undefined ? undefined : this.#waitingSince + this.#delay
  }

  /** Notes a record whose messages were processed or are kept.   @param isNew whether it brought anything */
  add(number: RecordNumber, isNew: boolean): void {
    if (isNew) this.#fruitless = 0
    this.#numbers.push(number)
    if (this.#numbers.length <= MAX_NUMBERS) return
    this.#numbers.shift()
    this.#reported = Math.max(0, this.#reported - 1)
  }

  /** Has the peer told soon of what it has not been told of yet.
   *  @param interval of retransmissions; RFC 9147 §7.1 has the rest of a flight be waited for a quarter of it */
  schedule(now: number, interval: number): void {
    if (this.#reported < this.#numbers.length) this.#wait(now, this.#isOverfull ? interval / 16 : interval / 4)
  }

  /** Whether a flight has brought as many records as one ACK names, and none of them has been in one. Records of different
   *  epochs are of different flights, the last message of each being its key_update (RFC 9147 §8). */
  get #isOverfull(): boolean {
    const [oldest] = this.#numbers
    return this.#reported === 0 && this.#numbers.length === MAX_NUMBERS && oldest?.epoch === this.#numbers.at(-1)?.epoch
  }

  /** Has the peer told at once: its flight is complete, and nothing waits for what one ACK has no room for. */
  hurry(now: number): void {
    if (this.#reported === this.#numbers.length) return
    this.#wait(now, 0)
    this.#isComplete = true
  }

  /** Has the peer told soon that we are there, though there is nothing to acknowledge. */
  scheduleEmpty(now: number, interval: number): void {
    if (this.#numbers.length === 0) this.#wait(now, interval / 4)
  }

  #wait(now: number, delay: number): void {
    if (this.due !== undefined && this.due <= now + delay) return
    this.#waitingSince = now
    this.#delay = delay
  }

  /** The interval of retransmissions is another. */
  adapt(interval: number): void {
    this.#delay = interval / 4
  }

  /** Nobody needs them any more. */
  forget(): void {
    this.#numbers = []
    this.#reported = 0
    this.#waitingSince = undefined
    this.#isComplete = false
  }

  /** The contents of ACK records, if they are to be sent now: one, unless a peer waits to be told of more than it has room
   *  for.
   *  @param room how long each may be, in bytes */
  take(now: number, room: number): readonly Uint8Array[] {
    if (this.due === undefined || this.due > now) return []
    this.#waitingSince = undefined
    // Nobody answers an ACK, so that it can only be guessed that it was too long for the path.
    const limit = this.#fruitless++ < PATIENCE ? room : Math.min(room, SHORT)
    const count = Math.max(1, Math.floor((limit - LENGTH_FIELD) / NUMBER_LENGTH))
    const contents: Uint8Array[] = []
    let end = this.#numbers.length
    do {
      contents.unshift(encodeAcknowledgement(this.#numbers.slice(Math.max(0, end - count), end)))
      end -= count
    } while (end > this.#reported && !this.#isComplete)
    this.#isComplete = false
    this.#reported = this.#numbers.length
    return contents
  }
}

/** How many record numbers one ACK holds: what fits into the least datagram that IPv4 asks of everybody. A peer of which so
 *  many have come is likely to wait for an ACK before it goes on (RFC 9147 §5.8.3). */
const MAX_NUMBERS = 32
/** How many ACKs may seem to be lost before one is made so short that every path takes it, in bytes. */
const PATIENCE = 3
const SHORT = 226
/** Bytes of a list's length, and of a RecordNumber. */
const LENGTH_FIELD = 2
const NUMBER_LENGTH = 16
