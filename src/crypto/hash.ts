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

/** SHA-256 of what is no secret, in hex, to look it up by: as a string it costs half of what it does as bytes. */
export function fingerprint(data: Uint8Array): string {
  return digest('sha256', data, 'hex')
}

/** A hash over a growing input that can be read at any point: the transcript of RFC 8446 §4.4.1.
 *
 *  A short input is kept and hashed anew each time: that is less work than to make, copy and collect native states. */
export class RunningHash {
  readonly name: HashName
  #input: Uint8Array = spare.pop() ?? new Uint8Array(ROOM)
  #length = 0
  /** Has had all of the input, once it has grown long. */
  #state: NodeHash | undefined
  /** Of all input so far, if somebody has asked. */
  #digest: Uint8Array | undefined

  constructor(name: HashName) {
    this.name = name
  }

  update(data: Uint8Array): void {
    this.#digest = undefined
    if (this.#state) {
      this.#state.update(data)
      return
    }
    const length = this.#length + data.length
    if (length > ROOM) {
      this.#state = createHash(this.name).update(this.#input.subarray(0, this.#length)).update(data)
      this.end()
      return
    }
    this.#input.set(data, this.#length)
    this.#length = length
  }

  /** The digest of all input so far, which must not be changed; the hash goes on. */
  digest(): Uint8Array {
    if (this.#input === NOTHING && !this.#state && !this.#digest) throw new Error('the hash has ended')
    this.#digest ??= this.#state
      ? this.#state.copy().digest()
      : digest(this.name, this.#input.subarray(0, this.#length), 'buffer')
    return this.#digest
  }

  /** The digest of all input so far and of `data`, which is not added. */
  digestWith(data: Uint8Array): Uint8Array {
    if (this.#state) return this.#state.copy().update(data).digest()
    return hash(this.name, this.#input.subarray(0, this.#length), data)
  }

  /** Gives back the memory of a short input: nothing more is added or asked for. */
  end(): void {
    if (this.#input.length === ROOM && spare.length < MAX_SPARE) {
      this.#input.fill(0, 0, this.#length)
      spare.push(this.#input)
    }
    this.#input = NOTHING
    this.#length = 0
  }
}

const NOTHING = new Uint8Array(0)
/** Bytes that are kept: six digests of more than this cost more than a native state does. */
const ROOM = 4096
/** Memory of hashes that have ended, for the next ones. */
const spare: Uint8Array[] = []
const MAX_SPARE = 16
