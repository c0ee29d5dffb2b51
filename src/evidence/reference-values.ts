import { Assertion, type Finding, failed, passed } from './finding.js'
import type { TcbStanding } from './format.js'

/** What a platform says about itself, in the words that reference values are written in. */
export interface PlatformFacts {
  /** Digests by name, lower-case hex. */
  readonly measurements: ReadonlyMap<string, string>
  /** Whether the measurements are registers, many of which mean nothing to anyone: a set need not name them all. */
  readonly areRegisters?: boolean
  readonly isDebuggable: boolean
  /** The weakest hash that what the platform says is signed with; absent where no weak one is possible. */
  readonly signatureHash?: string | undefined
  /** One of the kind's lifecycle states, or another text that no policy can allow; undefined where it tells none. */
  readonly lifecycle: string | undefined
  /** All claims, for policy and for people; byte strings as lower-case hex. */
  readonly claims: Readonly<Record<string, unknown>>
  /** Versions of the components that a minimum can be set for; absent where there are none. */
  readonly versions?: ReadonlyMap<string, number>
  /** How the collateral rates the platform's TCB; absent where nothing rates it. */
  readonly tcb?: TcbStanding | undefined
}

/** Reference Values (RFC 9334 §8.3): what the platforms may look like that are to be trusted. */
export interface ReferenceValues {
  /** Where they come from, for people: `policy.json`. */
  readonly source: string
  /** By kind; Evidence from any other kind of platform is refused. */
  readonly platforms: ReadonlyMap<string, PlatformReference>
  /** Whether simulated platforms may be trusted at all, whatever else is said here. */
  readonly trustsSimulatedPlatforms: boolean
}

/** Reference Values for one kind of platform. */
export interface PlatformReference {
  /** Where it stands: `policy.json: platforms[0]`. */
  readonly source: string
  /** The states of the software that are allowed, each complete in itself; null where any will do. */
  readonly measurementSets: readonly MeasurementSet[] | null
  readonly allowsDebug: boolean
  /** Allowed states; null for platforms that tell none. */
  readonly lifecycles: readonly string[] | null
  /** For each claim that is asked for, the values that will do. */
  readonly claims: ReadonlyMap<string, readonly ClaimValue[]>
  /** By component, the lowest version that will do. */
  readonly minimumVersions: ReadonlyMap<string, number>
  /** Null for platforms whose TCB nothing rates. */
  readonly tcb: TcbReference | null
  /** Whether signatures with SHA-1 will do; they will not unless said. */
  readonly allowsSha1Signatures?: boolean
}

/** Reference Values for how a platform's Trusted Computing Base is rated. */
export interface TcbReference {
  /** The vendor's words for what will do at any time. */
  readonly statuses: readonly string[]
  /** For how many seconds after a better TCB came out another status will do as well. */
  readonly graceSeconds: number
}

/** A value that a claim can be compared with. */
export type ClaimValue = string | number | boolean

/** One allowed state of the software on a platform. */
export interface MeasurementSet {
  /** For people: `release 1.4.2`. */
  readonly name: string
  /** By measurement, the digests that will do, lower-case hex; never empty. */
  readonly values: ReadonlyMap<string, readonly string[]>
  /** Measurements that may be anything, because what is pinned says enough; absent for none. */
  readonly leavesOut?: ReadonlySet<string>
}

/** Compares what a platform says about itself with what it may look like.
 *  @param at milliseconds since 1970 */
export function compareWithReferenceValues(
  facts: PlatformFacts,
  reference: PlatformReference,
  at: number,
): readonly Finding[] {
  const findings = [compareMeasurements(facts, reference), compareDebug(facts.isDebuggable, reference)]
  if (facts.signatureHash !== undefined) findings.push(compareSignatureHash(facts.signatureHash, reference))
  if (reference.lifecycles !== null) findings.push(compareLifecycle(facts.lifecycle, reference.lifecycles, reference))
  for (const [name, minimum] of reference.minimumVersions) {
    findings.push(compareVersion(name, facts.versions?.get(name), minimum, reference))
  }
  if (reference.tcb !== null) findings.push(compareTcb(facts.tcb, reference.tcb, reference, at))
  for (const [name, allowed] of reference.claims)
    findings.push(compareClaim(name, facts.claims[name], allowed, reference))
  return findings
}

function compareMeasurements(
  { measurements, areRegisters = false }: PlatformFacts,
  reference: PlatformReference,
): Finding {
  const name = 'measurement'
  const sets = reference.measurementSets
  if (sets === null) {
    const source = `${reference.source}.dangerouslyAcceptAnyMeasurement`
    // Nothing is affirmed about executables that were compared with nothing.
    return passed({ name, expected: 'any software', actual: listed(measurements), source })
  }
  const source = `${reference.source}.measurements`
  const match = sets.find(set => mismatch(measurements, set, areRegisters) === null)
  if (match) {
    return passed({ name, expected: match.name, actual: listed(measurements), source }, 'executables')
  }
  const { expected, actual } = differenceOf(measurements, sets, areRegisters)
  const remedy =
    'deploy a build that the policy allows, or add the measurements of this one to the policy if they are expected'
  return failed({ name, expected, actual, source }, remedy, 'executables', 96)
}

/** The first measurement that keeps a platform out of a set; null if it is in. A measurement that the set does not
 *  name keeps it out as well, unless it is one of many registers: it stands for software that nobody vouched for. */
function mismatch(
  measurements: ReadonlyMap<string, string>,
  set: MeasurementSet,
  areRegisters: boolean,
): string | null {
  for (const [name, allowed] of set.values) {
    const value = measurements.get(name)
    if (value === undefined || !allowed.includes(value)) return name
  }
  if (areRegisters) return null
  for (const name of measurements.keys()) if (!set.values.has(name) && !set.leavesOut?.has(name)) return name
  return null
}

/** Names the measurement that differs from the set that fits best, and all that the sets allow for it. */
function differenceOf(
  measurements: ReadonlyMap<string, string>,
  sets: readonly MeasurementSet[],
  areRegisters: boolean,
): { expected: string; actual: string } {
  const agreement = (set: MeasurementSet) =>
    [...set.values].filter(([name, allowed]) => allowed.includes(measurements.get(name) ?? '')).length
  const closest = sets.reduce((best, set) => (agreement(set) > agreement(best) ? set : best))
  const name = mismatch(measurements, closest, areRegisters) ?? ''
  const value = measurements.get(name)
  const actual = value === undefined ? `no measurement of ${name}` : `${name} ${short(value)}`
  const allowed = [...new Set(sets.flatMap(set => set.values.get(name) ?? []))]
  const expected = allowed.length === 0 ? `nothing measured as ${name}` : `${name} ${anyOf(allowed.map(short))}`
  return { expected, actual }
}

function compareDebug(isDebuggable: boolean, reference: PlatformReference): Finding {
  const subject = {
    name: 'debug',
    expected: reference.allowsDebug ? 'debug on or off' : 'debug off',
    actual: isDebuggable ? 'debug on' : 'debug off',
    source: `${reference.source}.allowDebug`,
  }
  if (!isDebuggable || reference.allowsDebug) return passed(subject, 'configuration')
  const remedy = 'start the platform without debugging: whoever can debug it can read its secrets'
  return failed(subject, remedy, 'configuration', 96)
}

/** SHA-1 signatures can be forged by whoever chooses what is signed; old TPMs make no others. */
function compareSignatureHash(signatureHash: string, reference: PlatformReference): Finding {
  const allows = reference.allowsSha1Signatures ?? false
  const subject = {
    name: 'signature-hash',
    expected: allows ? 'any hash' : 'any hash but sha1',
    actual: signatureHash,
    source: `${reference.source}.dangerouslyAllowSha1Signatures`,
  }
  if (signatureHash !== 'sha1' || allows) return passed(subject)
  const remedy = 'have the platform sign with SHA-256, by a new attestation key if need be'
  return failed(subject, remedy, 'instance-identity', Assertion.contraindicated)
}

function compareLifecycle(
  lifecycle: string | undefined,
  allowed: readonly string[],
  reference: PlatformReference,
): Finding {
  const subject = {
    name: 'lifecycle',
    expected: anyOf(allowed),
    actual: lifecycle ?? 'no lifecycle',
    source: `${reference.source}.lifecycle`,
  }
  if (lifecycle !== undefined && allowed.includes(lifecycle)) return passed(subject)
  const remedy = 'bring the platform into its secured state, or allow the state if it is meant'
  return failed(subject, remedy, 'instance-identity', 96)
}

function compareVersion(
  component: string,
  version: number | undefined,
  minimum: number,
  reference: PlatformReference,
): Finding {
  const subject = {
    name: 'version',
    expected: `${component} at least ${minimum}`,
    actual: version === undefined ? `no version of ${component}` : `${component} ${version}`,
    source: `${reference.source}.minimumVersions.${component}`,
  }
  if (version !== undefined && version >= minimum) return passed(subject)
  return failed(subject, `update the ${component} of the platform`, 'hardware', Assertion.contraindicated)
}

/** A status that the policy does not allow as such will do for a while, so that a fleet can be updated. */
function compareTcb(
  standing: TcbStanding | undefined,
  { statuses, graceSeconds }: TcbReference,
  reference: PlatformReference,
  at: number,
): Finding {
  const advisories =
    standing && standing.advisories.length > 0 ? ` (${standing.advisories.slice(0, MOST_SHOWN).join(', ')})` : ''
  const subject = {
    name: 'tcb-status',
    expected: anyOf(statuses),
    actual: standing ? `${standing.status}${advisories}` : 'no rating',
    source: `${reference.source}.tcb`,
  }
  const words = standing ? [standing.status, ...(standing.impliedBy ?? [])] : []
  if (words.some(word => statuses.includes(word))) return passed(subject, 'hardware')
  const since = standing?.outdatedSince ?? null
  const graceEnds = since === null ? null : since + graceSeconds * 1000
  if (standing && !NEVER_EXCUSED.has(standing.status) && graceEnds !== null && at < graceEnds) {
    const expected = `${subject.expected}, or any other until ${new Date(graceEnds).toISOString().slice(0, 10)}`
    return passed({ ...subject, expected }, 'hardware')
  }
  const remedy =
    'update the platform’s firmware and microcode, or allow the status if its weaknesses do not matter here'
  return failed(subject, remedy, 'hardware', Assertion.contraindicated)
}

/** A TCB whose keys are known to be lost is not excused for a while. */
const NEVER_EXCUSED: ReadonlySet<string> = new Set(['Revoked'])

function compareClaim(
  name: string,
  value: unknown,
  allowed: readonly ClaimValue[],
  reference: PlatformReference,
): Finding {
  const subject = {
    name: 'claim',
    expected: `${name} ${anyOf(allowed.map(text))}`,
    actual: value === undefined ? `no ${name}` : `${name} ${text(value)}`,
    source: `${reference.source}.claims.${name}`,
  }
  if (allowed.some(one => one === value)) return passed(subject)
  return failed(subject, 'present a platform with that claim, or correct the policy', 'configuration', 96)
}

/** `a`, `a or b`, `a, b or c`; long lists are cut. */
function anyOf(values: readonly string[]): string {
  const shown = values.slice(0, MOST_SHOWN)
  const more = values.length - shown.length
  if (more > 0) return `${shown.join(', ')} or one of ${more} more`
  const last = shown.at(-1) ?? 'nothing'
  return shown.length < 2 ? last : `${shown.slice(0, -1).join(', ')} or ${last}`
}

const MOST_SHOWN = 4

function listed(measurements: ReadonlyMap<string, string>): string {
  const all = [...measurements].map(([name, value]) => `${name} ${short(value)}`)
  return all.length === 0 ? 'no measurements' : all.slice(0, MOST_SHOWN).join(', ')
}

/** Enough of a digest for a person to tell two apart. */
function short(digest: string): string {
  return `${digest.slice(0, 8)}…`
}

/** A claim's value in one short line, whoever wrote it. */
function text(value: unknown): string {
  const line = typeof value === 'string' && /^[0-9a-f]{32,}$/.test(value) ? short(value) : (JSON.stringify(value) ?? '')
  return line.length > 80 ? `${line.slice(0, 79)}…` : line
}
