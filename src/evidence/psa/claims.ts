import { hex } from '../../bytes/index.js'
import {
  asBytes,
  asInteger,
  asMap,
  asText,
  type CborMap,
  type CborValue,
  decodeCbor,
  MessageError,
} from '../../rats/index.js'
import { claimsPayload } from '../message.js'
import type { PlatformFacts } from '../reference-values.js'
import {
  type ArmComponent,
  asDigest,
  asInstanceId,
  claimsOfComponents,
  commonSigner,
  componentsOf,
  encodeComponents,
  measurementsOf,
} from './component.js'
import { isDebuggable, lifecycleOf, psaLifecycles } from './lifecycle.js'

/** `eat_profile` of RFC 9783 §5.2. */
export const PSA_PROFILE = 'tag:psacertified.org,2023:psa#tfm'
/** The profile that the claims of RFC 9783 had before they were an RFC. */
export const PSA_2_0_0_PROFILE = 'http://arm.com/psa/2.0.0'
/** The profile of PSA's first tokens, whose claims have numbers of their own. */
export const PSA_LEGACY_PROFILE = 'PSA_IOT_PROFILE_1'

/** What a PSA platform says about itself (RFC 9783 §4), whichever profile it says it in. */
export interface PsaClaims {
  readonly profile: typeof PSA_PROFILE | typeof PSA_2_0_0_PROFILE | typeof PSA_LEGACY_PROFILE
  /** 32, 48 or 64 bytes. */
  readonly nonce: Uint8Array
  /** 33 bytes, the first of them 1: the key that signs. */
  readonly instanceId: Uint8Array
  /** 32 bytes: the hardware and its immutable software. */
  readonly implementationId: Uint8Array
  /** Who asked for the token: negative for the non-secure side. */
  readonly clientId: number
  /** 16 bits; what they mean is in `psaLifecycles`. */
  readonly lifecycle: number
  /** At least one, unless the token says that nothing was measured (legacy profile only). */
  readonly components: readonly ArmComponent[]
  /** 8 to 32 bytes. */
  readonly bootSeed?: Uint8Array | undefined
  readonly certificationReference?: string | undefined
  /** Where the platform would have its token verified: a hint that nobody has to follow. */
  readonly verificationService?: string | undefined
}

/** Reads the payload of a PSA token. Claims that are not known are passed over (RFC 9783 §4).
 *  @throws CborError or MessageError */
export function decodePsaClaims(payload: Uint8Array): PsaClaims {
  const claims = asMap(decodeCbor(payload, 'tolerant'), 'the claims set')
  const profile = profileOf(claims)
  const keys = profile === PSA_LEGACY_PROFILE ? LegacyClaim : Claim
  const isLegacy = profile === PSA_LEGACY_PROFILE
  const lifecycle = asInteger(claims.get(keys.lifecycle), 'psa-security-lifecycle', 0, 0xffff)
  lifecycleOf(lifecycle, psaLifecycles, 'psa-security-lifecycle')
  const bootSeed = claims.get(keys.bootSeed)
  return {
    profile,
    nonce: asDigest(claims.get(keys.nonce), 'the nonce'),
    instanceId: asInstanceId(claims.get(keys.instanceId), 'psa-instance-id'),
    implementationId: asBytes(claims.get(keys.implementationId), 'psa-implementation-id', 32, 32),
    clientId: clientIdOf(claims.get(keys.clientId)),
    lifecycle,
    components: isLegacy ? legacyComponentsOf(claims) : componentsOf(claims.get(Claim.components), COMPONENTS),
    // The legacy profile has 32 bytes of it in every token; RFC 9783 §4.3.2 has 8 to 32, if any.
    bootSeed:
      bootSeed === undefined && !isLegacy ? undefined : asBytes(bootSeed, 'the boot seed', isLegacy ? 32 : 8, 32),
    certificationReference: certificationOf(claims.get(keys.certificationReference)),
    verificationService: optionalText(claims.get(keys.verificationService), 'the verification service indicator'),
  }
}

/** The payload of a PSA token. @throws RangeError if a claim has not the size or form that `PsaClaims` says */
export function encodePsaClaims(claims: PsaClaims): Uint8Array {
  const keys = claims.profile === PSA_LEGACY_PROFILE ? LegacyClaim : Claim
  const map = new Map<number, CborValue>([
    [keys.profile, claims.profile],
    [keys.nonce, claims.nonce],
    [keys.instanceId, claims.instanceId],
    [keys.implementationId, claims.implementationId],
    [keys.clientId, claims.clientId],
    [keys.lifecycle, claims.lifecycle],
  ])
  if (claims.components.length > 0) map.set(keys.components, encodeComponents(claims.components))
  else map.set(LegacyClaim.noMeasurements, 1)
  if (claims.bootSeed) map.set(keys.bootSeed, claims.bootSeed)
  if (claims.certificationReference !== undefined) map.set(keys.certificationReference, claims.certificationReference)
  if (claims.verificationService !== undefined) map.set(keys.verificationService, claims.verificationService)
  return claimsPayload(map, decodePsaClaims, 'a PSA platform')
}

/** What a token says about its platform, in the words that reference values are written in. */
export function factsOfPsa(claims: PsaClaims): PlatformFacts {
  const lifecycle = lifecycleOf(claims.lifecycle, psaLifecycles, 'psa-security-lifecycle')
  const signer = commonSigner(claims.components)
  return {
    measurements: measurementsOf(claims.components),
    isDebuggable: isDebuggable(lifecycle),
    lifecycle,
    claims: {
      profile: claims.profile,
      'instance-id': hex(claims.instanceId),
      'implementation-id': hex(claims.implementationId),
      'client-id': claims.clientId,
      lifecycle,
      ...(claims.bootSeed && { 'boot-seed': hex(claims.bootSeed) }),
      ...(claims.certificationReference !== undefined && {
        'certification-reference': claims.certificationReference,
      }),
      ...(claims.verificationService !== undefined && { 'verification-service': claims.verificationService }),
      ...(signer !== undefined && { 'signer-id': signer }),
      components: claimsOfComponents(claims.components),
    },
  }
}

/** Claim keys of RFC 9783 §4. */
const Claim = {
  nonce: 10,
  instanceId: 256,
  profile: 265,
  bootSeed: 268,
  clientId: 2394,
  lifecycle: 2395,
  implementationId: 2396,
  certificationReference: 2398,
  components: 2399,
  verificationService: 2400,
} as const

/** Those of the legacy profile. */
const LegacyClaim = {
  profile: -75000,
  clientId: -75001,
  lifecycle: -75002,
  implementationId: -75003,
  bootSeed: -75004,
  certificationReference: -75005,
  components: -75006,
  noMeasurements: -75007,
  nonce: -75008,
  instanceId: -75009,
  verificationService: -75010,
} as const

const COMPONENTS = 'psa-software-components'

function profileOf(claims: CborMap): PsaClaims['profile'] {
  const current = claims.get(Claim.profile)
  const legacy = claims.get(LegacyClaim.profile)
  if (current !== undefined && legacy !== undefined) {
    throw new MessageError('ERR_RATS_PROFILE', 'the token names two profiles')
  }
  const profile = asText(current ?? legacy, 'the profile', 1, 256)
  if (legacy !== undefined && profile === PSA_LEGACY_PROFILE) return profile
  if (current !== undefined && (profile === PSA_PROFILE || profile === PSA_2_0_0_PROFILE)) return profile
  throw new MessageError('ERR_RATS_PROFILE', 'the token is of a profile that is not one of PSA')
}

/** RFC 9783 §4.1.2: 32 bits, negative for the non-secure side; 0 is nobody. */
function clientIdOf(value: CborValue | undefined): number {
  const id = asInteger(value, 'psa-client-id', -(2 ** 31), 2 ** 31 - 1)
  if (id === 0) throw new MessageError('ERR_RATS_CLAIM', 'psa-client-id is 0, which is no client')
  return id
}

/** The legacy profile has a claim for a platform that has measured nothing, instead of the list. */
function legacyComponentsOf(claims: CborMap): readonly ArmComponent[] {
  const none = claims.get(LegacyClaim.noMeasurements)
  const list = claims.get(LegacyClaim.components)
  if (none === undefined) return componentsOf(list, COMPONENTS)
  if (list !== undefined)
    throw new MessageError('ERR_RATS_CLAIM', 'the token both lists software and says that none was measured')
  asInteger(none, 'psa-no-sw-measurements', 1, 1)
  return []
}

/** An EAN-13, with a version behind it as of RFC 9783 §4.2.3. */
function certificationOf(value: CborValue | undefined): string | undefined {
  const text = optionalText(value, 'psa-certification-reference')
  if (text === undefined || /^[0-9]{13}(-[0-9]{5})?$/.test(text)) return text
  throw new MessageError('ERR_RATS_CLAIM', 'psa-certification-reference is not an EAN-13 with a version')
}

function optionalText(value: CborValue | undefined, what: string): string | undefined {
  return value === undefined ? undefined : asText(value, what, 0, 1024)
}
