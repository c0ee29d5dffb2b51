import { concat, decode, EMPTY, equalBytes, hex } from '../bytes/index.js'
import { equalSecrets, hash, hashLength, MacKey, type PublicKey } from '../crypto/index.js'
import { parseCertificate } from '../x509/index.js'
import { MisuseError, ProtocolError } from './alert.js'
import { checkCertificateVerify, makeCertificateVerify } from './certificate-verify.js'
import type { AuthenticationEntry, Credential } from './credential.js'
import type { Established } from './established.js'
import type { Extensions, ExtensionTable, ExtensionValue } from './extension-table.js'
import { extensionValue } from './extension-table.js'
import { serverName, signatureAlgorithms } from './extensions.js'
import type { Step } from './machine.js'
import {
  Certificate,
  CertificateRequest,
  decodeMessage,
  encodeMessage,
  Finished,
  HandshakeType,
  type Message,
  MessageAssembler,
  messageName,
} from './messages.js'
import { tableWith } from './table.js'

/*
 * Exported authenticators (RFC 9261): proof of a further credential on a connection that is established, carried by
 * whoever likes.
 *
 *   request        ClientCertificateRequest (of a client) | CertificateRequest (of a server)
 *   authenticator  Certificate || CertificateVerify || Finished
 *   refusal        Finished
 *
 *   CertificateVerify  over Hash(Handshake Context || request || Certificate)
 *   Finished           HMAC(Finished Key, Hash(Handshake Context || request || Certificate || CertificateVerify))
 *
 * Handshake Context and Finished Key are exported for the role of the one who authenticates.
 */

/** A request for an authenticator (RFC 9261 §4), ours or the peer's. */
export interface AuthenticatorRequest {
  /** The message with its header: what the authenticator is bound to. */
  readonly raw: Uint8Array
  /** certificate_request_context. */
  readonly context: Uint8Array
  readonly extensions: Extensions
  /** SignatureScheme code points that CertificateVerify may use. */
  readonly signatureSchemes: readonly number[]
  /** The host that a client asks a certificate of; undefined where it does not say. */
  readonly serverName: string | undefined
}

/** An authenticator whose CertificateVerify and Finished are right. Whether its credential is to be trusted is for the
 *  caller to check. */
export interface ReceivedAuthenticator {
  readonly context: Uint8Array
  readonly entries: readonly AuthenticationEntry[]
  readonly publicKey: PublicKey
  readonly signatureScheme: number
}

/** What an exchange of authenticators is about. */
export interface AuthenticatorOptions {
  readonly side: 'client' | 'server'
  readonly established: Pick<Established, 'exporter' | 'suite'>
  /** Knows the extensions of requests and authenticators. Default: those of the engine. */
  readonly table?: ExtensionTable
  /** The largest Certificate message that we take, in bytes. Default: 65536. */
  readonly maxCertificateLength?: number
  /** Whether each certificate_request_context has to be greater than the one before it in its direction, as byte strings:
   *  then the last one is all that is remembered. Default: they have to differ, and 65536 of them are the most. */
  readonly hasAscendingContexts?: boolean
}

/** Exported authenticators of one connection, both ways. It sees to it that no certificate_request_context is used
 *  twice. */
export class AuthenticatorExchange {
  readonly #side: 'client' | 'server'
  readonly #established: Pick<Established, 'exporter' | 'suite'>
  readonly #table: ExtensionTable
  readonly #maxCertificateLength: number
  /** Requests of ours that have no answer yet, by context. */
  readonly #awaited = new Map<string, AuthenticatorRequest>()
  readonly #asked: UsedContexts
  readonly #answered: UsedContexts

  constructor({
    side,
    established,
    table = tableWith(undefined),
    maxCertificateLength = 2 ** 16,
    hasAscendingContexts = false,
  }: AuthenticatorOptions) {
    this.#asked = new UsedContexts(hasAscendingContexts)
    this.#answered = new UsedContexts(hasAscendingContexts)
    this.#side = side
    this.#established = established
    this.#table = table
    this.#maxCertificateLength = maxCertificateLength
  }

  /** Asks the peer for an authenticator.
   *  @param context 0..255 bytes, which the peer cannot foresee (RFC 9261 §4)
   *  @param signatureSchemes that we take
   *  @throws MisuseError if the context was used before */
  request(options: {
    readonly context: Uint8Array
    readonly signatureSchemes: readonly number[]
    readonly extensions?: readonly ExtensionValue[]
  }): AuthenticatorRequest {
    const { context, signatureSchemes, extensions = [] } = options
    this.#asked.add(context, sentence => new MisuseError(sentence))
    const raw = encodeMessage(requestType(this.#side), CertificateRequest, {
      certificateRequestContext: context,
      extensions: [extensionValue(signatureAlgorithms.certificate_request, [...signatureSchemes]), ...extensions],
    })
    const request = this.#decodeRequest(raw, this.#side)
    this.#awaited.set(hex(context), request)
    return request
  }

  /** Reads a request of the peer.
   *  @throws ProtocolError or DecodeError */
  readRequest(bytes: Uint8Array): AuthenticatorRequest {
    return this.#decodeRequest(Uint8Array.from(bytes), other(this.#side))
  }

  /** Answers a request with a credential.
   *  @throws ProtocolError handshake_failure if the key signs with nothing that the request allows, illegal_parameter if
   *  the context was answered before */
  *authenticate(
    request: AuthenticatorRequest,
    credential: Credential,
    carrier: { readonly signal: AbortSignal },
  ): Step<Uint8Array> {
    this.#answered.add(request.context, sentence => new ProtocolError('illegal_parameter', sentence))
    return yield* this.#make(request.raw, request.context, credential, request.signatureSchemes, carrier)
  }

  /** Authenticates a server unasked (RFC 9261 §3).
   *  @param context which the peer has not seen before   @param signatureSchemes of the client's ClientHello
   *  @throws MisuseError on a client, and if the context was used before */
  *authenticateUnasked(
    context: Uint8Array,
    credential: Credential,
    signatureSchemes: readonly number[],
    carrier: { readonly signal: AbortSignal },
  ): Step<Uint8Array> {
    if (this.#side === 'client') throw new MisuseError('only a server authenticates itself unasked')
    this.#answered.add(context, sentence => new MisuseError(sentence))
    return yield* this.#make(EMPTY, context, credential, signatureSchemes, carrier)
  }

  /** Answers a request with the empty authenticator: there is no credential for it (RFC 9261 §5.2.3). */
  refuse(request: AuthenticatorRequest): Uint8Array {
    this.#answered.add(request.context, sentence => new ProtocolError('illegal_parameter', sentence))
    const role = this.#role(this.#side)
    return role.finished(role.digest(request.raw, emptyCertificate(request.context)))
  }

  /** Checks the answer to a request of ours. It may be given once.
   *  @param publicKeyOf the key of the credential; that of the X.509 certificate in the first entry unless said
   *  @returns null for the empty authenticator
   *  @throws ProtocolError or DecodeError; MisuseError if the request is none that waits for an answer */
  check(
    request: AuthenticatorRequest,
    authenticator: Uint8Array,
    publicKeyOf: (entries: readonly AuthenticationEntry[]) => PublicKey = x509Key,
  ): ReceivedAuthenticator | null {
    const id = hex(request.context)
    if (this.#awaited.get(id) !== request) throw new MisuseError('no such request waits for an authenticator')
    this.#awaited.delete(id)
    const messages = this.#cut(authenticator)
    const role = this.#role(other(this.#side))
    const [first, ...more] = messages
    if (first?.type === HandshakeType.finished && more.length === 0) {
      role.checkFinished(first, role.digest(request.raw, emptyCertificate(request.context)))
      return null
    }
    const requested = new Set(request.extensions.types)
    const received = this.#checkFull(messages, request.raw, request.signatureSchemes, requested, publicKeyOf)
    if (!equalBytes(received.context, request.context)) {
      throw new ProtocolError('illegal_parameter', 'an authenticator answers another request')
    }
    return received
  }

  /** Checks an authenticator that a server sent unasked.
   *  @param signatureSchemes that our ClientHello offered   @param requested the extensions in our ClientHello
   *  @throws ProtocolError or DecodeError */
  checkUnasked(
    authenticator: Uint8Array,
    signatureSchemes: readonly number[],
    requested: ReadonlySet<number>,
    publicKeyOf: (entries: readonly AuthenticationEntry[]) => PublicKey = x509Key,
  ): ReceivedAuthenticator {
    // RFC 9261 §3: a client authenticates only when it is asked to.
    if (this.#side === 'server') {
      throw new ProtocolError('unexpected_message', 'a client authenticates itself unasked')
    }
    const received = this.#checkFull(this.#cut(authenticator), EMPTY, signatureSchemes, requested, publicKeyOf)
    this.#asked.add(received.context, sentence => new ProtocolError('illegal_parameter', sentence))
    return received
  }

  *#make(
    request: Uint8Array,
    context: Uint8Array,
    credential: Credential,
    signatureSchemes: readonly number[],
    carrier: { readonly signal: AbortSignal },
  ): Step<Uint8Array> {
    const role = this.#role(this.#side)
    const certificate = encodeMessage(HandshakeType.certificate, Certificate, {
      certificateRequestContext: context,
      certificateList: credential.entries.map(({ data, extensions }) => ({ data, extensions: [...extensions] })),
    })
    const digest = role.digest(request, certificate)
    const signed = yield* makeCertificateVerify('authenticator', credential.key, signatureSchemes, digest, carrier)
    return concat(certificate, signed, role.finished(role.digest(request, certificate, signed)))
  }

  #checkFull(
    messages: readonly Message[],
    request: Uint8Array,
    signatureSchemes: readonly number[],
    requested: ReadonlySet<number>,
    publicKeyOf: (entries: readonly AuthenticationEntry[]) => PublicKey,
  ): ReceivedAuthenticator {
    const [certificate, signed, finished, ...more] = messages
    if (!certificate || !signed || !finished || more.length > 0 || !isInOrder(messages)) {
      const came = messages.map(({ type }) => messageName(type)).join(', ') || 'nothing'
      throw new ProtocolError('unexpected_message', `an authenticator consists of ${came}`)
    }
    const role = this.#role(other(this.#side))
    role.checkFinished(finished, role.digest(request, certificate.raw, signed.raw))
    const { certificateRequestContext, certificateList } = decodeMessage(Certificate, certificate)
    if (certificateList.length === 0) {
      throw new ProtocolError('illegal_parameter', 'an authenticator without a certificate is a Finished alone')
    }
    const entries = certificateList.map(({ data, extensions }) => ({
      data,
      extensions: this.#table.readResponse('certificate', extensions, requested),
    }))
    const publicKey = publicKeyOf(entries)
    const digest = role.digest(request, certificate.raw)
    const signatureScheme = checkCertificateVerify(signed, 'authenticator', publicKey, signatureSchemes, digest)
    return { context: certificateRequestContext, entries, publicKey, signatureScheme }
  }

  #decodeRequest(raw: Uint8Array, asker: 'client' | 'server'): AuthenticatorRequest {
    const [message, ...more] = this.#cut(raw)
    if (!message || more.length > 0 || message.type !== requestType(asker)) {
      throw new ProtocolError('unexpected_message', `a request is one ${messageName(requestType(asker))}`)
    }
    const { certificateRequestContext, extensions: all } = decodeMessage(CertificateRequest, message)
    // RFC 9261 §4: a client may say which host it means, as nowhere else outside of a ClientHello.
    const names = asker === 'client' ? all.filter(({ type }) => type === serverName.row.type) : []
    if (names.length > 1) throw new ProtocolError('decode_error', 'a request holds server_name twice')
    const others = all.filter(value => !names.includes(value))
    const extensions = this.#table.readOffer('certificate_request', others)
    return {
      raw: message.raw,
      context: certificateRequestContext,
      extensions,
      signatureSchemes: extensions.need(signatureAlgorithms.certificate_request),
      serverName: names[0] && decode(serverName.client_hello.codec, names[0].data),
    }
  }

  #cut(bytes: Uint8Array): readonly Message[] {
    return cutMessages(bytes, this.#maxCertificateLength)
  }

  #role(side: 'client' | 'server'): AuthenticatorRole {
    return new AuthenticatorRole(this.#established, side)
  }
}

/** certificate_request_context of an authenticator (RFC 9261 §6.3), of which nothing has been checked; null if it is
 *  empty. @throws ProtocolError or DecodeError */
export function authenticatorContext(authenticator: Uint8Array): Uint8Array | null {
  const [first] = cutMessages(authenticator, 0xff_ffff)
  if (first?.type !== HandshakeType.certificate) return null
  return decodeMessage(Certificate, first).certificateRequestContext
}

/** What is exported for the one who authenticates (RFC 9261 §5.1). */
class AuthenticatorRole {
  readonly #hash: Established['suite']['hash']
  readonly #handshakeContext: Uint8Array
  readonly #finishedKey: MacKey

  constructor({ exporter, suite }: Pick<Established, 'exporter' | 'suite'>, side: 'client' | 'server') {
    const length = hashLength[suite.hash]
    this.#hash = suite.hash
    this.#handshakeContext = exporter.derive(`EXPORTER-${side} authenticator handshake context`, EMPTY, length)
    const finishedKey = exporter.derive(`EXPORTER-${side} authenticator finished key`, EMPTY, length)
    this.#finishedKey = new MacKey(suite.hash, finishedKey)
  }

  /** Hash(Handshake Context || messages). */
  digest(...messages: readonly Uint8Array[]): Uint8Array {
    return hash(this.#hash, this.#handshakeContext, ...messages)
  }

  finished(digest: Uint8Array): Uint8Array {
    return encodeMessage(HandshakeType.finished, Finished, { verifyData: this.#finishedKey.mac(digest) })
  }

  checkFinished(message: Message, digest: Uint8Array): void {
    const { verifyData } = decodeMessage(Finished, message)
    if (!equalSecrets(verifyData, this.#finishedKey.mac(digest))) {
      throw new ProtocolError('decrypt_error', 'finished of an authenticator is wrong')
    }
  }
}

function requestType(asker: 'client' | 'server'): number {
  return asker === 'client' ? HandshakeType.client_certificate_request : HandshakeType.certificate_request
}

function other(side: 'client' | 'server'): 'client' | 'server' {
  return side === 'client' ? 'server' : 'client'
}

function emptyCertificate(context: Uint8Array): Uint8Array {
  const value = { certificateRequestContext: context, certificateList: [] }
  return encodeMessage(HandshakeType.certificate, Certificate, value)
}

function isInOrder(messages: readonly Message[]): boolean {
  const { certificate, certificate_verify, finished } = HandshakeType
  return [certificate, certificate_verify, finished].every((type, i) => messages[i]?.type === type)
}

/** All messages in a byte string, which holds nothing else. */
function cutMessages(bytes: Uint8Array, maxCertificateLength: number): readonly Message[] {
  const assembler = new MessageAssembler(type =>
    type === HandshakeType.certificate ? maxCertificateLength : MAX_MESSAGE_LENGTH,
  )
  assembler.add(Uint8Array.from(bytes))
  const messages: Message[] = []
  for (let message = assembler.take(); message; message = assembler.take()) {
    if (messages.length === MAX_MESSAGES) throw new ProtocolError('unexpected_message', 'there are too many messages')
    messages.push(message)
  }
  if (assembler.isPartial) throw new ProtocolError('decode_error', 'a message is cut short')
  return messages
}
const MAX_MESSAGES = 4
const MAX_MESSAGE_LENGTH = 2 ** 17 + 512

/** The contexts of one direction. RFC 9261 §4: each is unique on its connection. */
class UsedContexts {
  readonly #areAscending: boolean
  /** All of them, or the last. */
  readonly #seen = new Set<string>()

  constructor(areAscending: boolean) {
    this.#areAscending = areAscending
  }

  /** Notes a context as used. */
  add(context: Uint8Array, refusal: (sentence: string) => Error): void {
    const id = hex(context)
    if (this.#seen.has(id)) throw refusal('a certificate_request_context is used twice')
    if (this.#areAscending) {
      for (const last of this.#seen)
        if (id < last) throw refusal('a certificate_request_context is before the last one')
      this.#seen.clear()
    }
    if (this.#seen.size >= MAX_CONTEXTS) throw refusal('the connection has seen too many authenticators')
    this.#seen.add(id)
  }
}
const MAX_CONTEXTS = 2 ** 16

function x509Key([first]: readonly AuthenticationEntry[]): PublicKey {
  return parseCertificate(first?.data ?? EMPTY).publicKey
}
