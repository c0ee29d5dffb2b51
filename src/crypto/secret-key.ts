import { createSecretKey, type KeyObject } from 'node:crypto'
import { versions } from 'node:process'

/** A symmetric key in the form that this Node takes fastest. Making a KeyObject costs half as much as an HMAC and leaves
 *  work for the garbage collector, so bytes are better for the many secrets that are used once or twice. But Node 24.18
 *  to 24.21 take ten microseconds over any key that is no KeyObject.
 *  @param bytes given away: kept as they are, so they must not change */
export function secretKey(bytes: Uint8Array): KeyObject | Uint8Array {
  return needsKeyObjects ? createSecretKey(bytes) : bytes
}

const [major = 0, minor = 0] = versions.node.split('.').map(Number)
const needsKeyObjects = major === 24 && minor >= 18 && minor <= 21
