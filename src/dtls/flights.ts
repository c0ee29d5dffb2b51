import type { Datagrams } from './datagrams.js'
import { Outbox } from './outbox.js'
import type { OutgoingEpoch } from './outgoing-epoch.js'
import type { RecordNumber } from './record.js'
import { RetransmissionTimer } from './retransmission-timer.js'

/*
 * RFC 9147 §5.8.1, with our names for the transitions on the right:
 *
 *                              +-----------+
 *                              | PREPARING |
 *                +---------->  |           |
 *                |             |           |
 *                |             +-----------+
 *                |                   |
 *                |                   | Buffer next flight          add, complete
 *                |                   |
 *                |                  \|/
 *                |             +-----------+
 *                |             |           |
 *                |             |  SENDING  |<------------------+
 *                |             |           |                   |
 *                |             +-----------+                   |
 *        Receive |                   |                         |
 *           next |                   | Send flight or partial  |   transmit
 *         flight |                   | flight                  |
 *                |                   |                         |
 *                |                   | Set retransmit timer    |   RetransmissionTimer
 *                |                  \|/                        |
 *                |             +-----------+                   |
 *                |             |           |                   |
 *                +-------------|  WAITING  |-------------------+
 *                |     +------>|           |   Timer expires   |   expire
 *                |     |       +-----------+                   |
 *                |     |         |   |   |                     |
 *                |     |         |   |   |                     |
 *                |     +---------+   |   +---------------------+
 *                |   Receive record  |     Read retransmit or ACK  repeat, acknowledge, hurry
 *        Receive |   (Maybe Send ACK)|
 *           last |                   |
 *         flight |                   | Receive ACK
 *                |                   | for last flight             acknowledge, acknowledgeAll
 *               \|/                  |
 *                                    |
 *            +-----------+           |
 *            |           | <---------+
 *            | FINISHED  |
 *            |           |
 *            +-----------+
 *                |  /|\
 *                |   |
 *                +---+
 *          Server read retransmit                                  Acknowledgements, which also
 *              Retransmit ACK                                      sends the ACKs of WAITING
 *
 * WAITING is a timer with a deadline, FINISHED an empty outbox. What of a flight is sent again is for the outbox to know:
 * never what has been acknowledged.
 */

/** Sends handshake messages until the peer has got them. Times are in ms. */
export class Flights {
  readonly #outbox: Outbox
  readonly #timer: RetransmissionTimer
  /** Whether the flight is whole; it may be sent in parts while the handshake waits for the world. */
  #isComplete = true
  #isNew = false
  /** When a part of the flight is sent because the rest of it takes its time. */
  #partAt: number | undefined
  /** When something of the flight was sent last. */
  #sentAt = 0
  /** Whether the peer has asked for it to be sent again before its time. */
  #isHurried = false

  /** @param messageSeq of the first message */
  constructor(messageSeq: number, retransmitAfter: number, maxRetransmissions: number) {
    this.#outbox = new Outbox(messageSeq)
    this.#timer = new RetransmissionTimer(retransmitAfter, maxRetransmissions)
  }

  /** When `expire` is due, or `transmit` again; undefined while nothing is waited for. */
  get deadline(): number | undefined {
    const part = this.#partAt === Number.POSITIVE_INFINITY ? undefined : this.#partAt
    return this.#timer.deadline ?? part
  }

  /** How many bytes of bodies have not been acknowledged, at most. */
  get length(): number {
    return this.#outbox.length
  }

  /** Whether the peer has got everything. */
  get isIdle(): boolean {
    return this.#outbox.isEmpty
  }

  /** How long an answer is waited for now. */
  get interval(): number {
    return this.#timer.interval
  }

  /** The path takes longer than was thought, or not as long: an answer is waited for so long at first. */
  adapt(retransmitAfter: number): void {
    this.#timer.initial = retransmitAfter
  }

  /** The largest content of a protected record. */
  limit(maxContent: number): void {
    this.#outbox.maxContent = maxContent
  }

  /** Adds a message, header and all. Nothing is sent before `complete`, unless the handshake has to wait.
   *  @param onAcknowledged called when the peer has got it, at the latest when it answers */
  add(message: Uint8Array, epoch: OutgoingEpoch, onAcknowledged?: () => void): void {
    this.#outbox.add(message, epoch, onAcknowledged)
    this.#isComplete = false
  }

  /** The flight is whole. */
  complete(): void {
    if (this.#isComplete) return
    this.#isComplete = true
    this.#isNew = true
    this.#isHurried = false
    this.#partAt = undefined
  }

  /** Sends what is to be sent, and waits for the answer.
   *  @param mayBePart whether the handshake waits for the world, and the peer could not read an ACK: if it does for long,
   *  what there is of a flight tells the peer that it was heard
   *  @returns whether anything was sent */
  transmit(datagrams: Datagrams, mayBePart: boolean, now: number): boolean {
    if (this.#outbox.isEmpty || !(this.#isComplete || this.#isPartDue(mayBePart, now))) return false
    const hasSent = this.#outbox.transmit(datagrams)
    if (hasSent) this.#sentAt = now
    if (this.#isComplete && (this.#isNew || this.#timer.deadline === undefined)) this.#timer.start(now)
    if (this.#isComplete) this.#isNew = false
    return hasSent
  }

  #isPartDue(mayBePart: boolean, now: number): boolean {
    if (!mayBePart) return false
    this.#partAt ??= now + this.#timer.interval / 4
    if (now < this.#partAt) return false
    this.#partAt = Number.POSITIVE_INFINITY
    return true
  }

  /** The peer has got these records. */
  acknowledge(numbers: readonly RecordNumber[], now: number): void {
    if (!this.#outbox.acknowledge(numbers)) return
    if (this.#outbox.isEmpty) this.#timer.stop()
    else if (this.#timer.deadline !== undefined) this.#timer.start(now)
  }

  /** The peer has answered: it has got everything (RFC 9147 §7). */
  acknowledgeAll(): void {
    this.#outbox.acknowledgeAll()
    this.#timer.stop()
  }

  /** The peer sends again what was answered: the answer may be lost. */
  repeat(now: number): void {
    if (now - this.#sentAt < this.#timer.initial) return
    this.#outbox.lose()
    this.#timer.postpone(now)
    // A part that was sent is to be sent again.
    if (this.#partAt !== undefined) this.#partAt = now
  }

  /** The peer is there, but cannot read what it gets, for something is missing (RFC 9147 §7.1). It may say so once between
   *  two expirations, for so may anybody else. */
  hurry(now: number): void {
    if (this.#isHurried || this.#timer.deadline === undefined || now - this.#sentAt < this.#timer.interval / 4) return
    this.#isHurried = true
    this.#outbox.lose()
    this.#timer.postpone(now)
  }

  /** Does what is due. @returns whether the peer is still to be hoped for */
  expire(datagrams: Datagrams, now: number): boolean {
    if (this.#timer.deadline === undefined || now < this.#timer.deadline) return true
    this.#timer.backOff(now)
    this.#isHurried = false
    // RFC 9147 §4.4: smaller datagrams may come through where these did not.
    if (this.#timer.count >= PATIENCE) datagrams.shrink(this.#outbox.length)
    this.#outbox.lose()
    return !this.#timer.isExhausted
  }

  /** Forgets everything. */
  clear(): void {
    this.#outbox.clear()
    this.#timer.stop()
    this.#partAt = undefined
  }
}

/** How often the same datagrams are lost before their size is thought to be the reason. */
const PATIENCE = 3
