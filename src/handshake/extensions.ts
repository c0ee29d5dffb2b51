import {
  type Codec,
  checked,
  DecodeError,
  empty,
  mapped,
  opaque,
  rest,
  struct,
  uint8,
  uint16,
  uint32,
  vector,
} from '../bytes/index.js'
import { ProtocolError } from './alert.js'
import { type ExtensionRow, extension } from './extension-table.js'

/*
 * RFC 8446 §4.2, the extensions of this engine (CH: ClientHello, SH: ServerHello, EE: EncryptedExtensions,
 * CT: Certificate, CR: CertificateRequest, NST: NewSessionTicket, HRR: HelloRetryRequest):
 *
 *   server_name                      CH, EE        RFC 6066 §3
 *   status_request                   CH, CR, CT    RFC 6066 §8
 *   supported_groups                 CH, EE        RFC 8446 §4.2.7
 *   signature_algorithms             CH, CR        RFC 8446 §4.2.3
 *   application_layer_protocol_neg.  CH, EE        RFC 7301 §3.1
 *   client_certificate_type          CH, EE        RFC 7250 §3
 *   server_certificate_type          CH, EE        RFC 7250 §3
 *   compress_certificate             CH, CR        RFC 8879 §3
 *   record_size_limit                CH, EE        RFC 8449 §4
 *   pre_shared_key                   CH, SH        RFC 8446 §4.2.11
 *   early_data                       CH, EE, NST   RFC 8446 §4.2.10
 *   supported_versions               CH, SH, HRR   RFC 8446 §4.2.1
 *   cookie                           CH, HRR       RFC 8446 §4.2.2
 *   psk_key_exchange_modes           CH            RFC 8446 §4.2.9
 *   certificate_authorities          CH, CR        RFC 8446 §4.2.4
 *   post_handshake_auth              CH            RFC 8446 §4.2.6
 *   connection_id                    CH, SH        RFC 9146 §3
 *   signature_algorithms_cert        CH, CR        RFC 8446 §4.2.3
 *   key_share                        CH, SH, HRR   RFC 8446 §4.2.8
 *   tls_flags                        NST           draft-ietf-tls-tlsflags §2
 */

/** A list whose elements the RFC wants to be many or unique; an empty one does not decode. */
const uint16List = (min: number, max: number) => vector(uint16, min, max)

/** server_name: host_name(0) is the only type there is, and there may be one of it. */
const ServerNameList: Codec<string> = mapped(
  vector(struct({ nameType: uint8, hostName: opaque(1, 0xffff) }), 1, 0xffff),
  list => {
    const [name, ...more] = list
    if (!name || more.length > 0 || name.nameType !== 0) throw new DecodeError('one host_name is expected')
    return asciiOf(name.hostName)
  },
  hostName => [{ nameType: 0, hostName: new TextEncoder().encode(hostName) }],
)

function asciiOf(bytes: Uint8Array): string {
  let text = ''
  for (const byte of bytes) {
    if (byte <= 0x20 || byte >= 0x7f) throw new DecodeError('a host name is printable ASCII')
    text += String.fromCharCode(byte)
  }
  return text
}

/** server_name (RFC 6066 §3). */
export const serverName = extension(0, 'server_name', {
  client_hello: ServerNameList,
  encrypted_extensions: empty,
})

/** CertificateStatus with an OCSP response. */
const CertificateStatus = struct({
  statusType: checked(uint8, type => type === 1, 'only OCSP responses are known'),
  response: opaque(1, 0xff_ffff),
})

/** status_request (RFC 6066 §8). */
export const statusRequest = extension(5, 'status_request', {
  // A status_type that we do not know changes what follows it: only its presence matters then.
  client_hello: rest,
  certificate_request: rest,
  certificate: CertificateStatus,
})
/** CertificateStatusRequest with which we ask: OCSP, any responder, no extensions. */
export const OCSP_REQUEST = Uint8Array.of(1, 0, 0, 0, 0)

/** supported_groups (RFC 8446 §4.2.7). */
export const supportedGroups = extension(10, 'supported_groups', {
  client_hello: uint16List(2, 0xffff),
  encrypted_extensions: uint16List(2, 0xffff),
})

/** signature_algorithms (RFC 8446 §4.2.3). */
export const signatureAlgorithms = extension(13, 'signature_algorithms', {
  client_hello: uint16List(2, 0xfffe),
  certificate_request: uint16List(2, 0xfffe),
})

const ProtocolName = mapped(
  opaque(1, 255),
  // One character for each byte, so that any name comes back as it was (the `latin1` of TextDecoder is windows-1252).
  bytes => String.fromCharCode(...bytes),
  name => Uint8Array.from(name, character => character.charCodeAt(0)),
)

/** application_layer_protocol_negotiation (RFC 7301 §3.1). */
export const alpn = extension(16, 'application_layer_protocol_negotiation', {
  client_hello: vector(ProtocolName, 2, 0xffff),
  encrypted_extensions: mapped(
    vector(ProtocolName, 2, 0xffff),
    list => {
      const [name, ...more] = list
      if (name === undefined || more.length > 0) throw new DecodeError('one protocol is expected')
      return name
    },
    name => [name],
  ),
})

/** Certificate types (RFC 7250 §3). */
export const CertificateType = { X509: 0, RawPublicKey: 2 } as const

/** The certificate types of a client, as many as there are: "If the client has no remaining certificate types to send in the
 *  client hello, other than the default X.509 type, it MUST omit the […] extension" (RFC 7250 §4.1). */
const OfferedTypes: Codec<number[]> = mapped(
  vector(uint8, 0, 255),
  types => {
    if (types.some(type => type !== CertificateType.X509)) return types
    throw new ProtocolError('illegal_parameter', 'a list of certificate types holds X509 at most')
  },
  types => types,
)

/** client_certificate_type (RFC 7250 §3). */
export const clientCertificateType = extension(19, 'client_certificate_type', {
  client_hello: OfferedTypes,
  encrypted_extensions: uint8,
})

/** server_certificate_type (RFC 7250 §3). */
export const serverCertificateType = extension(20, 'server_certificate_type', {
  client_hello: OfferedTypes,
  encrypted_extensions: uint8,
})

const CompressionAlgorithms = checked(
  uint16List(2, 254),
  list => new Set(list).size === list.length,
  'an algorithm is named twice',
)

/** compress_certificate (RFC 8879 §3). */
export const compressCertificate = extension(27, 'compress_certificate', {
  client_hello: CompressionAlgorithms,
  certificate_request: CompressionAlgorithms,
})

/** record_size_limit (RFC 8449 §4). */
export const recordSizeLimit = extension(28, 'record_size_limit', {
  client_hello: uint16,
  encrypted_extensions: uint16,
})

/** OfferedPsks (RFC 8446 §4.2.11). */
export const OfferedPsks = struct({
  identities: vector(struct({ identity: opaque(1, 0xffff), obfuscatedTicketAge: uint32 }), 7, 0xffff),
  // RFC 8446 §4.2.11: "PskBinderEntry<32..255>". One that is too short is one that is wrong, and is told so.
  binders: vector(opaque(0, 255), 1, 0xffff),
})

/** pre_shared_key (RFC 8446 §4.2.11). */
export const preSharedKey = extension(41, 'pre_shared_key', {
  client_hello: OfferedPsks,
  server_hello: uint16,
})

/** early_data (RFC 8446 §4.2.10). */
export const earlyData = extension(42, 'early_data', {
  client_hello: empty,
  encrypted_extensions: empty,
  new_session_ticket: uint32,
})

/** supported_versions (RFC 8446 §4.2.1). */
export const supportedVersions = extension(43, 'supported_versions', {
  client_hello: vector(uint16, 2, 254),
  server_hello: uint16,
  hello_retry_request: uint16,
})

/** cookie (RFC 8446 §4.2.2). */
export const cookie = extension(
  44,
  'cookie',
  { client_hello: opaque(1, 0xffff), hello_retry_request: opaque(1, 0xffff) },
  // RFC 8446 §4.2: a HelloRetryRequest may bring one unasked.
  { isSolicitedElsewhere: true },
)

/** PskKeyExchangeMode (RFC 8446 §4.2.9). */
export const PskKeyExchangeMode = { psk_ke: 0, psk_dhe_ke: 1 } as const

/** psk_key_exchange_modes (RFC 8446 §4.2.9). */
export const pskKeyExchangeModes = extension(45, 'psk_key_exchange_modes', { client_hello: vector(uint8, 1, 255) })

/** certificate_authorities (RFC 8446 §4.2.4). */
export const certificateAuthorities = extension(47, 'certificate_authorities', {
  client_hello: vector(opaque(1, 0xffff), 3, 0xffff),
  certificate_request: vector(opaque(1, 0xffff), 3, 0xffff),
})

/** connection_id (RFC 9146 §3), of which RFC 9147 §9 says that it is DTLS's only. */
export const connectionId = extension(54, 'connection_id', {
  client_hello: opaque(0, 255),
  server_hello: opaque(0, 255),
})

/** post_handshake_auth (RFC 8446 §4.2.6). */
export const postHandshakeAuth = extension(49, 'post_handshake_auth', { client_hello: empty })

/** signature_algorithms_cert (RFC 8446 §4.2.3). */
export const signatureAlgorithmsCert = extension(50, 'signature_algorithms_cert', {
  client_hello: uint16List(2, 0xfffe),
  certificate_request: uint16List(2, 0xfffe),
})

/** KeyShareEntry (RFC 8446 §4.2.8). */
export const KeyShareEntry = struct({ group: uint16, keyExchange: opaque(1, 0xffff) })

/** key_share (RFC 8446 §4.2.8). */
export const keyShare = extension(51, 'key_share', {
  client_hello: vector(KeyShareEntry, 0, 0xffff),
  server_hello: KeyShareEntry,
  hello_retry_request: uint16,
})

/** tls_flags (draft-ietf-tls-tlsflags §2): bits, of which none means anything to this engine yet. */
export const tlsFlags = extension(62, 'tls_flags', {
  new_session_ticket: mapped(
    opaque(1, 255),
    flags => {
      if (flags.at(-1) === 0) throw new ProtocolError('illegal_parameter', 'tls_flags ends in a zero byte')
      return flags
    },
    flags => flags,
  ),
})

/** The rows of this file, to make an ExtensionTable of. */
export const baseRows: readonly ExtensionRow[] = [
  serverName,
  statusRequest,
  supportedGroups,
  signatureAlgorithms,
  alpn,
  clientCertificateType,
  serverCertificateType,
  compressCertificate,
  recordSizeLimit,
  preSharedKey,
  earlyData,
  supportedVersions,
  cookie,
  pskKeyExchangeModes,
  certificateAuthorities,
  postHandshakeAuth,
  signatureAlgorithmsCert,
  keyShare,
  connectionId,
  tlsFlags,
].map(({ row }) => row)
