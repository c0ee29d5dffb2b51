import { refusal } from './certificate-error.js'

/** The certificates of a PEM text (RFC 7468), in their order, as DER. What stands around them is passed over.
 *  @throws CertificateError if one of them has no end, or is no base64 */
export function certificatesIn(text: string): Uint8Array[] {
  return blocksIn(text, 'CERTIFICATE', 'a certificate')
}

/** The revocation lists of a PEM text (RFC 7468 §7), like `certificatesIn`. */
export function crlsIn(text: string): Uint8Array[] {
  return blocksIn(text, 'X509 CRL', 'a CRL')
}

function blocksIn(text: string, label: string, what: string): Uint8Array[] {
  const [head, foot] = [`-----BEGIN ${label}-----`, `-----END ${label}-----`]
  const found: Uint8Array[] = []
  let at = 0
  for (;;) {
    const begin = text.indexOf(head, at)
    if (begin < 0) return found
    const from = begin + head.length
    const end = text.indexOf(foot, from)
    if (end < 0) throw refusal('ERR_X509_MALFORMED', `${what} in PEM has no END line`)
    found.push(decodeBase64(text.slice(from, end), what))
    at = end + foot.length
  }
}

function decodeBase64(text: string, what: string): Uint8Array {
  const compact = text.replace(/[\s\0]+/g, '')
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(compact) || compact.length % 4 !== 0) {
    throw refusal('ERR_X509_MALFORMED', `${what} in PEM is no base64`)
  }
  return Uint8Array.from(atob(compact), character => character.charCodeAt(0))
}
