import { hash, type SigningKey } from '../crypto/index.js'
import { CertificateType, type Credential, extensionValue, type Step, until, type View } from '../handshake/index.js'
import { type Cmw, encodeCmw, type IdentityKey, type Presenter, sameMediaType, typeOfCmw } from '../rats/index.js'
import { within } from './deadline.js'
import { AttestationError, because } from './errors.js'
import { CredentialKind, type EvidenceType } from './evidence-type.js'
import { MAX_EXTENSION_LENGTH } from './extensions.js'
import { batchMessage } from './hardened/batch-message.js'
import { isEvidenceOfType, mayBeResults, typeName } from './message-type.js'
import type { Clock } from './options.js'
import { credentialKindOf, type Participant, type Selection } from './participant.js'
import type { Challenge } from './profile.js'
import { credentialOf, type Settings } from './settings.js'

/** Makes our credential: Evidence or results, alone or beside the X.509 chain. The private key is used by nobody here:
 *  Attester and Presenter learn which key it is, and CertificateVerify is signed where the key lives.
 *  @param own the X.509 credential; null if there is none
 *  @throws AttestationError if what was agreed on cannot be had */
export function* prove(participant: Participant, hs: View, own: Credential | null): Step<Credential | null> {
  const credential = participant.own ? yield* proved(participant, hs, own, participant.own) : own
  participant.credential = credential
  return credential
}

function* proved(
  participant: Participant,
  hs: View,
  own: Credential | null,
  selection: Selection,
): Step<Credential | null> {
  const { settings, status } = participant
  if (settings.disclosure.onlyToAttested && !status.isPeerGood) {
    throw new AttestationError(
      'ERR_ATTESTATION_PEER_NOT_ATTESTED',
      'access_denied',
      'the server wants us to attest, but was not attested itself, which disclosure.onlyToAttested demands',
    )
  }
  const kind = credentialKindOf(selection)
  const certificate = own?.certificateType === CertificateType.X509 ? own : undefined
  const isAlone = kind === CredentialKind.ATTESTATION
  const signer = isAlone ? (settings.identityKey ?? certificate?.key) : certificate?.key
  if (!signer) throw failed('there is no X.509 credential that the peer takes, which the attestation would go with')

  const message = yield* until(messageFor(participant, hs, selection, identityOf(signer)))
  const data = written(message)
  status.isPresented = true
  if (isAlone || !certificate) {
    return { certificateType: settings.codePoints.attestation, entries: [{ data, extensions: [] }], key: signer }
  }
  if (data.length > MAX_EXTENSION_LENGTH) {
    throw failed(`the message has ${data.length} bytes, of which ${MAX_EXTENSION_LENGTH} fit beside an X.509 chain`)
  }
  const extension = extensionValue(settings.extensions.attestationEvidence.certificate, data)
  const [leaf, ...issuers] = certificate.entries
  if (!leaf) throw failed('the X.509 credential is empty')
  return { ...certificate, entries: [{ ...leaf, extensions: [...leaf.extensions, extension] }, ...issuers] }
}

/** The key as Evidence and results speak of it. */
export function identityOf({ publicKey }: Pick<SigningKey, 'publicKey'>): IdentityKey {
  return { spki: publicKey.spki, id: hash('sha256', publicKey.spki) }
}

function messageFor(participant: Participant, hs: View, selection: Selection, key: IdentityKey): Promise<Cmw> {
  const { attester, presenter } = participant.settings
  if (selection.model === 'passport' && presenter)
    return resultsFrom(participant, hs, presenter, selection.verifier, key)
  if (selection.model === 'background-check' && attester) return evidenceFrom(participant, hs, selection, key)
  throw failed('there is nobody to make what was agreed on')
}

function evidenceFrom(
  participant: Participant,
  hs: View,
  { selected, nonce }: Extract<Selection, { model: 'background-check' }>,
  key: IdentityKey,
): Promise<Cmw> {
  const { profile, side } = participant.settings
  return askAttester(
    participant,
    hs,
    selected,
    key,
    length => {
      const challenge = profile.challenge({ hs, attester: side, selected, nonce, length, spki: key.spki })
      participant.ownReportData = challenge.reportData
      return challenge
    },
    (type, pending) => checkAdmission(participant, hs, type, selected, pending),
  )
}

/** Whoever asks an Attester. */
export interface Proving {
  readonly settings: Pick<Settings, 'attester' | 'turns' | 'quotes' | 'batches' | 'attesterTimeout'> & {
    readonly environment: Clock
  }
  readonly takesBatches: boolean
}

/** Has the Attester make Evidence of the type that was agreed on.
 *  @param challengeOf the challenge, given the size that the type fixes
 *  @param admit is asked first, where there is something to ask; throws to refuse
 *  @throws AttestationError */
export async function askAttester(
  participant: Proving,
  hs: { readonly signal: AbortSignal },
  selected: Pick<EvidenceType, 'type'>,
  key: IdentityKey,
  challengeOf: (length: number | undefined) => Challenge,
  admit?: (type: string, pending: number) => void,
): Promise<Cmw> {
  const { attester, turns, quotes, batches } = participant.settings
  const type = attester?.evidenceTypes.find(candidate => sameMediaType(candidate, selected.type))
  if (!attester || !turns || type === undefined) throw failed(`the Attester has no ${typeName(selected.type)} any more`)
  admit?.(type, turns.pending + (batches?.line.waiting ?? 0))
  const length = attester.challengeLength(type)
  const { challenge, reportData } = challengeOf(length)
  if (batches && participant.takesBatches) {
    const { evidence, path } = await ask(participant, hs, 'the Attester', signal =>
      batches.line.evidence({ type, key, reportData, length, signal }, batches.terms),
    )
    return batchMessage(ofType(evidence, selected), path)
  }
  const evidence = await ask(participant, hs, 'the Attester', signal =>
    turns.evidence({ type, challenge, key, signal }, quotes),
  )
  return ofType(evidence, selected)
}

function ofType(evidence: Cmw, { type }: Pick<EvidenceType, 'type'>): Cmw {
  if (isEvidenceOfType(evidence, type)) return evidence
  throw failed(`the Attester made ${typeName(typeOfCmw(evidence))} where ${typeName(type)} was agreed on`)
}

function checkAdmission(
  { settings, remoteAddress }: Participant,
  { serverName }: View,
  evidenceType: string,
  { credentialKind }: EvidenceType,
  pending: number,
): void {
  const credential = credentialOf(credentialKind)
  if (settings.admit?.({ remoteAddress, serverName, evidenceType, credential, pending }) ?? true) return
  const sentence = 'no Evidence is made for this peer: admit says so'
  throw new AttestationError('ERR_ATTESTATION_NOT_ADMITTED', 'access_denied', sentence)
}

async function resultsFrom(
  participant: Participant,
  hs: View,
  presenter: Presenter,
  verifier: Uint8Array,
  key: IdentityKey,
): Promise<Cmw> {
  const message = await ask(participant, hs, 'the Presenter', signal => presenter.results({ verifier, key, signal }))
  if (!mayBeResults(message)) throw failed('the Presenter has a message that is not marked as Attestation Results')
  return message
}

async function ask<T>(
  { settings }: { readonly settings: Pick<Settings, 'attesterTimeout'> & { readonly environment: Clock } },
  hs: { readonly signal: AbortSignal },
  who: string,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const { signal } = hs
  try {
    return await within({ timer: settings.environment.timer, ms: settings.attesterTimeout, who, signal }, work)
  } catch (cause) {
    if (cause instanceof AttestationError || signal.aborted) throw cause
    throw failed(`${who} could not do what was agreed on${because(cause)}`, cause)
  }
}

/** A CMW as it is sent. @throws AttestationError if there is no way to write it */
export function written(message: Cmw): Uint8Array {
  try {
    return encodeCmw(message)
  } catch (cause) {
    throw failed(`the message cannot be written as a CMW${because(cause)}`, cause)
  }
}

function failed(sentence: string, cause?: unknown): AttestationError {
  return new AttestationError('ERR_ATTESTATION_ATTESTER_FAILED', 'internal_error', sentence, { cause })
}
