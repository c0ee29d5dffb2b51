import { hex } from '../bytes/index.js'
import type { Certificate } from './certificate.js'
import { refusal } from './certificate-error.js'
import {
  booleanOf,
  contextTag,
  type DerReader,
  integerOf,
  octetsOf,
  readDer,
  smallIntegerOf,
  Tag,
  timeOf,
} from './der.js'
import { type Extension, ExtensionOid, extensionsIn, KeyUsage, readExtensions } from './extensions.js'
import { describeName, type Name, readName } from './name.js'
import { checkSignature } from './signature.js'
import { isSameIdentifier, readSignatureIdentifier, type SignatureIdentifier } from './signature-algorithm.js'

/** A certificate revocation list (RFC 5280 §5): complete for its issuer, not indirect and not a delta. */
export class Crl {
  readonly der: Uint8Array
  readonly issuer: Name
  /** ms since 1970. */
  readonly thisUpdate: number
  /** ms since 1970; undefined: it does not say, and so is never out of date. */
  readonly nextUpdate: number | undefined
  readonly extensions: ReadonlyMap<string, Extension>
  /** What kind of certificates it is about (RFC 5280 §5.2.5). */
  readonly scope: 'all' | 'user' | 'ca'
  readonly toBeSigned: Uint8Array
  readonly signatureIdentifier: SignatureIdentifier
  readonly signature: Uint8Array
  readonly #revoked: ReadonlySet<string>

  constructor(fields: CrlFields) {
    this.der = fields.der
    this.issuer = fields.issuer
    this.thisUpdate = fields.thisUpdate
    this.nextUpdate = fields.nextUpdate
    this.extensions = fields.extensions
    this.scope = fields.scope
    this.toBeSigned = fields.toBeSigned
    this.signatureIdentifier = fields.signatureIdentifier
    this.signature = fields.signature
    this.#revoked = fields.revoked
  }

  /** How many certificates are revoked. */
  get size(): number {
    return this.#revoked.size
  }

  /** Whether its issuer has revoked the certificate with this number. It says nothing about other issuers' ones.
   *  @param serialNumber content of the INTEGER */
  isRevoked(serialNumber: Uint8Array): boolean {
    return this.#revoked.has(hex(serialNumber))
  }

  /** Checks that the list comes from this issuer and is in force.
   *  @param at ms since 1970   @param signatureSchemes SignatureScheme code points; undefined: a current list
   *  @throws CertificateError */
  check(issuer: Certificate, at: number, signatureSchemes?: readonly number[]): void {
    const what = `the CRL of ${describeName(this.issuer)}`
    if (!this.issuer.equals(issuer.subject)) {
      throw refusal(
        'ERR_X509_REVOCATION_UNKNOWN',
        `${what} came where one of ${describeName(issuer.subject)} is needed`,
      )
    }
    if (at < this.thisUpdate) {
      throw refusal('ERR_X509_REVOCATION_UNKNOWN', `${what} is from ${dateOf(this.thisUpdate)}, after ${dateOf(at)}`)
    }
    if (this.nextUpdate !== undefined && at > this.nextUpdate) {
      throw refusal('ERR_X509_REVOCATION_UNKNOWN', `${what} was to be replaced by ${dateOf(this.nextUpdate)}`)
    }
    if (issuer.keyUsage !== undefined && (issuer.keyUsage & KeyUsage.cRLSign) === 0) {
      throw refusal('ERR_X509_KEY_USAGE', `the keyUsage of ${describeName(issuer.subject)} does not have cRLSign`)
    }
    checkSignature(this, issuer, what, signatureSchemes)
  }
}

/** What a Crl is made of. */
export interface CrlFields {
  readonly der: Uint8Array
  readonly issuer: Name
  readonly thisUpdate: number
  readonly nextUpdate: number | undefined
  readonly extensions: ReadonlyMap<string, Extension>
  readonly scope: 'all' | 'user' | 'ca'
  readonly toBeSigned: Uint8Array
  readonly signatureIdentifier: SignatureIdentifier
  readonly signature: Uint8Array
  readonly revoked: ReadonlySet<string>
}

function dateOf(ms: number): string {
  return Number.isFinite(ms) && Math.abs(ms) <= 8.64e15 ? new Date(ms).toISOString() : String(ms)
}

/** Reads a CRL: strict DER, at most 8 MiB. Its signature and dates are checked by `check` and `checkChain`.
 *  @param der copied   @throws CertificateError */
export function parseCrl(der: Uint8Array): Crl {
  if (der.length > MOST_BYTES) {
    throw refusal('ERR_X509_TOO_LARGE', `a CRL of ${der.length} bytes came, where ${MOST_BYTES} are the most`)
  }
  const bytes = Uint8Array.from(der)
  const outer = readDer(bytes, Tag.sequence, 'the CRL').reader()
  const tbs = outer.read(Tag.sequence, 'tbsCertList')
  const signatureIdentifier = readSignatureIdentifier(outer, 'signatureAlgorithm')
  const signature = octetsOf(outer.read(Tag.bitString, 'the signature'), 'the signature')
  outer.finish('the CRL')

  const reader = tbs.reader()
  const versionValue = reader.optional(Tag.integer)
  if (versionValue && smallIntegerOf(versionValue, 'the version') !== 1) {
    throw refusal('ERR_X509_MALFORMED', 'the version of the CRL is neither 1 nor 2')
  }
  const inner = readSignatureIdentifier(reader, 'the signature algorithm in tbsCertList')
  if (!isSameIdentifier(inner, signatureIdentifier)) {
    throw refusal('ERR_X509_MALFORMED', 'the CRL names two different signature algorithms')
  }
  const issuer = readName(reader, 'the issuer')
  const thisUpdate = timeOf(reader.any(), 'thisUpdate')
  const hasNextUpdate = reader.nextTag === Tag.utcTime || reader.nextTag === Tag.generalizedTime
  const nextUpdate = hasNextUpdate ? timeOf(reader.any(), 'nextUpdate') : undefined
  const list = reader.optional(Tag.sequence)
  const revoked = list ? readRevoked(list.reader(), versionValue !== undefined) : new Set<string>()
  const explicit = reader.optional(contextTag(0, true))
  reader.finish('tbsCertList')
  if (explicit && !versionValue) throw refusal('ERR_X509_MALFORMED', 'a CRL of version 1 has extensions')
  const extensions = explicit ? extensionsIn(explicit, 'the CRL') : new Map<string, Extension>()
  const scope = scopeOf(extensions)
  const toBeSigned = tbs.encoding
  return new Crl({
    der: bytes,
    issuer,
    thisUpdate,
    nextUpdate,
    extensions,
    scope,
    toBeSigned,
    signatureIdentifier,
    signature,
    revoked,
  })
}
const MOST_BYTES = 8 * 1024 * 1024

function readRevoked(list: DerReader, mayHaveExtensions: boolean): Set<string> {
  const revoked = new Set<string>()
  while (!list.isAtEnd) {
    const entry = list.read(Tag.sequence, 'an entry of the CRL').reader()
    const serialNumber = integerOf(entry.read(Tag.integer, 'a serial number of the CRL'), 'a serial number of the CRL')
    timeOf(entry.any(), 'a revocation date')
    if (!entry.isAtEnd && mayHaveExtensions) {
      for (const { oid, isCritical } of readExtensions(entry, 'an entry of the CRL').values()) {
        // RFC 5280 §5.3: a CRL with a critical entry extension that is not known must not be used. One of them,
        // certificateIssuer, would make the number that of another issuer's certificate.
        if (isCritical && oid !== ExtensionOid.reasonCode) {
          throw refusal('ERR_X509_CRITICAL_EXTENSION', `an entry of the CRL has the unknown critical extension ${oid}`)
        }
      }
    }
    entry.finish('an entry of the CRL')
    revoked.add(hex(serialNumber))
  }
  return revoked
}

function scopeOf(extensions: ReadonlyMap<string, Extension>): 'all' | 'user' | 'ca' {
  for (const { oid, isCritical } of extensions.values()) {
    if (isCritical && !PROCESSED.has(oid)) {
      throw refusal('ERR_X509_CRITICAL_EXTENSION', `the CRL has the critical extension ${oid}, which is not known`)
    }
  }
  const point = extensions.get(ExtensionOid.issuingDistributionPoint)
  if (!point) return 'all'
  const reader = readDer(point.value, Tag.sequence, 'issuingDistributionPoint').reader()
  reader.optional(contextTag(0, true))
  const flag = (number: number) => {
    const value = reader.optional(contextTag(number, false))
    return value !== undefined && booleanOf(value, 'a flag of issuingDistributionPoint')
  }
  const isUser = flag(1)
  const isCa = flag(2)
  const hasSomeReasons = reader.optional(contextTag(3, false)) !== undefined
  const isIndirect = flag(4)
  const isAttribute = flag(5)
  reader.finish('issuingDistributionPoint')
  if (hasSomeReasons || isIndirect || isAttribute || (isUser && isCa)) {
    throw refusal('ERR_X509_CRITICAL_EXTENSION', 'the CRL is indirect, or about attributes or some reasons only')
  }
  return isUser ? 'user' : isCa ? 'ca' : 'all'
}

const PROCESSED: ReadonlySet<string> = new Set([
  ExtensionOid.authorityKeyIdentifier,
  ExtensionOid.cRLNumber,
  ExtensionOid.issuingDistributionPoint,
])
