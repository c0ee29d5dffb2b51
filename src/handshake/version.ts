/** ProtocolVersion of TLS 1.3 (RFC 8446 §4.2.1). */
export const TLS13 = 0x0304
/** What TLS 1.3 writes into the version fields that middleboxes look at (RFC 8446 §D.4). */
export const TLS12 = 0x0303
