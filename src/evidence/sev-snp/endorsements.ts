import type { Crl } from '../../x509/index.js'
import type { ProductLine } from './product-line.js'

/** What AMD's key distribution service has to say about a platform. */
export interface SnpEndorsements {
  /** Whether nothing is to be appraised without the revocation list of its line; false unless said. */
  readonly asksForRevocation?: boolean
  /** The certificate of the key that signed a report, where the report did not bring it: DER. */
  signingCertificate(query: SigningCertificateQuery): Uint8Array | undefined
  /** The certificate of what issues those of that line: ASK for VCEKs, ASVK for VLEKs. DER. */
  issuerCertificate(line: ProductLine, kind: 'VCEK' | 'VLEK'): Uint8Array | undefined
  /** The revocation list that the root of that line signs; undefined: there is none. */
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
