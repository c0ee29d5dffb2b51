import { decode, uint32 } from '../bytes/index.js'
import type { ClientConfig, ServerConfig } from './config.js'
import type { Established } from './established.js'
import { extensionValue } from './extension-table.js'
import { earlyData } from './extensions.js'
import { grease } from './grease.js'
import { decodeMessage, encodeMessage, HandshakeType, type Message, NewSessionTicket } from './messages.js'
import { tls13 } from './protocol.js'
import { encodeSession, MAX_SESSION_SECONDS, NO_STATE, type Session } from './session.js'
import { tableWith } from './table.js'

/** NewSessionTicket messages to send after the handshake (RFC 8446 §4.6.1); none if the connection is not to be
 *  resumed. */
export function makeTickets(config: ServerConfig, established: Established): readonly Uint8Array[] {
  const { tickets, plug, entropy } = config
  const plugState = plug ? plug.saveSession() : NO_STATE
  if (!tickets || plugState === null || plug?.forbidsPsk || !established.isResumable) return []
  // A ticket has to fit its message, and the ClientHello that brings it back.
  const chainLength = established.peerChain.chain.reduce((sum, { length }) => sum + length, 0)
  if (chainLength + plugState.length > MAX_STATE_LENGTH) return []
  const now = config.now()
  const secondsLeft = MAX_SESSION_SECONDS - Math.ceil(Math.max(0, now - established.authenticatedAt) / 1000)
  const lifetimeSeconds = Math.min(tickets.lifetimeSeconds, secondsLeft)
  if (lifetimeSeconds <= 0) return []
  const hasEarlyData = !plug && established.version === tls13.version
  const maxEarlyData = !hasEarlyData ? 0 : (config.earlyData?.maxBytes ?? 0)
  const extensions = maxEarlyData > 0 ? [extensionValue(earlyData.new_session_ticket, maxEarlyData)] : []
  if (config.sendsGrease) extensions.push(...grease(entropy).extensions)
  // A resumption uses up one ticket (RFC 8446 §C.4), so it gets one back. Who has an external PSK can do without, and NSS loses
  // the connection over a second one.
  const restsOnPsk = established.isResumed || established.pskIdentity !== undefined
  const count = restsOnPsk ? Math.min(1, tickets.count) : tickets.count
  const messages: Uint8Array[] = []
  for (let i = 0; i < count; i++) {
    const ticketNonce = Uint8Array.of(i)
    const ticketAgeAdd = decode(uint32, entropy.bytes(4))
    const ticket = tickets.seal({
      protocolVersion: established.version,
      cipherSuite: established.suite.id,
      psk: established.resumption.psk(ticketNonce),
      ticketAgeAdd,
      maxEarlyData,
      issuedAt: BigInt(now),
      authenticatedAt: BigInt(established.authenticatedAt),
      lifetimeSeconds,
      serverName: established.serverName,
      alpn: established.alpn,
      certificateType: established.peerChain.certificateType,
      peerChain: [...established.peerChain.chain],
      plugState,
    })
    const message = { ticketLifetime: lifetimeSeconds, ticketAgeAdd, ticketNonce, ticket, extensions }
    messages.push(encodeMessage(HandshakeType.new_session_ticket, NewSessionTicket, message))
  }
  return messages
}

const MAX_STATE_LENGTH = 2 ** 15

/** Reads a NewSessionTicket.
 *  @returns the session to keep; null if it must not be resumed, or not be kept at all (a lifetime of 0) */
export function readTicket(config: ClientConfig, established: Established, message: Message): IssuedSession | null {
  const { ticketLifetime, ticketAgeAdd, ticketNonce, ticket, extensions } = decodeMessage(NewSessionTicket, message)
  const known = tableWith(config.plug).readOffer('new_session_ticket', extensions)
  const plugState = config.plug ? config.plug.saveSession() : NO_STATE
  if (ticketLifetime === 0 || plugState === null || config.plug?.forbidsPsk) return null
  return new IssuedSession(established, new Uint8Array(ticketNonce), {
    protocolVersion: established.version,
    cipherSuite: established.suite.id,
    ticket: new Uint8Array(ticket),
    ticketAgeAdd,
    maxEarlyData: config.plug ? 0 : (known.get(earlyData.new_session_ticket) ?? 0),
    receivedAt: BigInt(config.now()),
    authenticatedAt: BigInt(established.authenticatedAt),
    // RFC 8446 §4.6.1: never longer than seven days, whatever the server says.
    lifetimeSeconds: Math.min(ticketLifetime, MAX_SESSION_SECONDS),
    serverName: established.serverName,
    alpn: established.alpn,
    certificateType: established.peerChain.certificateType,
    peerChain: [...established.peerChain.chain],
    plugState,
  })
}

/** A session that the server has issued: an event of the connection. Its PSK is derived and it is encoded when somebody
 *  looks, since of most sessions nobody wants to know. */
class IssuedSession {
  readonly type = 'session'
  readonly #established: Established
  readonly #nonce: Uint8Array
  readonly #rest: Omit<Session, 'psk'>
  #encoded: Uint8Array | undefined

  constructor(established: Established, nonce: Uint8Array, rest: Omit<Session, 'psk'>) {
    this.#established = established
    this.#nonce = nonce
    this.#rest = rest
  }

  get session(): Uint8Array {
    this.#encoded ??= encodeSession({ ...this.#rest, psk: this.#established.resumption.psk(this.#nonce) })
    return this.#encoded
  }
}
