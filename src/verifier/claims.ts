import { hex } from '../bytes/index.js'
import { type CborMap, type CborValue, Float, Tagged } from '../rats/index.js'

/** Claims as a CBOR map, for the token. What no token can say is left out. */
export function claimsToMap(claims: Readonly<Record<string, unknown>>): CborMap {
  const map = new Map<string, CborValue>()
  for (const [name, claim] of Object.entries(claims)) {
    const value = toValue(claim)
    if (value !== undefined) map.set(name, value)
  }
  return map
}

function toValue(claim: unknown): CborValue | undefined {
  if (claim === null || typeof claim === 'string' || typeof claim === 'boolean') return claim
  if (typeof claim === 'number') return Number.isSafeInteger(claim) ? claim : undefined
  // JSON has no numbers of that size.
  if (typeof claim === 'bigint') return String(claim)
  if (claim instanceof Uint8Array) return hex(claim)
  if (Array.isArray(claim)) return claim.map(toValue).filter(value => value !== undefined)
  if (typeof claim === 'object') return claimsToMap(Object.fromEntries(Object.entries(claim)))
  return undefined
}

/** Claims of a token as plain values: byte strings as lower-case hex. */
export function claimsFromMap(map: CborMap): Readonly<Record<string, unknown>> {
  return Object.fromEntries([...map].map(([name, value]) => [String(name), fromValue(value)]))
}

function fromValue(value: CborValue): unknown {
  if (value instanceof Uint8Array) return hex(value)
  if (value instanceof Float) return value.value
  if (value instanceof Tagged) return fromValue(value.value)
  if (value instanceof Map) return claimsFromMap(value)
  return Array.isArray(value) ? value.map(fromValue) : value
}
