import { rest } from '../bytes/index.js'
import type { Entropy } from '../crypto/index.js'
import { ProtocolError } from './alert.js'
import type { Established } from './established.js'
import { Machine } from './machine.js'
import { encodeMessage, type Message, messageName } from './messages.js'
import type { PlugControl } from './plug.js'

/*
 * What becomes of a connection whose plug has something to do after the handshake:
 *
 *   handshake ---> gate shut ---> open ---> closed
 *                      |                      ^
 *                      +----------------------+
 *
 * While the gate is shut no application data is sent or taken, and the connection stops reading while the plug waits for
 * the world. Once it is open the plug works in the background: what comes for it meanwhile is kept, in bounds.
 */

/** Runs the part of a plug after the handshake. TLS and DTLS both drive it: `start`, then `receive` and `resume`. */
export class ControlChannel {
  readonly messageType: number
  readonly #machine: Machine<void>
  readonly #unread: Message[] = []
  #isOpen = false

  constructor(
    control: PlugControl,
    side: 'client' | 'server',
    established: Established,
    entropy: Entropy,
    carrier: { send(message: Uint8Array): void; signal(): AbortSignal },
  ) {
    this.messageType = control.messageType
    this.#machine = new Machine(
      control.run({
        side,
        established,
        entropy,
        get signal() {
          return carrier.signal()
        },
        send: body => carrier.send(encodeMessage(control.messageType, rest, body)),
        openGate: () => {
          this.#isOpen = true
        },
      }),
    )
  }

  /** Whether application data may pass. */
  get isOpen(): boolean {
    return this.#isOpen
  }

  /** Settles when the world has answered that the gate is shut for; call `resume` then, and read nothing before. */
  get pause(): Promise<void> | undefined {
    return this.#isOpen ? undefined : this.#machine.pause
  }

  /** Settles when the world has answered or a time is up; call `resume` then, and go on reading. */
  get background(): Promise<void> | undefined {
    return this.#machine.alarm ?? (this.#isOpen ? this.#machine.pause : undefined)
  }

  start(): void {
    this.#machine.start()
    this.#goOn()
  }

  /** Gives a message of the plug's type. @throws ProtocolError unexpected_message, and what the plug throws */
  receive(message: Message): void {
    if (this.#unread.length >= MAX_UNREAD) {
      throw new ProtocolError('unexpected_message', `there are too many of ${messageName(message.type)}`)
    }
    this.#unread.push({ type: message.type, raw: Uint8Array.from(message.raw), body: Uint8Array.from(message.body) })
    this.#goOn()
  }

  /** Goes on after `pause` or `background` has settled. */
  resume(): void {
    this.#machine.resume()
    this.#goOn()
  }

  /** The connection is over. */
  stop(): void {
    this.#unread.length = 0
    this.#machine.stop()
  }

  #goOn(): void {
    while (!this.#machine.pause) {
      if (this.#machine.result && !this.#isOpen) throw new Error('the plug has ended and left the gate shut')
      const message = this.#unread.shift()
      if (!message) return
      this.#machine.receive(message)
    }
  }
}

/** A plug sends a few messages and waits for the answer. */
const MAX_UNREAD = 4
