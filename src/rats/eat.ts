import { utf8 } from '../bytes/index.js'
import { fromAnyBase64 } from './base64url.js'
import { type CborMap, type CborValue, decodeCbor, Float, Tagged } from './cbor.js'
import { type Cmw, cmwFromCbor, cmwFromJson } from './cmw.js'
import { decodeJson } from './json.js'
import { MessageError } from './message-error.js'
import { asArray, asBoolean, asBytes, asInteger, asMap, asText } from './value.js'

/** The claims of an Entity Attestation Token (RFC 9711 §4), whichever of the two encodings they came in.
 *  What is absent was not claimed. Claims that are not known here are in `all` only, and mean nothing to this reader
 *  (RFC 9711 §4: unknown claims are ignored). */
export interface EatClaims {
  readonly encoding: EatEncoding
  /** Every claim as it came: by number in CBOR, by name in JSON. */
  readonly all: CborMap
  readonly issuer?: string
  readonly subject?: string
  readonly audience?: readonly string[]
  /** Seconds since 1970, as are the two below. */
  readonly expiresAt?: number
  readonly notBefore?: number
  readonly issuedAt?: number
  /** `cti`, or the bytes of `jti`. */
  readonly tokenId?: Uint8Array
  /** `cnf` (RFC 8747 §3, RFC 7800 §3). */
  readonly confirmation?: CborMap
  /** 8 to 64 bytes each; in JSON the bytes of the text, up to 88. More than one where the token says so. */
  readonly nonces?: readonly Uint8Array[]
  /** 7 to 33 bytes, opaque. */
  readonly ueid?: Uint8Array
  readonly sueids?: ReadonlyMap<string, Uint8Array>
  /** A Private Enterprise Number, or 3 or 16 bytes. */
  readonly oemId?: number | Uint8Array
  readonly hardwareModel?: Uint8Array
  readonly hardwareVersion?: Version
  /** Seconds. */
  readonly uptime?: number
  readonly isOemBoot?: boolean
  readonly debugStatus?: DebugStatus
  readonly location?: Readonly<Partial<Record<LocationMember, number>>>
  /** A URI, or an OID in dotted decimal. */
  readonly profile?: string
  readonly submodules?: ReadonlyMap<string, Submodule>
  readonly bootCount?: number
  readonly bootSeed?: Uint8Array
  readonly dloas?: readonly (readonly string[])[]
  readonly softwareName?: string
  readonly softwareVersion?: Version
  readonly manifests?: readonly Content[]
  readonly measurements?: readonly Content[]
  readonly measurementResults?: readonly MeasurementResults[]
  readonly intendedUse?: IntendedUse
  /** RFC 9999 §4.3. */
  readonly cmw?: Cmw
}

/** How a claims set is encoded: in a CWT or in a JWT. */
export type EatEncoding = 'cbor' | 'json'

/** A version, and the scheme that orders it (RFC 9711 §4.2.7). */
export interface Version {
  readonly version: string
  readonly scheme?: number | string
}

/** RFC 9711 §4.2.9, in the order of their numbers. */
export const debugStatuses = [
  'enabled',
  'disabled',
  'disabled-since-boot',
  'disabled-permanently',
  'disabled-fully-and-permanently',
] as const
export type DebugStatus = (typeof debugStatuses)[number]

/** RFC 9711 §4.3.3, in the order of their numbers, from 1. */
export const intendedUses = ['generic', 'registration', 'provisioning', 'csr', 'pop'] as const
export type IntendedUse = (typeof intendedUses)[number]

/** RFC 9711 §4.2.10, in the order of their numbers, from 1. */
export const locationMembers = [
  'latitude',
  'longitude',
  'altitude',
  'accuracy',
  'altitude-accuracy',
  'heading',
  'speed',
  'timestamp',
  'age',
] as const
export type LocationMember = (typeof locationMembers)[number]

/** A manifest or measurements, in the format that a CoAP Content-Format names (RFC 9711 §4.2.15). */
export interface Content {
  readonly contentFormat: number
  readonly content: Uint8Array
}

/** RFC 9711 §4.2.17, in the order of their numbers, from 1. */
export const measurementVerdicts = ['success', 'fail', 'not-run', 'absent'] as const
export type MeasurementVerdict = (typeof measurementVerdicts)[number]

/** What a measuring system found. */
export interface MeasurementResults {
  readonly system: string
  readonly results: readonly { readonly id: string | Uint8Array; readonly verdict: MeasurementVerdict }[]
}

/** A part of a token that speaks for a part of the device (RFC 9711 §4.2.18). Claims of the whole say nothing about it,
 *  nor the other way round. */
export type Submodule =
  /** Under the signature of the whole. */
  | { readonly kind: 'claims'; readonly claims: EatClaims }
  /** Elsewhere; only its digest is here. */
  | { readonly kind: 'digest'; readonly algorithm: number | string; readonly digest: Uint8Array }
  /** With a signature and a key of its own, to be checked as any other token. */
  | { readonly kind: 'token'; readonly format: 'cbor' | 'jwt'; readonly token: Uint8Array }

/** Reads the claims in the payload of a CWT or JWT whose signature was checked. CBOR is read under the `tolerant` rules.
 *  @throws MessageError */
export function decodeEatClaims(payload: Uint8Array | string, encoding: EatEncoding): EatClaims {
  if (encoding === 'json') return readEatClaims(asMap(decodeJson(payload), 'the claims set'), 'json')
  if (typeof payload === 'string') throw new TypeError('a claims set in CBOR is bytes')
  return readEatClaims(asMap(decodeCbor(payload, 'tolerant'), 'the claims set'), 'cbor')
}

/** Reads an unprotected claims set (UCCS, RFC 9781 §2): CBOR tag 601 around the claims. Whoever takes one needs another
 *  reason to believe it, such as its hash in something signed.
 *  @throws MessageError */
export function decodeUccs(bytes: Uint8Array): EatClaims {
  const value = decodeCbor(bytes, 'tolerant')
  if (!(value instanceof Tagged) || value.tag !== UCCS_TAG) {
    throw new MessageError('ERR_RATS_MALFORMED', 'an unprotected claims set begins with tag 601')
  }
  return readEatClaims(asMap(value.value, 'the claims set'), 'cbor')
}

/** Reads claims that are decoded already.
 *  @throws MessageError if one of the known claims has a value that it cannot have */
export function readEatClaims(all: CborMap, encoding: EatEncoding): EatClaims {
  const claims: Record<string, unknown> = { encoding, all }
  for (const { property, key, name, read } of ROWS) {
    const value = all.get(encoding === 'cbor' ? key : name)
    if (value !== undefined) claims[property] = read(value, `the ${name} claim`, encoding)
  }
  // RFC 9711 §4.2.9.4: who is locked out for good has to be told by whom.
  if (claims.debugStatus === 'disabled-permanently' && claims.oemId === undefined) {
    throw new MessageError(
      'ERR_RATS_CLAIM_MISSING',
      'the oemid claim is missing, which debugging disabled permanently asks for',
    )
  }
  // `read` of every row answers the type of its property: the table below is checked for that.
  return claims as unknown as EatClaims
}

const UCCS_TAG = 601

type Claim = Exclude<keyof EatClaims, 'encoding' | 'all'>

interface Row {
  readonly property: Claim
  readonly key: number
  readonly name: string
  readonly read: (value: CborValue, what: string, encoding: EatEncoding) => unknown
}

/** The claims registry (RFC 9711 §10.2 and the CWT and JWT claims that it builds on). */
const ROWS: readonly Row[] = [
  row('issuer', 1, 'iss', text),
  row('subject', 2, 'sub', text),
  row('audience', 3, 'aud', audience),
  row('expiresAt', 4, 'exp', date),
  row('notBefore', 5, 'nbf', date),
  row('issuedAt', 6, 'iat', date),
  row('tokenId', 7, 'jti', tokenId),
  row('confirmation', 8, 'cnf', asMap),
  row('nonces', 10, 'eat_nonce', nonces),
  row('ueid', 256, 'ueid', ueid),
  row('sueids', 257, 'sueids', (value, what, encoding) => mapValues(value, what, item => ueid(item, what, encoding))),
  row('oemId', 258, 'oemid', oemId),
  row('hardwareModel', 259, 'hwmodel', (value, what, encoding) => binary(value, what, encoding, 1, 32)),
  row('hardwareVersion', 260, 'hwversion', version),
  row('uptime', 261, 'uptime', count),
  row('isOemBoot', 262, 'oemboot', asBoolean),
  row('debugStatus', 263, 'dbgstat', (value, what) => named(value, what, debugStatuses, 0)),
  row('location', 264, 'location', location),
  row('profile', 265, 'eat_profile', profile),
  row('submodules', 266, 'submods', (value, what, encoding) =>
    mapValues(value, what, item => submodule(item, what, encoding)),
  ),
  row('bootCount', 267, 'bootcount', count),
  row('bootSeed', 268, 'bootseed', (value, what, encoding) => binary(value, what, encoding)),
  row('dloas', 269, 'dloas', dloas),
  row('softwareName', 270, 'swname', text),
  row('softwareVersion', 271, 'swversion', version),
  row('manifests', 272, 'manifests', contents),
  row('measurements', 273, 'measurements', contents),
  row('measurementResults', 274, 'measres', measurementResults),
  row('intendedUse', 275, 'intuse', (value, what) => named(value, what, intendedUses, 1)),
  row('cmw', 299, 'cmw', (value, _what, encoding) => (encoding === 'cbor' ? cmwFromCbor(value) : cmwFromJson(value))),
]

function row<P extends Claim>(
  property: P,
  key: number,
  name: string,
  read: (value: CborValue, what: string, encoding: EatEncoding) => EatClaims[P],
): Row {
  return { property, key, name, read: (value, what, encoding) => read(value, what, encoding) }
}

function text(value: CborValue, what: string): string {
  return asText(value, what)
}

function audience(value: CborValue, what: string): readonly string[] {
  return Array.isArray(value) ? value.map(item => asText(item, what)) : [asText(value, what)]
}

/** NumericDate, whole: RFC 9711 §4.3.1 forbids a floating-point `iat`. */
function date(value: CborValue, what: string): number {
  return asInteger(value, what, 0)
}

function count(value: CborValue, what: string): number {
  return asInteger(value, what, 0)
}

function tokenId(value: CborValue, what: string, encoding: EatEncoding): Uint8Array {
  return encoding === 'cbor' ? asBytes(value, what) : utf8(asText(value, what))
}

function nonces(value: CborValue, what: string, encoding: EatEncoding): readonly Uint8Array[] {
  // RFC 9711 §4.1: an array of nonces has two or more; one nonce is no array.
  if (Array.isArray(value)) return asArray(value, what, 2, 64).map(item => nonce(item, what, encoding))
  return [nonce(value, what, encoding)]
}

function nonce(value: CborValue, what: string, encoding: EatEncoding): Uint8Array {
  return encoding === 'cbor' ? asBytes(value, what, 8, 64) : utf8(asText(value, what, 8, 88))
}

function ueid(value: CborValue, what: string, encoding: EatEncoding): Uint8Array {
  return binary(value, what, encoding, 7, 33)
}

function oemId(value: CborValue, what: string, encoding: EatEncoding): number | Uint8Array {
  if (typeof value === 'number') return asInteger(value, what, 0)
  const bytes = binary(value, what, encoding)
  if (bytes.length === 3 || bytes.length === 16) return bytes
  throw new MessageError('ERR_RATS_CLAIM', `${what} has to be a number or of 3 or 16 bytes`)
}

/** Text stands alone in the examples of RFC 9711, an array in its CDDL: both are read. */
function version(value: CborValue, what: string): Version {
  if (typeof value === 'string') return { version: value }
  const [name, scheme] = asArray(value, what, 1, 2)
  if (scheme === undefined) return { version: asText(name, what) }
  if (typeof scheme !== 'number' && typeof scheme !== 'string') {
    throw new MessageError('ERR_RATS_CLAIM', `${what} has a scheme that is neither a number nor text`)
  }
  return { version: asText(name, what), scheme }
}

function location(value: CborValue, what: string): EatClaims['location'] {
  const found: Partial<Record<LocationMember, number>> = {}
  for (const [key, member] of asMap(value, what)) {
    const name = typeof key === 'number' ? locationMembers[key - 1] : locationMembers.find(known => known === key)
    if (name === undefined) continue
    found[name] = member instanceof Float ? member.value : asInteger(member, what)
  }
  return found
}

function profile(value: CborValue, what: string, encoding: EatEncoding): string {
  if (encoding === 'cbor' && value instanceof Uint8Array) return dottedOid(value, what)
  return asText(value, what, 1)
}

/** An OID from its content octets (RFC 9090 §2). */
function dottedOid(bytes: Uint8Array, what: string): string {
  const arcs: number[] = []
  let arc = 0
  let isStart = true
  for (const byte of bytes) {
    // Leading zeros would give an OID a second spelling.
    if (isStart && byte === 0x80) throw noOid(what)
    arc = arc * 128 + (byte & 127)
    if (!Number.isSafeInteger(arc)) throw noOid(what)
    isStart = byte < 128
    if (!isStart) continue
    arcs.push(arc)
    arc = 0
  }
  const [first] = arcs
  if (first === undefined || !isStart) throw noOid(what)
  const root = Math.min(Math.floor(first / 40), 2)
  return [root, first - 40 * root, ...arcs.slice(1)].join('.')
}

function noOid(what: string): MessageError {
  return new MessageError('ERR_RATS_CLAIM', `${what} holds no OID`)
}

function submodule(value: CborValue, what: string, encoding: EatEncoding): Submodule {
  if (value instanceof Map) return { kind: 'claims', claims: readEatClaims(value, encoding) }
  if (encoding === 'json') return selected(value, what)
  if (value instanceof Uint8Array) return { kind: 'token', format: 'cbor', token: value }
  // A token in JSON inside a token in CBOR is the text of a selector.
  if (typeof value === 'string') return selected(decodeJson(value), what)
  return digest(value, what, 'cbor')
}

/** The JSON selector (RFC 9711 §7.2.2). */
function selected(value: CborValue, what: string): Submodule {
  const [kind, content] = asArray(value, what, 2, 2)
  if (kind === 'JWT') return { kind: 'token', format: 'jwt', token: utf8(asText(content, what)) }
  if (kind === 'CBOR') return { kind: 'token', format: 'cbor', token: binary(content ?? null, what, 'json') }
  if (kind === 'DIGEST') return digest(content ?? null, what, 'json')
  if (kind === 'UJCS') return { kind: 'claims', claims: readEatClaims(asMap(content, what), 'json') }
  throw new MessageError('ERR_RATS_CLAIM', `${what} holds a submodule of a kind that is not known here`)
}

function digest(value: CborValue, what: string, encoding: EatEncoding): Submodule {
  const [algorithm, bytes] = asArray(value, what, 2, 2)
  if (typeof algorithm !== 'number' && typeof algorithm !== 'string') {
    throw new MessageError('ERR_RATS_CLAIM', `${what} names the algorithm of a digest by neither a number nor text`)
  }
  return { kind: 'digest', algorithm, digest: binary(bytes ?? null, what, encoding, 16, 64) }
}

function dloas(value: CborValue, what: string): readonly (readonly string[])[] {
  return asArray(value, what, 1).map(item => asArray(item, what, 2, 3).map(part => asText(part, what)))
}

function contents(value: CborValue, what: string, encoding: EatEncoding): readonly Content[] {
  return asArray(value, what, 1).map(item => {
    const [contentFormat, content] = asArray(item, what, 2, 2)
    return {
      contentFormat: asInteger(contentFormat, what, 0, 65535),
      content: binary(content ?? null, what, encoding),
    }
  })
}

function measurementResults(value: CborValue, what: string, encoding: EatEncoding): readonly MeasurementResults[] {
  return asArray(value, what, 1).map(item => {
    const [system, results] = asArray(item, what, 2, 2)
    return {
      system: asText(system, what),
      results: asArray(results, what, 1).map(result => {
        const [id, verdict] = asArray(result, what, 2, 2)
        const isBinary = encoding === 'cbor' && id instanceof Uint8Array
        return { id: isBinary ? id : asText(id, what), verdict: named(verdict ?? null, what, measurementVerdicts, 1) }
      }),
    }
  })
}

/** One of a list: by number in CBOR, by name in JSON. */
function named<T extends string>(value: CborValue, what: string, names: readonly T[], first: number): T {
  const name = typeof value === 'number' ? names[value - first] : names.find(known => known === value)
  if (name !== undefined) return name
  throw new MessageError('ERR_RATS_CLAIM', `${what} has to be one of ${names.join(', ')}`)
}

function binary(
  value: CborValue,
  what: string,
  encoding: EatEncoding,
  min = 0,
  max = Number.POSITIVE_INFINITY,
): Uint8Array {
  if (encoding === 'cbor') return asBytes(value, what, min, max)
  const bytes = fromAnyBase64(asText(value, what))
  if (!bytes) throw new MessageError('ERR_RATS_CLAIM', `${what} is not base64url`)
  return asBytes(bytes, what, min, max)
}

function mapValues<T>(value: CborValue, what: string, read: (item: CborValue) => T): ReadonlyMap<string, T> {
  return new Map([...asMap(value, what)].map(([label, item]) => [asText(label, `a label in ${what}`), read(item)]))
}
