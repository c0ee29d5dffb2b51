import { Reader } from '../../bytes/index.js'
import { MessageError } from '../../rats/index.js'
import { lineOfCpu, type ProductLine } from './product-line.js'

/*
 * ATTESTATION_REPORT (SEV-SNP firmware ABI, AMD 56860 §7.3): 1184 bytes, integers little-endian.
 *
 *   0x000  version, guest_svn, policy                      0x180  reported_tcb
 *   0x010  family_id, image_id                             0x188  CPUID family, model, stepping (from version 3 on)
 *   0x030  vmpl, signature_algo                            0x1A0  chip_id
 *   0x038  current_tcb, platform_info, signer information  0x1E0  committed_tcb
 *   0x050  report_data                                     0x1E8  current and committed firmware
 *   0x090  measurement                                     0x1F0  launch_tcb
 *   0x0C0  host_data, id_key_digest, author_key_digest     0x1F8  mitigation vectors (from version 5 on)
 *   0x140  report_id, report_id_ma                         0x2A0  signature r, s: 72 bytes each, little-endian
 */

/** Bytes of a report. */
export const REPORT_LENGTH = 0x4a0

/** What a guest says about itself and its platform. Byte strings are views into the report. */
export interface SnpReport {
  /** 2, 3, 4 or 5. */
  readonly version: number
  readonly guestSvn: number
  readonly policy: GuestPolicy
  readonly familyId: Uint8Array
  readonly imageId: Uint8Array
  /** 0 to 3; 0xffffffff for a report that the host asked for. */
  readonly vmpl: number
  readonly signatureAlgorithm: number
  readonly currentTcb: Uint8Array
  readonly platformInfo: bigint
  /** Signer information: whether there is an author key, whether chip_id is masked, who signed. */
  readonly signer: number
  readonly signingKey: 'VCEK' | 'VLEK'
  /** 64 bytes, the guest's own. */
  readonly reportData: Uint8Array
  /** 48 bytes: the digest over what was launched. */
  readonly measurement: Uint8Array
  readonly hostData: Uint8Array
  readonly idKeyDigest: Uint8Array
  readonly authorKeyDigest: Uint8Array
  /** 32 bytes: this guest, as long as it runs. */
  readonly reportId: Uint8Array
  readonly reportIdMigrationAgent: Uint8Array
  /** 8 bytes: the TCB that selects the signing key. */
  readonly reportedTcb: Uint8Array
  /** From version 3 on. */
  readonly cpu: { readonly family: number; readonly model: number; readonly stepping: number } | undefined
  /** 64 bytes; zero where it is masked. */
  readonly chipId: Uint8Array
  readonly committedTcb: Uint8Array
  /** `1.55.29`. */
  readonly currentVersion: string
  readonly committedVersion: string
  readonly launchTcb: Uint8Array
  /** From version 5 on. */
  readonly mitigations: { readonly launch: bigint; readonly current: bigint } | undefined
  /** What is signed: the first 672 bytes. */
  readonly signed: Uint8Array
  /** r and s, big-endian, 48 bytes each. */
  readonly signature: Uint8Array
}

/** The policy that a guest was launched under. */
export interface GuestPolicy {
  readonly raw: bigint
  readonly allowsSmt: boolean
  readonly allowsMigrationAgent: boolean
  readonly allowsDebug: boolean
}

/** Reads a report. @throws MessageError unless it has the form that the ABI gives it, reserved bytes and all */
export function decodeReport(bytes: Uint8Array): SnpReport {
  if (bytes.length !== REPORT_LENGTH) {
    throw new MessageError('ERR_RATS_MALFORMED', `an SEV-SNP report has ${REPORT_LENGTH} bytes, not ${bytes.length}`)
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const u32 = (at: number) => view.getUint32(at, true)
  const u64 = (at: number) => view.getBigUint64(at, true)
  const part = (at: number, length: number) => bytes.subarray(at, at + length)

  const version = u32(0x000)
  if (version < 2 || version > 5)
    throw new MessageError('ERR_RATS_MALFORMED', `the SEV-SNP report has version ${version}, not 2 to 5`)
  const signer = u32(0x048)
  const hasCpu = version >= 3
  const hasMitigations = version >= 5
  expectZero(bytes, 0x04c, 0x050)
  expectZero(bytes, hasCpu ? 0x18b : 0x188, 0x1a0)
  expectZero(bytes, 0x1eb, 0x1ec)
  expectZero(bytes, 0x1ef, 0x1f0)
  expectZero(bytes, hasMitigations ? 0x208 : 0x1f8, 0x2a0)
  expectZero(bytes, 0x330, REPORT_LENGTH)
  return {
    version,
    guestSvn: u32(0x004),
    policy: policyOf(u64(0x008)),
    familyId: part(0x010, 16),
    imageId: part(0x020, 16),
    vmpl: u32(0x030),
    signatureAlgorithm: u32(0x034),
    currentTcb: part(0x038, 8),
    platformInfo: u64(0x040),
    signer,
    signingKey: signingKeyOf(signer),
    reportData: part(0x050, 64),
    measurement: part(0x090, 48),
    hostData: part(0x0c0, 32),
    idKeyDigest: part(0x0e0, 48),
    authorKeyDigest: part(0x110, 48),
    reportId: part(0x140, 32),
    reportIdMigrationAgent: part(0x160, 32),
    reportedTcb: part(0x180, 8),
    cpu: hasCpu ? { family: byte(bytes, 0x188), model: byte(bytes, 0x189), stepping: byte(bytes, 0x18a) } : undefined,
    chipId: part(0x1a0, 64),
    committedTcb: part(0x1e0, 8),
    currentVersion: firmware(part(0x1e8, 3)),
    committedVersion: firmware(part(0x1ec, 3)),
    launchTcb: part(0x1f0, 8),
    mitigations: hasMitigations ? { launch: u64(0x1f8), current: u64(0x200) } : undefined,
    signed: part(0, 0x2a0),
    signature: signatureOf(bytes),
  }
}

/** The line of processors that a report comes from, as far as it says: by CPUID, or in a report too old for that by the
 *  length of its chip_id. */
export function lineOfReport({ cpu, chipId }: SnpReport): ProductLine | undefined {
  if (cpu) return lineOfCpu(cpu.family, cpu.model)
  const isShort = chipId.subarray(8).every(value => value === 0)
  return isShort && chipId.some(value => value !== 0) ? 'turin' : undefined
}

function policyOf(raw: bigint): GuestPolicy {
  const bit = (at: bigint) => ((raw >> at) & 1n) === 1n
  if (!bit(17n)) throw new MessageError('ERR_RATS_MALFORMED', 'bit 17 of the guest policy is not set, as it has to be')
  if (raw >> 26n !== 0n) throw new MessageError('ERR_RATS_MALFORMED', 'reserved bits of the guest policy are set')
  return { raw, allowsSmt: bit(16n), allowsMigrationAgent: bit(18n), allowsDebug: bit(19n) }
}

function signingKeyOf(signer: number): 'VCEK' | 'VLEK' {
  if (signer >>> 5 !== 0)
    throw new MessageError('ERR_RATS_MALFORMED', 'reserved bits of the signer information are set')
  const key = (signer >>> 2) & 7
  if (key === 0) return 'VCEK'
  if (key === 1) return 'VLEK'
  throw new MessageError(
    'ERR_RATS_MALFORMED',
    key === 7 ? 'the report is not signed' : `the report names signing key ${key}, which is none`,
  )
}

/** Build, minor, major: in this order. */
function firmware([build = 0, minor = 0, major = 0]: Uint8Array): string {
  return `${major}.${minor}.${build}`
}

/** r ‖ s as ECDSA P-384 has them, out of two little-endian numbers of 72 bytes. */
function signatureOf(bytes: Uint8Array): Uint8Array {
  const reader = new Reader(bytes.subarray(0x2a0, 0x330))
  const signature = new Uint8Array(96)
  for (const at of [0, 48]) {
    signature.set(Uint8Array.from(reader.bytes(48)).reverse(), at)
    if (reader.bytes(24).some(value => value !== 0))
      throw new MessageError('ERR_RATS_MALFORMED', 'the signature has numbers of over 384 bits')
  }
  return signature
}

function expectZero(bytes: Uint8Array, from: number, to: number): void {
  for (let at = from; at < to; at++) {
    if (bytes[at] !== 0)
      throw new MessageError('ERR_RATS_MALFORMED', `byte 0x${at.toString(16)} of the report is reserved, but not zero`)
  }
}

function byte(bytes: Uint8Array, at: number): number {
  return bytes[at] ?? 0
}
