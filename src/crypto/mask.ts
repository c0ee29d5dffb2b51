import { type Cipher, createCipheriv } from 'node:crypto'
import type { AeadAlgorithm } from './aead-algorithm.js'

/** Makes the masks that record numbers are hidden with (RFC 9147 §4.2.3): the block cipher, or the stream cipher, of an
 *  AEAD on a sample of ciphertext. */
export class MaskKey {
  readonly #key: Uint8Array
  readonly #aes: Cipher | undefined

  /** @param key `algorithm.keyLength` bytes, copied */
  constructor(algorithm: AeadAlgorithm, key: Uint8Array) {
    this.#key = new Uint8Array(key)
    if (algorithm.name !== 'chacha20-poly1305') {
      // One cipher for all samples: in ECB mode no block knows of another.
      this.#aes = createCipheriv(algorithm.name === 'aes-128-gcm' ? 'aes-128-ecb' : 'aes-256-ecb', this.#key, null)
      this.#aes.setAutoPadding(false)
    }
  }

  /** Overwrites the key, as far as it is ours to overwrite. */
  wipe(): void {
    this.#key.fill(0)
  }

  /** @param sample 16 bytes   @returns 2 bytes or more */
  mask(sample: Uint8Array): Uint8Array {
    if (this.#aes) return this.#aes.update(sample)
    // The sample is the block counter and the nonce of ChaCha20, in the form that OpenSSL takes them in.
    return createCipheriv('chacha20', this.#key, sample).update(ZEROS)
  }
}

/** Bytes of the sample that a mask is made of. */
export const SAMPLE_LENGTH = 16
const ZEROS = new Uint8Array(2)
