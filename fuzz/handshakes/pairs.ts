import type { AttestationOptions, TraceEvent } from '#src/attestation/index.js'
import { utf8 } from '#src/bytes/index.js'
import { brotliCompression, systemEntropy, zlibCompression } from '#src/crypto/index.js'
import {
  CertificateType,
  decodeSession,
  type ExternalPsk,
  type Message,
  type PeerCheck,
  ReplayGuard,
  type Session,
  TicketIssuer,
} from '#src/handshake/index.js'
import { earMediaType, LATEST_EAR_PROFILE, makeEar, messageSigner, type Presenter } from '#src/rats/index.js'
import { hardenedEnd } from '../../test/attestation/hardened/support.js'
import { configFor, type EndOptions, ManualTimers } from '../../test/attestation/support.js'
import { kinds } from '../../test/support/hostile.js'
import {
  always,
  connectedPair,
  credentialFor,
  makePair,
  NOW,
  type PairOptions,
  rawPublicKey,
  type Side,
} from '../../test/support/pair.js'
import { attesterOf, NOON, newKey, verifierOf } from '../../test/support/simulated.js'
import { checkSentence } from '../target.js'

/** Handshakes of all kinds, by name: between them every message and every extension passes. Options are for one pair:
 *  what remembers something is made anew. */
export const pairs: Readonly<Record<string, () => Promise<PairOptions> | PairOptions>> = {
  plain: () => ({ server: { tickets: tickets() } }),
  everything: kinds.everything,
  compressed: () => ({
    client: {
      certificateCompression: [zlibCompression],
      credentials: always(credentialFor('client')),
      sendsGrease: true,
    },
    server: { certificateCompression: [zlibCompression, brotliCompression], clientAuthentication: 'optional' },
  }),
  resumed: async () => {
    const { session, issuer } = await acquainted()
    return { client: { session }, server: { tickets: issuer } }
  },
  early: async () => {
    const { session, issuer } = await acquainted()
    return { client: { session, offersEarlyData: true }, server: { tickets: issuer, earlyData: new ReplayGuard(NOW) } }
  },
  external: () => ({ client: { preSharedKeys: [psk], requiresPsk: true }, server: { preSharedKeys: [psk] } }),
  raw: () => ({
    client: {
      peer: anyRawKey,
      certificateTypes: [CertificateType.RawPublicKey],
      credentials: always(rawPublicKey(credentialFor('client'))),
    },
    server: {
      peer: anyRawKey,
      certificateTypes: [CertificateType.RawPublicKey],
      credentials: always(rawPublicKey(credentialFor('localhost'))),
      clientAuthentication: 'required',
    },
  }),
  attested: () => attestedPair('server'),
  'attested-client': () => attestedPair('client'),
  passport: () => passportPair('server'),
  'passport-client': () => passportPair('client'),
  hardened: () => ({
    client: configOf('client', hardenedEnd('client', 'both', { attestation: { trace: checkTrace } })),
    server: configOf('server', hardenedEnd('server', 'both', { attestation: { trace: checkTrace } })),
  }),
}

/** Takes every raw public key (RFC 7250), so that what is none is come to. */
const anyRawKey: PeerCheck = {
  certificateTypes: [CertificateType.RawPublicKey],
  isAdvisory: false,
  check: () => undefined,
}
const psk: ExternalPsk = { identity: new Uint8Array(8).fill(1), key: new Uint8Array(32).fill(2), hash: 'sha256' }

/** What people are told of the messages that pass may be shown to them. */
export function checkTrace({ message, fields }: TraceEvent): void {
  for (const text of [message, ...fields.flatMap(({ name, values }) => [name, ...values])]) {
    checkSentence(new Error(text))
  }
}

function attestedPair(attester: Side): PairOptions {
  return pairOf(attester, { attester: attesterOf() }, { verifier: verifierOf() })
}

/** Results, which are there before: how long it takes to sign them is not a matter of these handshakes. */
async function passportPair(attester: Side): Promise<PairOptions> {
  const value = await resultsFor(attester)
  const presenter: Presenter = {
    verifiers: [issuer.identity],
    isAtHand: () => true,
    results: async () => ({ kind: 'record', type: earMediaType('jwt'), value }),
  }
  return pairOf(attester, { presenter }, { verifier: verifierOf({ issuers: [issuer] }) })
}

function pairOf(attester: Side, proving: AttestationOptions, demanding: AttestationOptions): PairOptions {
  const options = (side: Side): EndOptions =>
    side === attester
      ? { now: NOON, hasCertificate: true, attestation: { ...proving, trace: checkTrace } }
      : { now: NOON, hasCertificate: side === 'server', attestation: { ...demanding, trace: checkTrace } }
  return { client: configOf('client', options('client')), server: configOf('server', options('server')) }
}

const issuerKey = newKey()
const issuer = { identity: utf8('verifier.example'), keys: [issuerKey.publicKey] }

const results = new Map<Side, Promise<Uint8Array>>()
/** What the issuer says of the key of a side. */
function resultsFor(side: Side): Promise<Uint8Array> {
  const attestedKey = credentialFor(side === 'client' ? 'client.test' : 'localhost').key.publicKey.spki
  const submodule = { status: 'affirming' as const, vector: { executables: 2 }, policyIds: ['p'], attestedKey }
  const ear = {
    profile: LATEST_EAR_PROFILE,
    issuedAt: NOON / 1000,
    expiresAt: NOON / 1000 + 3600,
    verifier: { developer: 'https://verifier.example', build: '1' },
    status: 'affirming' as const,
    submodules: new Map([['PSA_IOT', submodule]]),
  }
  const found = results.get(side) ?? makeEar(ear, messageSigner(issuerKey), 'jwt')
  results.set(side, found)
  return found
}

function configOf(side: Side, options: EndOptions) {
  // The configuration is that of the side: the two are alike where the pair looks at them.
  return { ...configFor(side, options, new ManualTimers()).config.config, hasKeyLog: true } as object
}

function tickets(): TicketIssuer {
  return new TicketIssuer(systemEntropy, { count: 1 })
}

let known: Promise<{ readonly session: Session; readonly issuer: TicketIssuer }> | undefined
/** A session that a server has given a ticket for, once and for all. */
function acquainted() {
  known ??= (async () => {
    const issuer = tickets()
    const { client } = await connectedPair({ server: { tickets: issuer, earlyData: new ReplayGuard(NOW) } })
    const session = decodeSession(client.sessions[0] ?? new Uint8Array(0))
    if (!session) throw new Error('there is no session to resume')
    return { session, issuer }
  })()
  return known
}

const honestMessages = new Map<string, Promise<readonly Message[]>>()
/** The messages of both sides when nobody interferes, the client's first. */
export function honest(name: string): Promise<readonly Message[]> {
  const found = honestMessages.get(name) ?? recorded(name)
  honestMessages.set(name, found)
  return found
}

async function recorded(name: string): Promise<readonly Message[]> {
  // What is sent before the handshake is complete is under keys that nobody else knows.
  const options = await pairs[name === 'early' ? 'resumed' : name]?.()
  if (!options) throw new RangeError(`there is no pair "${name}"`)
  const messages = { client: [] as Message[], server: [] as Message[] }
  const keep = (side: Side) => ({
    message(message: Message) {
      const raw = Uint8Array.from(message.raw)
      messages[side].push({ type: message.type, raw, body: raw.subarray(4) })
      return undefined
    },
  })
  const pair = makePair({ ...options, intercept: { client: keep('client'), server: keep('server') } })
  await pair.run()
  const error = pair.client.error ?? pair.server.error
  if (error) throw error
  return [...messages.client, ...messages.server]
}
