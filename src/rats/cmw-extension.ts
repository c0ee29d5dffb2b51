import { concat, equalBytes } from '../bytes/index.js'
import { type Cmw, decodeCmw, encodeCmw } from './cmw.js'
import { MessageError } from './message-error.js'

/** The extension of X.509 certificates, requests and CRLs that carries a CMW (RFC 9999 §4.4). It should not be
 *  critical. */
export const ID_PE_CMW = '1.3.6.1.5.5.7.1.35'

/** Reads the value of the extension: `CMW ::= CHOICE { json UTF8String, cbor OCTET STRING }`, DER.
 *  @param value what is in the extnValue OCTET STRING   @throws MessageError */
export function decodeCmwExtension(value: Uint8Array): Cmw {
  const form = value[0] === TAGS.json ? 'json' : 'cbor'
  // DER has one spelling of everything: the content is what, wrapped again, gives the value.
  for (const size of HEADER_SIZES) {
    const content = value.subarray(size)
    if (equalBytes(concat(headerOf(form, content.length), content), value)) return decodeCmw(content, form)
  }
  throw new MessageError('ERR_RATS_MALFORMED', 'the CMW extension is neither a UTF8String nor an OCTET STRING in DER')
}

/** Writes the value of the extension. @throws TypeError as `encodeCmw` does */
export function encodeCmwExtension(cmw: Cmw, form: 'json' | 'cbor' = 'cbor'): Uint8Array {
  const content = encodeCmw(cmw, form)
  return concat(headerOf(form, content.length), content)
}

const TAGS = { json: 0x0c, cbor: 0x04 } as const
const HEADER_SIZES = [2, 3, 4, 5]

/** Identifier and length octets in DER (X.690 §10.1) of a content below 2^24 bytes. */
function headerOf(form: 'json' | 'cbor', length: number): Uint8Array {
  const octets = [length >>> 16, (length >>> 8) & 255, length & 255]
  const digits = octets.slice(octets.findIndex(octet => octet !== 0))
  return Uint8Array.of(TAGS[form], ...(length < 128 ? [length] : [0x80 + digits.length, ...digits]))
}
