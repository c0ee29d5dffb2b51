import { encode, equalBytes } from '../../bytes/index.js'
import { hash, PublicKey } from '../../crypto/index.js'
import {
  type AlertName,
  type AuthenticationEntry,
  type AuthenticatorExchange,
  type AuthenticatorRequest,
  alertFor,
  defaultSignatureSchemes,
  extensionValue,
  type ReceivedAuthenticator,
  type Step,
  until,
} from '../../handshake/index.js'
import type { Cmw, Verifier, VerifierSession } from '../../rats/index.js'
import { AttestationError, type AttestationErrorCode } from '../errors.js'
import { askVerifier, checkChallenge, checkIdentity, checkVerdict, identityOfKey, readMessage } from '../examine.js'
import { isEvidenceOfType, typeName } from '../message-type.js'
import type { Participant, Selection } from '../participant.js'
import { newSession } from '../verifier-session.js'
import { openEvidence } from './batch-message.js'
import { MAX_VERIFIER_NONCE, Phase, RequestContext } from './bytes.js'
import { checkContinuity, checkSameKey } from './continuity.js'
import { ControlKind, type ControlMessage } from './control-message.js'
import { HARDENED_VERSION } from './extensions.js'
import { roundOf, type SessionState } from './round.js'

/** A request that waits for its authenticator. */
interface Pending {
  readonly request: AuthenticatorRequest
  readonly verifierSession: VerifierSession
}

/** Has the peer attest after the handshake, and again and again: one request at a time, each over the one before. */
export class RelyingPartySide {
  readonly #participant: Participant
  readonly #state: SessionState
  readonly #exchange: AuthenticatorExchange
  readonly #selection: Extract<Selection, { model: 'background-check' }>
  readonly #verifier: Verifier
  /** DER of the certificate that the peer authenticated the handshake with, and its key. */
  readonly #peer: { readonly certificate: Uint8Array; readonly publicKey: PublicKey }
  #seq = 0
  #previous: Uint8Array
  #pending: Pending | undefined
  #aik: Uint8Array | undefined

  constructor(
    participant: Participant,
    state: SessionState,
    exchange: AuthenticatorExchange,
    selection: Extract<Selection, { model: 'background-check' }>,
    verifier: Verifier,
    peer: { readonly certificate: Uint8Array; readonly publicKey: PublicKey },
  ) {
    this.#participant = participant
    this.#state = state
    this.#exchange = exchange
    this.#selection = selection
    this.#verifier = verifier
    this.#peer = peer
    this.#previous = participant.peerReportData
  }

  /** Whether the peer has been accepted at least once. */
  get hasAccepted(): boolean {
    return this.#aik !== undefined
  }

  get isWaiting(): boolean {
    return this.#pending !== undefined
  }

  *ask(): Step<void> {
    const { session } = this.#state
    const seq = this.#seq
    if (seq > 0xffff_ffff) throw new Error('there are no more numbers for attestations on this connection')
    const verifierSession = yield* newSession(this.#participant, this.#verifier, session.signal)
    const { nonce } = verifierSession
    if (nonce.length > MAX_VERIFIER_NONCE) {
      const sentence = `the nonce of the Verifier has ${nonce.length} bytes, of which ${MAX_VERIFIER_NONCE} have room`
      throw new AttestationError('ERR_ATTESTATION_VERIFIER_FAILED', 'internal_error', sentence)
    }
    const { hardenedAttestation, cmwAttestation } = this.#participant.settings.hardenedExtensions
    const random = session.entropy.bytes(32)
    const request = this.#exchange.request({
      context: encode(RequestContext, { version: 1, seq, random, verifierNonce: nonce }),
      signatureSchemes: defaultSignatureSchemes,
      extensions: [
        extensionValue(cmwAttestation.certificate_request, true),
        extensionValue(hardenedAttestation.certificate_request, HARDENED_VERSION),
      ],
    })
    this.#pending = { request, verifierSession }
    this.#state.send(ControlKind.request, seq, request.raw)
  }

  /** Takes the answer.
   *  @throws AttestationError or ProtocolError unless the peer is found good; it has been told so then */
  *appraise({ seq, body }: ControlMessage): Step<void> {
    const pending = this.#pending
    if (!pending || seq !== this.#seq) {
      throw new AttestationError(
        'ERR_ATTESTATION_NEGOTIATION',
        'unexpected_message',
        'an authenticator came that answers nothing',
      )
    }
    this.#pending = undefined
    try {
      yield* this.#appraised(pending, body)
    } catch (error) {
      this.#state.send(ControlKind.reject, seq, Uint8Array.of(alertFor(error)))
      throw error
    } finally {
      pending.verifierSession.close?.()
    }
  }

  /** Nobody waits for an answer any more. */
  close(): void {
    this.#pending?.verifierSession.close?.()
    this.#pending = undefined
  }

  *#appraised({ request, verifierSession }: Pending, body: Uint8Array): Step<void> {
    const { settings, status } = this.#participant
    const authenticator = this.#exchange.check(request, body, entries => this.#keyOf(entries))
    if (!authenticator) {
      throw refused('ERR_ATTESTATION_PEER_NOT_ATTESTED', 'certificate_required', 'the peer declines to attest')
    }
    const aik = authenticator.publicKey
    if (this.#aik && !equalBytes(aik.spki, this.#aik)) {
      throw refused('ERR_ATTESTATION_CONTINUITY', 'access_denied', 'the peer attests with another key than before')
    }
    const data = this.#evidenceIn(authenticator)
    this.#checkNotOurs(aik, data)
    const received = readMessage(data)
    const round = roundOf({
      established: this.#state.session.established,
      attester: this.#state.session.side === 'client' ? 'server' : 'client',
      phase: this.#seq === 0 ? Phase.first : Phase.renewal,
      seq: this.#seq,
      request: request.raw,
      aik: aik.spki,
      attesterKey: this.#state.peerKey,
      relyingPartyKey: this.#state.ownKey,
      selected: this.#selection.selected,
      previous: this.#previous,
    })
    const length = this.#verifier.challengeLength(typeName(this.#selection.selected.type))
    const { evidence, challenge } = openEvidence(received, round.reportData, length)
    const message = this.#ofType(evidence)
    const key = identityOfKey(aik)
    const result = yield* until(
      askVerifier(this.#participant, this.#state.session, signal =>
        verifierSession.appraise({ message, challenge, key, signal }),
      ),
    )
    checkVerdict(result)
    checkChallenge(result, challenge, MIN_CHALLENGE_LENGTH)
    if (result.attestedKey && !equalBytes(result.attestedKey, aik.spki)) {
      throw new AttestationError(
        'ERR_ATTESTATION_KEY_MISMATCH',
        'bad_certificate',
        'the attestation speaks for another key than that of the authenticator',
        { result },
      )
    }
    checkIdentity(settings.expectedIdentity, result, this.#peer.publicKey)
    if (status.result) checkContinuity(status.result, result)
    if (status.result && this.#aik) checkSameKey(status.result, result)
    this.#aik = aik.spki
    this.#previous = round.reportData
    status.renew(result, aik, hash('sha256', data), settings.environment.now())
    this.#state.send(ControlKind.accept, this.#seq, round.acceptance)
    this.#seq++
  }

  /** The key of an authenticator: that of the certificate that was checked in the handshake, or one of its own. */
  #keyOf(entries: readonly AuthenticationEntry[]): PublicKey {
    const [first, ...others] = entries
    if (first && equalBytes(first.data, this.#peer.certificate)) return this.#peer.publicKey
    try {
      if (first && others.length === 0) return PublicKey.fromSpki(first.data)
    } catch (cause) {
      throw refused('ERR_ATTESTATION_KEY_MISMATCH', 'bad_certificate', OTHER_CREDENTIAL, cause)
    }
    throw refused('ERR_ATTESTATION_KEY_MISMATCH', 'bad_certificate', OTHER_CREDENTIAL)
  }

  #evidenceIn({ entries }: ReceivedAuthenticator): Uint8Array {
    const { certificate } = this.#participant.settings.hardenedExtensions.cmwAttestation
    const [first, ...others] = entries
    if (others.some(({ extensions }) => extensions.has(certificate))) {
      throw refused(
        'ERR_ATTESTATION_NEGOTIATION',
        'illegal_parameter',
        `${certificate.name} stands beside an issuer's certificate`,
      )
    }
    const data = first?.extensions.get(certificate)
    if (!data) throw refused('ERR_ATTESTATION_WRONG_TYPE', 'bad_certificate', 'an authenticator came without Evidence')
    return data
  }

  #ofType(message: Cmw): Cmw {
    const { type } = this.#selection.selected
    if (isEvidenceOfType(message, type)) return message
    const sentence = `an authenticator holds something else than Evidence of type ${typeName(type)}`
    throw refused('ERR_ATTESTATION_WRONG_TYPE', 'bad_certificate', sentence)
  }

  /** A peer that answers with what is ours has nothing of its own. */
  #checkNotOurs(aik: PublicKey, data: Uint8Array): void {
    const { ownEvidence, ownAik, ownKey } = this.#state
    const isOurs = [ownAik, ownKey].some(key => key && equalBytes(key, aik.spki))
    if (isOurs || (ownEvidence && equalBytes(ownEvidence, data))) {
      throw refused(
        'ERR_ATTESTATION_KEY_MISMATCH',
        'illegal_parameter',
        'the peer attests with our own key or Evidence',
      )
    }
  }
}

const MIN_CHALLENGE_LENGTH = 32
const OTHER_CREDENTIAL = 'an authenticator is neither of the certificate of the handshake nor of a bare key'

function refused(code: AttestationErrorCode, alert: AlertName, sentence: string, cause?: unknown): AttestationError {
  return new AttestationError(code, alert, sentence, { cause })
}
