import { CertificateType, type Credential, type Established, MisuseError } from '../handshake/index.js'
import type { Begun } from './plan.js'

/** What is built on a connection whose handshake is complete stands on this. */
export interface Foundation {
  readonly side: 'client' | 'server'
  readonly established: Established
  /** The X.509 credential of ours in the handshake; null if there was none. */
  readonly credential: Credential | null
  /** Fires when the connection is over. */
  readonly signal: AbortSignal
}

/** A socket of either transport. */
export interface FoundedSocket {
  /** @throws MisuseError before the handshake is complete */
  readonly foundation: Foundation
  destroy(error?: Error): unknown
}

/** What a socket has come to. @throws MisuseError before the handshake is complete */
export function foundationOf(
  side: Foundation['side'],
  established: Established | undefined,
  begun: (Pick<Begun, 'ownIdentity'> & { readonly connection: { readonly signal: AbortSignal } }) | undefined,
): Foundation {
  if (!established || !begun) {
    throw new MisuseError('nothing stands on a connection before its handshake is complete', 'ERR_TLS_INVALID_STATE')
  }
  const identity = begun.ownIdentity()
  const credential = identity && identity.chain.length > 0 ? identity.credential(CertificateType.X509) : null
  return { side, established, credential, signal: begun.connection.signal }
}
