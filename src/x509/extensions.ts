import { hex } from '../bytes/index.js'
import { refusal } from './certificate-error.js'
import {
  bitsOf,
  booleanOf,
  contextTag,
  type DerReader,
  type DerValue,
  oidOf,
  readDer,
  smallIntegerOf,
  Tag,
} from './der.js'
import { type GeneralNames, GeneralNamesBuilder } from './general-name.js'
import { type NameConstraints, nameConstraintsOf } from './name-constraints.js'

/** An extension of a certificate or CRL (RFC 5280 §4.2). */
export interface Extension {
  /** OID in dots. */
  readonly oid: string
  readonly isCritical: boolean
  /** Content of extnValue: DER by RFC 5280, but not always by those who make their own extensions. */
  readonly value: Uint8Array
}

/** OIDs of the extensions that this room reads. */
export const ExtensionOid = {
  subjectKeyIdentifier: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  cRLNumber: '2.5.29.20',
  reasonCode: '2.5.29.21',
  issuingDistributionPoint: '2.5.29.28',
  nameConstraints: '2.5.29.30',
  certificatePolicies: '2.5.29.32',
  policyMappings: '2.5.29.33',
  authorityKeyIdentifier: '2.5.29.35',
  extKeyUsage: '2.5.29.37',
  inhibitAnyPolicy: '2.5.29.54',
} as const

/** The bits of keyUsage (RFC 5280 §4.2.1.3). */
export const KeyUsage = {
  digitalSignature: 0x01,
  nonRepudiation: 0x02,
  keyEncipherment: 0x04,
  dataEncipherment: 0x08,
  keyAgreement: 0x10,
  keyCertSign: 0x20,
  cRLSign: 0x40,
} as const

/** Reads a list of extensions; each may come once. */
export function readExtensions(reader: DerReader, what: string): ReadonlyMap<string, Extension> {
  const list = reader.read(Tag.sequence, `the extensions of ${what}`).reader()
  const extensions = new Map<string, Extension>()
  while (!list.isAtEnd) {
    const inner = list.read(Tag.sequence, `an extension of ${what}`).reader()
    const oid = oidOf(inner.read(Tag.oid, `an extension type of ${what}`), `an extension type of ${what}`)
    // FALSE is the default and so not DER, but it is written in certificates that are in use.
    const critical = inner.optional(Tag.boolean)
    const isCritical = critical !== undefined && booleanOf(critical, 'critical')
    const value = inner.read(Tag.octetString, `the value of extension ${oid}`).content
    inner.finish(`extension ${oid}`)
    // RFC 5280 §4.2: "A certificate MUST NOT include more than one instance of a particular extension."
    if (extensions.has(oid)) throw refusal('ERR_X509_MALFORMED', `extension ${oid} stands twice in ${what}`)
    if (extensions.size === MOST_EXTENSIONS) {
      throw refusal('ERR_X509_TOO_LARGE', `${what} has more than ${MOST_EXTENSIONS} extensions`)
    }
    extensions.set(oid, { oid, isCritical, value })
  }
  return extensions
}

/** The extensions in their explicit tag. */
export function extensionsIn(explicit: DerValue, what: string): ReadonlyMap<string, Extension> {
  const reader = explicit.reader()
  const extensions = readExtensions(reader, what)
  reader.finish(`the extensions of ${what}`)
  return extensions
}
const MOST_EXTENSIONS = 64

/** What the extensions of a certificate mean. */
export interface ExtensionValues {
  readonly subjectAltNames: GeneralNames
  readonly basicConstraints: { readonly isCa: boolean; readonly pathLength: number | undefined } | undefined
  readonly keyUsage: number | undefined
  readonly extendedKeyUsage: ReadonlySet<string> | undefined
  readonly nameConstraints: NameConstraints | undefined
  readonly subjectKeyIdentifier: string | undefined
  readonly authorityKeyIdentifier: string | undefined
  readonly unknownCritical: readonly string[]
}

/** @throws CertificateError if one of those that we know is malformed */
export function valuesOf(extensions: ReadonlyMap<string, Extension>): ExtensionValues {
  const unknownCritical: string[] = []
  for (const { oid, isCritical } of extensions.values())
    if (isCritical && !PROCESSED.has(oid)) unknownCritical.push(oid)
  const meaning = <T>(oid: string, read: (value: Uint8Array) => T): T | undefined => {
    const extension = extensions.get(oid)
    return extension && read(extension.value)
  }
  return {
    subjectAltNames: meaning(ExtensionOid.subjectAltName, subjectAltNamesOf) ?? NO_NAMES,
    basicConstraints: meaning(ExtensionOid.basicConstraints, basicConstraintsOf),
    keyUsage: meaning(ExtensionOid.keyUsage, value => bitsOf(readDer(value, Tag.bitString, 'keyUsage'), 'keyUsage')),
    extendedKeyUsage: meaning(ExtensionOid.extKeyUsage, extendedKeyUsageOf),
    nameConstraints: meaning(ExtensionOid.nameConstraints, nameConstraintsOf),
    subjectKeyIdentifier: meaning(ExtensionOid.subjectKeyIdentifier, value =>
      hex(readDer(value, Tag.octetString, 'subjectKeyIdentifier').content),
    ),
    authorityKeyIdentifier: meaning(ExtensionOid.authorityKeyIdentifier, authorityKeyIdentifierOf),
    unknownCritical,
  }
}

/** Policies are among them because nothing that we ask for can fail by them: RFC 5280 §6.1.1 with the initial policy set
 *  any-policy and no explicit policy. policyConstraints, which could ask for one, is not. */
const PROCESSED: ReadonlySet<string> = new Set([
  ExtensionOid.subjectKeyIdentifier,
  ExtensionOid.authorityKeyIdentifier,
  ExtensionOid.keyUsage,
  ExtensionOid.subjectAltName,
  ExtensionOid.basicConstraints,
  ExtensionOid.nameConstraints,
  ExtensionOid.extKeyUsage,
  ExtensionOid.certificatePolicies,
  ExtensionOid.policyMappings,
  ExtensionOid.inhibitAnyPolicy,
])

const NO_NAMES: GeneralNames = new GeneralNamesBuilder('subjectAltName', 0).build()

function subjectAltNamesOf(value: Uint8Array): GeneralNames {
  const reader = readDer(value, Tag.sequence, 'subjectAltName').reader()
  const names = new GeneralNamesBuilder('subjectAltName', MOST_NAMES)
  while (!reader.isAtEnd) names.add(reader.any())
  const built = names.build()
  for (const { length } of built.ipAddresses) {
    if (length !== 4 && length !== 16) {
      throw refusal('ERR_X509_MALFORMED', `subjectAltName has an IP address of ${length} bytes`)
    }
  }
  return built
}
const MOST_NAMES = 1024

function basicConstraintsOf(value: Uint8Array): { isCa: boolean; pathLength: number | undefined } {
  const reader = readDer(value, Tag.sequence, 'basicConstraints').reader()
  const isCaValue = reader.optional(Tag.boolean)
  const isCa = isCaValue !== undefined && booleanOf(isCaValue, 'cA')
  const length = reader.optional(Tag.integer)
  reader.finish('basicConstraints')
  // A length beyond 2^31 is as good as none.
  return { isCa, pathLength: length && smallIntegerOf(length, 'pathLenConstraint') }
}

function extendedKeyUsageOf(value: Uint8Array): ReadonlySet<string> {
  const reader = readDer(value, Tag.sequence, 'extKeyUsage').reader()
  const purposes = new Set<string>()
  let count = 0
  do {
    if (++count > MOST_PURPOSES) {
      throw refusal('ERR_X509_TOO_LARGE', `extKeyUsage has more than ${MOST_PURPOSES} purposes`)
    }
    purposes.add(oidOf(reader.read(Tag.oid, 'a purpose of extKeyUsage'), 'a purpose of extKeyUsage'))
  } while (!reader.isAtEnd)
  return purposes
}
const MOST_PURPOSES = 64

/** The key identifier; issuer and serial number are not used to find issuers. */
function authorityKeyIdentifierOf(value: Uint8Array): string | undefined {
  const reader = readDer(value, Tag.sequence, 'authorityKeyIdentifier').reader()
  const keyIdentifier = reader.optional(contextTag(0, false))
  reader.optional(contextTag(1, true))
  reader.optional(contextTag(2, false))
  reader.finish('authorityKeyIdentifier')
  return keyIdentifier && hex(keyIdentifier.content)
}
