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

  /** Has the peer told of what it has not been told of yet.   @param delay how long others are waited for */
  schedule(now: number, delay: number): void {
    if (this.#reported < this.#numbers.length) this.#wait(now, delay)
  }

  /** Has the peer told that we are there, though there is nothing to acknowledge. */
  scheduleEmpty(now: number, delay: number): void {
    if (this.#numbers.length === 0) this.#wait(now, delay)
  }

  #wait(now: number, delay: number): void {
    if (this.due !== undefined && this.due <= now + delay) return
    this.#waitingSince = now
    this.#delay = delay
  }

  /** Others are waited for so long, and no longer. */
  adapt(delay: number): void {
    this.#delay = delay
  }

  /** Nobody needs them any more. */
  forget(): void {
    this.#numbers = []
    this.#reported = 0
    this.#waitingSince = undefined
  }

  /** The content of an ACK record, if it is to be sent now.   @param room how long it may be, in bytes */
  take(now: number, room: number): Uint8Array | undefined {
    if (this.due === undefined || this.due > now) return undefined
    this.#waitingSince = undefined
    this.#reported = this.#numbers.length
    // Nobody answers an ACK, so that it can only be guessed that it was too long for the path.
    const limit = this.#fruitless++ < PATIENCE ? room : Math.min(room, SHORT)
    const count = Math.floor((limit - LENGTH_FIELD) / NUMBER_LENGTH)
    return encodeAcknowledgement(count > 0 ? this.#numbers.slice(-count) : [])
  }
}

/** How many record numbers one ACK holds: what fits into the least datagram that IPv4 asks of everybody. */
const MAX_NUMBERS = 32
/** How many ACKs may seem to be lost before one is made so short that every path takes it, in bytes. */
const PATIENCE = 3
const SHORT = 226
/** Bytes of a list's length, and of a RecordNumber. */
const LENGTH_FIELD = 2
const NUMBER_LENGTH = 16
