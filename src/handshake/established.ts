import type { Suite } from './cipher-suite.js'
import type { PeerIdentity } from './credential.js'
import type { EarlyDataStatus } from './early-data.js'
import type { Exporter, ResumptionSecret } from './key-schedule.js'

/** What a handshake came to: all that outlives it. */
export interface Established {
  /** ProtocolVersion: 0x0304 for TLS 1.3, 0xfefc for DTLS 1.3. */
  readonly version: number
  readonly suite: Suite
  /** NamedGroup of the key exchange. */
  readonly group: number
  readonly serverName: string | undefined
  readonly alpn: string | undefined
  /** Whether a ticket was resumed: then nobody authenticated anew. */
  readonly isResumed: boolean
  /** The identity of the external PSK that was used. */
  readonly pskIdentity: Uint8Array | undefined
  /** Whether a HelloRetryRequest was needed. */
  readonly isRetried: boolean
  /** Whether the client takes tickets in a way that the server resumes them (RFC 8446 §4.2.9). */
  readonly isResumable: boolean
  /** What became of early data. */
  readonly earlyData: EarlyDataStatus
  /** Server: how much older the client said its ticket is than it is, in seconds; undefined where none was resumed. */
  readonly ticketAgeSkewSeconds: number | undefined
  /** Who the peer is: by its credential in this handshake, or in the one that is resumed; undefined if it authenticated
   *  with no credential that has a meaning to the engine. */
  readonly peer: PeerIdentity | undefined
  /** Type and chain of the credential behind the connection; for sessions. */
  readonly peerChain: { readonly certificateType: number; readonly chain: readonly Uint8Array[] }
  readonly exporter: Exporter
  readonly resumption: ResumptionSecret
  /** When the peers authenticated: in this handshake, or in the one that the session began with. ms since 1970 */
  readonly authenticatedAt: number
  /** Hash of ClientHello...client Finished, for those who bind something to the whole handshake. Hash.length bytes */
  readonly transcriptHash: Uint8Array
}
