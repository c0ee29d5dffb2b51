export { type Attestation, type ConnectionAttestation, createAttestation } from './attestation.js'
export { type BindingLevel, bindingMeanings } from './binding-level.js'
export { type CodePoints, defaultCodePoints } from './code-points.js'
export { AttestationError, type AttestationErrorCode } from './errors.js'
export { type ExpatConnection, ExportedAttestation } from './expat/exported-attestation.js'
export { type ExportedAttestationOptions, expatSettings } from './expat/settings.js'
export type { BatchOptions } from './hardened/batches.js'
export type {
  AdmissionRequest,
  AttestationCredential,
  AttestationEnvironment,
  AttestationModel,
  AttestationOptions,
  AttestationTimeouts,
  CertificateEvidenceOptions,
  ClaimExpectation,
  Clock,
  Disclosure,
  Draft08Risk,
  ExpectedIdentity,
} from './options.js'
export type { Surroundings } from './participant.js'
export type { ProfileName } from './profile.js'
export type { QuoteLimits } from './quotes.js'
export type {
  AttestationCarrier,
  AttestationStatus,
  NegotiatedAttestation,
  OwnAttestation,
  PeerAttestation,
} from './status.js'
export type { TraceEvent, TraceField } from './trace.js'
