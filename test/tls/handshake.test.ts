import assert from 'node:assert/strict'
import test, { describe } from 'node:test'
import { utf8 } from '#src/bytes/index.js'
import { NamedGroup } from '#src/crypto/index.js'
import { CipherSuite } from '#src/handshake/index.js'
import { always, connectedPair, credentialFor, inPieces } from '../support/pair.js'

describe('a full handshake', () => {
  test('authenticates the server and agrees on keys', async () => {
    const { client, server } = await connectedPair()
    assert.equal(client.established.suite.name, 'TLS_AES_128_GCM_SHA256')
    assert.equal(client.established.group, NamedGroup.x25519)
    assert.equal(client.established.isResumed, false)
    assert.equal(client.established.isRetried, false)
    assert.equal(server.established.serverName, 'localhost')
    assert.equal(server.established.peer, undefined)
    assert.deepEqual(client.established.peer?.chain, [credentialFor('localhost').entries[0]?.data])
    assert.deepEqual(client.established.transcriptHash, server.established.transcriptHash)
    assert.deepEqual(
      client.keyLog,
      [...client.keyLog].filter(line => server.keyLog.includes(line)),
    )
    assert.equal(client.keyLog.length, 5)
    const context = utf8('context')
    assert.deepEqual(
      client.connection.exportKeyingMaterial('EXPORTER-test', context, 80),
      server.connection.exportKeyingMaterial('EXPORTER-test', context, 80),
    )
  })

  test('carries data both ways', async () => {
    const pair = await connectedPair()
    pair.client.connection.write(utf8('ping'))
    pair.server.connection.write(utf8('pong'))
    pair.move()
    assert.equal(Buffer.from(pair.server.received).toString(), 'ping')
    assert.equal(Buffer.from(pair.client.received).toString(), 'pong')
  })

  for (const suite of Object.values(CipherSuite)) {
    for (const group of Object.values(NamedGroup)) {
      test(`works with suite ${suite.toString(16)} and group ${group.toString(16)}, in single bytes`, async () => {
        const { client, server } = await connectedPair({
          client: { cipherSuites: [suite], groups: [group], keyShareGroups: [group] },
          link: inPieces(1),
        })
        assert.equal(server.established.suite.id, suite)
        assert.equal(client.established.group, group)
      })
    }
  }

  for (const key of ['p256', 'p384', 'p521', 'ed25519', 'ed448', 'rsa2048', 'rsa-pss2048'] as const) {
    test(`authenticates both sides with a key of type ${key}`, async () => {
      const { client, server } = await connectedPair({
        client: { credentials: always(credentialFor('client', key)) },
        server: { credentials: always(credentialFor('localhost', key)), clientAuthentication: 'required' },
      })
      assert.deepEqual(server.established.peer?.chain, [credentialFor('client', key).entries[0]?.data])
      assert.deepEqual(client.established.peer?.chain, [credentialFor('localhost', key).entries[0]?.data])
    })
  }

  test('needs a second ClientHello if the server wants another group', async () => {
    const { client, server } = await connectedPair({
      client: { groups: [NamedGroup.x25519, NamedGroup.secp256r1], keyShareGroups: [NamedGroup.x25519] },
      server: { groups: [NamedGroup.secp256r1] },
    })
    assert.ok(client.established.isRetried)
    assert.ok(server.established.isRetried)
    assert.equal(client.established.group, NamedGroup.secp256r1)
  })
})
