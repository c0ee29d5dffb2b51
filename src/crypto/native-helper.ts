import type { KeyObject } from 'node:crypto'
import { type AeadAlgorithm, NONCE_LENGTH, TAG_LENGTH } from './aead-algorithm.js'
import { type AeadCipher, NodeAeadCipher } from './aead-cipher.js'
import { type HashName, hashLength } from './hash.js'
import { type HmacMaker, nodeHmac } from './hmac.js'
import { usedTwice, type X25519Key, type X25519Maker } from './x25519.js'

/*
 * What the native helper does, in the terms of this room: calls of the OpenSSL in this Node, with no object and no memory made
 * for each. What is short is put into `scratch`: an array of its own would have to be moved out of V8's heap first, which
 * takes longer than the call. What is too long for it goes to node:crypto.
 */

/** What the file of the native helper exports: native/helper.c. */
export interface NativeHelper {
  /** Where key, nonce and additional data of an AEAD stand, key and data of an HMAC, or the keys of X25519. */
  readonly scratch: Uint8Array
  newKey(): number
  forget(key: number): void
  seal(algorithm: number, key: number, aadLength: number, plaintext: Uint8Array, output: Uint8Array): void
  open(algorithm: number, key: number, aadLength: number, sealed: Uint8Array, output: Uint8Array): boolean
  hmac(hash: number, keyLength: number, dataLength: number): void
  generate(): void
  agree(): boolean
}

/** The AEADs of the helper. @throws TypeError if it is none */
export function nativeCiphers(helper: NativeHelper): (algorithm: AeadAlgorithm, key: Uint8Array) => AeadCipher {
  if (!(helper.scratch instanceof Uint8Array)) throw new TypeError('it exports no scratch')
  return (algorithm, key) => new NativeAeadCipher(helper, algorithm, key)
}

class NativeAeadCipher implements AeadCipher {
  readonly fillsRoom = true
  readonly #helper: NativeHelper
  readonly #algorithm: AeadAlgorithm
  readonly #index: number
  readonly #key: Uint8Array
  /** What the helper calls the key; 0 once it has been wiped, which is no key's. */
  #number: number

  constructor(helper: NativeHelper, algorithm: AeadAlgorithm, key: Uint8Array) {
    this.#helper = helper
    this.#algorithm = algorithm
    this.#index = ALGORITHMS[algorithm.name]
    this.#key = key
    this.#number = helper.newKey()
  }

  seal(nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array, output: Uint8Array, offset: number): void {
    const room = output.subarray(offset, offset + plaintext.length + TAG_LENGTH)
    if (this.#prepare(nonce, aad)) this.#helper.seal(this.#index, this.#number, aad.length, plaintext, room)
    else this.#byNode().seal(nonce, aad, plaintext, room, 0)
  }

  open(nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array, room?: Uint8Array): Uint8Array | null {
    if (!this.#prepare(nonce, aad)) return this.#byNode().open(nonce, aad, sealed)
    const length = sealed.length - TAG_LENGTH
    const plaintext = room ? room.subarray(0, length) : new Uint8Array(length)
    return this.#helper.open(this.#index, this.#number, aad.length, sealed, plaintext) ? plaintext : null
  }

  wipe(): void {
    if (this.#number === 0) return
    this.#helper.forget(this.#number)
    this.#number = 0
    this.#key.fill(0)
  }

  /** Puts into the scratch what the helper looks for there. @returns false if it does not fit */
  #prepare(nonce: Uint8Array, aad: Uint8Array): boolean {
    const { scratch } = this.#helper
    if (nonce.length !== NONCE_LENGTH) throw new RangeError(`a nonce has ${NONCE_LENGTH} bytes, not ${nonce.length}`)
    if (AAD + aad.length > scratch.length) return false
    scratch.set(this.#key)
    scratch.set(nonce, NONCE)
    scratch.set(aad, AAD)
    return true
  }

  #byNode(): AeadCipher {
    return new NodeAeadCipher(this.#algorithm, this.#key)
  }
}

const ALGORITHMS: Readonly<Record<AeadAlgorithm['name'], number>> = {
  'aes-128-gcm': 0,
  'aes-256-gcm': 1,
  'chacha20-poly1305': 2,
}
/** Where they stand in the scratch, behind room for the longest key. */
const NONCE = 32
const AAD = NONCE + NONCE_LENGTH

/** The HMAC of the helper. */
export function nativeHmac(helper: NativeHelper): HmacMaker {
  const { scratch } = helper
  return {
    keyOf: bytes => bytes,
    mac(hash, key, data) {
      const bytes = bytesOf(key)
      if (bytes.length + data.length > scratch.length) return nodeHmac.mac(hash, nodeHmac.keyOf(bytes), data)
      scratch.set(bytes)
      scratch.set(data, bytes.length)
      helper.hmac(HASHES[hash], bytes.length, data.length)
      const length = hashLength[hash]
      const output = scratch.slice(0, length)
      scratch.fill(0, 0, length)
      return output
    },
  }
}

function bytesOf(key: KeyObject | Uint8Array): Uint8Array {
  if (key instanceof Uint8Array) return key
  throw new TypeError('the key is not in the form that `keyOf` gives')
}

const HASHES: Readonly<Record<HashName, number>> = { sha256: 0, sha384: 1, sha512: 2 }

/** The X25519 of the helper. */
export function nativeX25519(helper: NativeHelper): X25519Maker {
  return { generate: () => new NativeX25519Key(helper) }
}

class NativeX25519Key implements X25519Key {
  readonly publicKey: Uint8Array
  readonly #helper: NativeHelper
  #privateKey: Uint8Array | undefined

  constructor(helper: NativeHelper) {
    this.#helper = helper
    const { scratch } = helper
    helper.generate()
    this.#privateKey = scratch.slice(0, X25519_LENGTH)
    this.publicKey = scratch.slice(X25519_LENGTH, 2 * X25519_LENGTH)
    scratch.fill(0, 0, X25519_LENGTH)
  }

  agree(peer: Uint8Array): Uint8Array | null {
    const privateKey = this.#privateKey
    this.#privateKey = undefined
    if (!privateKey) throw usedTwice()
    const { scratch } = this.#helper
    scratch.set(privateKey)
    privateKey.fill(0)
    // With its public key OpenSSL need not compute it.
    scratch.set(this.publicKey, X25519_LENGTH)
    scratch.set(peer, 2 * X25519_LENGTH)
    if (!this.#helper.agree()) return null
    const secret = scratch.slice(0, X25519_LENGTH)
    scratch.fill(0, 0, X25519_LENGTH)
    return secret
  }
}

/** Bytes of a private key, of a public one, and of a secret. */
const X25519_LENGTH = 32
