import type { Suite } from './cipher-suite.js'
import type { PeerIdentity } from './credential.js'
import type { Exporter, ResumptionSecret, TrafficSecret } from './key-schedule.js'

/** What a handshake came to: all that outlives it. */
export interface Established {
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
  /** Who the peer is; undefined if it did not authenticate with a credential. */
  readonly peer: PeerIdentity | undefined
  /** The credential type and chain that a resumed peer authenticated with, or `peer`'s own; for sessions. */
  readonly peerChain: { readonly certificateType: number; readonly chain: readonly Uint8Array[] }
  readonly exporter: Exporter
  readonly handshakeExporter: Exporter
  readonly resumption: ResumptionSecret
  readonly readSecret: TrafficSecret
  readonly writeSecret: TrafficSecret
  /** The largest record content that the peer takes, content type included (RFC 8449 §4). */
  readonly peerRecordSizeLimit: number | undefined
}
