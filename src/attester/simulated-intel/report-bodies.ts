import { concat } from '../../bytes/index.js'

/** What an SGX report of a simulated platform says; byte strings that are left out are zero. */
export interface SimulatedSgxReport {
  /** 32 bytes. */
  readonly mrEnclave?: Uint8Array
  /** 32 bytes. */
  readonly mrSigner?: Uint8Array
  readonly isvProdId?: number
  readonly isvSvn?: number
  readonly isDebuggable?: boolean
  /** 64 bytes. */
  readonly reportData?: Uint8Array
}

/** What a TD report of a simulated platform says; byte strings that are left out are zero. */
export interface SimulatedTdReport {
  /** 48 bytes. */
  readonly mrTd?: Uint8Array
  /** RTMR0 to RTMR3, 48 bytes each. */
  readonly rtmrs?: readonly Uint8Array[]
  readonly isDebuggable?: boolean
  /** 64 bytes. */
  readonly reportData?: Uint8Array
  /** 16 bytes: the TDX module that launched the TD; version 1.5 with minor version 5 unless said. */
  readonly teeTcbSvn?: Uint8Array
  /** 48 bytes: the signer of the TDX module, Intel unless said. */
  readonly mrSignerSeam?: Uint8Array
  /** 16 bytes: the TDX module that runs. With it the report is one of TDX 1.5. */
  readonly teeTcbSvn2?: Uint8Array
  /** 48 bytes: a service TD that is bound to the TD; TDX 1.5 only. */
  readonly mrServiceTd?: Uint8Array
}

/** An SGX report body, 384 bytes. */
export function encodeSgxReport(report: SimulatedSgxReport): Uint8Array {
  return concat(
    zeros(16 + 4 + 28),
    // INIT and MODE64, as every enclave has; DEBUG if it is one for debugging. XFRM is the least there is.
    Uint8Array.of(report.isDebuggable ? 0x07 : 0x05, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0),
    field(report.mrEnclave, 32, 'mrEnclave'),
    zeros(32),
    field(report.mrSigner, 32, 'mrSigner'),
    zeros(96),
    uint16(report.isvProdId ?? 0),
    uint16(report.isvSvn ?? 0),
    zeros(60),
    field(report.reportData, 64, 'reportData'),
  )
}

/** A TD report body: 584 bytes, or 648 of TDX 1.5. */
export function encodeTdReport(report: SimulatedTdReport): Uint8Array {
  const { teeTcbSvn2, rtmrs = [] } = report
  const attributes = zeros(8)
  attributes[0] = report.isDebuggable ? 1 : 0
  attributes[3] = SEPT_VE_DISABLE
  return concat(
    field(report.teeTcbSvn ?? tdxModuleSvn(5), 16, 'teeTcbSvn'),
    zeros(48),
    field(report.mrSignerSeam, 48, 'mrSignerSeam'),
    zeros(8),
    attributes,
    Uint8Array.of(0xe7, 0, 6, 0, 0, 0, 0, 0),
    field(report.mrTd, 48, 'mrTd'),
    zeros(3 * 48),
    ...[0, 1, 2, 3].map(i => field(rtmrs[i], 48, `rtmrs[${i}]`)),
    field(report.reportData, 64, 'reportData'),
    ...(teeTcbSvn2 ? [field(teeTcbSvn2, 16, 'teeTcbSvn2'), field(report.mrServiceTd, 48, 'mrServiceTd')] : []),
  )
}

/** Bit 28 of the TD attributes, as a bit of their fourth byte. */
const SEPT_VE_DISABLE = 1 << 4

/** TEE_TCB_SVN of a TDX module 1.x. @param minor its minor version */
export function tdxModuleSvn(minor: number): Uint8Array {
  return Uint8Array.of(minor, 1, 1, ...zeros(13))
}

/** Little-endian. */
export function uint16(value: number): Uint8Array {
  return Uint8Array.of(value & 0xff, value >> 8)
}

/** Little-endian. */
export function uint32(value: number): Uint8Array {
  return concat(uint16(value & 0xffff), uint16(value >>> 16))
}

/** So many zero bytes. */
export function zeros(length: number): Uint8Array {
  return new Uint8Array(length)
}

function field(bytes: Uint8Array | undefined, length: number, name: string): Uint8Array {
  if (bytes && bytes.length !== length) throw new RangeError(`${name} has ${length} bytes, not ${bytes.length}`)
  return bytes ?? zeros(length)
}
