import { createHash } from 'node:crypto'
import { join } from '#src/bytes/index.js'
import { answerKeyShare, type Entropy, generateKeyShare, signingKey, systemEntropy } from '#src/crypto/index.js'
import {
  alertFor,
  alertName,
  CertificateType,
  type ClientConfig,
  type Credential,
  type CredentialSource,
  defaultCertificateSchemes,
  defaultCipherSuites,
  defaultSignatureSchemes,
  type Established,
  peerCheck,
  type ServerConfig,
} from '#src/handshake/index.js'
import { type ConnectionEvent, type RecordOptions, TlsConnection } from '#src/tls/index.js'
import { TrustAnchors } from '#src/x509/index.js'
import { type Hooks, Interceptor, type Secrets } from './interceptor.js'
import { type Issued, makeRoot } from './pki.js'

/*
 * A client and a server in memory, and the link between them: no socket, no time but that of the test.
 *
 *     const pair = makePair({ client: { alpn: ['h2'] }, server: { alpn: ['h2'] } })
 *     await pair.run()
 *     pair.client.established.alpn
 */

export type Side = 'client' | 'server'

export interface PairOptions {
  readonly client?: Partial<ClientConfig>
  readonly server?: Partial<ServerConfig>
  readonly clientRecords?: RecordOptions
  readonly serverRecords?: RecordOptions
  /** How the link cuts what is sent; whole by default. */
  readonly link?: Link
  /** What becomes of the messages and records that a side sends. */
  readonly intercept?: Partial<Record<Side, Hooks>>
}

/** `cut` gives the pieces in which bytes arrive. */
export interface Link {
  cut(bytes: Uint8Array): readonly Uint8Array[]
}

/** Pieces of that many bytes. */
export function inPieces(length: number): Link {
  return {
    cut(bytes) {
      const pieces: Uint8Array[] = []
      for (let at = 0; at < bytes.length; at += length) pieces.push(bytes.slice(at, at + length))
      return pieces
    },
  }
}

/** One end of a pair, with all that its connection has told. */
export class End {
  readonly side: Side
  readonly connection: TlsConnection
  readonly events: ConnectionEvent[] = []
  /** The received application data, joined. */
  received: Uint8Array = new Uint8Array(0)
  #interceptor: Interceptor

  constructor(side: Side, connection: TlsConnection, hooks: Hooks) {
    this.side = side
    this.connection = connection
    this.#interceptor = new Interceptor(side, hooks)
  }

  /** What the handshake came to. @throws Error if it is not complete */
  get established(): Established {
    const { established } = this.connection
    if (!established) throw new Error(`the ${this.side} is not established: ${this.error?.message ?? 'no error'}`)
    return established
  }

  get error(): Error | undefined {
    return this.events.flatMap(event => (event.type === 'error' ? [event.error] : []))[0]
  }

  get sessions(): readonly Uint8Array[] {
    return this.events.flatMap(event => (event.type === 'session' ? [event.session] : []))
  }

  get keyLog(): readonly string[] {
    return this.events.flatMap(event => (event.type === 'keylog' ? [event.line] : []))
  }

  /** The names of the alerts that this end has sent. */
  get alerts(): readonly string[] {
    return this.#interceptor.alerts.map(alertName)
  }

  /** Whether the peer has said that no more comes. */
  get hasEnded(): boolean {
    return this.events.some(({ type }) => type === 'end')
  }

  /** Everything that is to go to the peer now. */
  drain(secrets: Secrets): Uint8Array[] {
    const parts = this.connection.takeOutput().flatMap(bytes => this.#interceptor.pass(bytes, secrets))
    return parts.length > 1 ? [join(parts)] : parts
  }

  takeEvents({ byLabel }: Secrets): void {
    for (let event = this.connection.nextEvent(); event; event = this.connection.nextEvent()) {
      if (event.type === 'keylog') {
        const [label = '', , secret = ''] = event.line.split(' ')
        byLabel.set(label, Buffer.from(secret, 'hex'))
      }
      if (event.type === 'data') this.received = Buffer.concat([this.received, event.data])
      this.events.push(event)
    }
  }
}

export class Pair {
  readonly client: End
  readonly server: End
  readonly #secrets: Secrets = { byLabel: new Map(), suite: 0 }
  readonly #link: Link

  constructor(client: End, server: End, link: Link) {
    this.client = client
    this.server = server
    this.#link = link
  }

  /** Starts both ends and moves bytes until nothing more happens, waiting for what the handshake waits for. */
  async run(): Promise<void> {
    this.server.connection.start()
    this.client.connection.start()
    await this.settle()
  }

  /** The same without waiting: for handshakes that never pause. */
  runAtOnce(): void {
    this.server.connection.start()
    this.client.connection.start()
    this.move()
  }

  /** Moves bytes until nothing more happens, waiting for what the handshake waits for. */
  async settle(): Promise<void> {
    for (;;) {
      this.move()
      const paused = [this.client, this.server].filter(({ connection }) => connection.pause)
      if (paused.length === 0) return
      await Promise.race(
        paused.map(async ({ connection }) => {
          await connection.pause
          connection.resume()
        }),
      )
    }
  }

  /** Moves bytes until neither end has any to send. */
  move(): void {
    for (;;) {
      // Secrets first, from both ends: an interceptor opens records with them.
      this.client.takeEvents(this.#secrets)
      this.server.takeEvents(this.#secrets)
      const fromClient = this.client.drain(this.#secrets)
      const fromServer = this.server.drain(this.#secrets)
      if (fromClient.length === 0 && fromServer.length === 0) return
      this.#deliver(fromClient, this.server)
      this.#deliver(fromServer, this.client)
    }
  }

  #deliver(bytes: readonly Uint8Array[], to: End): void {
    for (const part of bytes) for (const piece of this.#link.cut(part)) to.connection.receive(piece)
  }
}

/** A client and a server that have not started yet. What is not said is the plainest that works: the server shows a
 *  certificate for `localhost`, the client checks it. */
export function makePair(options: PairOptions = {}): Pair {
  const client = new TlsConnection('client', clientConfig(options.client), options.clientRecords)
  const server = new TlsConnection('server', serverConfig(options.server), options.serverRecords)
  return new Pair(
    new End('client', client, options.intercept?.client ?? {}),
    new End('server', server, options.intercept?.server ?? {}),
    options.link ?? { cut: bytes => [bytes] },
  )
}

/** A pair whose handshake is complete. @throws Error if it failed */
export async function connectedPair(options: PairOptions = {}): Promise<Pair> {
  const pair = makePair(options)
  await pair.run()
  const error = pair.client.error ?? pair.server.error
  if (error) throw error
  if (pair.client.connection.state !== 'open' || pair.server.connection.state !== 'open') {
    throw new Error('the handshake is not complete')
  }
  return pair
}

/** The name of the alert that an error becomes. */
export function alertOf(error: Error | undefined): string | undefined {
  return error && alertName(alertFor(error))
}

/** The moment that all tests happen at: 2026-06-01. */
export const NOW = Date.UTC(2026, 5, 1)

let root: Issued | undefined
/** The root that pairs trust. */
export function testRoot(): Issued {
  root ??= makeRoot({ name: 'Test Root' })
  return root
}

const made = new Map<string, Credential>()
/** The credential of a name, issued by the test root; `clientAuth` certificates have names too. */
export function credentialFor(name: string, key: Parameters<Issued['issue']>[0]['key'] = 'p256'): Credential {
  const id = `${name} ${key}`
  let credential = made.get(id)
  if (!credential) {
    const issued = testRoot().issue({ subject: name, dnsNames: [name], key })
    credential = {
      certificateType: CertificateType.X509,
      entries: [{ data: issued.certificate, extensions: [] }],
      key: signingKey(issued.privateKey),
    }
    made.set(id, credential)
  }
  return credential
}

/** Answers every query with one credential. */
export function always(credential: Credential | null): CredentialSource {
  return () => credential
}

/** A credential as a raw public key (RFC 7250). */
export function rawPublicKey({ key }: Credential): Credential {
  return {
    certificateType: CertificateType.RawPublicKey,
    entries: [{ data: key.publicKey.spki, extensions: [] }],
    key,
  }
}

function common() {
  return {
    entropy: systemEntropy,
    now: () => NOW,
    cipherSuites: defaultCipherSuites,
    groups: [0x001d, 0x0017, 0x0018, 0x0019, 0x11ec, 0x0202],
    signatureSchemes: defaultSignatureSchemes,
    certificateSchemes: defaultCertificateSchemes,
    certificateTypes: [CertificateType.X509],
    alpn: [],
    recordSizeLimit: undefined,
    maxCertificateLength: 2 ** 16,
    hasKeyLog: true,
    plug: undefined,
    preSharedKeys: [],
  }
}

/** A client's configuration: it trusts the test root and asks for `localhost`. */
export function clientConfig(changes: Partial<ClientConfig> = {}): ClientConfig {
  const now = changes.now ?? (() => NOW)
  return {
    ...common(),
    serverName: 'localhost',
    keyShareGroups: [0x001d],
    peer: peerCheck({
      anchors: anchors(),
      purpose: 'serverAuth',
      name: 'localhost',
      now,
      certificateSchemes: defaultCertificateSchemes,
    }),
    credentials: always(null),
    session: undefined,
    asksForOcsp: false,
    middleboxCompatibility: true,
    ...changes,
  }
}

/** A server's configuration: it shows a certificate for `localhost`, asks for none, and issues no tickets. */
export function serverConfig(changes: Partial<ServerConfig> = {}): ServerConfig {
  const now = changes.now ?? (() => NOW)
  return {
    ...common(),
    credentials: always(changes.credentials ? null : credentialFor('localhost')),
    clientAuthentication: 'none',
    peer: peerCheck({
      anchors: anchors(),
      purpose: 'clientAuth',
      name: undefined,
      now,
      certificateSchemes: defaultCertificateSchemes,
    }),
    certificateAuthorities: [],
    tickets: undefined,
    prefersOwnOrder: true,
    retryCookie: undefined,
    ...changes,
  }
}

let trusted: TrustAnchors | undefined
function anchors(): TrustAnchors {
  trusted ??= TrustAnchors.from([testRoot().certificate])
  return trusted
}

/** Randomness that a test can repeat. Key shares are new ones all the same, unless the test brings its own. */
export function seededEntropy(
  seed: string,
  shares: Partial<Pick<Entropy, 'keyShare' | 'answerKeyShare'>> = {},
): Entropy {
  let counter = 0
  return {
    bytes(length) {
      const blocks: Uint8Array[] = []
      for (let made = 0; made < length; made += 32) {
        blocks.push(createHash('sha256').update(`${seed} ${counter++}`).digest())
      }
      return Uint8Array.from(Buffer.concat(blocks).subarray(0, length))
    },
    keyShare: shares.keyShare ?? generateKeyShare,
    answerKeyShare: shares.answerKeyShare ?? answerKeyShare,
  }
}
