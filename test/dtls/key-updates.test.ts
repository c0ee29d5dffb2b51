import assert from 'node:assert/strict'
import test, { describe } from 'node:test'
import { ContentType } from '#src/dtls/record.js'
import { HandshakeType } from '#src/handshake/index.js'
import { connectedDatagramPair, type DatagramEnd } from '../support/datagram-pair.js'
import { forge, recordsFrom } from '../support/dtls-records.js'
import { alertOf } from '../support/pair.js'

describe('keys are updated', () => {
  test('when asked for, on both sides, and old ones still open what was overtaken', async () => {
    const pair = await connectedDatagramPair({ network: { seed: 3, reordering: 0.5 } })
    for (let i = 0; i < 5; i++) {
      pair.client.connection.updateKeys(true, pair.now)
      for (let j = 0; j < 4; j++) pair.write('client', `${i} ${j}`)
      await pair.settle()
      pair.write('server', `${i}`)
    }
    await pair.settle()
    assert.equal(pair.server.messages.length, 20)
    assert.equal(pair.client.messages.length, 5)
  })

  test('only once the peer has acknowledged it, however often it is lost', async () => {
    const pair = await connectedDatagramPair()
    pair.network = { loss: 1 }
    pair.client.connection.updateKeys(false, pair.now)
    await assert.rejects(pair.settle(3000))
    const before = pair.client.sent.at(-1)?.datagram[0]
    pair.write('client', 'old keys')
    pair.network = { loss: 0 }
    await pair.settle()
    pair.write('client', 'new keys')
    await pair.settle()
    assert.deepEqual(pair.server.messages, ['old keys', 'new keys'])
    assert.equal(Number(before) & 3, 3)
    // Epoch 4.
    assert.equal(Number(pair.client.sent.at(-1)?.datagram[0]) & 3, 0)
  })

  test('by themselves, when they have protected enough records', async () => {
    const pair = await connectedDatagramPair({ clientDatagrams: { recordsPerKey: 8 } })
    for (let i = 0; i < 100; i++) {
      pair.write('client', `${i}`)
      await pair.settle()
    }
    assert.equal(pair.server.messages.length, 100)
    assert.ok(Number(pair.client.sent.at(-1)?.datagram[0]) >= 0)
    const epochs = new Set(pair.client.sent.map(({ datagram }) => datagram[0] & 3))
    assert.equal(epochs.size, 4)
  })

  const id = new Uint8Array(4).fill(9)
  const withIds = {
    clientDatagrams: { connectionId: new Uint8Array(0) },
    serverDatagrams: { connectionId: id, newConnectionId: () => new Uint8Array(4).fill(8) },
  }

  test('after everything before has been acknowledged', async () => {
    const pair = await connectedDatagramPair(withIds)
    const { connection } = pair.client
    pair.network = { loss: 1 }
    const before = pair.client.sent.length
    connection.requestConnectionIds(1, pair.now)
    connection.updateKeys(false, pair.now)
    await assert.rejects(pair.settle(500))
    assert.equal(pair.client.sent.length, before + 1, 'the request alone')
    pair.network = {}
    await pair.settle()
    assert.deepEqual(messagesFrom(pair.client, id), [HandshakeType.request_connection_id, HandshakeType.key_update])
    pair.write('client', 'new keys')
    await pair.settle()
    assert.deepEqual(pair.server.messages, ['new keys'])
  })

  test('before everything that comes after, for key_update is the last message of its epoch', async () => {
    const pair = await connectedDatagramPair(withIds)
    const { connection } = pair.client
    pair.network = { loss: 1 }
    connection.updateKeys(false, pair.now)
    await assert.rejects(pair.settle(500))
    connection.requestConnectionIds(1, pair.now)
    pair.network = {}
    await pair.settle()
    assert.deepEqual(messagesFrom(pair.client, id), [HandshakeType.key_update])
    assert.ok(connection.changeConnectionId(), 'the request came under the new keys')
  })

  test('once for many requests, before the next application data', async () => {
    const pair = await connectedDatagramPair()
    for (let i = 0; i < 3; i++) {
      pair.client.connection.updateKeys(true, pair.now)
      await pair.settle()
    }
    assert.deepEqual(messagesFrom(pair.server), [])
    pair.write('server', 'an answer')
    await pair.settle()
    assert.deepEqual(messagesFrom(pair.server), [HandshakeType.key_update])
    const types = recordsFrom(pair.server)
      .filter(({ number }) => number.epoch === 3)
      .map(({ type }) => type)
    assert.deepEqual(
      types.filter(type => type !== ContentType.ack),
      [ContentType.handshake, ContentType.application_data],
    )
    assert.deepEqual(pair.client.messages, ['an answer'])
  })

  test('for good: a message that is sent under the old ones ends the connection', async () => {
    const pair = await connectedDatagramPair()
    pair.client.connection.updateKeys(false, pair.now)
    await pair.settle()
    const update = Uint8Array.of(HandshakeType.key_update, 0, 0, 1, 0, 3, 0, 0, 0, 0, 0, 1, 0)
    pair.server.connection.receive(forge(pair.client, 3, ContentType.handshake, update), pair.now)
    await pair.settle()
    assert.equal(alertOf(pair.server.error), 'unexpected_message')
  })

  test('with the old ones kept for as long as the peer may not know, even for hours', async () => {
    const pair = await connectedDatagramPair()
    pair.network = { intercept: (datagram, from) => (from === 'server' ? [] : [datagram]) }
    pair.client.connection.updateKeys(false, pair.now)
    await assert.rejects(pair.settle(300_000))
    pair.write('client', 'old keys')
    pair.network = {}
    await pair.settle()
    pair.write('client', 'new keys')
    await pair.settle()
    assert.deepEqual(pair.server.messages, ['old keys', 'new keys'])
  })
})

/** The types of the handshake messages that a side has sent under its first application keys, each once. */
function messagesFrom(end: DatagramEnd, connectionId?: Uint8Array): readonly number[] {
  const seen = new Map<number, number>()
  for (const { type, number, content } of recordsFrom(end, 0, connectionId)) {
    if (type === ContentType.handshake && number.epoch === 3) seen.set(content[5] ?? 0, content[0] ?? 0)
  }
  return [...seen.values()]
}
