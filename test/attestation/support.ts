import {
  type AttestationEnvironment,
  type AttestationOptions,
  type AttestationStatus,
  type ConnectionAttestation,
  createAttestation,
} from '#src/attestation/index.js'
import { utf8 } from '#src/bytes/index.js'
import { hash, type SigningKey, signingKey, systemEntropy } from '#src/crypto/index.js'
import { type ClientConfig, type Plug, type ServerConfig, TicketIssuer } from '#src/handshake/index.js'
import type {
  AttestationResult,
  Attester,
  Check,
  Cmw,
  IdentityKey,
  Presenter,
  Verifier,
  VerifierSession,
} from '#src/rats/index.js'
import type { ConnectionEvent } from '#src/tls/index.js'
import { draft08Unless } from '../support/draft08.js'
import { always, clientConfig, credentialFor, NOW, serverConfig } from '../support/pair.js'
import { makeRoot } from '../support/pki.js'
import { type Engine, engineOf, type Transport } from './engine.js'

/** A media type that no registry knows. */
export const TEST_EVIDENCE = 'application/vnd.attested-tls-test.evidence+json'
/** A type with a Content-Format, and a challenge of fixed size. */
export const FIXED_EVIDENCE = 'application/eat+cwt; eat_profile="tag:psacertified.org,2023:psa#tfm"'
const RESULTS = 'application/eat+jwt'

/** Keys without a certificate. */
export const bareKeys = {
  client: signingKey(makeRoot({ name: 'bare client' }).privateKey),
  server: signingKey(makeRoot({ name: 'bare server' }).privateKey),
}

/** What a test Evidence says. Its signature is the word `genuine`. */
interface Claims {
  readonly signature: string
  readonly challenge: string
  readonly key: string
  readonly measurement: string
}

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
const bytesOf = (hex: string) => Uint8Array.from(Buffer.from(hex, 'hex'))

export interface FakeAttesterOptions {
  readonly types?: readonly string[]
  readonly measurement?: string
  readonly alter?: (claims: Claims) => Claims
  readonly hasKey?: boolean
  /** Types that speak for no key. */
  readonly keyless?: readonly string[]
}

/** An Attester that remembers what it was asked for. */
export class FakeAttester implements Attester {
  readonly evidenceTypes: readonly string[]
  readonly asked: { readonly type: string; readonly challenge: Uint8Array; readonly key: IdentityKey }[] = []
  readonly #options: FakeAttesterOptions

  constructor(options: FakeAttesterOptions = {}) {
    this.evidenceTypes = options.types ?? [TEST_EVIDENCE]
    this.#options = options
  }

  challengeLength(type: string): number | undefined {
    return type === FIXED_EVIDENCE ? 48 : undefined
  }

  speaksForKey(type: string): boolean {
    return !this.#options.keyless?.includes(type)
  }

  async evidence(request: {
    type: string
    challenge: Uint8Array
    key: IdentityKey
    signal: AbortSignal
  }): Promise<Cmw> {
    const { type, challenge, key } = request
    this.asked.push({ type, challenge, key })
    const claims: Claims = {
      signature: 'genuine',
      challenge: text(challenge),
      key: this.#options.hasKey === false ? '' : text(key.spki),
      measurement: this.#options.measurement ?? 'good',
    }
    const value = utf8(JSON.stringify(this.#options.alter?.(claims) ?? claims))
    return { kind: 'record', type, value }
  }
}

export interface FakeVerifierOptions {
  readonly identity?: string
  readonly types?: readonly string[]
  /** Types that speak for no key. */
  readonly keyless?: readonly string[]
  readonly trusted?: readonly string[]
  readonly nonce?: () => Uint8Array
  readonly alter?: (result: AttestationResult) => AttestationResult
  readonly appraise?: VerifierSession['appraise']
  readonly newSession?: Verifier['newSession']
  /** Seconds since 1970; an hour from now unless said. */
  readonly expiresAt?: number | null
}

/** A Verifier that believes whoever says `genuine`, and knows one good measurement. */
export class FakeVerifier implements Verifier {
  readonly identity: Uint8Array
  readonly evidenceTypes: readonly string[]
  readonly resultIdentities?: readonly Uint8Array[]
  policyDigest = 'policy 1'
  readonly appraised: { readonly challenge: Uint8Array; readonly key: IdentityKey | null }[] = []
  readonly nonces: Uint8Array[] = []
  /** Sessions that take up room. */
  open = 0
  readonly #options: FakeVerifierOptions

  constructor(options: FakeVerifierOptions = {}) {
    this.#options = options
    this.identity = utf8(options.identity ?? 'verifier.test')
    this.evidenceTypes = options.types ?? [TEST_EVIDENCE]
    if (options.trusted) this.resultIdentities = options.trusted.map(utf8)
  }

  challengeLength(type: string): number | undefined {
    return type === FIXED_EVIDENCE ? 48 : undefined
  }

  speaksForKey(type: string): boolean {
    return !this.#options.keyless?.includes(type)
  }

  async newSession(options: { readonly signal: AbortSignal }): Promise<VerifierSession> {
    if (this.#options.newSession) return this.#options.newSession(options)
    const nonce = this.#options.nonce?.() ?? systemEntropy.bytes(32)
    this.nonces.push(nonce)
    this.open++
    let isOpen = true
    const close = () => {
      if (isOpen) this.open--
      isOpen = false
    }
    return {
      nonce,
      close,
      appraise: async submission => {
        const { challenge, key, message } = submission
        close()
        this.appraised.push({ challenge, key })
        if (this.#options.appraise) return this.#options.appraise(submission)
        return this.#result(message, key, challenge)
      },
    }
  }

  async checkResults({ message, key, verifier }: Parameters<Verifier['checkResults']>[0]): Promise<AttestationResult> {
    const trusted = this.resultIdentities ?? [this.identity]
    const issuer = verifier && text(verifier)
    if (!trusted.some(identity => text(identity) === issuer)) throw new Error('asked about an unknown issuer')
    return this.#result(message, key, null, verifier)
  }

  #result(message: Cmw, key: IdentityKey | null, challenge: Uint8Array | null, issuer?: Uint8Array): AttestationResult {
    const claims = claimsIn(message)
    const checks: Check[] = [
      check('signature', 'genuine', claims.signature),
      check('measurement', 'good', claims.measurement),
    ]
    if (challenge) checks.push(check('challenge', text(challenge), claims.challenge))
    else checks.push(check('issuer', text(issuer ?? new Uint8Array()), claims.challenge))
    if (key && claims.key !== '') checks.push(check('key-binding', text(key.spki), claims.key))
    const isAccepted = checks.every(({ passed }) => passed)
    const status = isAccepted ? 'affirming' : 'contraindicated'
    const result: AttestationResult = {
      status,
      isAccepted,
      submodules: {
        simulated: { status, vector: {}, policyIds: [], claims: { measurement: claims.measurement, place: 'lab' } },
      },
      attestedKey: claims.key === '' ? null : bytesOf(claims.key),
      challenge: challenge && bytesOf(claims.challenge),
      issuedAt: NOW / 1000,
      expiresAt: this.#options.expiresAt === undefined ? NOW / 1000 + 3600 : this.#options.expiresAt,
      checks,
      isSimulated: true,
      token: null,
    }
    return this.#options.alter?.(result) ?? result
  }
}

function check(name: string, expected: string, actual: string): Check {
  const passed = expected === actual
  return { name, passed, expected, actual, source: 'test', ...(!passed && { remedy: 'do better' }) }
}

function claimsIn(message: Cmw): Claims {
  const [first = message] = message.kind === 'collection' ? message.entries.values() : []
  if (first.kind !== 'record') throw new Error('a record is expected')
  return JSON.parse(Buffer.from(first.value).toString()) as Claims
}

export interface FakePresenterOptions {
  readonly verifiers?: readonly string[]
  readonly alter?: (claims: Claims) => Claims
  readonly isAtHand?: boolean
}

/** A Presenter with results of whatever Verifier it is asked for. */
export class FakePresenter implements Presenter {
  readonly verifiers: readonly Uint8Array[]
  readonly asked: { readonly verifier: Uint8Array; readonly key: IdentityKey }[] = []
  readonly #options: FakePresenterOptions

  constructor(options: FakePresenterOptions = {}) {
    this.#options = options
    this.verifiers = (options.verifiers ?? ['verifier.test']).map(utf8)
  }

  isAtHand(): boolean {
    return this.#options.isAtHand ?? true
  }

  async results({ verifier, key }: { verifier: Uint8Array; key: IdentityKey; signal: AbortSignal }): Promise<Cmw> {
    this.asked.push({ verifier, key })
    const claims: Claims = { signature: 'genuine', challenge: text(verifier), key: text(key.spki), measurement: 'good' }
    return { kind: 'record', type: RESULTS, value: utf8(JSON.stringify(this.#options.alter?.(claims) ?? claims)) }
  }
}

/** Timers that fire when the test says so. */
export class ManualTimers {
  readonly pending = new Map<() => void, number>()

  readonly timer = (ms: number, fire: () => void): (() => void) => {
    this.pending.set(fire, ms)
    return () => void this.pending.delete(fire)
  }

  /** Lets the time run out for everybody who waits, but for those who wait for so many ms or more. */
  fire(limit = 3_600_000): void {
    for (const [fire, ms] of [...this.pending]) {
      if (ms >= limit) continue
      this.pending.delete(fire)
      fire()
    }
  }
}

export type Side = 'client' | 'server'

export interface EndOptions {
  /** What it runs over, the same for both ends of a pair. Default: a stream. */
  readonly transport?: Transport
  /** Under the profile `draft08` unless it says another. */
  readonly attestation?: AttestationOptions
  /** Whether this side has an X.509 credential. Default: a server does, a client does not. */
  readonly hasCertificate?: boolean
  readonly alterPlug?: (plug: Plug) => Plug
  readonly client?: Partial<ClientConfig>
  readonly server?: Partial<ServerConfig>
  /** ms since 1970, or how to tell. */
  readonly now?: number | (() => number)
  /** Changes what this side sends, as it goes to the link. */
  readonly tamper?: (bytes: Uint8Array) => Uint8Array
}

/** What one end is configured with, whatever its transport. */
export function configFor(side: Side, options: EndOptions, { timer }: ManualTimers) {
  const hasCertificate = options.hasCertificate ?? side === 'server'
  const { now: at = NOW } = options
  const now = typeof at === 'number' ? () => at : at
  const environment: AttestationEnvironment = { now, timer, hasCertificate, warn: () => undefined }
  const attested = options.attestation
    ? createAttestation(draft08Unless(options.attestation), side, environment).connect()
    : undefined
  const plug = attested && (options.alterPlug?.(attested.plug) ?? attested.plug)
  const credential = hasCertificate ? credentialFor(side === 'client' ? 'client.test' : 'localhost') : null
  const common = { now, hasKeyLog: false, plug, credentials: always(credential) }
  const config =
    side === 'client'
      ? ({ side, config: clientConfig({ ...common, ...options.client }) } as const)
      : ({ side, config: serverConfig({ ...common, maxCertificateLength: 2 ** 20, ...options.server }) } as const)
  return { attested, config }
}

/** One end of a connection in memory. */
export class End {
  readonly connection: Engine
  readonly attested: ConnectionAttestation | undefined
  readonly status: AttestationStatus | undefined
  readonly timers = new ManualTimers()
  readonly tamper: (bytes: Uint8Array) => Uint8Array
  readonly events: ConnectionEvent[] = []
  /** How many pieces went to the link. */
  messagesSent = 0

  constructor(side: Side, options: EndOptions) {
    this.tamper = options.tamper ?? (bytes => bytes)
    const { attested, config } = configFor(side, options, this.timers)
    this.attested = attested
    this.status = attested?.status
    this.connection = engineOf(options.transport ?? 'tls', config)
  }

  get error(): Error | undefined {
    return this.events.find(event => event.type === 'error')?.error
  }

  /** Application data that reached the application. */
  get data(): string {
    return this.events.map(event => (event.type === 'data' ? Buffer.from(event.data).toString() : '')).join('')
  }

  get isEstablished(): boolean {
    return this.events.some(event => event.type === 'established')
  }

  get sessions(): readonly Uint8Array[] {
    return this.events.flatMap(event => (event.type === 'session' ? [event.session] : []))
  }
}

export function tickets(): TicketIssuer {
  return new TicketIssuer(systemEntropy, { count: 1 })
}

export interface Pair {
  readonly client: End
  readonly server: End
}

/** Connects two ends, each of which sends application data as soon as it may.
 *  @param onStall called when both wait for something that does not come */
export async function connect(client: EndOptions, server: EndOptions, onStall?: (pair: Pair) => void): Promise<Pair> {
  const pair = { client: new End('client', client), server: new End('server', server) }
  const ends = [pair.client, pair.server] as const
  for (const { connection } of ends) connection.start()
  for (;;) {
    if (move(pair)) continue
    const waiting = ends.filter(({ connection }) => connection.pause && connection.state !== 'closed')
    if (waiting.length === 0) {
      if (elapse(pair)) continue
      return pair
    }
    const settled = await firstSettled(waiting, isDueWithin(pair, SOON) || onStall !== undefined)
    if (settled) settled.connection.resume()
    else if (!elapse(pair, SOON)) onStall?.(pair)
  }
}

/** ms: acknowledgements are sent while somebody waits for the world, but nothing is given up. */
const SOON = 500

/** Moves bytes, and waits for the world in the background too, until nothing more happens. */
export async function settle(pair: Pair): Promise<void> {
  const ends = [pair.client, pair.server]
  for (;;) {
    if (move(pair)) continue
    const waiting = ends.filter(({ connection }) => connection.state !== 'closed')
    const awaited = waiting.flatMap(end => {
      const promises = [end.connection.pause, end.connection.background].filter(promise => promise !== undefined)
      return promises.map(async (promise): Promise<End | undefined> => {
        await promise
        return end
      })
    })
    const settled = await Promise.race([...awaited, stall()])
    if (settled) settled.connection.resume()
    else if (!elapse(pair)) return
  }
}

/** Lets time pass until one of the ends does something by itself.
 *  @param limit ms that this may take   @returns false if there is nothing to wait for that long */
function elapse({ client, server }: Pair, limit = Number.POSITIVE_INFINITY): boolean {
  const ends = [client.connection, server.connection]
  const ms = Math.min(...ends.map(({ dueIn = Number.POSITIVE_INFINITY }) => dueIn))
  if (ms === Number.POSITIVE_INFINITY || ms > limit) return false
  for (const end of ends) end.pass(ms)
  return true
}

function isDueWithin({ client, server }: Pair, limit: number): boolean {
  return [client, server].some(({ connection: { dueIn } }) => dueIn !== undefined && dueIn <= limit)
}

/** Carries what there is across, once. */
function move({ client, server }: Pair): boolean {
  let hasMoved = false
  for (const [from, to] of [
    [client, server],
    [server, client],
  ] as const) {
    for (const chunk of from.connection.takeOutput()) {
      hasMoved = true
      from.messagesSent++
      to.connection.receive(from.tamper(chunk))
    }
    for (let event = from.connection.nextEvent(); event; event = from.connection.nextEvent()) {
      hasMoved = true
      from.events.push(event)
      if (event.type === 'established' && from.connection.isWritable) {
        from.connection.write(utf8(`data of the ${from.connection.side}`))
      }
    }
  }
  return hasMoved
}

async function firstSettled(waiting: readonly End[], mayStall: boolean): Promise<End | undefined> {
  const pauses: Promise<End | undefined>[] = waiting.map(async end => {
    await end.connection.pause
    return end
  })
  if (mayStall) pauses.push(stall())
  return Promise.race(pauses)
}

async function stall(): Promise<undefined> {
  for (let i = 0; i < 5; i++) await new Promise(resolve => setImmediate(resolve))
  return undefined
}

/** SHA-256 of a key's SubjectPublicKeyInfo, as identities speak of it. */
export function keyId({ publicKey }: SigningKey): Uint8Array {
  return hash('sha256', publicKey.spki)
}
