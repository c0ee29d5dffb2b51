import { type CorimContents, type CorimReference, FixedEndorsements } from '../evidence/index.js'
import { MessageError } from '../rats/index.js'
import type { PlatformPolicy } from './platform-policy.js'
import { Policy, type PolicyDocument } from './policy.js'

/** What a policy says besides what manifests say. */
export interface CorimPolicyOptions extends Omit<PolicyDocument, 'version' | 'platforms'> {
  /** Allowed lifecycle states by kind of platform, such as `{ psa: ['secured'] }`; no manifest tells them. */
  readonly lifecycle?: Readonly<Record<string, readonly string[]>>
}

/** A policy by which platforms are what one of these manifests says, and nothing else.
 *  @throws MessageError ERR_RATS_INCONSISTENT if two of them ask for different claims or versions of one kind of platform:
 *    a policy asks for the same of all, and neither the one nor the other would be what both meant
 *  @throws PolicyError if what they say is too little to mean anything */
export function policyOfCorims(manifests: readonly CorimContents[], options: CorimPolicyOptions = {}): Policy {
  const { lifecycle = {}, ...besides } = options
  const byKind = new Map<string, { readonly name: string; readonly reference: CorimReference }[]>()
  for (const { id, references } of manifests) {
    for (const reference of references) {
      const held = byKind.get(reference.kind) ?? []
      held.push({ name: nameOf(id), reference })
      byKind.set(reference.kind, held)
    }
  }
  const platforms = [...byKind].map(([kind, states]): PlatformPolicy => {
    const [first] = states
    if (states.some(({ reference }) => requirementsOf(reference) !== requirementsOf(first?.reference))) {
      throw new MessageError('ERR_RATS_INCONSISTENT', `manifests ask for different claims or versions of ${kind}`)
    }
    const sets = states.map(({ name, reference }) => ({ name, values: Object.fromEntries(reference.measurements) }))
    const allowed = lifecycle[kind]
    return {
      kind,
      measurements: sets,
      claims: Object.fromEntries(first?.reference.claims ?? []),
      minimumVersions: Object.fromEntries(first?.reference.minimumVersions ?? []),
      ...(allowed && { lifecycle: allowed }),
    }
  })
  return Policy.from({ version: 1, ...besides, platforms }, 'CoRIM')
}

function requirementsOf(reference: CorimReference | undefined): string {
  const sorted = (map: ReadonlyMap<string, unknown> = new Map()) => [...map].sort(([a], [b]) => (a < b ? -1 : 1))
  return JSON.stringify([sorted(reference?.claims), sorted(reference?.minimumVersions)])
}

/** An id as the name of a set: printable, and not too long. */
function nameOf(id: string): string {
  return `CoRIM ${id}`.replace(/[^\x20-\x7e]/g, '?').slice(0, 64)
}

/** The keys of instances that manifests name, as endorsements.
 *  @throws TypeError if two keys are named for one instance */
export function endorsementsOfCorims(manifests: readonly CorimContents[]): FixedEndorsements {
  return new FixedEndorsements({ instanceKeys: manifests.flatMap(({ instanceKeys }) => instanceKeys) })
}

/** The roots that manifests name, by kind of platform: for the `roots` of a Verifier. */
export function rootsOfCorims(manifests: readonly CorimContents[]): Readonly<Record<string, readonly string[]>> {
  const roots: Record<string, string[]> = {}
  for (const { kind, pem } of manifests.flatMap(manifest => manifest.roots)) {
    const held = roots[kind] ?? []
    if (!held.includes(pem)) held.push(pem)
    roots[kind] = held
  }
  return roots
}
