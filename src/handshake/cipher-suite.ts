import { type AeadAlgorithm, aeadAlgorithms, type HashName } from '../crypto/index.js'

/** CipherSuite (RFC 8446 §B.4). */
export const CipherSuite = {
  TLS_AES_128_GCM_SHA256: 0x1301,
  TLS_AES_256_GCM_SHA384: 0x1302,
  TLS_CHACHA20_POLY1305_SHA256: 0x1303,
} as const

/** A cipher suite: the AEAD of the records and the hash of the key schedule. */
export interface Suite {
  readonly id: number
  readonly name: keyof typeof CipherSuite
  readonly hash: HashName
  readonly aead: AeadAlgorithm
}

const suites: ReadonlyMap<number, Suite> = new Map(
  (
    [
      ['TLS_AES_128_GCM_SHA256', 'sha256', aeadAlgorithms.aes128gcm],
      ['TLS_AES_256_GCM_SHA384', 'sha384', aeadAlgorithms.aes256gcm],
      ['TLS_CHACHA20_POLY1305_SHA256', 'sha256', aeadAlgorithms.chacha20poly1305],
    ] as const
  ).map(([name, hash, aead]) => [CipherSuite[name], { id: CipherSuite[name], name, hash, aead }]),
)

/** The suite of that number; undefined for one that this engine does not have. */
export function suiteOf(id: number): Suite | undefined {
  return suites.get(id)
}
