import {
  type ClaimValue,
  type MeasurementSet,
  type PlatformReference,
  type PolicyTerms,
  platformTerms,
  type TcbReference,
} from '../evidence/index.js'
import type { Located } from './json-document.js'

/** What one kind of platform has to look like. */
export interface PlatformPolicy {
  /** `simulated`, or another kind that this version can appraise. */
  readonly kind: string
  /** The states of the software that are allowed, several at a time while a new release is rolled out. At least one,
   *  unless `dangerouslyAcceptAnyMeasurement` is set. */
  readonly measurements?: readonly MeasurementPolicy[]
  /** Trusts the platform whatever software runs on it. */
  readonly dangerouslyAcceptAnyMeasurement?: boolean
  /** Whether the platform may be open to a debugger; false unless said. */
  readonly allowDebug?: boolean
  /** Lifecycle states that are allowed, for platforms that tell theirs; `["secured"]` unless said. */
  readonly lifecycle?: readonly string[]
  /** Claims that the platform has to make, by name: the value, or an array of values of which one will do. */
  readonly claims?: Readonly<Record<string, ClaimValue | readonly ClaimValue[]>>
  /** The lowest versions that will do, by component, for platforms that tell theirs. */
  readonly minimumVersions?: Readonly<Record<string, number>>
  /** How the vendor's collateral may rate the platform, for platforms whose vendor rates them. */
  readonly tcb?: TcbPolicy
  /** Takes signatures with SHA-1 from platforms of old kinds that make no others, such as TPMs of old Windows machines;
   *  false unless said. */
  readonly dangerouslyAllowSha1Signatures?: boolean
}

/** How a platform's Trusted Computing Base may be rated. */
export interface TcbPolicy {
  /** The vendor's words that will do at any time; those that mean "up to date" unless said. */
  readonly statuses?: readonly string[]
  /** For how many days after a better TCB came out any other status will do, but for a revoked one: 0 to 365,
   *  0 unless said. */
  readonly graceDays?: number
}

/** One allowed state of a platform's software: all that it measures, and nothing besides. */
export interface MeasurementPolicy {
  /** For people: `release 1.4.2`; at most 64 characters. */
  readonly name?: string
  /** Digests by what they measure, such as `{ "workload": "9b2c…" }`: hex of 32, 48 or 64 bytes, or an array of them
   *  of which one will do. */
  readonly values: Readonly<Record<string, string | readonly string[]>>
}

/** What a policy says about platforms, by kind.
 *  @param source what the document is called   @throws PolicyError */
export function platformsOf(platforms: Located | undefined, source: string): ReadonlyMap<string, PlatformReference> {
  const found = new Map<string, PlatformReference>()
  if (platforms?.items().length === 0) {
    platforms.fail(
      'is empty, so that no Evidence would do: leave it out where only results of other Verifiers are accepted',
    )
  }
  for (const item of platforms?.items() ?? []) {
    const { kind, reference } = platformOf(item, source)
    if (found.has(kind)) {
      item.fail(`is a second entry for ${kind}: put all of its measurement sets into one entry's measurements`)
    }
    found.set(kind, reference)
  }
  return found
}

function platformOf(item: Located, source: string): { kind: string; reference: PlatformReference } {
  const members = item.members([
    'kind',
    'measurements',
    'dangerouslyAcceptAnyMeasurement',
    'allowDebug',
    'lifecycle',
    'claims',
    'minimumVersions',
    'tcb',
    'dangerouslyAllowSha1Signatures',
  ])
  if (!members.kind) return item.fail(`has no kind: one of ${[...platformTerms.keys()].join(', ')}`)
  const kind = members.kind.text()
  const terms = platformTerms.get(kind)
  if (!terms) {
    return members.kind.fail(
      `is "${kind}", which is not a kind of platform here: ${[...platformTerms.keys()].join(', ')}`,
    )
  }
  const acceptsAny = members.dangerouslyAcceptAnyMeasurement?.boolean() ?? false
  const claims = claimsOf(members.claims, kind, terms)
  const minimumVersions = minimumVersionsOf(members.minimumVersions, kind, terms)
  const besides = { claims, versions: minimumVersions }
  const reference = {
    source: `${source}: ${item.path}`,
    measurementSets: measurementSetsOf(item, members.measurements, acceptsAny, terms, besides),
    allowsDebug: members.allowDebug?.boolean() ?? false,
    lifecycles: lifecyclesOf(members.lifecycle, kind, terms),
    claims,
    minimumVersions,
    tcb: tcbOf(members.tcb, kind, terms),
    allowsSha1Signatures: sha1Of(members.dangerouslyAllowSha1Signatures, kind, terms),
  }
  return { kind, reference }
}

function measurementSetsOf(
  item: Located,
  measurements: Located | undefined,
  acceptsAny: boolean,
  terms: PolicyTerms,
  besides: PinnedBesides,
): readonly MeasurementSet[] | null {
  const sets = measurements?.items() ?? []
  if (acceptsAny) {
    if (measurements)
      measurements.fail('says nothing while dangerouslyAcceptAnyMeasurement is true: leave out one of them')
    return null
  }
  if (sets.length === 0) {
    const place = measurements ?? item
    place.fail(
      'pins no measurement, so that any software on such a platform would be trusted: list the measurements, or set ' +
        'dangerouslyAcceptAnyMeasurement if that is what you want',
    )
  }
  return sets.map((set, i) => measurementSetOf(set, `measurements[${i}]`, terms, besides))
}

/** What a policy asks for besides measurements, by name. */
interface PinnedBesides {
  readonly claims: ReadonlyMap<string, unknown>
  readonly versions: ReadonlyMap<string, unknown>
}

function measurementSetOf(
  set: Located,
  fallbackName: string,
  terms: PolicyTerms,
  besides: PinnedBesides,
): MeasurementSet {
  const members = set.members(['name', 'values'])
  if (!members.values) set.fail('has no values')
  const values = new Map<string, readonly string[]>()
  for (const [name, value] of members.values.entries()) {
    const digests = (value.isArray ? value.items() : [value]).map(digestText)
    if (digests.length === 0) value.fail('is an empty array, which nothing can match')
    values.set(name, digests)
  }
  for (const [name, value] of members.values.entries()) {
    if (terms.measurements && !terms.measurements.includes(name)) {
      value.fail(`is not a measurement of this kind of platform: there are ${terms.measurements.join(', ')}`)
    }
  }
  const name = members.name ? shortText(members.name) : fallbackName
  const sufficient = terms.sufficientPins?.find(({ measurements }) => isExactly(values, measurements))
  if (sufficient) {
    const absent = [
      ...sufficient.claims.filter(claim => !besides.claims.has(claim)).map(claim => `claims.${claim}`),
      ...sufficient.versions.filter(one => !besides.versions.has(one)).map(one => `minimumVersions.${one}`),
    ]
    if (absent.length > 0) members.values.fail(`says too little about what runs without ${absent.join(' and ')}`)
    return { name, values, leavesOut: new Set(terms.measurements?.filter(one => !values.has(one))) }
  }
  const missing = terms.requiredMeasurements.filter(name => !values.has(name))
  if (missing.length > 0) {
    members.values.fail(`does not pin ${missing.join(' and ')}, without which it says too little about what runs`)
  }
  const complaint = terms.complaintAbout?.([...values.keys()]) ?? null
  if (complaint !== null) members.values.fail(complaint)
  return { name, values }
}

function isExactly(values: ReadonlyMap<string, unknown>, names: readonly string[]): boolean {
  return values.size === names.length && names.every(name => values.has(name))
}

function digestText(value: Located): string {
  const digest = value.text().toLowerCase()
  if (!/^[0-9a-f]*$/.test(digest)) value.fail('has to be hexadecimal digits only')
  if (![64, 96, 128].includes(digest.length)) {
    value.fail(`has ${digest.length} hexadecimal digits, where a whole measurement has 64, 96 or 128`)
  }
  return digest
}

function lifecyclesOf(lifecycle: Located | undefined, kind: string, terms: PolicyTerms): readonly string[] | null {
  if (terms.lifecycles.length === 0) {
    if (lifecycle) lifecycle.fail(`cannot be asked for: platforms of kind ${kind} do not tell it`)
    return null
  }
  if (!lifecycle) return ['secured']
  const states = lifecycle.items().map(item => {
    const state = item.text()
    if (!terms.lifecycles.includes(state)) item.fail(`is "${state}", which is none of ${terms.lifecycles.join(', ')}`)
    return state
  })
  if (states.length === 0) lifecycle.fail('allows no state, so that no platform could be trusted')
  return states
}

function claimsOf(
  claims: Located | undefined,
  kind: string,
  terms: PolicyTerms,
): ReadonlyMap<string, readonly ClaimValue[]> {
  const found = new Map<string, readonly ClaimValue[]>()
  for (const [name, value] of claims?.entries() ?? []) {
    if (!terms.claims.includes(name)) {
      value.fail(`is not a claim of platforms of kind ${kind}: there are ${terms.claims.join(', ')}`)
    }
    const allowed = (value.isArray ? value.items() : [value]).map(one => one.scalar())
    if (allowed.length === 0) value.fail('is an empty array, which nothing can match')
    found.set(name, allowed)
  }
  return found
}

function minimumVersionsOf(
  minimums: Located | undefined,
  kind: string,
  { versions = [] }: PolicyTerms,
): ReadonlyMap<string, number> {
  const found = new Map<string, number>()
  for (const [name, value] of minimums?.entries() ?? []) {
    if (!versions.includes(name)) {
      const known = versions.length > 0 ? `: there are ${versions.join(', ')}` : ', which tell no versions'
      value.fail(`is not a component of platforms of kind ${kind}${known}`)
    }
    found.set(name, value.integer(0, Number.MAX_SAFE_INTEGER))
  }
  return found
}

function tcbOf(tcb: Located | undefined, kind: string, { tcbStatuses }: PolicyTerms): TcbReference | null {
  if (!tcbStatuses) {
    if (tcb) tcb.fail(`cannot be asked for: nobody rates the TCB of platforms of kind ${kind}`)
    return null
  }
  const members = tcb?.members(['statuses', 'graceDays']) ?? {}
  const statuses = members.statuses?.items().map(item => {
    const status = item.text()
    if (!tcbStatuses.known.includes(status))
      item.fail(`is "${status}", which is none of ${tcbStatuses.known.join(', ')}`)
    return status
  })
  if (statuses?.length === 0) members.statuses?.fail('allows no status, so that no platform could be trusted')
  return { statuses: statuses ?? tcbStatuses.usual, graceSeconds: (members.graceDays?.integer(0, 365) ?? 0) * 86_400 }
}

/** Text that stands in reports and results: 1 to 64 printable characters. @throws PolicyError */
export function shortText(value: Located): string {
  const text = value.text()
  if (!/^[\x20-\x7e]{1,64}$/.test(text)) value.fail('has to be 1 to 64 printable ASCII characters')
  return text
}

function sha1Of(allowed: Located | undefined, kind: string, { maySignWithSha1 }: PolicyTerms): boolean {
  if (allowed && !maySignWithSha1) allowed.fail(`says nothing: no platform of kind ${kind} signs with SHA-1`)
  return allowed?.boolean() ?? false
}
