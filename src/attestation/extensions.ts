import { type Codec, checked, hex, opaque, rest, struct, vector } from '../bytes/index.js'
import { type ExtensionRow, extension } from '../handshake/index.js'
import type { CodePoints } from './code-points.js'
import { EvidenceType, EvidenceTypes } from './evidence-type.js'

/** A nonce of the Relying Party's Verifier. */
const Nonce = opaque(8, 255)

/** `struct { opaque verifier_identity<0..2^16-1>; } VerifierIdentityType;` */
const VerifierIdentity = opaque(0, 0xffff)

const VerifierIdentities: Codec<readonly Uint8Array[]> = checked(
  asReadonly(vector(VerifierIdentity, 1, 255)),
  identities => new Set(identities.map(hex)).size === identities.length,
  'a Verifier is listed twice',
)

/** The extensions of draft-fossati-tls-attestation-08 with the numbers of one context. An answer stands in
 *  EncryptedExtensions, where the draft's figures have it; the four have no place in any other message. */
export function attestationExtensions(codePoints: CodePoints) {
  return {
    /** Server's Evidence, asked for by the client. */
    evidenceRequest: extension(codePoints.evidence_request, 'evidence_request', {
      client_hello: struct({ supportedEvidenceTypes: EvidenceTypes, nonce: Nonce }),
      encrypted_extensions: EvidenceType,
    }),
    /** Client's Evidence, proposed by the client and asked for by the server. */
    evidenceProposal: extension(codePoints.evidence_proposal, 'evidence_proposal', {
      client_hello: EvidenceTypes,
      encrypted_extensions: struct({ selectedEvidenceType: EvidenceType, nonce: Nonce }),
    }),
    /** Server's results, asked for by the client. */
    resultsRequest: extension(codePoints.results_request, 'results_request', {
      client_hello: VerifierIdentities,
      encrypted_extensions: VerifierIdentity,
    }),
    /** Client's results, proposed by the client and asked for by the server. */
    resultsProposal: extension(codePoints.results_proposal, 'results_proposal', {
      client_hello: VerifierIdentities,
      encrypted_extensions: VerifierIdentity,
    }),
    /** Evidence or results beside an X.509 chain. It answers one of the extensions above, not one of its own number;
     *  whether it was asked for is checked where the certificate is examined. */
    attestationEvidence: extension(
      codePoints.attestation_evidence,
      'attestation_evidence',
      { certificate: checked(rest, data => data.length > 0, 'attestation_evidence is empty') },
      { isSolicitedElsewhere: true, isUnknownElsewhere: true },
    ),
  }
}
export type AttestationExtensions = ReturnType<typeof attestationExtensions>

/** The rows for the table of RFC 8446 §4.2. */
export function rowsOf(extensions: Readonly<Record<string, { readonly row: ExtensionRow }>>): readonly ExtensionRow[] {
  return Object.values(extensions).map(({ row }) => row)
}

/** The most that `attestation_evidence` holds, in bytes. */
export const MAX_EXTENSION_LENGTH = 0xffff

function asReadonly<T>(codec: Codec<T[]>): Codec<readonly T[]> {
  return { read: codec.read, write: (w, value) => codec.write(w, [...value]) }
}
