import assert from 'node:assert/strict'
import test, { describe } from 'node:test'
import { systemEntropy } from '#src/crypto/index.js'
import { type ClientConfig, decodeSession, type ServerConfig, TicketIssuer } from '#src/handshake/index.js'
import { connectedDatagramPair, type DatagramPair, makeDatagramPair } from '../support/datagram-pair.js'
import { alertOf, always, connectedPair, credentialFor } from '../support/pair.js'
import { deferred, testPlug } from '../support/plug.js'

function exporters({ client, server }: DatagramPair): readonly string[] {
  return [client, server].map(({ connection }) =>
    Buffer.from(connection.exportKeyingMaterial('EXPORTER-test', new Uint8Array(3), 32)).toString('hex'),
  )
}

function chat(pair: DatagramPair): Promise<void> {
  pair.write('client', 'from the client')
  pair.write('server', 'from the server')
  return pair.settle()
}

describe('a handshake over datagrams', () => {
  test('ends in the same keys on both sides, and carries messages with their boundaries', async () => {
    const pair = await connectedDatagramPair()
    const [client, server] = exporters(pair)
    assert.equal(client, server)
    pair.write('client', 'one')
    pair.write('client', 'two')
    pair.write('server', 'three')
    await pair.settle()
    assert.deepEqual(pair.server.messages, ['one', 'two'])
    assert.deepEqual(pair.client.messages, ['three'])
  })

  test('is one of DTLS 1.3: its numbers, an empty legacy_session_id, no change_cipher_spec', async () => {
    const pair = await connectedDatagramPair()
    assert.equal(pair.client.established.version, 0xfefc)
    const hello = pair.client.sent[0]?.datagram
    assert.ok(hello)
    // Record header, fragment header, then legacy_version, random, legacy_session_id, legacy_cookie.
    assert.deepEqual([hello[25], hello[26]], [0xfe, 0xfd])
    assert.deepEqual([hello[59], hello[60]], [0, 0])
    const types = [...pair.client.sent, ...pair.server.sent].map(({ datagram }) => datagram[0])
    assert.ok(!types.includes(20))
  })

  test('takes two round trips of datagrams where all goes well', async () => {
    const pair = await connectedDatagramPair()
    assert.deepEqual(
      pair.client.sent.map(({ at }) => at),
      [0, 20],
    )
    assert.deepEqual(
      pair.server.sent.map(({ at }) => at),
      [10, 30],
    )
  })

  test('tells a client why the server gave up, under keys that the client can have', async () => {
    const pair = makeDatagramPair({ server: { credentials: () => null } })
    await pair.run()
    assert.equal(alertOf(pair.server.error), 'handshake_failure')
    assert.match(String(pair.client.error), /the peer refused the connection: handshake_failure/)
  })

  const ways: readonly [string, { client?: Partial<ClientConfig>; server?: Partial<ServerConfig> }][] = [
    ['with a HelloRetryRequest', { client: { keyShareGroups: [] } }],
    ['with a cookie', { server: { retryCookie: () => Uint8Array.of(1, 2, 3) } }],
    ['with a key share of more than a datagram', { client: { keyShareGroups: [0x11ec, 0x001d] } }],
    [
      'with a client certificate',
      { client: { credentials: always(credentialFor('client.test')) }, server: { clientAuthentication: 'required' } },
    ],
    ['with AES-256', { client: { cipherSuites: [0x1302] } }],
    ['with ChaCha20', { client: { cipherSuites: [0x1303] } }],
    ['with records of 64 bytes', { client: { recordSizeLimit: 64 }, server: { recordSizeLimit: 64 } }],
    [
      'with an external PSK',
      {
        client: { preSharedKeys: [{ identity: Uint8Array.of(1), key: new Uint8Array(32).fill(3), hash: 'sha256' }] },
        server: { preSharedKeys: [{ identity: Uint8Array.of(1), key: new Uint8Array(32).fill(3), hash: 'sha256' }] },
      },
    ],
    ['with a plug', { client: { plug: testPlug() }, server: { plug: testPlug() } }],
  ]
  for (const [name, configs] of ways) {
    test(`works ${name}`, async () => {
      const pair = await connectedDatagramPair(configs)
      await chat(pair)
      assert.deepEqual(pair.server.messages, ['from the client'])
      assert.deepEqual(pair.client.messages, ['from the server'])
    })
  }

  test('resumes a session of DTLS, and none of TLS', async () => {
    const tickets = new TicketIssuer(systemEntropy, { count: 1 })
    const first = await connectedDatagramPair({ server: { tickets } })
    const [encoded = new Uint8Array(0)] = first.client.sessions
    const session = decodeSession(encoded) ?? undefined
    assert.ok(session)
    const second = await connectedDatagramPair({ client: { session }, server: { tickets } })
    assert.equal(second.client.established.isResumed, true)
    assert.equal(second.server.established.isResumed, true)

    const stream = await connectedPair({ client: { session }, server: { tickets } })
    assert.equal(stream.client.established.isResumed, false)
    const [ofStream = new Uint8Array(0)] = stream.client.sessions
    const crossed = decodeSession(ofStream) ?? undefined
    assert.ok(crossed)
    const third = await connectedDatagramPair({ client: { session: crossed }, server: { tickets } })
    assert.equal(third.client.established.isResumed, false)
  })

  test('ends with the alert that fits, on both sides', async () => {
    const pair = makeDatagramPair({ server: { clientAuthentication: 'required' } })
    await pair.run()
    assert.equal(alertOf(pair.server.error), 'certificate_required')
    assert.match(pair.client.error?.message ?? '', /certificate_required/)
  })

  test('is refused to a client that speaks something older', async () => {
    const pair = makeDatagramPair({
      network: {
        intercept: (datagram, from) => {
          // supported_versions of the ClientHello names DTLS 1.2 instead.
          const at = from === 'client' ? Buffer.from(datagram).indexOf(Buffer.from('002b0003', 'hex')) : -1
          if (at >= 0) datagram[at + 6] = 0xfd
          return [datagram]
        },
      },
    })
    await pair.run()
    assert.equal(alertOf(pair.server.error), 'protocol_version')
    assert.match(pair.client.error?.message ?? '', /protocol_version/)
  })

  test('is refused with a legacy_cookie', async () => {
    const pair = makeDatagramPair()
    pair.client.connection.start(0)
    const [hello] = pair.client.connection.takeOutput()
    assert.ok(hello)
    const longer = Buffer.concat([hello.subarray(0, 60), Uint8Array.of(1, 9), hello.subarray(61)])
    longer.writeUInt16BE(longer.length - 13, 11)
    longer[16] += 1
    longer[24] += 1
    pair.server.connection.receive(longer, 0)
    await pair.settle()
    assert.equal(alertOf(pair.server.error), 'illegal_parameter')
  })
})

describe('a slow step', () => {
  /** A pair whose one side waits for the world in `prove` or `examine`, for the given time. */
  function slowPair(side: 'client' | 'server', step: 'prove' | 'examine', network = {}) {
    const wait = deferred<void>()
    let times = 0
    const slow = testPlug({
      *[step](_: unknown, own: never) {
        times++
        yield { promise: wait.promise }
        return step === 'prove' ? own : null
      },
    })
    const pair = makeDatagramPair({
      network,
      client: { plug: side === 'client' ? slow : testPlug() },
      server: { plug: side === 'server' ? slow : testPlug() },
    })
    return { pair, wait, count: () => times }
  }

  for (const [side, step] of [
    ['server', 'prove'],
    ['client', 'examine'],
  ] as const) {
    for (const loss of [0, 0.2]) {
      test(`of the ${side} (${step}) is taken once, and the peer waits in peace, at ${loss * 100} % loss`, async () => {
        for (let seed = 1; seed <= 10; seed++) {
          const { pair, wait, count } = slowPair(side, step, { seed, loss })
          pair.after(30_000, () => wait.resolve())
          await pair.run()
          assert.equal(pair.client.error, undefined)
          assert.equal(pair.server.error, undefined)
          assert.deepEqual(
            [pair.client, pair.server].map(({ connection }) => connection.state),
            ['open', 'open'],
          )
          assert.equal(count(), 1)
          const sent = pair.client.sent.length + pair.server.sent.length
          assert.ok(sent < (loss > 0 ? 60 : 10), `${sent} datagrams`)
          assert.ok(pair.now >= 30_000)
        }
      })
    }
  }
})

describe('a closed connection', () => {
  test('is closed on both sides once both have said so', async () => {
    const pair = await connectedDatagramPair()
    pair.client.connection.close()
    await pair.settle()
    assert.ok(pair.server.hasEnded)
    assert.equal(pair.client.connection.isWritable, false)
    pair.write('server', 'still read')
    pair.server.connection.close()
    await pair.settle()
    assert.deepEqual(pair.client.messages, ['still read'])
    assert.deepEqual(
      [pair.client, pair.server].map(({ connection }) => connection.state),
      ['closed', 'closed'],
    )
    assert.equal(pair.client.connection.deadline, undefined)
  })

  test('tells the peer that a handshake was given up', async () => {
    const pair = makeDatagramPair()
    pair.client.connection.start(0)
    pair.client.connection.close()
    await pair.settle()
    assert.equal(pair.client.connection.state, 'closed')
  })
})
