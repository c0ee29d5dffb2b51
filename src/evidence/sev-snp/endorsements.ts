import type { Crl } from '../../x509/index.js'
import type { ProductLine } from './product-line.js'

/** What AMD's key distribution service has to say about a platform. */
export interface SnpEndorsements {
  /** The certificate of the key that signed a report, where the report did not bring it: DER. */
  signingCertificate(query: SigningCertificateQuery): Uint8Array | undefined
  /** The certificate of what issues those of that line: ASK for VCEKs, ASVK for VLEKs. DER. */
  issuerCertificate(line: ProductLine, kind: 'VCEK' | 'VLEK'): Uint8Array | undefined
  /** The revocation list that the root of that line signs; undefined: revocation is not looked at. */
  revocationList(line: ProductLine): Crl | undefined
}

/** What names the certificate of a key that signs reports. */
export interface SigningCertificateQuery {
  /** Undefined where a report is too old to tell. */
  readonly line: ProductLine | undefined
  readonly kind: 'VCEK' | 'VLEK'
  /** 64 bytes. */
  readonly chipId: Uint8Array
  /** 8 bytes: the key changes with each of its parts. */
  readonly reportedTcb: Uint8Array
}
