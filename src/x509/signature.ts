import { SignatureScheme } from '../crypto/index.js'
import type { Certificate } from './certificate.js'
import { refusal } from './certificate-error.js'
import { describeName } from './name.js'
import { type SignatureIdentifier, schemeOf } from './signature-algorithm.js'

/** Something that an issuer signed: a certificate or a CRL. */
export interface Signed {
  readonly toBeSigned: Uint8Array
  readonly signatureIdentifier: SignatureIdentifier
  readonly signature: Uint8Array
}

/** Checks that a certificate's or CRL's signature is by this issuer and of an allowed kind. A signature that was good
 *  once is not computed again for the same two objects; whether its kind is allowed is asked each time.
 *  @param signatureSchemes SignatureScheme code points; undefined: `modernSchemes`   @throws CertificateError */
export function checkSignature(
  signed: Signed,
  issuer: Certificate,
  what: string,
  signatureSchemes: readonly number[] = modernSchemes,
  onComputation?: () => void,
): void {
  checkKey(issuer)
  const key = issuer.publicKey
  const { oid, algorithm } = signed.signatureIdentifier
  const scheme = schemeOf(signed.signatureIdentifier, key.kind)
  if (!algorithm || scheme === undefined) {
    throw refusal(
      'ERR_X509_SIGNATURE_ALGORITHM',
      `${what} is signed with algorithm ${oid}, which is not known or does not fit a ${key.kind} key`,
    )
  }
  if (!signatureSchemes.includes(scheme)) {
    throw refusal(
      'ERR_X509_SIGNATURE_ALGORITHM',
      `${what} is signed with scheme 0x${scheme.toString(16).padStart(4, '0')}, which is not among those allowed`,
    )
  }
  if (good.get(signed)?.has(issuer)) return
  onComputation?.()
  if (!key.verify(algorithm, signed.toBeSigned, signed.signature)) {
    throw refusal('ERR_X509_SIGNATURE', `the signature of ${what} was not made by ${describeName(issuer.subject)}`)
  }
  const issuers = good.get(signed)
  if (issuers) issuers.add(issuer)
  else good.set(signed, new WeakSet([issuer]))
}

/** For what is signed the issuers whose signature it bears. It lives as long as both. */
const good = new WeakMap<Signed, WeakSet<Certificate>>()

/** Refuses keys that are too weak, or of a kind that nothing is known about.
 *  @throws CertificateError */
export function checkKey(certificate: Certificate): void {
  const { kind, modulusLength, publicExponent } = certificate.publicKey
  const whose = `the key of ${describeName(certificate.subject)}`
  if (kind === 'other') throw refusal('ERR_X509_KEY', `${whose} is of a kind or on a curve that is not known`)
  if (modulusLength === undefined) return
  if (modulusLength < LEAST_MODULUS || modulusLength > MOST_MODULUS) {
    throw refusal(
      'ERR_X509_KEY',
      `${whose} is RSA with ${modulusLength} bits, where ${LEAST_MODULUS} to ${MOST_MODULUS} are expected`,
    )
  }
  if (publicExponent !== undefined && (publicExponent < 3n || publicExponent > MOST_EXPONENT)) {
    throw refusal('ERR_X509_KEY', `${whose} is RSA with a public exponent that is not from 3 to 2^32`)
  }
}
const LEAST_MODULUS = 2048
/** A check takes time with the square of the length, and with the length of the exponent. */
const MOST_MODULUS = 8192
const MOST_EXPONENT = 2n ** 32n

/** What certificates are signed with where nobody says otherwise: no SHA-1. */
export const modernSchemes: readonly number[] = Object.values(SignatureScheme)
