import { EMPTY, encode, equalBytes, hex, uint16 } from '../bytes/index.js'
import type { KeyShare, NamedGroup } from '../crypto/index.js'
import { ProtocolError } from './alert.js'
import { checkAuthentication, makeCertificate, ownCertificateType, readCertificate } from './authentication.js'
import type { Carrier } from './carrier.js'
import { acceptedCompressions, certificateMessages, compressed, decompressed } from './certificate-compression.js'
import { checkCertificateVerify, makeCertificateVerify } from './certificate-verify.js'
import { type Suite, suiteOf } from './cipher-suite.js'
import type { ClientConfig } from './config.js'
import type { PeerIdentity } from './credential.js'
import { clientEarlyData, type EarlyDataStatus } from './early-data.js'
import type { Established } from './established.js'
import { Extensions, type ExtensionValue, extensionValue } from './extension-table.js'
import * as ext from './extensions.js'
import { type Grease, grease } from './grease.js'
import { HandshakeState } from './handshake-state.js'
import { HandshakeView } from './handshake-view.js'
import type { KeyLog } from './key-log.js'
import { receive, type Step, until } from './machine.js'
import {
  CertificateRequest,
  decodeMessage,
  EncryptedExtensions,
  EndOfEarlyData,
  encodeMessage,
  HandshakeType,
  HELLO_RETRY_REQUEST_RANDOM,
  type Message,
  ServerHello,
} from './messages.js'
import { shareOf } from './negotiate.js'
import type { PlugOffer, View } from './plug.js'
import type { Protocol } from './protocol.js'
import { bind, type PskOffer, pskOffers, unboundPsks } from './psk.js'

/*
 * RFC 8446 §2, Figure 1, from the client's side:
 *
 *   Client                                           Server
 *
 *   ClientHello              -------->
 *                            <--------   [HelloRetryRequest]
 *   [ClientHello]            -------->
 *                                               ServerHello
 *                                     {EncryptedExtensions}
 *                                     {CertificateRequest*}
 *                                            {Certificate*}
 *                                      {CertificateVerify*}
 *                            <--------           {Finished}
 *   {Certificate*}
 *   {CertificateVerify*}
 *   {Finished}               -------->
 */
export function* clientHandshake(config: ClientConfig, carrier: Carrier, keyLog: KeyLog): Step<Established> {
  const hs = new HandshakeState(config, carrier, keyLog)
  const offer = yield* makeOffer(hs)

  const first = sendClientHello(hs, offer, offer.shares, offer.psks, undefined)
  const answer = readServerHello(hs, first, yield* receive(HandshakeType.server_hello))
  const { sent, reply } = answer.isRetry ? yield* retry(hs, offer, first, answer) : { sent: first, reply: answer }

  const { suite, psk } = reply
  const isEarlyDataOpen = offer.early === 'offered' && !answer.isRetry
  if (!psk && config.requiresPsk) {
    throw new ProtocolError('missing_extension', 'the server selects none of our PSKs, and nothing else will do')
  }
  const early = hs.earlySecret(suite, psk)
  const handshake = hs.handshakeSecrets(early, reply.share.complete(reply.keyExchange))
  carrier.protect('read', 'handshake', handshake.server, suite)
  if (!isEarlyDataOpen) carrier.protect('write', 'handshake', handshake.client, suite)

  const extensions = readEncryptedExtensions(hs, sent, yield* receive(HandshakeType.encrypted_extensions))
  const { alpn, serverType, clientType } = checkEncryptedExtensions(hs, offer, extensions)
  const isEarlyDataAccepted = extensions.has(ext.earlyData.encrypted_extensions)
  if (isEarlyDataAccepted) checkEarlyData(offer, reply, alpn)
  if (isEarlyDataOpen) {
    carrier.settleEarlyData(isEarlyDataAccepted)
    if (!isEarlyDataAccepted) carrier.protect('write', 'handshake', handshake.client, suite)
  }
  const view = new HandshakeView(hs.carrier, handshake.exporter, {
    side: 'client',
    suite,
    group: reply.share.group,
    serverName: config.serverName,
    clientHello: sent.extensions,
    serverCertificateType: extensions.get(ext.serverCertificateType.encrypted_extensions),
    clientCertificateType: extensions.get(ext.clientCertificateType.encrypted_extensions),
  })
  const authenticator = psk === undefined ? 'certificate' : psk.session ? 'session' : 'external_psk'
  const accepted = config.plug?.accept(view, extensions, authenticator)

  const { request, peer } =
    psk === undefined
      ? yield* readServerAuthentication(hs, offer, sent, view, serverType, accepted?.needsCertificateRequest ?? false)
      : { request: undefined, peer: psk.peer }
  hs.readFinished(handshake.server, 'server', yield* receive(HandshakeType.finished))

  const main = hs.mainSecrets(handshake.secret)
  carrier.protect('read', 'application', main.server, suite)

  if (isEarlyDataAccepted) {
    hs.send(encodeMessage(HandshakeType.end_of_early_data, EndOfEarlyData, {}))
    carrier.protect('write', 'handshake', handshake.client, suite)
  }
  carrier.compatibility()
  if (request) {
    const type = clientType ?? config.plug?.certificateType(view, 'client') ?? ext.CertificateType.X509
    yield* sendAuthentication(hs, view, request, type)
  }
  hs.sendFinished(handshake.client)
  carrier.endFlight()
  carrier.protect('write', 'application', main.client, suite)

  const { transcriptHash, resumption } = hs.complete(handshake, main.secret)
  return {
    version: carrier.protocol.version,
    suite,
    group: reply.share.group,
    serverName: config.serverName,
    alpn,
    isResumed: psk?.session !== undefined,
    pskIdentity: psk && !psk.session ? psk.identity : undefined,
    isRetried: answer.isRetry,
    isResumable: true,
    earlyData: earlyDataStatus(offer, answer.isRetry, psk, isEarlyDataAccepted),
    ticketAgeSkewSeconds: undefined,
    peer,
    peerChain: peer ?? sessionChain(psk),
    exporter: main.exporter,
    resumption,
    authenticatedAt: psk?.session ? Number(psk.session.authenticatedAt) : config.now(),
    transcriptHash,
  }
}

type ClientState = HandshakeState<ClientConfig>

/** What both ClientHellos have in common. */
interface Offer {
  readonly random: Uint8Array
  readonly sessionId: Uint8Array
  readonly shares: readonly KeyShare[]
  readonly psks: readonly PskOffer[]
  readonly early: EarlyDataStatus | 'offered'
  readonly grease: Grease | undefined
  readonly plug: PlugOffer
}

function* makeOffer({ config, carrier, keyLog }: ClientState): Step<Offer> {
  const { entropy, serverName } = config
  const random = entropy.bytes(32)
  keyLog.begin(random)
  const types = {
    clientCertificateTypes: config.certificateTypes,
    serverCertificateTypes: config.peer.certificateTypes,
  }
  const plug = config.plug
    ? yield* config.plug.offer({
        ...types,
        serverName,
        get signal() {
          return carrier.signal
        },
      })
    : { ...types, extensions: [] }
  const psks = yield* pskOffers(config, carrier.protocol)
  return {
    random,
    sessionId: config.middleboxCompatibility && carrier.protocol.hasSessionId ? entropy.bytes(32) : EMPTY,
    shares: config.keyShareGroups.map(group => entropy.keyShare(group as NamedGroup)),
    psks,
    grease: config.sendsGrease ? grease(entropy) : undefined,
    early: clientEarlyData(config, carrier.protocol, psks[0]?.session),
    plug,
  }
}

/** A ClientHello as it was sent. */
interface SentHello {
  readonly sessionId: Uint8Array
  readonly shares: readonly KeyShare[]
  readonly psks: readonly PskOffer[]
  readonly extensions: Extensions
  /** The types of its extensions: what the server may answer. */
  readonly types: ReadonlySet<number>
}

function sendClientHello(
  hs: ClientState,
  offer: Offer,
  shares: readonly KeyShare[],
  psks: readonly PskOffer[],
  cookie: Uint8Array | undefined,
  isSecond = false,
): SentHello {
  const { config } = hs
  const { protocol } = hs.carrier
  const extensions = helloExtensions(config, protocol, offer, shares, cookie)
  const { connectionId } = hs.carrier
  if (connectionId) extensions.push(extensionValue(ext.connectionId.client_hello, connectionId))
  const isEarly = offer.early === 'offered' && !isSecond
  if (isEarly) extensions.push(extensionValue(ext.earlyData.client_hello, undefined))
  if (psks.length > 0) extensions.push(extensionValue(ext.preSharedKey.client_hello, unboundPsks(psks, config.now())))
  const hello = encodeMessage(HandshakeType.client_hello, protocol.clientHello, {
    legacyVersion: protocol.legacyVersion,
    random: offer.random,
    legacySessionId: offer.sessionId,
    cipherSuites: withGrease(offer.grease?.cipherSuite, config.cipherSuites),
    legacyCompressionMethods: Uint8Array.of(0),
    extensions,
  })
  if (psks.length > 0) bind(hello, psks, hs.transcript)
  hs.send(hello)
  hs.carrier.endFlight()
  if (isEarly) openEarlyData(hs, psks)
  return {
    sessionId: offer.sessionId,
    shares,
    psks,
    // Only a plug looks at them.
    extensions: config.plug ? hs.table.readOffer('client_hello', extensions) : Extensions.none,
    // RFC 8701 §3.1: a server that answers a value that means nothing is refused.
    types: new Set(extensions.filter(value => !offer.grease?.extensions.includes(value)).map(({ type }) => type)),
  }
}

/** RFC 8446 §4.2.10: what can be written before the server has said anything. */
function openEarlyData({ carrier, keyLog, transcript }: ClientState, psks: readonly PskOffer[]): void {
  const { session, early } = psks[0] ?? {}
  const suite = session && suiteOf(session.cipherSuite)
  if (!suite || !early) return
  const secret = early.clientEarlyTraffic(transcript.digestWith(suite.hash, EMPTY))
  keyLog.add('CLIENT_EARLY_TRAFFIC_SECRET', secret)
  carrier.compatibility()
  carrier.openEarlyData(secret, suite, session.maxEarlyData)
}

function helloExtensions(
  config: ClientConfig,
  protocol: Protocol,
  offer: Offer,
  shares: readonly KeyShare[],
  cookie: Uint8Array | undefined,
): ExtensionValue[] {
  const { grease } = offer
  const [first, last] = grease?.extensions ?? []
  const values: ExtensionValue[] = first ? [first] : []
  if (config.serverName !== undefined) values.push(extensionValue(ext.serverName.client_hello, config.serverName))
  values.push(
    extensionValue(ext.supportedVersions.client_hello, withGrease(grease?.version, [protocol.version])),
    extensionValue(ext.supportedGroups.client_hello, withGrease(grease?.group, config.groups)),
    extensionValue(ext.signatureAlgorithms.client_hello, withGrease(grease?.scheme, config.signatureSchemes)),
    extensionValue(ext.keyShare.client_hello, keyShares(offer, shares)),
  )
  // RFC 8446 §4.2.9: without it a server selects no PSK and sends no ticket.
  if (!config.plug?.forbidsPsk) {
    values.push(extensionValue(ext.pskKeyExchangeModes.client_hello, [ext.PskKeyExchangeMode.psk_dhe_ke]))
  }
  // RFC 8446 §4.2.3: it is sent only where certificates may be signed otherwise than handshakes.
  values.push(extensionValue(ext.signatureAlgorithmsCert.client_hello, [...config.certificateSchemes]))
  if (config.alpn.length > 0) values.push(extensionValue(ext.alpn.client_hello, [...config.alpn]))
  if (config.asksForOcsp) values.push(extensionValue(ext.statusRequest.client_hello, ext.OCSP_REQUEST))
  const compressions = acceptedCompressions(config)
  if (compressions.length > 0) values.push(extensionValue(ext.compressCertificate.client_hello, compressions))
  if (config.recordSizeLimit !== undefined) {
    values.push(extensionValue(ext.recordSizeLimit.client_hello, config.recordSizeLimit))
  }
  const { clientCertificateTypes, serverCertificateTypes } = offer.plug
  if (!isX509Only(clientCertificateTypes)) {
    values.push(extensionValue(ext.clientCertificateType.client_hello, [...clientCertificateTypes]))
  }
  if (!isX509Only(serverCertificateTypes)) {
    values.push(extensionValue(ext.serverCertificateType.client_hello, [...serverCertificateTypes]))
  }
  if (cookie) values.push(extensionValue(ext.cookie.client_hello, cookie))
  values.push(...offer.plug.extensions)
  if (last) values.push(last)
  return values
}

/** A list that is offered, with the value in front that means nothing. */
function withGrease(value: number | undefined, list: readonly number[]): number[] {
  return value === undefined ? [...list] : [value, ...list]
}

/** The shares, with one before them that means nothing as long as nobody has asked for a certain one. */
function keyShares({ grease, shares: first }: Offer, shares: readonly KeyShare[]) {
  const entries = shares.map(({ group, keyExchange }) => ({ group: group as number, keyExchange }))
  return grease && shares === first ? [{ group: grease.group, keyExchange: Uint8Array.of(0) }, ...entries] : entries
}

/** RFC 7250 §4.1: X.509 alone is what a client without the extensions offers. */
function isX509Only(types: readonly number[]): boolean {
  return types.every(type => type === ext.CertificateType.X509)
}

/** What a ServerHello or HelloRetryRequest says. */
type ServerReply =
  | {
      readonly isRetry: false
      readonly suite: Suite
      readonly share: KeyShare
      readonly keyExchange: Uint8Array
      readonly psk: PskOffer | undefined
    }
  | {
      readonly isRetry: true
      readonly suite: Suite
      readonly group: number | undefined
      readonly cookie: Uint8Array | undefined
    }

/** @param isRetried whether a HelloRetryRequest has come before */
function readServerHello(hs: ClientState, sent: SentHello, message: Message, isRetried = false): ServerReply {
  const hello = decodeMessage(ServerHello, message)
  const isRetry = equalBytes(hello.random, HELLO_RETRY_REQUEST_RANDOM)
  // Until the version is known to be 1.3 nothing else in the message has to make sense to us.
  checkVersion(hello, hs.carrier.protocol)
  const place = isRetry ? 'hello_retry_request' : 'server_hello'
  const extensions = hs.table.readResponse(place, hello.extensions, sent.types)
  const suite = hs.config.cipherSuites.includes(hello.cipherSuite) ? suiteOf(hello.cipherSuite) : undefined
  if (!suite) throw new ProtocolError('illegal_parameter', 'server_hello selects a cipher suite that was not offered')
  if (!equalBytes(hello.legacySessionIdEcho, sent.sessionId)) {
    throw new ProtocolError('illegal_parameter', 'server_hello does not echo legacy_session_id')
  }
  if (hello.legacyCompressionMethod !== 0) {
    throw new ProtocolError('decode_error', 'legacy_compression_method of server_hello is not 0')
  }
  if (isRetry) {
    // RFC 8446 §4.1.4: only the first ServerHello may be one.
    if (isRetried) throw new ProtocolError('unexpected_message', 'a second hello_retry_request came')
    const group = extensions.get(ext.keyShare.hello_retry_request)
    const cookie = extensions.get(ext.cookie.hello_retry_request)
    checkRetry(hs.config, sent, group, cookie)
    hs.transcript.restart(suite.hash)
    hs.transcript.add(message.raw)
    return { isRetry, suite, group, cookie }
  }
  const psk = selectedPsk(sent, extensions.get(ext.preSharedKey.server_hello), suite)
  const connectionId = extensions.get(ext.connectionId.server_hello)
  if (connectionId) hs.carrier.useConnectionId(connectionId)
  // Only psk_dhe_ke was offered: there is always a key share (RFC 8446 §4.2.9).
  const { group, keyExchange } = extensions.need(ext.keyShare.server_hello)
  hs.transcript.begin(suite.hash)
  hs.transcript.add(message.raw)
  return { isRetry, suite, share: shareOf(group, sent.shares), keyExchange, psk }
}

/** RFC 8446 §4.1.3, RFC 8446 §4.2.1. */
function checkVersion(hello: ServerHello, { name, version, legacyVersion }: Protocol): void {
  const versions = hello.extensions.find(({ type }) => type === ext.supportedVersions.row.type)
  if (!versions) {
    // A server that could speak 1.3 marks an older choice in its random: somebody on the path has a hand in this.
    const tail = hello.random.subarray(24)
    if (DOWNGRADES.some(sentinel => equalBytes(tail, sentinel))) {
      throw new ProtocolError('illegal_parameter', `the server was made to choose a version below ${name}`)
    }
    throw new ProtocolError('protocol_version', `the server does not speak ${name}`)
  }
  if (!equalBytes(versions.data, encode(uint16, version))) {
    throw new ProtocolError('illegal_parameter', 'server_hello selects a version that was not offered')
  }
  if (hello.legacyVersion !== legacyVersion) {
    throw new ProtocolError(
      'illegal_parameter',
      `legacy_version of server_hello is not 0x${hex(encode(uint16, legacyVersion))}`,
    )
  }
}
const DOWNGRADES = [1, 0].map(last => Uint8Array.of(0x44, 0x4f, 0x57, 0x4e, 0x47, 0x52, 0x44, last))

/** RFC 8446 §4.1.4: a HelloRetryRequest has to change something, and may ask only for what was offered. */
function checkRetry(
  config: ClientConfig,
  sent: SentHello,
  group: number | undefined,
  cookie: Uint8Array | undefined,
): void {
  if (group === undefined) {
    if (!cookie) throw new ProtocolError('illegal_parameter', 'hello_retry_request changes nothing')
    return
  }
  if (!config.groups.includes(group)) {
    throw new ProtocolError('illegal_parameter', 'hello_retry_request selects a group that was not offered')
  }
  if (sent.shares.some(share => share.group === group)) {
    throw new ProtocolError('illegal_parameter', 'hello_retry_request asks for a key share that was sent')
  }
}

/** The second ClientHello and its answer (RFC 8446 §4.1.2). */
function* retry(
  hs: ClientState,
  offer: Offer,
  first: SentHello,
  request: ServerReply & { readonly isRetry: true },
): Step<{ readonly sent: SentHello; readonly reply: ServerReply & { readonly isRetry: false } }> {
  hs.carrier.compatibility()
  if (offer.early === 'offered') hs.carrier.settleEarlyData(false)
  const { group, suite } = request
  const shares = group === undefined ? first.shares : [hs.config.entropy.keyShare(group as NamedGroup)]
  // A PSK for another hash than the suite's can no longer be selected.
  const psks = first.psks.filter(psk => psk.hash === suite.hash)
  const sent = sendClientHello(hs, offer, shares, psks, request.cookie, true)
  const reply = readServerHello(hs, sent, yield* receive(HandshakeType.server_hello), true)
  if (reply.isRetry) throw new Error('a retry is not answered with one')
  if (reply.suite !== suite) {
    throw new ProtocolError('illegal_parameter', 'server_hello selects another cipher suite than hello_retry_request')
  }
  if (group !== undefined && reply.share.group !== group) {
    throw new ProtocolError('illegal_parameter', 'server_hello selects another group than hello_retry_request')
  }
  return { sent, reply }
}

function selectedPsk(sent: SentHello, index: number | undefined, suite: Suite): PskOffer | undefined {
  if (index === undefined) return undefined
  const psk = sent.psks[index]
  if (!psk) throw new ProtocolError('illegal_parameter', 'server_hello selects a PSK that was not offered')
  if (psk.hash !== suite.hash) {
    throw new ProtocolError('illegal_parameter', 'server_hello selects a PSK that is for another hash')
  }
  return psk
}

function readEncryptedExtensions(hs: ClientState, sent: SentHello, message: Message): Extensions {
  const { extensions } = decodeMessage(EncryptedExtensions, message)
  hs.transcript.add(message.raw)
  return hs.table.readResponse('encrypted_extensions', extensions, sent.types)
}

/** RFC 8446 §4.2.10: early data is taken with the first PSK alone, and with all that belongs to it. */
function checkEarlyData(
  offer: Offer,
  reply: ServerReply & { readonly isRetry: false },
  alpn: string | undefined,
): void {
  const { psk, suite } = reply
  if (!psk) throw new ProtocolError('unsupported_extension', 'the server takes early data, but not the PSK')
  if (psk !== offer.psks[0] || !psk.session) {
    throw new ProtocolError('illegal_parameter', 'the server takes early data with another PSK than the first')
  }
  if (psk.session.cipherSuite !== suite.id) {
    throw new ProtocolError('illegal_parameter', 'the server takes early data with another cipher suite')
  }
  if (psk.session.alpn !== alpn) {
    throw new ProtocolError('illegal_parameter', 'the server takes early data for another application protocol')
  }
}

function earlyDataStatus(
  { early }: Offer,
  isRetried: boolean,
  psk: PskOffer | undefined,
  isAccepted: boolean,
): EarlyDataStatus {
  if (early !== 'offered') return early
  if (isRetried) return 'hello_retry_request'
  if (!psk) return 'session_not_resumed'
  return isAccepted ? 'accepted' : 'peer_declined'
}

/** What EncryptedExtensions chose, each out of what was offered. */
function checkEncryptedExtensions({ config, carrier }: ClientState, offer: Offer, extensions: Extensions) {
  const alpn = extensions.get(ext.alpn.encrypted_extensions)
  if (alpn !== undefined && !config.alpn.includes(alpn)) {
    throw new ProtocolError('illegal_parameter', 'the server selects an application protocol that was not offered')
  }
  const limit = extensions.get(ext.recordSizeLimit.encrypted_extensions)
  if (limit !== undefined && config.recordSizeLimit !== undefined) {
    if (limit < 64 || limit > MAX_RECORD_SIZE_LIMIT) {
      throw new ProtocolError('illegal_parameter', `the server sets record_size_limit to ${limit}`)
    }
    carrier.limitRecords('read', config.recordSizeLimit)
    carrier.limitRecords('write', limit)
  }
  const serverType = extensions.get(ext.serverCertificateType.encrypted_extensions)
  if (serverType !== undefined && !offer.plug.serverCertificateTypes.includes(serverType)) {
    throw new ProtocolError('illegal_parameter', 'the server selects a server_certificate_type that was not offered')
  }
  const clientType = extensions.get(ext.clientCertificateType.encrypted_extensions)
  if (clientType !== undefined && !offer.plug.clientCertificateTypes.includes(clientType)) {
    throw new ProtocolError('illegal_parameter', 'the server selects a client_certificate_type that was not offered')
  }
  return { alpn, serverType, clientType }
}

/** RFC 8449 §4: the content of the largest record of TLS 1.3, and its type. */
const MAX_RECORD_SIZE_LIMIT = 2 ** 14 + 1

/** A CertificateRequest as it was received. */
interface Request {
  readonly extensions: Extensions
  /** signature_algorithms, which it must have (RFC 8446 §4.3.2). */
  readonly signatureSchemes: readonly number[]
}

/** CertificateRequest*, Certificate, CertificateVerify of the server. */
function* readServerAuthentication(
  hs: ClientState,
  offer: Offer,
  sent: SentHello,
  view: View,
  certificateType: number | undefined,
  needsRequest: boolean,
): Step<{ readonly request: Request | undefined; readonly peer: PeerIdentity }> {
  const { certificate_request, certificate_verify } = HandshakeType
  const certificate = certificateMessages(hs.config)
  let message = yield* needsRequest ? receive(certificate_request) : receive(certificate_request, ...certificate)
  let request: Request | undefined
  if (message.type === certificate_request) {
    request = readCertificateRequest(hs, message)
    message = yield* receive(...certificate)
  }
  const plugged = hs.config.plug?.certificateType(view, 'server')
  const type = certificateType ?? plugged ?? ext.CertificateType.X509
  if (type !== plugged && !offer.plug.serverCertificateTypes.includes(type)) {
    // RFC 7250 §4.2: without the extension in the answer it is X.509, which a client need not take.
    throw new ProtocolError('unsupported_certificate', `the server sends certificate type ${type}, which is not taken`)
  }
  const authentication = readCertificate(hs.table, decompressed(hs.config, message), type, sent.types)
  if (!authentication) throw new ProtocolError('decode_error', 'the server sends no certificate')
  hs.transcript.add(message.raw)
  const peer = yield* checkAuthentication(() => view, hs.config.peer, hs.config.plug, authentication)
  const verify = yield* receive(certificate_verify)
  const signatureScheme = checkCertificateVerify(
    verify,
    'server',
    peer.publicKey,
    hs.config.signatureSchemes,
    hs.transcript.digest(),
  )
  hs.transcript.add(verify.raw)
  return { request, peer: { ...peer, signatureScheme } }
}

function readCertificateRequest(hs: ClientState, message: Message): Request {
  const { certificateRequestContext, extensions } = decodeMessage(CertificateRequest, message)
  if (certificateRequestContext.length > 0) {
    throw new ProtocolError('illegal_parameter', 'certificate_request_context is not empty during the handshake')
  }
  hs.transcript.add(message.raw)
  const known = hs.table.readOffer('certificate_request', extensions)
  return { extensions: known, signatureSchemes: known.need(ext.signatureAlgorithms.certificate_request) }
}

/** Certificate and CertificateVerify of ours, or the empty Certificate. */
function* sendAuthentication(hs: ClientState, view: View, request: Request, certificateType: number): Step<void> {
  const { config, carrier } = hs
  const schemes = request.signatureSchemes
  const asksForOcsp = request.extensions.has(ext.statusRequest.certificate_request)
  const own = yield* until(
    config.credentials({
      serverName: config.serverName,
      signatureSchemes: schemes,
      certificateSchemes: request.extensions.get(ext.signatureAlgorithmsCert.certificate_request) ?? schemes,
      certificateType: ownCertificateType(certificateType),
      authorities: request.extensions.get(ext.certificateAuthorities.certificate_request) ?? [],
      asksForOcsp,
    }),
  )
  const credential = config.plug ? yield* config.plug.prove(view, own) : own
  const accepted = request.extensions.get(ext.compressCertificate.certificate_request)
  hs.send(compressed(config, accepted, makeCertificate(credential, EMPTY, asksForOcsp)))
  if (!credential) return
  hs.send(yield* makeCertificateVerify('client', credential.key, schemes, hs.transcript.digest(), carrier))
}

function sessionChain(psk: PskOffer | undefined) {
  return { certificateType: psk?.session?.certificateType ?? 0, chain: psk?.session?.peerChain ?? [] }
}
