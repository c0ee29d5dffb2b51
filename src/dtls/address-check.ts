import { DecodeError } from '../bytes/index.js'
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
  type ServerConfig,
} from '../handshake/index.js'
import { CookieIssuer } from './cookie.js'
import { FRAGMENT_HEADER_LENGTH, type Fragment, readFragments, writeFragment } from './fragment.js'
import { plain } from './outgoing-epoch.js'
import { ContentType } from './record.js'
import { findPlain } from './record-reader.js'

/** What is to be done with a datagram from somebody unknown: nothing, send a datagram back, or make a connection. */
export type Admission =
  | { readonly type: 'drop' }
  /** Never more than three times as long as what came. */
  | { readonly type: 'reply'; readonly datagram: Uint8Array }
  /** The address is that of somebody who receives what is sent there. `retry` goes into the options of the connection,
   *  which then takes the datagram. */
  | { readonly type: 'accept'; readonly retry: { readonly sent: SentRetry; readonly sequenceNumber: number } }

/** Asks everybody who says hello to a server to say it again with a cookie, and keeps nothing until they have
 *  (RFC 9147 §5.1): neither memory nor work, nor traffic to others, can be had by giving a false address.
 *
 *  A ClientHello has to come in one datagram. */
export class AddressCheck {
  readonly #config: ServerConfig
  readonly #cookies: CookieIssuer

  /** @param config of which it is asked what a HelloRetryRequest has to ask for
   *  @param lifetime of cookies, in ms */
  constructor(config: ServerConfig, entropy: Entropy, lifetime?: number) {
    this.#config = config
    this.#cookies = new CookieIssuer(entropy, lifetime)
  }

  /** @param address in any form that is not the same for another   @param now ms */
  admit(datagram: Uint8Array, address: Uint8Array, now: number): Admission {
    const record = findPlain(datagram)?.record
    const hello = record?.type === ContentType.handshake ? wholeHello(record.content) : undefined
    if (!record || !hello) return DROP
    const { sequenceNumber } = record.number
    try {
      const retry = readStatelessHello(this.#config, dtls13, messageOf(hello))
      if (retry.cookie) {
        const sent = hello.messageSeq === 1 ? this.#cookies.open(retry.cookie, address, now) : null
        if (!sent) throw new ProtocolError('illegal_parameter', 'the cookie is not one that was sent there, or too old')
        return { type: 'accept', retry: { sent, sequenceNumber } }
      }
      const cookie = this.#cookies.issue(retry, address, now)
      const request = retryRequest(dtls13, { ...retry, cookie })
      return reply(datagram, plain(ContentType.handshake, sequenceNumber, inOneFragment(request)))
    } catch (error) {
      // Such as a client that speaks an older version, which should not have to guess.
      const alert = Uint8Array.of(FATAL, alertFor(error))
      return reply(datagram, plain(ContentType.alert, sequenceNumber, alert))
    }
  }
}

const DROP: Admission = { type: 'drop' }
const FATAL = 2
/** RFC 9147 §5.1: a server is not to send much more than it was sent. */
const MAX_AMPLIFICATION = 3

function reply(to: Uint8Array, datagram: Uint8Array): Admission {
  return datagram.length > MAX_AMPLIFICATION * to.length ? DROP : { type: 'reply', datagram }
}

/** The ClientHello in a handshake record, if all of it is there. */
function wholeHello(content: Uint8Array): Fragment | undefined {
  try {
    const [hello] = readFragments(content)
    return hello?.type === HandshakeType.client_hello && hello.data.length === hello.length ? hello : undefined
  } catch (error) {
    if (error instanceof DecodeError) return undefined
    throw error
  }
}

/** In the form that the transcript hashes (RFC 9147 §5.2). */
function messageOf({ type, length, data }: Fragment): Message {
  const raw = new Uint8Array(4 + length)
  new DataView(raw.buffer).setUint32(0, length)
  raw[0] = type
  raw.set(data, 4)
  return { type, raw, body: raw.subarray(4) }
}

/** @param message in the form of RFC 8446 §4 */
function inOneFragment(message: Uint8Array): Uint8Array {
  const data = message.subarray(4)
  const fragment = { type: message[0], length: data.length, messageSeq: 0, offset: 0, data }
  const content = new Uint8Array(FRAGMENT_HEADER_LENGTH + data.length)
  writeFragment(fragment, content, 0)
  return content
}
