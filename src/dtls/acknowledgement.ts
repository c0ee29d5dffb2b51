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

/** Records with handshake messages that the peer should hear of, and when it should (RFC 9147 §7.1). Times are in ms. */
export class Acknowledgements {
  #numbers: RecordNumber[] = []
  #due: number | undefined

  /** When they are to be sent; undefined if there are none. */
  get due(): number | undefined {
    return this.#due
  }

  /** @param at when it is to be sent, if not before or along with others */
  owe(number: RecordNumber, at: number, now: number): void {
    this.#numbers.push(number)
    if (this.#numbers.length > MAX_NUMBERS) this.#numbers.shift()
    this.hurry(this.#numbers.length === MAX_NUMBERS ? now : at)
  }

  /** They are to be sent by then. */
  hurry(at: number): void {
    this.#due = Math.min(at, this.#due ?? at)
  }

  /** Nobody needs them any more. */
  forget(): void {
    this.#numbers = []
    this.#due = undefined
  }

  /** What is to be sent now: the content of an ACK record. */
  take(now: number): Uint8Array | undefined {
    if (this.#due === undefined || this.#due > now) return undefined
    const numbers = this.#numbers
    this.forget()
    return numbers.length === 0 ? undefined : encodeAcknowledgement(numbers)
  }
}

/** How many record numbers one ACK holds: what fits into the smallest datagrams that are ever tried, for nobody answers
 *  an ACK, and so it cannot be known that it was too long. */
const MAX_NUMBERS = 14
