import type { Tier, TrustworthinessVector } from './roles.js'

/** The claims of the trustworthiness vector, in the order of their CBOR keys 0..7
 *  (draft-ietf-rats-ar4si §2.3.4, draft-ietf-rats-ear-04 §3.2). */
export const trustworthinessClaims = [
  'instance-identity',
  'configuration',
  'executables',
  'file-system',
  'hardware',
  'runtime-opaque',
  'storage-opaque',
  'sourced-data',
] as const satisfies readonly (keyof TrustworthinessVector)[]

/** The tier of one trustworthiness claim (draft-ietf-rats-ar4si §2.3.2).
 *  @param value an int8 */
export function tierOf(value: number): Tier {
  if (value >= 96 || value <= -97) return 'contraindicated'
  if (value >= 32 || value <= -33) return 'warning'
  if (value >= 2 || value <= -2) return 'affirming'
  return 'none'
}

/** The tier of a vector: its worst claim; `none` where no claim asserts anything. */
export function tierOfVector(vector: TrustworthinessVector): Tier {
  let worst: Tier = 'none'
  for (const claim of trustworthinessClaims) {
    const value = vector[claim]
    if (value !== undefined) worst = worstTier(worst, tierOf(value))
  }
  return worst
}

/** The worse of two tiers that are part of one verdict. `none` asserts nothing, so anything stands beside it. */
export function worstTier(a: Tier, b: Tier): Tier {
  return SEVERITY[a] >= SEVERITY[b] ? a : b
}

/** Whether a verdict of `status` says more good than its parts do: draft-ietf-rats-ear-04 §3.2 forbids it. */
export function isBetterThan(status: Tier, parts: Tier): boolean {
  // An affirmation over parts that assert nothing says more than it knows; a warning does not.
  return parts === 'none' ? status === 'affirming' : status !== 'none' && SEVERITY[status] < SEVERITY[parts]
}

/** The numbers that stand for tiers in CBOR (draft-ietf-rats-ear-04 §3.2). */
export const tierNumbers: Readonly<Record<Tier, number>> = { none: 0, affirming: 2, warning: 32, contraindicated: 96 }

/** The tier that a number stands for in CBOR; undefined for any other number. */
export function tierOfNumber(number: number): Tier | undefined {
  return TIERS.find(tier => tierNumbers[tier] === number)
}

/** The tier of that name; undefined for any other text. */
export function tierOfName(name: string): Tier | undefined {
  return TIERS.find(tier => tier === name)
}

const TIERS: readonly Tier[] = ['none', 'affirming', 'warning', 'contraindicated']
const SEVERITY: Readonly<Record<Tier, number>> = { none: 0, affirming: 1, warning: 2, contraindicated: 3 }
