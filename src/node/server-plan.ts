import type { EventEmitter } from 'node:events'
import type { Attestation } from '../attestation/index.js'
import { systemEntropy } from '../crypto/index.js'
import {
  type Credential,
  type CredentialQuery,
  type EarlyDataPolicy,
  type ExternalPsk,
  MisuseError,
  ProtocolError,
  type ServerConfig,
} from '../handshake/index.js'
import { TlsConnection } from '../tls/index.js'
import { attestationOf } from './attestation-plan.js'
import { earlyDataPolicyOf, refuseSharedTickets } from './early-data.js'
import { keyLogFileOf, mayTellKeys } from './key-log-file.js'
import { protocolsOf } from './names.js'
import type { PskLookup, SecureContextOptions, ServerOptions, TicketOptions } from './options.js'
import { peerCheckOf } from './peer.js'
import { type Begun, type Configured, type Endpoint, HANDSHAKE_TIMEOUT, type Plan } from './plan.js'
import { createSecureContext, type Identity, SecureContext } from './secure-context.js'
import { ServerTickets } from './server-tickets.js'

/** The options of a server whose connections are sockets `S`. */
export type ServerPlanOptions<S> = Omit<ServerOptions, 'pskCallback'> & { readonly pskCallback?: PskLookup<S> }

/** What the connections of a server have in common. Contexts can be changed while it runs; connections that are there
 *  keep theirs. */
export class ServerPlan<S extends Endpoint> implements Plan<S> {
  readonly side = 'server'
  readonly asksForOcsp = false
  readonly handshakeTimeout: number
  readonly keyLogFile: string | undefined
  readonly #options: ServerPlanOptions<S>
  readonly #alpn: readonly string[]
  readonly #attestation: Attestation | undefined
  readonly #earlyData: EarlyDataPolicy | undefined
  /** The server: its events are asked for staples, and told of secrets. */
  readonly #events: EventEmitter
  readonly #named: { readonly pattern: RegExp; readonly context: SecureContext }[] = []
  readonly tickets: ServerTickets
  #context: SecureContext

  /** @throws MisuseError */
  constructor(options: ServerPlanOptions<S>, events: EventEmitter) {
    if (options.ALPNCallback && options.ALPNProtocols) {
      throw new MisuseError(
        '`ALPNCallback` and `ALPNProtocols` exclude each other',
        'ERR_TLS_ALPN_CALLBACK_WITH_PROTOCOLS',
      )
    }
    this.#options = options
    this.#events = events
    this.#context = checkedContext(options.secureContext ?? createSecureContext(options))
    this.#earlyData = earlyDataPolicyOf(options)
    this.tickets = new ServerTickets(options, () => refuseSharedTickets(this.#earlyData))
    this.#alpn = protocolsOf(options.ALPNProtocols)
    this.#attestation = attestationOf(options.attestation, 'server', this.#context.hasCertificate)
    this.handshakeTimeout = options.handshakeTimeout ?? HANDSHAKE_TIMEOUT
    this.keyLogFile = keyLogFileOf(options.keyLogFile, this.#attestation)
  }

  /** Replaces the context of the server. Ticket keys stay, unless others are given. @throws MisuseError */
  replaceContext(options: SecureContextOptions & TicketOptions): void {
    this.#context = createSecureContext(options)
    if (options.ticketKeys) this.tickets.keys = options.ticketKeys
  }

  /** A context for host names; `*` stands for one label. The one that was added last counts. */
  addContext(hostname: string, context: SecureContext | SecureContextOptions): void {
    if (hostname === '') throw new MisuseError('a context is added for a host name', 'ERR_TLS_REQUIRED_SERVER_NAME')
    const labels = hostname
      .toLowerCase()
      .split('*')
      .map(part => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'))
    const pattern = new RegExp(`^${labels.join('[^.]*')}$`)
    this.#named.unshift({
      pattern,
      context: context instanceof SecureContext ? context : createSecureContext(context),
    })
  }

  begin(socket: S): Begun {
    const { config, attestation, ownIdentity, anchors } = this.configure(socket)
    const connection = new TlsConnection('server', config, { padding: this.#context.recordPadding })
    return { connection, attestation, ownIdentity, anchors }
  }

  /** What a HelloRetryRequest depends on. */
  get negotiation() {
    const { cipherSuites, groups, honorsOwnOrder } = this.#context
    return { cipherSuites, groups, prefersOwnOrder: honorsOwnOrder }
  }

  /** What the handshake of one connection is told. */
  configure(endpoint: S): Configured<ServerConfig> {
    const options = this.#options
    const { pskCallback, pskHash } = options
    const standard = this.#context
    const attested = this.#attestation?.connect({ remoteAddress: endpoint.remoteAddress })
    let context = standard
    let own: Identity | null = null
    const peer = peerCheckOf(() => context, {
      purpose: 'clientAuth',
      name: undefined,
      checkServerIdentity: undefined,
      isAdvisory: options.rejectUnauthorized === false,
    })
    const present = (chosen: SecureContext, query: CredentialQuery) => {
      context = chosen
      own = chosen.identityFor(query)
      return own && this.#credential(own, query)
    }
    const config: ServerConfig = {
      entropy: systemEntropy,
      now: Date.now,
      cipherSuites: standard.cipherSuites,
      groups: standard.groups,
      signatureSchemes: standard.signatureSchemes,
      certificateSchemes: standard.certificateSchemes,
      certificateTypes: standard.certificateTypes,
      alpn: this.#alpn,
      recordSizeLimit: standard.recordSizeLimit,
      maxCertificateLength: standard.maxCertificateLength,
      certificateCompression: standard.certificateCompression,
      sendsGrease: standard.sendsGrease,
      earlyData: this.#earlyData,
      hasKeyLog: this.#hasKeyLog(endpoint),
      plug: attested?.plug,
      preSharedKeys: [],
      clientAuthentication: clientAuthenticationOf(options),
      peer,
      certificateAuthorities: standard.authorities,
      tickets: this.tickets.issuer,
      prefersOwnOrder: standard.honorsOwnOrder,
      retryCookie: undefined,
      credentials: query => {
        const chosen = this.#contextFor(query.serverName)
        return chosen instanceof Promise ? chosen.then(it => present(it, query)) : present(chosen, query)
      },
      acceptsTicket: ticket => {
        if (ticket.peerChain.length === 0) return true
        // Whom we trust depends on the name. An answer that takes its time means a full handshake.
        const chosen = this.#contextFor(ticket.serverName)
        if (chosen instanceof Promise) {
          chosen.catch(() => {})
          return false
        }
        context = chosen
        return true
      },
      selectAlpn: options.ALPNCallback && protocolSelector(options.ALPNCallback),
      findPreSharedKey: pskCallback && pskFinder(identity => pskCallback(endpoint, identity), pskHash),
    }
    return {
      config,
      attestation: attested ?? null,
      ownIdentity: () => own,
      anchors: () => context.anchors,
    }
  }

  #hasKeyLog(endpoint: Endpoint): boolean {
    const listeners = this.#events.listenerCount('keylog') + endpoint.listenerCount('keylog')
    return this.keyLogFile !== undefined || mayTellKeys(listeners, this.#attestation)
  }

  /** The context of a host name; a promise only where `SNICallback` takes its time. */
  #contextFor(serverName: string | undefined): SecureContext | Promise<SecureContext> {
    if (serverName === undefined) return this.#context
    const { SNICallback } = this.#options
    const named = () =>
      this.#named.find(({ pattern }) => pattern.test(serverName.toLowerCase()))?.context ?? this.#context
    if (!SNICallback) return named()
    const answer = settled<SecureContext | null>(done =>
      SNICallback(serverName, (error, context) => done(error, context ?? null)),
    )
    if (answer instanceof Promise) {
      return answer.then(
        context => (context ? checkedContext(context) : named()),
        cause => {
          throw unrecognized(cause)
        },
      )
    }
    if ('error' in answer) throw unrecognized(answer.error)
    return answer.value ? checkedContext(answer.value) : named()
  }

  /** Our credential, with an OCSP response if somebody brings one. */
  #credential(own: Identity, { certificateType, asksForOcsp }: CredentialQuery): Credential | Promise<Credential> {
    const [leaf, issuer] = own.chain
    if (!asksForOcsp || !leaf || this.#events.listenerCount('OCSPRequest') === 0) return own.credential(certificateType)
    return new Promise((resolve, reject) => {
      const done = (error: Error | null, response?: Uint8Array | null) => {
        if (error) reject(error)
        else resolve(own.credential(certificateType, response ?? undefined))
      }
      this.#events.emit('OCSPRequest', Buffer.from(leaf), issuer ? Buffer.from(issuer) : null, done)
    })
  }
}

/** What a callback answered: at once, or later as a promise. */
function settled<T>(
  call: (done: (error: Error | null, value: T) => void) => void,
): { readonly value: T } | { readonly error: Error } | Promise<T> {
  let answer: { readonly value: T } | { readonly error: Error } | undefined
  let settle: (() => void) | undefined
  call((error, value) => {
    answer ??= error ? { error } : { value }
    settle?.()
  })
  return (
    answer ??
    new Promise<T>((resolve, reject) => {
      settle = () => {
        if (answer && 'error' in answer) reject(answer.error)
        else if (answer) resolve(answer.value)
      }
    })
  )
}

function unrecognized(cause: unknown): ProtocolError {
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new ProtocolError('unrecognized_name', `\`SNICallback\` has no context: ${reason}`, { cause })
}

/** @throws MisuseError if it is not one of ours, such as one of node:tls */
function checkedContext(context: SecureContext): SecureContext {
  if (context instanceof SecureContext) return context
  throw new MisuseError('a secure context has to come from the `createSecureContext` of this package')
}

function clientAuthenticationOf({
  requestCert,
  rejectUnauthorized,
}: Pick<ServerOptions, 'requestCert' | 'rejectUnauthorized'>): 'none' | 'optional' | 'required' {
  if (!requestCert) return 'none'
  return rejectUnauthorized === false ? 'optional' : 'required'
}

function protocolSelector(
  callback: NonNullable<ServerOptions['ALPNCallback']>,
): NonNullable<ServerConfig['selectAlpn']> {
  return (protocols, servername) => callback({ servername: servername ?? '', protocols: [...protocols] }) ?? null
}

function pskFinder(
  find: (identity: string) => Uint8Array | null,
  hash: ExternalPsk['hash'] = 'sha256',
): NonNullable<ServerConfig['findPreSharedKey']> {
  return identity => {
    const key = find(Buffer.from(identity).toString())
    return key && key.length > 0 ? { identity, key: Uint8Array.from(key), hash } : null
  }
}
