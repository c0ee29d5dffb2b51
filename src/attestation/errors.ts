import { type AlertName, ProtocolError } from '../handshake/index.js'
import { type AttestationResult, type Check, printable } from '../rats/index.js'

/** What went wrong with an attestation. The codes are stable. */
export type AttestationErrorCode =
  /** There is no Evidence type that both sides have. */
  | 'ERR_ATTESTATION_UNSUPPORTED_EVIDENCE'
  /** There is no Verifier that both sides know. */
  | 'ERR_ATTESTATION_UNSUPPORTED_VERIFIERS'
  /** The peer does not attest, and the policy requires that it does. */
  | 'ERR_ATTESTATION_PEER_NOT_ATTESTED'
  /** The peer's part in the negotiation is not what the draft allows. */
  | 'ERR_ATTESTATION_NEGOTIATION'
  /** What came in place of Evidence or results cannot be read. */
  | 'ERR_ATTESTATION_MALFORMED'
  /** Evidence of another type came than was agreed on. */
  | 'ERR_ATTESTATION_WRONG_TYPE'
  /** The appraisal went against the peer: `checks` says why. */
  | 'ERR_ATTESTATION_REFUSED'
  /** The Verifier could not come to a verdict. */
  | 'ERR_ATTESTATION_NOT_APPRAISED'
  /** The verdict is about another challenge than that of this connection. */
  | 'ERR_ATTESTATION_CHALLENGE_MISMATCH'
  /** The verdict is about another key than the peer's, or about none. */
  | 'ERR_ATTESTATION_KEY_MISMATCH'
  /** The peer is attested, but is not the one that was expected. */
  | 'ERR_ATTESTATION_IDENTITY_MISMATCH'
  /** Our Attester, Presenter or Verifier did not answer in time, or the peer did not. */
  | 'ERR_ATTESTATION_TIMEOUT'
  /** On a later occasion on the same connection the peer is not what it was. */
  | 'ERR_ATTESTATION_CONTINUITY'
  /** The connection has lasted as long as our `maxConnectionAge` allows. */
  | 'ERR_ATTESTATION_TOO_OLD'
  /** The peer has appraised us, and refuses. */
  | 'ERR_ATTESTATION_REJECTED'
  /** Our Attester or Presenter could not do what it had offered. */
  | 'ERR_ATTESTATION_ATTESTER_FAILED'
  /** Our Attester has more to do than it can. */
  | 'ERR_ATTESTATION_ATTESTER_BUSY'
  /** Our `admit` would not have Evidence made for this peer. */
  | 'ERR_ATTESTATION_NOT_ADMITTED'
  /** Our Verifier could not be used. */
  | 'ERR_ATTESTATION_VERIFIER_FAILED'

/** What somebody else's error says, to end a sentence with. */
export function because(cause: unknown): string {
  return cause instanceof Error && cause.message !== '' ? `: ${printable(cause.message)}` : ''
}

/** A connection that ends because of attestation: the peer was refused, or we could not do our part. */
export class AttestationError extends ProtocolError {
  override readonly name: string = 'AttestationError'
  /** The checks that failed, where there was an appraisal. */
  readonly checks: readonly Check[]
  /** The verdict, where there was one. */
  readonly result: AttestationResult | undefined

  constructor(
    code: AttestationErrorCode,
    alert: AlertName | number,
    message: string,
    options: { readonly cause?: unknown; readonly result?: AttestationResult } = {},
  ) {
    super(alert, message, { code, cause: options.cause })
    this.result = options.result
    this.checks = options.result?.checks.filter(({ passed }) => !passed) ?? []
  }
}
