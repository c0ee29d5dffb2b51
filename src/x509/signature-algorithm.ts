import { equalBytes } from '../bytes/index.js'
import { type HashName, type KeyKind, type SignatureAlgorithm, SignatureScheme } from '../crypto/index.js'
import { contextTag, type DerReader, type DerValue, oidOf, smallIntegerOf, Tag } from './der.js'

/** An AlgorithmIdentifier of a signature. */
export interface SignatureIdentifier {
  /** OID in dots. */
  readonly oid: string
  readonly der: Uint8Array
  /** undefined: none that we can check. */
  readonly algorithm: SignatureAlgorithm | undefined
}

/** Reads an AlgorithmIdentifier (RFC 5280 §4.1.1.2). */
export function readSignatureIdentifier(reader: DerReader, what: string): SignatureIdentifier {
  const value = reader.read(Tag.sequence, what)
  const inner = value.reader()
  const oid = oidOf(inner.read(Tag.oid, what), what)
  const parameters = inner.isAtEnd ? undefined : inner.any()
  inner.finish(what)
  return { oid, der: value.encoding, algorithm: algorithmOf(oid, parameters) }
}

function algorithmOf(oid: string, parameters: DerValue | undefined): SignatureAlgorithm | undefined {
  if (oid === RSASSA_PSS) return parameters && pssOf(parameters)
  const row = ALGORITHMS.get(oid)
  if (!row) return undefined
  // RFC 8017 §A.2.4 wants NULL; RFC 4055 §5 has implementations accept its absence. The others have none (RFC 5758 §3.2,
  // RFC 8410 §3).
  const isFit = parameters === undefined || (row.kind === 'rsa-pkcs1' && isNull(parameters))
  return isFit ? row : undefined
}

function isNull(value: DerValue): boolean {
  return value.tag === Tag.null && value.length === 0
}

/** RSASSA-PSS-params (RFC 4055 §3.1): one hash for message and mask, and a salt as long as it, as in TLS 1.3. */
function pssOf(parameters: DerValue): SignatureAlgorithm | undefined {
  if (parameters.tag !== Tag.sequence) return undefined
  const reader = parameters.reader()
  const hash = reader.optional(contextTag(0, true))
  const mask = reader.optional(contextTag(1, true))
  const salt = reader.optional(contextTag(2, true))
  const trailer = reader.optional(contextTag(3, true))
  reader.finish('the parameters of RSASSA-PSS')
  if (!hash || !mask || !salt) return undefined
  if (trailer && integerIn(trailer) !== 1) return undefined
  const name = hashIn(hash.reader())
  const maskReader = mask.reader()
  const maskSequence = maskReader.read(Tag.sequence, 'the mask generation of RSASSA-PSS').reader()
  maskReader.finish('the mask generation of RSASSA-PSS')
  const generation = oidOf(maskSequence.read(Tag.oid, 'the mask generation of RSASSA-PSS'), 'the mask generation')
  if (generation !== MGF1) return undefined
  const maskName = hashIn(maskSequence)
  if (name === undefined || name !== maskName || integerIn(salt) !== SALT_LENGTHS[name]) return undefined
  return { kind: 'rsa-pss', hash: name }
}

function hashIn(reader: DerReader): HashName | undefined {
  const what = 'a hash of RSASSA-PSS'
  const inner = reader.read(Tag.sequence, what).reader()
  reader.finish(what)
  const name = HASHES.get(oidOf(inner.read(Tag.oid, what), what))
  if (inner.isAtEnd) return name
  const parameters = inner.any()
  inner.finish(what)
  return isNull(parameters) ? name : undefined
}

function integerIn(value: DerValue): number | undefined {
  const what = 'a number of RSASSA-PSS'
  const reader = value.reader()
  const number = smallIntegerOf(reader.read(Tag.integer, what), what)
  reader.finish(what)
  return number
}

const RSASSA_PSS = '1.2.840.113549.1.1.10'
const MGF1 = '1.2.840.113549.1.1.8'
const SALT_LENGTHS: Readonly<Record<HashName, number>> = { sha256: 32, sha384: 48, sha512: 64 }
const HASHES: ReadonlyMap<string, HashName> = new Map([
  ['2.16.840.1.101.3.4.2.1', 'sha256'],
  ['2.16.840.1.101.3.4.2.2', 'sha384'],
  ['2.16.840.1.101.3.4.2.3', 'sha512'],
])

const ALGORITHMS: ReadonlyMap<string, SignatureAlgorithm> = new Map<string, SignatureAlgorithm>([
  ['1.2.840.10045.4.1', { kind: 'ecdsa', hash: 'sha1', encoding: 'der' }],
  ['1.2.840.10045.4.3.2', { kind: 'ecdsa', hash: 'sha256', encoding: 'der' }],
  ['1.2.840.10045.4.3.3', { kind: 'ecdsa', hash: 'sha384', encoding: 'der' }],
  ['1.2.840.10045.4.3.4', { kind: 'ecdsa', hash: 'sha512', encoding: 'der' }],
  ['1.2.840.113549.1.1.5', { kind: 'rsa-pkcs1', hash: 'sha1' }],
  ['1.2.840.113549.1.1.11', { kind: 'rsa-pkcs1', hash: 'sha256' }],
  ['1.2.840.113549.1.1.12', { kind: 'rsa-pkcs1', hash: 'sha384' }],
  ['1.2.840.113549.1.1.13', { kind: 'rsa-pkcs1', hash: 'sha512' }],
  ['1.3.101.112', { kind: 'eddsa' }],
  ['1.3.101.113', { kind: 'eddsa' }],
])

/** Whether two identifiers say the same, byte for byte (RFC 5280 §4.1.1.2). */
export function isSameIdentifier(a: SignatureIdentifier, b: SignatureIdentifier): boolean {
  return equalBytes(a.der, b.der)
}

/** The SignatureScheme that stands for a signature with a key of this kind; undefined if the two do not fit. For ECDSA
 *  the hash decides: certificates are signed with P-384 and SHA-256 too, which has no code point of its own. */
export function schemeOf({ oid, algorithm }: SignatureIdentifier, key: KeyKind): number | undefined {
  switch (algorithm?.kind) {
    case 'ecdsa':
      return key === 'p256' || key === 'p384' || key === 'p521' ? ECDSA_SCHEMES[algorithm.hash] : undefined
    case 'rsa-pkcs1':
      return key === 'rsa' ? PKCS1_SCHEMES[algorithm.hash] : undefined
    case 'rsa-pss':
      if (key === 'rsa') return RSAE_SCHEMES[algorithm.hash]
      return key === 'rsa-pss' ? PSS_SCHEMES[algorithm.hash] : undefined
    case 'eddsa':
      if (key === 'ed25519' && oid === '1.3.101.112') return SignatureScheme.ed25519
      return key === 'ed448' && oid === '1.3.101.113' ? SignatureScheme.ed448 : undefined
    default:
      return undefined
  }
}

/** SHA-1 (RFC 8446 §4.2.3: ecdsa_sha1 0x0203, rsa_pkcs1_sha1 0x0201) is for callers that name these code points. */
const ECDSA_SCHEMES: Readonly<Record<HashName | 'sha1', number>> = {
  sha1: 0x0203,
  sha256: SignatureScheme.ecdsa_secp256r1_sha256,
  sha384: SignatureScheme.ecdsa_secp384r1_sha384,
  sha512: SignatureScheme.ecdsa_secp521r1_sha512,
}
const PKCS1_SCHEMES: Readonly<Record<HashName | 'sha1', number>> = {
  sha1: 0x0201,
  sha256: SignatureScheme.rsa_pkcs1_sha256,
  sha384: SignatureScheme.rsa_pkcs1_sha384,
  sha512: SignatureScheme.rsa_pkcs1_sha512,
}
const RSAE_SCHEMES: Readonly<Record<HashName, number>> = {
  sha256: SignatureScheme.rsa_pss_rsae_sha256,
  sha384: SignatureScheme.rsa_pss_rsae_sha384,
  sha512: SignatureScheme.rsa_pss_rsae_sha512,
}
const PSS_SCHEMES: Readonly<Record<HashName, number>> = {
  sha256: SignatureScheme.rsa_pss_pss_sha256,
  sha384: SignatureScheme.rsa_pss_pss_sha384,
  sha512: SignatureScheme.rsa_pss_pss_sha512,
}
