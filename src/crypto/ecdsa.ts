import { DecodeError, Reader } from '../bytes/index.js'

/** An ECDSA signature as COSE and JOSE have it, r‖s, from one as TLS and X.509 have it: SEQUENCE of two INTEGERs, DER.
 *  @param size bytes of a coordinate of the curve: 32, 48 or 66   @returns 2 * size bytes
 *  @throws DecodeError if `der` is none of that size */
export function rawEcdsaSignature(der: Uint8Array, size: number): Uint8Array {
  const outer = new Reader(der)
  const inner = new Reader(content(outer, SEQUENCE))
  outer.end()
  const raw = new Uint8Array(2 * size)
  for (const end of [size, 2 * size]) {
    const integer = content(inner, INTEGER)
    const digits = integer[0] === 0 ? integer.subarray(1) : integer
    if (digits.length > size) throw new DecodeError('an ECDSA signature is longer than its curve')
    raw.set(digits, end - digits.length)
  }
  inner.end()
  return raw
}

const SEQUENCE = 0x30
const INTEGER = 0x02

function content(reader: Reader, tag: number): Uint8Array {
  if (reader.uint8() !== tag) throw new DecodeError('an ECDSA signature is a SEQUENCE of two INTEGERs')
  const length = reader.uint8()
  // P-521 needs one length octet more; nothing longer occurs.
  return reader.bytes(length === 0x81 ? reader.uint8() : length)
}
