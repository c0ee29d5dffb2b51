import { createHmac, type KeyObject } from 'node:crypto'
import type { HashName } from './hash.js'
import { plain } from './plain.js'
import { secretKey } from './secret-key.js'

/** What makes HMACs (RFC 2104). */
export interface HmacMaker {
  /** A key in the form that `mac` takes fastest. @param bytes given away: they must not change */
  keyOf(bytes: Uint8Array): KeyObject | Uint8Array
  /** @returns Hash.length bytes, in a buffer of their own */
  mac(hash: HashName, key: KeyObject | Uint8Array, data: Uint8Array): Uint8Array
}

/** By node:crypto, which makes an object for each: that costs more than the hashing, and again when it is collected. */
export const nodeHmac: HmacMaker = {
  keyOf: secretKey,
  mac: (hash, key, data) => plain(createHmac(hash, key).update(data).digest()),
}
