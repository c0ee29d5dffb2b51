import { equalBytes, hex } from '../../bytes/index.js'
import { type HashName, hash, PublicKey } from '../../crypto/index.js'
import { type CborMap, type CborValue, decodeJson, MessageError } from '../../rats/index.js'
import { littleEndian } from '../little-endian.js'

/** What the paravisor of an Azure confidential VM (HCL) keeps in NV index 0x01400001 of its vTPM: a report of the hardware
 *  about the paravisor, and the data that the report vouches for by their hash.
 *
 *      0x000  "HCLA", version, size, request type, status, 12 reserved bytes
 *      0x020  the hardware's report: 1184 bytes, whatever it is
 *      0x4C0  size, version, report type, hash type, length of the data
 *      0x4D4  the data: JSON that names the keys of the vTPM */
export interface HclReport {
  readonly tee: AzureTee
  /** An SEV-SNP report of 1184 bytes, or a TDREPORT of 1024. */
  readonly hardwareReport: Uint8Array
  readonly hash: HashName
  /** What `REPORT_DATA` of the hardware has the hash of, as it came. */
  readonly variableData: Uint8Array
}

/** What protects an Azure confidential VM. */
export type AzureTee = 'sev-snp' | 'tdx'

/** Reads a report of the paravisor; what stands behind its data is the unused part of an NV index. @throws MessageError */
export function decodeHclReport(bytes: Uint8Array): HclReport {
  if (bytes.length > MOST_BYTES) throw malformed(`has ${bytes.length} bytes, where ${MOST_BYTES} are the most`)
  const reader = littleEndian(bytes, 'the report of the paravisor')
  if (!equalBytes(reader.bytes(4), SIGNATURE)) throw malformed('does not begin with HCLA')
  reader.skip(HEADER_LENGTH - 4)
  const hardware = reader.bytes(HARDWARE_LENGTH)
  reader.skip(8)
  const tee = TEES.get(reader.uint32())
  if (!tee) throw malformed('holds a report of hardware that is not known here')
  const hashName = HASHES.get(reader.uint32())
  if (!hashName) throw malformed('vouches for its data by a hash that is not known here')
  const variableData = reader.bytes(reader.uint32())
  const hardwareReport = tee === 'tdx' ? hardware.subarray(0, TD_REPORT_LENGTH) : hardware
  return { tee, hardwareReport, hash: hashName, variableData }
}

const SIGNATURE = Uint8Array.of(0x48, 0x43, 0x4c, 0x41)
const HEADER_LENGTH = 0x20
const HARDWARE_LENGTH = 0x4a0
const TD_REPORT_LENGTH = 0x400
/** The data of true ones have about 1200 bytes, and the NV index 2600. */
const MOST_BYTES = 16_384
const TEES: ReadonlyMap<number, AzureTee> = new Map([
  [2, 'sev-snp'],
  [4, 'tdx'],
])
const HASHES: ReadonlyMap<number, HashName> = new Map([
  [1, 'sha256'],
  [2, 'sha384'],
  [3, 'sha512'],
])

/** What the hardware has to hold in its 64 bytes of report data: the hash, and zeros behind it. */
export function reportDataOf({ hash: name, variableData }: HclReport): Uint8Array {
  const field = new Uint8Array(64)
  field.set(hash(name, variableData))
  return field
}

/** What the data of the paravisor say. */
export interface HclClaims {
  /** The attestation key of the vTPM. */
  readonly attestationKey: PublicKey
  /** `vm-configuration`, as far as it is text or true or false: `vmUniqueId`, `secure-boot`. */
  readonly configuration: Readonly<Record<string, string | boolean>>
  /** What the guest has put in, lower-case hex. */
  readonly userData: string | undefined
}

/** Reads the data of the paravisor. Only for data whose hash was found in what the hardware has signed.
 *  @throws MessageError unless they name an attestation key */
export function readVariableData(variableData: Uint8Array): HclClaims {
  const json = objectOf(decodeJson(variableData), 'the data of the paravisor')
  const keys = json.get('keys')
  const found = Array.isArray(keys) ? keys.filter(isAttestationKey) : []
  const [key] = found
  // Of two nobody could say which signs.
  if (!key || found.length > 1) throw malformed(`names ${found.length} attestation keys, not one`)
  const userData = json.get('user-data')
  const configuration = json.get('vm-configuration')
  return {
    attestationKey: rsaKeyOf(key),
    configuration: Object.fromEntries(
      [...(configuration instanceof Map ? configuration : [])].filter(isScalar).map(([name, value]) => [name, value]),
    ),
    userData: typeof userData === 'string' && /^[0-9a-f]*$/i.test(userData) ? userData.toLowerCase() : undefined,
  }
}

function isAttestationKey(value: CborValue): value is CborMap {
  return value instanceof Map && value.get('kid') === 'HCLAkPub'
}

function isScalar(entry: [number | string, CborValue]): entry is [string, string | boolean] {
  return typeof entry[1] === 'string' || typeof entry[1] === 'boolean'
}

function rsaKeyOf(jwk: CborMap): PublicKey {
  const [kty, n, e] = ['kty', 'n', 'e'].map(name => jwk.get(name))
  let key: PublicKey
  try {
    key = PublicKey.fromJwk({ kty, n, e })
  } catch {
    throw malformed('names an attestation key that is none')
  }
  if (key.kind !== 'rsa' || (key.modulusLength ?? 0) < LEAST_MODULUS || (key.modulusLength ?? 0) > MOST_MODULUS) {
    throw malformed(`names an attestation key that is not RSA with ${LEAST_MODULUS} to ${MOST_MODULUS} bits`)
  }
  return key
}

const LEAST_MODULUS = 2048
const MOST_MODULUS = 4096

function objectOf(value: CborValue, what: string): CborMap {
  if (value instanceof Map) return value
  throw new MessageError('ERR_RATS_MALFORMED', `${what} are not a JSON object`)
}

function malformed(sentence: string): MessageError {
  return new MessageError('ERR_RATS_MALFORMED', `the report of the paravisor ${sentence}`)
}

/** REPORTDATA of a TDREPORT (Intel TDX Module ABI, REPORTMACSTRUCT). */
export function reportDataOfTdReport(report: Uint8Array): Uint8Array {
  return report.subarray(TD_REPORT_DATA, TD_REPORT_DATA + 64)
}

const TD_REPORT_DATA = 128

/** A name for the attestation key: SHA-256 of its SubjectPublicKeyInfo, lower-case hex. */
export function keyNameOf({ spki }: PublicKey): string {
  return hex(hash('sha256', spki))
}
