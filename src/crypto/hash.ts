import { createHash, hash as digest, type Hash as NodeHash } from 'node:crypto'

/** The hash functions that TLS 1.3 suites and RATS formats name. */
export type HashName = 'sha256' | 'sha384' | 'sha512'

/** Output length in bytes: `Hash.length` of RFC 8446 §7.1. */
export const hashLength: Readonly<Record<HashName, number>> = { sha256: 32, sha384: 48, sha512: 64 }

/** The digest of the concatenation of `parts`.
 *  @param name SHA-1 only for what others have recorded with it long ago, such as the registers of an old TPM
 *  @returns `hashLength[name]` bytes, 20 of SHA-1 */
export function hash(name: HashName | 'sha1', ...parts: readonly Uint8Array[]): Uint8Array {
  const [first, ...more] = parts
  if (first && more.length === 0) return digest(name, first, 'buffer')
  const state = createHash(name)
  for (const part of parts) state.update(part)
  return state.digest()
}

/** A hash over a growing input that can be read at any point: the transcript of RFC 8446 §4.4.1.
 *
 *  A short input is kept and hashed anew each time: that is less work than to make, copy and collect native states. */
export class RunningHash {
  readonly name: HashName
  #input: Uint8Array
  #length = 0
  /** Has had all of the input, once it has grown long. */
  #state: NodeHash | undefined

  constructor(name: HashName, room = 2048) {
    this.name = name
    this.#input = new Uint8Array(room)
  }

  update(data: Uint8Array): void {
    if (this.#state) {
      this.#state.update(data)
      return
    }
    const length = this.#length + data.length
    if (length > MAX_KEPT) {
      this.#state = createHash(this.name).update(this.#input.subarray(0, this.#length)).update(data)
      this.#input = NOTHING
      return
    }
    if (length > this.#input.length) {
      const larger = new Uint8Array(Math.max(length, 2 * this.#input.length))
      larger.set(this.#input.subarray(0, this.#length))
      this.#input = larger
    }
    this.#input.set(data, this.#length)
    this.#length = length
  }

  /** The digest of all input so far; the hash goes on. */
  digest(): Uint8Array {
    if (this.#state) return this.#state.copy().digest()
    return digest(this.name, this.#input.subarray(0, this.#length), 'buffer')
  }

  /** The digest of all input so far and of `data`, which is not added. */
  digestWith(data: Uint8Array): Uint8Array {
    if (this.#state) return this.#state.copy().update(data).digest()
    return hash(this.name, this.#input.subarray(0, this.#length), data)
  }
}

const NOTHING = new Uint8Array(0)
/** Bytes: six digests of more than this cost more than a native state does. */
const MAX_KEPT = 4096
