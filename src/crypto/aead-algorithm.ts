/** An AEAD algorithm of TLS 1.3 (RFC 8446 §5.3): nonces of 12 bytes, tags of 16. */
export interface AeadAlgorithm {
  readonly name: 'aes-128-gcm' | 'aes-256-gcm' | 'chacha20-poly1305'
  readonly keyLength: 16 | 32
  /** How many records one key may protect before it must be replaced (RFC 8446 §5.5); undefined where sequence
   *  numbers run out first. */
  readonly recordLimit: number | undefined
  /** How many records may fail to open before a key must not be used any more (RFC 9147 §4.5.3). */
  readonly failureLimit: number
}

// 2^24.5 full-size records keep the advantage of an attacker below 2^-57; 2^24 is the round number below it.
const GCM_RECORD_LIMIT = 2 ** 24
/** The same for all of them. */
const FAILURE_LIMIT = 2 ** 36

/** The AEAD algorithms of the cipher suites of RFC 8446 §B.4. */
export const aeadAlgorithms = {
  aes128gcm: { name: 'aes-128-gcm', keyLength: 16, recordLimit: GCM_RECORD_LIMIT, failureLimit: FAILURE_LIMIT },
  aes256gcm: { name: 'aes-256-gcm', keyLength: 32, recordLimit: GCM_RECORD_LIMIT, failureLimit: FAILURE_LIMIT },
  chacha20poly1305: { name: 'chacha20-poly1305', keyLength: 32, recordLimit: undefined, failureLimit: FAILURE_LIMIT },
} as const satisfies Record<string, AeadAlgorithm>

/** Bytes of a nonce, in each of the algorithms. */
export const NONCE_LENGTH = 12
/** Bytes of an authentication tag, in each of the algorithms. */
export const TAG_LENGTH = 16
