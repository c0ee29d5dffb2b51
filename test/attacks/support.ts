import assert from 'node:assert/strict'
import { RequestContext } from '#src/attestation/hardened/bytes.js'
import { ControlKind, ControlMessage } from '#src/attestation/hardened/control-message.js'
import type { AttestationOptions } from '#src/attestation/index.js'
import { decode } from '#src/bytes/index.js'
import { systemEntropy } from '#src/crypto/index.js'
import type { ControlSession, Plug } from '#src/handshake/index.js'
import type { AttestationResult, Attester, Cmw, EvidenceRequest, Verifier } from '#src/rats/index.js'
import { alterSession } from '../attestation/hardened/support.js'
import { bareKeys, connect, type EndOptions, type Pair } from '../attestation/support.js'
import { draft08 } from '../support/draft08.js'
import { alertOf } from '../support/pair.js'
import { attesterOf, NOON, verifierOf } from '../support/simulated.js'

/*
 * The attacker's tools. All is real but the TEE: Evidence is signed by a simulated platform that the attacker cannot
 * make sign what it likes, and checked by the embedded Verifier. What the attacker has stolen it has as an object.
 */

/** The profiles of the table, as far as they exist. AO: draft08, attestation-only. CA: draft08, beside X.509. H1:
 *  hardened. */
export type Mode = 'AO' | 'CA' | 'H1'

function profileOf(mode: Mode): AttestationOptions {
  return mode === 'H1' ? { profile: 'hardened' } : draft08
}

/** Where somebody has to be expected, and nobody in particular is: what all machines of these tests say. */
const ANY_SHOP = { claims: { debug: false } } as const

/** The honest server of a mode: it attests. */
export function honestServer(mode: Mode, attester: Attester = attesterOf()): EndOptions {
  return {
    hasCertificate: mode !== 'AO',
    now: NOON,
    attestation: {
      ...profileOf(mode),
      attester,
      ...(mode === 'AO' && { identityKey: bareKeys.server, ownCredentials: ['attestation-only'] }),
    },
  }
}

/** The client that is to be deceived: it demands that the server attests. */
export function victim(mode: Mode, changes: Partial<AttestationOptions> = {}): EndOptions {
  return {
    now: NOON,
    attestation: {
      ...profileOf(mode),
      verifier: verifierOf(),
      ...(mode === 'AO' && { peerCredentials: ['attestation-only'], expectedIdentity: ANY_SHOP }),
      ...changes,
    },
  }
}

/** Nothing of the attack is left: the honest pair gets on. */
export async function assertControl(client: EndOptions, server: EndOptions): Promise<Pair> {
  const pair = await connect(client, server)
  assert.equal(pair.client.error, undefined, `control: ${pair.client.error?.message}`)
  assert.equal(pair.server.error, undefined, `control: ${pair.server.error?.message}`)
  assert.equal(pair.client.data, 'data of the server')
  assert.equal(pair.server.data, 'data of the client')
  return pair
}

/** The victim refuses with this code, and has given away and believed nothing. */
export function assertRefused(pair: Pair, by: 'client' | 'server', code: string | undefined, alert?: string): void {
  const { error, data } = pair[by]
  assert.ok(error, 'the attack worked')
  if (code !== undefined) assert.equal('code' in error && error.code, code, error.message)
  if (alert !== undefined) assert.equal(alertOf(error), alert)
  assert.equal(data, '')
  const other = by === 'client' ? 'server' : 'client'
  assert.equal(pair[other].data, '')
  assert.equal(pair[by].status?.isAttested, false)
}

/** The attack works, as is known, and the connection says how little its attestation is worth. */
export function assertWorks(pair: Pair, bindingLevel: number): void {
  assert.equal(pair.client.error, undefined, pair.client.error?.message)
  assert.equal(pair.server.data, 'data of the client')
  assert.equal(pair.client.status?.isAttested, true)
  assert.equal(pair.client.status?.bindingLevel, bindingLevel)
}

/** A Verifier of the attacker's: it says yes, and keeps what it is shown.
 *  @param nonces what it gives out, one after the other; at random when they are used up */
export function collector(nonces: Uint8Array[] = []) {
  const collected: Cmw[] = []
  const inner = verifierOf()
  const verifier: Verifier = {
    identity: inner.identity,
    evidenceTypes: inner.evidenceTypes,
    policyDigest: 'everything',
    challengeLength: type => inner.challengeLength(type),
    checkResults: submission => inner.checkResults(submission),
    async newSession() {
      return {
        nonce: nonces.shift() ?? systemEntropy.bytes(32),
        async appraise({ message, challenge, key }): Promise<AttestationResult> {
          collected.push(message)
          return {
            status: 'affirming',
            isAccepted: true,
            submodules: {},
            attestedKey: key?.spki ?? bareKeys.server.publicKey.spki,
            challenge,
            issuedAt: 0,
            expiresAt: null,
            checks: [],
            isSimulated: true,
            token: null,
          }
        },
      }
    },
  }
  return { verifier, collected }
}

/** An attester of the attacker's: what it gives comes from elsewhere.
 *  @param source is told which request of this connection it is, from 0 */
export function puppet(source: (request: EvidenceRequest, index: number) => Cmw | Promise<Cmw>): Attester {
  const inner = attesterOf()
  let count = 0
  return {
    evidenceTypes: inner.evidenceTypes,
    challengeLength: type => inner.challengeLength(type),
    evidence: async request => source(request, count++),
  }
}

/** The nonces of a Verifier as they pass over the wire, where anybody can see them. */
export function watched(verifier = verifierOf()) {
  const nonces: Uint8Array[] = []
  const seen: Verifier = {
    identity: verifier.identity,
    evidenceTypes: verifier.evidenceTypes,
    policyDigest: verifier.policyDigest,
    challengeLength: type => verifier.challengeLength(type),
    checkResults: submission => verifier.checkResults(submission),
    async newSession(options) {
      const session = await verifier.newSession(options)
      nonces.push(session.nonce)
      return session
    },
  }
  return { verifier: seen, nonces }
}

/** Goes to the honest server as a client and has it attest, with nonces of the attacker's choice.
 *  @param random of the request after the handshake, so that it is byte for byte that of somebody else
 *  @returns its Evidence, in the handshake and after it */
export async function fetchEvidence(
  mode: Mode,
  server: EndOptions,
  nonces: readonly Uint8Array[],
  random?: Uint8Array,
): Promise<readonly Cmw[]> {
  const { verifier, collected } = collector(nonces.map(nonce => Uint8Array.from(nonce)))
  const client = victim(mode, { verifier })
  await connect(
    random ? { ...client, alterPlug: alterSession(session => withRandom(session, random)) } : client,
    server,
  )
  return collected
}

function withRandom(session: ControlSession, random: Uint8Array): ControlSession {
  const entropy = { ...session.entropy, bytes: (length: number) => random.slice(0, length) }
  return { ...session, entropy }
}

/** What a plug is shown after the handshake, as it comes. */
export function overhearing(plug: Plug, requests: { random: Uint8Array; nonce: Uint8Array }[]): Plug {
  return {
    ...plug,
    observe(direction, { type, body }) {
      if (direction !== 'received' || type !== 248) return
      const message = decode(ControlMessage, body)
      if (message.kind !== ControlKind.request) return
      const context = message.body.subarray(5, 5 + (message.body[4] ?? 0))
      const { random, verifierNonce } = decode(RequestContext, context)
      requests.push({ random: Uint8Array.from(random), nonce: Uint8Array.from(verifierNonce) })
    },
  }
}

/** A Verifier whose verdicts, or nonces, are changed. */
export function changedVerifier(
  change: (result: AttestationResult) => AttestationResult | Promise<AttestationResult>,
  nonce?: () => Uint8Array,
): Verifier {
  const verifier = verifierOf()
  return {
    identity: verifier.identity,
    evidenceTypes: verifier.evidenceTypes,
    policyDigest: verifier.policyDigest,
    challengeLength: type => verifier.challengeLength(type),
    checkResults: submission => verifier.checkResults(submission),
    async newSession(options) {
      const session = await verifier.newSession(options)
      return {
        nonce: nonce?.() ?? session.nonce,
        appraise: async submission => change(await session.appraise(submission)),
      }
    },
  }
}
