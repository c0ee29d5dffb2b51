import { concat } from '../../bytes/index.js'
import type { ProductLine, TcbPart } from '../../evidence/index.js'

/** What a report of a simulated guest says; byte strings that are left out are zero. */
export interface SimulatedSnpReport {
  /** 2, 3, 4 or 5; 5 unless said. */
  readonly version?: number
  readonly guestSvn?: number
  readonly isDebuggable?: boolean
  readonly allowsMigrationAgent?: boolean
  readonly vmpl?: number
  /** 16 bytes. */
  readonly familyId?: Uint8Array
  /** 16 bytes. */
  readonly imageId?: Uint8Array
  /** 48 bytes: the digest over what was launched. */
  readonly measurement?: Uint8Array
  /** 32 bytes. */
  readonly hostData?: Uint8Array
  /** 48 bytes. */
  readonly idKeyDigest?: Uint8Array
  /** 48 bytes. */
  readonly authorKeyDigest?: Uint8Array
  /** 32 bytes. */
  readonly reportId?: Uint8Array
  /** 64 bytes. */
  readonly reportData?: Uint8Array
  /** Whether the host hides which chip it is. */
  readonly isChipMasked?: boolean
}

/** Levels of the parts of a platform's TCB; 1 for those that are left out. */
export type SimulatedTcb = Readonly<Partial<Record<TcbPart, number>>>

/** What a platform itself puts into a report. */
export interface SimulatedSnpPlatformFields {
  readonly line: ProductLine
  /** 64 bytes, on Turin 8. */
  readonly chipId: Uint8Array
  readonly tcb: SimulatedTcb
  readonly signingKey: 'VCEK' | 'VLEK'
}

/** The signed part of a report, 672 bytes. */
export function encodeSnpReport(report: SimulatedSnpReport, platform: SimulatedSnpPlatformFields): Uint8Array {
  const version = report.version ?? 5
  const bytes = new Uint8Array(0x2a0)
  const view = new DataView(bytes.buffer)
  const put = (at: number, length: number, value: Uint8Array | undefined, name: string) => {
    if (value && value.length !== length) throw new RangeError(`${name} has ${length} bytes, not ${value.length}`)
    if (value) bytes.set(value, at)
  }
  view.setUint32(0x000, version, true)
  view.setUint32(0x004, report.guestSvn ?? 0, true)
  const bits = (report.isDebuggable ? 1 << 19 : 0) | (report.allowsMigrationAgent ? 1 << 18 : 0)
  view.setUint32(0x008, SMT_AND_RESERVED | bits, true)
  put(0x010, 16, report.familyId, 'familyId')
  put(0x020, 16, report.imageId, 'imageId')
  view.setUint32(0x030, report.vmpl ?? 0, true)
  view.setUint32(0x034, 1, true)
  const isMasked = report.isChipMasked ?? false
  view.setUint32(0x048, (platform.signingKey === 'VLEK' ? 1 << 2 : 0) | (isMasked ? 1 << 1 : 0), true)
  put(0x050, 64, report.reportData, 'reportData')
  put(0x090, 48, report.measurement, 'measurement')
  put(0x0c0, 32, report.hostData, 'hostData')
  put(0x0e0, 48, report.idKeyDigest, 'idKeyDigest')
  put(0x110, 48, report.authorKeyDigest, 'authorKeyDigest')
  put(0x140, 32, report.reportId, 'reportId')
  bytes.fill(0xff, 0x160, 0x180)
  const tcb = encodeTcb(platform.tcb, platform.line)
  for (const at of [0x038, 0x180, 0x1e0, 0x1f0]) bytes.set(tcb, at)
  if (version >= 3) bytes.set(CPUS[platform.line], 0x188)
  if (!isMasked) bytes.set(platform.chipId, 0x1a0)
  for (const at of [0x1e8, 0x1ec]) bytes.set([1, 55, 1], at)
  return bytes
}

/** Bits 16 and 17 of the guest policy. */
const SMT_AND_RESERVED = 3 << 16
/** CPUID family, model and stepping. */
const CPUS: Readonly<Record<ProductLine, readonly number[]>> = {
  milan: [0x19, 0x01, 1],
  genoa: [0x19, 0x11, 1],
  turin: [0x1a, 0x02, 1],
}

/** TCB_VERSION, 8 bytes. */
export function encodeTcb(
  { fmc = 1, bootloader = 1, tee = 1, snp = 1, microcode = 1 }: SimulatedTcb,
  line: ProductLine,
) {
  return line === 'turin'
    ? Uint8Array.of(fmc, bootloader, tee, snp, 0, 0, 0, microcode)
    : Uint8Array.of(bootloader, tee, 0, 0, 0, 0, snp, microcode)
}

/** A whole report: the signed part, and r and s little-endian in 72 bytes each.
 *  @param signature r‖s as ECDSA P-384 gives them */
export function encodeSignedReport(body: Uint8Array, signature: Uint8Array): Uint8Array {
  const field = (number: Uint8Array) => concat(Uint8Array.from(number).reverse(), new Uint8Array(24))
  return concat(body, field(signature.subarray(0, 48)), field(signature.subarray(48)), new Uint8Array(368))
}
