import type { AttestationResult } from '../rats/index.js'
import type { AttestationCredential, AttestationModel } from './options.js'

/** How strongly attestation is bound to a connection: 0, not at all; 1, to a key: who has stolen the key can pass it
 *  off; 2, to the key exchange of this handshake; 3, to the keys that application data is protected with. */
export type BindingLevel = 0 | 1 | 2 | 3

/** How attestation stands on a connection, as `socket.attestation` shows it. It changes while the handshake runs and
 *  not afterwards. */
export interface AttestationStatus {
  readonly profile: 'draft08'
  /** Whether the connection resumes one on which all of this was established. */
  readonly isResumed: boolean
  /** Whether the peer was attested, and found good. */
  readonly isAttested: boolean
  /** How strongly the peer's attestation is bound to this connection. */
  readonly bindingLevel: BindingLevel
  /** Whether any part of the peer's Evidence comes from a simulated platform. */
  readonly isSimulated: boolean
  /** What the peer's attested environments claim, by their names. */
  readonly claims: Readonly<Record<string, Readonly<Record<string, unknown>>>>
  /** The peer's attestation to us. */
  readonly peer: PeerAttestation
  /** Our attestation to the peer. */
  readonly own: OwnAttestation
  toJSON(): unknown
}

/** The peer's attestation to us. */
export interface PeerAttestation {
  /** What our policy says; `none` where we have no Verifier and ask for nothing. */
  readonly requirement: 'required' | 'optional' | 'none'
  /** What was agreed on; null if nothing was. */
  readonly negotiated: NegotiatedAttestation | null
  /** The verdict; null where there was none. */
  readonly result: AttestationResult | null
  /** Why the peer is not attested, as a sentence; null if it is, or while that is open. */
  readonly reason: string | null
}

/** Our attestation to the peer. */
export interface OwnAttestation {
  readonly negotiated: NegotiatedAttestation | null
  /** Whether Evidence or results were sent. */
  readonly isPresented: boolean
  readonly bindingLevel: BindingLevel
}

/** What was agreed on for one direction. */
export interface NegotiatedAttestation {
  readonly model: AttestationModel
  readonly credential: AttestationCredential
  /** Media type of the Evidence; null for results. */
  readonly evidenceType: string | null
  /** Identity of the Verifier that issued the results; null for Evidence. */
  readonly verifier: Uint8Array | null
}
