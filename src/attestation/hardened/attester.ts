import { decode, EMPTY, equalBytes, utf8 } from '../../bytes/index.js'
import { equalSecrets, PublicKey, type SigningKey, schemeRow } from '../../crypto/index.js'
import {
  AlertDescription,
  type AuthenticatorExchange,
  alertName,
  type Credential,
  extensionValue,
  type Step,
  until,
} from '../../handshake/index.js'
import { AttestationError } from '../errors.js'
import type { Participant, Selection } from '../participant.js'
import { askAttester, identityOf, written } from '../prove.js'
import { Phase, RequestContext } from './bytes.js'
import { ControlKind, type ControlMessage } from './control-message.js'
import { HARDENED_VERSION } from './extensions.js'
import { type Round, roundOf, type SessionState } from './round.js'

/** Attests after the handshake, whenever the peer asks: one answer to a request, each over the one before. */
export class AttesterSide {
  readonly #participant: Participant
  readonly #state: SessionState
  readonly #exchange: AuthenticatorExchange
  readonly #selection: Extract<Selection, { model: 'background-check' }>
  /** What the handshake was authenticated with. */
  readonly #credential: Credential
  readonly #aik: SigningKey
  #seq = 0
  #previous: Uint8Array
  #unaccepted: Round | undefined
  /** ms; when the last Evidence left. */
  #answeredAt: number | undefined
  #isAccepted = false

  constructor(
    participant: Participant,
    state: SessionState,
    exchange: AuthenticatorExchange,
    selection: Extract<Selection, { model: 'background-check' }>,
    credential: Credential,
  ) {
    this.#participant = participant
    this.#state = state
    this.#exchange = exchange
    this.#selection = selection
    this.#credential = credential
    this.#aik = participant.settings.identityKey ?? credential.key
    this.#previous = participant.ownReportData
  }

  /** Whether the peer has accepted us: what is ours may go out to it. */
  get isAccepted(): boolean {
    return this.#isAccepted
  }

  *answer({ seq, body }: ControlMessage): Step<void> {
    this.#checkTime(seq)
    const request = this.#exchange.readRequest(body)
    const { hardenedAttestation, cmwAttestation } = this.#participant.settings.hardenedExtensions
    request.extensions.need(cmwAttestation.certificate_request)
    if (request.extensions.need(hardenedAttestation.certificate_request) !== HARDENED_VERSION) {
      throw illegal('a request is of another version than the handshake')
    }
    if (decode(RequestContext, request.context).seq !== seq) throw illegal('a request has two numbers')
    const round = roundOf({
      established: this.#state.session.established,
      attester: this.#state.session.side,
      phase: seq === 0 ? Phase.first : Phase.renewal,
      seq,
      request: request.raw,
      aik: this.#aik.publicKey.spki,
      attesterKey: this.#state.ownKey,
      relyingPartyKey: this.#state.peerKey,
      selected: this.#selection.selected,
      previous: this.#previous,
    })
    try {
      const evidence = yield* this.#evidence(round.reportData)
      const authenticator = yield* this.#exchange.authenticate(request, this.#with(evidence), this.#state.session)
      this.#unaccepted = round
      this.#state.ownEvidence = evidence
      this.#state.ownAik = this.#aik.publicKey.spki
      this.#state.send(ControlKind.authenticator, seq, authenticator)
      this.#answeredAt = this.#participant.settings.environment.now()
    } catch (error) {
      // RFC 9261 §5.2.3: the peer is told that there will be none, and does not wait for it.
      if (!this.#unaccepted && error instanceof AttestationError) {
        this.#state.send(ControlKind.authenticator, seq, this.#exchange.refuse(request))
      }
      throw error
    }
  }

  accepted({ seq, body }: ControlMessage): void {
    const round = this.#unaccepted
    if (!round || seq !== this.#seq) throw unexpected('an acceptance came that answers nothing')
    if (!equalSecrets(body, round.acceptance)) {
      throw new AttestationError(
        'ERR_ATTESTATION_NEGOTIATION',
        'decrypt_error',
        'an acceptance is not over our Evidence',
      )
    }
    this.#unaccepted = undefined
    this.#previous = round.reportData
    this.#isAccepted = true
    this.#seq++
  }

  rejected({ seq, body }: ControlMessage): never {
    if (!this.#unaccepted || seq !== this.#seq) throw unexpected('a rejection came that answers nothing')
    const [alert = AlertDescription.internal_error] = body
    const name = this.#participant.settings.alertNames.get(alert) ?? alertName(alert)
    throw new AttestationError('ERR_ATTESTATION_REJECTED', 'access_denied', `the peer rejects our attestation: ${name}`)
  }

  /** Requests come one after the other, in order, and not in a flood: each may cost a quote. */
  #checkTime(seq: number): void {
    if (this.#unaccepted) throw unexpected('a request came while another waits for its acceptance')
    if (seq !== this.#seq) throw illegal(`request ${seq} came where request ${this.#seq} is due`)
    const { environment } = this.#participant.settings
    // Not since it was accepted, of which word may be late: since our answer more has passed here than there.
    if (this.#answeredAt !== undefined && environment.now() - this.#answeredAt < MIN_GAP) {
      throw unexpected('the peer asks for attestations faster than it may')
    }
  }

  *#evidence(reportData: Uint8Array): Step<Uint8Array> {
    yield* checkPossession(this.#aik)
    const message = yield* until(
      askAttester(this.#participant, this.#state.session, this.#selection.selected, identityOf(this.#aik), length => ({
        challenge: reportData.subarray(0, length ?? reportData.length),
        reportData,
      })),
    )
    return written(message)
  }

  /** The credential of the authenticator: that of the handshake, or the key that was born in the environment. */
  #with(evidence: Uint8Array): Credential {
    const { cmwAttestation } = this.#participant.settings.hardenedExtensions
    const extensions = [extensionValue(cmwAttestation.certificate, evidence)]
    const [leaf, ...issuers] = this.#credential.entries
    const spki = this.#aik.publicKey.spki
    const isOwnKey = !equalBytes(spki, this.#credential.key.publicKey.spki)
    return {
      certificateType: this.#credential.certificateType,
      key: this.#aik,
      entries: isOwnKey
        ? [{ data: spki, extensions }]
        : [{ data: leaf?.data ?? EMPTY, extensions }, ...issuers.map(({ data }) => ({ data, extensions: [] }))],
    }
  }
}

/** ms between two attestations at the peer's demand. */
const MIN_GAP = 5000

/** Nothing is attested for a key that is not held here. */
function* checkPossession(key: SigningKey): Step<void> {
  if (held.has(key)) return
  const [scheme] = key.schemes
  const row = scheme === undefined ? undefined : schemeRow(scheme)
  if (scheme === undefined || !row) throw new Error('the key signs with no scheme')
  const signature = yield* until(key.sign(scheme, PROBE))
  if (!PublicKey.fromSpki(key.publicKey.spki).verify(row.algorithm, PROBE, signature)) {
    throw new AttestationError(
      'ERR_ATTESTATION_ATTESTER_FAILED',
      'internal_error',
      'the private key to be attested is not the one of its public key',
    )
  }
  held.add(key)
}
const held = new WeakSet<SigningKey>()
const PROBE = utf8('ATLS-H1 possession of the key to be attested\0')

function illegal(sentence: string): AttestationError {
  return new AttestationError('ERR_ATTESTATION_NEGOTIATION', 'illegal_parameter', sentence)
}

function unexpected(sentence: string): AttestationError {
  return new AttestationError('ERR_ATTESTATION_NEGOTIATION', 'unexpected_message', sentence)
}
