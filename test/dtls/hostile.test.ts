import assert from 'node:assert/strict'
import test, { describe } from 'node:test'
import { concat } from '#src/bytes/index.js'
import { DtlsConnection } from '#src/dtls/index.js'
import { plain } from '#src/dtls/outgoing-epoch.js'
import { connectedDatagramPair, makeDatagramPair, seededRandom } from '../support/datagram-pair.js'
import { forge } from '../support/dtls-records.js'
import { alertOf, clientConfig, serverConfig } from '../support/pair.js'

/** Datagrams that look like something: random ones, changed ones, and parts of others. */
function* nonsense(seed: number, genuine: readonly Uint8Array[]): Generator<Uint8Array> {
  const random = seededRandom(seed)
  const below = (limit: number) => Math.floor(random() * limit)
  for (let i = 0; i < 300; i++) {
    const sample = genuine[below(genuine.length)] ?? new Uint8Array(20)
    const kind = below(4)
    if (kind === 0) yield Uint8Array.from({ length: below(100) }, () => below(256))
    else if (kind === 1)
      yield Uint8Array.from({ length: 20 + below(60) }, (_, at) => (at === 0 ? 0x20 + below(32) : below(256)))
    else if (kind === 2) yield sample.slice(0, below(sample.length))
    else {
      const changed = Uint8Array.from(sample)
      // Beyond the plain header: otherwise a hello could still be genuine.
      if (changed[0] >= 0x20) changed[below(changed.length)] ^= 1 + below(255)
      else changed[4] = 1
      yield changed
    }
  }
}

describe('datagrams that make no sense', () => {
  test('change nothing for a connection that is open', async () => {
    for (let seed = 1; seed <= 5; seed++) {
      const pair = await connectedDatagramPair()
      for (const [to, from] of [
        [pair.server, pair.client],
        [pair.client, pair.server],
      ] as const) {
        for (const datagram of nonsense(
          seed,
          from.sent.map(sent => sent.datagram),
        ))
          to.connection.receive(datagram, pair.now)
      }
      await pair.settle()
      assert.deepEqual(
        [pair.client, pair.server].map(({ connection, error }) => [connection.state, error]),
        [
          ['open', undefined],
          ['open', undefined],
        ],
      )
      pair.write('client', 'still here')
      await pair.settle()
      assert.deepEqual(pair.server.messages, ['still here'])
      assert.deepEqual(pair.client.messages, [])
    }
  })

  test('do not keep a handshake from completing', async () => {
    for (let seed = 1; seed <= 10; seed++) {
      const junk = [...nonsense(seed, [])]
      const pair = makeDatagramPair({
        network: { seed, intercept: (datagram, _, count) => [...junk.slice(count * 10, count * 10 + 10), datagram] },
      })
      await pair.run()
      assert.deepEqual(
        [pair.client, pair.server].map(({ connection }) => connection.state),
        ['open', 'open'],
      )
    }
  })

  test('cost a server that has seen no hello neither an answer nor an error', () => {
    const server = new DtlsConnection('server', serverConfig())
    for (const datagram of nonsense(3, [])) server.receive(datagram, 0)
    assert.deepEqual(server.takeOutput(), [])
    assert.equal(server.nextEvent(), undefined)
    assert.equal(server.deadline, undefined)
  })
})

describe('what is plain', () => {
  test('ends no connection that has keys: alerts, hellos, fragments of what is to come', async () => {
    const pair = await connectedDatagramPair()
    const [hello] = pair.client.sent
    assert.ok(hello)
    for (const end of [pair.client, pair.server]) {
      end.connection.receive(plain(21, 50, Uint8Array.of(2, 40)), pair.now)
      end.connection.receive(plain(21, 51, Uint8Array.of(1, 0)), pair.now)
      end.connection.receive(plain(22, 52, Uint8Array.of(24, 0, 0, 1, 0, 3, 0, 0, 0, 0, 0, 1, 0)), pair.now)
      end.connection.receive(hello.datagram, pair.now)
    }
    await pair.settle()
    assert.deepEqual(
      [pair.client, pair.server].map(({ connection }) => connection.state),
      ['open', 'open'],
    )
  })

  test('cannot put a message behind a ServerHello that has not come', async () => {
    const forged = plain(22, 9, Uint8Array.of(8, 0, 0, 2, 0, 1, 0, 0, 0, 0, 0, 2, 0, 0))
    const pair = makeDatagramPair()
    pair.client.connection.start(0)
    pair.client.connection.receive(forged, 0)
    await pair.run()
    assert.deepEqual(
      [pair.client, pair.server].map(({ connection }) => connection.state),
      ['open', 'open'],
    )
  })

  test('tells a client without keys why it is refused', () => {
    const client = new DtlsConnection('client', clientConfig())
    client.start(0)
    client.receive(plain(21, 0, Uint8Array.of(2, 70)), 0)
    assert.equal(client.state, 'closed')
  })
})

describe('a peer that has the keys', () => {
  const message = (type: number, seq: number, body: Uint8Array, length = body.length) =>
    concat(Uint8Array.of(type, 0, 0, length, 0, seq, 0, 0, 0, 0, 0, body.length), body)

  const wrong: readonly [string, number, (next: number) => Uint8Array, string][] = [
    ['it sends a hello again', 22, next => message(1, next, new Uint8Array(4)), 'unexpected_message'],
    ['it sends a ticket to a server', 22, next => message(4, next, new Uint8Array(4)), 'unexpected_message'],
    ['its key_update asks for 2', 22, next => message(24, next, Uint8Array.of(2)), 'illegal_parameter'],
    ['its fragment goes beyond its message', 22, next => message(24, next, new Uint8Array(3), 2), 'decode_error'],
    ['its handshake record is empty', 22, () => new Uint8Array(0), 'decode_error'],
    ['its ACK is cut', 26, () => Uint8Array.of(0, 16, 1), 'decode_error'],
    ['its alert has three bytes', 21, () => Uint8Array.of(2, 40, 0), 'decode_error'],
    ['it sends change_cipher_spec', 20, () => Uint8Array.of(1), 'unexpected_message'],
    ['it sends a type nobody knows', 99, () => Uint8Array.of(1), 'unexpected_message'],
  ]
  for (const [name, type, content, alert] of wrong) {
    test(`is told ${alert} where ${name}`, async () => {
      const pair = await connectedDatagramPair()
      // A client without certificate has sent two messages: its hello and its Finished.
      pair.server.connection.receive(forge(pair.client, 3, type, content(2)), pair.now)
      await pair.settle()
      assert.equal(alertOf(pair.server.error), alert)
      assert.match(pair.client.error?.message ?? '', new RegExp(alert))
    })
  }

  test('is not helped to fill our memory, with messages that wait for one that never comes', async () => {
    const pair = await connectedDatagramPair({ server: { maxCertificateLength: 10_000 } })
    for (let i = 0; i < 3000; i++) {
      const seq = 3 + (i % 200)
      const part = Uint8Array.of(24, 0, 0, 1, 0, seq, 0, 0, 0, 0, 0, 1, 0)
      const long = Uint8Array.of(11, 0, 0x27, 0x10, 0, seq, 0, 0, i % 256, 0, 0, 1, 0)
      const record = forge(pair.client, 3, 22, i % 2 ? part : long, 1000 + i)
      pair.server.connection.receive(record, pair.now)
      pair.server.connection.takeOutput()
      assert.ok(pair.server.connection.heldBytes <= 10_000 + 2 ** 16)
    }
    assert.equal(pair.server.connection.state, 'open')
    assert.ok(pair.server.connection.heldBytes > 10_000)
    pair.server.connection.fail(new Error('enough'))
    assert.equal(pair.server.connection.heldBytes, 0)
  })

  test('may acknowledge what was never sent', async () => {
    const pair = await connectedDatagramPair()
    const content = concat(Uint8Array.of(0, 16), new Uint8Array(16).fill(0xff))
    pair.server.connection.receive(forge(pair.client, 3, 26, content), pair.now)
    await pair.settle()
    assert.equal(pair.server.connection.state, 'open')
  })
})
