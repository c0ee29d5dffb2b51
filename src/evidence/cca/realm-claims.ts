import { concat, hex } from '../../bytes/index.js'
import type { HashName, PublicKey } from '../../crypto/index.js'
import {
  asArray,
  asBytes,
  asInteger,
  asMap,
  asText,
  type CborMap,
  type CborValue,
  coseKeyOf,
  decodeCbor,
  encodeCbor,
  MessageError,
  publicKeyOfCoseKey,
} from '../../rats/index.js'
import { claimsPayload } from '../message.js'
import { asDigest, asInstanceId } from '../psa/component.js'
import type { PlatformFacts } from '../reference-values.js'

/** Profiles of the realm token; that of RMM 1.0 names none. */
export const ccaRealmProfiles = [
  'tag:arm.com,2023:realm#1.0.0',
  'tag:arm.com,2024:realm#2.0.0',
  'tag:arm.com,2026:realm#2.0.0',
] as const
/** The name of a profile of the realm token. */
export type CcaRealmProfile = (typeof ccaRealmProfiles)[number]

/** What a realm says about itself. */
export interface CcaRealmClaims {
  readonly profile: CcaRealmProfile | undefined
  /** 64 bytes. */
  readonly challenge: Uint8Array
  /** 64 bytes that whoever launched the realm chose. */
  readonly personalizationValue: Uint8Array
  /** How the realm is measured: `sha-256`. */
  readonly hashAlgorithm: string
  /** The realm's attestation key, which signs its token. */
  readonly key: PublicKey
  /** The key as the token has it: what the platform token holds the hash of. */
  readonly keyBytes: Uint8Array
  readonly keyHash: HashName
  /** RIM: 32, 48 or 64 bytes. */
  readonly initialMeasurement: Uint8Array
  /** REM: four of 32, 48 or 64 bytes. */
  readonly extensibleMeasurements: readonly Uint8Array[]
  /** 33 bytes, the first of them 1; from RMM 2.0 on. */
  readonly instanceId?: Uint8Array | undefined
  /** Whether memory is encrypted with a key of the realm's own; from RMM 2.0 on. */
  readonly mecPolicy?: 'shared' | 'private' | undefined
  /** Whether the firmware may be changed while the realm runs. */
  readonly lfaPolicy?: 'disallow' | 'allow' | undefined
}

/** Reads the payload of a realm token. Claims that are not known are passed over. @throws CborError or MessageError */
export function decodeCcaRealmClaims(payload: Uint8Array): CcaRealmClaims {
  const claims = asMap(decodeCbor(payload, 'tolerant'), 'the claims set of the realm token')
  const keyBytes = asBytes(claims.get(Claim.key), 'the realm public key', 1, 512)
  const instanceId = claims.get(Claim.instanceId)
  const extensible = asArray(claims.get(Claim.extensibleMeasurements), 'the realm extensible measurements', 4, 4)
  return {
    profile: profileOf(claims.get(Claim.profile)),
    challenge: asBytes(claims.get(Claim.challenge), 'the realm challenge', 64, 64),
    personalizationValue: asBytes(claims.get(Claim.personalizationValue), 'the realm personalization value', 64, 64),
    hashAlgorithm: asText(claims.get(Claim.hashAlgorithm), 'the realm hash algorithm', 1, 64),
    key: keyOf(keyBytes),
    keyBytes,
    keyHash: hashOf(claims.get(Claim.keyHash)),
    initialMeasurement: asDigest(claims.get(Claim.initialMeasurement), 'the realm initial measurement'),
    extensibleMeasurements: extensible.map(item => asDigest(item, 'a realm extensible measurement')),
    instanceId: instanceId === undefined ? undefined : asInstanceId(instanceId, 'the realm instance id'),
    mecPolicy: policyAt(claims, Claim.mecPolicy, 'the realm MEC policy', ['shared', 'private']),
    lfaPolicy: policyAt(claims, Claim.lfaPolicy, 'the realm LFA policy', ['disallow', 'allow']),
  }
}

/** The payload of a realm token. A key in a profile is a COSE_Key, one without a point.
 *  @throws RangeError if a claim has not the size or form that it has to have */
export function encodeCcaRealmClaims(claims: Omit<CcaRealmClaims, 'keyBytes'>): Uint8Array {
  const map = new Map<number, CborValue>([
    [Claim.challenge, claims.challenge],
    [Claim.personalizationValue, claims.personalizationValue],
    [Claim.hashAlgorithm, claims.hashAlgorithm],
    [Claim.key, encodeRealmKey(claims.key, claims.profile)],
    [Claim.keyHash, HASHES[claims.keyHash]],
    [Claim.initialMeasurement, claims.initialMeasurement],
    [Claim.extensibleMeasurements, claims.extensibleMeasurements],
  ])
  if (claims.profile !== undefined) map.set(Claim.profile, claims.profile)
  if (claims.instanceId) map.set(Claim.instanceId, claims.instanceId)
  if (claims.mecPolicy) map.set(Claim.mecPolicy, claims.mecPolicy === 'private' ? 1 : 0)
  if (claims.lfaPolicy) map.set(Claim.lfaPolicy, claims.lfaPolicy === 'allow' ? 1 : 0)
  return claimsPayload(map, decodeCcaRealmClaims, 'a realm')
}

/** The bytes of a realm's key as its token has them: what the platform token has to hold the hash of.
 *  @param profile of the realm token   @throws TypeError for kinds of keys that COSE has no form for */
export function encodeRealmKey(key: PublicKey, profile: CcaRealmProfile | undefined): Uint8Array {
  const map = coseKeyOf(key)
  if (profile !== undefined) return encodeCbor(map)
  const [x, y] = [map.get(-2), map.get(-3)]
  if (!(x instanceof Uint8Array) || !(y instanceof Uint8Array)) throw new TypeError('the key is no point of a curve')
  return concat(Uint8Array.of(UNCOMPRESSED), x, y)
}

/** What a token says about its realm, in the words that reference values are written in. */
export function factsOfCcaRealm(claims: CcaRealmClaims): PlatformFacts {
  return {
    measurements: new Map([
      ['rim', hex(claims.initialMeasurement)],
      ...claims.extensibleMeasurements.map((value, i) => [`rem${i}`, hex(value)] as const),
    ]),
    isDebuggable: false,
    lifecycle: undefined,
    claims: {
      ...(claims.profile !== undefined && { profile: claims.profile }),
      'personalization-value': hex(claims.personalizationValue),
      'hash-algorithm': claims.hashAlgorithm,
      ...(claims.instanceId && { 'instance-id': hex(claims.instanceId) }),
      ...(claims.mecPolicy && { 'mec-policy': claims.mecPolicy }),
      ...(claims.lfaPolicy && { 'lfa-policy': claims.lfaPolicy }),
      rim: hex(claims.initialMeasurement),
      rem: claims.extensibleMeasurements.map(hex),
    },
  }
}

/** draft-ffm-rats-cca-token-04. */
const Claim = {
  challenge: 10,
  instanceId: 256,
  profile: 265,
  personalizationValue: 44235,
  hashAlgorithm: 44236,
  key: 44237,
  initialMeasurement: 44238,
  extensibleMeasurements: 44239,
  keyHash: 44240,
  mecPolicy: 44243,
  lfaPolicy: 44244,
} as const

/** Names of the IANA Named Information registry. SHA-224 is there too, and fills none of the sizes of a challenge. */
const HASHES: Readonly<Record<HashName, string>> = { sha256: 'sha-256', sha384: 'sha-384', sha512: 'sha-512' }

function hashOf(value: CborValue | undefined): HashName {
  const text = asText(value, 'the realm public key hash algorithm', 1, 64)
  for (const name of ['sha256', 'sha384', 'sha512'] as const) if (HASHES[name] === text) return name
  throw new MessageError('ERR_RATS_CLAIM', 'the realm public key hash algorithm is none that is known here')
}

function profileOf(value: CborValue | undefined): CcaRealmProfile | undefined {
  if (value === undefined) return undefined
  const text = asText(value, 'the profile of the realm token', 1, 256)
  const profile = ccaRealmProfiles.find(known => known === text)
  if (profile) return profile
  throw new MessageError('ERR_RATS_PROFILE', 'the realm token is of a profile that is not known here')
}

const UNCOMPRESSED = 4
/** Bytes of a point on P-384 with the octet before it. */
const POINT_LENGTH = 97

/** RMM 1.0 has a bare point on P-384, later profiles a COSE_Key: no map begins with the octet of a point. */
function keyOf(bytes: Uint8Array): PublicKey {
  if (bytes[0] !== UNCOMPRESSED) {
    return publicKeyOfCoseKey(asMap(decodeCbor(bytes, 'tolerant'), 'the realm public key'))
  }
  if (bytes.length !== POINT_LENGTH) {
    throw new MessageError(
      'ERR_RATS_CLAIM',
      `the realm public key is a point of ${bytes.length} bytes, not ${POINT_LENGTH}`,
    )
  }
  const half = (POINT_LENGTH - 1) / 2
  return publicKeyOfCoseKey(
    new Map<number, CborValue>([
      [1, 2],
      [-1, 2],
      [-2, bytes.subarray(1, 1 + half)],
      [-3, bytes.subarray(1 + half)],
    ]),
  )
}

function policyAt<Name extends string>(
  claims: CborMap,
  key: number,
  what: string,
  names: readonly Name[],
): Name | undefined {
  const value = claims.get(key)
  return value === undefined ? undefined : names[asInteger(value, what, 0, names.length - 1)]
}
