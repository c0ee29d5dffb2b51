import { EMPTY, equalBytes, type TypeOf } from '../bytes/index.js'
import { type HashName, hash, type NamedGroup } from '../crypto/index.js'
import { MisuseError, ProtocolError } from './alert.js'
import {
  checkAuthentication,
  makeCertificate,
  ownCertificateType,
  readCertificate,
  recheckPeer,
} from './authentication.js'
import type { Carrier } from './carrier.js'
import { acceptedCompressions, certificateMessages, compressed, decompressed } from './certificate-compression.js'
import { checkCertificateVerify, makeCertificateVerify } from './certificate-verify.js'
import { type Suite, suiteOf } from './cipher-suite.js'
import { checkSecondHello, constantHash, isSameExtension, type Offer, readClientHello } from './client-hello.js'
import type { ServerConfig } from './config.js'
import type { PeerIdentity } from './credential.js'
import { ageSkewSeconds, serverEarlyData } from './early-data.js'
import type { Established } from './established.js'
import { type Extensions, type ExtensionValue, extensionValue } from './extension-table.js'
import * as ext from './extensions.js'
import { HandshakeState } from './handshake-state.js'
import { HandshakeView } from './handshake-view.js'
import type { KeyLog } from './key-log.js'
import { type BinderKind, EarlySecret } from './key-schedule.js'
import { receive, type Step, until } from './machine.js'
import {
  CertificateRequest,
  decodeMessage,
  EncryptedExtensions,
  EndOfEarlyData,
  encodeMessage,
  HandshakeType,
  type Message,
  ServerHello,
} from './messages.js'
import { chooseAlpn, chooseCertificateType, chooseGroup, commonSuites } from './negotiate.js'
import type { PlugAnswer, View } from './plug.js'
import type { Protocol } from './protocol.js'
import { checkBinder } from './psk.js'
import { retryRequest, type SentRetry, type StatelessHello } from './retry.js'
import { MAX_SESSION_SECONDS, type TicketState } from './session.js'
import { tableWith } from './table.js'

/*
 * RFC 8446 §2, Figure 1, from the server's side:
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
export function* serverHandshake(config: ServerConfig, carrier: Carrier, keyLog: KeyLog): Step<Established> {
  const hs = new HandshakeState(config, carrier, keyLog)
  const first = readClientHello(hs.table, carrier.protocol, yield* receive(HandshakeType.client_hello))
  keyLog.begin(first.hello.random)
  const sent = carrier.sentRetry
  if (sent) continueRetry(hs, first, sent)
  const suites = sent
    ? ([sent.suite] as const)
    : commonSuites(first.hello.cipherSuites, config.cipherSuites, config.prefersOwnOrder)
  const wanted = groupOf(hs, first)
  const needsRetry = !sent && (wanted.share === undefined || config.retryCookie !== undefined)
  const isRetried = needsRetry || sent !== undefined
  const chosen = yield* choosePsk(hs, first, suites)
  const { suite } = chosen
  const offer = needsRetry ? yield* retry(hs, first, suite, wanted) : first
  const { group, share } = needsRetry ? groupOf(hs, offer) : wanted
  if (share === undefined) throw new ProtocolError('illegal_parameter', 'the key share asked for is missing')

  const { psk } = needsRetry ? yield* choosePsk(hs, offer, [suite]) : chosen
  // RFC 8446 §4.1.2: only PSKs that do not go with the cipher suite may be left out of a second ClientHello.
  if (chosen.psk) offer.extensions.need(ext.preSharedKey.client_hello)
  if (chosen.psk && !psk) {
    throw new ProtocolError('illegal_parameter', 'the second client_hello leaves out the PSK that goes with the suite')
  }
  // RFC 8446 §9.2: who brings no PSK has to say how signatures may be made.
  if (!psk) offer.extensions.need(ext.signatureAlgorithms.client_hello)
  const alpn = selectAlpn(config, offer.extensions)
  const isEarlyDataOffered = first.extensions.has(ext.earlyData.client_hello)
  const early = yield* serverEarlyData(config, carrier.protocol, {
    isOffered: isEarlyDataOffered,
    hasPsks: first.extensions.has(ext.preSharedKey.client_hello),
    psk,
    suite: suite.id,
    alpn,
    isRetried,
  })
  hs.transcript.begin(suite.hash)
  hs.transcript.add(offer.message.raw)
  const earlySecret = hs.earlySecret(suite, psk)
  const earlyTraffic = early === 'accepted' ? earlySecret.clientEarlyTraffic(hs.transcript.digest()) : undefined
  if (earlyTraffic) keyLog.add('CLIENT_EARLY_TRAFFIC_SECRET', earlyTraffic)
  const answered = config.entropy.answerKeyShare(group as NamedGroup, share)
  sendServerHello(hs, offer, suite, { group, keyExchange: answered.keyExchange }, psk?.index)
  if (!isRetried) compatibility(hs, offer)

  const handshake = hs.handshakeSecrets(earlySecret, answered.secret)
  carrier.protect('write', 'handshake', handshake.server, suite)
  if (earlyTraffic) carrier.openEarlyData(earlyTraffic, suite, config.earlyData?.maxBytes ?? 0)
  else carrier.protect('read', 'handshake', handshake.client, suite)
  if (isEarlyDataOffered && !isRetried && !earlyTraffic) carrier.skipEarlyData()

  const isResumed = psk?.ticket !== undefined
  const view = new HandshakeView(hs.carrier, handshake.exporter, {
    side: 'server',
    suite,
    group,
    serverName: offer.extensions.get(ext.serverName.client_hello),
    clientHello: offer.extensions,
    serverCertificateType: undefined,
    clientCertificateType: undefined,
  })
  const authenticator = psk === undefined ? 'certificate' : psk.ticket ? 'session' : 'external_psk'
  const plugged = config.plug ? yield* config.plug.answer(view, authenticator) : NO_ANSWER
  const types = certificateTypes(config, offer, plugged, psk !== undefined)
  sendEncryptedExtensions(hs, offer, plugged, types, alpn, psk !== undefined, earlyTraffic !== undefined)
  const asksClient = types.asksClient
  if (!psk) {
    if (asksClient) sendCertificateRequest(hs)
    yield* sendAuthentication(hs, offer, view, types.server)
  }
  hs.sendFinished(handshake.server)

  const main = hs.mainSecrets(handshake.secret)
  carrier.endFlight()
  carrier.protect('write', 'application', main.server, suite)
  if (earlyTraffic) {
    carrier.offerExporter(main.exporter)
    readEndOfEarlyData(hs, yield* receive(HandshakeType.end_of_early_data))
    carrier.protect('read', 'handshake', handshake.client, suite)
  }

  const peer = !psk && asksClient ? yield* readClientAuthentication(hs, view, types.client) : psk?.peer
  hs.readFinished(handshake.client, 'client', yield* receive(HandshakeType.finished))
  carrier.protect('read', 'application', main.client, suite)

  const { transcriptHash, resumption } = hs.complete(handshake, main.secret)
  return {
    version: carrier.protocol.version,
    suite,
    group,
    serverName: view.serverName,
    alpn,
    isResumed,
    pskIdentity: psk && !psk.ticket ? psk.identity : undefined,
    isRetried,
    isResumable: takesDheKe(offer),
    earlyData: early,
    ticketAgeSkewSeconds: psk?.ticket ? psk.ageSkewSeconds : undefined,
    peer,
    peerChain: peer ?? {
      certificateType: psk?.ticket?.certificateType ?? ext.CertificateType.X509,
      chain: psk?.ticket?.peerChain ?? [],
    },
    exporter: main.exporter,
    resumption,
    authenticatedAt: psk?.ticket ? Number(psk.ticket.authenticatedAt) : config.now(),
    transcriptHash,
  }
}

type ServerState = HandshakeState<ServerConfig>

function groupOf(
  { config }: { readonly config: Pick<ServerConfig, 'groups' | 'insistsOnGroupOrder'> },
  { extensions }: Offer,
) {
  if (
    extensions.has(ext.preSharedKey.client_hello) &&
    !extensions.has(ext.supportedGroups.client_hello) &&
    !extensions.has(ext.keyShare.client_hello)
  ) {
    throw new ProtocolError('handshake_failure', 'the client offers PSKs without (EC)DHE alone, which are not taken')
  }
  // RFC 8446 §9.2: neither without the other.
  const groups = extensions.need(ext.supportedGroups.client_hello)
  const shares = extensions.need(ext.keyShare.client_hello)
  const seen = new Set<number>()
  for (const { group } of shares) {
    if (seen.has(group)) throw new ProtocolError('illegal_parameter', 'client_hello has two key shares for a group')
    if (!groups.includes(group)) {
      throw new ProtocolError('illegal_parameter', 'client_hello has a key share for a group it does not support')
    }
    seen.add(group)
  }
  return chooseGroup(groups, shares, config.groups, config.insistsOnGroupOrder ?? false)
}

/** HelloRetryRequest, and the second ClientHello (RFC 8446 §4.1.4). */
function* retry(
  hs: ServerState,
  first: Offer,
  suite: Suite,
  wanted: { readonly group: number; readonly share: Uint8Array | undefined },
): Step<Offer> {
  hs.transcript.add(first.message.raw)
  hs.transcript.restart(suite.hash)
  const cookie = hs.config.retryCookie?.(first.message.raw)
  const group = wanted.share === undefined ? wanted.group : undefined
  hs.send(retryRequest(hs.carrier.protocol, { suite, group, cookie }, sessionIdEcho(hs, first)))
  compatibility(hs, first)
  hs.carrier.endFlight()
  if (first.extensions.has(ext.earlyData.client_hello)) hs.carrier.skipEarlyData()

  const second = readClientHello(hs.table, hs.carrier.protocol, yield* receive(HandshakeType.client_hello))
  checkSecondHello(first, second)
  if (group !== undefined) {
    checkOnlyShare(second, group)
  } else if (!isSameExtension(first, second, ext.keyShare.row.type)) {
    throw new ProtocolError('illegal_parameter', 'the second client_hello changes key shares unasked')
  }
  const echo = second.extensions.get(ext.cookie.client_hello)
  if (!cookie && echo && !isSameExtension(first, second, ext.cookie.row.type)) {
    throw new ProtocolError('illegal_parameter', 'the second client_hello has a cookie that nobody sent')
  }
  if (cookie && !echo) throw new ProtocolError('missing_extension', 'cookie is missing')
  if (cookie && echo && !equalBytes(cookie, echo)) {
    throw new ProtocolError('illegal_parameter', 'the cookie is not the one that was sent')
  }
  return second
}

/** RFC 8446 §D.4: a change_cipher_spec for the middleboxes of a client that says it has some. */
function compatibility({ config, carrier }: ServerState, { hello }: Offer): void {
  if (hello.legacySessionId.length > 0 || config.middleboxCompatibility) carrier.compatibility()
}

function checkOnlyShare(second: Offer, group: number): void {
  const shares = second.extensions.need(ext.keyShare.client_hello)
  if (shares.length !== 1 || shares[0]?.group !== group) {
    throw new ProtocolError('illegal_parameter', 'the second client_hello has not the one key share asked for')
  }
}

/** What a server that keeps nothing of a ClientHello has to know to ask for a second one, and again when that comes with
 *  its cookie (RFC 8446 §4.2.2). @throws ProtocolError or DecodeError if this server would refuse the ClientHello */
export function readStatelessHello(
  config: Pick<ServerConfig, 'cipherSuites' | 'groups' | 'prefersOwnOrder' | 'insistsOnGroupOrder'>,
  protocol: Protocol,
  message: Message,
): StatelessHello {
  const offer = readClientHello(tableWith(undefined), protocol, message)
  const [suite] = commonSuites(offer.hello.cipherSuites, config.cipherSuites, config.prefersOwnOrder)
  const { group, share } = groupOf({ config }, offer)
  return {
    cookie: offer.extensions.get(ext.cookie.client_hello),
    suite,
    group: share === undefined ? group : undefined,
    helloHash: hash(suite.hash, message.raw),
    constantHash: constantHash(offer),
  }
}

/** Goes on after a HelloRetryRequest that nothing was kept of. */
function continueRetry(hs: ServerState, second: Offer, sent: SentRetry): void {
  hs.transcript.resume(sent.suite.hash, sent.helloHash)
  hs.transcript.add(retryRequest(hs.carrier.protocol, sent, sessionIdEcho(hs, second)))
  if (!equalBytes(constantHash(second), sent.constantHash)) {
    throw new ProtocolError('illegal_parameter', 'the second client_hello changes what the first one said')
  }
  if (second.extensions.has(ext.earlyData.client_hello)) {
    throw new ProtocolError('illegal_parameter', 'the second client_hello announces early data')
  }
  if (sent.group !== undefined) checkOnlyShare(second, sent.group)
}

/** RFC 7301 §3.2. @throws ProtocolError no_application_protocol if there is none in common */
function selectAlpn(config: ServerConfig, extensions: Extensions): string | undefined {
  const offered = extensions.get(ext.alpn.client_hello)
  if (!offered || !config.selectAlpn) return chooseAlpn(offered, config.alpn, config.prefersOwnOrder)
  const chosen = config.selectAlpn(offered, extensions.get(ext.serverName.client_hello))
  if (chosen === null) {
    throw new ProtocolError('no_application_protocol', 'the client offers no application protocol that we take')
  }
  if (!offered.includes(chosen))
    throw new MisuseError('an application protocol was chosen that the client does not offer')
  return chosen
}

/** A PSK that the server accepts. */
interface AcceptedPsk {
  readonly index: number
  readonly identity: Uint8Array
  readonly binder: Uint8Array
  /** Of a ticket; 0 for an external PSK. */
  readonly ageSkewSeconds: number
  readonly early: EarlySecret
  /** The ticket that it came in; undefined for an external PSK. */
  readonly ticket: TicketState | undefined
  /** Who the client of that ticket was. */
  readonly peer: PeerIdentity | undefined
}

/** RFC 8446 §4.2.11: the first suite that a PSK on offer can be used with, and that PSK; otherwise the first suite.
 *  @throws ProtocolError decrypt_error if the binder of that PSK is wrong */
function* choosePsk(
  hs: ServerState,
  offer: Offer,
  suites: readonly [Suite, ...Suite[]],
): Step<{ readonly suite: Suite; readonly psk: AcceptedPsk | undefined }> {
  const offered = offer.extensions.get(ext.preSharedKey.client_hello)
  const without = { suite: suites[0], psk: undefined }
  if (!offered || !takesDheKe(offer) || hs.config.plug?.forbidsPsk) return without
  for (const [index, { identity, obfuscatedTicketAge }] of offered.identities.slice(0, MAX_IDENTITIES).entries()) {
    const psk = yield* lookUpPsk(hs, offer, identity, suites[0])
    const suite = suites.find(({ hash }) => hash === psk?.hash)
    const binder = offered.binders[index]
    if (!psk || !suite || !binder) continue
    const { raw } = offer.message
    const truncated = raw.subarray(0, raw.length - bindersLengthOf(offered))
    const early = new EarlySecret(psk.hash, psk.key, hs.carrier.protocol.labelPrefix)
    checkBinder(early.binderKey(psk.kind), hs.transcript.digestWith(psk.hash, truncated), binder)
    const { ticket, peer } = psk
    const skew = ticket ? ageSkewSeconds(ticket, obfuscatedTicketAge, hs.config.now()) : 0
    return { suite, psk: { index, identity, binder, ageSkewSeconds: skew, early, ticket, peer } }
  }
  return without
}

/** RFC 8446 §4.2.9: whether the client takes PSKs with (EC)DHE, which is how we use them. */
function takesDheKe({ extensions }: Offer): boolean {
  const modes = extensions.get(ext.pskKeyExchangeModes.client_hello)
  return modes?.includes(ext.PskKeyExchangeMode.psk_dhe_ke) ?? false
}

/** How many identities are looked up: each may cost a decryption. */
const MAX_IDENTITIES = 16

/** A PSK that is known and may be used. */
interface KnownPsk {
  readonly key: Uint8Array
  readonly hash: HashName
  readonly kind: BinderKind
  readonly ticket: TicketState | undefined
  readonly peer: PeerIdentity | undefined
}

/** @param preferred the suite that would be chosen without PSKs */
function* lookUpPsk(hs: ServerState, offer: Offer, identity: Uint8Array, preferred: Suite): Step<KnownPsk | undefined> {
  const { config } = hs
  const listed = config.preSharedKeys.find(psk => equalBytes(psk.identity, identity))
  const ticket = listed ? null : config.tickets?.open(identity)
  if (!ticket) {
    const external = listed ?? config.findPreSharedKey?.(identity)
    if (!external) return undefined
    const kind = external.isImported ? 'imported' : 'external'
    return { key: external.key, hash: external.hash, kind, ticket: undefined, peer: undefined }
  }
  const suite = suiteOf(ticket.cipherSuite)
  if (!suite || !mayResume(hs, offer, ticket, preferred)) return undefined
  const rechecked = yield* recheckPeer(config.peer, ticket.certificateType, ticket.peerChain)
  return rechecked ? { key: ticket.psk, hash: suite.hash, kind: 'resumption', ticket, peer: rechecked.peer } : undefined
}

/** Whether a ticket may be resumed here and now: what was checked when it was issued must still hold. */
function mayResume({ config, carrier }: ServerState, offer: Offer, ticket: TicketState, preferred: Suite): boolean {
  const age = config.now() - Number(ticket.issuedAt)
  return (
    ticket.protocolVersion === carrier.protocol.version &&
    age >= -MAX_CLOCK_SKEW &&
    age <= ticket.lifetimeSeconds * 1000 &&
    config.now() - Number(ticket.authenticatedAt) <= MAX_SESSION_SECONDS * 1000 &&
    ticket.serverName === offer.extensions.get(ext.serverName.client_hello) &&
    (config.clientAuthentication !== 'required' || ticket.peerChain.length > 0) &&
    // A client may have authenticated because the plug asked it to: then the plug decides.
    (config.clientAuthentication !== 'none' || ticket.peerChain.length === 0 || config.plug !== undefined) &&
    (config.acceptsTicket?.(ticket, preferred) ?? true) &&
    (config.plug
      ? ticket.plugState.length > 0 && config.plug.restoreSession(ticket.plugState)
      : ticket.plugState.length === 0)
  )
}

/** ms; servers that share ticket keys do not share a clock. */
const MAX_CLOCK_SKEW = 60_000

function bindersLengthOf({ binders }: TypeOf<typeof ext.OfferedPsks>): number {
  return binders.reduce((sum, binder) => sum + 1 + binder.length, 2)
}

function sendServerHello(
  hs: ServerState,
  offer: Offer,
  suite: Suite,
  share: { readonly group: number; readonly keyExchange: Uint8Array },
  pskIndex: number | undefined,
): void {
  const { protocol, connectionId } = hs.carrier
  const extensions: ExtensionValue[] = [
    extensionValue(ext.supportedVersions.server_hello, protocol.version),
    extensionValue(ext.keyShare.server_hello, share),
  ]
  if (pskIndex !== undefined) extensions.push(extensionValue(ext.preSharedKey.server_hello, pskIndex))
  const peers = offer.extensions.get(ext.connectionId.client_hello)
  if (peers && connectionId) {
    extensions.push(extensionValue(ext.connectionId.server_hello, connectionId))
    hs.carrier.useConnectionId(peers)
  }
  hs.send(
    encodeMessage(HandshakeType.server_hello, ServerHello, {
      legacyVersion: protocol.legacyVersion,
      random: hs.config.entropy.bytes(32),
      legacySessionIdEcho: sessionIdEcho(hs, offer),
      cipherSuite: suite.id,
      legacyCompressionMethod: 0,
      extensions,
    }),
  )
}

/** RFC 8446 §4.1.3; RFC 9147 §5.3 wants it empty whatever the client sent. */
function sessionIdEcho({ carrier }: ServerState, { hello }: Offer): Uint8Array {
  return carrier.protocol.hasSessionId ? hello.legacySessionId : EMPTY
}

const NO_ANSWER: PlugAnswer = {
  extensions: [],
  needsCertificateRequest: false,
  serverCertificateType: undefined,
  clientCertificateType: undefined,
}

/** Which certificate type stands in which direction (RFC 7250 §4.2), and whether the client is asked for one. */
function certificateTypes(config: ServerConfig, { extensions }: Offer, plugged: PlugAnswer, hasPsk: boolean) {
  const asksClient = !hasPsk && (config.clientAuthentication !== 'none' || plugged.needsCertificateRequest)
  const serverOffer = extensions.get(ext.serverCertificateType.client_hello)
  const clientOffer = extensions.get(ext.clientCertificateType.client_hello)
  // With a PSK no certificate is sent, but clients that name types want to see one named all the same.
  const server = hasPsk
    ? (config.certificateTypes.find(type => serverOffer?.includes(type)) ?? ext.CertificateType.X509)
    : (plugged.serverCertificateType ?? chooseCertificateType(serverOffer, config.certificateTypes))
  const client = asksClient
    ? (plugged.clientCertificateType ?? chooseCertificateType(clientOffer, config.peer.certificateTypes))
    : ext.CertificateType.X509
  return {
    asksClient,
    server,
    client,
    namesServer: !(hasPsk && config.plug) && (serverOffer?.includes(server) ?? false),
    namesClient: asksClient && (clientOffer?.includes(client) ?? false),
  }
}

function sendEncryptedExtensions(
  hs: ServerState,
  { extensions: offered }: Offer,
  plugged: PlugAnswer,
  types: ReturnType<typeof certificateTypes>,
  alpn: string | undefined,
  hasPsk: boolean,
  takesEarlyData: boolean,
): void {
  const extensions: ExtensionValue[] = []
  if (takesEarlyData) extensions.push(extensionValue(ext.earlyData.encrypted_extensions, undefined))
  if (!hasPsk && offered.has(ext.serverName.client_hello) && !hs.config.ignoresServerName) {
    extensions.push(extensionValue(ext.serverName.encrypted_extensions, true))
  }
  if (alpn !== undefined) extensions.push(extensionValue(ext.alpn.encrypted_extensions, alpn))
  if (types.namesClient) extensions.push(extensionValue(ext.clientCertificateType.encrypted_extensions, types.client))
  if (types.namesServer) extensions.push(extensionValue(ext.serverCertificateType.encrypted_extensions, types.server))
  const recordSizeLimit = offered.get(ext.recordSizeLimit.client_hello)
  if (hs.config.recordSizeLimit !== undefined && recordSizeLimit !== undefined) {
    extensions.push(extensionValue(ext.recordSizeLimit.encrypted_extensions, hs.config.recordSizeLimit))
    hs.carrier.limitRecords('read', hs.config.recordSizeLimit)
    hs.carrier.limitRecords('write', recordSizeLimit)
  }
  extensions.push(...plugged.extensions)
  hs.send(encodeMessage(HandshakeType.encrypted_extensions, EncryptedExtensions, { extensions }))
}

function sendCertificateRequest(hs: ServerState): void {
  const { signatureSchemes, certificateSchemes, certificateAuthorities } = hs.config
  const extensions = [
    extensionValue(ext.signatureAlgorithms.certificate_request, [...signatureSchemes]),
    extensionValue(ext.signatureAlgorithmsCert.certificate_request, [...certificateSchemes]),
  ]
  const compressions = acceptedCompressions(hs.config)
  if (compressions.length > 0) {
    extensions.push(extensionValue(ext.compressCertificate.certificate_request, compressions))
  }
  if (certificateAuthorities.length > 0) {
    extensions.push(extensionValue(ext.certificateAuthorities.certificate_request, [...certificateAuthorities]))
  }
  hs.send(
    encodeMessage(HandshakeType.certificate_request, CertificateRequest, {
      certificateRequestContext: EMPTY,
      extensions,
    }),
  )
}

/** Certificate and CertificateVerify of ours. */
function* sendAuthentication(hs: ServerState, offer: Offer, view: View, certificateType: number): Step<void> {
  const { config } = hs
  const schemes = offer.extensions.need(ext.signatureAlgorithms.client_hello)
  const asksForOcsp = offer.extensions.has(ext.statusRequest.client_hello)
  const own = yield* until(
    config.credentials({
      serverName: view.serverName,
      signatureSchemes: schemes,
      certificateSchemes: offer.extensions.get(ext.signatureAlgorithmsCert.client_hello) ?? schemes,
      certificateType: ownCertificateType(certificateType),
      authorities: offer.extensions.get(ext.certificateAuthorities.client_hello) ?? [],
      asksForOcsp,
    }),
  )
  const credential = config.plug ? yield* config.plug.prove(view, own) : own
  if (!credential) throw new ProtocolError('handshake_failure', 'the server has no credential that the client takes')
  const accepted = offer.extensions.get(ext.compressCertificate.client_hello)
  hs.send(compressed(config, accepted, makeCertificate(credential, EMPTY, asksForOcsp)))
  hs.send(yield* makeCertificateVerify('server', credential.key, schemes, hs.transcript.digest(), hs.carrier))
}

function readEndOfEarlyData(hs: ServerState, message: Message): void {
  decodeMessage(EndOfEarlyData, message)
  hs.transcript.add(message.raw)
}

/** Certificate and CertificateVerify of the client, or its empty Certificate. */
function* readClientAuthentication(
  hs: ServerState,
  view: View,
  certificateType: number,
): Step<PeerIdentity | undefined> {
  const { config } = hs
  const message = yield* receive(...certificateMessages(config))
  const authentication = readCertificate(hs.table, decompressed(config, message), certificateType, REQUESTED_OF_CLIENT)
  hs.transcript.add(message.raw)
  if (!authentication) {
    if (config.plug) yield* config.plug.examine(view, null, null)
    if (config.clientAuthentication === 'required') {
      throw new ProtocolError('certificate_required', 'the client sends no certificate')
    }
    return undefined
  }
  const peer = yield* checkAuthentication(() => view, config.peer, config.plug, authentication)
  const verify = yield* receive(HandshakeType.certificate_verify)
  const signatureScheme = checkCertificateVerify(
    verify,
    'client',
    peer.publicKey,
    config.signatureSchemes,
    hs.transcript.digest(),
  )
  hs.transcript.add(verify.raw)
  return { ...peer, signatureScheme }
}

/** Our CertificateRequest asks for no extension in a client's CertificateEntry. */
const REQUESTED_OF_CLIENT: ReadonlySet<number> = new Set()
