import { asMap, asText, decodeCbor, decodeSign1 } from '../../rats/index.js'

/** `eat_profile` of a signed EAT in CBOR, not checked: it says only who can check it.
 *  @throws MessageError if there is none */
export function profileOf(token: Uint8Array): string {
  const { payload } = decodeSign1(token)
  return asText(asMap(decodeCbor(payload, 'tolerant'), 'the claims set').get(EAT_PROFILE), 'eat_profile', 1, 256)
}

const EAT_PROFILE = 265
