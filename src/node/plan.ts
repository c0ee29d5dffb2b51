import type { ConnectionAttestation } from '../attestation/index.js'
import type { ClientConfig, ServerConfig } from '../handshake/index.js'
import type { TlsConnection } from '../tls/index.js'
import type { TrustAnchors } from '../x509/index.js'
import type { Identity } from './secure-context.js'
import type { AttestedSocket } from './socket.js'

/** How a socket comes to its connection. It is made before the socket; `begin` runs when the transport is there. */
export interface Plan<S = AttestedSocket> {
  readonly side: 'client' | 'server'
  /** ms; 0: for ever. */
  readonly handshakeTimeout: number
  readonly keyLogFile: string | undefined
  /** Whether there is to be an 'OCSPResponse' event. */
  readonly asksForOcsp: boolean
  /** @param session a session to resume, encoded */
  begin(socket: S, session: Uint8Array | undefined): Begun
}

/** Whom a connection is made for: a socket of either transport. */
export interface Endpoint {
  readonly remoteAddress?: string | undefined
  listenerCount(event: string): number
}

/** What a connection is made of, whatever its transport, and what its handshake leaves behind. */
export interface Configured<C extends ClientConfig | ServerConfig> extends Omit<Begun, 'connection'> {
  readonly config: C
}

/** A connection that has been made, and what its handshake leaves behind for the socket. */
export interface Begun {
  readonly connection: TlsConnection
  readonly attestation: ConnectionAttestation | null
  /** What we authenticated with. */
  ownIdentity(): Identity | null
  /** Whom the peer's certificates are checked against. */
  anchors(): TrustAnchors
}

/** A handshake may take that long, in ms, if nothing else is said: a Verifier far away has to answer within it. */
export const HANDSHAKE_TIMEOUT = 30_000
