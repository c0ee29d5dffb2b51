import { empty, opaque, struct, uint8, uint16, vector } from '../../bytes/index.js'
import { extension } from '../../handshake/index.js'
import type { CodePoints } from '../code-points.js'

/** The version of the profile `hardened` that this package speaks. */
export const HARDENED_VERSION = 1

/** What a side can and wants, in `hardened_attestation`. 4 is for Extended Key Update, which is not spoken. */
export const HardenedFlag = {
  /** It can attest. */
  attests: 1,
  /** It requires that the other side attests. */
  requires: 2,
  /** It takes Evidence that is for others, too, with the proof that this connection is among them. */
  takesBatches: 8,
} as const

/** The extensions of the profile `hardened`, beside those of draft-fossati-tls-attestation-08. */
export function hardenedExtensions(codePoints: CodePoints) {
  return {
    /** That the profile is spoken, and in its requests which version of it. */
    hardenedAttestation: extension(codePoints.hardened_attestation, 'hardened_attestation', {
      client_hello: struct({ versions: vector(uint8, 1, 16), flags: uint8 }),
      // maxRenewalSeconds: how long the server lets pass between two attestations, of either side; 0: it does not say.
      encrypted_extensions: struct({ version: uint8, flags: uint8, maxRenewalSeconds: uint16 }),
      certificate_request: uint8,
    }),
    /** A CMW in an exported authenticator (draft-fossati-seat-expat-03): asked for with nothing, in the first entry. */
    cmwAttestation: extension(codePoints.cmw_attestation, 'cmw_attestation', {
      certificate_request: empty,
      certificate: opaque(1, 0xffff),
    }),
  }
}
export type HardenedExtensions = ReturnType<typeof hardenedExtensions>
