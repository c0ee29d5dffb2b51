import { concat } from '../../bytes/index.js'
import type { PublicKey } from '../../crypto/index.js'
import { AttestType, encodeSelections, KeyAttribute, type PcrSelection, TPM_MAGIC } from '../../evidence/index.js'
import { asBytes, coseKeyOf } from '../../rats/index.js'

/*
 * The structures that a TPM gives (TPM 2.0 Library, Part 2), integers big-endian.
 */

/** TPMT_PUBLIC of a key on P-256, P-384 or P-521, or of an RSA key.
 *  @param attributes TPMA_OBJECT   @throws TypeError for other kinds of key */
export function encodePublicArea(key: PublicKey, attributes: number): Uint8Array {
  const map = coseKeyOf(key)
  const head = concat(uint16(SHA256), uint32(attributes), uint16(0), uint16(NULL), uint16(NULL))
  const members = (...labels: readonly number[]) => labels.map(label => asBytes(map.get(label), 'a number of the key'))
  if (key.kind === 'rsa') {
    const [modulus = new Uint8Array(0)] = members(-1)
    return concat(uint16(RSA), head, uint16(modulus.length * 8), uint32(0), sized(modulus))
  }
  const curve = CURVES[key.kind]
  if (curve === undefined) throw new TypeError(`a TPM holds no key of kind ${key.kind}`)
  return concat(uint16(ECC), head, uint16(curve), uint16(NULL), ...members(-2, -3).map(sized))
}

/** TPMA_OBJECT of a key that signs what the TPM says, and nothing else. */
export const ATTESTATION_KEY =
  KeyAttribute.fixedTpm |
  KeyAttribute.fixedParent |
  KeyAttribute.sensitiveDataOrigin |
  KeyAttribute.userWithAuth |
  KeyAttribute.restricted |
  KeyAttribute.sign

/** TPMA_OBJECT of a key that was made in the TPM, and signs what it is given. */
export const SIGNING_KEY = ATTESTATION_KEY & ~KeyAttribute.restricted

/** What stands in every TPMS_ATTEST. */
export interface SimulatedAttest {
  /** TPM_MAGIC unless said. */
  readonly magic?: number
  readonly qualifiedSigner: Uint8Array
  /** At most 64 bytes. */
  readonly extraData: Uint8Array
}

/** TPMS_ATTEST of TPM2_Quote. */
export function encodeQuote(
  attest: SimulatedAttest,
  selections: readonly PcrSelection[],
  digest: Uint8Array,
): Uint8Array {
  return concat(attestHead(attest, AttestType.quote), encodeSelections(selections), sized(digest))
}

/** TPMS_ATTEST of TPM2_Certify. */
export function encodeCertify(attest: SimulatedAttest, name: Uint8Array, qualifiedName: Uint8Array): Uint8Array {
  return concat(attestHead(attest, AttestType.certify), sized(name), sized(qualifiedName))
}

/** TPMT_SIGNATURE of ECDSA with SHA-256. @param raw r‖s */
export function encodeEcdsaSignature(raw: Uint8Array): Uint8Array {
  const half = raw.length / 2
  return concat(uint16(ECDSA), uint16(SHA256), sized(raw.subarray(0, half)), sized(raw.subarray(half)))
}

function attestHead({ magic = TPM_MAGIC, qualifiedSigner, extraData }: SimulatedAttest, type: number): Uint8Array {
  const clockInfo = concat(uint32(0), uint32(1000), uint32(1), uint32(0), Uint8Array.of(1))
  const firmwareVersion = concat(uint32(0x53494d55), uint32(0x4c415445)) // SIMULATE
  return concat(uint32(magic), uint16(type), sized(qualifiedSigner), sized(extraData), clockInfo, firmwareVersion)
}

const RSA = 0x0001
const SHA256 = 0x000b
const NULL = 0x0010
const ECDSA = 0x0018
const ECC = 0x0023
const CURVES: Readonly<Partial<Record<PublicKey['kind'], number>>> = { p256: 3, p384: 4, p521: 5 }

/** TPM2B. */
export function sized(bytes: Uint8Array): Uint8Array {
  return concat(uint16(bytes.length), bytes)
}

function uint16(value: number): Uint8Array {
  return Uint8Array.of(value >> 8, value & 0xff)
}

function uint32(value: number): Uint8Array {
  return concat(uint16(value >>> 16), uint16(value & 0xffff))
}
