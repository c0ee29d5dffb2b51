import { refusal } from './certificate-error.js'

/** The certificates of a PEM text (RFC 7468), in their order, as DER. What stands around them is passed over.
 *  @throws CertificateError if one of them has no end, or is no base64 */
export function certificatesIn(text: string): Uint8Array[] {
  const found: Uint8Array[] = []
  let at = 0
  for (;;) {
    const begin = text.indexOf(BEGIN, at)
    if (begin < 0) return found
    const from = begin + BEGIN.length
    const end = text.indexOf(END, from)
    if (end < 0) throw refusal('ERR_X509_MALFORMED', 'a certificate in PEM has no END line')
    found.push(decodeBase64(text.slice(from, end)))
    at = end + END.length
  }
}
const BEGIN = '-----BEGIN CERTIFICATE-----'
const END = '-----END CERTIFICATE-----'

function decodeBase64(text: string): Uint8Array {
  const compact = text.replace(/[\s\0]+/g, '')
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(compact) || compact.length % 4 !== 0) {
    throw refusal('ERR_X509_MALFORMED', 'a certificate in PEM is no base64')
  }
  return Uint8Array.from(atob(compact), character => character.charCodeAt(0))
}
