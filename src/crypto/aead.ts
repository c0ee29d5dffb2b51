import { type AeadAlgorithm, TAG_LENGTH } from './aead-algorithm.js'
import type { AeadCipher } from './aead-cipher.js'
import { chosenImplementation } from './implementation.js'

/** A key of an AEAD. */
export class AeadKey {
  readonly algorithm: AeadAlgorithm
  readonly #cipher: AeadCipher

  /** @param key `algorithm.keyLength` bytes, given away: they must not change, but by `wipe` */
  constructor(algorithm: AeadAlgorithm, key: Uint8Array) {
    this.algorithm = algorithm
    this.#cipher = chosenImplementation().cipherOf(algorithm, key)
  }

  /** Whether `open` makes use of room that it is given; what has none of its own does. */
  get fillsRoom(): boolean {
    return this.#cipher.fillsRoom
  }

  /** Seals `plaintext` and writes ciphertext and tag, `plaintext.length + 16` bytes, into `output` at `offset`.
   *  `plaintext` may be a part of `output` at the same place. */
  seal(nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array, output: Uint8Array, offset: number): void {
    this.#cipher.seal(nonce, aad, plaintext, output, offset)
  }

  /** Opens a ciphertext that ends in its tag.
   *  @param room `sealed.length - 16` bytes or more that may be written over: the plaintext is put there if `fillsRoom`
   *  @returns the plaintext, otherwise in a buffer of its own; null for any failure, all alike */
  open(nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array, room?: Uint8Array): Uint8Array | null {
    return sealed.length < TAG_LENGTH ? null : this.#cipher.open(nonce, aad, sealed, room)
  }

  /** Overwrites the key, where it is ours to overwrite. It is of no use afterwards. */
  wipe(): void {
    this.#cipher.wipe()
  }
}
