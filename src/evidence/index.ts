export type { ApplicationId, AuthorizationList, RootOfTrust } from './android-key/authorization-list.js'
export { ANDROID_KEY_MEDIA_TYPE } from './android-key/format.js'
export {
  KEY_DESCRIPTION,
  type KeyDescription,
  keyDescriptionOf,
  type SecurityLevel,
  securityLevels,
} from './android-key/key-description.js'
export { type AndroidKeyEndorsements, type AndroidKeyEvidence, androidKeyPlatform } from './android-key/platform.js'
export { type AppraisedReport, appraiseReport, type RegisteredPlatform, registered } from './appraise-platform.js'
export { decodeNitroDocument, type NitroDocument } from './aws-nitro/document.js'
export { NITRO_MEDIA_TYPE } from './aws-nitro/format.js'
export { nitroPlatform } from './aws-nitro/platform.js'
export type { AzureEvidence, AzureParts } from './azure/evidence.js'
export { type AzureTee, decodeHclReport, type HclClaims, type HclReport, readVariableData } from './azure/hcl-report.js'
export type { AzurePlatform } from './azure/platform.js'
export { azureSnpPlatform, azureTdxPlatform } from './azure/platforms.js'
export {
  type BoundReportOptions,
  bareReport,
  boundCollectionType,
  boundReport,
  makeBoundReport,
} from './bound/format.js'
export { decodeKeyClaims, encodeKeyClaims, isReportDataFor, type KeyClaims, reportDataFor } from './bound/key-claims.js'
export { azureSnpEvidence, azureTdxEvidence, sgxQuotes, snpReports, tdxQuotes } from './bound/rows.js'
export { CCA_MEDIA_TYPE } from './cca/format.js'
export { ccaPlatform, ccaRealm, checkRealmBinding } from './cca/platform.js'
export { type CcaPlatformClaims, type CcaPlatformProfile, encodeCcaPlatformClaims } from './cca/platform-claims.js'
export {
  type CcaRealmClaims,
  type CcaRealmProfile,
  encodeCcaRealmClaims,
  encodeRealmKey,
} from './cca/realm-claims.js'
export { type CcaEnvelope, type CcaPart, type CcaToken, decodeCcaEnvelope, decodeCcaToken } from './cca/token.js'
export {
  appraiseCarried,
  type CarriedEvidence,
  EvidenceExtension,
  evidenceInCertificate,
} from './certificate/carrier.js'
export {
  decodeRaTlsClaims,
  encodeRaTlsClaims,
  encodeRaTlsEvidence,
  type RaTlsClaims,
  RaTlsTag,
  raTlsReportData,
} from './certificate/ra-tls.js'
export { checkAttestedKey, checkChallenge, MIN_CHALLENGE_LENGTH, shortHex } from './checks.js'
export { type CorimContents, contentsOfCorim } from './corim/contents.js'
export { type CorimTrust, openCorim } from './corim/open.js'
export type { CorimReference, CorimRoot } from './corim/profile.js'
export { type Authenticity, checkAuthenticity } from './dcap/authenticity.js'
export { readCollateralBundle } from './dcap/bundle.js'
export type { CheckedCollateral } from './dcap/collateral.js'
export {
  type CertificateChain,
  type DcapCollateral,
  type DcapEndorsements,
  type DcapTee,
  FixedDcapEndorsements,
  type PckCa,
  qeIdentityFrom,
  RevocationList,
  SignedDocument,
  tcbInfoFrom,
} from './dcap/endorsements.js'
export { checkQuote, type DcapOrigin } from './dcap/origin.js'
export type { PckFacts } from './dcap/pck.js'
export {
  type DcapItem,
  dcapEndorsementsOf,
  INTEL_ROOT_CRL_URL,
  type PcsAnswer,
  pcsRequest,
  readPcsAnswer,
} from './dcap/pcs.js'
export type { QeIdentity } from './dcap/qe-identity.js'
export { type CertificationData, decodeQuote, type Quote } from './dcap/quote.js'
export type { ModuleRating, TcbRating } from './dcap/rating.js'
export type { SgxReport, TdReport } from './dcap/report-body.js'
export type {
  IsvSvnLevel,
  ModuleIdentity,
  Rating,
  TcbInfo,
  TcbLevel,
  TdxModuleIdentity,
} from './dcap/tcb-info.js'
export { type CollateralStatus, type TcbStatus, tcbStatuses } from './dcap/tcb-status.js'
export {
  type EndorsementErrorCode,
  type EndorsementNeed,
  type EndorsementSource,
  type Endorsements,
  FixedEndorsements,
  type FixedEndorsementsOptions,
  type InstanceKey,
  type InstanceKeys,
  type InstanceSecret,
  MissingEndorsement,
} from './endorsements.js'
export { type LoggedEvent, type RegisterHash, replayLog } from './event-log/log.js'
export { decodeTcgLog, startOfTpm } from './event-log/tcg.js'
export { decodeCcel, decodeDstackLog, findUnexplainedRtmr, type RuntimeEvent } from './event-log/td.js'
export {
  Assertion,
  allPassed,
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
  type SufficientPins,
  type TcbStanding,
} from './format.js'
export { evidenceFormats, formatNamed, formatOf, speaksForKey } from './formats.js'
export { recordOf, wellFormed } from './message.js'
export { type NvidiaEvidence, nvidiaGpuPlatform } from './nvidia-gpu/platform.js'
export { decodeNvidiaReport, NvidiaField, type NvidiaReport } from './nvidia-gpu/report.js'
export { type CheckedChain, checkOriginChain, signatureFinding } from './origin.js'
export {
  ChainMemory,
  type ClockLeeway,
  PlatformRoots,
  type PresentedChain,
  RootsByKind,
  type TrustedChain,
} from './platform-roots.js'
export { passingClaims, platforms, platformTerms } from './platforms.js'
export {
  decodePsaClaims,
  encodePsaClaims,
  PSA_2_0_0_PROFILE,
  PSA_LEGACY_PROFILE,
  PSA_PROFILE,
  type PsaClaims,
} from './psa/claims.js'
export type { ArmComponent } from './psa/component.js'
export { PSA_2_0_0_MEDIA_TYPE, PSA_ANY_MEDIA_TYPE, PSA_LEGACY_MEDIA_TYPE, PSA_MEDIA_TYPE } from './psa/format.js'
export { type PsaToken, psaPlatform } from './psa/platform.js'
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
export type { SigningCertificateQuery, SnpEndorsements } from './sev-snp/endorsements.js'
export { FixedSnpEndorsements, type FixedSnpEndorsementsOptions } from './sev-snp/fixed-endorsements.js'
export { type KdsItem, kdsEndorsementsOf, kdsPath, readKdsAnswer } from './sev-snp/kds.js'
export { type SnpEvidence, snpPlatform } from './sev-snp/platform.js'
export type { ProductLine } from './sev-snp/product-line.js'
export { decodeReport, lineOfReport, type SnpReport } from './sev-snp/report.js'
export type { TcbPart } from './sev-snp/tcb-version.js'
export { type SgxQuote, sgxPlatform } from './sgx/platform.js'
export {
  encodeSimulatedClaims,
  type LifecycleName,
  SIMULATED_PROFILE,
  type SimulatedClaims,
  type SoftwareComponent,
} from './simulated/claims.js'
export { SIMULATED_MEDIA_TYPE } from './simulated/format.js'
export { isSimulatedName, SIMULATED } from './simulated/mark.js'
export { type TdxQuote, tdxPlatform } from './tdx/platform.js'
export { tpmHashes, tpmHashLength } from './tpm/algorithm.js'
export { AttestType, decodeAttest, TPM_MAGIC, type TpmAttest, type TpmAttested } from './tpm/attest.js'
export {
  checkAttestationKey,
  checkKeyAttributes,
  checkKeyName,
  checkMagic,
  checkStatementType,
  checkTpmSignature,
} from './tpm/checks.js'
export {
  decodeStatement,
  decodeTpmBundle,
  encodeTpmBundle,
  type TpmAttestationKey,
  type TpmBundle,
  type TpmCertified,
  type TpmEvidence,
  type TpmStatement,
} from './tpm/evidence.js'
export {
  decodeEnactTrustToken,
  decodeParsecTpmEvidence,
  ENACTTRUST_MEDIA_TYPE,
  TPM_MEDIA_TYPE,
  TPM_QUOTE_MEDIA_TYPE,
} from './tpm/format.js'
export {
  describeSelections,
  encodeSelections,
  findUnexplainedPcr,
  type PcrBanks,
  type PcrSelection,
  pcrDigestOf,
} from './tpm/pcr.js'
export { checkPurpose, tpmPlatform } from './tpm/platform.js'
export { decodePublicArea, KeyAttribute, type TpmPublic } from './tpm/public-area.js'
export { decodeSignature, isSignedByTpm, type TpmSignature } from './tpm/signature.js'
export { type PinnedRoot, pinnedRoots } from './trust-anchors.js'
