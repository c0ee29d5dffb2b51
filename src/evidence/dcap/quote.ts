import { equalBytes, hex } from '../../bytes/index.js'
import { MessageError } from '../../rats/index.js'
import { type LittleEndian, littleEndian } from '../little-endian.js'
import {
  decodeSgxReport,
  decodeTdReport,
  SGX_REPORT_LENGTH,
  type SgxReport,
  TD_REPORT_15_LENGTH,
  TD_REPORT_LENGTH,
  type TdReport,
} from './report-body.js'

/** A quote as Intel's Quoting Enclaves sign them with ECDSA: version 3 (SGX), 4 and 5 (SGX or TDX). */
export interface Quote<Body extends SgxReport | TdReport = SgxReport | TdReport> {
  readonly version: 3 | 4 | 5
  /** 16 bytes: whose Quoting Enclave it is. */
  readonly qeVendorId: Uint8Array
  /** 20 bytes of the Quoting Enclave's own; the first 16 are its identifier. */
  readonly userData: Uint8Array
  readonly body: Body
  /** What `signature` covers: everything before the signature data. */
  readonly signedBytes: Uint8Array
  /** ECDSA P-256 with SHA-256 by the attestation key: r‖s, 64 bytes. */
  readonly signature: Uint8Array
  /** P-256: X‖Y, 64 bytes. */
  readonly attestationKey: Uint8Array
  /** The Quoting Enclave's own report, 384 bytes: what `qeReportSignature` covers. */
  readonly qeReportBytes: Uint8Array
  readonly qeReport: SgxReport
  /** ECDSA P-256 with SHA-256 by the PCK: r‖s, 64 bytes. */
  readonly qeReportSignature: Uint8Array
  /** What the attestation key is hashed with. */
  readonly qeAuthData: Uint8Array
  readonly certificationData: CertificationData
  /** Length of the signature data in bytes. */
  readonly signatureDataLength: number
  /** How many bytes follow the quote in its buffer. Nothing covers them and nothing looks at them: quotes come in
   *  buffers that are longer than they are, and not always filled up with zeros. */
  readonly trailing: number
}

/** How the PCK certificate is to be had. */
export interface CertificationData {
  /** 1 to 3 name the platform, 4 is the PCK certificate alone, 5 its chain, 7 a platform manifest. */
  readonly type: number
  readonly data: Uint8Array
}

/** The Quoting Enclave vendor that is Intel. */
export const INTEL_QE_VENDOR = '939a7233f79c4ca9940a0db3957f0607'

/** Certification data that is a chain of certificates in PEM, the PCK certificate first. */
export const PCK_CHAIN = 5

/** Reads a quote. Whatever the lengths in it say has to come out even: only behind its end may there be padding.
 *  @throws MessageError if it is no quote, or one of another algorithm */
export function decodeQuote(bytes: Uint8Array): Quote {
  if (bytes.length > MAX_LENGTH) throw malformed(`a quote of ${bytes.length} bytes is longer than ${MAX_LENGTH}`)
  const reader = littleEndian(bytes, 'the quote')
  const version = versionOf(reader.uint16())
  const keyType = reader.uint16()
  if (keyType !== ECDSA_P256) throw malformed(`the quote has an attestation key of type ${keyType}, not ECDSA P-256`)
  const teeType = version === 3 ? readReserved(reader) : reader.uint32()
  reader.skip(4)
  const qeVendorId = reader.bytes(16)
  const userData = reader.bytes(20)
  const body = version === 5 ? readTypedBody(reader, teeType) : readBody(reader, teeType)
  const signedBytes = bytes.subarray(0, reader.offset)
  const signatureDataLength = reader.uint32()
  const signatureData = littleEndian(reader.bytes(signatureDataLength), 'the signature data of the quote')
  return {
    version,
    qeVendorId,
    userData,
    body,
    signedBytes,
    ...readSignatureData(signatureData, version),
    signatureDataLength,
    trailing: reader.remaining,
  }
}

/** Genuine buffers have 8,000 bytes and less. */
const MAX_LENGTH = 0x10000
const ECDSA_P256 = 2
const TeeType = { sgx: 0x00, tdx: 0x81 } as const

function versionOf(version: number): 3 | 4 | 5 {
  if (version !== 3 && version !== 4 && version !== 5) throw malformed(`the quote is of version ${version}, not 3 to 5`)
  return version
}

/** Version 3 knows no other TEE than SGX. */
function readReserved(reader: LittleEndian): number {
  if (reader.uint32() !== TeeType.sgx) throw malformed('the quote of version 3 is not of type SGX')
  return TeeType.sgx
}

function readBody(reader: LittleEndian, teeType: number): SgxReport | TdReport {
  switch (teeType) {
    case TeeType.sgx:
      return decodeSgxReport(reader.bytes(SGX_REPORT_LENGTH))
    case TeeType.tdx:
      return decodeTdReport(reader.bytes(TD_REPORT_LENGTH))
    default:
      throw malformed(`the quote is of TEE type ${teeType}, which is neither SGX nor TDX`)
  }
}

/** Version 5 says of its body what it is. */
function readTypedBody(reader: LittleEndian, teeType: number): SgxReport | TdReport {
  const type = reader.uint16()
  const length = reader.uint32()
  const row = BODIES[type]
  if (!row) throw malformed(`the quote has a body of type ${type}, which is not known`)
  if (row.length !== length) throw malformed(`the quote has a body of ${length} bytes, not ${row.length}`)
  if (row.teeType !== teeType) throw malformed(`the quote has a body of another TEE than ${teeType}`)
  const body = reader.bytes(length)
  return row.teeType === TeeType.sgx ? decodeSgxReport(body) : decodeTdReport(body)
}

const BODIES: Readonly<Record<number, { readonly length: number; readonly teeType: number }>> = {
  1: { length: SGX_REPORT_LENGTH, teeType: TeeType.sgx },
  2: { length: TD_REPORT_LENGTH, teeType: TeeType.tdx },
  3: { length: TD_REPORT_15_LENGTH, teeType: TeeType.tdx },
}

function readSignatureData(reader: LittleEndian, version: 3 | 4 | 5) {
  const signature = reader.bytes(64)
  const attestationKey = reader.bytes(64)
  const inner = version === 3 ? reader : readQeReportData(reader)
  const qeReportBytes = inner.bytes(SGX_REPORT_LENGTH)
  const qeReportSignature = inner.bytes(64)
  const qeAuthData = inner.bytes(inner.uint16())
  const type = inner.uint16()
  const data = inner.bytes(inner.uint32())
  inner.end()
  return {
    signature,
    attestationKey,
    qeReportBytes,
    qeReport: decodeSgxReport(qeReportBytes),
    qeReportSignature,
    qeAuthData,
    certificationData: { type, data },
  }
}

/** From version 4 on the Quoting Enclave's report is itself certification data. */
function readQeReportData(reader: LittleEndian): LittleEndian {
  const type = reader.uint16()
  if (type !== QE_REPORT_DATA) throw malformed(`the quote has certification data of type ${type} around its QE report`)
  const data = reader.bytes(reader.uint32())
  reader.end()
  return littleEndian(data, 'the QE report data of the quote')
}

const QE_REPORT_DATA = 6

/** Whether the quote is by a Quoting Enclave of Intel's. */
export function isByIntel(quote: Quote): boolean {
  return hex(quote.qeVendorId) === INTEL_QE_VENDOR
}

/** Whether every byte is zero. */
export function isZero(bytes: Uint8Array): boolean {
  return equalBytes(bytes, new Uint8Array(bytes.length))
}

function malformed(sentence: string): MessageError {
  return new MessageError('ERR_RATS_MALFORMED', sentence)
}
