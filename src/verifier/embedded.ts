import { concat, hex, utf8 } from '../bytes/index.js'
import { type Entropy, hash, type SigningKey } from '../crypto/index.js'
import {
  type Appraisal,
  type AppraisalInputs,
  appraiseCarried,
  type EndorsementSource,
  type Endorsements,
  type EvidenceFormat,
  evidenceFormats,
  evidenceInCertificate,
  FixedEndorsements,
  formatNamed,
  formatOf,
  MalformedEvidence,
  MIN_CHALLENGE_LENGTH,
  MissingEndorsement,
  pinnedRoots,
  RootsByKind,
  speaksForKey,
} from '../evidence/index.js'
import {
  type AttestationResult,
  type CertificateSubmission,
  type Cmw,
  type EarForm,
  messageSigner,
  type ProblemCode,
  type Submission,
  typeOfCmw,
  type Verifier,
} from '../rats/index.js'
import { parseCertificate } from '../x509/index.js'
import { ResultIssuer } from './issue.js'
import type { Policy } from './policy.js'
import { ResultChecker, type TrustedIssuer } from './results.js'
import { Sessions } from './sessions.js'
import { problemResult, verdictOf } from './verdict.js'

/** What an embedded Verifier knows and is allowed. */
export interface EmbeddedVerifierOptions {
  readonly policy: Policy
  /** Milliseconds since 1970: `Date.now`. */
  readonly now: () => number
  /** Where nonces come from: `systemEntropy`. */
  readonly entropy: Pick<Entropy, 'bytes'>
  /** Roots of platforms' certificates by kind of platform, as PEM text or DER. For a kind that is not named here, the
   *  vendor's root that is pinned in this package, if there is one. */
  readonly roots?: Readonly<Record<string, readonly (string | Uint8Array)[]>>
  /** Collateral and registered keys; none unless given. */
  readonly endorsements?: EndorsementSource
  /** The name that others know the Verifier by; the SHA-256 of its public key unless given, or of its policy where it
   *  has no key. */
  readonly identity?: Uint8Array | string
  /** Signs the results (EAR) that Attesters present elsewhere. Without it none are issued. */
  readonly signingKey?: SigningKey
  /** A JWT unless `cwt` is said. */
  readonly resultForm?: EarForm
  /** Verifiers whose results are accepted from peers. Its own are, where it has a key. */
  readonly issuers?: readonly TrustedIssuer[]
  /** The types of Evidence to ask for, in order of preference; those that platforms of the policy can make unless
   *  given. */
  readonly evidenceTypes?: readonly string[]
  /** How long a session waits for Evidence, in ms; 60 000 unless said. */
  readonly sessionLifetime?: number
  /** How many sessions may be open, or be appraised, at a time; 10 000 unless said. */
  readonly mostSessions?: number
  /** How large Evidence may be, in bytes; 65 536 unless said. */
  readonly mostBytes?: number
  /** Takes SIMULATED platforms for real ones. For tests and demonstrations: such a platform proves nothing. */
  readonly dangerouslyTrustSimulatedPlatforms?: boolean
  /** Is told, once, of what nobody may overlook: `console.warn`, unless given. */
  readonly warn?: (sentence: string) => void
}

/** A Verifier inside the Relying Party: no network, no other party, and the peer's Evidence stays here.
 *  @throws RangeError or CertificateError if the options make no sense */
export function embeddedVerifier(options: EmbeddedVerifierOptions): Verifier {
  return new EmbeddedVerifier(options)
}

class EmbeddedVerifier implements Verifier {
  readonly identity: Uint8Array
  readonly evidenceTypes: readonly string[]
  readonly resultIdentities: readonly Uint8Array[]
  readonly policyDigest: string
  readonly #policy: Policy
  readonly #now: () => number
  readonly #roots: RootsByKind
  readonly #endorsements: EndorsementSource
  readonly #trustsSimulated: boolean
  readonly #mostBytes: number
  readonly #sessions: Sessions
  readonly #issuer: ResultIssuer | null
  readonly #checker: ResultChecker

  constructor(options: EmbeddedVerifierOptions) {
    const { policy, now, entropy, signingKey } = options
    this.#policy = policy
    this.#now = now
    this.#roots = new RootsByKind({ ...vendorRoots(), ...options.roots }, { leeway: policy.clockLeewaySeconds * 1000 })
    this.#endorsements = options.endorsements ?? new FixedEndorsements()
    this.#trustsSimulated = options.dangerouslyTrustSimulatedPlatforms ?? false
    this.#mostBytes = options.mostBytes ?? 65_536
    this.identity = identityOf(options)
    this.evidenceTypes = options.evidenceTypes ?? typesFor(policy)
    this.#sessions = new Sessions({
      entropy,
      now,
      lifetime: options.sessionLifetime ?? 60_000,
      most: options.mostSessions ?? 10_000,
    })
    this.#issuer = signingKey ? new ResultIssuer(messageSigner(signingKey), options.resultForm ?? 'jwt') : null
    const own = signingKey ? [{ identity: this.identity, keys: [signingKey.publicKey] }] : []
    this.#checker = new ResultChecker({
      issuers: [...own, ...(options.issuers ?? [])],
      policy,
      trustsSimulatedPlatforms: this.#trustsSimulated,
    })
    this.resultIdentities = this.#checker.identities
    this.policyDigest = digestOf(
      policy.digest,
      this.#roots.digest,
      this.#endorsements.digest,
      this.#checker.digest,
      String(this.#trustsSimulated),
    )
    if (this.#trustsSimulated) (options.warn ?? console.warn)(SIMULATED_WARNING)
  }

  challengeLength(type: string): number | undefined {
    return formatNamed(type)?.challengeLength
  }

  speaksForKey(type: string): boolean {
    return speaksForKey(type)
  }

  async newSession({ signal }: { readonly signal: AbortSignal }) {
    signal.throwIfAborted()
    const session = this.#sessions.open()
    return {
      nonce: session.nonce,
      close: () => session.close(),
      appraise: async (submission: Submission): Promise<AttestationResult> => {
        checkCaller(submission)
        const isInTime = session.begin()
        try {
          if (!isInTime) return this.#problem('ERR_VERIFIER_SESSION_EXPIRED', 'the session was opened too long ago')
          return await this.#appraised(submission)
        } finally {
          session.end()
        }
      },
    }
  }

  async checkResults(submission: Parameters<Verifier['checkResults']>[0]): Promise<AttestationResult> {
    submission.signal.throwIfAborted()
    if (sizeOf(submission.message) > this.#mostBytes) return this.#tooLarge()
    const result = await this.#checker.check(submission, this.#now())
    submission.signal.throwIfAborted()
    return result
  }

  async appraiseCertificate(submission: CertificateSubmission): Promise<AttestationResult | null> {
    const { signal } = submission
    signal.throwIfAborted()
    try {
      const certificate = parseCertificate(submission.certificate)
      const carried = evidenceInCertificate(certificate)
      if (!carried) return null
      const { message, format } = carried
      if (sizeOf(message) > this.#mostBytes) return this.#tooLarge()
      if (!format) return this.#unknownType(message)
      const at = this.#now()
      const endorsements = await this.#gathered(format, message, at, signal)
      const inputs = { ...this.#inputs(endorsements, at), key: submission.key, maxAgeSeconds: submission.maxAgeSeconds }
      const appraisal = appraiseCarried({ ...carried, format }, certificate, inputs)
      const verdict = verdictOf(appraisal, this.#policy, at)
      // No result is issued: it could be presented elsewhere, where nobody sees what it rests on.
      const expiresAt = Math.min(verdict.expiresAt ?? Number.POSITIVE_INFINITY, Math.floor(certificate.notAfter / 1000))
      return { ...verdict, expiresAt }
    } catch (error) {
      signal.throwIfAborted()
      return this.#problemOf(error)
    }
  }

  async #appraised(submission: Submission): Promise<AttestationResult> {
    const { message, signal } = submission
    if (sizeOf(message) > this.#mostBytes) return this.#tooLarge()
    const format = formatOf(message)
    if (!format) return this.#unknownType(message)
    const at = this.#now()
    let result: AttestationResult
    try {
      const endorsements = await this.#gathered(format, message, at, signal)
      result = verdictOf(this.#appraisal(format, submission, endorsements, at), this.#policy, at)
      if (this.#issuer) result = await this.#issuer.signed(result, signal)
    } catch (error) {
      signal.throwIfAborted()
      return this.#problemOf(error)
    }
    signal.throwIfAborted()
    return result
  }

  #gathered(format: EvidenceFormat, message: Cmw, at: number, signal: AbortSignal) {
    return this.#endorsements.gather(format.needs?.(message) ?? [], { at, signal })
  }

  #appraisal(format: EvidenceFormat, submission: Submission, endorsements: Endorsements, at: number): Appraisal {
    const { challenge, key } = submission
    return format.appraise(submission.message, { ...this.#inputs(endorsements, at), challenge, key })
  }

  #inputs(endorsements: Endorsements, at: number): Omit<AppraisalInputs, 'challenge' | 'key'> {
    const referenceValues = this.#policy.referenceValues({ trustsSimulatedPlatforms: this.#trustsSimulated })
    return { roots: this.#roots, endorsements, referenceValues, at }
  }

  #unknownType(message: Cmw): AttestationResult {
    const came = typeOfCmw(message)
    const sentence = `Evidence of type ${typeof came === 'number' ? `${came} (CoAP)` : came} is not known here`
    return this.#problem('ERR_EVIDENCE_UNKNOWN_TYPE', sentence)
  }

  #problemOf(error: unknown): AttestationResult {
    if (error instanceof MalformedEvidence) return this.#problem(error.code, `it cannot be read: ${error.message}`)
    if (error instanceof MissingEndorsement) return this.#problem(error.code, `${error.message}; ${error.remedy}`)
    return this.#problem('ERR_VERIFIER_FAILED', error instanceof Error ? error.message : 'the Verifier failed')
  }

  #tooLarge(): AttestationResult {
    return this.#problem('ERR_EVIDENCE_MALFORMED', `the message is larger than ${this.#mostBytes} bytes`)
  }

  #problem(code: ProblemCode, sentence: string): AttestationResult {
    return problemResult(code, sentence, this.#now())
  }
}

function vendorRoots(): Record<string, readonly string[]> {
  const roots: Record<string, string[]> = {}
  for (const { kinds, pem } of pinnedRoots) {
    for (const kind of kinds) roots[kind] = [...(roots[kind] ?? []), pem]
  }
  return roots
}

const SIMULATED_WARNING =
  'SIMULATED platforms are trusted (dangerouslyTrustSimulatedPlatforms): what they attest to proves nothing'

/** An expectation that anything would fulfil is a mistake of the caller's, and must not become a verdict. */
function checkCaller({ challenge, signal }: Submission): void {
  signal.throwIfAborted()
  if (challenge.length < MIN_CHALLENGE_LENGTH) {
    throw new RangeError(`a challenge has at least ${MIN_CHALLENGE_LENGTH} bytes, not ${challenge.length}`)
  }
}

/** The bytes of a message, without its wrapper. */
function sizeOf(message: Cmw): number {
  if (message.kind === 'record') return message.value.length
  return [...message.entries.values()].reduce((sum, entry) => sum + sizeOf(entry), 0)
}

function identityOf({ identity, signingKey, policy }: EmbeddedVerifierOptions): Uint8Array {
  const bytes = typeof identity === 'string' ? utf8(identity) : identity
  if (bytes?.length === 0) throw new RangeError('the identity of a Verifier has at least one byte')
  return bytes ?? hash('sha256', signingKey ? signingKey.publicKey.spki : utf8(policy.digest))
}

/** Formats that can hold reports of the policy's platforms: it makes no sense to ask for others. */
function typesFor(policy: Policy): readonly string[] {
  const formats = evidenceFormats.filter(({ kinds }) => kinds.some(kind => policy.platforms.has(kind)))
  return formats.flatMap(({ mediaTypes }) => mediaTypes.slice(0, 1))
}

function digestOf(...parts: readonly string[]): string {
  return hex(hash('sha256', concat(...parts.map(part => utf8(`${part}\n`)))))
}
