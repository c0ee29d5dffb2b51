/** ContentType (RFC 8446 §5.1, RFC 9147 §4). */
export const ContentType = { change_cipher_spec: 20, alert: 21, handshake: 22, application_data: 23, ack: 26 } as const

/** The largest content of a record, in bytes (RFC 8446 §5.1). */
export const MAX_CONTENT = 2 ** 14
/** Bytes of the header of a DTLSPlaintext (RFC 9147 §4). */
export const PLAIN_HEADER_LENGTH = 13
/** What older implementations look at in a DTLSPlaintext. */
export const LEGACY_RECORD_VERSION = 0xfefd

/** A record's place among all records of its sender (RFC 9147 §4). */
export interface RecordNumber {
  readonly epoch: number
  readonly sequenceNumber: number
}

/** A record as the layer above sees it: opened, without padding. */
export interface Record {
  readonly type: number
  readonly number: RecordNumber
  /** Whether no later one has come before it. What is plain is never new. */
  readonly isNewest: boolean
  /** In a buffer of its own. */
  readonly content: Uint8Array
}
