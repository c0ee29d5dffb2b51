import type { ClientRequest } from 'node:http'
import { type AgentOptions, Agent as HttpsAgent, type RequestOptions } from 'node:https'
import type { Duplex } from 'node:stream'
import { MisuseError } from '../handshake/index.js'
import { connect } from './connect.js'
import type { ConnectOptions } from './options.js'
import { createSecureContext, type SecureContext } from './secure-context.js'
import { AttestedSocket } from './socket.js'

/** What an agent takes: that of `https.Agent`, and that of `connect`. */
export type AttestedAgentOptions = Omit<AgentOptions, keyof ConnectOptions> & ConnectOptions

/** An agent for `https.request` whose connections are those of `connect`. A connection is used again only for requests
 *  under the very same terms: the same names, keys, trust and attestation. */
export class AttestedAgent extends HttpsAgent {
  readonly #terms: ConnectOptions
  /** Sessions by the name of the pool, the one used last at the end. */
  readonly #sessions = new Map<string, Buffer>()
  readonly #maxSessions: number
  /** Made once, for the requests that bring no terms of their own. */
  #context: SecureContext | undefined
  /** Objects that are part of the terms, such as policies, are the same only if they are the same object. */
  readonly #numbers = new WeakMap<object, number>()
  #count = 0
  /** The pools of connections, by the options that http.Agent keeps for each of them. */
  readonly #names = new WeakMap<object, string>()
  /** Of the connections that wait: when their peer's verdict ends. */
  readonly #expiries = new WeakMap<Duplex, NodeJS.Timeout>()

  constructor(options: AttestedAgentOptions = {}) {
    const { keepAlive, keepAliveMsecs, maxSockets, maxTotalSockets, maxFreeSockets, scheduling, timeout, ...terms } =
      options as ConnectOptions & AgentOptions
    const pool = { keepAlive, keepAliveMsecs, maxSockets, maxTotalSockets, maxFreeSockets, scheduling, timeout }
    super(given(pool))
    this.#maxSessions = (options as AgentOptions).maxCachedSessions ?? 100
    this.#terms = given(terms)
  }

  /** The name of a pool: everything that tells one connection from another. */
  override getName(options: RequestOptions = {}): string {
    const known = this.#names.get(options)
    if (known !== undefined) return known
    const terms: ConnectOptions & { readonly socketPath?: unknown } = { ...(options as ConnectOptions), ...this.#terms }
    const parts = POOL_TERMS.map(term => this.#nameOf(terms[term]))
    // A Verifier may come by another policy: what it let in before does not count under that.
    parts.push(this.#nameOf(terms.attestation?.verifier?.policyDigest))
    return [options.host || 'localhost', options.port, options.localAddress, options.family, ...parts].join(':')
  }

  /** @internal */
  override createConnection(
    options: RequestOptions,
    _callback?: (error: Error | null, stream: Duplex) => void,
  ): Duplex {
    if ({ ...options, ...this.#terms }.replayableEarlyData !== undefined) {
      throw new MisuseError('an agent writes requests, and they come after the handshake', 'ERR_TLS_EARLY_DATA')
    }
    const name = this.getName(options)
    // The connection belongs there until its end, also if the same terms have another name by then.
    this.#names.set(options, name)
    const session = this.#sessions.get(name)
    // A ticket is used once (RFC 8446 §C.4): who sees it twice knows that it is the same client.
    this.#sessions.delete(name)
    const ownTerms = CONTEXT_TERMS.some(term => (options as ConnectOptions)[term] !== undefined)
    if (!ownTerms) this.#context ??= this.#terms.secureContext ?? createSecureContext(this.#terms)
    const socket = connect({
      ALPNProtocols: ['http/1.1'],
      // The request's options are those of node:https, which share their names with ours.
      ...(options as ConnectOptions),
      ...this.#terms,
      ...(!ownTerms && { secureContext: this.#context }),
      ...(session && { session }),
    })
    socket.on('session', (fresh: Buffer) => this.#keep(name, fresh))
    socket.once('close', () => clearTimeout(this.#expiries.get(socket)))
    return socket
  }

  /** A connection waits for its next request no longer than the verdict about its peer holds. @internal */
  override keepSocketAlive(socket: Duplex): boolean {
    const left = msLeftOf(socket)
    // What http.Agent answers is not in its type.
    const answer: unknown = left > 0 && super.keepSocketAlive(socket)
    if (answer === true && left < Number.POSITIVE_INFINITY) {
      this.#expiries.set(socket, setTimeout(() => socket.destroy(), Math.min(left, 2 ** 31 - 1)).unref())
    }
    return answer === true
  }

  /** @internal */
  override reuseSocket(socket: Duplex, request: ClientRequest): void {
    clearTimeout(this.#expiries.get(socket))
    super.reuseSocket(socket, request)
  }

  #keep(name: string, session: Buffer): void {
    this.#sessions.delete(name)
    if (this.#maxSessions === 0) return
    if (this.#sessions.size >= this.#maxSessions) {
      for (const oldest of this.#sessions.keys()) {
        this.#sessions.delete(oldest)
        break
      }
    }
    this.#sessions.set(name, session)
  }

  /** A part of a pool's name. Texts and bytes are what they say; everything else is only itself. */
  #nameOf(value: unknown): string {
    if (value === undefined || value === null) return ''
    if (value instanceof Uint8Array) return `=${Buffer.from(value).toString('base64')}`
    if (Array.isArray(value)) return `[${value.map(item => this.#nameOf(item)).join(',')}]`
    if (typeof value === 'object' || typeof value === 'function') return `#${this.#numberOf(value)}`
    return JSON.stringify(String(value))
  }

  #numberOf(object: object): number {
    const known = this.#numbers.get(object)
    if (known !== undefined) return known
    this.#count++
    this.#numbers.set(object, this.#count)
    return this.#count
  }
}

/** How long the verdict about the peer of a connection still holds, in ms. */
function msLeftOf(socket: Duplex): number {
  const expiresAt = socket instanceof AttestedSocket ? socket.attestation?.peer.result?.expiresAt : null
  return typeof expiresAt === 'number' ? expiresAt * 1000 - Date.now() : Number.POSITIVE_INFINITY
}

/** What is given, without what is there and undefined: it would hide what a request brings. */
function given<T extends object>(options: T): T {
  // The same members with the same values: those left out are optional.
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T
}

/** The options that a secure context is made of. */
const CONTEXT_TERMS = [
  'secureContext',
  'ca',
  'cert',
  'key',
  'passphrase',
  'pfx',
  'crl',
  'acceptRawPublicKeys',
  'presentRawPublicKey',
  'ciphers',
  'groups',
  'ecdhCurve',
  'sigalgs',
  'minVersion',
  'maxVersion',
  'secureProtocol',
  'secureOptions',
  'recordSizeLimit',
  'recordPadding',
  'maxCertificateLength',
  'certificateCompression',
  'grease',
] as const satisfies readonly (keyof ConnectOptions)[]

/** The options that say whom we talk to and on what terms. */
const POOL_TERMS = [
  ...CONTEXT_TERMS,
  'servername',
  'socketPath',
  'attestation',
  'rejectUnauthorized',
  'checkServerIdentity',
  'ALPNProtocols',
  'pskCallback',
  'requestOCSP',
  'socket',
] as const
