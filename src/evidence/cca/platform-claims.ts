import { hex } from '../../bytes/index.js'
import { asBytes, asInteger, asMap, asText, type CborValue, decodeCbor, MessageError } from '../../rats/index.js'
import { claimsPayload } from '../message.js'
import {
  type ArmComponent,
  asDigest,
  asInstanceId,
  claimsOfComponents,
  commonSigner,
  componentsOf,
  encodeComponents,
  measurementsOf,
} from '../psa/component.js'
import { ccaLifecycles, isDebuggable, lifecycleOf } from '../psa/lifecycle.js'
import type { PlatformFacts } from '../reference-values.js'

/** Profiles of the platform token: those of the drafts, and of RMM 1.0 before them. */
export const ccaPlatformProfiles = [
  'tag:arm.com,2023:cca_platform#1.0.0',
  'tag:arm.com,2024:cca_platform#2.0.0',
  'tag:arm.com,2026:cca_platform#2.0.0',
  'http://arm.com/CCA-SSD/1.0.0',
] as const
/** The name of a profile of the platform token. */
export type CcaPlatformProfile = (typeof ccaPlatformProfiles)[number]

/** What a CCA platform says about itself. */
export interface CcaPlatformClaims {
  readonly profile: CcaPlatformProfile
  /** The hash of the realm's public key: 32, 48 or 64 bytes. */
  readonly binder: Uint8Array
  /** 33 bytes, the first of them 1: the key that signs. */
  readonly instanceId: Uint8Array
  /** 32 bytes. */
  readonly implementationId: Uint8Array
  /** The System Properties field, as the platform has it. */
  readonly config: Uint8Array
  /** 16 bits; what they mean is in `ccaLifecycles`. */
  readonly lifecycle: number
  readonly components: readonly ArmComponent[]
  /** How software is measured that says nothing else: `sha-256`. */
  readonly hashAlgorithm: string
  readonly verificationService?: string | undefined
}

/** Reads the payload of a platform token. Claims that are not known are passed over. @throws CborError or MessageError */
export function decodeCcaPlatformClaims(payload: Uint8Array): CcaPlatformClaims {
  const claims = asMap(decodeCbor(payload, 'tolerant'), 'the claims set of the platform token')
  const profile = profileOf(claims.get(Claim.profile))
  const lifecycle = asInteger(claims.get(Claim.lifecycle), 'the platform lifecycle', 0, 0xffff)
  lifecycleOf(lifecycle, ccaLifecycles, 'the platform lifecycle')
  const service = claims.get(Claim.verificationService)
  return {
    profile,
    binder: asDigest(claims.get(binderClaimOf(profile)), 'the challenge of the platform token'),
    instanceId: asInstanceId(claims.get(Claim.instanceId), 'the platform instance id'),
    implementationId: asBytes(claims.get(Claim.implementationId), 'the platform implementation id', 32, 32),
    config: asBytes(claims.get(Claim.config), 'the platform config', 0, 1024),
    lifecycle,
    components: componentsOf(claims.get(Claim.components), 'the platform software components'),
    hashAlgorithm: asText(claims.get(Claim.hashAlgorithm), 'the platform hash algorithm', 1, 64),
    verificationService: service === undefined ? undefined : asText(service, 'the verification service', 0, 1024),
  }
}

/** The payload of a platform token. @throws RangeError if a claim has not the size or form that it has to have */
export function encodeCcaPlatformClaims(claims: CcaPlatformClaims): Uint8Array {
  const map = new Map<number, CborValue>([
    [Claim.profile, claims.profile],
    [binderClaimOf(claims.profile), claims.binder],
    [Claim.instanceId, claims.instanceId],
    [Claim.implementationId, claims.implementationId],
    [Claim.config, claims.config],
    [Claim.lifecycle, claims.lifecycle],
    [Claim.components, encodeComponents(claims.components)],
    [Claim.hashAlgorithm, claims.hashAlgorithm],
  ])
  if (claims.verificationService !== undefined) map.set(Claim.verificationService, claims.verificationService)
  return claimsPayload(map, decodeCcaPlatformClaims, 'a CCA platform')
}

/** What a token says about its platform, in the words that reference values are written in. */
export function factsOfCcaPlatform(claims: CcaPlatformClaims): PlatformFacts {
  const lifecycle = lifecycleOf(claims.lifecycle, ccaLifecycles, 'the platform lifecycle')
  const signer = commonSigner(claims.components)
  return {
    measurements: measurementsOf(claims.components),
    isDebuggable: isDebuggable(lifecycle),
    lifecycle,
    claims: {
      profile: claims.profile,
      'instance-id': hex(claims.instanceId),
      'implementation-id': hex(claims.implementationId),
      config: hex(claims.config),
      lifecycle,
      'hash-algorithm': claims.hashAlgorithm,
      ...(claims.verificationService !== undefined && { 'verification-service': claims.verificationService }),
      ...(signer !== undefined && { 'signer-id': signer }),
      components: claimsOfComponents(claims.components),
    },
  }
}

/** draft-ffm-rats-cca-token-04. */
const Claim = {
  nonce: 10,
  instanceId: 256,
  profile: 265,
  lifecycle: 2395,
  implementationId: 2396,
  components: 2399,
  verificationService: 2400,
  config: 2401,
  hashAlgorithm: 2402,
  workloadBinding: 2408,
} as const

/** In the newest profile eat_nonce is free for a caller's own, and the realm's key has a claim to itself. */
function binderClaimOf(profile: CcaPlatformProfile): number {
  return profile === 'tag:arm.com,2026:cca_platform#2.0.0' ? Claim.workloadBinding : Claim.nonce
}

function profileOf(value: CborValue | undefined): CcaPlatformProfile {
  const text = asText(value, 'the profile of the platform token', 1, 256)
  const profile = ccaPlatformProfiles.find(known => known === text)
  if (profile) return profile
  throw new MessageError('ERR_RATS_PROFILE', 'the platform token is of a profile that is not known here')
}
