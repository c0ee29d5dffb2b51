import { concat, type Reader } from '../../bytes/index.js'
import { hash, type PublicKey } from '../../crypto/index.js'
import { type CborValue, MessageError, publicKeyOfCoseKey } from '../../rats/index.js'
import type { RegisterHash } from '../event-log/log.js'
import { TpmAlgorithm, tpmHashes } from './algorithm.js'
import { malformed, readStructure, sized } from './structure.js'

/** TPMT_PUBLIC (TPM 2.0 Library, Part 2, 12.2.4): a key in a TPM, as its Name is the hash of. */
export interface TpmPublic {
  readonly type: 'rsa' | 'ecc'
  readonly nameAlgorithm: RegisterHash
  /** TPMA_OBJECT. */
  readonly attributes: number
  /** Undefined where the numbers are no key. */
  readonly key: PublicKey | undefined
  /** The hash, with its algorithm in two bytes before it. */
  readonly name: Uint8Array
}

/** TPMA_OBJECT (TPM 2.0 Library, Part 2, 8.3.2). */
export const KeyAttribute = {
  fixedTpm: 1 << 1,
  fixedParent: 1 << 4,
  sensitiveDataOrigin: 1 << 5,
  userWithAuth: 1 << 6,
  restricted: 1 << 16,
  decrypt: 1 << 17,
  sign: 1 << 18,
} as const

/** Reads a TPMT_PUBLIC of an RSA or ECC key. @throws MessageError */
export function decodePublicArea(bytes: Uint8Array): TpmPublic {
  return readStructure(bytes, 'TPMT_PUBLIC', reader => {
    const type = reader.uint16()
    const nameAlg = reader.uint16()
    const nameAlgorithm = tpmHashes.get(nameAlg)
    if (!nameAlgorithm) throw malformed('a key of a TPM is named by a hash that is not known here')
    const attributes = reader.uint32()
    sized(reader) // authPolicy
    const name = concat(Uint8Array.of(nameAlg >> 8, nameAlg & 0xff), hash(nameAlgorithm, bytes))
    const common = { nameAlgorithm, attributes, name }
    if (type === TpmAlgorithm.rsa) return { type: 'rsa', key: rsaKey(reader), ...common }
    if (type === TpmAlgorithm.ecc) return { type: 'ecc', key: eccKey(reader), ...common }
    throw malformed('a key of a TPM is neither RSA nor ECC')
  })
}

/** TPMS_RSA_PARMS and the modulus. */
function rsaKey(reader: Reader): PublicKey | undefined {
  skipSymmetric(reader)
  skipScheme(reader)
  const bits = reader.uint16()
  const exponent = reader.uint32() || 65537
  const modulus = sized(reader)
  if (modulus.length > 512 || modulus.length * 8 !== bits)
    throw malformed('an RSA key of a TPM has not the size it says')
  const e = Uint8Array.of(exponent >>> 24, exponent >>> 16, exponent >>> 8, exponent)
  return keyOf([
    [1, 3],
    [-1, modulus],
    [-2, e.subarray(e.findIndex(byte => byte !== 0))],
  ])
}

/** TPMS_ECC_PARMS and the point. */
function eccKey(reader: Reader): PublicKey | undefined {
  skipSymmetric(reader)
  skipScheme(reader)
  const curve = CURVES.get(reader.uint16())
  skipScheme(reader) // TPMT_KDF_SCHEME has the same form.
  const [x, y] = [sized(reader), sized(reader)]
  if (!curve) throw malformed('a key of a TPM is on a curve that is not known here')
  if (x.length > curve.size || y.length > curve.size) throw malformed('a point has coordinates longer than its curve')
  return keyOf([
    [1, 2],
    [-1, curve.id],
    [-2, padded(x, curve.size)],
    [-3, padded(y, curve.size)],
  ])
}

/** TPM_ECC_CURVE, with what COSE calls the curve and the bytes of a coordinate. */
const CURVES: ReadonlyMap<number, { readonly id: number; readonly size: number }> = new Map([
  [0x0003, { id: 1, size: 32 }],
  [0x0004, { id: 2, size: 48 }],
  [0x0005, { id: 3, size: 66 }],
])

/** TPMT_SYM_DEF_OBJECT: nothing for keys that sign. */
function skipSymmetric(reader: Reader): void {
  if (reader.uint16() !== TpmAlgorithm.null) reader.bytes(4)
}

/** TPMT_ASYM_SCHEME: the schemes here take a hash, ECDAA a count besides. */
function skipScheme(reader: Reader): void {
  const scheme = reader.uint16()
  if (scheme === TpmAlgorithm.null) return
  reader.bytes(scheme === TpmAlgorithm.ecdaa ? 4 : 2)
}

/** A TPM leaves out leading zeros, or does not. */
export function padded(value: Uint8Array, size: number): Uint8Array {
  const start = value.findIndex(byte => byte !== 0)
  const digits = start < 0 ? new Uint8Array(0) : value.subarray(start)
  return concat(new Uint8Array(Math.max(size - digits.length, 0)), digits)
}

/** The key that a COSE_Key of these members is; undefined if it is none, such as a point beside its curve. */
function keyOf(members: readonly (readonly [number, CborValue])[]): PublicKey | undefined {
  try {
    return publicKeyOfCoseKey(new Map(members))
  } catch (error) {
    if (error instanceof MessageError) return undefined
    throw error
  }
}
