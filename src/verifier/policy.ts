import { hex, utf8 } from '../bytes/index.js'
import { hash } from '../crypto/index.js'
import type { ClaimValue, PlatformReference, ReferenceValues } from '../evidence/index.js'
import type { Tier } from '../rats/index.js'
import { Located, PolicyError } from './json-document.js'
import { type PlatformPolicy, platformsOf, shortText } from './platform-policy.js'

/** An appraisal policy, as a person writes it in JSON (RFC 9334 §8.5). Members that are not named here are errors. */
export interface PolicyDocument {
  /** The version of this form: 1. */
  readonly version: 1
  /** What the policy is called in results and reports, such as `shop-backend`; at most 64 characters. */
  readonly name?: string
  /** The platforms that may be trusted, each kind once. Evidence from any other is refused. Leave it out only where
   *  nothing but other Verifiers' results is accepted. */
  readonly platforms?: readonly PlatformPolicy[]
  /** By how many seconds two clocks may differ: 0 to 600, 60 unless said. */
  readonly clockLeewaySeconds?: number
  /** The verdicts to act on: `["affirming"]` unless said; `["affirming", "warning"]` accepts warnings too. */
  readonly acceptedTiers?: readonly ('affirming' | 'warning')[]
  /** How old an Attestation Result of another Verifier may be, in seconds, even if it says that it holds longer:
   *  1 to 2592000 (30 days), 86400 (a day) unless said. */
  readonly resultMaxAgeSeconds?: number
  /** For how many seconds a verdict under this policy holds: 1 to 2592000, 3600 (an hour) unless said. */
  readonly resultLifetimeSeconds?: number
}

/** An appraisal policy that was read and found sound. */
export class Policy {
  /** What it is called in complaints and reports: the file's name. */
  readonly source: string
  readonly name: string | undefined
  readonly platforms: ReadonlyMap<string, PlatformReference>
  readonly clockLeewaySeconds: number
  readonly acceptedTiers: ReadonlySet<Tier>
  readonly resultMaxAgeSeconds: number
  readonly resultLifetimeSeconds: number
  /** SHA-256 over what the policy says, however it was spelled: lower-case hex. */
  readonly digest: string

  /** @param text JSON of a PolicyDocument   @param source what the text is called, such as the file's name
   *  @throws PolicyError with line and column, if it is no policy or one that pins too little to mean anything */
  static parse(text: string, source = 'policy.json'): Policy {
    return new Policy(contentOf(Located.parse(text, source), source))
  }

  /** A policy that is written in a program instead of a file.
   *  @throws PolicyError as `parse` does; its line and column are those of `JSON.stringify(document, null, 2)` */
  static from(document: PolicyDocument, source = 'policy'): Policy {
    return Policy.parse(JSON.stringify(document, null, 2), source)
  }

  /** One policy out of several, such as one per product: a platform may be what one of them allows, and in all else
   *  the strictest counts. Where two name the same kind, the measurement sets of both are allowed, and what they say
   *  besides has to be the same.
   *  @throws PolicyError if it is not   @throws RangeError if there is no policy */
  static combine(policies: readonly Policy[]): Policy {
    const [first] = policies
    if (!first) throw new RangeError('no policies were given, and nothing can be combined out of them')
    const platforms = new Map<string, PlatformReference>()
    for (const policy of policies) {
      for (const [kind, reference] of policy.platforms) {
        const held = platforms.get(kind)
        platforms.set(kind, held ? joined(kind, held, reference) : reference)
      }
    }
    const names = policies.flatMap(({ name }) => name ?? [])
    return new Policy({
      source: policies.map(({ source }) => source).join(' + '),
      name: names.length === policies.length ? names.join(' + ') : undefined,
      platforms,
      clockLeewaySeconds: Math.min(...policies.map(policy => policy.clockLeewaySeconds)),
      acceptedTiers: new Set(
        [...first.acceptedTiers].filter(tier => policies.every(one => one.acceptedTiers.has(tier))),
      ),
      resultMaxAgeSeconds: Math.min(...policies.map(policy => policy.resultMaxAgeSeconds)),
      resultLifetimeSeconds: Math.min(...policies.map(policy => policy.resultLifetimeSeconds)),
    })
  }

  private constructor(content: PolicyContent) {
    this.source = content.source
    this.name = content.name
    this.platforms = content.platforms
    this.clockLeewaySeconds = content.clockLeewaySeconds
    this.acceptedTiers = content.acceptedTiers
    this.resultMaxAgeSeconds = content.resultMaxAgeSeconds
    this.resultLifetimeSeconds = content.resultLifetimeSeconds
    this.digest = digestOf(content)
  }

  /** The policy's part in an appraisal. */
  referenceValues(options: { readonly trustsSimulatedPlatforms: boolean }): ReferenceValues {
    return { source: this.source, platforms: this.platforms, ...options }
  }
}

type PolicyContent = Omit<Policy, 'digest' | 'referenceValues'>

function contentOf(document: Located, source: string): PolicyContent {
  const members = document.members([
    'version',
    'name',
    'platforms',
    'clockLeewaySeconds',
    'acceptedTiers',
    'resultMaxAgeSeconds',
    'resultLifetimeSeconds',
  ])
  if (!members.version) return document.fail('a policy begins with "version": 1')
  members.version.integer(1, 1)
  return {
    source,
    name: members.name && shortText(members.name),
    platforms: platformsOf(members.platforms, source),
    clockLeewaySeconds: members.clockLeewaySeconds?.integer(0, 600) ?? 60,
    acceptedTiers: tiersOf(members.acceptedTiers),
    resultMaxAgeSeconds: members.resultMaxAgeSeconds?.integer(1, 2_592_000) ?? 86_400,
    resultLifetimeSeconds: members.resultLifetimeSeconds?.integer(1, 2_592_000) ?? 3600,
  }
}

function joined(kind: string, a: PlatformReference, b: PlatformReference): PlatformReference {
  const [ours, theirs] = [requirementsOf(a), requirementsOf(b)]
  const difference = Object.keys(ours).find(member => JSON.stringify(ours[member]) !== JSON.stringify(theirs[member]))
  if (difference !== undefined || (a.measurementSets === null) !== (b.measurementSets === null)) {
    const what = difference ?? 'dangerouslyAcceptAnyMeasurement'
    throw new PolicyError(b.source, START, `says something else about ${kind} than ${a.source}: ${what} differs`)
  }
  const measurementSets = a.measurementSets && [...a.measurementSets, ...(b.measurementSets ?? [])]
  return { ...a, source: `${a.source} + ${b.source}`, measurementSets }
}

const START = { line: 1, column: 1 }

function tiersOf(tiers: Located | undefined): ReadonlySet<Tier> {
  if (!tiers) return new Set<Tier>(['affirming'])
  const accepted = new Set<Tier>()
  for (const item of tiers.items()) {
    accepted.add(tierOf(item))
  }
  if (!accepted.has('affirming')) tiers.fail('has to hold affirming')
  return accepted
}

function tierOf(item: Located): Tier {
  const tier = item.text()
  if (tier === 'affirming' || tier === 'warning') return tier
  return item.fail(`is "${tier}", but only affirming and warning can be acted on`)
}

/** The digest over a normal form: names sorted (RFC 8785 §3.2.3), defaults filled in. What a set is called and where
 *  it stands has no part in any verdict, so it has none here. */
function digestOf(policy: PolicyContent): string {
  const platforms = [...policy.platforms].map(([kind, reference]) => ({
    kind,
    ...requirementsOf(reference),
    measurements: reference.measurementSets?.map(set => JSON.stringify(sortedEntries(set.values))).sort() ?? 'any',
  }))
  const normal = {
    version: 1,
    platforms: platforms.sort((a, b) => (a.kind < b.kind ? -1 : 1)),
    clockLeewaySeconds: policy.clockLeewaySeconds,
    acceptedTiers: [...policy.acceptedTiers].sort(),
    resultMaxAgeSeconds: policy.resultMaxAgeSeconds,
    resultLifetimeSeconds: policy.resultLifetimeSeconds,
  }
  return hex(hash('sha256', utf8(JSON.stringify(normal))))
}

/** All that is asked of a kind of platform besides its measurements, in normal form. */
function requirementsOf(reference: PlatformReference): Readonly<Record<string, unknown>> {
  return {
    allowDebug: reference.allowsDebug,
    lifecycle: reference.lifecycles && [...reference.lifecycles].sort(),
    claims: sortedEntries(reference.claims),
    minimumVersions: [...reference.minimumVersions].sort(),
    tcb: reference.tcb && { ...reference.tcb, statuses: [...reference.tcb.statuses].sort() },
    allowSha1Signatures: reference.allowsSha1Signatures ?? false,
  }
}

function sortedEntries(map: ReadonlyMap<string, readonly ClaimValue[]>): unknown {
  return [...map].map(([name, values]) => [name, [...values].map(value => JSON.stringify(value)).sort()]).sort()
}
