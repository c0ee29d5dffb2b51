import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { AdmissionRequest } from '#src/attestation/index.js'
import { Quotes } from '#src/attestation/quotes.js'
import type { EvidenceRequest } from '#src/rats/index.js'
import { SlowAttester, turns } from './slow-attester.js'
import { bareKeys, connect, FakeAttester, FakeVerifier, TEST_EVIDENCE } from './support.js'

const request = (signal = new AbortController().signal): EvidenceRequest => ({
  type: TEST_EVIDENCE,
  challenge: new Uint8Array(32).fill(1),
  key: { spki: new Uint8Array(1), id: new Uint8Array(32) },
  signal,
})

describe('the turns at an Attester', () => {
  test('are so many at a time, in the order in which they were asked for', async () => {
    const attester = new SlowAttester()
    const quotes = Quotes.of(attester)
    const all = [request(), request(), request(), request()]
    const made = Promise.allSettled(all.map(each => quotes.evidence(each, { concurrent: 2, waiting: 9 })))
    await turns()
    assert.deepEqual(
      attester.pending.map(({ request }) => request),
      all.slice(0, 2),
    )
    assert.equal(quotes.pending, 4)
    await attester.pending[1]?.settle()
    assert.deepEqual(
      attester.pending.map(({ request }) => request),
      all.slice(0, 3),
    )
    await attester.pending[0]?.settle(new Error('broken'))
    assert.deepEqual(
      attester.pending.map(({ request }) => request),
      all,
    )
    await Promise.all(attester.pending.map(({ settle }) => settle()))
    assert.deepEqual(
      (await made).map(({ status }) => status),
      ['rejected', 'fulfilled', 'fulfilled', 'fulfilled'],
    )
    assert.equal(quotes.pending, 0)
  })

  test('are the same for all who use that Attester', () => {
    const attester = new SlowAttester()
    assert.equal(Quotes.of(attester), Quotes.of(attester))
    assert.notEqual(Quotes.of(attester), Quotes.of(new SlowAttester()))
  })

  test('are waited for by so many and no more', async () => {
    const quotes = Quotes.of(new SlowAttester())
    const limits = { concurrent: 1, waiting: 1 }
    quotes.evidence(request(), limits)
    quotes.evidence(request(), limits)
    await assert.rejects(quotes.evidence(request(), limits), {
      code: 'ERR_ATTESTATION_ATTESTER_BUSY',
      message: /2 pieces/,
    })
    assert.equal(quotes.pending, 2)
  })

  test('are given up by those who no longer wait, and held by those who were begun for', async () => {
    const attester = new SlowAttester()
    const quotes = Quotes.of(attester)
    const limits = { concurrent: 1, waiting: 1 }
    const [first, second] = [new AbortController(), new AbortController()]
    const running = quotes.evidence(request(first.signal), limits)
    const waiting = quotes.evidence(request(second.signal), limits)
    second.abort(new Error('gone'))
    await assert.rejects(waiting, /gone/)
    first.abort(new Error('gone too'))
    const next = quotes.evidence(request(), limits)
    await turns()
    assert.equal(attester.pending.length, 1)
    await attester.pending[0]?.settle()
    assert.equal(attester.pending.length, 2)
    await attester.pending[1]?.settle()
    await Promise.all([running, next])
    assert.equal(quotes.pending, 0)
  })
})

describe('a side that attests', () => {
  const client = { attestation: { verifier: new FakeVerifier() } }

  test('refuses who comes when too many wait for Evidence, and takes them again afterwards', async () => {
    const attester = new SlowAttester()
    const attestation = { attester, quotes: { concurrent: 1, waiting: 0 } }
    const held = Quotes.of(attester).evidence(request(), { concurrent: 1, waiting: 0 })
    const refused = await connect(client, { attestation })
    assert.equal(codeOf(refused.server.error), 'ERR_ATTESTATION_ATTESTER_BUSY')
    assert.equal(refused.client.isEstablished, false)
    await attester.pending[0]?.settle()
    await held
    const pair = await connect(client, { attestation }, () => void attester.pending.at(-1)?.settle())
    assert.equal(pair.client.status?.isAttested, true)
  })

  test('waits for the same turns under every profile', async () => {
    const attester = new SlowAttester()
    Quotes.of(attester).evidence(request(), { concurrent: 1, waiting: 0 })
    for (const profile of [{}, { profile: 'hardened' }] as const) {
      const demanding = { attestation: { ...profile, verifier: new FakeVerifier() } }
      const attestation = { ...profile, attester, quotes: { concurrent: 1, waiting: 0 } }
      const { server } = await connect(demanding, { attestation })
      assert.equal(codeOf(server.error), 'ERR_ATTESTATION_ATTESTER_BUSY')
    }
  })

  test('waits for its turn no longer than for the Evidence', async () => {
    const attester = new SlowAttester()
    Quotes.of(attester).evidence(request(), { concurrent: 1, waiting: 0 })
    const attestation = { attester, quotes: { concurrent: 1 } }
    const { server } = await connect(client, { attestation }, ({ server }) => server.timers.fire())
    assert.equal(codeOf(server.error), 'ERR_ATTESTATION_TIMEOUT')
    assert.equal(Quotes.of(attester).pending, 1)
  })

  test('has no Evidence made for a peer that it does not admit', async () => {
    const attester = new FakeAttester()
    const asked: AdmissionRequest[] = []
    const admit = (peer: AdmissionRequest) => {
      asked.push(peer)
      return false
    }
    const pair = await connect(client, { attestation: { attester, admit } })
    assert.equal(codeOf(pair.server.error), 'ERR_ATTESTATION_NOT_ADMITTED')
    assert.equal(pair.client.isEstablished, false)
    assert.deepEqual(attester.asked, [])
    assert.deepEqual(asked, [
      {
        remoteAddress: undefined,
        serverName: 'localhost',
        evidenceType: TEST_EVIDENCE,
        credential: 'x509',
        pending: 0,
      },
    ])
  })

  test('decides as a client too whom to admit', async () => {
    const attester = new FakeAttester()
    const own = {
      attester,
      identityKey: bareKeys.client,
      admit: ({ serverName }: AdmissionRequest) => serverName === 'b.test',
    }
    const demanding = { attestation: { verifier: new FakeVerifier(), peerCredentials: ['attestation-only'] as const } }
    const refused = await connect({ attestation: own }, demanding)
    assert.equal(codeOf(refused.client.error), 'ERR_ATTESTATION_NOT_ADMITTED')
    assert.deepEqual(attester.asked, [])
  })
})

function codeOf(error: Error | undefined): unknown {
  return error && 'code' in error ? error.code : undefined
}
