import type { RegisterHash } from '../event-log/log.js'

/** TPM_ALG_ID (TPM 2.0 Library, Part 2, 6.3), as far as it is used here. */
export const TpmAlgorithm = {
  rsa: 0x0001,
  sha1: 0x0004,
  keyedHash: 0x0008,
  sha256: 0x000b,
  sha384: 0x000c,
  sha512: 0x000d,
  null: 0x0010,
  rsassa: 0x0014,
  rsapss: 0x0016,
  ecdsa: 0x0018,
  ecdaa: 0x001a,
  ecc: 0x0023,
} as const

/** The hash functions of a TPM: of signatures, of names, and of the banks of its PCRs. */
export const tpmHashes: ReadonlyMap<number, RegisterHash> = new Map([
  [TpmAlgorithm.sha1, 'sha1'],
  [TpmAlgorithm.sha256, 'sha256'],
  [TpmAlgorithm.sha384, 'sha384'],
  [TpmAlgorithm.sha512, 'sha512'],
])

/** How many bytes their digests have. */
export const tpmHashLength: Readonly<Record<RegisterHash, number>> = { sha1: 20, sha256: 32, sha384: 48, sha512: 64 }
