import { isIP } from 'node:net'
import { domainToASCII } from 'node:url'
import { utf8 } from '../bytes/index.js'
import { systemEntropy } from '../crypto/index.js'
import { type ClientConfig, decodeSession, type ExternalPsk, MisuseError, type Session } from '../handshake/index.js'
import { TlsConnection } from '../tls/index.js'
import { attestationOf } from './attestation-plan.js'
import { checkEarlyData } from './early-data.js'
import { keyLogFileOf, mayTellKeys } from './key-log-file.js'
import { protocolsOf } from './names.js'
import type { ConnectOptions } from './options.js'
import { peerCheckOf } from './peer.js'
import { type Configured, type Endpoint, HANDSHAKE_TIMEOUT, type Plan } from './plan.js'
import { createSecureContext, type Identity, SecureContext } from './secure-context.js'

/** How a client comes to its connection, over either transport. */
export interface ClientPlan extends Plan {
  /** @param sessionBytes a session to resume, encoded */
  configure(endpoint: Endpoint, sessionBytes: Uint8Array | undefined): Configured<ClientConfig>
}

/** Checks the options of a client. @throws MisuseError */
export function planClient(options: ConnectOptions): ClientPlan {
  const context = options.secureContext ?? createSecureContext(options)
  if (!(context instanceof SecureContext)) {
    throw new MisuseError('`secureContext` has to come from the `createSecureContext` of this package')
  }
  checkEarlyData(options)
  const attestation = attestationOf(options.attestation, 'client', context.hasCertificate)
  const serverName = serverNameOf(options)
  const peer = peerCheckOf(() => context, {
    purpose: 'serverAuth',
    name: serverName ?? (options.servername || options.host || 'localhost'),
    checkServerIdentity: options.checkServerIdentity,
    isAdvisory: options.rejectUnauthorized === false,
  })
  const keyLogFile = keyLogFileOf(options.keyLogFile, attestation)
  const alpn = protocolsOf(options.ALPNProtocols)
  const asksForOcsp = options.requestOCSP ?? false
  return {
    side: 'client',
    handshakeTimeout: options.handshakeTimeout ?? HANDSHAKE_TIMEOUT,
    keyLogFile,
    asksForOcsp,
    configure(endpoint, sessionBytes) {
      const attested = attestation?.connect({ remoteAddress: endpoint.remoteAddress })
      const preSharedKeys = preSharedKeysOf(options)
      let own: Identity | null = null
      const config: ClientConfig = {
        entropy: systemEntropy,
        now: Date.now,
        cipherSuites: context.cipherSuites,
        groups: context.groups,
        keyShareGroups: context.keyShareGroups,
        signatureSchemes: context.signatureSchemes,
        certificateSchemes: context.certificateSchemes,
        certificateTypes: context.certificateTypes,
        alpn,
        recordSizeLimit: context.recordSizeLimit,
        maxCertificateLength: context.maxCertificateLength,
        certificateCompression: context.certificateCompression,
        sendsGrease: context.sendsGrease,
        serverName,
        peer,
        asksForOcsp,
        offersEarlyData: options.replayableEarlyData !== undefined,
        middleboxCompatibility: true,
        plug: attested?.plug,
        session: sessionBytes && resumable(sessionBytes, preSharedKeys.length > 0),
        preSharedKeys,
        hasKeyLog: keyLogFile !== undefined || mayTellKeys(endpoint.listenerCount('keylog'), attestation),
        credentials: query => {
          own = context.identityFor(query)
          return own?.credential(query.certificateType) ?? null
        },
      }
      return {
        config,
        attestation: attested ?? null,
        ownIdentity: () => own,
        anchors: () => context.anchors,
      }
    },
    begin(socket, sessionBytes) {
      const { config, attestation, ownIdentity, anchors } = this.configure(socket, sessionBytes)
      const connection = new TlsConnection('client', config, { padding: context.recordPadding })
      return { connection, attestation, ownIdentity, anchors }
    },
  }
}

/** The name for SNI; undefined for none, as with an IP address (RFC 6066 §3). @throws MisuseError */
function serverNameOf({ servername, host }: ConnectOptions): string | undefined {
  const name = servername ?? host ?? ''
  if (name === '' || isIP(name)) return undefined
  const ascii = domainToASCII(name.endsWith('.') ? name.slice(0, -1) : name)
  if (ascii === '')
    throw new MisuseError(`the server name ${JSON.stringify(name)} is no host name`, 'ERR_TLS_SERVER_NAME')
  return ascii
}

/** A session that may be offered. The handshake checks anew whom it was with; one that rests on a PSK alone is good
 *  only where PSKs are. */
function resumable(bytes: Uint8Array, hasPsk: boolean): Session | undefined {
  const session = decodeSession(bytes)
  if (!session) return undefined
  const hasPeer = session.peerChain.length > 0 || session.plugState.length > 0
  return hasPeer || hasPsk ? session : undefined
}

function preSharedKeysOf({ pskCallback, pskHash }: ConnectOptions): readonly ExternalPsk[] {
  const answer = pskCallback?.(null)
  if (!answer) return []
  if (answer.psk.length === 0) throw new MisuseError('`pskCallback` gives an empty key', 'ERR_TLS_PSK')
  return [{ identity: utf8(answer.identity), key: Uint8Array.from(answer.psk), hash: pskHash ?? 'sha256' }]
}
