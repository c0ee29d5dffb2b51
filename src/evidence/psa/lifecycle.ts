import { MessageError } from '../../rats/index.js'

/** The states of a platform's security lifecycle, as the upper octet of the claim gives them (RFC 9783 §4.3.1). */
export const psaLifecycles: Lifecycles = new Map([
  [0x00, 'unknown'],
  [0x10, 'assembly-and-test'],
  [0x20, 'psa-rot-provisioning'],
  [0x30, 'secured'],
  [0x40, 'non-psa-rot-debug'],
  [0x50, 'recoverable-psa-rot-debug'],
  [0x60, 'decommissioned'],
])

/** Those of a CCA platform: the same states, named for it. */
export const ccaLifecycles: Lifecycles = new Map([
  [0x00, 'unknown'],
  [0x10, 'assembly-and-test'],
  [0x20, 'cca-platform-rot-provisioning'],
  [0x30, 'secured'],
  [0x40, 'non-cca-platform-debug'],
  [0x50, 'recoverable-cca-platform-debug'],
  [0x60, 'decommissioned'],
])

/** Names of states by the upper octet of the claim. */
export type Lifecycles = ReadonlyMap<number, string>

/** The name of a state; the lower octet is the implementation's own.
 *  @throws MessageError if the claim is in none of the ranges */
export function lifecycleOf(claim: number, lifecycles: Lifecycles, what: string): string {
  const name = lifecycles.get(claim >> 8)
  if (name !== undefined) return name
  throw new MessageError('ERR_RATS_CLAIM', `${what} is in none of the known states`)
}

/** The states that a policy can allow: a platform that does not know its own is never believed. */
export function allowableLifecycles(lifecycles: Lifecycles): readonly string[] {
  return [...lifecycles.values()].filter(name => name !== 'unknown')
}

/** Whether somebody may be able to look into a platform in that state. */
export function isDebuggable(lifecycle: string): boolean {
  return lifecycle !== 'secured' && lifecycle !== 'decommissioned'
}
