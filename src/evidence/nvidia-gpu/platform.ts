import { equalBytes, hex, utf8 } from '../../bytes/index.js'
import { MessageError } from '../../rats/index.js'
import { type Certificate, CertificateError, type DerReader, readDer, Tag } from '../../x509/index.js'
import { shortHex } from '../checks.js'
import { type Finding, failed, passed } from '../finding.js'
import type { Platform } from '../format.js'
import { checkOriginChain, signatureFinding } from '../origin.js'
import { decodeNvidiaReport, NvidiaField, type NvidiaReport } from './report.js'

/** A report with the chain of the key that signed it. */
export interface NvidiaEvidence {
  readonly report: NvidiaReport
  /** PEM, the signer's certificate first. */
  readonly chain: Uint8Array
}

/** An NVIDIA GPU or NVSwitch: a report, and behind it the chain of its key in PEM, up to NVIDIA's device root.
 *
 *  A device says nothing about the machine that it is plugged into, so that its report alone is Evidence for no peer:
 *  it is no row of the tables of platforms and formats, and has to be looked at beside that of a CPU that commits to
 *  it. */
export const nvidiaGpuPlatform: Platform<NvidiaEvidence> = {
  kind: 'nvidia-gpu',
  profile: undefined,
  isSimulated: false,
  policyTerms: {
    requiredMeasurements: [],
    lifecycles: [],
    claims: ['driver-version', 'vbios-version', 'firmware-id'],
  },

  decode(bytes) {
    const report = decodeNvidiaReport(bytes)
    // PEM may have words before it: here they would be bytes that nobody signed.
    if (!PEM.every((byte, i) => report.rest[i] === byte)) {
      throw new MessageError('ERR_RATS_MALFORMED', 'the GPU report is not followed by certificates in PEM')
    }
    return { report, chain: report.rest }
  },

  checkOrigin({ report, chain }, { roots, at }) {
    const { finding, trusted } = checkOriginChain('nvidia-gpu', { pem: chain }, roots.of('nvidia-gpu'), at)
    const [leaf] = trusted?.path ?? []
    if (!trusted || !leaf) return { findings: [finding], isSimulated: false }
    const { publicKey, subject, isSimulated } = trusted
    const isGood = publicKey.kind === 'p384' && publicKey.verify(ECDSA_P384, report.signed, report.signature)
    return { findings: [finding, signatureFinding(isGood, subject), ...checkFirmware(report, leaf)], isSimulated }
  },

  challengeOf: ({ report }) => report.nonce,

  factsOf({ report }) {
    const measurements = [...report.measurements].map(([index, value]) => [String(index), hex(value)] as const)
    return {
      measurements: new Map(measurements),
      areRegisters: true,
      isDebuggable: false,
      lifecycle: undefined,
      claims: {
        ...textField(report, 'driver-version', NvidiaField.driverVersion),
        ...vbiosOf(report),
        ...hexField(report, 'firmware-id', NvidiaField.firmwareId),
        measurements: Object.fromEntries(measurements),
      },
    }
  },
}

const PEM = utf8('-----BEGIN CERTIFICATE-----')
const ECDSA_P384 = { kind: 'ecdsa', hash: 'sha384', encoding: 'raw' } as const

/** The key is that of the firmware which its certificate names (TCG DICE): the device has to run that. Reports of
 *  switches do not say which firmware they are of. */
function checkFirmware({ fields }: NvidiaReport, leaf: Certificate): readonly Finding[] {
  const reported = fields.get(NvidiaField.firmwareId)
  if (!reported) return []
  const certified = firmwareIdsOf(leaf)
  const subject = {
    name: 'firmware-binding',
    expected: certified.map(shortHex).join(' or ') || 'a firmware that the certificate names',
    actual: shortHex(reported),
    source: 'the certificate of the key',
  }
  if (certified.some(id => equalBytes(id, reported))) return [passed(subject)]
  return [failed(subject, 'send the certificate that belongs to the firmware of the device', 'hardware')]
}

/** FWIDs in the extensions of DICE: the composite device ID that Hopper has, or the TCB info of its successors. */
function firmwareIdsOf({ extensions }: Certificate): readonly Uint8Array[] {
  const composite = extensions.get(COMPOSITE_DEVICE_ID)
  const tcbInfo = extensions.get(TCB_INFO)
  try {
    if (composite) {
      const reader = readDer(composite.value, Tag.sequence, 'the composite device ID').reader()
      reader.read(Tag.integer, 'the version')
      reader.read(Tag.sequence, 'the key')
      return [digestOf(reader)]
    }
    if (!tcbInfo) return []
    const reader = readDer(tcbInfo.value, Tag.sequence, 'the TCB info').reader()
    const found: Uint8Array[] = []
    while (!reader.isAtEnd) {
      const value = reader.any()
      if (value.tag !== FWIDS) continue
      const list = value.reader()
      while (!list.isAtEnd) found.push(digestOf(list))
    }
    return found
  } catch (error) {
    if (error instanceof CertificateError) return []
    throw error
  }
}

const COMPOSITE_DEVICE_ID = '2.23.133.5.4.1'
const TCB_INFO = '2.23.133.5.4.1.1'
/** [6] IMPLICIT SEQUENCE OF FWID. */
const FWIDS = 0xa6

/** FWID: a hash function and a digest. */
function digestOf(reader: DerReader): Uint8Array {
  const fwid = reader.read(Tag.sequence, 'an FWID').reader()
  fwid.read(Tag.oid, 'the hash of an FWID')
  return fwid.read(Tag.octetString, 'the digest of an FWID').content
}

function textField({ fields }: NvidiaReport, name: string, number: number): Readonly<Record<string, string>> {
  const value = fields.get(number)
  return value ? { [name]: new TextDecoder('latin1').decode(value).replace(/\0+$/, '') } : {}
}

function hexField({ fields }: NvidiaReport, name: string, number: number): Readonly<Record<string, string>> {
  const value = fields.get(number)
  return value ? { [name]: hex(value) } : {}
}

/** Switches say it in text, GPUs in bytes. */
function vbiosOf(report: NvidiaReport): Readonly<Record<string, string>> {
  const value = report.fields.get(NvidiaField.vbiosVersion)
  const isText = value?.every(byte => (byte >= 0x20 && byte < 0x7f) || byte === 0)
  return isText
    ? textField(report, 'vbios-version', NvidiaField.vbiosVersion)
    : hexField(report, 'vbios-version', NvidiaField.vbiosVersion)
}
