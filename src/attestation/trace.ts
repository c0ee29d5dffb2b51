/** A handshake message that passed, for people to follow: no secrets, lengths and types only. */
export interface TraceEvent {
  readonly direction: 'sent' | 'received'
  /** Its name in RFC 8446 §4, such as `encrypted_extensions`. */
  readonly message: string
  /** Length in bytes, header included. */
  readonly length: number
  /** What it says about attestation, in words; empty if it says nothing. */
  readonly fields: readonly TraceField[]
}

/** One attestation field of a message. */
export interface TraceField {
  /** Its name in the draft, such as `evidence_request`. */
  readonly name: string
  readonly value: string
}
