import { type KeyObject, timingSafeEqual } from 'node:crypto'
import { concat, EMPTY } from '../bytes/index.js'
import { type HashName, hashLength } from './hash.js'
import { chosenImplementation } from './implementation.js'

/** A key for HMAC (RFC 2104) and HKDF (RFC 5869): the secrets of a key schedule. */
export class MacKey {
  readonly hash: HashName
  #key: KeyObject | Uint8Array | undefined

  /** @param bytes given away: kept as they are, so they must not change */
  constructor(hash: HashName, bytes: Uint8Array) {
    this.hash = hash
    this.#key = chosenImplementation().hmac.keyOf(bytes)
  }

  /** Overwrites the bytes, where they are ours to overwrite. The key is of no use afterwards. */
  wipe(): void {
    if (this.#key instanceof Uint8Array) this.#key.fill(0)
    this.#key = undefined
  }

  /** HMAC-Hash(key, data).
   *  @returns Hash.length bytes, in a buffer of their own */
  mac(data: Uint8Array): Uint8Array {
    return chosenImplementation().hmac.mac(this.hash, this.#usable(), data)
  }

  /** HKDF-Expand (RFC 5869 §2.3) with this key as PRK.
   *  @throws RangeError if length > 255 * Hash.length */
  expand(info: Uint8Array, length: number): Uint8Array {
    const size = hashLength[this.hash]
    if (length > 255 * size) throw new RangeError(`HKDF-Expand yields at most ${255 * size} bytes, ${length} asked for`)
    const output = new Uint8Array(length)
    let block: Uint8Array = EMPTY
    for (let filled = 0, i = 1; filled < length; i++) {
      block = this.mac(concat(block, info, Uint8Array.of(i)))
      output.set(block.subarray(0, length - filled), filled)
      filled += block.length
    }
    return output
  }

  /** A copy of the key's bytes, for key logs, tickets and tests. */
  export(): Uint8Array {
    const key = this.#usable()
    return key instanceof Uint8Array ? Uint8Array.from(key) : key.export()
  }

  #usable(): KeyObject | Uint8Array {
    if (!this.#key) throw new Error('a key is used after it has been wiped')
    return this.#key
  }
}

/** HKDF-Extract (RFC 5869 §2.2).
 *  @param salt, ikm any length; a missing value is Hash.length zero bytes, as RFC 8446 §7.1 has it
 *  @returns Hash.length bytes, in a buffer of their own */
export function hkdfExtract(hash: HashName, salt: Uint8Array | null, ikm: Uint8Array | null): Uint8Array {
  const { hmac } = chosenImplementation()
  return hmac.mac(hash, hmac.keyOf(salt ?? ZEROS[hash]), ikm ?? ZEROS[hash])
}
const ZEROS: Readonly<Record<HashName, Uint8Array>> = {
  sha256: new Uint8Array(hashLength.sha256),
  sha384: new Uint8Array(hashLength.sha384),
  sha512: new Uint8Array(hashLength.sha512),
}

/** Whether two byte strings are equal, in time that depends only on their lengths. */
export function equalSecrets(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b)
}
