import assert from 'node:assert/strict'
import test, { describe } from 'node:test'
import { connectedDatagramPair, makeDatagramPair } from '../support/datagram-pair.js'

describe('a handshake over datagrams', () => {
  test('ends in the same keys on both sides, and carries messages with their boundaries', async () => {
    const pair = await connectedDatagramPair()
    assert.equal(pair.client.established.version, 0xfefc)
    const [client, server] = [pair.client, pair.server].map(({ connection }) =>
      Buffer.from(connection.exportKeyingMaterial('EXPORTER-test', new Uint8Array(3), 32)).toString('hex'),
    )
    assert.equal(client, server)
    pair.write('client', 'one')
    pair.write('client', 'two')
    pair.write('server', 'three')
    await pair.settle()
    assert.deepEqual(pair.server.messages, ['one', 'two'])
    assert.deepEqual(pair.client.messages, ['three'])
  })

  for (const loss of [0.05, 0.1, 0.3, 0.5]) {
    test(`comes through a loss of ${loss * 100} %`, async () => {
      for (let seed = 0; seed < 20; seed++) {
        const pair = makeDatagramPair({ network: { seed, loss, reordering: 0.2, duplication: 0.1 } })
        await pair.run()
        if (pair.client.error || pair.server.error) console.log(loss, seed, pair.client.error?.message, pair.server.error?.message, pair.now)
      }
    })
  }
})
