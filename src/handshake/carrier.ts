import type { Suite } from './cipher-suite.js'
import type { Exporter, TrafficSecret } from './key-schedule.js'
import type { Protocol } from './protocol.js'
import type { SentRetry } from './retry.js'

/** Of records, as we see them. */
export type Direction = 'read' | 'write'

/** Which keys protect records: RFC 8446 §7.1 in its order, as RFC 9147 §6.1 numbers them. */
export type Epoch = 'initial' | 'early' | 'handshake' | 'application'

/** What the handshake asks of the layer below it. TLS and DTLS each answer it. */
export interface Carrier {
  /** Which protocol this is the handshake of. */
  readonly protocol: Protocol
  /** Server: the HelloRetryRequest that was sent and forgotten, to which the ClientHello that comes is the answer. */
  readonly sentRetry: SentRetry | undefined
  /** What the peer is to put into its records (RFC 9147 §9); undefined: nothing is said of connection IDs. */
  readonly connectionId: Uint8Array | undefined
  /** Both sides want connection IDs: the peer asks for this one. */
  useConnectionId(peers: Uint8Array): void
  /** Adds a handshake message, header and all, to the flight that is being written. */
  send(message: Uint8Array): void
  /** The flight is complete: TLS flushes it, DTLS cuts it into datagrams and arms its timer. */
  endFlight(): void
  /** New keys from here on. For reading, nothing of the old keys may be left over. */
  protect(direction: Direction, epoch: Epoch, secret: TrafficSecret, suite: Suite): void
  /** The Handshake Exporter, which there is from ServerHello on: for applications, beside the exporter that there is
   *  in the end. */
  offerHandshakeExporter(exporter: Exporter): void
  /** A place where a dummy change_cipher_spec belongs (RFC 8446 §D.4): TLS sends one, once; DTLS does nothing. */
  compatibility(): void
  /** How large a protected record's plaintext may be from here on, content type included (RFC 8449 §4). */
  limitRecords(direction: Direction, recordSizeLimit: number): void
  /** The exporter, where the server can use it before the client's Finished. */
  offerExporter(exporter: Exporter): void
  /** Early data may flow from here on, up to `limit` bytes (RFC 8446 §4.2.10): from the client, under these keys, until
   *  the next `protect` in its direction. */
  openEarlyData(secret: TrafficSecret, suite: Suite, limit: number): void
  /** Client: what the server says to early data. Where it does not take it, what we write is plain until the next
   *  `protect`. */
  settleEarlyData(isAccepted: boolean): void
  /** The peer may send early data that is not accepted: its records are dropped (RFC 8446 §4.2.10). Ends with the next
   *  `protect` for reading. */
  skipEarlyData(): void
  /** Fires when the connection is over, whatever the reason. */
  readonly signal: AbortSignal
}
