import { MisuseError, type SentRetry } from '../handshake/index.js'
import { ConnectionIds } from './connection-ids.js'

/** How a connection uses its datagrams. */
export interface DatagramOptions {
  /** The largest datagram that we send, in bytes: 128 or more, 1200 by default. Less is tried when nothing comes
   *  through. */
  readonly mtu?: number
  /** How long the answer to a flight is waited for before it is sent again, at first: 1000 ms by default
   *  (RFC 9147 §5.8.2). */
  readonly retransmitAfter?: number
  /** How often a flight is sent again before the peer is given up: 12 times by default. */
  readonly maxRetransmissions?: number
  /** How many zeros are added to application data of so many bytes, against those who watch lengths: as many as the
   *  datagram has room for, if it asks for more (RFC 9147 §4). By default none are. */
  readonly padding?: (contentLength: number) => number
  /** After how many records a key is replaced: 4 or more, at most, and by default, what its AEAD allows
   *  (RFC 9147 §4.5.3). */
  readonly recordsPerKey?: number
  /** After how many records that do not open the connection ends: at most, and by default, what its AEAD allows
   *  (RFC 9147 §4.5.3). */
  readonly failuresPerKey?: number
  /** What the peer is to put into its records, so that they are known when its address changes (RFC 9146 §3): 0..255
   *  bytes, as long as all others of this socket's; empty: nothing, but the peer may have one. By default there are none. */
  readonly connectionId?: Uint8Array
  /** Makes further ones of the same length, when the peer asks for them. */
  readonly newConnectionId?: () => Uint8Array
  /** Server: the HelloRetryRequest that was sent without a connection, and the record number of the ClientHello that
   *  answers it. */
  readonly retry?: { readonly sent: SentRetry; readonly sequenceNumber: number }
}

/** What is known of a path. */
export type Path = Pick<DatagramOptions, 'mtu' | 'retransmitAfter'>

/** The options with their defaults. @throws MisuseError if one is too small */
export function completeOptions(options: DatagramOptions) {
  return {
    mtu: checkedMtu(options.mtu ?? 1200),
    retransmitAfter: checkedInterval(options.retransmitAfter ?? 1000),
    maxRetransmissions: options.maxRetransmissions ?? 12,
    padding: options.padding,
    recordsPerKey: atLeast(4, options.recordsPerKey ?? Number.MAX_SAFE_INTEGER, 'a key protects', 'records'),
    failuresPerKey: options.failuresPerKey ?? Number.MAX_SAFE_INTEGER,
    retry: options.retry,
    connectionIds: new ConnectionIds(options.connectionId, options.newConnectionId),
  }
}

/** @throws MisuseError if it is too small */
export function checkedMtu(mtu: number): number {
  return atLeast(128, mtu, 'a datagram has', 'bytes')
}

/** @throws MisuseError if it is too short */
export function checkedInterval(retransmitAfter: number): number {
  return atLeast(1, retransmitAfter, 'an answer is waited for', 'ms')
}

function atLeast(least: number, value: number, what: string, unit: string): number {
  if (value >= least) return Math.floor(value)
  throw new MisuseError(`${what} ${least} ${unit} or more, not ${value}`)
}
