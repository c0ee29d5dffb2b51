import { EMPTY, equalBytes } from '../bytes/index.js'
import { equalSecrets, hash, PublicKey } from '../crypto/index.js'
import {
  type AlertName,
  type Authentication,
  CertificateType,
  type Step,
  until,
  type View,
} from '../handshake/index.js'
import {
  type AttestationResult,
  type Cmw,
  decodeCmw,
  type IdentityKey,
  printable,
  typeOfCmw,
  type Verifier,
} from '../rats/index.js'
import { within } from './deadline.js'
import { AttestationError, type AttestationErrorCode, because } from './errors.js'
import { CredentialKind } from './evidence-type.js'
import { isEvidenceOfType, mayBeResults, typeName } from './message-type.js'
import type { ExpectedIdentity } from './options.js'
import { credentialKindOf, type Participant, type Selection } from './participant.js'
import { canDemand } from './settings.js'
import type { Asking } from './verifier-session.js'

/** Has the peer's credential appraised. It comes before its CertificateVerify is checked, because the key may have to
 *  be taken out of it, and before anything but alerts is sent on.
 *  @param peer null for the empty Certificate of a client   @param certificateKey the key in its first entry
 *  @returns the attested key where the credential is attestation alone; null where the certificate's counts
 *  @throws AttestationError unless the peer is found good, or owes nothing */
export function* examine(
  participant: Participant,
  hs: View,
  peer: Authentication | null,
  certificateKey: PublicKey | null,
): Step<PublicKey | null> {
  try {
    return yield* examined(participant, hs, peer, certificateKey)
  } catch (error) {
    if (error instanceof AttestationError) participant.status.reason = error.message
    throw error
  }
}

function* examined(
  participant: Participant,
  hs: View,
  peer: Authentication | null,
  certificateKey: PublicKey | null,
): Step<PublicKey | null> {
  const { settings, status, peer: selection } = participant
  const kind = selection && credentialKindOf(selection)
  const data = messageIn(participant, peer, kind)
  if (!selection) {
    yield* examineCertificate(participant, hs, peer, certificateKey)
    return null
  }
  if (!data) throw new AttestationError('ERR_ATTESTATION_PEER_NOT_ATTESTED', 'certificate_required', EMPTY_CERTIFICATE)
  const { verifier } = settings
  if (!verifier) throw new Error('attestation was agreed on without a Verifier')

  const message = readMessage(data)
  const key = certificateKey && identityOfKey(certificateKey)
  const { result, challenge } =
    selection.model === 'passport'
      ? { result: yield* until(checked(participant, hs, verifier, selection.verifier, message, key)), challenge: null }
      : yield* appraised(participant, hs, verifier, selection, message, key)
  checkVerdict(result)
  if (challenge) checkChallenge(result, challenge, settings.profile.minNonceLength)
  const isKeyNeeded = selection.model === 'passport' || kind === CredentialKind.ATTESTATION
  const attestedKey = checkKey(result, certificateKey, isKeyNeeded)
  checkIdentity(settings.expectedIdentity, result, attestedKey ?? certificateKey)
  status.attestedKey = (attestedKey ?? certificateKey)?.spki ?? null
  status.result = result
  status.carrier = 'handshake'
  status.isPeerGood = true
  return kind === CredentialKind.ATTESTATION ? attestedKey : null
}
const EMPTY_CERTIFICATE = 'the client offered to attest and was asked to, but sends no certificate'

/** Without anything that was agreed on there may be Evidence in the certificate, where that will do. */
function* examineCertificate(
  participant: Participant,
  hs: View,
  peer: Authentication | null,
  certificateKey: PublicKey | null,
): Step<void> {
  const { settings, status } = participant
  const { certificateEvidence, verifier } = settings
  if (!certificateEvidence || !verifier?.appraiseCertificate) return
  const [first] = peer?.certificateType === CertificateType.X509 ? peer.entries : []
  const appraise = (signal: AbortSignal) => {
    if (!first || !certificateKey) return Promise.resolve(null)
    const certificate = Uint8Array.from(first.data)
    const { maxAgeSeconds } = certificateEvidence
    const submission = { certificate, key: identityOfKey(certificateKey), maxAgeSeconds, signal }
    return verifier.appraiseCertificate?.(submission) ?? Promise.resolve(null)
  }
  const result = yield* until(askVerifier(participant, hs, appraise))
  if (!result) {
    const other = settings.side === 'client' ? 'server' : 'client'
    const reason = `the ${other} attests neither in the handshake nor in its certificate`
    return participant.missing(reason, canDemand(settings, 'background-check'))
  }
  checkVerdict(result)
  const key = checkKey(result, certificateKey, true)
  checkIdentity(settings.expectedIdentity, result, key)
  status.attestedKey = key?.spki ?? null
  status.result = result
  status.carrier = 'certificate'
  status.isPeerGood = true
}

/** The message in its only place: in place of the certificate, or in the extension of the first entry.
 *  @param kind undefined: none was agreed on   @returns null if there is no certificate at all */
function messageIn(
  { settings }: Participant,
  peer: Authentication | null,
  kind: CredentialKind | undefined,
): Uint8Array | null {
  if (!peer) return null
  const { certificate } = settings.extensions.attestationEvidence
  const [first, ...others] = peer.entries
  const isAlone = peer.certificateType === settings.codePoints.attestation
  const isBeside = kind === CredentialKind.CERT_ATTESTATION
  if (!isBeside && peer.entries.some(({ extensions }) => extensions.has(certificate))) {
    throw refused(
      'ERR_ATTESTATION_NEGOTIATION',
      'unsupported_extension',
      `${certificate.name} came, but was not agreed on`,
    )
  }
  if (others.some(({ extensions }) => extensions.has(certificate))) {
    throw refused(
      'ERR_ATTESTATION_NEGOTIATION',
      'illegal_parameter',
      `${certificate.name} stands beside an issuer's certificate`,
    )
  }
  if (kind === undefined) return null
  if (isBeside) {
    const data = first?.extensions.get(certificate)
    if (!data)
      throw refused('ERR_ATTESTATION_WRONG_TYPE', 'bad_certificate', 'the certificate came without what was agreed on')
    return data
  }
  if (!isAlone || !first || others.length > 0) {
    throw refused(
      'ERR_ATTESTATION_WRONG_TYPE',
      'bad_certificate',
      'an attestation stands alone in the Certificate message',
    )
  }
  return first.data
}

/** A CMW as it came. @throws AttestationError if it is none */
export function readMessage(data: Uint8Array): Cmw {
  try {
    return decodeCmw(Uint8Array.from(data))
  } catch (cause) {
    const sentence = `what came as an attestation is no CMW${because(cause)}`
    throw new AttestationError('ERR_ATTESTATION_MALFORMED', 'bad_certificate', sentence, { cause })
  }
}

function* appraised(
  participant: Participant,
  hs: View,
  verifier: Verifier,
  { selected, nonce }: Extract<Selection, { model: 'background-check' }>,
  message: Cmw,
  key: IdentityKey | null,
) {
  const { settings, session } = participant
  if (!session) throw new Error('Evidence was agreed on without a session at the Verifier')
  const type = typeName(selected.type)
  const length = verifier.challengeLength(type)
  const expected = settings.profile.challenge({
    hs,
    attester: settings.side === 'client' ? 'server' : 'client',
    selected,
    nonce,
    length,
    spki: key?.spki ?? EMPTY,
  })
  const { evidence, challenge } = settings.profile.open(message, expected, length)
  if (!isEvidenceOfType(evidence, selected.type)) {
    const came = typeName(typeOfCmw(evidence))
    throw refused(
      'ERR_ATTESTATION_WRONG_TYPE',
      'bad_certificate',
      `${came} came where Evidence of type ${type} was agreed on`,
    )
  }
  participant.peerReportData = expected.reportData
  participant.session = undefined
  const result = yield* until(
    askVerifier(participant, hs, signal => session.appraise({ message: evidence, challenge, key, signal })),
  )
  return { result, challenge }
}

function checked(
  participant: Participant,
  hs: View,
  verifier: Verifier,
  issuer: Uint8Array,
  message: Cmw,
  key: IdentityKey | null,
): Promise<AttestationResult> {
  if (!mayBeResults(message)) {
    throw refused(
      'ERR_ATTESTATION_WRONG_TYPE',
      'bad_certificate',
      'Evidence came where Attestation Results were agreed on',
    )
  }
  return askVerifier(participant, hs, signal => verifier.checkResults({ message, verifier: issuer, key, signal }))
}

/** Has the Verifier do something about the peer, and not for ever. @throws AttestationError if it fails */
export async function askVerifier<Result extends AttestationResult | null>(
  { settings }: Asking,
  hs: { readonly signal: AbortSignal },
  work: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const { signal } = hs
  const deadline = { timer: settings.environment.timer, ms: settings.verifierTimeout, who: 'the Verifier', signal }
  try {
    return await within(deadline, work)
  } catch (cause) {
    if (cause instanceof AttestationError || signal.aborted) throw cause
    const sentence = `the Verifier failed while it appraised the peer${because(cause)}`
    throw new AttestationError('ERR_ATTESTATION_VERIFIER_FAILED', 'internal_error', sentence, { cause })
  }
}

/** @throws AttestationError unless the verdict is a yes */
export function checkVerdict(result: AttestationResult): void {
  // Nothing but true is a yes: a Verifier may be anybody's code.
  if (result.isAccepted === true) return
  if (result.status === 'none') {
    const sentence = `the peer could not be appraised: ${printable(result.problem ?? 'the Verifier does not say why')}`
    throw new AttestationError('ERR_ATTESTATION_NOT_APPRAISED', alertForProblem(result), sentence, { result })
  }
  const failed = result.checks.find(({ passed }) => !passed)
  const why = failed
    ? `${failed.name}: expected ${failed.expected}, found ${failed.actual}${failed.remedy ? `; ${failed.remedy}` : ''}`
    : `the policy does not accept the status ${result.status}`
  throw new AttestationError('ERR_ATTESTATION_REFUSED', 'access_denied', `the peer is refused: ${printable(why)}`, {
    result,
  })
}

/** The alert tells the peer whose fault it is, and no more. */
function alertForProblem({ problemCode }: AttestationResult): AlertName {
  switch (problemCode) {
    case 'ERR_EVIDENCE_MALFORMED':
    case 'ERR_EVIDENCE_UNKNOWN_TYPE':
      return 'bad_certificate'
    case undefined:
      return 'certificate_unknown'
    default:
      return 'internal_error'
  }
}

/** The verdict has to be about this connection. What the Verifier says that it compared is compared again, whole.
 *  @param minLength of a challenge that says anything, in bytes   @throws AttestationError */
export function checkChallenge(result: AttestationResult, challenge: Uint8Array, minLength: number): void {
  const found = result.challenge
  if (found && challenge.length >= minLength && equalSecrets(found, challenge)) return
  const sentence = found
    ? 'the Evidence was appraised for another challenge than that of this connection'
    : 'the Verifier does not say which challenge it found in the Evidence'
  throw new AttestationError('ERR_ATTESTATION_CHALLENGE_MISMATCH', 'bad_certificate', sentence, { result })
}

/** The attested key; it is the certificate's, where there is one.
 *  @returns null if the verdict is about no key, which will do only where the challenge binds it to the connection */
function checkKey(result: AttestationResult, certificateKey: PublicKey | null, isNeeded: boolean): PublicKey | null {
  const { attestedKey } = result
  if (!attestedKey) {
    if (!isNeeded) return null
    throw keyMismatch(result, 'the attestation speaks for no key')
  }
  if (certificateKey) {
    if (!equalBytes(attestedKey, certificateKey.spki)) {
      throw keyMismatch(result, 'the attestation speaks for another key than that of the certificate')
    }
    return certificateKey
  }
  try {
    return PublicKey.fromSpki(attestedKey)
  } catch (cause) {
    throw keyMismatch(result, 'the attested key is none that signatures can be checked with', cause)
  }
}

function keyMismatch(result: AttestationResult, sentence: string, cause?: unknown): AttestationError {
  return new AttestationError('ERR_ATTESTATION_KEY_MISMATCH', 'bad_certificate', sentence, { result, cause })
}

/** Whether the peer is who it has to be, besides sound. @throws AttestationError */
export function checkIdentity(
  expected: ExpectedIdentity | undefined,
  result: AttestationResult,
  key: PublicKey | null,
): void {
  const { keyIds, claims } = expected ?? {}
  if (keyIds && !(key && keyIds.some(id => equalBytes(id, identityOfKey(key).id)))) {
    throw otherIdentity(result, 'the attested key is none of expectedIdentity.keyIds')
  }
  if (!claims) return
  const wanted = Object.entries(claims)
  const submodules = Object.values(result.submodules)
  if (submodules.some(({ claims: made }) => wanted.every(([name, value]) => isAllowed(value, made[name])))) return
  throw otherIdentity(
    result,
    `no attested environment makes the claims of expectedIdentity: ${Object.keys(claims).join(', ')}`,
  )
}

function isAllowed(allowed: unknown, value: unknown): boolean {
  return Array.isArray(allowed) ? allowed.includes(value) : value === allowed
}

function otherIdentity(result: AttestationResult, sentence: string): AttestationError {
  return new AttestationError('ERR_ATTESTATION_IDENTITY_MISMATCH', 'access_denied', sentence, { result })
}

/** A key as Evidence and results speak of it. */
export function identityOfKey({ spki }: PublicKey): IdentityKey {
  return { spki, id: hash('sha256', spki) }
}

function refused(code: AttestationErrorCode, alert: AlertName, sentence: string): AttestationError {
  return new AttestationError(code, alert, sentence)
}
