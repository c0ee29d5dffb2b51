import { type CipherGCMTypes, createCipheriv, createDecipheriv, type KeyObject } from 'node:crypto'
import { secretKey } from './secret-key.js'

/** An AEAD algorithm of TLS 1.3 (RFC 8446 §5.3): nonces of 12 bytes, tags of 16. */
export interface AeadAlgorithm {
  readonly name: 'aes-128-gcm' | 'aes-256-gcm' | 'chacha20-poly1305'
  readonly keyLength: 16 | 32
  /** How many records one key may protect before it must be replaced (RFC 8446 §5.5); undefined where sequence
   *  numbers run out first. */
  readonly recordLimit: number | undefined
  /** How many records may fail to open before a key must not be used any more (RFC 9147 §4.5.3). */
  readonly failureLimit: number
}

// 2^24.5 full-size records keep the advantage of an attacker below 2^-57; 2^24 is the round number below it.
const GCM_RECORD_LIMIT = 2 ** 24
/** The same for all of them. */
const FAILURE_LIMIT = 2 ** 36

/** The AEAD algorithms of the cipher suites of RFC 8446 §B.4. */
export const aeadAlgorithms = {
  aes128gcm: { name: 'aes-128-gcm', keyLength: 16, recordLimit: GCM_RECORD_LIMIT, failureLimit: FAILURE_LIMIT },
  aes256gcm: { name: 'aes-256-gcm', keyLength: 32, recordLimit: GCM_RECORD_LIMIT, failureLimit: FAILURE_LIMIT },
  chacha20poly1305: { name: 'chacha20-poly1305', keyLength: 32, recordLimit: undefined, failureLimit: FAILURE_LIMIT },
} as const satisfies Record<string, AeadAlgorithm>

/** Bytes of a nonce, in each of the algorithms. */
export const NONCE_LENGTH = 12
/** Bytes of an authentication tag, in each of the algorithms. */
export const TAG_LENGTH = 16
const TAG = { authTagLength: TAG_LENGTH }

/** A key of an AEAD. Sealing and opening are one native cipher each: node:crypto can neither write into a caller's
 *  buffer nor take a new nonce for an old cipher. */
export class AeadKey {
  readonly algorithm: AeadAlgorithm
  readonly #name: CipherGCMTypes
  readonly #key: KeyObject | Uint8Array

  /** @param key `algorithm.keyLength` bytes, given away: they must not change */
  constructor(algorithm: AeadAlgorithm, key: Uint8Array) {
    this.algorithm = algorithm
    // @types/node wants the GCM type for setAAD without a length; ChaCha20-Poly1305 behaves the same.
    this.#name = algorithm.name as CipherGCMTypes
    this.#key = secretKey(key)
  }

  /** Seals `plaintext` and writes ciphertext and tag, `plaintext.length + 16` bytes, into `output` at `offset`.
   *  `plaintext` may be a part of `output` at the same place. */
  seal(nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array, output: Uint8Array, offset: number): void {
    const cipher = createCipheriv(this.#name, this.#key, nonce, TAG)
    cipher.setAAD(aad)
    const ciphertext = cipher.update(plaintext)
    cipher.final()
    output.set(ciphertext, offset)
    output.set(cipher.getAuthTag(), offset + ciphertext.length)
  }

  /** Opens a ciphertext that ends in its tag.
   *  @returns the plaintext in a buffer of its own; null for any failure, all alike */
  open(nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array): Uint8Array | null {
    const end = sealed.length - TAG_LENGTH
    if (end < 0) return null
    const decipher = createDecipheriv(this.#name, this.#key, nonce, TAG)
    decipher.setAAD(aad)
    decipher.setAuthTag(sealed.subarray(end))
    const plaintext = decipher.update(sealed.subarray(0, end))
    try {
      decipher.final()
    } catch {
      return null
    }
    // A plain view of Node's Buffer, whose `slice` does not mean what others' does.
    return new Uint8Array(plaintext.buffer, plaintext.byteOffset, plaintext.length)
  }
}
