import { equalBytes } from '../../bytes/index.js'
import { type HashName, hash } from '../../crypto/index.js'
import {
  asArray,
  asBytes,
  asInteger,
  asMap,
  asTagged,
  type CborValue,
  type Cmw,
  decodeCbor,
  encodeCbor,
  type IdentityKey,
  MessageError,
  Tagged,
} from '../../rats/index.js'
import { appraiseReport } from '../appraise-platform.js'
import { checkChallenge, shortHex } from '../checks.js'
import { decodeQuote, type Quote } from '../dcap/quote.js'
import { type Finding, failed, passed, vectorOf } from '../finding.js'
import {
  type Appraisal,
  type AppraisalInputs,
  type EvidenceFormat,
  MalformedEvidence,
  type Platform,
} from '../format.js'
import { recordOf, wellFormed } from '../message.js'
import { sgxPlatform } from '../sgx/platform.js'
import { tdxPlatform } from '../tdx/platform.js'

/*
 * Interoperable RA-TLS (Confidential Computing Consortium, CCC-Attestation/interoperable-ra-tls): Evidence in a
 * certificate, for the key of that certificate.
 *
 *   60000([ quote, claims-buffer ])        quote's report data = SHA-256(claims-buffer) ‖ 0^32
 *   claims-buffer = { "pubkey-hash": << [ hash-alg-id, hash of the SubjectPublicKeyInfo ] >>, ? "nonce": bstr }
 */

/** CBOR tags of interoperable RA-TLS. The reports, unlike quotes, can be checked only on the machine they come from. */
export const RaTlsTag = { quote: 60000, report: 60001, sgxReport: 60002 } as const

/** The type that such Evidence has between the rooms. It is no type to negotiate: by a hash of the key Evidence can
 *  speak only for a key that comes in a certificate. */
export const RA_TLS_MEDIA_TYPE = 'application/vnd.attested-tls.ra-tls+cbor'
/** The same for a quote whose report data is SHA-256 of the SubjectPublicKeyInfo and 32 zeros, as Gramine made them
 *  before. */
export const GRAMINE_MEDIA_TYPE = 'application/vnd.attested-tls.ra-tls-gramine'

/** What the claims buffer says. */
export interface RaTlsClaims {
  readonly keyHash: { readonly hash: HashName; readonly value: Uint8Array }
  /** Undefined where the Evidence was made for nobody in particular. */
  readonly nonce: Uint8Array | undefined
}

/** The claims buffer for a key. @param spki SubjectPublicKeyInfo, DER */
export function encodeRaTlsClaims(spki: Uint8Array, nonce?: Uint8Array): Uint8Array {
  const claims = new Map<string, CborValue>([['pubkey-hash', encodeCbor([SHA_256, hash('sha256', spki)])]])
  if (nonce) claims.set('nonce', nonce)
  return encodeCbor(claims)
}

/** Reads a claims buffer. Its bytes are what is hashed, so nothing is asked of their form; claims of other names count
 *  for nothing, but are there in certificates that are in use. @throws CborError or MessageError */
export function decodeRaTlsClaims(buffer: Uint8Array): RaTlsClaims {
  const claims = asMap(decodeCbor(buffer, 'tolerant'), 'the claims buffer')
  const entry = asArray(decodeCbor(asBytes(claims.get('pubkey-hash'), 'pubkey-hash'), 'tolerant'), 'pubkey-hash')
  const name = HASHES.get(asInteger(entry[0], 'the hash algorithm of pubkey-hash', 0, 255))
  if (entry.length !== 2 || !name) {
    throw new MessageError('ERR_RATS_CLAIM', 'pubkey-hash is a hash algorithm out of 1, 7 and 8, and a hash')
  }
  const nonce = claims.get('nonce')
  return {
    keyHash: { hash: name, value: asBytes(entry[1], 'the hash of pubkey-hash') },
    nonce: nonce === undefined ? undefined : asBytes(nonce, 'nonce'),
  }
}

/** What stands in the extension. @param quote made for the report data SHA-256(claimsBuffer) ‖ 0^32 */
export function encodeRaTlsEvidence(quote: Uint8Array, claimsBuffer: Uint8Array): Uint8Array {
  return encodeCbor(new Tagged(RaTlsTag.quote, [quote, claimsBuffer]))
}

/** The report data of a quote that holds a digest of 32 bytes. */
export function raTlsReportData(bytes: Uint8Array): Uint8Array {
  const data = new Uint8Array(64)
  data.set(hash('sha256', bytes))
  return data
}

/** Interoperable RA-TLS Evidence with a quote of TDX or SGX. */
export const raTlsEvidence: EvidenceFormat = {
  ...base('interoperable RA-TLS Evidence', RA_TLS_MEDIA_TYPE),
  needs: message => needsOf(partsOf(message).quote),

  appraise(message, inputs) {
    const { quote, buffer, claims } = partsOf(message)
    const { nonce, keyHash } = claims
    const checks = [checkKeyHash(keyHash, inputs.key)]
    if (inputs.challenge || nonce) checks.push(checkChallenge(nonce ?? new Uint8Array(), inputs.challenge))
    return appraised(quote, inputs, checks, field => checkReportData(field, raTlsReportData(buffer), CLAIMS), nonce)
  },
}

/** A quote for the key alone, as Gramine made them before: there is no room for a challenge. */
export const gramineEvidence: EvidenceFormat = {
  ...base('RA-TLS quote of Gramine', GRAMINE_MEDIA_TYPE),
  needs: message => needsOf(quoteIn(message)),

  appraise(message, inputs) {
    const checks = inputs.challenge ? [checkChallenge(new Uint8Array(), inputs.challenge)] : []
    const { key } = inputs
    return appraised(quoteIn(message), inputs, checks, field =>
      checkReportData(field, key ? raTlsReportData(key.spki) : new Uint8Array(), KEY),
    )
  },
}

function base(name: string, mediaType: string) {
  const kinds = [tdxPlatform.kind, sgxPlatform.kind]
  return { name, kinds, mediaTypes: [mediaType], challengeLength: undefined, speaksForKey: false }
}

function appraised(
  quote: Quote,
  inputs: AppraisalInputs,
  own: readonly Finding[],
  checkField: (field: Uint8Array) => Finding,
  nonce?: Uint8Array,
): Appraisal {
  const { body } = quote
  const appraise = <Body extends Quote>(platform: Platform<Body>, report: Body) => {
    const found = appraiseReport(platform, report, inputs, field => [checkField(field)])
    const findings = [...own, ...found.findings]
    const isVouchedFor = found.isGenuine && findings.every(({ check }) => check.passed || !BINDING.has(check.name))
    return {
      checks: findings.map(({ check }) => check),
      environments: { [platform.kind]: { vector: vectorOf(findings), claims: found.environment.claims } },
      attestedKey: isVouchedFor ? (inputs.key?.spki ?? null) : null,
      challenge: isVouchedFor ? (nonce ?? null) : null,
      isSimulated: found.isSimulated,
    }
  }
  return body.type === 'SGX' ? appraise(sgxPlatform, { ...quote, body }) : appraise(tdxPlatform, { ...quote, body })
}
const BINDING: ReadonlySet<string> = new Set(['key-binding', 'kat-binding'])

function needsOf(quote: Quote) {
  const { body } = quote
  const needs = body.type === 'SGX' ? sgxPlatform.needs?.({ ...quote, body }) : tdxPlatform.needs?.({ ...quote, body })
  return needs ?? []
}

function partsOf(message: Cmw): { readonly quote: Quote; readonly buffer: Uint8Array; readonly claims: RaTlsClaims } {
  const { value } = recordOf(message, 'RA-TLS Evidence')
  return wellFormed(() => {
    const parts = asArray(asTagged(decodeCbor(value, 'tolerant'), 'RA-TLS Evidence', RaTlsTag.quote), 'RA-TLS Evidence')
    if (parts.length !== 2) throw new MalformedEvidence('RA-TLS Evidence is a quote and a claims buffer')
    const buffer = asBytes(parts[1], 'the claims buffer')
    return { quote: decodeQuote(asBytes(parts[0], 'the quote')), buffer, claims: decodeRaTlsClaims(buffer) }
  })
}

function quoteIn(message: Cmw): Quote {
  return wellFormed(() => decodeQuote(recordOf(message, 'a quote').value))
}

function checkKeyHash({ hash: name, value }: RaTlsClaims['keyHash'], key: IdentityKey | null): Finding {
  const subject = {
    name: 'key-binding',
    expected: key ? `${name} of the key ${shortHex(key.spki.subarray(-8))}` : 'a certificate, whose key it is for',
    actual: `${name} ${shortHex(value)}`,
    source: 'the key of this connection',
  }
  if (key && equalBytes(value, hash(name, key.spki))) return passed(subject)
  return failed(subject, OTHER_KEY, 'instance-identity')
}

function checkReportData(field: Uint8Array, wanted: Uint8Array, what: string): Finding {
  const expected = `report data = SHA-256 of ${what}`
  const subject = { name: 'kat-binding', expected, source: 'docs/binding.md' }
  if (equalBytes(field, wanted)) return passed({ ...subject, actual: expected })
  return failed({ ...subject, actual: `report data ${shortHex(field)}` }, OTHER_KEY, 'instance-identity')
}
const OTHER_KEY = 'the Evidence was made for another certificate: somebody put together what does not belong together'
const CLAIMS = 'the claims buffer'
const KEY = 'the key'

/** Named Information Hash Algorithm Registry. */
const HASHES: ReadonlyMap<number, HashName> = new Map([
  [1, 'sha256'],
  [7, 'sha384'],
  [8, 'sha512'],
])
const SHA_256 = 1
