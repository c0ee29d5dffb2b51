export {
  CollateralCache,
  type CollateralCacheOptions,
  type CollateralStore,
  type DatedItem,
} from './collateral/cache.js'
export { combinedEndorsements } from './collateral/combined.js'
export { KdsEndorsements, type KdsOptions } from './collateral/kds.js'
export { PcsEndorsements, type PcsOptions } from './collateral/pcs.js'
export { type CorimPolicyOptions, endorsementsOfCorims, policyOfCorims, rootsOfCorims } from './corim.js'
export { type EmbeddedVerifierOptions, embeddedVerifier } from './embedded.js'
export { errorOf, NotAppraised, Refused } from './errors.js'
export { PolicyError } from './json-document.js'
export type { MeasurementPolicy, PlatformPolicy, TcbPolicy } from './platform-policy.js'
export { Policy, type PolicyDocument } from './policy.js'
export { remarksOn } from './policy-remarks.js'
export { report, sentence } from './report.js'
export type { TrustedIssuer } from './results.js'
export { SessionMisuseError, VerifierBusyError } from './sessions.js'
