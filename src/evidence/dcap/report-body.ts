import { type LittleEndian, littleEndian } from '../little-endian.js'

/** The body of an SGX report: what the processor says about an enclave. */
export interface SgxReport {
  readonly type: 'SGX'
  /** 16 bytes. What the processor ran when the report was made; TCB levels are compared with the PCK certificate. */
  readonly cpuSvn: Uint8Array
  /** 4 bytes. */
  readonly miscSelect: Uint8Array
  /** 16 bytes: flags, then XFRM. */
  readonly attributes: Uint8Array
  readonly isDebuggable: boolean
  /** 32 bytes. */
  readonly mrEnclave: Uint8Array
  /** 32 bytes. */
  readonly mrSigner: Uint8Array
  readonly isvProdId: number
  readonly isvSvn: number
  /** 64 bytes. */
  readonly reportData: Uint8Array
}

/** The body of a TD report: what the TDX module says about a Trust Domain. */
export interface TdReport {
  readonly type: 'TDX1.0' | 'TDX1.5'
  /** 16 bytes. The TDX module that the TD was launched by: its minor and major version are the first two. */
  readonly teeTcbSvn: Uint8Array
  /** 48 bytes. */
  readonly mrSeam: Uint8Array
  /** 48 bytes, zero for Intel's own module. */
  readonly mrSignerSeam: Uint8Array
  /** 8 bytes. */
  readonly seamAttributes: Uint8Array
  /** 8 bytes. */
  readonly tdAttributes: Uint8Array
  readonly isDebuggable: boolean
  /** 8 bytes. */
  readonly xfam: Uint8Array
  /** 48 bytes. */
  readonly mrTd: Uint8Array
  /** 48 bytes. */
  readonly mrConfigId: Uint8Array
  /** 48 bytes. */
  readonly mrOwner: Uint8Array
  /** 48 bytes. */
  readonly mrOwnerConfig: Uint8Array
  /** RTMR0 to RTMR3, 48 bytes each. */
  readonly rtmrs: readonly [Uint8Array, Uint8Array, Uint8Array, Uint8Array]
  /** 64 bytes. */
  readonly reportData: Uint8Array
  /** 16 bytes. The TDX module that runs now, which may be newer; TDX 1.5 only. */
  readonly teeTcbSvn2: Uint8Array | undefined
  /** 48 bytes: zero unless a service TD is bound to this one; TDX 1.5 only. */
  readonly mrServiceTd: Uint8Array | undefined
}

/** Length of an SGX report body in bytes. */
export const SGX_REPORT_LENGTH = 384
/** Length of a TD report body in bytes. */
export const TD_REPORT_LENGTH = 584
/** Length of a TD report body of TDX 1.5 in bytes. */
export const TD_REPORT_15_LENGTH = 648

/** Reads an SGX report body. Reserved bytes are covered by the signature and mean nothing. @param body 384 bytes */
export function decodeSgxReport(body: Uint8Array): SgxReport {
  const reader = littleEndian(body, 'an SGX report')
  const cpuSvn = reader.bytes(16)
  const miscSelect = reader.bytes(4)
  reader.skip(28)
  const attributes = reader.bytes(16)
  const mrEnclave = reader.bytes(32)
  reader.skip(32)
  const mrSigner = reader.bytes(32)
  reader.skip(96)
  const isvProdId = reader.uint16()
  const isvSvn = reader.uint16()
  reader.skip(60)
  const reportData = reader.bytes(64)
  reader.end()
  const isDebuggable = hasBit(attributes, SGX_DEBUG)
  return {
    type: 'SGX',
    cpuSvn,
    miscSelect,
    attributes,
    isDebuggable,
    mrEnclave,
    mrSigner,
    isvProdId,
    isvSvn,
    reportData,
  }
}

/** ATTRIBUTES.DEBUG. */
const SGX_DEBUG = 1

/** Reads a TD report body. @param body 584 bytes, or 648 of TDX 1.5 */
export function decodeTdReport(body: Uint8Array): TdReport {
  const reader = littleEndian(body, 'a TD report')
  const teeTcbSvn = reader.bytes(16)
  const mrSeam = reader.bytes(48)
  const mrSignerSeam = reader.bytes(48)
  const seamAttributes = reader.bytes(8)
  const tdAttributes = reader.bytes(8)
  const xfam = reader.bytes(8)
  const mrTd = reader.bytes(48)
  const mrConfigId = reader.bytes(48)
  const mrOwner = reader.bytes(48)
  const mrOwnerConfig = reader.bytes(48)
  const rtmrs = [reader.bytes(48), reader.bytes(48), reader.bytes(48), reader.bytes(48)] as const
  const reportData = reader.bytes(64)
  const extended = body.length === TD_REPORT_15_LENGTH ? readExtension(reader) : undefined
  reader.end()
  return {
    type: extended ? 'TDX1.5' : 'TDX1.0',
    teeTcbSvn,
    mrSeam,
    mrSignerSeam,
    seamAttributes,
    tdAttributes,
    isDebuggable: hasTudBits(tdAttributes),
    xfam,
    mrTd,
    mrConfigId,
    mrOwner,
    mrOwnerConfig,
    rtmrs,
    reportData,
    teeTcbSvn2: extended?.teeTcbSvn2,
    mrServiceTd: extended?.mrServiceTd,
  }
}

function readExtension(reader: LittleEndian): { teeTcbSvn2: Uint8Array; mrServiceTd: Uint8Array } {
  return { teeTcbSvn2: reader.bytes(16), mrServiceTd: reader.bytes(48) }
}

/** The first byte of TD attributes is TUD, "TD under debug": bit 0 is DEBUG, and a TD with any of the reserved others
 *  is not to be trusted either. */
function hasTudBits(tdAttributes: Uint8Array): boolean {
  return tdAttributes[0] !== 0
}

function hasBit(bytes: Uint8Array, bit: number): boolean {
  return ((bytes[bit >> 3] ?? 0) & (1 << (bit & 7))) !== 0
}
