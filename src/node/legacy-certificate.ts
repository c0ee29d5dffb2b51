import { X509Certificate } from 'node:crypto'
import type { DetailedPeerCertificate, PeerCertificate } from 'node:tls'
import { equalBytes } from '../bytes/index.js'
import { CertificateType } from '../handshake/index.js'
import { parseCertificate, type TrustAnchors } from '../x509/index.js'

/** A certificate in the shape of `tls.TLSSocket.getPeerCertificate()`; an empty object where there is none.
 *  @param chain DER, end entity first
 *  @param isDetailed whether each certificate holds the next one as `issuerCertificate`
 *  @param anchors the certificates among which the end of the chain is looked for if the chain stops short of it */
export function legacyCertificate(
  { certificateType, chain: sent }: { readonly certificateType: number; readonly chain: readonly Uint8Array[] },
  isDetailed = false,
  anchors: TrustAnchors | undefined = undefined,
): PeerCertificate | DetailedPeerCertificate {
  const chain = certificateType !== CertificateType.X509 ? [] : isDetailed ? completed(sent, anchors) : sent.slice(0, 1)
  const certificates = chain.map(toLegacy)
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

function completed(chain: readonly Uint8Array[], anchors: TrustAnchors | undefined): readonly Uint8Array[] {
  const last = chain.at(-1)
  if (!last || !anchors || isSelfIssued(last)) return chain
  const { issuer } = parseCertificate(last)
  const child = new X509Certificate(last)
  const anchor = anchors.certificates.find(
    ({ subject, der }) => equalBytes(subject.der, issuer.der) && child.checkIssued(new X509Certificate(der)),
  )
  return anchor ? [...chain, anchor.der] : chain
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
