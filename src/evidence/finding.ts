import type { Check, TrustworthinessVector } from '../rats/index.js'
import { tierOf } from '../rats/index.js'

/** The claims of an AR4SI trustworthiness vector (draft-ietf-rats-ar4si §2.3.4). */
export type TrustworthinessClaim = keyof TrustworthinessVector

/** A check, and what its outcome asserts in the words of AR4SI; null where it asserts nothing. */
export interface Finding {
  readonly check: Check
  readonly asserts: { readonly claim: TrustworthinessClaim; readonly value: number } | null
}

/** Values of trustworthiness claims that the appraisals here assign (draft-ietf-rats-ar4si §2.3.4). */
export const Assertion = {
  /** Recognised, approved, genuine. */
  approved: 2,
  /** Recognised, but not to be trusted. */
  contraindicated: 96,
  /** Not recognised, such as a platform whose root is unknown. */
  unrecognised: 97,
  /** A signature or a binding did not hold. */
  cryptographicFailure: 99,
} as const

/** What a check is about. */
export interface Subject {
  /** `Check.name`. */
  readonly name: string
  readonly expected: string
  readonly actual: string
  readonly source: string
  /** `Check.code`. */
  readonly code?: string
}

/** A check that passed, with the claim that it affirms, if it does. */
export function passed(subject: Subject, affirms: TrustworthinessClaim | null = null): Finding {
  const asserts = affirms === null ? null : { claim: affirms, value: Assertion.approved }
  return { check: { ...subject, passed: true }, asserts }
}

/** A check that failed. It always contraindicates something, so that no verdict can be better than its worst check. */
export function failed(
  subject: Subject,
  remedy: string,
  claim: TrustworthinessClaim,
  value: 96 | 97 | 99 = Assertion.cryptographicFailure,
): Finding {
  return { check: { ...subject, passed: false, remedy }, asserts: { claim, value } }
}

/** Whether each of the checks of these names passed. */
export function allPassed(findings: readonly Finding[], names: readonly string[]): boolean {
  return findings.every(({ check }) => check.passed || !names.includes(check.name))
}

/** The vector that findings add up to: of several assertions about one claim the worst stands. */
export function vectorOf(findings: readonly Finding[]): TrustworthinessVector {
  const vector: Partial<Record<TrustworthinessClaim, number>> = {}
  for (const { asserts } of findings) {
    if (asserts === null) continue
    const held = vector[asserts.claim]
    if (held === undefined || isWorse(asserts.value, held)) vector[asserts.claim] = asserts.value
  }
  return vector
}

function isWorse(value: number, held: number): boolean {
  const order = SEVERITY[tierOf(value)] - SEVERITY[tierOf(held)]
  return order > 0 || (order === 0 && Math.abs(value) > Math.abs(held))
}

const SEVERITY = { none: 0, affirming: 1, warning: 2, contraindicated: 3 } as const
