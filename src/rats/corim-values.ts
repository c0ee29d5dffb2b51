import { hex } from '../bytes/index.js'
import { type CborValue, Tagged } from './cbor.js'
import { MessageError } from './message-error.js'
import { asBytes, asText } from './value.js'

/** Text, or a UUID of 16 bytes. */
export function idOf(value: CborValue | undefined, what: string): string {
  return value instanceof Uint8Array ? hex(asBytes(value, what, 16, 16)) : asText(value, what, 1, 1024)
}

/** A URI as text, or with the tag 32 (RFC 8949 §3.4.5.3). */
export function uriOf(value: CborValue | undefined, what: string): string {
  return asText(value instanceof Tagged && value.tag === 32 ? value.value : value, what, 1, 1024)
}

/** The content of an OBJECT IDENTIFIER, in dots. */
export function dotted(bytes: Uint8Array): string {
  const arcs: number[] = []
  let arc = 0
  for (const byte of bytes) {
    arc = arc * 128 + (byte & 0x7f)
    if (arc > Number.MAX_SAFE_INTEGER) throw new MessageError('ERR_RATS_MALFORMED', 'an OID has an arc beyond 2^53')
    if (byte < 0x80) {
      arcs.push(arc)
      arc = 0
    }
  }
  const [first = 0, ...others] = arcs
  const top = Math.min(Math.floor(first / 40), 2)
  return [top, first - 40 * top, ...others].join('.')
}
