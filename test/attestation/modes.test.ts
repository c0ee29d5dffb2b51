import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type Case, cases, checkOwn, checkPeer, needsCertificate, optionsFor } from './cases.js'
import { connect, type EndOptions, type Side } from './support.js'

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
      checkPeer(client.status, subject.server)
      checkPeer(server.status, subject.client)
      checkOwn(client.status, subject.client)
      checkOwn(server.status, subject.server)
    })
  }
})
