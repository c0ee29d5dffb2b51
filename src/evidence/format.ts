import type { Check, Cmw, IdentityKey, TrustworthinessVector } from '../rats/index.js'
import type { PlatformRoots } from './platform-roots.js'
import type { PlatformFacts, ReferenceValues } from './reference-values.js'
import type { Finding } from './finding.js'

/** What the Verifier knows and the Evidence has to agree with. */
export interface AppraisalInputs {
  /** What the Evidence has to hold, whole and inside its signed part. */
  readonly challenge: Uint8Array
  /** The key that the Evidence has to speak for; null when it is to be taken out of the Evidence. */
  readonly key: IdentityKey | null
  readonly roots: PlatformRoots
  readonly referenceValues: ReferenceValues
  /** Milliseconds since 1970. */
  readonly at: number
}

/** What an appraisal found. */
export interface Appraisal {
  /** Every check, in the order made. */
  readonly checks: readonly Check[]
  /** One entry per attested environment, by the name of its platform kind. */
  readonly environments: Readonly<Record<string, AppraisedEnvironment>>
  /** SubjectPublicKeyInfo (DER) of the key that the Evidence speaks for; null when it speaks for none. */
  readonly attestedKey: Uint8Array | null
  /** The challenge that was found inside the signed Evidence. */
  readonly challenge: Uint8Array | null
  readonly isSimulated: boolean
}

/** What an appraisal found about one attested environment. */
export interface AppraisedEnvironment {
  readonly vector: TrustworthinessVector
  /** Empty unless the signature over them held. */
  readonly claims: Readonly<Record<string, unknown>>
}

/** A format of Evidence that a Verifier appraises. It is a plain object: the table of `evidenceFormats` finds it by
 *  media type, and it keeps nothing between two appraisals. */
export interface EvidenceFormat {
  /** For people: `key attestation bundle`. */
  readonly name: string
  /** Media types in canonical spelling, the preferred one first; never empty. */
  readonly mediaTypes: readonly string[]
  /** The size of the challenge in bytes where the format fixes it; undefined where 8 to 64 will do. */
  readonly challengeLength: number | undefined
  /** Appraises, without IO: the same arguments give the same findings.
   *  @throws MalformedEvidence if the message cannot be read: such Evidence is not appraised at all */
  appraise(message: Cmw, inputs: AppraisalInputs): Appraisal
}

/** A platform whose reports Evidence is made of, alone or inside a bundle: the four verbs of every format.
 *  `Report` is what the format decodes to, with all that is checked afterwards. */
export interface Platform<Report> {
  /** The name in policies and Attestation Results: `simulated`. */
  readonly kind: string
  /** `eat_profile` (RFC 9711 §4.3.2) that its reports carry; undefined for reports that are no EAT. */
  readonly profile: string | undefined
  readonly isSimulated: boolean
  /** What a policy may and must say about it. */
  readonly policyTerms: PolicyTerms
  /** Reads a report. @throws MessageError or CborError if it has not the form of the format */
  decode(report: Uint8Array): Report
  /** Signature and certificate chain, up to a trusted root. */
  checkOrigin(report: Report, roots: PlatformRoots, at: number): readonly Finding[]
  /** The challenge inside the signed report, for the caller to compare. */
  challengeOf(report: Report): Uint8Array
  /** What the report says about the platform, in the words that reference values are written in. */
  factsOf(report: Report): PlatformFacts
}

/** What a policy may and must say about a kind of platform. */
export interface PolicyTerms {
  /** Measurements that every set has to pin: less than these says too little about what runs. */
  readonly requiredMeasurements: readonly string[]
  /** Lifecycle states that its reports can tell; empty where they tell none. */
  readonly lifecycles: readonly string[]
  /** Names of the claims that a policy can ask for. */
  readonly claims: readonly string[]
}

/** Evidence that has not the form of its format. */
export class MalformedEvidence extends Error {
  readonly code = 'ERR_EVIDENCE_MALFORMED'
}
