import { DecodeError, hex } from '../bytes/index.js'
import type { Entropy } from '../crypto/index.js'
import {
  alertFor,
  dtls13,
  HandshakeType,
  type Message,
  ProtocolError,
  readStatelessHello,
  retryRequest,
  type SentRetry,
} from '../handshake/index.js'
import { CookieIssuer } from './cookie.js'
import { FRAGMENT_HEADER_LENGTH, type Fragment, readFragments, writeFragment } from './fragment.js'
import { plain } from './outgoing-epoch.js'
import { Reassembly } from './reassembly.js'
import { ContentType } from './record.js'
import { findPlain } from './record-reader.js'

/** What is to be done with a datagram from somebody unknown: nothing, send a datagram back, or make a connection. */
export type Admission =
  | { readonly type: 'drop' }
  /** Never more than three times as long as what came. */
  | { readonly type: 'reply'; readonly datagram: Uint8Array }
  /** The address is that of somebody who receives what is sent there. `retry` goes into the options of the connection,
   *  which then takes `datagram`: what came, or all of it if it came in parts. */
  | {
      readonly type: 'accept'
      readonly retry: { readonly sent: SentRetry; readonly sequenceNumber: number }
      readonly datagram: Uint8Array
    }

/** Asks everybody who says hello to a server to say it again with a cookie, and keeps nothing until they have
 *  (RFC 9147 §5.1): neither memory nor work, nor traffic to others, can be had by giving a false address. Only parts of a
 *  ClientHello that is longer than a datagram are kept, those of a few, until newer ones need the room. */
export class AddressCheck {
  readonly #config: Negotiation
  readonly #partial = new Map<string, Reassembly>()
  readonly #cookies: CookieIssuer

  /** @param config of which it is asked what a HelloRetryRequest has to ask for
   *  @param lifetime of cookies, in ms */
  constructor(config: Negotiation, entropy: Entropy, lifetime?: number) {
    this.#config = config
    this.#cookies = new CookieIssuer(entropy, lifetime)
  }

  /** @param address in any form that is not the same for another   @param now ms */
  admit(datagram: Uint8Array, address: Uint8Array, now: number): Admission {
    const record = findPlain(datagram)?.record
    const hello = record?.type === ContentType.handshake ? this.#helloIn(record.content, address) : undefined
    if (!record || !hello) return DROP
    const { sequenceNumber } = record.number
    const { messageSeq, message } = hello
    try {
      const retry = readStatelessHello(this.#config, dtls13, message)
      if (retry.cookie) {
        const sent = messageSeq === 1 ? this.#cookies.open(retry.cookie, address, now) : null
        if (!sent) throw new ProtocolError('illegal_parameter', 'the cookie is not one that was sent there, or too old')
        const whole = plain(ContentType.handshake, sequenceNumber, inOneFragment(message.raw, messageSeq))
        return { type: 'accept', retry: { sent, sequenceNumber }, datagram: whole }
      }
      const cookie = this.#cookies.issue(retry, address, now)
      const request = inOneFragment(retryRequest(dtls13, { ...retry, cookie }), 0)
      return reply(message, plain(ContentType.handshake, sequenceNumber, request))
    } catch (error) {
      // Such as a client that speaks an older version, which should not have to guess.
      const alert = Uint8Array.of(FATAL, alertFor(error))
      return reply(message, plain(ContentType.alert, sequenceNumber, alert))
    }
  }

  /** The ClientHello in a handshake record, if all of it is there by now. */
  #helloIn(content: Uint8Array, address: Uint8Array): Hello | undefined {
    const fragment = firstFragment(content)
    if (fragment?.type !== HandshakeType.client_hello || fragment.messageSeq > 1) return undefined
    if (fragment.length > MAX_HELLO) return undefined
    const { messageSeq } = fragment
    const key = `${hex(address)} ${messageSeq}`
    const isWhole = fragment.data.length === fragment.length
    const reassembly = (!isWhole && this.#partial.get(key)) || new Reassembly(() => MAX_HELLO, 0, messageSeq)
    this.#partial.delete(key)
    try {
      reassembly.add(fragment, 0)
    } catch (error) {
      if (error instanceof ProtocolError) return undefined
      throw error
    }
    const message = reassembly.take()
    if (message) return { messageSeq, message }
    this.#partial.set(key, reassembly)
    const [oldest] = this.#partial.keys()
    if (oldest !== undefined && this.#partial.size > MAX_PARTIAL) this.#partial.delete(oldest)
    return undefined
  }
}

/** What of a server's configuration a HelloRetryRequest depends on. */
export type Negotiation = Parameters<typeof readStatelessHello>[0]

interface Hello {
  readonly messageSeq: number
  readonly message: Message
}

/** How many hellos may wait for their other parts, and how long one may be, in bytes. */
const MAX_PARTIAL = 128
const MAX_HELLO = 2 ** 13
const DROP: Admission = { type: 'drop' }
const FATAL = 2
/** RFC 9147 §5.1: a server is not to send much more than it was sent. */
const MAX_AMPLIFICATION = 3

function reply({ raw }: Message, datagram: Uint8Array): Admission {
  return datagram.length > MAX_AMPLIFICATION * raw.length ? DROP : { type: 'reply', datagram }
}

function firstFragment(content: Uint8Array): Fragment | undefined {
  try {
    return readFragments(content)[0]
  } catch (error) {
    if (error instanceof DecodeError) return undefined
    throw error
  }
}

/** @param message in the form of RFC 8446 §4 */
function inOneFragment(message: Uint8Array, messageSeq: number): Uint8Array {
  const data = message.subarray(4)
  const fragment = { type: message[0], length: data.length, messageSeq, offset: 0, data }
  const content = new Uint8Array(FRAGMENT_HEADER_LENGTH + data.length)
  writeFragment(fragment, content, 0)
  return content
}
