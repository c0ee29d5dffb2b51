import { equalBytes, hex, utf8 } from '../bytes/index.js'
import { hash, type PublicKey } from '../crypto/index.js'
import { Assertion, checkAttestedKey, type Finding, failed, passed, shortHex } from '../evidence/index.js'
import {
  type AttestationResult,
  type Cmw,
  checkEar,
  type Ear,
  type EarAppraisal,
  earProfiles,
  MessageError,
  type MessageErrorCode,
  mediaTypeOf,
  parseMediaType,
  type ResultsSubmission,
  type SubmoduleResult,
  type Tier,
  worstTier,
} from '../rats/index.js'
import { claimsFromMap } from './claims.js'
import type { Policy } from './policy.js'
import { problemResult } from './verdict.js'

/** A Verifier whose results are accepted. */
export interface TrustedIssuer {
  /** The name that both sides know it by. */
  readonly identity: Uint8Array
  /** The keys that it signs with: several while it changes them. */
  readonly keys: readonly PublicKey[]
}

/** Checks results that peers present (RFC 9334 §5.1). */
export class ResultChecker {
  readonly identities: readonly Uint8Array[]
  /** A digest over the issuers and their keys: lower-case hex. */
  readonly digest: string
  readonly #issuers: ReadonlyMap<string, TrustedIssuer>
  readonly #policy: Policy
  readonly #trustsSimulated: boolean

  /** @throws RangeError if two issuers have one identity, or one has no key */
  constructor(options: {
    readonly issuers: readonly TrustedIssuer[]
    readonly policy: Policy
    readonly trustsSimulatedPlatforms: boolean
  }) {
    const { issuers } = options
    this.#issuers = new Map(issuers.map(issuer => [hex(issuer.identity), issuer]))
    if (this.#issuers.size < issuers.length) throw new RangeError('two issuers of results have the same identity')
    if (issuers.some(({ keys }) => keys.length === 0)) throw new RangeError('an issuer of results has no key')
    this.identities = issuers.map(({ identity }) => identity)
    const entries = issuers.map(({ identity, keys }) => [hex(identity), ...keys.map(({ spki }) => hex(spki)).sort()])
    this.digest = hex(hash('sha256', utf8(JSON.stringify(entries.sort()))))
    this.#policy = options.policy
    this.#trustsSimulated = options.trustsSimulatedPlatforms
  }

  /** @param at milliseconds since 1970 */
  async check(submission: ResultsSubmission, at: number): Promise<AttestationResult> {
    const token = tokenOf(submission.message)
    if (!token) {
      const sentence = 'what came is no signed attestation result of a type that is known here'
      return problemResult('ERR_EVIDENCE_UNKNOWN_TYPE', sentence, at)
    }
    const keys = this.#keysOf(submission.verifier)
    if (keys.length === 0) return unsigned(unknownIssuer(submission.verifier), at)
    const read = await this.#read(token, keys, at)
    if ('problem' in read) return problemResult('ERR_EVIDENCE_MALFORMED', read.problem, at)
    if ('finding' in read) return unsigned(read.finding, at)
    return this.#verdict(read.ear, submission, at, token)
  }

  #keysOf(identity: Uint8Array | undefined): readonly PublicKey[] {
    if (identity === undefined) return [...this.#issuers.values()].flatMap(({ keys }) => keys)
    return this.#issuers.get(hex(identity))?.keys ?? []
  }

  async #read(token: Uint8Array, keys: readonly PublicKey[], at: number): Promise<Read> {
    let finding: Finding | undefined
    for (const key of keys) {
      try {
        return {
          ear: await checkEar(token, {
            key,
            at,
            clockSkewSeconds: this.#policy.clockLeewaySeconds,
            maxAgeSeconds: this.#policy.resultMaxAgeSeconds,
          }),
        }
      } catch (error) {
        if (!(error instanceof MessageError)) throw error
        const found = this.#findingOf(error.code, error.message, at)
        if (!found) return { problem: `the result cannot be read: ${error.message}` }
        finding = found
        // Another key of the issuer may have signed it; what is wrong under a good signature stays wrong.
        if (found.check.name !== 'signature') break
      }
    }
    return finding ? { finding } : { problem: 'the result could not be checked' }
  }

  /** What a complaint about a token means as a check; undefined where the token cannot be read at all. */
  #findingOf(code: MessageErrorCode, sentence: string, at: number): Finding | undefined {
    switch (code) {
      case 'ERR_RATS_SIGNATURE':
      case 'ERR_RATS_ALGORITHM':
        return failed(
          { name: 'signature', expected: SIGNED, actual: sentence, source: 'the issuers configured' },
          'if the Verifier has a new key, configure it; otherwise the result was forged',
          'instance-identity',
        )
      case 'ERR_RATS_EXPIRED':
        return failed(
          { name: 'lifetime', expected: this.#lifetime(at), actual: sentence, source: this.#policy.source },
          'have the peer fetch a new result; if it just did, compare the clocks',
          'instance-identity',
          Assertion.contraindicated,
        )
      case 'ERR_RATS_PROFILE':
        return failed(
          { name: 'profile', expected: earProfiles.join(', '), actual: sentence, source: 'draft-ietf-rats-ear-04' },
          'have the Verifier issue results of a profile that is known here',
          'instance-identity',
          Assertion.contraindicated,
        )
      default:
        return undefined
    }
  }

  #lifetime(at: number): string {
    const { resultMaxAgeSeconds } = this.#policy
    return `holds at ${isoTime(at)}, at most ${resultMaxAgeSeconds} s old`
  }

  #verdict(ear: Ear, { key, message }: ResultsSubmission, at: number, token: Uint8Array): AttestationResult {
    const appraisals = [...ear.submodules.values()]
    const status = appraisals.reduce<Tier>((worst, one) => worstTier(worst, one.status), ear.status ?? 'none')
    const attestedKey = keyOf(ear)
    const isSimulated = [...ear.submodules].some(([name, one]) => saysSimulated(name, one))
    const issuer = { source: 'the issuers configured', name: 'signature', expected: SIGNED }
    const findings = [
      passed({ ...issuer, actual: `by ${ear.verifier.developer}` }),
      passed({
        name: 'lifetime',
        expected: this.#lifetime(at),
        actual: `issued ${isoTime(ear.issuedAt * 1000)}${ear.expiresAt === undefined ? '' : `, ends ${isoTime(ear.expiresAt * 1000)}`}`,
        source: this.#policy.source,
      }),
      checkAttestedKey(attestedKey, key),
      // A submodule about which nothing is asserted is none to trust, whatever stands beside it.
      this.#checkStatus(appraisals.find(one => one.status === 'none')?.status ?? status),
      ...(isSimulated ? [this.#checkSimulated()] : []),
    ]
    const age = ear.issuedAt + this.#policy.resultMaxAgeSeconds
    return {
      status,
      isAccepted: findings.every(({ check }) => check.passed),
      submodules: Object.fromEntries([...ear.submodules].map(([name, one]) => [name, submoduleOf(one)])),
      attestedKey,
      challenge: null,
      issuedAt: ear.issuedAt,
      expiresAt: ear.expiresAt === undefined ? age : Math.min(age, ear.expiresAt),
      checks: findings.map(({ check }) => check),
      isSimulated,
      token: message.kind === 'record' ? message : { kind: 'record', type: EAR_JWT, value: token },
    }
  }

  #checkStatus(status: Tier): Finding {
    const subject = {
      name: 'status',
      expected: [...this.#policy.acceptedTiers].join(' or '),
      actual: status,
      source: `${this.#policy.source}: acceptedTiers`,
    }
    if (this.#policy.acceptedTiers.has(status)) return passed(subject)
    const remedy = 'ask the Verifier that issued the result what it found'
    return failed(subject, remedy, 'instance-identity', Assertion.contraindicated)
  }

  #checkSimulated(): Finding {
    const subject = {
      name: 'simulated',
      expected: this.#trustsSimulated ? 'hardware or SIMULATED' : 'hardware',
      actual: 'SIMULATED',
      source: 'the option dangerouslyTrustSimulatedPlatforms',
    }
    if (this.#trustsSimulated) return passed(subject)
    const remedy = 'run the attester on hardware that attests: a SIMULATED platform proves nothing'
    return failed(subject, remedy, 'hardware', Assertion.unrecognised)
  }
}

type Read = { readonly ear: Ear } | { readonly finding: Finding } | { readonly problem: string }

const SIGNED = 'a signature by an accepted Verifier'
const EAR_JWT = 'application/eat+jwt'
const TOKEN_TYPES: ReadonlySet<string> = new Set([
  'application/eat+jwt',
  'application/eat+cwt',
  // As the text of the draft prints them, by mistake.
  'application/eat-jwt',
  'application/eat-cwt',
])

/** The token in a message that says it is a result, or at least does not say that it is something else. */
function tokenOf(message: Cmw): Uint8Array | undefined {
  if (message.kind !== 'record') return undefined
  const type = typeof message.type === 'number' ? mediaTypeOf(message.type) : message.type
  if (type === undefined) return undefined
  try {
    return TOKEN_TYPES.has(parseMediaType(type).name) ? message.value : undefined
  } catch (error) {
    if (error instanceof MessageError) return undefined
    throw error
  }
}

/** The one key that a result speaks for; null where it speaks for none, or for several. */
function keyOf(ear: Ear): Uint8Array | null {
  const keys = [...ear.submodules.values()].flatMap(({ attestedKey }) => (attestedKey ? [attestedKey] : []))
  const [first = null, ...others] = keys
  return first && others.every(other => equalBytes(other, first)) ? first : null
}

function saysSimulated(name: string, { verifierClaims, attesterClaims }: EarAppraisal): boolean {
  return (
    name.toLowerCase().includes('simulated') ||
    verifierClaims?.get('simulated') === true ||
    attesterClaims?.get('simulated') === true
  )
}

function submoduleOf({ status, vector = {}, policyIds, attesterClaims }: EarAppraisal): SubmoduleResult {
  return { status, vector, policyIds, claims: attesterClaims ? claimsFromMap(attesterClaims) : {} }
}

function unknownIssuer(identity: Uint8Array | undefined): Finding {
  const subject = {
    name: 'issuer',
    expected: 'a Verifier whose results are accepted',
    actual: identity ? `the Verifier ${shortHex(identity)}` : 'a Verifier, where none is accepted',
    source: 'the issuers configured',
  }
  return failed(
    subject,
    'configure the identity and the key of the Verifier',
    'instance-identity',
    Assertion.unrecognised,
  )
}

/** The verdict on a result that nobody vouches for: what it says counts for nothing. */
function unsigned({ check }: Finding, at: number): AttestationResult {
  const issuedAt = Math.floor(at / 1000)
  return {
    status: 'contraindicated',
    isAccepted: false,
    submodules: {},
    attestedKey: null,
    challenge: null,
    issuedAt,
    expiresAt: issuedAt,
    checks: [check],
    isSimulated: false,
    token: null,
  }
}

function isoTime(at: number): string {
  return new Date(at).toISOString().replace(/\.[0-9]{3}Z$/, 'Z')
}
