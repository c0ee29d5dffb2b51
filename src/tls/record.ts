/** ContentType (RFC 8446 §5.1). */
export const ContentType = { change_cipher_spec: 20, alert: 21, handshake: 22, application_data: 23 } as const

/** legacy_record_version (RFC 8446 §5.1). */
export const RECORD_VERSION = 0x0303
/** The one of the first ClientHello, which servers of old want to see (RFC 8446 §5.1). */
export const INITIAL_RECORD_VERSION = 0x0301

/** The largest content of a record, in bytes (RFC 8446 §5.1). */
export const MAX_CONTENT = 2 ** 14
/** What protection may add to the content: its type, padding and tag (RFC 8446 §5.2). */
export const MAX_EXPANSION = 256
/** Bytes of a record's header. */
export const HEADER_LENGTH = 5

/** A record as the layer above sees it: opened, without padding. */
export interface Record {
  readonly type: number
  readonly content: Uint8Array
}
