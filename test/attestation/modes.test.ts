import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type Case, cases, needsCertificate, optionsFor } from './cases.js'
import { connect, type End, type EndOptions, type Side } from './support.js'

const ends = (subject: Case, side: Side): EndOptions => ({
  attestation: optionsFor(subject, side),
  hasCertificate: needsCertificate(subject, side),
})

describe('all combinations of draft-fossati-tls-attestation-08 §1 over TLS 1.3 (R-B8)', () => {
  for (const subject of cases) {
    test(subject.name, async () => {
      const { client, server } = await connect(ends(subject, 'client'), ends(subject, 'server'))
      assert.equal(client.error, undefined)
      assert.equal(server.error, undefined)
      assert.equal(client.data, 'data of the server')
      assert.equal(server.data, 'data of the client')
      checkView(client, subject.server)
      checkView(server, subject.client)
      checkOwn(client, subject.client)
      checkOwn(server, subject.server)
    })
  }
})

function checkView({ status }: End, peer: Case['client']): void {
  assert.equal(status?.isAttested, peer !== undefined)
  assert.equal(status?.peer.negotiated?.model, peer?.model)
  assert.equal(status?.peer.negotiated?.credential, peer?.credential)
  assert.equal(status?.bindingLevel, levelOf(peer))
  assert.equal(status?.isSimulated, peer !== undefined)
  assert.deepEqual(status?.claims, peer ? { simulated: { measurement: 'good', place: 'lab' } } : {})
}

function checkOwn({ status }: End, own: Case['client']): void {
  assert.equal(status?.own.isPresented, own !== undefined)
  assert.equal(status?.own.negotiated?.model, own?.model)
  assert.equal(status?.own.bindingLevel, levelOf(own))
}

function levelOf(way: Case['client']): number {
  if (!way) return 0
  return way.model === 'background-check' && way.credential === 'x509' ? 2 : 1
}
