import { type CipherGCMTypes, createCipheriv, createDecipheriv, type KeyObject } from 'node:crypto'
import { EMPTY, madeOutside } from '../bytes/index.js'
import type { AeadAlgorithm } from './aead-algorithm.js'
import { plain } from './plain.js'
import { secretKey } from './secret-key.js'

/** What does the work of an `AeadKey`. */
export interface AeadCipher {
  /** Whether `open` puts the plaintext into room that it is given. */
  readonly fillsRoom: boolean
  /** Writes ciphertext and tag, `plaintext.length + 16` bytes, into `output` at `offset`, where `plaintext` may stand. */
  seal(nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array, output: Uint8Array, offset: number): void
  /** @param sealed 16 bytes or more   @param room for the plaintext, where `fillsRoom`   @returns null for any failure */
  open(nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array, room?: Uint8Array): Uint8Array | null
  /** Overwrites the key, as far as it can be. Nothing more is sealed or opened. */
  wipe(): void
}

/** The AEADs of node:crypto. Sealing and opening are one native cipher each, and what comes out is one new buffer each:
 *  node:crypto can neither write into a caller's buffer nor take a new nonce for an old cipher. */
export class NodeAeadCipher implements AeadCipher {
  readonly fillsRoom = false
  readonly #name: CipherGCMTypes
  #key: KeyObject | Uint8Array

  constructor(algorithm: AeadAlgorithm, key: Uint8Array) {
    // @types/node wants the GCM type for setAAD without a length; ChaCha20-Poly1305 behaves the same.
    this.#name = algorithm.name as CipherGCMTypes
    this.#key = secretKey(key)
  }

  seal(nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array, output: Uint8Array, offset: number): void {
    const cipher = createCipheriv(this.#name, this.#key, nonce, TAG)
    cipher.setAAD(aad)
    const ciphertext = cipher.update(plaintext)
    cipher.final()
    output.set(ciphertext, offset)
    output.set(cipher.getAuthTag(), offset + ciphertext.length)
    giveBack(ciphertext)
  }

  open(nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array): Uint8Array | null {
    const end = sealed.length - TAG.authTagLength
    const decipher = createDecipheriv(this.#name, this.#key, nonce, TAG)
    decipher.setAAD(aad)
    decipher.setAuthTag(sealed.subarray(end))
    const plaintext = decipher.update(sealed.subarray(0, end))
    madeOutside(plaintext.length)
    try {
      decipher.final()
    } catch {
      return null
    }
    return plain(plaintext)
  }

  wipe(): void {
    if (this.#key instanceof Uint8Array) this.#key.fill(0)
    // Which is no key of any of these.
    this.#key = EMPTY
  }
}

const TAG = { authTagLength: 16 }

/** Frees a buffer that was made for us alone, where Node can (from 22 on), and otherwise has it freed soon. */
function giveBack({ buffer, length }: Uint8Array): void {
  if (length >= WORTHWHILE && buffer.byteLength === length && isTransferable(buffer)) buffer.transfer(0)
  else madeOutside(length)
}

/** Bytes: less is as well left to the collector. */
const WORTHWHILE = 1024

/** ECMAScript 2024, of which the types of Node 20 know nothing. */
interface TransferableBuffer {
  transfer(newLength: number): ArrayBuffer
}

function isTransferable(buffer: ArrayBufferLike): buffer is ArrayBufferLike & TransferableBuffer {
  return 'transfer' in buffer
}
