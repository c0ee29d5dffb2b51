import { AeadKey } from '../crypto/index.js'
import type { Suite, TrafficSecret } from '../handshake/index.js'

/** The keys of one direction in one epoch, and the sequence number (RFC 8446 §5.3). */
export class RecordProtection {
  readonly #key: AeadKey
  /** The nonce of the current sequence number: iv XOR number. From one to the next it changes where the number does. */
  readonly #nonce: Uint8Array
  #sequenceNumber = 0

  constructor(secret: TrafficSecret, suite: Suite) {
    this.#key = new AeadKey(suite.aead, secret.key(suite.aead.keyLength))
    this.#nonce = secret.iv()
  }

  /** How many records have been protected. */
  get sequenceNumber(): number {
    return this.#sequenceNumber
  }

  /** Whether `open` makes use of room that it is given. */
  get fillsRoom(): boolean {
    return this.#key.fillsRoom
  }

  /** Seals the bytes of `buffer` from `start` to `end` where they stand, and the tag behind them.
   *  @param header the record header, which is the additional data */
  seal(header: Uint8Array, buffer: Uint8Array, start: number, end: number): void {
    this.#key.seal(this.#nonce, header, buffer.subarray(start, end), buffer, start)
    this.#advance()
  }

  /** Opens a record's payload. @param room as `AeadKey.open` has it   @returns null for any failure, which does not count as a record */
  open(header: Uint8Array, payload: Uint8Array, room?: Uint8Array): Uint8Array | null {
    const plaintext = this.#key.open(this.#nonce, header, payload, room)
    if (plaintext) this.#advance()
    return plaintext
  }

  /** Nothing more is sealed or opened: the key is overwritten. */
  wipe(): void {
    this.#key.wipe()
  }

  #advance(): void {
    const before = this.#sequenceNumber
    const after = before + 1
    this.#sequenceNumber = after
    this.#change(8, before ^ after)
    if (after >>> 0 === 0) this.#change(4, (before / 0x1_0000_0000) ^ (after / 0x1_0000_0000))
  }

  /** XORs four bytes of the nonce. Written out: this runs once a record. */
  #change(at: number, bits: number): void {
    const nonce = this.#nonce
    nonce[at] ^= bits >>> 24
    nonce[at + 1] ^= bits >>> 16
    nonce[at + 2] ^= bits >>> 8
    nonce[at + 3] ^= bits
  }
}
