import { type CborMap, type CborValue, decodeCbor, Tagged } from './cbor.js'
import { idOf } from './corim-values.js'
import { MessageError } from './message-error.js'
import { asArray, asBigInteger, asBytes, asInteger, asMap, asText, describeValue } from './value.js'

/** A Concise Module Identifier (draft-ietf-rats-corim-11 §5): statements about one module, as triples. */
export interface Comid {
  readonly id: string
  /** What a platform may measure. */
  readonly referenceValues: readonly MeasurementTriple[]
  /** What a platform is besides, if the manifest's author is believed. */
  readonly endorsedValues: readonly MeasurementTriple[]
  /** Keys that platforms identify themselves with. */
  readonly identityKeys: readonly KeyTriple[]
  /** Keys that platforms sign Evidence with, or that lead to those: trust anchors. */
  readonly attestKeys: readonly KeyTriple[]
  /** Numbers of the triples that came besides, and are not read here. */
  readonly otherTriples: readonly number[]
}

/** What is said about the measurements of an environment. */
export interface MeasurementTriple {
  readonly environment: Environment
  readonly measurements: readonly Measurement[]
}

/** Keys of an environment. */
export interface KeyTriple {
  readonly environment: Environment
  readonly keys: readonly CryptoKey[]
}

/** What a statement is about; what is undefined may be anything. */
export interface Environment {
  readonly classId: Identifier | undefined
  readonly vendor: string | undefined
  readonly model: string | undefined
  readonly layer: number | undefined
  readonly index: number | undefined
  readonly instance: Identifier | undefined
  readonly group: Identifier | undefined
}

/** A byte string with a tag that says what it is: 37 a UUID, 111 an OID, 550 a UEID, 560 bytes. */
export interface Identifier {
  readonly tag: number
  /** Undefined where the tag stands in front of something else, as in older profiles. */
  readonly bytes: Uint8Array | undefined
  readonly value: CborValue
}

/** A key, certificate or thumbprint: 554 a public key in PEM, 555 a certificate, 556 a chain; others are kept as bytes. */
export interface CryptoKey {
  readonly tag: number
  readonly text: string | undefined
  readonly bytes: Uint8Array | undefined
}

/** One measurement, or what is said in its place. */
export interface Measurement {
  /** What is measured; undefined where the environment says so alone. */
  readonly key: string | number | Identifier | undefined
  readonly digests: readonly { readonly algorithm: number | string; readonly value: Uint8Array }[] | undefined
  readonly version: string | undefined
  /** `minimum` where a higher one will do as well. */
  readonly svn: { readonly rule: 'exact' | 'minimum'; readonly value: bigint } | undefined
  readonly rawValue: { readonly value: Uint8Array; readonly mask: Uint8Array | undefined } | undefined
  readonly name: string | undefined
  readonly cryptoKeys: readonly CryptoKey[] | undefined
  /** Numbers of the members that came besides, and are not read here. */
  readonly otherValues: readonly (number | string)[]
}

/** Reads a CoMID. @throws MessageError if it has not the form of one */
export function comidOf(bytes: Uint8Array): Comid {
  const map = asMap(decodeCbor(bytes, 'tolerant'), 'the CoMID')
  const identity = asMap(map.get(1), 'tag-identity')
  const triples = asMap(map.get(4), 'the triples')
  if (triples.size === 0) throw malformed('the CoMID has no triples')
  return {
    id: idOf(identity.get(0), 'tag-id'),
    referenceValues: triplesOf(triples, Triple.reference, measurementTripleOf),
    endorsedValues: triplesOf(triples, Triple.endorsed, measurementTripleOf),
    identityKeys: triplesOf(triples, Triple.identity, keyTripleOf),
    attestKeys: triplesOf(triples, Triple.attest, keyTripleOf),
    otherTriples: [...triples.keys()].flatMap(key => (typeof key === 'number' && key > Triple.attest ? [key] : [])),
  }
}

const Triple = { reference: 0, endorsed: 1, identity: 2, attest: 3 } as const

function triplesOf<T>(triples: CborMap, key: number, read: (record: readonly CborValue[]) => T): readonly T[] {
  const value = triples.get(key)
  if (value === undefined) return []
  return asArray(value, 'the records of a triple', 1, MOST_RECORDS).map(record =>
    read(asArray(record, 'a record of a triple', 2, 3)),
  )
}

const MOST_RECORDS = 4096

function measurementTripleOf([environment, measurements]: readonly CborValue[]): MeasurementTriple {
  return {
    environment: environmentOf(environment),
    measurements: asArray(measurements, 'the measurements', 1, MOST_RECORDS).map(measurementOf),
  }
}

function keyTripleOf([environment, keys, conditions]: readonly CborValue[]): KeyTriple {
  // A key for some purposes only, taken for one without conditions, would be believed too much.
  if (conditions !== undefined) throw malformed('a key has conditions, which are not read here')
  return { environment: environmentOf(environment), keys: keysOf(keys, 'the keys') }
}

function environmentOf(value: CborValue | undefined): Environment {
  const map = asMap(value, 'an environment')
  if (map.size === 0) throw malformed('an environment names nothing')
  const name = map.get(0)
  const named: CborMap = name === undefined ? new Map() : asMap(name, 'a class')
  return {
    classId: optional(named.get(0), 'a class-id', identifierOf),
    vendor: optional(named.get(1), 'a vendor', textOf),
    model: optional(named.get(2), 'a model', textOf),
    layer: optional(named.get(3), 'a layer', (layer, what) => asInteger(layer, what, 0)),
    index: optional(named.get(4), 'an index', (index, what) => asInteger(index, what, 0)),
    instance: optional(map.get(1), 'an instance', identifierOf),
    group: optional(map.get(2), 'a group', identifierOf),
  }
}

function measurementOf(value: CborValue): Measurement {
  const map = asMap(value, 'a measurement')
  const values = asMap(map.get(1), 'the values of a measurement')
  if (values.size === 0) throw malformed('a measurement has no values')
  return {
    key: optional(map.get(0), 'the key of a measurement', (key, what) =>
      typeof key === 'string' ? textOf(key, what) : typeof key === 'number' ? key : identifierOf(key, what),
    ),
    version: optional(values.get(Value.version), 'a version', (version, what) =>
      textOf(asMap(version, what).get(0), what),
    ),
    svn: optional(values.get(Value.svn), 'a security version number', svnOf),
    digests: optional(values.get(Value.digests), 'the digests', digestsOf),
    rawValue: optional(values.get(Value.rawValue), 'a raw value', (raw, what) =>
      rawValueOf(raw, values.get(Value.rawValueMask), what),
    ),
    name: optional(values.get(Value.name), 'the name of a measurement', textOf),
    cryptoKeys: optional(values.get(Value.cryptoKeys), 'the keys of a measurement', keysOf),
    otherValues: [...values.keys()].filter(key => !READ.has(key)),
  }
}

const Value = { version: 0, svn: 1, digests: 2, rawValue: 4, rawValueMask: 5, name: 11, cryptoKeys: 13 } as const
const READ: ReadonlySet<number | string> = new Set<number | string>(Object.values(Value))

/** A plain number is exact; 552 says so, 553 says that it is the least. */
function svnOf(value: CborValue, what: string): NonNullable<Measurement['svn']> {
  if (!(value instanceof Tagged)) return { rule: 'exact', value: asBigInteger(value, what) }
  if (value.tag !== 552 && value.tag !== 553) throw malformed(`${what} has a tag that is not known here`)
  return { rule: value.tag === 552 ? 'exact' : 'minimum', value: asBigInteger(value.value, what) }
}

function digestsOf(value: CborValue, what: string): NonNullable<Measurement['digests']> {
  return asArray(value, what, 1, 16).map(item => {
    const [algorithm, digest] = asArray(item, 'a digest', 2, 2)
    const name = typeof algorithm === 'string' ? textOf(algorithm, 'a hash') : asInteger(algorithm, 'a hash')
    const bytes = asBytes(digest, 'a digest', 1, 64)
    const length = DIGEST_LENGTHS.get(name)
    if (length !== undefined && length !== bytes.length)
      throw malformed(`a digest has not the ${length} bytes of its hash`)
    return { algorithm: name, value: bytes }
  })
}

/** IANA Named Information Hash Algorithm Registry (RFC 6920 §9.4). */
const DIGEST_LENGTHS: ReadonlyMap<number | string, number> = new Map<number | string, number>([
  [1, 32],
  ['sha-256', 32],
  [7, 48],
  ['sha-384', 48],
  [8, 64],
  ['sha-512', 64],
  [10, 32],
  [11, 48],
  [12, 64],
])

/** 560 in front of the bytes; 563 in front of bytes and mask; or a mask beside, as it was once. */
function rawValueOf(value: CborValue, mask: CborValue | undefined, what: string): NonNullable<Measurement['rawValue']> {
  if (value instanceof Tagged && value.tag === 563) {
    const [bytes, inner] = asArray(value.value, what, 2, 2)
    return masked(asBytes(bytes, what, 1), asBytes(inner, 'a mask', 1))
  }
  const bytes = value instanceof Tagged && value.tag === 560 ? value.value : value
  return masked(asBytes(bytes, what, 1), mask === undefined ? undefined : asBytes(mask, 'a mask', 1))
}

function masked(value: Uint8Array, mask: Uint8Array | undefined): NonNullable<Measurement['rawValue']> {
  if (mask && mask.length !== value.length) throw malformed('a mask has not the length of its value')
  return { value, mask }
}

function keysOf(value: CborValue | undefined, what: string): readonly CryptoKey[] {
  return asArray(value, what, 1, 64).map(item => {
    if (!(item instanceof Tagged)) throw malformed(`one of ${what} is ${describeValue(item)}, not tagged`)
    return {
      tag: item.tag,
      text: typeof item.value === 'string' ? item.value : undefined,
      bytes: item.value instanceof Uint8Array ? item.value : undefined,
    }
  })
}

function identifierOf(value: CborValue, what: string): Identifier {
  if (!(value instanceof Tagged)) throw malformed(`${what} is ${describeValue(value)}, not tagged`)
  return { tag: value.tag, bytes: value.value instanceof Uint8Array ? value.value : undefined, value: value.value }
}

function optional<T>(value: CborValue | undefined, what: string, read: (value: CborValue, what: string) => T) {
  return value === undefined ? undefined : read(value, what)
}

function textOf(value: CborValue | undefined, what: string): string {
  return asText(value, what, 1, 1024)
}

function malformed(sentence: string): MessageError {
  return new MessageError('ERR_RATS_MALFORMED', sentence)
}
