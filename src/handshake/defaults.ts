import { mlKem768, NamedGroup, SignatureScheme } from '../crypto/index.js'
import { CipherSuite } from './cipher-suite.js'

/** Cipher suites in the order of this engine's preference. */
export const defaultCipherSuites: readonly number[] = [
  CipherSuite.TLS_AES_128_GCM_SHA256,
  CipherSuite.TLS_AES_256_GCM_SHA384,
  CipherSuite.TLS_CHACHA20_POLY1305_SHA256,
]

/** Groups in the order of preference. The hybrid comes first where ML-KEM is native; elsewhere it costs a client most
 *  of a millisecond, so it is there for peers that want it, but not sent unasked. */
export const defaultGroups: readonly number[] = mlKem768.isNative
  ? [NamedGroup.X25519MLKEM768, NamedGroup.x25519, NamedGroup.secp256r1, NamedGroup.secp384r1, NamedGroup.secp521r1]
  : [NamedGroup.x25519, NamedGroup.secp256r1, NamedGroup.secp384r1, NamedGroup.secp521r1, NamedGroup.X25519MLKEM768]

/** Signature schemes accepted in CertificateVerify. */
export const defaultSignatureSchemes: readonly number[] = [
  SignatureScheme.ecdsa_secp256r1_sha256,
  SignatureScheme.ed25519,
  SignatureScheme.rsa_pss_rsae_sha256,
  SignatureScheme.rsa_pss_pss_sha256,
  SignatureScheme.ecdsa_secp384r1_sha384,
  SignatureScheme.rsa_pss_rsae_sha384,
  SignatureScheme.rsa_pss_pss_sha384,
  SignatureScheme.ecdsa_secp521r1_sha512,
  SignatureScheme.ed448,
  SignatureScheme.rsa_pss_rsae_sha512,
  SignatureScheme.rsa_pss_pss_sha512,
]

/** Signature schemes accepted in certificates: RSASSA-PKCS1-v1_5 too (RFC 8446 §4.2.3). */
export const defaultCertificateSchemes: readonly number[] = [
  ...defaultSignatureSchemes,
  SignatureScheme.rsa_pkcs1_sha256,
  SignatureScheme.rsa_pkcs1_sha384,
  SignatureScheme.rsa_pkcs1_sha512,
]
