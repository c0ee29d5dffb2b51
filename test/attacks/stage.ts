import { generateKeyPairSync } from 'node:crypto'
import type { AttestationOptions } from '#src/attestation/index.js'
import { presenter } from '#src/attester/index.js'
import { utf8 } from '#src/bytes/index.js'
import { signingKey } from '#src/crypto/index.js'
import type { Attester, Cmw, EvidenceRequest, Presenter, Verifier } from '#src/rats/index.js'
import type { Transport } from '../attestation/engine.js'
import { bareKeys, connect, type EndOptions, type Pair, settle } from '../attestation/support.js'
import { draft08 } from '../support/draft08.js'
import { attesterOf, NOON, newKey, verifierOf } from '../support/simulated.js'

/*
 * Where an attack is played: a profile, a transport, and the honest ends of a connection under them. All is real but
 * the TEE: Evidence is signed by a simulated platform that the attacker cannot make sign what it likes, and is appraised
 * by the embedded Verifier. What the attacker has stolen it has as an object.
 */

/** AO: draft08, attestation-only. CA: draft08, Evidence beside X.509. PP: draft08, results beside X.509. EX: expat, by
 *  authenticators that the application carries. H1: hardened. */
export const PROFILES = ['AO', 'CA', 'PP', 'EX', 'H1'] as const
export type ProfileName = (typeof PROFILES)[number]

export const TRANSPORTS: readonly Transport[] = ['tls', 'dtls']

/** Which sides attest. */
export type Attesting = 'server' | 'client' | 'both'

type Changes = Omit<Partial<EndOptions>, 'attestation'>

export class Stage {
  readonly profile: ProfileName
  readonly transport: Transport

  constructor(profile: ProfileName, transport: Transport) {
    this.profile = profile
    this.transport = transport
  }

  get isHardened(): boolean {
    return this.profile === 'H1'
  }

  /** The level that a sound connection of this profile reports. */
  get level(): number {
    return { AO: 1, CA: 2, PP: 1, EX: 3, H1: 3 }[this.profile]
  }

  /** One honest end. */
  end(
    side: 'client' | 'server',
    attesting: Attesting,
    attestation: Partial<AttestationOptions> = {},
    changes: Changes = {},
  ) {
    const attests = attesting === 'both' || attesting === side
    const demands = attesting === 'both' || attesting !== side
    const end: EndOptions = {
      transport: this.transport,
      now: NOON,
      // Under AO whoever attests has nothing else.
      hasCertificate: this.profile === 'AO' ? side === 'server' && !attests : side === 'server' || attests,
      ...changes,
      attestation: {
        ...(this.isHardened ? { profile: 'hardened' } : draft08),
        ...(attests && this.#proof(side)),
        ...(demands && this.#demand()),
        ...attestation,
      },
    }
    return end
  }

  /** The server that attests. */
  server(attestation: Partial<AttestationOptions> = {}, changes: Changes = {}): EndOptions {
    return this.end('server', 'server', attestation, changes)
  }

  /** The client that is to be deceived: it demands that the server attests. */
  client(attestation: Partial<AttestationOptions> = {}, changes: Changes = {}): EndOptions {
    return this.end('client', 'server', attestation, changes)
  }

  /** The attacker's server: it has the honest one's keys, and Evidence or results from wherever it can get them. */
  impostor(source: Source, changes: Changes = {}): EndOptions {
    return this.server(this.proofBy(source), changes)
  }

  /** Options of a side whose Evidence, or results, come from the attacker. */
  proofBy(source: Source): Partial<AttestationOptions> {
    return this.profile === 'PP' ? { presenter: puppetPresenter(source) } : { attester: puppet(source) }
  }

  /** Options of an honest side on another machine. */
  proofOf(attester: Attester): Partial<AttestationOptions> {
    return this.profile === 'PP' ? { presenter: presenterOf(attester) } : { attester }
  }

  /** Honest Evidence or results for a key, as whoever the attacker asks would give them. */
  honestSource(attester: Attester = attesterOf()): Source {
    if (this.profile !== 'PP') return request => attester.evidence(request)
    const honest = presenterOf(attester)
    return ({ key, signal }) => honest.results({ verifier: ISSUER, key, signal })
  }

  /** The Verifier of an honest side. */
  verifier(): Verifier {
    return this.profile === 'PP' ? takingResults() : verifierOf()
  }

  /** A server that has results, whatever this profile is. */
  resultsServer(): EndOptions {
    return new Stage('PP', this.transport).server()
  }

  async connect(client: EndOptions, server: EndOptions, onStall?: (pair: Pair) => void): Promise<Pair> {
    const pair = await connect(client, server, onStall)
    if (this.transport === 'dtls') await this.#sayAgain(pair)
    return pair
  }

  /** A datagram that comes before the peer is ready is dropped; whoever sent it sends it again. */
  async #sayAgain(pair: Pair): Promise<void> {
    const { client, server } = pair
    if (client.connection.state !== 'open' || server.connection.state !== 'open') return
    if (server.data === '') client.connection.write(utf8('data of the client'))
    if (client.data === '') server.connection.write(utf8('data of the server'))
    await settle(pair)
  }

  settle(pair: Pair): Promise<void> {
    return settle(pair)
  }

  #proof(side: 'client' | 'server'): Partial<AttestationOptions> {
    if (this.profile === 'PP') return { presenter: presenterOf(attesterOf()) }
    return {
      attester: attesterOf(),
      ...(this.profile === 'AO' && { identityKey: bareKeys[side], ownCredentials: ['attestation-only'] }),
    }
  }

  #demand(): Partial<AttestationOptions> {
    const verifier = this.verifier()
    if (this.profile === 'PP') return { verifier, models: ['passport'] }
    return {
      verifier,
      ...(this.profile === 'AO' && { peerCredentials: ['attestation-only'], expectedIdentity: ANYBODY }),
    }
  }
}

/** Where somebody has to be expected, and nobody in particular is: what all machines of these tests say. */
export const ANYBODY = { claims: { debug: false } } as const

/** Where an attacker has its Evidence, or its results, from.
 *  @param index which request of this connection it is, from 0 */
export type Source = (request: EvidenceRequest, index: number) => Cmw | Promise<Cmw>

/** An Attester of the attacker's: what it gives comes from elsewhere. */
export function puppet(source: Source): Attester {
  const inner = attesterOf()
  let count = 0
  return {
    evidenceTypes: inner.evidenceTypes,
    challengeLength: type => inner.challengeLength(type),
    speaksForKey: type => inner.speaksForKey(type),
    evidence: async request => source(request, count++),
  }
}

function puppetPresenter(source: Source): Presenter {
  let count = 0
  return {
    verifiers: [ISSUER],
    results: async ({ key, signal }) => source({ type: '', challenge: new Uint8Array(), key, signal }, count++),
  }
}

/* The Verifier whose results are taken under PP. */
export const resultsPrivateKey = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
const resultsKey = signingKey(resultsPrivateKey)
export const ISSUER = utf8('results.test')

/** @param signer who signs the results: the Verifier that is trusted, or somebody else under its name */
export function presenterOf(attester: Attester, signer: 'trusted' | 'stranger' = 'trusted') {
  const issuing = verifierOf({ signingKey: signer === 'trusted' ? resultsKey : newKey(), identity: 'results.test' })
  return presenter({ attester, verifiers: [issuing], now: () => NOON })
}

export function takingResults(now: () => number = () => NOON): Verifier {
  return verifierOf({ issuers: [{ identity: ISSUER, keys: [resultsKey.publicKey] }], now })
}
