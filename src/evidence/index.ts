export { type AppraisedReport, appraiseReport, type RegisteredPlatform, registered } from './appraise-platform.js'
export { checkAttestedKey, checkChallenge, MIN_CHALLENGE_LENGTH, shortHex } from './checks.js'
export {
  type EndorsementNeed,
  type EndorsementSource,
  type Endorsements,
  FixedEndorsements,
  type InstanceKey,
  type InstanceKeys,
  MissingEndorsement,
} from './endorsements.js'
export {
  Assertion,
  type Finding,
  failed,
  passed,
  type Subject,
  type TrustworthinessClaim,
  vectorOf,
} from './finding.js'
export {
  type Appraisal,
  type AppraisalInputs,
  type AppraisedEnvironment,
  type EvidenceFormat,
  MalformedEvidence,
  type Origin,
  type OriginInputs,
  type Platform,
  type PolicyTerms,
  type TcbStanding,
} from './format.js'
export { evidenceFormats, formatOf } from './formats.js'
export { recordOf, wellFormed } from './message.js'
export { type CheckedChain, checkOriginChain, signatureFinding } from './origin.js'
export { PlatformRoots, RootsByKind, type TrustedChain } from './platform-roots.js'
export { platforms, platformTerms } from './platforms.js'
export {
  type ClaimValue,
  compareWithReferenceValues,
  type MeasurementSet,
  type PlatformFacts,
  type PlatformReference,
  type ReferenceValues,
  type TcbReference,
} from './reference-values.js'
export { decodeCertificateTable } from './sev-snp/certificate-table.js'
export type { SnpEndorsements } from './sev-snp/endorsements.js'
export { type SnpEvidence, snpPlatform } from './sev-snp/platform.js'
export { decodeReport, lineOfReport, type SnpReport } from './sev-snp/report.js'
export {
  encodeSimulatedClaims,
  type LifecycleName,
  SIMULATED_PROFILE,
  type SimulatedClaims,
  type SoftwareComponent,
} from './simulated/claims.js'
export { SIMULATED_MEDIA_TYPE } from './simulated/format.js'
export { isSimulatedName, SIMULATED } from './simulated/mark.js'
