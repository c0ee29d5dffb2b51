import type { Established } from './established.js'

/** What a connection tells the one who drives it. */
export type ConnectionEvent =
  /** The handshake is complete, and what a plug had to do before application data is done: such data may be written, and
   *  may come. */
  | { readonly type: 'established'; readonly established: Established }
  /** Application data. The buffer is the receiver's to keep. */
  | { readonly type: 'data'; readonly data: Uint8Array }
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
