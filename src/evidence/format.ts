import type { Check, Cmw, IdentityKey, TrustworthinessVector } from '../rats/index.js'
import type { EndorsementNeed, Endorsements } from './endorsements.js'
import type { Finding } from './finding.js'
import type { RootsByKind } from './platform-roots.js'
import type { PlatformFacts, ReferenceValues } from './reference-values.js'

/** What the Verifier knows and the Evidence has to agree with. */
export interface AppraisalInputs extends OriginInputs {
  /** What the Evidence has to hold, whole and inside its signed part; null where it was made before anybody could ask,
   *  as in a certificate. */
  readonly challenge: Uint8Array | null
  /** The key that the Evidence has to speak for; null when it is to be taken out of the Evidence. */
  readonly key: IdentityKey | null
  readonly referenceValues: ReferenceValues
}

/** What the Verifier knows about where genuine reports come from. */
export interface OriginInputs {
  readonly roots: RootsByKind
  readonly endorsements: Endorsements
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
  /** The kinds of platform whose reports it can hold. */
  readonly kinds: readonly string[]
  /** The size of the challenge in bytes where the format fixes it; undefined where 8 to 64 will do. */
  readonly challengeLength: number | undefined
  /** Whether such Evidence says whose key the attested environment holds, and so can stand in place of a
   *  certificate. What does not is for use beside one, with a challenge that is bound to the connection. */
  readonly speaksForKey: boolean
  /** The collateral that this Evidence asks for; absent for formats that need none but what is configured.
   *  @throws MalformedEvidence as `appraise` does */
  needs?(message: Cmw): readonly EndorsementNeed[]
  /** Appraises, without IO: the same arguments give the same findings.
   *  @throws MalformedEvidence if the message cannot be read: such Evidence is not appraised at all
   *  @throws MissingEndorsement if something is missing without which nothing can be said about it */
  appraise(message: Cmw, inputs: AppraisalInputs): Appraisal
}

/** A platform whose reports Evidence is made of, alone or inside a bundle: the four verbs of every format.
 *  `Report` is what the format decodes to, with all that is checked afterwards. */
export interface Platform<Report> {
  /** The name in policies and Attestation Results: `simulated`. */
  readonly kind: string
  /** `eat_profile` (RFC 9711 §4.3.2) that its reports carry; undefined for reports that are no EAT. */
  readonly profile: string | undefined
  /** Whether nothing of this kind is ever more than simulated. */
  readonly isSimulated: boolean
  /** What a policy may and must say about it. */
  readonly policyTerms: PolicyTerms
  /** Names of the claims that are about the occasion, or come from collateral, so that two reports of one machine in one state
   *  may differ in them; absent where there are none. */
  readonly passingClaims?: readonly string[]
  /** Reads a report. @throws MessageError or CborError if it has not the form of the format */
  decode(report: Uint8Array): Report
  /** The collateral that a report asks for; absent for platforms that need none but what is configured. */
  needs?(report: Report): readonly EndorsementNeed[]
  /** Signature and certificate chain, up to a trusted root, and the standing of the platform's TCB.
   *  @throws MissingEndorsement */
  checkOrigin(report: Report, inputs: OriginInputs): Origin
  /** The challenge inside the signed report, for the caller to compare. */
  challengeOf(report: Report): Uint8Array
  /** What the report says about the platform, in the words that reference values are written in.
   *  @param origin what `checkOrigin` found, where facts come from the collateral */
  factsOf(report: Report, origin: Origin): PlatformFacts
}

/** What was found about where a report comes from. */
export interface Origin {
  readonly findings: readonly Finding[]
  /** Whether the chain or the collateral says that it belongs to a simulated platform. */
  readonly isSimulated: boolean
  /** How the collateral rates the platform's TCB; undefined where nothing rates it. */
  readonly tcb?: TcbStanding | undefined
  /** What certificates and collateral say about the platform, beside what its report says. */
  readonly claims?: Readonly<Record<string, unknown>>
}

/** How a vendor rates a platform's Trusted Computing Base. */
export interface TcbStanding {
  /** The vendor's word: `UpToDate`, `SWHardeningNeeded`. */
  readonly status: string
  /** Statuses that are worse: a policy that allows one of them allows this. Absent for none. */
  readonly impliedBy?: readonly string[]
  /** Milliseconds since 1970 since when the platform could have had a better one; null if unknown or up to date. */
  readonly outdatedSince: number | null
  /** Names of published weaknesses: `INTEL-SA-00615`. */
  readonly advisories: readonly string[]
}

/** Measurements that say enough together with claims and minimum versions, such as a signer with a product. */
export interface SufficientPins {
  readonly measurements: readonly string[]
  readonly claims: readonly string[]
  readonly versions: readonly string[]
}

/** What a policy may and must say about a kind of platform. */
export interface PolicyTerms {
  /** Measurements that every set has to pin: less than these says too little about what runs. */
  readonly requiredMeasurements: readonly string[]
  /** What else says enough about the software, if a set pins exactly these measurements: what it says nothing about may
   *  then be anything. Absent where nothing does. */
  readonly sufficientPins?: readonly SufficientPins[]
  /** Lifecycle states that its reports can tell; empty where they tell none. */
  readonly lifecycles: readonly string[]
  /** Names of the claims that a policy can ask for. */
  readonly claims: readonly string[]
  /** All measurements that its reports can hold; absent where the platform's owner names them. */
  readonly measurements?: readonly string[]
  /** What is wrong with a set of measurements of these names, where more can be said than a list of them says; null if
   *  nothing is. */
  readonly complaintAbout?: (names: readonly string[]) => string | null
  /** Whether old platforms of this kind sign with SHA-1, so that a policy can allow it; absent where none does. */
  readonly maySignWithSha1?: boolean
  /** Components whose version a policy can set a minimum for, such as `microcode`; absent where there are none. */
  readonly versions?: readonly string[]
  /** TCB statuses that its collateral can give; absent where nothing rates the TCB. */
  readonly tcbStatuses?: {
    readonly known: readonly string[]
    /** Those that a policy allows without saying so. */
    readonly usual: readonly string[]
  }
}

/** Evidence that has not the form of its format. */
export class MalformedEvidence extends Error {
  readonly code = 'ERR_EVIDENCE_MALFORMED'

  constructor(sentence: string, options?: ErrorOptions) {
    super(sentence, options)
    this.name = 'MalformedEvidence'
  }
}
