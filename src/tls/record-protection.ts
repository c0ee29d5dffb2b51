import { AeadKey } from '../crypto/index.js'
import type { Suite, TrafficSecret } from '../handshake/index.js'

/** The keys of one direction in one epoch, and the sequence number (RFC 8446 §5.3). */
export class RecordProtection {
  readonly #key: AeadKey
  readonly #iv: Uint8Array
  /** The nonce of the current sequence number: iv XOR number. Its buffer is used over and over. */
  readonly #nonce: Uint8Array
  #sequenceNumber = 0

  constructor(secret: TrafficSecret, suite: Suite) {
    this.#key = new AeadKey(suite.aead, secret.key(suite.aead.keyLength))
    this.#iv = secret.iv()
    this.#nonce = Uint8Array.from(this.#iv)
  }

  /** How many records have been protected. */
  get sequenceNumber(): number {
    return this.#sequenceNumber
  }

  /** Seals the bytes of `buffer` from `start` to `end` where they stand, and the tag behind them.
   *  @param header the record header, which is the additional data */
  seal(header: Uint8Array, buffer: Uint8Array, start: number, end: number): void {
    this.#key.seal(this.#currentNonce(), header, buffer.subarray(start, end), buffer, start)
    this.#sequenceNumber++
  }

  /** Opens a record's payload. @returns null for any failure, which does not count as a record */
  open(header: Uint8Array, payload: Uint8Array): Uint8Array | null {
    const plaintext = this.#key.open(this.#currentNonce(), header, payload)
    if (plaintext) this.#sequenceNumber++
    return plaintext
  }

  #currentNonce(): Uint8Array {
    const nonce = this.#nonce
    const iv = this.#iv
    const low = this.#sequenceNumber >>> 0
    const high = Math.floor(this.#sequenceNumber / 0x1_0000_0000)
    // Written out: this runs once a record. The first four bytes of the IV are never changed (RFC 8446 §5.3).
    nonce[4] = iv[4] ^ (high >>> 24)
    nonce[5] = iv[5] ^ (high >>> 16)
    nonce[6] = iv[6] ^ (high >>> 8)
    nonce[7] = iv[7] ^ high
    nonce[8] = iv[8] ^ (low >>> 24)
    nonce[9] = iv[9] ^ (low >>> 16)
    nonce[10] = iv[10] ^ (low >>> 8)
    nonce[11] = iv[11] ^ low
    return nonce
  }
}
