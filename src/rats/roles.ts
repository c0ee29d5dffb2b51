import type { Cmw } from './cmw.js'

/** The TLS identity key (TIK): the key that signs CertificateVerify and that Evidence must speak for
 *  (draft-fossati-tls-attestation-08 §4). */
export interface IdentityKey {
  /** SHA-256 of `spki`, 32 bytes. */
  readonly id: Uint8Array
  /** SubjectPublicKeyInfo, DER. */
  readonly spki: Uint8Array
}

/** What an Attester is asked for. */
export interface EvidenceRequest {
  /** One of the Attester's `evidenceTypes`. */
  readonly type: string
  /** What makes the Evidence fresh: the Relying Party's nonce or a channel binder; 8..255 bytes. */
  readonly challenge: Uint8Array
  /** The key that the Evidence has to speak for. */
  readonly key: IdentityKey
  readonly signal: AbortSignal
}

/** Produces Evidence about the environment it runs in (RFC 9334 §3). */
export interface Attester {
  /** Media types of the Evidence that it can produce, in order of preference; never empty. */
  readonly evidenceTypes: readonly string[]
  /** The challenge size that a type fixes, in bytes; undefined where any size from 8 to 64 will do. */
  challengeLength(type: string): number | undefined
  /** Whether Evidence of a type speaks for a key, so that it can stand in place of a certificate. Where it cannot be
   *  told, it is taken to. */
  speaksForKey?(type: string): boolean
  /** Produces Evidence. Rejects when the platform cannot, or when `signal` fires. */
  evidence(request: EvidenceRequest): Promise<Cmw>
}

/** Presents Attestation Results that a Verifier issued earlier: the passport model (RFC 9334 §5.1). */
export interface Presenter {
  /** Identities of the Verifiers that results can be had from, in order of preference; never empty. */
  readonly verifiers: readonly Uint8Array[]
  /** Whether results of that Verifier are at hand and still hold, so that nobody has to wait for them. Absent where it
   *  cannot be told: then they are taken to be. Results that are not at hand may be fetched for the next who asks.
   *  @param key which they have to be about; absent where it is not known yet */
  isAtHand?(verifier: Uint8Array, key?: IdentityKey): boolean
  /** Results about `key` from that Verifier, cached or fetched. Rejects when none can be had. */
  results(request: {
    readonly verifier: Uint8Array
    readonly key: IdentityKey
    readonly signal: AbortSignal
  }): Promise<Cmw>
}

/** What a Verifier is given to appraise. */
export interface Submission {
  /** Evidence (or, in the passport model, Attestation Results) as it was received. */
  readonly message: Cmw
  /** What the Evidence has to hold, whole and inside its signed part; at least 8 bytes. */
  readonly challenge: Uint8Array
  /** The key that the Evidence has to speak for; null when the key is to be taken out of the Evidence. */
  readonly key: IdentityKey | null
  readonly signal: AbortSignal
}

/** One appraisal: nonce out, Evidence in, Attestation Result out. */
export interface VerifierSession {
  /** Fresh and single-use; 8..255 bytes. */
  readonly nonce: Uint8Array
  /** Appraises. An unfavourable verdict is an Attestation Result; an appraisal that could not be done is one too,
   *  with status `none`. Rejects only when `signal` fires. May be called once. */
  appraise(submission: Submission): Promise<AttestationResult>
  /** Nobody will ask for an appraisal any more: what the session takes up may be let go. May be called at any time, and
   *  more than once. */
  close?(): void
}

/** Appraises Evidence (RFC 9334 §3). */
export interface Verifier {
  /** The name that `results_request` and `results_proposal` know it by: opaque bytes, both sides agree on them. */
  readonly identity: Uint8Array
  /** Media types of the Evidence that it can appraise, in order of preference. */
  readonly evidenceTypes: readonly string[]
  /** Identities of the Verifiers whose Attestation Results `checkResults` knows keys for; absent where it checks only
   *  those issued under its own `identity`. */
  readonly resultIdentities?: readonly Uint8Array[]
  /** The challenge size that it wants for a type, in bytes; undefined where the session nonce's size will do. */
  challengeLength(type: string): number | undefined
  /** As that of an Attester. */
  speaksForKey?(type: string): boolean
  /** Opens a session. Rejects when the Verifier cannot be reached or `signal` fires. */
  newSession(options: { readonly signal: AbortSignal }): Promise<VerifierSession>
  /** Checks Attestation Results that a peer presents (passport): signature, lifetime, issuer, the key they speak for. */
  checkResults(submission: ResultsSubmission): Promise<AttestationResult>
  /** Appraises Evidence that stands in an extension of an X.509 certificate, for the key of that certificate. Absent
   *  where a Verifier does not know how. Such Evidence was made before the connection and for nobody in particular.
   *  @returns null if the certificate has none */
  appraiseCertificate?(submission: CertificateSubmission): Promise<AttestationResult | null>
  /** A digest over everything that a verdict depends on besides Evidence and time: trust anchors, reference values,
   *  appraisal policy. Another digest means: what was appraised before no longer holds. */
  readonly policyDigest: string
}

/** A certificate with Evidence in it. Whose it is and who has signed it is looked at elsewhere. */
export interface CertificateSubmission {
  /** DER. */
  readonly certificate: Uint8Array
  /** The key in it. */
  readonly key: IdentityKey
  /** How long ago the certificate may begin to be valid. */
  readonly maxAgeSeconds: number
  readonly signal: AbortSignal
}

/** Attestation Results that a peer presented, to be checked. */
export interface ResultsSubmission {
  readonly message: Cmw
  /** The identity of the Verifier that was agreed on, which has to be the issuer; absent where any known one will
   *  do. */
  readonly verifier?: Uint8Array
  /** The key that the results have to speak for; null when the key is to be taken out of them. */
  readonly key: IdentityKey | null
  readonly signal: AbortSignal
}

/** Trustworthiness tiers of AR4SI (draft-ietf-rats-ar4si §2.3.2, draft-ietf-rats-ear-04 §3.2). */
export type Tier = 'none' | 'affirming' | 'warning' | 'contraindicated'

/** The AR4SI trustworthiness vector: each member an int8, absent where nothing is asserted. */
export interface TrustworthinessVector {
  readonly 'instance-identity'?: number
  readonly configuration?: number
  readonly executables?: number
  readonly 'file-system'?: number
  readonly hardware?: number
  readonly 'runtime-opaque'?: number
  readonly 'storage-opaque'?: number
  readonly 'sourced-data'?: number
}

/** One check of an appraisal, for people: what was looked at, what was wanted, what came, what to do about it. */
export interface Check {
  /** Stable and machine-readable, such as `signature`, `challenge`, `measurement`, `key-binding`. */
  readonly name: string
  readonly passed: boolean
  /** A short sentence. */
  readonly expected: string
  readonly actual: string
  /** Where the expectation comes from, such as `policy.json: platforms[0].measurements`. */
  readonly source: string
  /** What a person can do about a failure; absent when the check passed. */
  readonly remedy?: string
  /** What went wrong, for programs, where a check can fail in several ways: the code of an error, such as
   *  `ERR_X509_EXPIRED`. */
  readonly code?: string
}

/** A Verifier's verdict, as the Relying Party sees it (RFC 9334 §8.4). */
export interface AttestationResult {
  /** Not better than the worst tier of the vectors. */
  readonly status: Tier
  /** The yes or no to act on: every check passed, and the policy accepts `status`. It can only be true for
   *  `affirming`, or for `warning` where the policy says so. */
  readonly isAccepted: boolean
  /** Why the status is `none`: the appraisal could not be done; undefined otherwise. */
  readonly problem?: string
  /** Whose fault that is, for programs; present where `problem` is. */
  readonly problemCode?: ProblemCode
  readonly submodules: Readonly<Record<string, SubmoduleResult>>
  /** SubjectPublicKeyInfo (DER) of the key that the Evidence speaks for; null when it speaks for none. */
  readonly attestedKey: Uint8Array | null
  /** The challenge that was found inside the signed Evidence and compared; null for results of the passport model. */
  readonly challenge: Uint8Array | null
  /** Seconds since 1970. */
  readonly issuedAt: number
  /** Seconds since 1970 after which the verdict no longer holds; null when it sets no end. */
  readonly expiresAt: number | null
  /** Every check, in the order made. */
  readonly checks: readonly Check[]
  /** Whether any part of the Evidence comes from a simulated platform. */
  readonly isSimulated: boolean
  /** The signed result (EAR), when the Verifier issues one. */
  readonly token: Cmw | null
}

/** Why an appraisal could not be done. Only the first two are the peer's fault. */
export type ProblemCode =
  /** The Evidence has not the form of its format, or is too large. */
  | 'ERR_EVIDENCE_MALFORMED'
  /** The Evidence is of a type that this Verifier does not know. */
  | 'ERR_EVIDENCE_UNKNOWN_TYPE'
  /** Collateral that the appraisal needs was not to be had. */
  | 'ERR_ENDORSEMENT_MISSING'
  /** Collateral that the appraisal needs is out of date. */
  | 'ERR_ENDORSEMENT_EXPIRED'
  /** Collateral that the appraisal needs is from the future. */
  | 'ERR_ENDORSEMENT_NOT_YET_VALID'
  /** Collateral that the appraisal needs is damaged, or not by whom it has to be. */
  | 'ERR_ENDORSEMENT_INVALID'
  /** The session was opened too long ago. */
  | 'ERR_VERIFIER_SESSION_EXPIRED'
  /** The Verifier has more to do than it can. */
  | 'ERR_VERIFIER_BUSY'
  /** The Verifier failed: a defect of its own, or a service that it relies on. */
  | 'ERR_VERIFIER_FAILED'

/** The verdict on one attested environment (an EAR appraisal). */
export interface SubmoduleResult {
  readonly status: Tier
  readonly vector: TrustworthinessVector
  readonly policyIds: readonly string[]
  /** Claims taken from the Evidence, for policy and for people; byte strings as lower-case hex. */
  readonly claims: Readonly<Record<string, unknown>>
  /** Names of those of them that are about the occasion, or come from collateral: another appraisal of the same environment
   *  in the same state may have others. Absent where there are none. */
  readonly passingClaims?: readonly string[]
}
