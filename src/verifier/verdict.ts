import { type Appraisal, passingClaims } from '../evidence/index.js'
import {
  type AttestationResult,
  type ProblemCode,
  type SubmoduleResult,
  type Tier,
  tierOfVector,
  worstTier,
} from '../rats/index.js'
import type { Policy } from './policy.js'

/** The Attestation Result that findings add up to under a policy, not yet signed. */
export function verdictOf(appraisal: Appraisal, policy: Policy, at: number): AttestationResult {
  const policyIds = [policy.name ?? `sha-256:${policy.digest}`]
  const submodules: Record<string, SubmoduleResult> = {}
  for (const [name, { vector, claims }] of Object.entries(appraisal.environments)) {
    const passing = passingClaims.get(name)
    submodules[name] = {
      status: tierOfVector(vector),
      vector,
      policyIds,
      claims,
      ...(passing && passing.length > 0 && { passingClaims: passing }),
    }
  }
  const status = Object.values(submodules).reduce((worst: Tier, one) => worstTier(worst, one.status), 'none')
  const issuedAt = Math.floor(at / 1000)
  return {
    status,
    isAccepted: appraisal.checks.every(({ passed }) => passed) && policy.acceptedTiers.has(status),
    submodules,
    attestedKey: appraisal.attestedKey,
    challenge: appraisal.challenge,
    issuedAt,
    expiresAt: issuedAt + policy.resultLifetimeSeconds,
    checks: appraisal.checks,
    isSimulated: appraisal.isSimulated,
    token: null,
  }
}

/** The Attestation Result of an appraisal that could not be done.
 *  @param at milliseconds since 1970 */
export function problemResult(problemCode: ProblemCode, problem: string, at: number): AttestationResult {
  const issuedAt = Math.floor(at / 1000)
  return {
    status: 'none',
    isAccepted: false,
    problem,
    problemCode,
    submodules: {},
    attestedKey: null,
    challenge: null,
    issuedAt,
    // It says nothing about anything, so it holds for no time.
    expiresAt: issuedAt,
    checks: [],
    isSimulated: false,
    token: null,
  }
}
