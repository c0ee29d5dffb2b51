import { hex } from '../bytes/index.js'
import type { ClientConfig, ServerConfig } from './config.js'
import { type Step, until } from './machine.js'
import type { Protocol } from './protocol.js'
import type { Session, TicketState } from './session.js'

/** What became of early data (RFC 8446 §4.2.10), and why. */
export type EarlyDataStatus =
  /** It was taken. */
  | 'accepted'
  /** We are not configured to send or take any, or a plug takes part. */
  | 'disabled'
  /** There was no session to resume. */
  | 'no_session_offered'
  /** The session was not resumed. */
  | 'session_not_resumed'
  /** The session is not for early data. */
  | 'unsupported_for_session'
  /** The session is for another application protocol. */
  | 'alpn_mismatch'
  /** The ticket is not as old as the client says: its ClientHello may have been held back (RFC 8446 §8.3). */
  | 'ticket_age_skew'
  /** Another key share was asked for. */
  | 'hello_retry_request'
  /** The ClientHello was there before (RFC 8446 §8.2). */
  | 'replayed'
  /** Server: the client sent none. Client: the server takes none. */
  | 'peer_declined'

/** How a server takes early data. Who takes it must know what RFC 8446 §8 says: it has no forward secrecy, and however
 *  careful the server, its requests should be such that doing them twice does no harm. */
export interface EarlyDataPolicy {
  /** How many bytes a client may send: max_early_data_size of its tickets. */
  readonly maxBytes: number
  /** By how much the age of a ticket may differ from what the client says it is, in seconds (RFC 8446 §8.3). */
  readonly maxSkewSeconds: number
  /** Whether early data is taken this once. Must say yes to each ClientHello no more than once. */
  admit(use: EarlyDataUse): boolean | Promise<boolean>
}

/** A ClientHello that brings early data. */
export interface EarlyDataUse {
  readonly ticket: Uint8Array
  /** The PSK binder: no two ClientHellos have the same, and none can be changed under its binder. */
  readonly binder: Uint8Array
  /** ms since 1970 */
  readonly issuedAt: number
  /** ms since 1970 */
  readonly now: number
}

/** Remembers ClientHellos for as long as they could be replayed (RFC 8446 §8.2), in the memory of one process: servers
 *  that share ticket keys need a store that they share too. */
export class ReplayGuard implements EarlyDataPolicy {
  readonly maxBytes: number
  readonly maxSkewSeconds: number
  readonly #startedAt: number
  readonly #limit: number
  #current = new Set<string>()
  #previous = new Set<string>()
  #turnedAt: number

  /** @param now ms since 1970: tickets of before are not taken, since what used them is not remembered
   *  @param options `limit`: how many ClientHellos are remembered at most; beyond it no early data is taken */
  constructor(
    now: number,
    options: { readonly maxBytes?: number; readonly maxSkewSeconds?: number; readonly limit?: number } = {},
  ) {
    this.maxBytes = options.maxBytes ?? 2 ** 14
    this.maxSkewSeconds = options.maxSkewSeconds ?? 10
    this.#limit = options.limit ?? 100_000
    this.#startedAt = now
    this.#turnedAt = now
  }

  admit({ binder, issuedAt, now }: EarlyDataUse): boolean {
    this.#turn(now)
    const id = hex(binder)
    if (issuedAt < this.#startedAt || this.#current.has(id) || this.#previous.has(id)) return false
    if (this.#current.size + this.#previous.size >= this.#limit) return false
    this.#current.add(id)
    return true
  }

  /** A ClientHello is fresh for twice the skew at most, so what is two turns old can be forgotten. */
  #turn(now: number): void {
    // Rounded seconds: one more on either side.
    const span = 2 * (this.maxSkewSeconds + 1) * 1000
    if (now - this.#turnedAt < span) return
    this.#previous = now - this.#turnedAt < 2 * span ? this.#current : new Set()
    this.#current = new Set()
    this.#turnedAt = now
  }
}

/** Whether a client offers early data with its session. */
export function clientEarlyData(
  config: ClientConfig,
  protocol: Protocol,
  session: Session | undefined,
): EarlyDataStatus | 'offered' {
  if (!config.offersEarlyData || config.plug || !protocol.hasEarlyData) return 'disabled'
  if (!session) return 'no_session_offered'
  if (session.maxEarlyData === 0) return 'unsupported_for_session'
  if (session.alpn !== undefined && !config.alpn.includes(session.alpn)) return 'alpn_mismatch'
  return 'offered'
}

/** What a server knows of a ClientHello when it decides on early data. */
export interface EarlyDataOffer {
  readonly isOffered: boolean
  readonly hasPsks: boolean
  /** The PSK that was chosen. */
  readonly psk:
    | {
        readonly index: number
        readonly identity: Uint8Array
        readonly binder: Uint8Array
        readonly ticket: TicketState | undefined
        readonly ageSkewSeconds: number
      }
    | undefined
  readonly suite: number
  readonly alpn: string | undefined
  readonly isRetried: boolean
}

/** Whether a server takes early data: all that RFC 8446 §4.2.10 asks for, and then, once, the policy. */
export function* serverEarlyData(
  config: ServerConfig,
  protocol: Protocol,
  offer: EarlyDataOffer,
): Step<EarlyDataStatus> {
  const { earlyData: policy } = config
  const { psk } = offer
  if (!policy || config.plug || !protocol.hasEarlyData) return 'disabled'
  if (!offer.hasPsks) return 'no_session_offered'
  if (!psk?.ticket) return 'session_not_resumed'
  const { ticket } = psk
  if (ticket.maxEarlyData === 0 || ticket.cipherSuite !== offer.suite) return 'unsupported_for_session'
  if (!offer.isOffered || psk.index !== 0) return 'peer_declined'
  if (ticket.alpn !== offer.alpn) return 'alpn_mismatch'
  if (Math.abs(psk.ageSkewSeconds) > policy.maxSkewSeconds) return 'ticket_age_skew'
  if (offer.isRetried) return 'hello_retry_request'
  const { identity, binder } = psk
  const use = { ticket: identity, binder, issuedAt: Number(ticket.issuedAt), now: config.now() }
  return (yield* until(policy.admit(use))) ? 'accepted' : 'replayed'
}

/** How much older a client says its ticket is than it is, in seconds (RFC 8446 §4.2.11.1). */
export function ageSkewSeconds(ticket: TicketState, obfuscatedTicketAge: number, now: number): number {
  const claimed = (obfuscatedTicketAge - ticket.ticketAgeAdd) >>> 0
  return Math.round((claimed - (now - Number(ticket.issuedAt))) / 1000)
}
