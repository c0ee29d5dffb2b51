import { concat } from '../../bytes/index.js'

/** One value in DER (ITU-T X.690). @param tag the identifier octet   @param parts its content, one after the other */
export function tlv(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const content = concat(...parts)
  const n = content.length
  if (n >= 0x10000) throw new RangeError('a simulated platform has no value that long')
  const length = n < 0x80 ? [n] : n < 0x100 ? [0x81, n] : [0x82, n >> 8, n & 0xff]
  return concat(Uint8Array.of(tag, ...length), content)
}

/** SEQUENCE. */
export function sequence(...parts: readonly Uint8Array[]): Uint8Array {
  return tlv(0x30, ...parts)
}

/** INTEGER from 0 to 65535. */
export function integer(value: number): Uint8Array {
  const bytes = value < 0x80 ? [value] : value < 0x8000 ? [value >> 8, value & 0xff] : [0, value >> 8, value & 0xff]
  return tlv(0x02, Uint8Array.from(value >= 0x80 && value < 0x100 ? [0, value] : bytes))
}

/** OCTET STRING. */
export function octetString(bytes: Uint8Array): Uint8Array {
  return tlv(0x04, bytes)
}

/** OBJECT IDENTIFIER. @param oid in dots */
export function objectIdentifier(oid: string): Uint8Array {
  const [first = 0, second = 0, ...rest] = oid.split('.').map(Number)
  const bytes: number[] = []
  for (const arc of [first * 40 + second, ...rest]) {
    const septets = [arc % 128]
    for (let left = Math.floor(arc / 128); left > 0; left = Math.floor(left / 128)) {
      septets.unshift((left % 128) | 0x80)
    }
    bytes.push(...septets)
  }
  return tlv(0x06, Uint8Array.from(bytes))
}

/** GeneralizedTime, to the second. @param time milliseconds since 1970 */
export function generalizedTime(time: number): Uint8Array {
  const digits = new Date(time).toISOString().replace(/\.\d+/, '').replace(/[-:T]/g, '')
  return tlv(0x18, new TextEncoder().encode(digits))
}
