import { utf8 } from '../bytes/index.js'
import { fromBase64url, toBase64url } from './base64url.js'
import { type CborMap, type CborValue, decodeCbor, encodeCbor, Tagged } from './cbor.js'
import { decodeJson, encodeJson } from './json.js'
import { contentFormatOf, isMediaType, mediaTypeOf, parseMediaType } from './media-type.js'
import { MessageError } from './message-error.js'

/** A conceptual message in its wrapper (RFC 9999), whatever the encoding: one message, or a collection of them. */
export type Cmw = CmwRecord | CmwCollection

/** One message with its type (RFC 9999 §3.1). In CBOR the tag form (RFC 9999 §3.2) says the same. */
export interface CmwRecord {
  readonly kind: 'record'
  /** A media type with its parameters, or the CoAP Content-Format that stands for it. */
  readonly type: string | number
  /** The message, never empty. */
  readonly value: Uint8Array
  /** What the message is for: a sum of `Indicator` bits, never 0; absent where its type says it. */
  readonly indicators?: number
}

/** Messages with labels (RFC 9999 §3.3). */
export interface CmwCollection {
  readonly kind: 'collection'
  /** What the labels mean (`__cmwc_t`): an absolute URI or an OID in dotted decimal. */
  readonly type?: string
  /** At least one. Labels that are numbers can be told in CBOR only. */
  readonly entries: ReadonlyMap<number | string, Cmw>
}

/** What a record's message is for (RFC 9999 §9.4: CMW Indicators). */
export const Indicator = {
  referenceValues: 1,
  endorsements: 2,
  evidence: 4,
  attestationResults: 8,
  appraisalPolicy: 16,
} as const

/** The forms that a CMW is written in. A record in the `tag` form says no indicators. */
export type CmwForm = 'cbor' | 'json' | 'tag'

/** Reads a CMW. CBOR is read under the `tolerant` rules: RFC 9999 asks for no deterministic encoding.
 *  Collections may be 8 deep and hold 64 entries each.
 *  @param form where something else said which it is, such as a media type; else the first byte does (RFC 9999 §3.4)
 *  @throws MessageError */
export function decodeCmw(bytes: Uint8Array, form: 'cbor' | 'json' | undefined = formOf(bytes)): Cmw {
  if (form === 'cbor') return fromCbor(decodeCbor(bytes, 'tolerant'), 0)
  if (form === 'json') return fromJson(decodeJson(bytes), 0)
  throw malformed('the first byte of the message is that of no CMW')
}

/** Writes a CMW: JSON without white space, CBOR under the `deterministic` rules.
 *  @throws TypeError for what the form cannot say, and for a CMW that could not be read again */
export function encodeCmw(cmw: Cmw, form: CmwForm = 'cbor'): Uint8Array {
  switch (form) {
    case 'cbor':
      return encodeCbor(toCbor(cmw, 0))
    case 'json':
      return utf8(encodeJson(toJson(cmw, 0)))
    case 'tag':
      return encodeCbor(toTag(cmw))
  }
}

/** The CMW that a CBOR value is: the value of CWT claim 299 (RFC 9999 §4.3). @throws MessageError */
export function cmwFromCbor(value: CborValue): Cmw {
  return fromCbor(value, 0)
}

/** The CMW that a JSON value is: the value of the JWT claim `cmw` (RFC 9999 §4.3). @throws MessageError */
export function cmwFromJson(value: CborValue): Cmw {
  return fromJson(value, 0)
}

/** The CBOR value that a CMW is, for CWT claim 299. @throws TypeError */
export function cmwToCbor(cmw: Cmw): CborValue {
  return toCbor(cmw, 0)
}

/** The type that a CMW is known by: that of the message in a record; `application/cmw+cbor` for a collection, with its
 *  own type as parameter, however the collection is written. */
export function typeOfCmw(cmw: Cmw): string | number {
  if (cmw.kind === 'record') return cmw.type
  if (cmw.type === undefined) return 'application/cmw+cbor'
  return `application/cmw+cbor; cmwc_t=${OID.test(cmw.type) ? cmw.type : `"${cmw.type}"`}`
}

/** The encoding of a CMW by its first byte (RFC 9999 §3.4); undefined for what is no CMW. */
export function formOf(bytes: Uint8Array): 'cbor' | 'json' | undefined {
  const first = bytes[0] ?? 0
  if (first === 0x5b || first === 0x7b) return 'json'
  const isArray = first === 0x82 || first === 0x83 || first === 0x9f
  const isMap = (first >= 0xa0 && first <= 0xbb) || first === 0xbf
  return isArray || isMap || first === 0xda ? 'cbor' : undefined
}

/** The CBOR tag that stands for a CoAP Content-Format (RFC 9277 App. B); undefined where there is none.
 *  @param contentFormat 0..65535 */
export function tagNumberOf(contentFormat: number): number | undefined {
  if (contentFormat > 65024) return undefined
  return FIRST_TAG + Math.floor(contentFormat / 255) * 256 + (contentFormat % 255)
}

/** The CoAP Content-Format that a CBOR tag stands for; undefined if it stands for none. */
export function contentFormatOfTag(tag: number): number | undefined {
  const distance = tag - FIRST_TAG
  if (distance < 0 || distance > 65278 || distance % 256 === 255) return undefined
  return distance - Math.floor(distance / 256)
}

const FIRST_TAG = 0x63740101
const TYPE_KEY = '__cmwc_t'
const MAX_DEPTH = 8
const MAX_ENTRIES = 64
const OID = /^[0-2](\.(0|[1-9][0-9]*))*$/
// RFC 3986 §4.3: a scheme, and no fragment.
const ABSOLUTE_URI = /^[A-Za-z][A-Za-z0-9+.-]*:(?:[A-Za-z0-9._~:/?[\]@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+$/
const MAX_INDICATORS = 2 ** 32 - 1

function fromCbor(value: CborValue, depth: number): Cmw {
  if (value instanceof Tagged) return fromTag(value)
  if (value instanceof Map) return collectionOf(value, depth, fromCbor)
  const [type, message, indicators] = partsOf(value)
  const isType = typeof type === 'string' || (typeof type === 'number' && type >= 0 && type <= 65535)
  if (!isType) throw malformed('the type of a record is a media type or a CoAP Content-Format')
  if (!(message instanceof Uint8Array)) throw malformed('the value of a CBOR record is a byte string')
  return recordOf(type, message, indicators)
}

function fromJson(value: CborValue, depth: number): Cmw {
  if (value instanceof Map) return collectionOf(value, depth, fromJson)
  const [type, message, indicators] = partsOf(value)
  if (typeof type !== 'string') throw malformed('the type of a JSON record is a media type')
  const bytes = typeof message === 'string' ? fromBase64url(message) : undefined
  if (!bytes) throw malformed('the value of a JSON record is base64url without padding')
  return recordOf(type, bytes, indicators)
}

function partsOf(value: CborValue): readonly CborValue[] {
  if (Array.isArray(value) && (value.length === 2 || value.length === 3)) return value
  throw malformed('a CMW is an array of two or three, a map, or in CBOR a tagged byte string')
}

function recordOf(type: string | number, value: Uint8Array, indicators: CborValue | undefined): CmwRecord {
  if (typeof type === 'string') parseMediaType(type)
  if (value.length === 0) throw malformed('the value of a record is empty')
  if (indicators === undefined) return { kind: 'record', type, value }
  if (typeof indicators !== 'number' || indicators < 1 || indicators > MAX_INDICATORS) {
    throw malformed('the indicators of a record are a whole number of 1 to 32 bits, not 0')
  }
  return { kind: 'record', type, value, indicators }
}

function fromTag({ tag, value }: Tagged): CmwRecord {
  const contentFormat = contentFormatOfTag(tag)
  if (contentFormat === undefined) throw malformed('the tag stands for no CoAP Content-Format')
  if (!(value instanceof Uint8Array)) throw malformed('the value of the tag form is a byte string')
  return recordOf(NESTED.has(contentFormat) ? nestedFormat(value) : contentFormat, value, undefined)
}

/** RFC 9999 names tags for CMWs in a CMW twice, and differently: its table of Content-Formats gives 274 to JSON and 275
 *  to COSE, its table of tags has the tags of these two the other way round. So the content says which it is. */
function nestedFormat(value: Uint8Array): number {
  const first = value[0]
  if (first === 0x5b || first === 0x7b) return 274
  if (first === 0xd2 || first === 0x84) return 275
  throw malformed('what is tagged as a CMW in JSON or COSE is neither')
}

const NESTED: ReadonlySet<number> = new Set([274, 275])

function collectionOf(map: CborMap, depth: number, read: (value: CborValue, depth: number) => Cmw): CmwCollection {
  if (depth >= MAX_DEPTH) throw malformed(`collections are nested deeper than ${MAX_DEPTH}`)
  if (map.size > MAX_ENTRIES) throw malformed(`a collection has more than ${MAX_ENTRIES} entries`)
  const type = map.get(TYPE_KEY)
  if (type !== undefined && (typeof type !== 'string' || !isCollectionType(type))) {
    throw malformed('the type of a collection is an absolute URI or an OID')
  }
  const entries = new Map<number | string, Cmw>()
  for (const [label, value] of map) {
    if (label === TYPE_KEY) continue
    if (!isLabel(label)) throw malformed('a label of a collection is blank')
    entries.set(label, read(value, depth + 1))
  }
  if (entries.size === 0) throw malformed('a collection is empty')
  return { kind: 'collection', ...(type !== undefined && { type }), entries }
}

function isCollectionType(text: string): boolean {
  return ABSOLUTE_URI.test(text) || OID.test(text)
}

function isLabel(label: number | string): boolean {
  return typeof label === 'number' || label.trim() !== ''
}

function toCbor(cmw: Cmw, depth: number): CborValue {
  if (cmw.kind === 'collection') return toMap(cmw, depth, toCbor)
  checkRecord(cmw)
  return cmw.indicators === undefined ? [cmw.type, cmw.value] : [cmw.type, cmw.value, cmw.indicators]
}

function toJson(cmw: Cmw, depth: number): CborValue {
  if (cmw.kind === 'collection') return toMap(cmw, depth, toJson)
  checkRecord(cmw)
  const type = typeof cmw.type === 'number' ? mediaTypeOf(cmw.type) : cmw.type
  if (type === undefined) throw new TypeError('a record in JSON needs a media type, and none is known for its type')
  const value = toBase64url(cmw.value)
  return cmw.indicators === undefined ? [type, value] : [type, value, cmw.indicators]
}

function toTag(cmw: Cmw): Tagged {
  if (cmw.kind === 'collection') throw new TypeError('a collection has no tag form')
  checkRecord(cmw)
  if (cmw.indicators !== undefined) throw new TypeError('the tag form has no place for indicators')
  const contentFormat = typeof cmw.type === 'number' ? cmw.type : contentFormatOf(cmw.type)
  const tag = contentFormat === undefined ? undefined : tagNumberOf(contentFormat)
  if (contentFormat === undefined || tag === undefined) {
    throw new TypeError('the tag form needs a type with a CoAP Content-Format below 65025')
  }
  if (contentFormat >= 273 && contentFormat <= 276) throw new TypeError('a CMW in a CMW has no unambiguous tag form')
  return new Tagged(tag, cmw.value)
}

function toMap(cmw: CmwCollection, depth: number, write: (cmw: Cmw, depth: number) => CborValue): CborMap {
  if (depth >= MAX_DEPTH) throw new TypeError(`collections are nested deeper than ${MAX_DEPTH}`)
  const { type, entries } = cmw
  if (entries.size === 0 || entries.size + (type === undefined ? 0 : 1) > MAX_ENTRIES) {
    throw new TypeError(`a collection has 1 to ${MAX_ENTRIES} entries, its type included`)
  }
  const map = new Map<number | string, CborValue>()
  if (type !== undefined) {
    if (!isCollectionType(type)) throw new TypeError('the type of a collection is an absolute URI or an OID')
    map.set(TYPE_KEY, type)
  }
  for (const [label, entry] of entries) {
    if (label === TYPE_KEY || !isLabel(label))
      throw new TypeError('a label of a collection is neither blank nor __cmwc_t')
    map.set(label, write(entry, depth + 1))
  }
  return map
}

function checkRecord({ type, value, indicators }: CmwRecord): void {
  const isType = typeof type === 'string' ? isMediaType(type) : Number.isInteger(type) && type >= 0 && type <= 65535
  if (!isType) throw new TypeError('the type of a record is a media type or a number from 0 to 65535')
  if (value.length === 0) throw new TypeError('the value of a record is not empty')
  if (indicators !== undefined && !(Number.isInteger(indicators) && indicators >= 1 && indicators <= MAX_INDICATORS)) {
    throw new TypeError('the indicators of a record are a number of 1 to 32 bits, not 0')
  }
}

function malformed(sentence: string): MessageError {
  return new MessageError('ERR_RATS_MALFORMED', sentence)
}
