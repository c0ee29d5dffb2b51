import { equalBytes, utf8 } from '../bytes/index.js'
import type { PublicKey } from '../crypto/index.js'
import {
  isBetterThan,
  tierNumbers,
  tierOfName,
  tierOfNumber,
  tierOfVector,
  trustworthinessClaims,
  worstTier,
} from './ar4si.js'
import { fromAnyBase64, toBase64url } from './base64url.js'
import { type CborMap, type CborValue, decodeCbor, encodeCbor } from './cbor.js'
import { checkSign1, decodeSign1, makeSign1 } from './cose.js'
import type { EatEncoding } from './eat.js'
import { decodeJson, encodeJson } from './json.js'
import { checkJws, decodeJws, makeJws } from './jws.js'
import { MessageError } from './message-error.js'
import type { MessageSigner } from './message-signer.js'
import type { Tier, TrustworthinessVector } from './roles.js'
import { asArray, asBytes, asInteger, asMap, asText } from './value.js'

/** An EAT Attestation Result (draft-ietf-rats-ear-04 §3), whichever dialect and encoding it is in. */
export interface Ear {
  /** One of `earProfiles`. */
  readonly profile: string
  /** Seconds since 1970, as are the two below. */
  readonly issuedAt: number
  readonly notBefore?: number
  readonly expiresAt?: number
  readonly verifier: { readonly developer: string; readonly build: string }
  /** The verdict on the whole, where one is given. */
  readonly status?: Tier
  /** What makes the result fresh: 8 to 64 bytes. */
  readonly nonce?: Uint8Array
  readonly rawEvidence?: Uint8Array
  /** At least one. */
  readonly submodules: ReadonlyMap<string, EarAppraisal>
}

/** The verdict on one attested environment (draft-ietf-rats-ear-04 §3.2). */
export interface EarAppraisal {
  readonly status: Tier
  /** Absent where the Verifier was told to leave it out. */
  readonly vector?: TrustworthinessVector
  readonly policyIds: readonly string[]
  /** The nonce that was found in the Evidence. */
  readonly evidenceNonce?: Uint8Array
  /** SubjectPublicKeyInfo (DER) of the key that the Evidence speaks for. */
  readonly attestedKey?: Uint8Array
  /** Claims taken from the Evidence. */
  readonly attesterClaims?: CborMap
  /** Claims that the Verifier added. */
  readonly verifierClaims?: CborMap
}

/** A JWT or a CWT. */
export type EarForm = 'jwt' | 'cwt'

/** The profile that is written unless another is asked for: draft-ietf-rats-ear-04. */
export const LATEST_EAR_PROFILE = 'tag:ietf.org,2026:rats/ear#04'

/** Every profile that is read. In JSON they fall into two dialects, which differ in the names of claims; in CBOR
 *  nothing but the type of the policy id differs. */
export const earProfiles: readonly string[] = [
  LATEST_EAR_PROFILE,
  'tag:ietf.org,2026:rats/ear#03',
  'tag:ietf.org,2025-07:ear',
  'tag:github.com,2023:veraison/ear',
  'tag:github.com,2024:confidential-containers/Trustee',
]

/** What an EAR is checked against. */
export interface EarCheck {
  /** The Verifier's key, from configuration. What the token itself says about keys counts for nothing. */
  readonly key: PublicKey
  /** Milliseconds since 1970. */
  readonly at: number
  /** How far the Verifier's clock may be off; 60 unless said otherwise. */
  readonly clockSkewSeconds?: number
  /** The age from which a result is too old, whatever it says about its own end; absent, there is none. */
  readonly maxAgeSeconds?: number
  /** The nonce that the result has to hold; absent, any will do. */
  readonly nonce?: Uint8Array
  /** JOSE names of the algorithms that will do; absent, every one that is known here. */
  readonly algorithms?: readonly string[]
}

/** Checks an EAR: form, signature, consistency, time, nonce.
 *  @param token a JWT (compact or flattened) or a CWT (tagged or not): the first byte tells which
 *  @throws MessageError; TypeError if `at` is no time */
export async function checkEar(token: Uint8Array | string, check: EarCheck): Promise<Ear> {
  const ear = await signedEar(typeof token === 'string' ? utf8(token) : token, check)
  checkTime(ear, check)
  if (check.nonce && !(ear.nonce && equalBytes(ear.nonce, check.nonce))) {
    throw new MessageError('ERR_RATS_NONCE', 'the nonce of the result is not the one that was asked with')
  }
  return ear
}

/** Reads the claims set of an EAR whose signature was checked, and checks that it does not contradict itself.
 *  @throws MessageError */
export function readEar(claims: CborMap, encoding: EatEncoding): Ear {
  const profile = asText(claims.get(encoding === 'cbor' ? Key.profile : 'eat_profile'), 'the eat_profile claim')
  if (!earProfiles.includes(profile))
    throw new MessageError('ERR_RATS_PROFILE', 'the profile is none of an EAR known here')
  const get = reader(claims, profile, encoding)
  const status = get('status')
  const notBefore = get('notBefore')
  const expiresAt = get('expiresAt')
  const nonce = get('nonce')
  const rawEvidence = get('rawEvidence')
  const ear: Ear = {
    profile,
    issuedAt: asInteger(get('issuedAt'), 'the iat claim', 0),
    ...(notBefore !== undefined && { notBefore: asInteger(notBefore, 'the nbf claim', 0) }),
    ...(expiresAt !== undefined && { expiresAt: asInteger(expiresAt, 'the exp claim', 0) }),
    verifier: verifierOf(asMap(get('verifier'), 'the ear_verifier_id claim'), encoding),
    ...(status !== undefined && { status: tier(status) }),
    ...(nonce !== undefined && { nonce: nonceOf(nonce, encoding) }),
    ...(rawEvidence !== undefined && { rawEvidence: binary(rawEvidence, 'the ear_raw_evidence claim', encoding) }),
    submodules: submodulesOf(asMap(get('submodules'), 'the submods claim'), profile, encoding),
  }
  if (ear.expiresAt !== undefined && ear.expiresAt < ear.issuedAt) {
    throw new MessageError('ERR_RATS_INCONSISTENT', 'the result expires before it was issued')
  }
  checkConsistency(ear)
  return ear
}

/** Makes a signed EAR.
 *  @throws TypeError if it contradicts itself, or its dialect cannot say it; as `encodeJson` does for claims that JSON
 *    cannot say */
export async function makeEar(
  ear: Ear,
  signer: MessageSigner,
  form: EarForm,
  signal?: AbortSignal,
): Promise<Uint8Array> {
  const encoding = form === 'jwt' ? 'json' : 'cbor'
  const claims = claimsOf(ear, encoding)
  try {
    readEar(claims, encoding)
  } catch (error) {
    throw error instanceof MessageError ? new TypeError(error.message, { cause: error }) : error
  }
  if (encoding === 'cbor') return makeSign1(encodeCbor(claims), signer, { ...(signal && { signal }) })
  return utf8(await makeJws(utf8(encodeJson(claims)), signer, new Map([['typ', 'JWT']]), signal))
}

/** The media type of an EAR, in canonical spelling. */
export function earMediaType(form: EarForm, profile: string = LATEST_EAR_PROFILE): string {
  return `application/eat+${form}; eat_profile="${profile}"`
}

/** Claims by what they are here: CBOR key, name in draft-ietf-rats-ear-03 and later, name in the dialect before. */
const NAMES = {
  issuedAt: [6, 'iat', 'iat'],
  notBefore: [5, 'nbf', 'nbf'],
  expiresAt: [4, 'exp', 'exp'],
  profile: [265, 'eat_profile', 'eat_profile'],
  nonce: [10, 'eat_nonce', 'eat_nonce'],
  submodules: [266, 'submods', 'submods'],
  status: [1000, 'ear_status', 'ear.status'],
  vector: [1001, 'ear_trustworthiness_vector', 'ear.trustworthiness-vector'],
  rawEvidence: [1002, 'ear_raw_evidence', 'ear.raw-evidence'],
  policyIds: [1003, 'ear_appraisal_policy_ids', 'ear.appraisal-policy-id'],
  verifier: [1004, 'ear_verifier_id', 'ear.verifier-id'],
  attesterClaims: [1005, 'ear_attester_claims', 'ear.veraison.annotated-evidence'],
  verifierClaims: [1006, 'ear_verifier_claims', 'ear.veraison.policy-claims'],
  attestedKey: [-70002, 'ear_veraison_key_attestation', 'ear.veraison.key-attestation'],
} as const
const Key = { profile: 265 } as const

type ClaimName = keyof typeof NAMES

/** Where a claim stands in a dialect. */
function labelOf(name: ClaimName, profile: string, encoding: EatEncoding): number | string {
  const [key, current, former] = NAMES[name]
  return encoding === 'cbor' ? key : isCurrent(profile) ? current : former
}

/** Whether the profile is of draft-ietf-rats-ear-03 or later: underscores in names, several policies. */
function isCurrent(profile: string): boolean {
  return profile.startsWith('tag:ietf.org,2026:rats/ear#')
}

function reader(claims: CborMap, profile: string, encoding: EatEncoding): (name: ClaimName) => CborValue | undefined {
  return name => claims.get(labelOf(name, profile, encoding))
}

async function signedEar(token: Uint8Array, { key, algorithms }: EarCheck): Promise<Ear> {
  if ((token[0] ?? 0) >= 0x80) {
    const message = decodeSign1(token)
    checkSign1(message, key, { ...(algorithms && { algorithms }) })
    return readEar(asMap(decodeCbor(message.payload, 'tolerant'), 'the claims set'), 'cbor')
  }
  const message = decodeJws(token)
  await checkJws(message, key, algorithms)
  return readEar(asMap(decodeJson(message.payload), 'the claims set'), 'json')
}

function checkTime(ear: Ear, { at, clockSkewSeconds = 60, maxAgeSeconds }: EarCheck): void {
  // Nothing is before or after a time that is no number, so everything would hold.
  if (!Number.isFinite(at)) throw new TypeError('the time to check at has to be a number')
  const now = at / 1000
  if (ear.issuedAt > now + clockSkewSeconds) {
    throw new MessageError('ERR_RATS_EXPIRED', 'the result was issued in the future: one of the clocks is wrong')
  }
  if (ear.notBefore !== undefined && ear.notBefore > now + clockSkewSeconds) {
    throw new MessageError('ERR_RATS_EXPIRED', 'the result does not hold yet')
  }
  if (ear.expiresAt !== undefined && ear.expiresAt <= now - clockSkewSeconds) {
    throw new MessageError('ERR_RATS_EXPIRED', 'the result has expired')
  }
  if (maxAgeSeconds !== undefined && ear.issuedAt + maxAgeSeconds <= now - clockSkewSeconds) {
    throw new MessageError('ERR_RATS_EXPIRED', `the result is older than ${maxAgeSeconds} seconds`)
  }
}

/** draft-ietf-rats-ear-04 §3: no status says more good than what it sums up. */
function checkConsistency({ status, submodules }: Ear): void {
  let worst: Tier = 'none'
  for (const appraisal of submodules.values()) {
    worst = worstTier(worst, appraisal.status)
    if (appraisal.vector && isBetterThan(appraisal.status, tierOfVector(appraisal.vector))) {
      throw new MessageError(
        'ERR_RATS_INCONSISTENT',
        'the status of a submodule is better than its trustworthiness vector',
      )
    }
  }
  if (status !== undefined && isBetterThan(status, worst)) {
    throw new MessageError('ERR_RATS_INCONSISTENT', 'the status of the result is better than that of a submodule')
  }
}

function verifierOf(id: CborMap, encoding: EatEncoding): Ear['verifier'] {
  return {
    developer: asText(id.get(encoding === 'cbor' ? 0 : 'developer'), 'the developer of the Verifier'),
    build: asText(id.get(encoding === 'cbor' ? 1 : 'build'), 'the build of the Verifier'),
  }
}

function submodulesOf(submodules: CborMap, profile: string, encoding: EatEncoding): ReadonlyMap<string, EarAppraisal> {
  if (submodules.size === 0)
    throw new MessageError('ERR_RATS_CLAIM_MISSING', 'the result is about nothing: submods is empty')
  return new Map(
    [...submodules].map(([label, value]) => {
      return [asText(label, 'a label in submods', 1), appraisalOf(asMap(value, 'a submodule'), profile, encoding)]
    }),
  )
}

function appraisalOf(claims: CborMap, profile: string, encoding: EatEncoding): EarAppraisal {
  const get = reader(claims, profile, encoding)
  const status = get('status')
  if (status === undefined)
    throw new MessageError('ERR_RATS_CLAIM_MISSING', 'the ear_status claim of a submodule is missing')
  const vector = get('vector')
  const nonce = get('nonce')
  const attestedKey = attestedKeyOf(get('attestedKey'), encoding)
  const attesterClaims = get('attesterClaims')
  const verifierClaims = get('verifierClaims')
  return {
    status: tier(status),
    ...(vector !== undefined && { vector: vectorOf(asMap(vector, 'the trustworthiness vector'), encoding) }),
    policyIds: policyIdsOf(get('policyIds')),
    ...(nonce !== undefined && { evidenceNonce: nonceOf(nonce, encoding) }),
    ...(attestedKey && { attestedKey }),
    ...(attesterClaims !== undefined && { attesterClaims: asMap(attesterClaims, 'the ear_attester_claims claim') }),
    ...(verifierClaims !== undefined && { verifierClaims: asMap(verifierClaims, 'the ear_verifier_claims claim') }),
  }
}

/** A name in JSON and a number in CBOR by the draft; Veraison takes either in JSON, and so does this. */
function tier(value: CborValue): Tier {
  const found =
    typeof value === 'number' ? tierOfNumber(value) : typeof value === 'string' ? tierOfName(value) : undefined
  if (found === undefined) throw new MessageError('ERR_RATS_CLAIM', 'the ear_status claim is none of the four tiers')
  return found
}

function vectorOf(claims: CborMap, encoding: EatEncoding): TrustworthinessVector {
  if (claims.size === 0) throw new MessageError('ERR_RATS_CLAIM', 'the trustworthiness vector is empty')
  const vector: Partial<Record<keyof TrustworthinessVector, number>> = {}
  for (const [label, value] of claims) {
    const isKey = encoding === 'cbor' && typeof label === 'number'
    const claim = isKey
      ? trustworthinessClaims[label]
      : trustworthinessClaims.find(name => encoding === 'json' && name === label)
    if (claim === undefined)
      throw new MessageError('ERR_RATS_CLAIM', 'the trustworthiness vector has a claim that AR4SI does not know')
    vector[claim] = asInteger(value, `the ${claim} of the trustworthiness vector`, -128, 127)
  }
  return vector
}

/** A list by the later drafts, one text by the earlier: the other one's form does no harm. */
function policyIdsOf(value: CborValue | undefined): readonly string[] {
  if (value === undefined) return []
  if (typeof value === 'string') return [value]
  return asArray(value, 'the ear_appraisal_policy_ids claim', 1).map(id => asText(id, 'an appraisal policy id'))
}

/** Veraison's extension: absent, or an empty object, when the appraisal failed. */
function attestedKeyOf(value: CborValue | undefined, encoding: EatEncoding): Uint8Array | undefined {
  if (value === undefined) return undefined
  const key = asMap(value, 'the ear_veraison_key_attestation claim').get('akpub')
  return key === undefined ? undefined : binary(key, 'the akpub of the key attestation', encoding)
}

function nonceOf(value: CborValue, encoding: EatEncoding): Uint8Array {
  return asBytes(binary(value, 'the eat_nonce claim', encoding), 'the eat_nonce claim', 8, 64)
}

function binary(value: CborValue, what: string, encoding: EatEncoding): Uint8Array {
  if (encoding === 'cbor') return asBytes(value, what)
  const bytes = fromAnyBase64(asText(value, what))
  if (!bytes) throw new MessageError('ERR_RATS_CLAIM', `${what} is not base64url`)
  return bytes
}

function claimsOf(ear: Ear, encoding: EatEncoding): CborMap {
  const claims = new Map<number | string, CborValue>()
  const set = setter(claims, ear.profile, encoding)
  set('profile', ear.profile)
  set('issuedAt', ear.issuedAt)
  set('notBefore', ear.notBefore)
  set('expiresAt', ear.expiresAt)
  set('verifier', verifierId(ear.verifier, encoding))
  set('status', ear.status && tierValue(ear.status, encoding))
  set('nonce', ear.nonce && binaryValue(ear.nonce, encoding))
  set('rawEvidence', ear.rawEvidence && binaryValue(ear.rawEvidence, encoding))
  const submodules = [...ear.submodules].map(([label, appraisal]) => {
    return [label, appraisalClaims(appraisal, ear.profile, encoding)] as const
  })
  set('submodules', new Map(submodules))
  return claims
}

function appraisalClaims(appraisal: EarAppraisal, profile: string, encoding: EatEncoding): CborMap {
  const claims = new Map<number | string, CborValue>()
  const set = setter(claims, profile, encoding)
  set('status', tierValue(appraisal.status, encoding))
  set('vector', appraisal.vector && vectorClaims(appraisal.vector, encoding))
  set('policyIds', policyIdsValue(appraisal.policyIds, profile))
  set('nonce', appraisal.evidenceNonce && binaryValue(appraisal.evidenceNonce, encoding))
  set('attestedKey', appraisal.attestedKey && new Map([['akpub', binaryValue(appraisal.attestedKey, encoding)]]))
  set('attesterClaims', appraisal.attesterClaims)
  set('verifierClaims', appraisal.verifierClaims)
  return claims
}

function setter(claims: Map<number | string, CborValue>, profile: string, encoding: EatEncoding) {
  return (name: ClaimName, value: CborValue | undefined): void => {
    if (value !== undefined) claims.set(labelOf(name, profile, encoding), value)
  }
}

function verifierId({ developer, build }: Ear['verifier'], encoding: EatEncoding): CborMap {
  const [developerLabel, buildLabel] = encoding === 'cbor' ? [0, 1] : ['developer', 'build']
  return new Map<number | string, CborValue>([
    [developerLabel, developer],
    [buildLabel, build],
  ])
}

function tierValue(status: Tier, encoding: EatEncoding): CborValue {
  return encoding === 'cbor' ? tierNumbers[status] : status
}

function vectorClaims(vector: TrustworthinessVector, encoding: EatEncoding): CborMap {
  const claims = new Map<number | string, CborValue>()
  for (const [key, claim] of trustworthinessClaims.entries()) {
    const value = vector[claim]
    if (value !== undefined) claims.set(encoding === 'cbor' ? key : claim, value)
  }
  return claims
}

function policyIdsValue(ids: readonly string[], profile: string): CborValue | undefined {
  if (ids.length === 0) return undefined
  if (isCurrent(profile)) return ids
  if (ids.length > 1) throw new TypeError(`an EAR of the profile ${profile} names one appraisal policy`)
  return ids[0]
}

function binaryValue(bytes: Uint8Array, encoding: EatEncoding): CborValue {
  return encoding === 'cbor' ? bytes : toBase64url(bytes)
}
