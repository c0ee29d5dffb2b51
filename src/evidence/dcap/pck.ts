import { hex } from '../../bytes/index.js'
import {
  type Certificate,
  CertificateError,
  type DerValue,
  oidOf,
  readDer,
  smallIntegerOf,
  Tag,
} from '../../x509/index.js'

/** What a PCK certificate says about its platform, as Intel’s "SGX PCK Certificate and CRL Profile" has it. */
export interface PckFacts {
  /** The platform's provisioning identifier, 16 bytes: lower-case hex. */
  readonly ppid: string
  /** Family, model and stepping of the platform, 6 bytes: lower-case hex. */
  readonly fmspc: string
  /** 2 bytes: lower-case hex. */
  readonly pceId: string
  readonly pceSvn: number
  /** 16 bytes: lower-case hex. */
  readonly cpuSvn: string
  /** The SVNs of the 16 components of the SGX TCB. */
  readonly componentSvns: readonly number[]
  /** 0 standard, 1 scalable, 2 scalable with integrity. */
  readonly sgxType: number
  /** 16 bytes, lower-case hex; undefined unless a Platform CA issued the certificate. */
  readonly platformInstanceId: string | undefined
}

/** Whether a certificate is one of a Provisioning Certification Key. */
export function isPck(certificate: Certificate): boolean {
  return certificate.extensions.has(SGX_EXTENSION)
}

/** The SGX extension of a PCK certificate. @throws CertificateError if there is none, or not one of this form */
export function readPck(certificate: Certificate): PckFacts {
  const extension = certificate.extensions.get(SGX_EXTENSION)
  if (!extension) throw malformed('the certificate has no SGX extension, so that it is none of a PCK')
  const fields = readFields(readDer(extension.value, Tag.sequence, 'the SGX extension'), SGX_EXTENSION)
  const tcb = readFields(field(fields, '2'), `${SGX_EXTENSION}.2`)
  const platformInstanceId = fields.get('6')
  return {
    ppid: octets(field(fields, '1'), 16),
    fmspc: octets(field(fields, '4'), 6),
    pceId: octets(field(fields, '3'), 2),
    pceSvn: integer(field(tcb, '17'), 0xffff),
    cpuSvn: octets(field(tcb, '18'), 16),
    componentSvns: Array.from({ length: 16 }, (_, i) => integer(field(tcb, String(i + 1)), 0xff)),
    sgxType: enumerated(field(fields, '5')),
    platformInstanceId: platformInstanceId && octets(platformInstanceId, 16),
  }
}

const SGX_EXTENSION = '1.2.840.113741.1.13.1'

/** SEQUENCE OF SEQUENCE { type OBJECT IDENTIFIER, value ANY }, by the last arc of the type. */
function readFields(sequence: DerValue, arc: string): ReadonlyMap<string, DerValue> {
  const fields = new Map<string, DerValue>()
  const reader = sequence.reader()
  while (!reader.isAtEnd) {
    const entry = reader.read(Tag.sequence, 'a field of the SGX extension').reader()
    const oid = oidOf(entry.read(Tag.oid, 'a type in the SGX extension'), 'a type in the SGX extension')
    const value = entry.any()
    entry.finish('a field of the SGX extension')
    const name = oid.startsWith(`${arc}.`) ? oid.slice(arc.length + 1) : oid
    if (fields.has(name)) throw malformed(`the field ${name} stands twice in the SGX extension`)
    fields.set(name, value)
  }
  return fields
}

function field(fields: ReadonlyMap<string, DerValue>, name: string): DerValue {
  const value = fields.get(name)
  if (!value) throw malformed(`the SGX extension has no field ${name}`)
  return value
}

function octets(value: DerValue, length: number): string {
  if (value.tag !== Tag.octetString || value.length !== length) {
    throw malformed(`a field of the SGX extension is no OCTET STRING of ${length} bytes`)
  }
  return hex(value.content)
}

function integer(value: DerValue, max: number): number {
  const number = value.tag === Tag.integer ? smallIntegerOf(value, 'an SVN of the SGX extension') : undefined
  if (number === undefined || number > max) throw malformed(`an SVN of the SGX extension is no INTEGER up to ${max}`)
  return number
}

function enumerated(value: DerValue): number {
  if (value.tag !== Tag.enumerated || value.length !== 1) {
    throw malformed('the type in the SGX extension is no small ENUMERATED')
  }
  return value.content[0] ?? 0
}

function malformed(sentence: string): CertificateError {
  return new CertificateError('ERR_X509_MALFORMED', 'bad_certificate', sentence)
}
