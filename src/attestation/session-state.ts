import { hex, utf8 } from '../bytes/index.js'
import type { AttestationResult } from '../rats/index.js'
import type { Participant } from './participant.js'
import { policyDigestOf } from './settings.js'
import type { AttestationCarrier, NegotiatedAttestation } from './status.js'

/*
 * What a later connection has to know that resumes this one. Resumption must not outlive attestation: the state holds
 * the policy under which the peer was found good and the time until which that holds, and both are looked at before
 * a ticket is used. Tickets and sessions are sealed or kept by their owner, so that JSON will do.
 */

/** @returns null if the connection must not be resumed */
export function saveSession({ settings, status }: Participant): Uint8Array | null {
  if (!settings.profile.allowsResumption || !status.isEstablished) return null
  if (settings.requirement === 'required' && !status.isAttested) return null
  const { result } = status
  if (status.isAttested && !holdsAt(result?.expiresAt, settings.environment.now())) return null
  const state: SavedState = {
    version: 1,
    policy: policyDigestOf(settings),
    isAttested: status.isAttested,
    carrier: status.carrier,
    peer: toSaved(status.peerNegotiated),
    own: status.isPresented ? toSaved(status.ownNegotiated) : null,
    result: result && {
      status: result.status,
      submodules: result.submodules,
      attestedKey: result.attestedKey && hex(result.attestedKey),
      issuedAt: result.issuedAt,
      expiresAt: result.expiresAt,
      isSimulated: result.isSimulated,
    },
  }
  const bytes = utf8(JSON.stringify(state))
  // A ticket goes over the wire with each ClientHello: better none than one that fills it.
  return bytes.length > MAX_STATE_LENGTH ? null : bytes
}
const MAX_STATE_LENGTH = 8192

/** Whether a session may be resumed now: under the same policy, which says too whether attestation is required, and while
 *  the verdict holds. If so, how attestation stood goes into the status of this connection once
 *  `resume` is called. */
export function restoreSession({ settings }: Participant, bytes: Uint8Array): RestoredSession | null {
  const state = parse(bytes)
  if (!state || !settings.profile.allowsResumption || state.policy !== policyDigestOf(settings)) return null
  if (state.isAttested && !holdsAt(state.result?.expiresAt, settings.environment.now())) return null
  return {
    isAttested: state.isAttested,
    carrier: state.carrier,
    peer: fromSaved(state.peer),
    own: fromSaved(state.own),
    result: state.result && {
      ...state.result,
      attestedKey: state.result.attestedKey === null ? null : unhex(state.result.attestedKey),
      isAccepted: state.isAttested,
      challenge: null,
      checks: [],
      token: null,
    },
  }
}

/** A verdict that sets no end to itself is good for the connection that it was made for, and for no other. */
function holdsAt(expiresAt: number | null | undefined, now: number): boolean {
  return typeof expiresAt === 'number' && now < expiresAt * 1000
}

/** How attestation stood on the connection that is resumed. */
export interface RestoredSession {
  readonly isAttested: boolean
  readonly carrier: AttestationCarrier | null
  readonly peer: NegotiatedAttestation | null
  readonly own: NegotiatedAttestation | null
  readonly result: AttestationResult | null
}

/** Writes what stood before into the status of a connection that resumes it. */
export function resume({ status }: Participant, { isAttested, carrier, peer, own, result }: RestoredSession): void {
  status.isResumed = true
  status.isPeerGood = isAttested
  status.carrier = carrier
  status.peerNegotiated = peer
  status.ownNegotiated = own
  status.isPresented = own !== null
  status.attestedKey = result?.attestedKey ?? null
  status.result = result
}

interface SavedState {
  readonly version: 1
  readonly policy: string
  readonly isAttested: boolean
  readonly carrier: AttestationCarrier | null
  readonly peer: SavedAgreement | null
  readonly own: SavedAgreement | null
  readonly result:
    | (Pick<AttestationResult, 'status' | 'submodules' | 'issuedAt' | 'expiresAt' | 'isSimulated'> & {
        readonly attestedKey: string | null
      })
    | null
}

type SavedAgreement = Omit<NegotiatedAttestation, 'verifier'> & { readonly verifier: string | null }

function toSaved(agreement: NegotiatedAttestation | null): SavedAgreement | null {
  return agreement && { ...agreement, verifier: agreement.verifier && hex(agreement.verifier) }
}

function fromSaved(agreement: SavedAgreement | null): NegotiatedAttestation | null {
  return agreement && { ...agreement, verifier: agreement.verifier === null ? null : unhex(agreement.verifier) }
}

/** @returns null for bytes that are no state of this version */
function parse(bytes: Uint8Array): SavedState | null {
  try {
    // What is sealed in a ticket or kept by the application is what `saveSession` wrote.
    const state = JSON.parse(new TextDecoder().decode(bytes)) as SavedState
    return state.version === 1 && typeof state.policy === 'string' ? state : null
  } catch {
    return null
  }
}

function unhex(text: string): Uint8Array {
  return Uint8Array.from(text.match(/../g) ?? [], byte => Number.parseInt(byte, 16))
}
