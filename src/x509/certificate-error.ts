/** The alerts of RFC 8446 §6.2 that a certificate can be refused with. */
export type CertificateAlert =
  | 'bad_certificate'
  | 'unsupported_certificate'
  | 'certificate_revoked'
  | 'certificate_expired'
  | 'certificate_unknown'
  | 'unknown_ca'

/** The stable codes of CertificateError, and the alert that each of them stands for. */
const ALERTS = {
  /** Not a certificate or CRL in DER, or one that says the same thing twice. */
  ERR_X509_MALFORMED: 'bad_certificate',
  /** Longer, or with more parts, than anybody needs. */
  ERR_X509_TOO_LARGE: 'bad_certificate',
  ERR_X509_UNKNOWN_ISSUER: 'unknown_ca',
  ERR_X509_EXPIRED: 'certificate_expired',
  ERR_X509_NOT_YET_VALID: 'certificate_expired',
  ERR_X509_SIGNATURE: 'bad_certificate',
  /** A signature algorithm that is unknown or not allowed (RFC 8446 §4.4.2.4). */
  ERR_X509_SIGNATURE_ALGORITHM: 'bad_certificate',
  ERR_X509_KEY: 'unsupported_certificate',
  ERR_X509_KEY_USAGE: 'unsupported_certificate',
  ERR_X509_PURPOSE: 'unsupported_certificate',
  ERR_X509_CRITICAL_EXTENSION: 'unsupported_certificate',
  ERR_X509_NOT_A_CA: 'bad_certificate',
  ERR_X509_PATH_LENGTH: 'bad_certificate',
  ERR_X509_NAME_CONSTRAINTS: 'bad_certificate',
  ERR_X509_NAME_MISMATCH: 'bad_certificate',
  ERR_X509_SEARCH_LIMIT: 'certificate_unknown',
  ERR_X509_REVOKED: 'certificate_revoked',
  /** No usable CRL says whether the certificate is revoked. */
  ERR_X509_REVOCATION_UNKNOWN: 'certificate_unknown',
} as const satisfies Readonly<Record<string, CertificateAlert>>
/** The stable codes of CertificateError. */
export type CertificateErrorCode = keyof typeof ALERTS

/** A certificate, a chain of them, or a CRL is not what it has to be. */
export class CertificateError extends Error {
  override readonly name: string = 'CertificateError'
  readonly code: string
  /** The alert that a peer which sent the certificate is answered with. */
  readonly reason: CertificateAlert
  /** What came and what was expected: the message without the advice. */
  readonly sentence: string

  /** @param code ERR_X509_…   @param sentence what came and what was expected
   *  @param options.advice what a user of TLS can do about it; of no use where the chain is not TLS's */
  constructor(
    code: string,
    reason: CertificateAlert,
    sentence: string,
    options: { readonly cause?: unknown; readonly advice?: string } = {},
  ) {
    const { cause, advice } = options
    super(advice === undefined ? sentence : `${sentence}; ${advice}`, cause === undefined ? undefined : { cause })
    this.code = code
    this.reason = reason
    this.sentence = sentence
  }
}

/** A CertificateError with the alert that belongs to its code. */
export function refusal(code: CertificateErrorCode, message: string, cause?: unknown): CertificateError {
  return new CertificateError(code, ALERTS[code], message, { cause })
}
