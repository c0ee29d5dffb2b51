import { hex } from '../../bytes/index.js'
import type { PublicKey } from '../../crypto/index.js'
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
  MessageError,
  publicKeyOfCoseKey,
} from '../../rats/index.js'
import { claimsPayload } from '../message.js'
import type { PlatformFacts } from '../reference-values.js'

/** `eat_profile` of the simulated platform's token: an EAT (RFC 9711) with the claims of a PSA token (RFC 9783 §4)
 *  and one more that says what it is. */
export const SIMULATED_PROFILE = 'tag:attested-tls.dev,2026:simulated-platform'

/** Lifecycle states (RFC 9783 §4.3.1), and the numbers that stand for them. */
export const Lifecycle = {
  'assembly-and-test': 0x1000,
  'psa-rot-provisioning': 0x2000,
  secured: 0x3000,
  'non-psa-rot-debug': 0x4000,
  'recoverable-psa-rot-debug': 0x5000,
  decommissioned: 0x6000,
} as const

/** The name of a lifecycle state. */
export type LifecycleName = keyof typeof Lifecycle

/** What a simulated platform says about itself. */
export interface SimulatedClaims {
  /** `eat_nonce`: 32, 48 or 64 bytes. */
  readonly nonce: Uint8Array
  /** `ueid`: 33 bytes, the first of them 1. */
  readonly instanceId: Uint8Array
  /** 32 bytes. */
  readonly implementationId: Uint8Array
  readonly lifecycle: LifecycleName
  readonly isDebuggable: boolean
  /** 1 to 16, each with a type of its own. */
  readonly components: readonly SoftwareComponent[]
  /** The key that the token speaks for; absent inside a bundle, where another token speaks for it. */
  readonly key?: PublicKey | undefined
}

/** A piece of measured software (RFC 9783 §4.4.1). */
export interface SoftwareComponent {
  /** What it is, such as `workload`: 1 to 32 characters of `a-z A-Z 0-9 . _ -`. */
  readonly type: string
  /** The digest: 32, 48 or 64 bytes. */
  readonly measurement: Uint8Array
  /** At most 64 characters. */
  readonly version: string
  /** A digest of the key that signed it: 32, 48 or 64 bytes. */
  readonly signerId: Uint8Array
}

/** The claims of a simulated platform's token as its payload.
 *  @throws RangeError if a claim has not the size or form that `SimulatedClaims` says */
export function encodeSimulatedClaims(claims: SimulatedClaims): Uint8Array {
  const map = new Map<number, CborValue>([
    [Claim.nonce, claims.nonce],
    ...(claims.key ? [[Claim.cnf, new Map([[COSE_KEY, coseKeyOf(claims.key)]])] as const] : []),
    [Claim.ueid, claims.instanceId],
    [Claim.dbgstat, claims.isDebuggable ? DEBUG_ENABLED : DEBUG_DISABLED_SINCE_BOOT],
    [Claim.profile, SIMULATED_PROFILE],
    [Claim.lifecycle, Lifecycle[claims.lifecycle]],
    [Claim.implementationId, claims.implementationId],
    [Claim.components, claims.components.map(encodeComponent)],
    [Claim.simulated, true],
  ])
  return claimsPayload(map, decodeSimulatedClaims, 'a simulated platform')
}

function encodeComponent({ type, measurement, version, signerId }: SoftwareComponent): CborValue {
  return new Map<number, CborValue>([
    [Component.type, type],
    [Component.measurement, measurement],
    [Component.version, version],
    [Component.signerId, signerId],
  ])
}

/** Reads the payload of a simulated platform's token. Claims that are not known are passed over (RFC 9711 §4.1).
 *  @throws CborError or MessageError */
export function decodeSimulatedClaims(payload: Uint8Array): SimulatedClaims {
  const claims = asMap(decodeCbor(payload), 'the payload')
  const profile = asText(claims.get(Claim.profile), 'eat_profile', 1, 128)
  if (profile !== SIMULATED_PROFILE) throw new MessageError('ERR_RATS_PROFILE', 'eat_profile is of another platform')
  if (claims.get(Claim.simulated) !== true) throw wrong('the token does not say that it is simulated')
  return {
    nonce: digest(claims.get(Claim.nonce), 'eat_nonce'),
    instanceId: instanceIdOf(claims),
    implementationId: asBytes(claims.get(Claim.implementationId), 'psa-implementation-id', 32, 32),
    lifecycle: lifecycleOf(asInteger(claims.get(Claim.lifecycle), 'psa-security-lifecycle', 0, 0xffff)),
    isDebuggable: asInteger(claims.get(Claim.dbgstat), 'dbgstat', 0, 4) === DEBUG_ENABLED,
    components: componentsOf(claims.get(Claim.components)),
    key: keyOf(claims.get(Claim.cnf)),
  }
}

function instanceIdOf(claims: CborMap): Uint8Array {
  const id = asBytes(claims.get(Claim.ueid), 'ueid', 33, 33)
  // RFC 9783 §4.2.1: an Instance ID is a UEID of type RAND.
  if (id[0] !== 1) throw wrong('ueid is not of type RAND')
  return id
}

/** RFC 9783 §4.3.1: the second octet is the implementation's own. */
function lifecycleOf(value: number): LifecycleName {
  const state = value & 0xff00
  const names = Object.keys(Lifecycle) as LifecycleName[] // the keys of a constant are what its type says
  const name = names.find(each => Lifecycle[each] === state)
  if (!name) throw wrong('psa-security-lifecycle is none of the known states')
  return name
}

function keyOf(cnf: CborValue | undefined): PublicKey | undefined {
  if (cnf === undefined) return undefined
  return publicKeyOfCoseKey(asMap(asMap(cnf, 'cnf').get(COSE_KEY), 'the key in cnf'))
}

function componentsOf(value: CborValue | undefined): readonly SoftwareComponent[] {
  const components = asArray(value, 'psa-software-components', 1, 16).map(item => {
    const component = asMap(item, 'a software component')
    return {
      type: typeOf(asText(component.get(Component.type), 'the type of a component', 1, 32)),
      measurement: digest(component.get(Component.measurement), 'the measurement of a component'),
      version: asText(component.get(Component.version), 'the version of a component', 0, 64),
      signerId: digest(component.get(Component.signerId), 'the signer of a component'),
    }
  })
  if (new Set(components.map(({ type }) => type)).size < components.length) throw wrong('two components have one type')
  return components
}

function typeOf(text: string): string {
  if (!/^[a-zA-Z0-9._-]+$/.test(text))
    throw wrong('the type of a component holds other characters than a-z A-Z 0-9 . _ -')
  return text
}

function digest(value: CborValue | undefined, what: string): Uint8Array {
  const bytes = asBytes(value, what, 32, 64)
  if (bytes.length % 16 !== 0) throw wrong(`${what} has to be of 32, 48 or 64 bytes`)
  return bytes
}

function wrong(sentence: string): MessageError {
  return new MessageError('ERR_RATS_CLAIM', sentence)
}

/** What a token says about its platform, in the words that reference values are written in. */
export function factsOfSimulated(claims: SimulatedClaims): PlatformFacts {
  return {
    measurements: new Map(claims.components.map(({ type, measurement }) => [type, hex(measurement)])),
    isDebuggable: claims.isDebuggable,
    lifecycle: claims.lifecycle,
    claims: {
      'instance-id': hex(claims.instanceId),
      'implementation-id': hex(claims.implementationId),
      lifecycle: claims.lifecycle,
      debug: claims.isDebuggable,
      simulated: true,
      components: claims.components.map(({ type, measurement, version, signerId }) => ({
        type,
        measurement: hex(measurement),
        version,
        'signer-id': hex(signerId),
      })),
    },
  }
}

/** Claim keys of CWT, RFC 9711 §10.2 and RFC 9783 §4; the last is of the range for private use. */
const Claim = {
  cnf: 8,
  nonce: 10,
  ueid: 256,
  dbgstat: 263,
  profile: 265,
  lifecycle: 2395,
  implementationId: 2396,
  components: 2399,
  simulated: -75900,
} as const

/** RFC 8747 §3.1. */
const COSE_KEY = 1

/** RFC 9783 §4.4.1. */
const Component = { type: 1, measurement: 2, version: 4, signerId: 5 } as const

/** RFC 9711 §4.2.9. */
const DEBUG_ENABLED = 0
const DEBUG_DISABLED_SINCE_BOOT = 2
