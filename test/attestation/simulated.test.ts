import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { AttestationError, type AttestationOptions } from '#src/attestation/index.js'
import { measured, presenter } from '#src/attester/index.js'
import { utf8 } from '#src/bytes/index.js'
import { AlertDescription } from '#src/handshake/index.js'
import type { Attester, Presenter, Verifier } from '#src/rats/index.js'
import { attesterOf, NOON, newKey, verifierOf } from '../support/simulated.js'
import { type Case, cases, needsCertificate } from './cases.js'
import { alterProof, assertRefused } from './hostile.js'
import { bareKeys, connect, type EndOptions, type Side } from './support.js'

/*
 * The same cases with tokens that are signed, a chain of certificates, a policy, and results (EAR) of a Verifier with
 * a key: all but the TEE is real.
 */

const resultsKey = newKey()
const issuing = () => verifierOf({ signingKey: resultsKey, identity: 'results.test' })
const taking = () => verifierOf({ issuers: [{ identity: utf8('results.test'), keys: [resultsKey.publicKey] }] })

const makers: {
  readonly attester: () => Attester
  readonly presenter: () => Presenter
  readonly verifier: () => Verifier
} = {
  attester: attesterOf,
  presenter: () => presenter({ attester: attesterOf(), verifiers: [issuing()], now: () => NOON }),
  verifier: taking,
}

function endOf(subject: Case, side: Side, attester = makers.attester): EndOptions {
  const own = subject[side]
  const peer = subject[side === 'client' ? 'server' : 'client']
  const options: Omit<AttestationOptions, 'profile'> = {
    ...(own && {
      ...(own.model === 'passport' ? { presenter: makers.presenter() } : { attester: attester() }),
      ownCredentials: [own.credential],
      ...(own.credential === 'attestation-only' && { identityKey: bareKeys[side] }),
    }),
    ...(peer && {
      verifier: makers.verifier(),
      peerCredentials: [peer.credential],
      ...(peer.credential === 'attestation-only' && { expectedIdentity: { claims: { debug: false } } }),
      models: [peer.model, ...(own && own.model !== peer.model ? [own.model] : [])],
    }),
  }
  return { attestation: options, hasCertificate: needsCertificate(subject, side), now: NOON }
}

describe('the simulated attester and the embedded Verifier', () => {
  for (const subject of cases) {
    test(subject.name, async () => {
      const { client, server } = await connect(endOf(subject, 'client'), endOf(subject, 'server'))
      assert.equal(client.error, undefined, client.error?.message)
      assert.equal(server.error, undefined, server.error?.message)
      assert.equal(client.data, 'data of the server')
      assert.equal(server.data, 'data of the client')
      for (const [end, peer] of [
        [client, subject.server],
        [server, subject.client],
      ] as const) {
        assert.equal(end.status?.isAttested, peer !== undefined)
        assert.equal(end.status?.isSimulated, peer !== undefined)
        assert.equal(end.status?.peer.negotiated?.model, peer?.model)
        assert.equal(end.status?.peer.result?.isAccepted, peer && true)
      }
    })
  }

  for (const side of ['client', 'server'] as const) {
    test(`refuses a ${side} whose workload is another, and says what was measured and what was expected`, async () => {
      const subject: Case = {
        name: 'tampered',
        client: side === 'client' ? { model: 'background-check', credential: 'x509' } : undefined,
        server: side === 'server' ? { model: 'background-check', credential: 'x509' } : undefined,
      }
      const tampered = () =>
        attesterOf({ components: [measured('workload', utf8('a shop with a back door'), '1.4.2')] })
      const pair = await connect(endOf(subject, 'client', tampered), endOf(subject, 'server', tampered))
      const by = side === 'client' ? 'server' : 'client'
      assertRefused(pair, by, 'ERR_ATTESTATION_REFUSED', AlertDescription.access_denied)
      const { error } = pair[by]
      assert.ok(error instanceof AttestationError)
      const [failed] = error.checks
      assert.ok(failed)
      assert.ok(error.message.includes(failed.expected) && error.message.includes(failed.actual), error.message)
      assert.match(error.message, /workload/)
    })
  }

  for (const side of ['client', 'server'] as const) {
    test(`refuses a ${side} whose Evidence is changed in one place or cut, and never for a fault of its own`, async () => {
      const way = { model: 'background-check', credential: 'attestation-only' } as const
      const subject: Case = {
        name: 'changed',
        client: side === 'client' ? way : undefined,
        server: side === 'server' ? way : undefined,
      }
      const by = side === 'client' ? 'server' : 'client'
      const codes = new Set<unknown>()
      let length = 1
      for (let at = 0; at < length; at += 23) {
        for (const change of [flipped, cut]) {
          const alterPlug = alterProof(credential => {
            const [entry] = credential.entries
            assert.ok(entry)
            length = entry.data.length
            return { ...credential, entries: [{ ...entry, data: change(entry.data, at) }] }
          })
          const ends = { client: endOf(subject, 'client'), server: endOf(subject, 'server') }
          const attesting = { ...ends[side], alterPlug }
          const pair = await (side === 'client' ? connect(attesting, ends.server) : connect(ends.client, attesting))
          const { error } = pair[by]
          // An empty one has no place in the Certificate message at all.
          const code = error && 'code' in error ? String(error.code) : ''
          codes.add(code)
          if (at > 0) assert.ok(REFUSALS.includes(code), `${change.name} at ${at}: ${code} ${error?.message}`)
          assert.equal(pair.client.data, '')
          assert.equal(pair.server.data, '')
        }
      }
      assert.ok(codes.has('ERR_ATTESTATION_REFUSED') && codes.has('ERR_ATTESTATION_MALFORMED'), [...codes].join())
    })
  }
})

/** What a peer is told whose Evidence is not what it should be. */
const REFUSALS = [
  'ERR_ATTESTATION_MALFORMED',
  'ERR_ATTESTATION_WRONG_TYPE',
  'ERR_ATTESTATION_NOT_APPRAISED',
  'ERR_ATTESTATION_REFUSED',
]

function flipped(data: Uint8Array, at: number): Uint8Array {
  return data.map((byte, i) => (i === at ? byte ^ 0x40 : byte))
}

function cut(data: Uint8Array, at: number): Uint8Array {
  return data.subarray(0, at)
}
