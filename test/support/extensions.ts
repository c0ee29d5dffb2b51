import type { TypeOf } from '#src/bytes/index.js'
import { decodeMessage, encodeMessage, HandshakeType, type Message, type Place } from '#src/handshake/index.js'
import {
  Certificate,
  CertificateRequest,
  ClientHello,
  EncryptedExtensions,
  HELLO_RETRY_REQUEST_RANDOM,
  NewSessionTicket,
  type RawExtension,
  ServerHello,
} from '#src/handshake/messages.js'

/** Which column of the table of RFC 8446 §4.2 a message is; undefined if it has no extensions. */
export function placeOf(message: Message): Place | undefined {
  switch (message.type) {
    case HandshakeType.client_hello:
      return 'client_hello'
    case HandshakeType.server_hello:
      return Buffer.from(message.body.subarray(2, 34)).equals(HELLO_RETRY_REQUEST_RANDOM)
        ? 'hello_retry_request'
        : 'server_hello'
    case HandshakeType.encrypted_extensions:
      return 'encrypted_extensions'
    case HandshakeType.certificate_request:
      return 'certificate_request'
    case HandshakeType.certificate:
      return 'certificate'
    case HandshakeType.new_session_ticket:
      return 'new_session_ticket'
    default:
      return undefined
  }
}

/** The extensions of a message; of a Certificate those of its first entry. */
export function extensionsOf(message: Message): readonly RawExtension[] {
  let found: readonly RawExtension[] = []
  withExtensions(message, list => {
    found = list
    return list
  })
  return found
}

/** The message with other extensions; in a Certificate those of the first entry. */
export function withExtensions(
  message: Message,
  change: (list: readonly RawExtension[]) => readonly RawExtension[],
): Uint8Array {
  const { type } = message
  switch (type) {
    case HandshakeType.client_hello:
      return encodeMessage(type, ClientHello, changed(decodeMessage(ClientHello, message), change))
    case HandshakeType.server_hello:
      return encodeMessage(type, ServerHello, changed(decodeMessage(ServerHello, message), change))
    case HandshakeType.encrypted_extensions:
      return encodeMessage(type, EncryptedExtensions, changed(decodeMessage(EncryptedExtensions, message), change))
    case HandshakeType.certificate_request:
      return encodeMessage(type, CertificateRequest, changed(decodeMessage(CertificateRequest, message), change))
    case HandshakeType.new_session_ticket:
      return encodeMessage(type, NewSessionTicket, changed(decodeMessage(NewSessionTicket, message), change))
    case HandshakeType.certificate: {
      const value: TypeOf<typeof Certificate> = decodeMessage(Certificate, message)
      const [first, ...more] = value.certificateList
      const certificateList = first ? [changed(first, change), ...more] : []
      return encodeMessage(type, Certificate, { ...value, certificateList })
    }
    default:
      throw new Error(`handshake message ${type} has no extensions`)
  }
}

function changed<T extends { extensions: RawExtension[] }>(
  value: T,
  change: (list: readonly RawExtension[]) => readonly RawExtension[],
): T {
  return { ...value, extensions: [...change(value.extensions)] }
}
