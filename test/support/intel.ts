import { SimulatedIntel } from '#src/attester/index.js'
import {
  appraiseReport,
  type DcapCollateral,
  type DcapTee,
  FixedDcapEndorsements,
  FixedEndorsements,
  type PlatformReference,
  RootsByKind,
  sgxPlatform,
  tdxPlatform,
} from '#src/evidence/index.js'

/** When the appraisals of these tests take place: milliseconds since 1970. */
export const NOON = Date.UTC(2026, 5, 1, 12)
export const DAY = 86_400_000

/** An Intel of these tests' own. */
export const intel = new SimulatedIntel({ now: NOON })
/** A platform of its, and what runs on it. */
export const platform = intel.platform()
export const measurements = {
  mrTd: new Uint8Array(48).fill(1),
  rtmrs: [2, 3, 4, 5].map(byte => new Uint8Array(48).fill(byte)),
}

export const collateral = {
  tdx: intel.collateral({ tee: 'tdx', issuedAt: NOON - DAY }),
  sgx: intel.collateral({ tee: 'sgx', issuedAt: NOON - DAY }),
} as const

/** How an appraisal differs from the usual one. */
export interface AppraisalChanges {
  readonly tee?: DcapTee
  readonly at?: number
  /** null: none is at hand. */
  readonly collateral?: DcapCollateral | null
  readonly statuses?: readonly string[]
  readonly graceSeconds?: number
  readonly rootPem?: string
}

/** Appraises a quote by a policy that does not look at measurements. */
export function appraise(quote: Uint8Array, changes: AppraisalChanges = {}) {
  const { tee = 'tdx', at = NOON } = changes
  const used = changes.collateral === undefined ? collateral[tee] : changes.collateral
  const reference: PlatformReference = {
    source: 'the test',
    measurementSets: null,
    allowsDebug: false,
    lifecycles: null,
    claims: new Map(),
    minimumVersions: new Map(),
    tcb: { statuses: changes.statuses ?? ['UpToDate'], graceSeconds: changes.graceSeconds ?? 0 },
  }
  const inputs = {
    roots: new RootsByKind({ [tee]: [changes.rootPem ?? intel.rootPem] }),
    endorsements: new FixedEndorsements(used ? { dcap: new FixedDcapEndorsements([used]) } : {}),
    at,
    referenceValues: {
      source: 'the test',
      platforms: new Map([[tee, reference]]),
      trustsSimulatedPlatforms: true,
    },
  }
  return tee === 'tdx'
    ? appraiseReport(tdxPlatform, tdxPlatform.decode(quote), inputs, () => [])
    : appraiseReport(sgxPlatform, sgxPlatform.decode(quote), inputs, () => [])
}

/** Names of the checks that failed. */
export function failures(quote: Uint8Array, changes: AppraisalChanges = {}): readonly string[] {
  return appraise(quote, changes).findings.flatMap(({ check }) => (check.passed ? [] : [check.name]))
}

/** A copy with one bit changed. */
export function flipped(bytes: Uint8Array, offset: number): Uint8Array {
  const copy = Uint8Array.from(bytes)
  copy[offset] = (copy[offset] ?? 0) ^ 1
  return copy
}
