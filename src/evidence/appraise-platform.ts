import { Assertion, type Finding, failed, passed, vectorOf } from './finding.js'
import type { AppraisedEnvironment, OriginInputs, Platform, PolicyTerms } from './format.js'
import { compareWithReferenceValues, type ReferenceValues } from './reference-values.js'

/** What an appraisal found about one report of a platform. */
export interface AppraisedReport {
  readonly findings: readonly Finding[]
  readonly environment: AppraisedEnvironment
  /** The field of the report that the challenge, or a digest over it and a key, is looked for in. */
  readonly challenge: Uint8Array
  /** Whether the report is what a trusted platform signed, whatever it says. */
  readonly isGenuine: boolean
  readonly isSimulated: boolean
}

/** Appraises one report with the four verbs of its platform, in the order in which each makes sense only if the one
 *  before held.
 *  @param checkChallenge compares the report's challenge field with what it has to hold, whole
 *  @throws MissingEndorsement */
export function appraiseReport<Report>(
  platform: Platform<Report>,
  report: Report,
  inputs: OriginInputs & { readonly referenceValues: ReferenceValues },
  checkChallenge: (found: Uint8Array) => readonly Finding[],
): AppraisedReport {
  const { referenceValues } = inputs
  const origin = platform.checkOrigin(report, inputs)
  const challenge = platform.challengeOf(report)
  const isSimulated = platform.isSimulated || origin.isSimulated
  const findings = [...origin.findings, ...checkChallenge(challenge)]
  if (isSimulated) findings.push(checkSimulated(referenceValues))
  const isGenuine = origin.findings.every(({ check }) => check.passed)
  const reference = referenceValues.platforms.get(platform.kind)
  if (!reference) findings.push(unknownKind(platform.kind, referenceValues))
  if (!isGenuine) {
    // Claims that nobody vouches for are compared with nothing and shown to nobody.
    return { findings, environment: { vector: vectorOf(findings), claims: {} }, challenge, isGenuine, isSimulated }
  }
  const facts = platform.factsOf(report, origin)
  if (reference) findings.push(...compareWithReferenceValues(facts, reference, inputs.at))
  return {
    findings,
    environment: { vector: vectorOf(findings), claims: facts.claims },
    challenge,
    isGenuine,
    isSimulated,
  }
}

function checkSimulated({ trustsSimulatedPlatforms }: ReferenceValues): Finding {
  const subject = {
    name: 'simulated',
    expected: trustsSimulatedPlatforms ? 'hardware or SIMULATED' : 'hardware',
    actual: 'SIMULATED',
    source: 'the option dangerouslyTrustSimulatedPlatforms',
  }
  if (trustsSimulatedPlatforms) return passed(subject)
  const remedy =
    'run the attester on hardware that attests; a SIMULATED platform proves nothing, and only a test may set dangerouslyTrustSimulatedPlatforms'
  return failed(subject, remedy, 'hardware', Assertion.unrecognised)
}

function unknownKind(kind: string, { platforms, source }: ReferenceValues): Finding {
  const subject = {
    name: 'platform',
    expected: platforms.size === 0 ? 'no platform at all' : [...platforms.keys()].join(' or '),
    actual: kind,
    source: `${source}: platforms`,
  }
  const remedy = `add an entry for ${kind} to the policy's platforms, if platforms of this kind are to be trusted`
  return failed(subject, remedy, 'hardware', Assertion.unrecognised)
}

/** A platform as the table of platforms holds it, whatever its reports decode to. */
export interface RegisteredPlatform {
  readonly kind: string
  readonly profile: string | undefined
  readonly policyTerms: PolicyTerms
  readonly passingClaims: readonly string[]
  /** `decode`, then `appraiseReport`. @throws MessageError or CborError, MissingEndorsement */
  appraise(
    report: Uint8Array,
    inputs: OriginInputs & { readonly referenceValues: ReferenceValues },
    checkChallenge: (found: Uint8Array) => readonly Finding[],
  ): AppraisedReport
}

/** Makes a row of the table of platforms. */
export function registered<Report>(platform: Platform<Report>): RegisteredPlatform {
  const { kind, profile, policyTerms, passingClaims = [] } = platform
  return {
    kind,
    profile,
    policyTerms,
    passingClaims,
    appraise: (report, inputs, checkChallenge) =>
      appraiseReport(platform, platform.decode(report), inputs, checkChallenge),
  }
}
