import type { Credential, Step } from '../handshake/index.js'
import type { Verifier, VerifierSession } from '../rats/index.js'
import { AttestationError } from './errors.js'
import type { CredentialKind, EvidenceType } from './evidence-type.js'
import { typeName } from './message-type.js'
import { credentialOf, type Settings } from './settings.js'
import { type NegotiatedAttestation, StatusRecord } from './status.js'
import { newSession } from './verifier-session.js'

/** What was agreed on for one direction. */
export type Selection =
  | { readonly model: 'background-check'; readonly selected: EvidenceType; readonly nonce: Uint8Array }
  | { readonly model: 'passport'; readonly verifier: Uint8Array; readonly credentialKind: CredentialKind }

/** What is known of a connection before its handshake. */
export interface Surroundings {
  /** Where the peer connects from, or was connected to. */
  readonly remoteAddress?: string | undefined
}

/** One side of one handshake, as far as attestation is concerned: the client and the server parts write into it, and
 *  what they have in common reads it. */
export class Participant {
  readonly settings: Settings
  readonly status: StatusRecord
  readonly remoteAddress: string | undefined
  /** Open while the peer's Evidence may still come. */
  session: VerifierSession | undefined
  /** What the handshake was authenticated with; null if with nothing. */
  credential: Credential | null = null
  /** RD0 of either direction, where the profile has one: 64 bytes, zeros without. */
  ownReportData: Uint8Array = new Uint8Array(64)
  peerReportData: Uint8Array = new Uint8Array(64)
  /** Whether the peer takes Evidence that is for others, too. */
  takesBatches = false
  /** How seldom the peer wants to attest at most, in ms. */
  maxRenewal = Number.POSITIVE_INFINITY
  /** Has the peer attest anew, while there is a connection on which it can. */
  renew: (() => void) | undefined
  #own: Selection | undefined
  #peer: Selection | undefined

  constructor(settings: Settings, { remoteAddress }: Surroundings = {}) {
    this.settings = settings
    this.remoteAddress = remoteAddress
    this.status = new StatusRecord(settings.profile, settings.requirement)
  }

  /** What we owe the peer. */
  get own(): Selection | undefined {
    return this.#own
  }

  set own(selection: Selection | undefined) {
    this.#own = selection
    this.status.ownNegotiated = selection ? negotiatedOf(selection) : null
  }

  /** What the peer owes us. */
  get peer(): Selection | undefined {
    return this.#peer
  }

  set peer(selection: Selection | undefined) {
    this.#peer = selection
    this.status.peerNegotiated = selection ? negotiatedOf(selection) : null
  }

  /** Opens a session at the Verifier, whose nonce makes the peer's Evidence fresh.
   *  @param peerNonce the nonce that the peer has sent us, which ours must not be
   *  @throws AttestationError if there is none to be had, or not a good one */
  *openSession(verifier: Verifier, signal: AbortSignal, peerNonce?: Uint8Array): Step<Uint8Array> {
    this.session = yield* newSession(this, verifier, signal, peerNonce)
    signal.addEventListener('abort', () => this.closeSession(), { once: true })
    return this.session.nonce
  }

  /** Tells the Verifier that no Evidence will come. */
  closeSession(): void {
    this.session?.close?.()
    this.session = undefined
  }

  /** Notes that the peer is not attested; whether that ends the connection is a matter of policy.
   *  @throws AttestationError if attestation is required */
  missing(reason: string, asksForEvidence: boolean, code: MissingCode = 'ERR_ATTESTATION_PEER_NOT_ATTESTED'): void {
    const { requirement, codePoints } = this.settings
    if (requirement === 'none') return
    this.status.reason = reason
    if (requirement === 'optional') return
    const alert = asksForEvidence ? codePoints.unsupported_evidence : codePoints.unsupported_verifiers
    throw new AttestationError(code, alert, `${reason}, and attestation is required`)
  }
}
type MissingCode =
  | 'ERR_ATTESTATION_PEER_NOT_ATTESTED'
  | 'ERR_ATTESTATION_UNSUPPORTED_EVIDENCE'
  | 'ERR_ATTESTATION_UNSUPPORTED_VERIFIERS'

/** The kind of credential that a selection comes in. */
export function credentialKindOf(selection: Selection): CredentialKind {
  return selection.model === 'passport' ? selection.credentialKind : selection.selected.credentialKind
}

function negotiatedOf(selection: Selection): NegotiatedAttestation {
  const credential = credentialOf(credentialKindOf(selection))
  return selection.model === 'passport'
    ? { model: 'passport', credential, evidenceType: null, verifier: selection.verifier }
    : { model: 'background-check', credential, evidenceType: typeName(selection.selected.type), verifier: null }
}
