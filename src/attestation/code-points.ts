/** The numbers of the draft that IANA has not assigned: TLS extensions, a certificate type, alerts. Both sides of a
 *  connection have to agree on them. */
export interface CodePoints {
  /** TLS ExtensionType values. */
  readonly evidence_request: number
  readonly evidence_proposal: number
  readonly results_request: number
  readonly results_proposal: number
  /** The extension of a CertificateEntry that carries Evidence or Attestation Results beside X.509. IANA has since
   *  given the draft's number to an extension of ClientHello; in any other message it is that one, not ours. */
  readonly attestation_evidence: number
  /** TLS Certificate Types value (RFC 7250). */
  readonly attestation: number
  /** AlertDescription values. */
  readonly unsupported_evidence: number
  readonly unsupported_verifiers: number
  /** Of the profile `hardened`: TLS ExtensionType values. */
  readonly hardened_attestation: number
  readonly cmw_attestation: number
  /** And a HandshakeType. */
  readonly atls_control: number
}

/** What we use where nobody says otherwise: private-use numbers, and the one that the draft itself writes. */
export const defaultCodePoints: CodePoints = {
  evidence_request: 0xff80,
  evidence_proposal: 0xff81,
  results_request: 0xff82,
  results_proposal: 0xff83,
  attestation_evidence: 60,
  attestation: 224,
  unsupported_evidence: 224,
  unsupported_verifiers: 225,
  hardened_attestation: 0xffa1,
  cmw_attestation: 0xff00,
  atls_control: 248,
}
