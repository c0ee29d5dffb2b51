import { type PlatformReference, platformTerms } from '../evidence/index.js'
import type { Policy } from './policy.js'

/** What a policy leaves open that its author may not have thought of: sentences for people, none of them an error. */
export function remarksOn(policy: Policy): readonly string[] {
  const remarks = [...policy.platforms].flatMap(([kind, reference]) =>
    remarksOnPlatform(kind, reference).map(remark => `${kind}: ${remark}`),
  )
  if (policy.platforms.size === 0) remarks.push('no platform is named, so all Evidence is refused')
  if (policy.acceptedTiers.has('warning')) remarks.push('a verdict of warning is accepted')
  return remarks
}

function remarksOnPlatform(kind: string, reference: PlatformReference): readonly string[] {
  const { versions = [], tcbStatuses } = platformTerms.get(kind) ?? {}
  const remarks: string[] = []
  if (reference.measurementSets === null) remarks.push('any software will do')
  if (reference.allowsDebug) remarks.push('a debugger may look in')
  if (reference.allowsSha1Signatures) remarks.push('signatures with SHA-1 will do')
  // Where a vendor rates the platform, its rating says what is too old.
  if (versions.length > 0 && !tcbStatuses && reference.minimumVersions.size === 0) {
    remarks.push(`minimumVersions says nothing, so any old firmware will do; there are ${versions.join(', ')}`)
  }
  return remarks
}
