/** Why a chain was refused, in the words of the vectors.
 *  @param code `CertificateError.code`, as a finding has it */
export function chainReasons(code: string | undefined): readonly string[] {
  switch (code) {
    case 'ERR_X509_EXPIRED':
      return ['expired', 'chain']
    case 'ERR_X509_NOT_YET_VALID':
      return ['not-yet-valid', 'chain']
    case 'ERR_X509_UNKNOWN_ISSUER':
      return ['untrusted-root', 'chain']
    default:
      return ['chain']
  }
}
