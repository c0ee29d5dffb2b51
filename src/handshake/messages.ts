import {
  type Codec,
  DecodeError,
  decode,
  EMPTY,
  fixed,
  mapped,
  opaque,
  rest,
  struct,
  type TypeOf,
  uint8,
  uint16,
  uint32,
  vector,
  written,
} from '../bytes/index.js'
import { ProtocolError } from './alert.js'

/** HandshakeType (RFC 8446 §4). */
export const HandshakeType = {
  client_hello: 1,
  server_hello: 2,
  new_session_ticket: 4,
  end_of_early_data: 5,
  encrypted_extensions: 8,
  request_connection_id: 9,
  new_connection_id: 10,
  certificate: 11,
  certificate_request: 13,
  certificate_verify: 15,
  /** RFC 9261 §4. */
  client_certificate_request: 17,
  finished: 20,
  key_update: 24,
  compressed_certificate: 25,
  message_hash: 254,
} as const

/** A handshake message as it stands on the wire. */
export interface Message {
  readonly type: number
  readonly body: Uint8Array
  /** Header and body: what the transcript hashes. */
  readonly raw: Uint8Array
}

/** How a message is called in sentences. */
export function messageName(type: number): string {
  for (const [name, value] of Object.entries(HandshakeType)) if (value === type) return name
  return `handshake message ${type}`
}

/** A message with its header. */
export function encodeMessage<T>(type: number, codec: Codec<T>, value: T): Uint8Array {
  return written(writer => {
    writer.uint8(type)
    writer.vector(3, 0, 0xff_ffff, body => codec.write(body, value))
  })
}

/** Decodes the whole body of a message. @throws DecodeError with the name of the message */
export function decodeMessage<T>(codec: Codec<T>, message: Message): T {
  try {
    return decode(codec, message.body)
  } catch (error) {
    if (error instanceof DecodeError) throw new DecodeError(`${messageName(message.type)}: ${error.message}`)
    throw error
  }
}

/** An extension whose data has not been looked at. */
export interface RawExtension {
  readonly type: number
  readonly data: Uint8Array
}

/** What `struct({ type: uint16, data: ExtensionData })` does. Written out: a handshake has some fifty of them. */
export const RawExtension: Codec<RawExtension> = {
  read: r => ({ type: r.uint16(), data: ExtensionData.read(r) }),
  write(w, { type, data }) {
    w.uint16(type)
    ExtensionData.write(w, data)
  },
}
const ExtensionData = opaque(0, 0xffff)

const RawExtensions = vector(RawExtension, 0, 0xffff)

/** Extensions at the end of a hello: older versions of TLS may leave them out altogether. */
export const helloExtensions: Codec<RawExtension[]> = {
  read: r => (r.isAtEnd ? [] : RawExtensions.read(r)),
  write: RawExtensions.write,
}

/** RFC 8446 §4.1.2. */
export const ClientHello = struct({
  legacyVersion: uint16,
  random: fixed(32),
  legacySessionId: opaque(0, 32),
  cipherSuites: vector(uint16, 2, 0xfffe),
  legacyCompressionMethods: opaque(1, 255),
  extensions: helloExtensions,
})
export type ClientHello = TypeOf<typeof ClientHello>

/** RFC 8446 §4.1.3; HelloRetryRequest has the same form (RFC 8446 §4.1.4). */
export const ServerHello = struct({
  legacyVersion: uint16,
  random: fixed(32),
  legacySessionIdEcho: opaque(0, 32),
  cipherSuite: uint16,
  legacyCompressionMethod: uint8,
  extensions: helloExtensions,
})
export type ServerHello = TypeOf<typeof ServerHello>

/** The random of a ServerHello that is a HelloRetryRequest: SHA-256 of "HelloRetryRequest" (RFC 8446 §4.1.3). */
export const HELLO_RETRY_REQUEST_RANDOM = Uint8Array.from([
  0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2, 0xa2, 0x11,
  0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
])

/** RFC 8446 §4.5. */
export const EndOfEarlyData = struct({})

/** RFC 8446 §4.3.1. */
export const EncryptedExtensions = struct({ extensions: RawExtensions })

/** RFC 8446 §4.3.2. */
export const CertificateRequest = struct({
  certificateRequestContext: opaque(0, 255),
  extensions: vector(RawExtension, 2, 0xffff),
})

/** RFC 8446 §4.4.2. What `data` is depends on the certificate type. */
export const CertificateEntry = struct({ data: opaque(1, 0xff_ffff), extensions: RawExtensions })
export type CertificateEntry = TypeOf<typeof CertificateEntry>

/** RFC 8446 §4.4.2. */
export const Certificate = struct({
  certificateRequestContext: opaque(0, 255),
  certificateList: vector(CertificateEntry, 0, 0xff_ffff),
})
export type Certificate = TypeOf<typeof Certificate>

/** RFC 8446 §4.4.3. */
export const CertificateVerify = struct({ algorithm: uint16, signature: opaque(0, 0xffff) })

/** RFC 8446 §4.4.4: its length is that of the hash. */
export const Finished = struct({ verifyData: rest })

/** RFC 8446 §4.6.1. */
export const NewSessionTicket = struct({
  ticketLifetime: uint32,
  ticketAgeAdd: uint32,
  ticketNonce: opaque(0, 255),
  ticket: opaque(1, 0xffff),
  extensions: vector(RawExtension, 0, 0xfffe),
})
export type NewSessionTicket = TypeOf<typeof NewSessionTicket>

/** RFC 8446 §4.6.3. */
export const KeyUpdate = struct({
  requestUpdate: mapped(
    uint8,
    value => {
      if (value > 1) throw new ProtocolError('illegal_parameter', `key_update asks for ${value}, which is no request`)
      return value === 1
    },
    isRequested => (isRequested ? 1 : 0),
  ),
})

/** Cuts handshake messages out of the bytes of handshake records, whatever their fragmentation (RFC 8446 §5.1).
 *  It never holds more than one message of the size that its type may have. */
export class MessageAssembler {
  readonly #limitOf: (type: number) => number
  /** What has not been taken stands from `#start` to `#end`. */
  #buffer: Uint8Array = EMPTY
  #start = 0
  #end = 0
  /** Whether the buffer is one of our own, with room behind `#end`. */
  #isOwn = false

  /** @param limitOf the largest body, in bytes, of a message of that type; throws to refuse it */
  constructor(limitOf: (type: number) => number) {
    this.#limitOf = limitOf
  }

  /** Whether a message has begun that is not complete. */
  get isPartial(): boolean {
    return this.#end > this.#start
  }

  /** Adds the content of one record. Call `take` until it gives undefined before adding more.
   *  @param content given away: messages are views into it */
  add(content: Uint8Array): void {
    const held = this.#end - this.#start
    if (held === 0) {
      this.#buffer = content
      this.#start = 0
      this.#end = content.length
      this.#isOwn = false
      return
    }
    if (!this.#isOwn || this.#end + content.length > this.#buffer.length) {
      // Twice the room each time: a message in a thousand fragments is not copied a thousand times.
      const larger = new Uint8Array(2 * (held + content.length))
      larger.set(this.#buffer.subarray(this.#start, this.#end))
      this.#buffer = larger
      this.#start = 0
      this.#end = held
      this.#isOwn = true
    }
    this.#buffer.set(content, this.#end)
    this.#end += content.length
  }

  /** The next complete message; its bytes never change.
   *  @throws ProtocolError if it claims to be too long, and what `limitOf` throws: both as soon as its header is there */
  take(): Message | undefined {
    const at = this.#start
    const held = this.#end - at
    if (held < HEADER_LENGTH) return undefined
    const b = this.#buffer
    const type = b[at]
    const length = (b[at + 1] << 16) | (b[at + 2] << 8) | b[at + 3]
    if (length > this.#limitOf(type)) {
      throw new ProtocolError('illegal_parameter', `${messageName(type)} of ${length} bytes is too long`)
    }
    if (held < HEADER_LENGTH + length) return undefined
    const end = at + HEADER_LENGTH + length
    const raw = b.subarray(at, end)
    if (end === this.#end) {
      this.#buffer = EMPTY
      this.#start = 0
      this.#end = 0
    } else {
      this.#start = end
    }
    return { type, raw, body: raw.subarray(HEADER_LENGTH) }
  }
}

const HEADER_LENGTH = 4

/** The largest body of a handshake message, by type. */
export function messageLimit(
  type: number,
  { maxCertificateLength }: { readonly maxCertificateLength: number },
): number {
  switch (type) {
    case HandshakeType.certificate:
    case HandshakeType.compressed_certificate:
      return maxCertificateLength
    case HandshakeType.key_update:
    case HandshakeType.finished:
    case HandshakeType.request_connection_id:
      return 255
    default:
      // Two vectors of 2^16-1 bytes and what stands around them: no other message can be longer.
      return 2 ** 17 + 512
  }
}
