import { hex } from '../bytes/index.js'
import { hash, PublicKey } from '../crypto/index.js'
import { type CertificateError, refusal } from './certificate-error.js'
import { contextTag, type DerReader, integerOf, octetsOf, readDer, smallIntegerOf, Tag, timeOf } from './der.js'
import { type Extension, type ExtensionValues, extensionsIn, valuesOf } from './extensions.js'
import type { GeneralNames } from './general-name.js'
import { type Name, readName } from './name.js'
import type { NameConstraints } from './name-constraints.js'
import { isSameIdentifier, readSignatureIdentifier, type SignatureIdentifier } from './signature-algorithm.js'

/** A certificate (RFC 5280 §4.1), read but not yet checked: it says what it says. */
export class Certificate {
  /** Our own copy: it stays as it is. The byte strings below are views of it. */
  readonly der: Uint8Array
  /** 1, 2 or 3. */
  readonly version: number
  /** Content of the INTEGER. */
  readonly serialNumber: Uint8Array
  readonly issuer: Name
  readonly subject: Name
  /** ms since 1970, the first and the last moment. */
  readonly notBefore: number
  readonly notAfter: number
  /** SubjectPublicKeyInfo. */
  readonly spki: Uint8Array
  /** By OID in dots. */
  readonly extensions: ReadonlyMap<string, Extension>
  /** What the issuer signed. */
  readonly toBeSigned: Uint8Array
  readonly signatureIdentifier: SignatureIdentifier
  readonly signature: Uint8Array
  readonly #values: ExtensionValues
  #publicKey: PublicKey | CertificateError | undefined
  #spkiKey: string | undefined
  #fingerprint: string | undefined

  constructor(fields: CertificateFields) {
    this.der = fields.der
    this.version = fields.version
    this.serialNumber = fields.serialNumber
    this.issuer = fields.issuer
    this.subject = fields.subject
    this.notBefore = fields.notBefore
    this.notAfter = fields.notAfter
    this.spki = fields.spki
    this.extensions = fields.extensions
    this.toBeSigned = fields.toBeSigned
    this.signatureIdentifier = fields.signatureIdentifier
    this.signature = fields.signature
    this.#values = valuesOf(fields.extensions)
  }

  /** The subject's key. @throws CertificateError if it is of a kind that we do not know */
  get publicKey(): PublicKey {
    this.#publicKey ??= publicKeyOf(this.spki)
    if (this.#publicKey instanceof PublicKey) return this.#publicKey
    throw this.#publicKey
  }

  /** subjectAltName (RFC 5280 §4.2.1.6); without the extension there are none. */
  get subjectAltNames(): GeneralNames {
    return this.#values.subjectAltNames
  }

  /** basicConstraints (RFC 5280 §4.2.1.9); undefined without the extension. */
  get basicConstraints(): { readonly isCa: boolean; readonly pathLength: number | undefined } | undefined {
    return this.#values.basicConstraints
  }

  /** keyUsage (RFC 5280 §4.2.1.3): a sum of KeyUsage; undefined without the extension. */
  get keyUsage(): number | undefined {
    return this.#values.keyUsage
  }

  /** extKeyUsage (RFC 5280 §4.2.1.12): OIDs in dots; undefined without the extension. */
  get extendedKeyUsage(): ReadonlySet<string> | undefined {
    return this.#values.extendedKeyUsage
  }

  /** nameConstraints (RFC 5280 §4.2.1.10); undefined without the extension. */
  get nameConstraints(): NameConstraints | undefined {
    return this.#values.nameConstraints
  }

  /** RFC 5280 §4.2.1.2, in hex. */
  get subjectKeyIdentifier(): string | undefined {
    return this.#values.subjectKeyIdentifier
  }

  /** The keyIdentifier of RFC 5280 §4.2.1.1, in hex. */
  get authorityKeyIdentifier(): string | undefined {
    return this.#values.authorityKeyIdentifier
  }

  /** OIDs of the critical extensions that this room does not process. */
  get unknownCriticalExtensions(): readonly string[] {
    return this.#values.unknownCritical
  }

  /** Whether issuer and subject are the same name (RFC 5280 §3.2). */
  get isSelfIssued(): boolean {
    return this.subject.equals(this.issuer)
  }

  /** SHA-256 of the certificate, lower-case hex. */
  get fingerprint(): string {
    this.#fingerprint ??= hex(hash('sha256', this.der))
    return this.#fingerprint
  }

  /** Equal for certificates of one subject with one key: what makes a trust anchor (RFC 5280 §6.1.1). */
  get identity(): string {
    this.#spkiKey ??= `${hex(hash('sha256', this.spki))} ${this.subject.key}`
    return this.#spkiKey
  }
}

/** What a Certificate is made of. */
export interface CertificateFields {
  readonly der: Uint8Array
  readonly version: number
  readonly serialNumber: Uint8Array
  readonly issuer: Name
  readonly subject: Name
  readonly notBefore: number
  readonly notAfter: number
  readonly spki: Uint8Array
  readonly extensions: ReadonlyMap<string, Extension>
  readonly toBeSigned: Uint8Array
  readonly signatureIdentifier: SignatureIdentifier
  readonly signature: Uint8Array
}

function publicKeyOf(spki: Uint8Array): PublicKey | CertificateError {
  try {
    return PublicKey.fromSpki(spki)
  } catch (cause) {
    return refusal('ERR_X509_KEY', 'the key of the certificate is of a kind that is not known, or malformed', cause)
  }
}

/** Reads a certificate. It must be one in strict DER, of at most 64 KiB.
 *  @param der copied   @throws CertificateError */
export function readCertificate(der: Uint8Array): Certificate {
  if (der.length > MOST_BYTES) {
    throw refusal('ERR_X509_TOO_LARGE', `a certificate of ${der.length} bytes came, where ${MOST_BYTES} are the most`)
  }
  const bytes = new Uint8Array(der)
  const outer = readDer(bytes, Tag.sequence, 'the certificate').reader()
  const tbs = outer.read(Tag.sequence, 'tbsCertificate')
  const signatureIdentifier = readSignatureIdentifier(outer, 'signatureAlgorithm')
  const signature = octetsOf(outer.read(Tag.bitString, 'the signature'), 'the signature')
  outer.finish('the certificate')

  const reader = tbs.reader()
  const version = readVersion(reader)
  const serialNumber = integerOf(reader.read(Tag.integer, 'the serial number'), 'the serial number')
  if (serialNumber.length > MOST_SERIAL_BYTES) {
    throw refusal('ERR_X509_MALFORMED', `the serial number has ${serialNumber.length} bytes instead of 20 at most`)
  }
  const inner = readSignatureIdentifier(reader, 'the signature algorithm in tbsCertificate')
  if (!isSameIdentifier(inner, signatureIdentifier)) {
    throw refusal('ERR_X509_MALFORMED', 'the certificate names two different signature algorithms')
  }
  const issuer = readName(reader, 'the issuer')
  const validity = reader.read(Tag.sequence, 'the validity').reader()
  const notBefore = timeOf(validity.any(), 'notBefore')
  const notAfter = timeOf(validity.any(), 'notAfter')
  validity.finish('the validity')
  const subject = readName(reader, 'the subject')
  const spki = reader.read(Tag.sequence, 'subjectPublicKeyInfo').encoding
  for (const tag of UNIQUE_IDENTIFIERS) {
    if (reader.optional(tag) && version === 1) {
      throw refusal('ERR_X509_MALFORMED', 'a certificate of version 1 has unique identifiers')
    }
  }
  const explicit = reader.optional(contextTag(3, true))
  reader.finish('tbsCertificate')
  if (explicit && version !== 3) {
    throw refusal('ERR_X509_MALFORMED', `a certificate of version ${version} has extensions`)
  }
  const extensions = explicit ? extensionsIn(explicit, 'the certificate') : NO_EXTENSIONS
  return new Certificate({
    der: bytes,
    version,
    serialNumber,
    issuer,
    subject,
    notBefore,
    notAfter,
    spki,
    extensions,
    toBeSigned: tbs.encoding,
    signatureIdentifier,
    signature,
  })
}
const MOST_BYTES = 65_536
/** RFC 5280 §4.1.2.2 has 20, which some count without the zero that keeps the number positive. */
const MOST_SERIAL_BYTES = 21
const UNIQUE_IDENTIFIERS = [contextTag(1, false), contextTag(2, false)]
const NO_EXTENSIONS: ReadonlyMap<string, Extension> = new Map()

function readVersion(reader: DerReader): number {
  const explicit = reader.optional(contextTag(0, true))
  if (!explicit) return 1
  const inner = explicit.reader()
  const version = smallIntegerOf(inner.read(Tag.integer, 'the version'), 'the version')
  inner.finish('the version')
  if (version !== 1 && version !== 2) {
    throw refusal('ERR_X509_MALFORMED', 'the version of the certificate is none of 1, 2 and 3')
  }
  return version + 1
}
