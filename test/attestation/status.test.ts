import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { TraceEvent } from '#src/attestation/index.js'
import { hex } from '#src/bytes/index.js'
import { bareKeys, connect, FakeAttester, FakePresenter, FakeVerifier, TEST_EVIDENCE } from './support.js'

/** Background check one way, passport the other: everything that there is to see. */
async function mixed(trace: { client?: (event: TraceEvent) => void; server?: (event: TraceEvent) => void } = {}) {
  return connect(
    {
      attestation: {
        verifier: new FakeVerifier(),
        presenter: new FakePresenter(),
        identityKey: bareKeys.client,
        ...(trace.client && { trace: trace.client }),
      },
    },
    {
      attestation: {
        verifier: new FakeVerifier(),
        attester: new FakeAttester(),
        peerCredentials: ['attestation-only'],
        ...(trace.server && { trace: trace.server }),
      },
    },
  )
}

describe('the status of a connection', () => {
  test('goes into JSON as it is', async () => {
    const { client, server } = await mixed()
    const told = JSON.parse(JSON.stringify(client.status))
    assert.equal(told.profile, 'draft08')
    assert.equal(told.isAttested, true)
    assert.equal(told.bindingLevel, 2)
    assert.deepEqual(told.peer.negotiated, {
      model: 'background-check',
      credential: 'x509',
      evidenceType: TEST_EVIDENCE,
      verifier: null,
    })
    assert.match(told.peer.result.attestedKey, /^3059/)
    assert.deepEqual(told.own, {
      negotiated: {
        model: 'passport',
        credential: 'attestation-only',
        evidenceType: null,
        verifier: hex(Buffer.from('verifier.test')),
      },
      isPresented: true,
      bindingLevel: 1,
    })
    assert.equal(JSON.parse(JSON.stringify(server.status)).bindingLevel, 1)
  })
})

describe('the trace', () => {
  test('tells each message as it passes, with what it says about attestation', async () => {
    const events: { readonly [side in 'client' | 'server']: TraceEvent[] } = { client: [], server: [] }
    await mixed({ client: event => events.client.push(event), server: event => events.server.push(event) })
    const lines = events.client.map(({ direction, message, fields }) => [
      direction,
      message,
      ...fields.map(({ name, values }) => [name, ...values.map(value => value.replace(/\d+ bytes/g, 'n bytes'))]),
    ])
    assert.deepEqual(lines, [
      [
        'sent',
        'client_hello',
        ['evidence_request', `${TEST_EVIDENCE} beside X.509`, 'nonce of n bytes'],
        ['results_request', 'verifier.test'],
        ['results_proposal', 'verifier.test'],
      ],
      ['received', 'server_hello'],
      [
        'received',
        'encrypted_extensions',
        ['evidence_request', `${TEST_EVIDENCE} beside X.509`],
        ['results_proposal', 'verifier.test'],
      ],
      ['received', 'certificate_request'],
      ['received', 'certificate', ['attestation_evidence', 'Evidence beside a certificate, n bytes', TEST_EVIDENCE]],
      ['received', 'certificate_verify'],
      ['received', 'finished'],
      [
        'sent',
        'certificate',
        ['attestation', 'Attestation Results in place of a certificate, n bytes', 'application/eat+jwt'],
      ],
      ['sent', 'certificate_verify'],
      ['sent', 'finished'],
    ])
    const mirrored = events.server.map(event => ({
      ...event,
      direction: event.direction === 'sent' ? 'received' : 'sent',
    }))
    assert.deepEqual(mirrored, events.client)
    assert.ok(events.client.every(({ length }) => length >= 36))
  })

  test('holds no nonce and no key', async () => {
    const events: TraceEvent[] = []
    const { client } = await mixed({ client: event => events.push(event) })
    const told = JSON.stringify(events)
    assert.ok(client.status?.isAttested)
    assert.doesNotMatch(told, /[0-9a-f]{16}/)
  })
})
