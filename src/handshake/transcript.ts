import { concat } from '../bytes/index.js'
import { type HashName, hash, hashLength, RunningHash } from '../crypto/index.js'

/** Transcript-Hash (RFC 8446 §4.4.1). The hash function is not known before ServerHello (for a client), so the first
 *  messages are kept until it is. */
export class Transcript {
  #pending: Uint8Array[] = []
  #running: RunningHash | undefined

  /** Adds a handshake message, with its header. */
  add(message: Uint8Array): void {
    if (this.#running) this.#running.update(message)
    else this.#pending.push(message)
  }

  /** Fixes the hash function. May be called again with the same one. */
  begin(name: HashName): void {
    if (this.#running) return
    this.#running = new RunningHash(name)
    for (const message of this.#pending) this.#running.update(message)
    this.#pending = []
  }

  /** Replaces ClientHello1 by message_hash, because a HelloRetryRequest follows (RFC 8446 §4.4.1). */
  restart(name: HashName): void {
    const [clientHello1] = this.#pending
    if (!clientHello1 || this.#running) throw new Error('only a transcript of one ClientHello can be restarted')
    this.#pending = [syntheticMessage(name, hash(name, clientHello1))]
    this.begin(name)
  }

  /** Begins with message_hash: the server has kept nothing of ClientHello1 but its hash.
   *  @param digest Hash(ClientHello1) */
  resume(name: HashName, digest: Uint8Array): void {
    this.#pending = [syntheticMessage(name, digest)]
    this.begin(name)
  }

  /** The hash of all messages so far. @returns Hash.length bytes, which must not be changed */
  digest(): Uint8Array {
    if (!this.#running) throw new Error('the transcript has no hash function yet')
    return this.#running.digest()
  }

  /** The hash of all messages so far and of the start of one that is being written: what PSK binders cover
   *  (RFC 8446 §4.2.11.2). */
  digestWith(name: HashName, truncated: Uint8Array): Uint8Array {
    if (!this.#running) return hash(name, ...this.#pending, truncated)
    return this.#running.digestWith(truncated)
  }

  /** The handshake is complete: nothing is added or asked for any more. */
  end(): void {
    this.#running?.end()
  }
}

/** The message that stands for ClientHello1 after a HelloRetryRequest: message_hash(254) || 00 00 Hash.length || digest.
 *  @param digest Hash(ClientHello1) */
export function syntheticMessage(name: HashName, digest: Uint8Array): Uint8Array {
  return concat(Uint8Array.of(254, 0, 0, hashLength[name]), digest)
}
