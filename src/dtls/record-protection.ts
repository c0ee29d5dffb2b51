import { AeadKey, MaskKey, NONCE_LENGTH, SAMPLE_LENGTH, TAG_LENGTH } from '../crypto/index.js'
import type { Suite, TrafficSecret } from '../handshake/index.js'

/** The keys of one direction in one epoch (RFC 9147 §4.2). */
export class RecordProtection {
  readonly #key: AeadKey
  readonly #mask: MaskKey
  readonly #iv: Uint8Array
  readonly #nonce = new Uint8Array(NONCE_LENGTH)

  constructor(secret: TrafficSecret, { aead }: Suite) {
    this.#key = new AeadKey(aead, secret.key(aead.keyLength))
    this.#mask = new MaskKey(aead, secret.recordNumberKey(aead.keyLength))
    this.#iv = secret.iv()
  }

  /** Seals the bytes of `buffer` from `start` to `end` where they stand, and the tag behind them.
   *  @param header the record header with the plain sequence number, which is the additional data */
  seal(sequenceNumber: number, header: Uint8Array, buffer: Uint8Array, start: number, end: number): void {
    this.#key.seal(this.#nonceOf(sequenceNumber), header, buffer.subarray(start, end), buffer, start)
  }

  /** Opens a record's payload. @returns null for any failure */
  open(sequenceNumber: number, header: Uint8Array, payload: Uint8Array): Uint8Array | null {
    return this.#key.open(this.#nonceOf(sequenceNumber), header, payload)
  }

  /** Hides the sequence number in a header, or shows it again (RFC 9147 §4.2.3).
   *  @param field its one or two bytes, changed in place   @param payload `MIN_PAYLOAD` bytes or more */
  mask(field: Uint8Array, payload: Uint8Array): void {
    const mask = this.#mask.mask(payload.subarray(0, SAMPLE_LENGTH))
    for (let i = 0; i < field.length; i++) field[i] ^= mask[i]
  }

  /** Nothing more is sealed or opened: the keys are overwritten. */
  wipe(): void {
    this.#key.wipe()
    this.#mask.wipe()
  }

  /** As in RFC 8446 §5.3; the epoch is no part of it (RFC 9147 §4). */
  #nonceOf(sequenceNumber: number): Uint8Array {
    const nonce = this.#nonce
    nonce.set(this.#iv)
    const low = sequenceNumber >>> 0
    const high = Math.floor(sequenceNumber / 0x1_0000_0000)
    nonce[6] ^= high >>> 8
    nonce[7] ^= high
    nonce[8] ^= low >>> 24
    nonce[9] ^= low >>> 16
    nonce[10] ^= low >>> 8
    nonce[11] ^= low
    return nonce
  }
}

/** The least bytes of a protected payload: a tag, which is enough for a mask. */
export const MIN_PAYLOAD = TAG_LENGTH
