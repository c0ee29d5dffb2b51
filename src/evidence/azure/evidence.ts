import { concat } from '../../bytes/index.js'
import { type CborMap, type CborValue, decodeJson, fromAnyBase64, MessageError } from '../../rats/index.js'
import { decodeAttest } from '../tpm/attest.js'
import type { TpmStatement } from '../tpm/evidence.js'
import { isPcrValue, type PcrBanks } from '../tpm/pcr.js'
import type { AzureTee, HclReport } from './hcl-report.js'

/** What a confidential VM on Azure sends. */
export interface AzureEvidence<Report> {
  readonly hcl: HclReport
  /** What the hardware has signed about the paravisor. */
  readonly hardware: Report
  readonly quote: TpmStatement
  /** PCRs of the vTPM, as they were quoted. */
  readonly values: PcrBanks
}

/** The parts, as the devices of the VM give them. */
export interface AzureParts {
  /** From NV index 0x01400001 of the vTPM. */
  readonly hclReport: Uint8Array
  /** TPMS_ATTEST. */
  readonly message: Uint8Array
  /** RSASSA-PKCS1-v1_5 with SHA-256, as it is: not in a TPMT_SIGNATURE. */
  readonly signature: Uint8Array
  /** SHA-256 bank. */
  readonly pcrs: ReadonlyMap<number, Uint8Array>
  /** DER of the VCEK; for SEV-SNP, if the host gave it. */
  readonly vcek?: Uint8Array | undefined
  /** For TDX, where the report of the paravisor has no signature. */
  readonly tdQuote?: Uint8Array | undefined
}

/** What the hardware has signed, in the form that its platform reads.
 *  @throws MessageError if there is none */
export function hardwareBytesOf({ tee, hardwareReport }: HclReport, { vcek, tdQuote }: AzureParts): Uint8Array {
  if (tee === 'sev-snp') return vcek ? concat(hardwareReport, tableOf(vcek)) : hardwareReport
  if (!tdQuote) throw malformed('there is no TD quote')
  return tdQuote
}

/** The quote of the vTPM. @throws MessageError if it, or a PCR, has not the form that it has to have */
export function quoteOf({ message, signature, pcrs }: AzureParts): TpmStatement {
  for (const [register, value] of pcrs) {
    if (!Number.isInteger(register) || register < 0 || register > 23) throw malformed(`there is no PCR ${register}`)
    if (!isPcrValue('sha256', value)) throw malformed(`PCR ${register} is not a SHA-256 digest`)
  }
  return {
    bytes: message,
    attest: decodeAttest(message),
    signature: { scheme: 'rsassa', hash: 'sha256', signature },
  }
}

/** Reads the Evidence of the attestation agent of Confidential Containers: JSON, of version 1 or 2, which do not differ
 *  in what they hold.
 *
 *      { "version": 1, "hcl_report": base64url, "vcek" or "td_quote": base64url,
 *        "tpm_quote": { "message": hex, "signature": hex, "pcrs": [hex × 24] } }
 *
 *  @throws MessageError */
export function readAzureEvidence(tee: AzureTee, bytes: Uint8Array): AzureParts {
  const json = objectOf(decodeJson(bytes), 'the Evidence')
  const quote = objectOf(json.get('tpm_quote'), 'tpm_quote')
  const pcrs = quote.get('pcrs')
  if (!Array.isArray(pcrs) || pcrs.length > 24) throw malformed('pcrs are not a list of at most 24')
  const hardware = MEMBERS[tee].name
  const known = new Set(['version', 'hcl_report', 'tpm_quote', hardware])
  for (const name of json.keys()) if (!known.has(String(name))) throw malformed('the Evidence has unknown members')
  const version = json.get('version')
  if (version !== 1 && version !== 2) throw malformed('the Evidence is of a version that is not known here')
  const signed = json.get(hardware) ?? null
  const parts = {
    hclReport: base64Of(json.get('hcl_report'), 'hcl_report'),
    message: hexOf(quote.get('message'), 'message'),
    signature: hexOf(quote.get('signature'), 'signature'),
    pcrs: new Map(pcrs.map((value: CborValue, register) => [register, hexOf(value, 'a PCR')])),
  }
  return signed === null ? parts : { ...parts, [MEMBERS[tee].part]: base64Of(signed, hardware) }
}

/** What comes beside the report of the paravisor. */
const MEMBERS = {
  'sev-snp': { name: 'vcek', part: 'vcek' },
  tdx: { name: 'td_quote', part: 'tdQuote' },
} as const

/** A table of certificates with the VCEK alone (AMD 56421 §4.1.8.1): so the platform finds it where it looks. */
function tableOf(vcek: Uint8Array): Uint8Array {
  const table = new Uint8Array(48 + vcek.length)
  table.set(VCEK_GUID)
  const view = new DataView(table.buffer)
  view.setUint32(16, 48, true)
  view.setUint32(20, vcek.length, true)
  table.set(vcek, 48)
  return table
}

const VCEK_GUID = Uint8Array.of(
  0x63,
  0xda,
  0x75,
  0x8d,
  0xe6,
  0x64,
  0x45,
  0x64,
  0xad,
  0xc5,
  0xf4,
  0xb9,
  0x3b,
  0xe8,
  0xac,
  0xcd,
)

function objectOf(value: CborValue | undefined, what: string): CborMap {
  if (value instanceof Map) return value
  throw malformed(`${what} is not a JSON object`)
}

function base64Of(value: CborValue | undefined, what: string): Uint8Array {
  const bytes = typeof value === 'string' ? fromAnyBase64(value) : undefined
  if (!bytes) throw malformed(`${what} is not base64`)
  return bytes
}

function hexOf(value: CborValue | undefined, what: string): Uint8Array {
  if (typeof value !== 'string' || value.length > MOST_HEX || !/^([0-9a-f]{2})+$/i.test(value)) {
    throw malformed(`${what} is not hex`)
  }
  return Uint8Array.from(value.match(/../g) ?? [], byte => Number.parseInt(byte, 16))
}

const MOST_HEX = 8192

function malformed(sentence: string): MessageError {
  return new MessageError('ERR_RATS_MALFORMED', sentence)
}
