import { type CborMap, type CborValue, Float, Tagged } from './cbor.js'
import { MessageError } from './message-error.js'

/** A value of a message that is a map. This and its siblings take what `map.get(key)` gives: absent is an error too.
 *  @param what names the value in the complaint: `the eat_nonce claim`
 *  @throws MessageError */
export function asMap(value: CborValue | undefined, what: string): CborMap {
  return value instanceof Map ? value : wrong(value, what, 'a map')
}

/** A value of a message that is an array.
 *  @throws MessageError unless it is one, of `min` to `max` items */
export function asArray(value: CborValue | undefined, what: string, min = 0, max = 65535): readonly CborValue[] {
  if (!Array.isArray(value)) return wrong(value, what, 'an array')
  if (value.length < min || value.length > max) throw size(what, value.length, min, max, 'items')
  return value
}

/** A value of a message that is a byte string.
 *  @throws MessageError unless it is one, of `min` to `max` bytes */
export function asBytes(
  value: CborValue | undefined,
  what: string,
  min = 0,
  max = Number.POSITIVE_INFINITY,
): Uint8Array {
  if (!(value instanceof Uint8Array)) return wrong(value, what, 'a byte string')
  if (value.length < min || value.length > max) throw size(what, value.length, min, max, 'bytes')
  return value
}

/** A value of a message that is text.
 *  @throws MessageError unless it is, of `min` to `max` UTF-16 units */
export function asText(value: CborValue | undefined, what: string, min = 0, max = Number.POSITIVE_INFINITY): string {
  if (typeof value !== 'string') return wrong(value, what, 'text')
  if (value.length < min || value.length > max) throw size(what, value.length, min, max, 'characters')
  return value
}

/** A value of a message that is a whole number below 2^53. A floating-point number is none, whatever its value.
 *  @throws MessageError unless it is one, from `min` to `max` */
export function asInteger(
  value: CborValue | undefined,
  what: string,
  min: number = Number.MIN_SAFE_INTEGER,
  max: number = Number.MAX_SAFE_INTEGER,
): number {
  if (typeof value !== 'number') return wrong(value, what, 'a whole number')
  if (value < min || value > max) throw new MessageError('ERR_RATS_CLAIM', `${what} has to be from ${min} to ${max}`)
  return value
}

/** A value of a message that is a whole number of up to 64 bits. @throws MessageError */
export function asBigInteger(value: CborValue | undefined, what: string): bigint {
  if (typeof value === 'bigint') return value
  return typeof value === 'number' ? BigInt(value) : wrong(value, what, 'a whole number')
}

/** A value of a message that is true or false. @throws MessageError */
export function asBoolean(value: CborValue | undefined, what: string): boolean {
  return typeof value === 'boolean' ? value : wrong(value, what, 'true or false')
}

/** The value behind a tag. @throws MessageError unless it is `tag` */
export function asTagged(value: CborValue | undefined, what: string, tag: number): CborValue {
  return value instanceof Tagged && value.tag === tag ? value.value : wrong(value, what, `tagged ${tag}`)
}

/** What kind of value it is, for sentences. */
export function describeValue(value: CborValue): string {
  if (value === null) return 'null'
  if (typeof value === 'boolean') return String(value)
  if (typeof value === 'string') return 'text'
  if (typeof value === 'number' || typeof value === 'bigint') return 'a whole number'
  if (value instanceof Float) return 'a floating-point number'
  if (value instanceof Uint8Array) return 'a byte string'
  if (value instanceof Tagged) return `a value tagged ${value.tag}`
  return Array.isArray(value) ? 'an array' : 'a map'
}

function wrong(value: CborValue | undefined, what: string, wanted: string): never {
  if (value === undefined) throw new MessageError('ERR_RATS_CLAIM_MISSING', `${what} is missing`)
  throw new MessageError('ERR_RATS_CLAIM', `${what} has to be ${wanted}, not ${describeValue(value)}`)
}

function size(what: string, came: number, min: number, max: number, unit: string): MessageError {
  const wanted = min === max ? `${min}` : max === Number.POSITIVE_INFINITY ? `at least ${min}` : `${min} to ${max}`
  return new MessageError('ERR_RATS_CLAIM', `${what} has to be of ${wanted} ${unit}, not ${came}`)
}
