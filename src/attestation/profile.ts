import type { View } from '../handshake/index.js'
import { CredentialKind, type EvidenceType } from './evidence-type.js'
import type { BindingLevel, NegotiatedAttestation } from './status.js'

/** How a profile binds attestation to a connection. The messages on the wire are the same for all of them. */
export interface Profile {
  readonly name: 'draft08'
  /** What Evidence has to hold to be of this connection. */
  challenge(inputs: ChallengeInputs): Uint8Array
  /** How strongly an attestation of this kind is bound to the connection. */
  bindingLevel(negotiated: NegotiatedAttestation): BindingLevel
  /** Whether an attested connection may be resumed while the appraisal holds. */
  readonly allowsResumption: boolean
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
}

/** draft-fossati-tls-attestation-08 §6: the nonce itself where the Evidence is all there is, so that it speaks for the
 *  key in it and says nothing of the connection; beside X.509 a value of the Handshake Exporter, which only the two
 *  ends of this key exchange can make. */
export const draft08: Profile = {
  name: 'draft08',
  allowsResumption: true,
  challenge({ hs, selected, nonce, length }) {
    if (selected.credentialKind === CredentialKind.ATTESTATION) return nonce
    return hs.handshakeExporter('attestation-binder', nonce, length ?? nonce.length)
  },
  bindingLevel: ({ model, credential }) => (model === 'background-check' && credential === 'x509' ? 2 : 1),
}
