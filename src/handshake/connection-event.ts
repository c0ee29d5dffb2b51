import type { Established } from './established.js'

/** What a connection tells the one who drives it. */
export type ConnectionEvent =
  /** The handshake is complete, and what a plug had to do before application data is done: such data may be written, and
   *  may come. */
  | { readonly type: 'established'; readonly established: Established }
  /** Application data. The buffer is the receiver's to keep. */
  | { readonly type: 'data'; readonly data: Uint8Array }
  /** Server: early data (RFC 8446 §4.2.10), which somebody may have recorded and sent before: act on it only if doing so
   *  twice does no harm. The buffer is the receiver's to keep. */
  | { readonly type: 'early_data'; readonly data: Uint8Array }
  /** Server: early data is taken. What is written from here on goes to a client that has not said that it is there. */
  | { readonly type: 'early' }
  /** The peer has said close_notify: no more data will come. */
  | { readonly type: 'end' }
  /** A session that a later connection can resume, encoded. */
  | { readonly type: 'session'; readonly session: Uint8Array }
  /** A line for a key log. */
  | { readonly type: 'keylog'; readonly line: string }
  /** The connection is over. Nothing follows. */
  | { readonly type: 'error'; readonly error: Error }

/** The transport ended, or the peer fell silent, where more was to come. */
export class ConnectionEnded extends Error {
  override readonly name = 'ConnectionEnded'
  readonly code = 'ERR_TLS_CONNECTION_ENDED'
}
