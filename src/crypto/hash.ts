import { createHash, type Hash as NodeHash } from 'node:crypto'

/** The hash functions that TLS 1.3 suites and RATS formats name. */
export type HashName = 'sha256' | 'sha384' | 'sha512'

/** Output length in bytes: `Hash.length` of RFC 8446 §7.1. */
export const hashLength: Readonly<Record<HashName, number>> = { sha256: 32, sha384: 48, sha512: 64 }

/** The digest of the concatenation of `parts`.
 *  @param name SHA-1 only for what others have recorded with it long ago, such as the registers of an old TPM
 *  @returns `hashLength[name]` bytes, 20 of SHA-1 */
export function hash(name: HashName | 'sha1', ...parts: readonly Uint8Array[]): Uint8Array {
  const state = createHash(name)
  for (const part of parts) state.update(part)
  return state.digest()
}

/** A hash over a growing input that can be read at any point: the transcript of RFC 8446 §4.4.1. */
export class RunningHash {
  readonly name: HashName
  readonly #state: NodeHash

  constructor(name: HashName, state: NodeHash = createHash(name)) {
    this.name = name
    this.#state = state
  }

  update(data: Uint8Array): void {
    this.#state.update(data)
  }

  /** The digest of all input so far; the hash goes on. */
  digest(): Uint8Array {
    return this.#state.copy().digest()
  }

  /** Another hash that has had the same input so far. */
  fork(): RunningHash {
    return new RunningHash(this.name, this.#state.copy())
  }
}
