import { EMPTY } from '../bytes/index.js'
import type { View } from '../handshake/index.js'
import type { Cmw } from '../rats/index.js'
import type { BindingLevel } from './binding-level.js'
import { CredentialKind, type EvidenceType } from './evidence-type.js'
import type { NegotiatedAttestation } from './status.js'

/** `hardened`: the draft's handshake, and a second attestation over all of it before any application data passes.
 *  `draft08`: draft-fossati-tls-attestation-08 as it stands. `expat`: draft-fossati-seat-expat-03, on a connection whose
 *  handshake knew nothing of attestation; see `exportedAttestation`. */
export type ProfileName = 'hardened' | 'draft08' | 'expat'

/** How a profile binds attestation to a connection. */
export interface Profile {
  readonly name: Exclude<ProfileName, 'expat'>
  /** What Evidence in the handshake has to hold to be of this connection. */
  challenge(inputs: ChallengeInputs): Challenge
  /** Evidence as it came, and what it has to hold: it may be for others, too, and say how this connection is among them.
   *  @throws AttestationError if it cannot be read */
  open(message: Cmw, challenge: Challenge, length: number | undefined): OpenedEvidence
  /** How strongly an attestation of this kind is bound to the connection. */
  bindingLevel(negotiated: NegotiatedAttestation): BindingLevel
  /** Whether an attested connection may be resumed while the appraisal holds. */
  readonly allowsResumption: boolean
  /** The shortest nonce that we give out and answer, in bytes. */
  readonly minNonceLength: number
}

/** What a challenge is made of. */
export interface ChallengeInputs {
  readonly hs: View
  /** Which side attests. */
  readonly attester: 'client' | 'server'
  readonly selected: EvidenceType
  readonly nonce: Uint8Array
  /** The challenge size that the Evidence type fixes, in bytes; undefined where it takes the nonce's. */
  readonly length: number | undefined
  /** SubjectPublicKeyInfo of the attester's key; empty where the Evidence has to bring it. */
  readonly spki: Uint8Array
}

/** What Evidence in the handshake has to hold. */
export interface Challenge {
  readonly challenge: Uint8Array
  /** What the challenge is taken from, whole, and what a later attestation goes on from; empty where there is none. */
  readonly reportData: Uint8Array
}

/** Evidence, and what it has to hold. */
export interface OpenedEvidence {
  readonly evidence: Cmw
  readonly challenge: Uint8Array
}

/** draft-fossati-tls-attestation-08 §6: the nonce itself where the Evidence is all there is, so that it speaks for the
 *  key in it and says nothing of the connection; beside X.509 a value of the Handshake Exporter, which only the two
 *  ends of this key exchange can make. */
export const draft08: Profile = {
  name: 'draft08',
  allowsResumption: true,
  minNonceLength: 8,
  challenge({ hs, selected, nonce, length }) {
    const challenge =
      selected.credentialKind === CredentialKind.ATTESTATION
        ? nonce
        : hs.handshakeExporter('attestation-binder', nonce, length ?? nonce.length)
    return { challenge, reportData: EMPTY }
  },
  open: (evidence, { challenge }) => ({ evidence, challenge }),
  bindingLevel: ({ model, credential }) => (model === 'background-check' && credential === 'x509' ? 2 : 1),
}
