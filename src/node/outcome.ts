import { X509Certificate } from 'node:crypto'
import type { AttestationStatus } from '../attestation/index.js'
import { AlertReceived, CertificateType, type Connection, type Established, MisuseError } from '../handshake/index.js'
import { explained } from './errors.js'
import { type EphemeralKey, ephemeralKeyOf } from './names.js'
import { IdentityRefused } from './peer.js'

/*
 * What a handshake came to, as the sockets of either transport show it.
 */

/** The chain that the peer has shown; empty before the handshake is complete. */
export function peerChainOf(established: Established | undefined) {
  return established?.peerChain ?? { certificateType: CertificateType.X509, chain: [] }
}

/** The peer's certificate; undefined if it showed none. */
export function peerX509Of(established: Established | undefined): X509Certificate | undefined {
  const leaf = shownAs(CertificateType.X509, established)
  return leaf && new X509Certificate(leaf)
}

/** The peer's raw public key (RFC 7250), as SubjectPublicKeyInfo in DER; undefined if it showed none. */
export function peerRawPublicKeyOf(established: Established | undefined): Buffer | undefined {
  const key = shownAs(CertificateType.RawPublicKey, established)
  return key && Buffer.from(key)
}

function shownAs(type: number, established: Established | undefined): Uint8Array | undefined {
  const { certificateType, chain } = peerChainOf(established)
  return certificateType === type ? chain[0] : undefined
}

/** Whether the peer is somebody: a credential that is no X.509 certificate and no raw public key is worth what its
 *  attestation is. */
export function authorizationOf({ peer, pskIdentity }: Established, attestation: AttestationStatus | null) {
  const isKnown =
    peer?.certificateType === CertificateType.X509 || peer?.certificateType === CertificateType.RawPublicKey
  const error = peer?.authorizationError ? surfaced(peer.authorizationError) : null
  const isAttested = peer !== undefined && attestation?.isAttested === true
  return {
    authorized: !error && (isKnown || isAttested || pskIdentity !== undefined),
    authorizationError: error,
  }
}

/** TLS-Exporter (RFC 8446 §7.5). @throws MisuseError before the handshake is complete */
export function exportedFrom(
  established: Established | undefined,
  length: number,
  label: string,
  context: Uint8Array = new Uint8Array(0),
): Buffer {
  if (!established) {
    throw new MisuseError('there is no keying material before the handshake is complete', 'ERR_TLS_INVALID_STATE')
  }
  return Buffer.from(established.exporter.derive(label, context, length))
}

/** The Handshake Exporter. @param connection undefined before the handshake has begun   @throws MisuseError before ServerHello */
export function handshakeExportedFrom(
  connection: Pick<Connection, 'exportHandshakeKeyingMaterial'> | undefined,
  length: number,
  label: string,
  context: Uint8Array = new Uint8Array(0),
): Buffer {
  if (!connection) {
    throw new MisuseError('there is no Handshake Exporter before ServerHello', 'ERR_TLS_INVALID_STATE')
  }
  return Buffer.from(connection.exportHandshakeKeyingMaterial(label, context, length))
}

/** The group of the key exchange in the shape of node:tls: an empty object before it is known, null on a server. */
export function ephemeralKeyInfoOf(
  side: 'client' | 'server',
  established: Established | undefined,
): EphemeralKey | object | null {
  if (side === 'server') return null
  return established ? ephemeralKeyOf(established.group) : {}
}

/** The cipher suite in the shape of node:tls. */
export function cipherOf<V extends string>(established: Established | undefined, version: V) {
  const { suite } = established ?? {}
  return suite && { name: suite.name, standardName: suite.name, version }
}

/** The identity of the external PSK that was used; undefined if none was. */
export function pskIdentityOf(established: Established | undefined): string | undefined {
  const { pskIdentity } = established ?? {}
  return pskIdentity && Buffer.from(pskIdentity).toString()
}

/** An error as the caller is to see it: what the caller's own check refused with comes back as it was, and the alerts of
 *  the draft have their names where nobody here attests, too. */
export function surfaced(error: Error): Error {
  if (error instanceof IdentityRefused) return error.refusal
  return error instanceof AlertReceived ? explained(error) : error
}
