import { X509Certificate } from 'node:crypto'
import type { DetailedPeerCertificate, PeerCertificate } from 'node:tls'
import { CertificateType } from '../handshake/index.js'

/** A certificate in the shape of `tls.TLSSocket.getPeerCertificate()`; an empty object where there is none.
 *  @param chain DER, end entity first
 *  @param isDetailed whether each certificate holds the next one as `issuerCertificate` */
export function legacyCertificate(
  { certificateType, chain }: { readonly certificateType: number; readonly chain: readonly Uint8Array[] },
  isDetailed = false,
): PeerCertificate | DetailedPeerCertificate {
  const certificates =
    certificateType === CertificateType.X509 ? (isDetailed ? chain : chain.slice(0, 1)).map(toLegacy) : []
  // node:tls also answers with an empty object, whatever its type says.
  const [leaf = {} as DetailedPeerCertificate] = certificates
  if (isDetailed) {
    for (const [i, certificate] of certificates.entries()) {
      const issuer = certificates[i + 1]
      if (issuer) certificate.issuerCertificate = issuer
      else if (isSelfIssued(chain[i])) certificate.issuerCertificate = certificate
    }
  }
  return leaf
}

function toLegacy(der: Uint8Array): DetailedPeerCertificate {
  // @types/node leaves the shape open.
  return new X509Certificate(der).toLegacyObject() as unknown as DetailedPeerCertificate
}

function isSelfIssued(der: Uint8Array | undefined): boolean {
  if (!der) return false
  const certificate = new X509Certificate(der)
  return certificate.checkIssued(certificate)
}
