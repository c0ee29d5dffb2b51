import { type Message, messageName, ProtocolError } from '../handshake/index.js'
import type { Fragment } from './fragment.js'
import { Ranges } from './ranges.js'

/** Joins fragments to handshake messages, in the order of message_seq, whatever order they come in (RFC 9147 §5.5).
 *  What it holds is bounded: a few messages, none longer than its type may be. */
export class Reassembly {
  readonly #limitOf: (type: number) => number
  readonly #capacity: number
  readonly #messages = new Map<number, PartialMessage>()
  #next: number

  /** @param limitOf the largest body, in bytes, of a message of that type
   *  @param capacity how many bytes of messages it holds that cannot be taken yet
   *  @param next message_seq of the first message */
  constructor(limitOf: (type: number) => number, capacity: number, next = 0) {
    this.#limitOf = limitOf
    this.#capacity = capacity
    this.#next = next
  }

  /** message_seq of the message that comes next. */
  get next(): number {
    return this.#next
  }

  /** How many bytes it takes to hold the messages that wait. */
  get length(): number {
    let length = 0
    for (const { raw } of this.#messages.values()) length += raw.length
    return length
  }

  /** Takes a fragment.
   *  @param level which keys protected it: a message is not put together from what came under different ones
   *  @returns `old` if it brings nothing that was not there, `dropped` if there is no room for it   @throws ProtocolError if it contradicts another fragment, or its message is too long */
  add(fragment: Fragment, level: number): 'old' | 'new' | 'dropped' {
    const { type, length, messageSeq, offset, data } = fragment
    if (messageSeq < this.#next) return 'old'
    if (messageSeq >= this.#next + MAX_MESSAGES) return 'dropped'
    // Without keys anybody can say what comes after the next message, and we would have to keep it.
    if (level === 0 && messageSeq > this.#next) return 'dropped'
    const message = this.#messages.get(messageSeq) ?? this.#begin(fragment, level)
    if (!message || message.level !== level) return 'dropped'
    if (message.type !== type || message.length !== length) {
      throw new ProtocolError('illegal_parameter', `fragments of one message disagree about what it is`)
    }
    return message.add(offset, data)
  }

  #begin({ type, length, messageSeq }: Fragment, level: number): PartialMessage | undefined {
    if (length > this.#limitOf(type)) {
      throw new ProtocolError('illegal_parameter', `${messageName(type)} of ${length} bytes is too long`)
    }
    if (messageSeq !== this.#next && this.length + HEADER_LENGTH + length > this.#capacity) return undefined
    const message = new PartialMessage(type, length, level)
    this.#messages.set(messageSeq, message)
    return message
  }

  /** The next message, if it is complete. */
  take(): Message | undefined {
    const message = this.#messages.get(this.#next)
    if (!message?.isComplete) return undefined
    this.#messages.delete(this.#next)
    this.#next++
    const { type, raw } = message
    return { type, raw, body: raw.subarray(HEADER_LENGTH) }
  }

  /** Whether a message waits that is not complete, or not the next one. */
  get hasGap(): boolean {
    return this.#messages.size > 0
  }

  /** New keys for reading: what came under the old ones cannot go on.
   *  @throws ProtocolError if that was protected, so that the peer means it */
  changeLevel(): void {
    for (const { level } of this.#messages.values()) {
      if (level > 0) throw new ProtocolError('unexpected_message', 'a handshake message spans a change of keys')
    }
    this.#messages.clear()
  }

  /** Forgets everything. */
  clear(): void {
    this.#messages.clear()
  }
}

class PartialMessage {
  readonly type: number
  readonly length: number
  readonly level: number
  /** The message as the transcript hashes it, which is in the form of RFC 8446 §4 (RFC 9147 §5.2). */
  readonly raw: Uint8Array
  readonly #received = new Ranges()

  constructor(type: number, length: number, level: number) {
    this.type = type
    this.length = length
    this.level = level
    this.raw = new Uint8Array(HEADER_LENGTH + length)
    new DataView(this.raw.buffer).setUint32(0, length)
    this.raw[0] = type
  }

  get isComplete(): boolean {
    return this.length === 0 || this.#received.covers(this.length)
  }

  add(offset: number, data: Uint8Array): 'old' | 'new' | 'dropped' {
    // An empty message is there with its header.
    if (this.length === 0) return 'new'
    if (this.isComplete) return 'old'
    if (this.#received.count >= MAX_RANGES) return 'dropped'
    this.raw.set(data, HEADER_LENGTH + offset)
    return this.#received.add(offset, offset + data.length) ? 'new' : 'old'
  }
}

const HEADER_LENGTH = 4
/** How many messages may wait: more than there are in a flight. */
const MAX_MESSAGES = 16
/** How many pieces of a message may wait, with gaps between them. */
const MAX_RANGES = 1024
