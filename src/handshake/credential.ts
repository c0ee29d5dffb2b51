import type { PublicKey, SigningKey } from '../crypto/index.js'
import type { Extensions, ExtensionValue } from './extension-table.js'

/** What we authenticate with: a Certificate message in the making, and the key that signs for it. */
export interface Credential {
  /** RFC 7250: X509(0), RawPublicKey(2), or a number that a plug brings. */
  readonly certificateType: number
  readonly entries: readonly CredentialEntry[]
  readonly key: SigningKey
}

/** CertificateEntry (RFC 8446 §4.4.2) of a credential of ours. */
export interface CredentialEntry {
  /** X.509: a DER certificate; raw public key: a SubjectPublicKeyInfo. */
  readonly data: Uint8Array
  readonly extensions: readonly ExtensionValue[]
}

/** What the peer authenticates with: its Certificate message, decoded, before anything in it was believed. */
export interface Authentication {
  readonly certificateType: number
  /** Never empty. */
  readonly entries: readonly AuthenticationEntry[]
}

/** CertificateEntry (RFC 8446 §4.4.2) as the peer sent it. */
export interface AuthenticationEntry {
  readonly data: Uint8Array
  readonly extensions: Extensions
}

/** Who the peer is, as far as its credential says. */
export interface PeerIdentity {
  readonly certificateType: number
  /** DER certificates, end entity first, for X.509; otherwise the SubjectPublicKeyInfo alone. */
  readonly chain: readonly Uint8Array[]
  /** The key that CertificateVerify was checked with. */
  readonly publicKey: PublicKey
  /** SignatureScheme of that CertificateVerify; undefined where a session is resumed. */
  readonly signatureScheme: number | undefined
  /** The OCSP response that was stapled to the end-entity certificate, unchecked. */
  readonly ocspResponse: Uint8Array | undefined
  /** Why the credential is not to be trusted, where the configuration lets the handshake go on regardless. */
  readonly authorizationError: Error | undefined
}
