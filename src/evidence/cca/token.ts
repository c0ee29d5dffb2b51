import {
  asArray,
  asBytes,
  asMap,
  type CborValue,
  type CoseMessage,
  decodeCbor,
  decodeSign1,
  MessageError,
  mediaTypeOf,
  parseMediaType,
  Tagged,
} from '../../rats/index.js'
import { type CcaPlatformClaims, decodeCcaPlatformClaims } from './platform-claims.js'
import { type CcaRealmClaims, decodeCcaRealmClaims } from './realm-claims.js'

/** A CCA token (draft-ffm-rats-cca-token-04): the platform's says what the machine is and seals the key that signs the
 *  realm's, which says what runs in the realm and holds the challenge. */
export interface CcaToken {
  readonly platform: CcaPart<CcaPlatformClaims>
  readonly realm: CcaPart<CcaRealmClaims>
}

/** One of the two tokens. */
export interface CcaPart<Claims> {
  readonly message: CoseMessage
  readonly claims: Claims
}

/** The two tokens as they come, before anything is known of their claims. */
export interface CcaEnvelope {
  /** 399: the collection of RMM 1.0. 907: that of the drafts, which is a CMW collection. */
  readonly tag: 399 | 907
  /** Whether the tokens stand in CMW records, or bare. */
  readonly isWrapped: boolean
  readonly platform: CoseMessage
  readonly realm: CoseMessage
}

/** Reads a CCA token in any of its forms:
 *
 *      399({ 44234: bstr, 44241: bstr })                  RMM 1.0
 *      399({ 44234: [263, bstr], 44241: [263, bstr] })    between the two
 *      907({ 44234: [263, bstr], 44241: [263, bstr] })    draft-ffm-rats-cca-token-04
 *
 *  @throws CborError or MessageError */
export function decodeCcaToken(bytes: Uint8Array): CcaToken {
  const { platform, realm } = decodeCcaEnvelope(bytes)
  return {
    platform: { message: platform, claims: decodeCcaPlatformClaims(platform.payload) },
    realm: { message: realm, claims: decodeCcaRealmClaims(realm.payload) },
  }
}

/** Reads what is around the two tokens. @throws CborError or MessageError */
export function decodeCcaEnvelope(bytes: Uint8Array): CcaEnvelope {
  const outer = decodeCbor(bytes, 'tolerant')
  if (!(outer instanceof Tagged) || (outer.tag !== 399 && outer.tag !== 907)) {
    throw malformed('a CCA token is a collection with tag 399 or 907')
  }
  const { tag } = outer
  const entries = asMap(outer.value, 'the collection of a CCA token')
  const platform = entries.get(Entry.platform)
  const realm = entries.get(Entry.realm)
  for (const key of entries.keys()) {
    // A token that nobody looks at would look as if it were attested along with the two.
    if (key !== Entry.platform && key !== Entry.realm)
      throw malformed('a CCA token holds a token that is not known here')
  }
  const isWrapped = Array.isArray(platform)
  if (Array.isArray(realm) !== isWrapped) throw malformed('of the two tokens one is in a CMW record, the other is not')
  if (tag === 907 && !isWrapped) throw malformed('the tokens in a collection with tag 907 are CMW records')
  return { tag, isWrapped, platform: tokenOf(platform, 'platform'), realm: tokenOf(realm, 'realm') }
}

/** 0xACCA and 0xACD1. */
const Entry = { platform: 44234, realm: 44241 } as const

function tokenOf(value: CborValue | undefined, which: string): CoseMessage {
  const bytes = Array.isArray(value) ? valueOfRecord(value, which) : value
  const message = decodeSign1(asBytes(bytes, `the ${which} token`, 1, MOST_BYTES))
  if (message.tagging !== 'cose') throw malformed(`the ${which} token is a COSE_Sign1, tagged as such`)
  return message
}

const MOST_BYTES = 1 << 16

/** A CMW record (RFC 9999 §3.1) of an EAT in CBOR. */
function valueOfRecord(record: CborValue, which: string): CborValue | undefined {
  const [type, value] = asArray(record, `the ${which} record`, 2, 3)
  const text = typeof type === 'number' ? mediaTypeOf(type) : type
  if (typeof text !== 'string' || parseMediaType(text).name !== 'application/eat+cwt') {
    throw malformed(`the ${which} record is not of type application/eat+cwt`)
  }
  return value
}

function malformed(sentence: string): MessageError {
  return new MessageError('ERR_RATS_MALFORMED', sentence)
}
