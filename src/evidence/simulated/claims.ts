import { hex } from '../../bytes/index.js'
import { asArray, asBytes, asInteger, asMap, asText, decodeCbor, encodeCbor, MessageError } from '../../rats/index.js'
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
