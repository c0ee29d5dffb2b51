import assert from 'node:assert/strict'
import test, { describe } from 'node:test'
import { utf8 } from '#src/bytes/index.js'
import { systemEntropy } from '#src/crypto/index.js'
import { encodeMessage, HandshakeType, KeyUpdate, MisuseError, TicketIssuer } from '#src/handshake/index.js'
import { TlsConnection } from '#src/tls/index.js'
import {
  alertOf,
  always,
  clientConfig,
  connectedPair,
  credentialFor,
  inPieces,
  makePair,
  type Pair,
  type PairOptions,
  seededEntropy,
} from '../support/pair.js'

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString()

/** The types of the handshake messages that a side sends after the handshake. */
function watched(options: PairOptions = {}) {
  const updates = { client: 0, server: 0 }
  const hooks = (side: 'client' | 'server') => ({
    message({ type }: { type: number }) {
      if (type === HandshakeType.key_update) updates[side]++
      return undefined
    },
  })
  return { updates, options: { ...options, intercept: { client: hooks('client'), server: hooks('server') } } }
}

function exchange(pair: Pair, words = 'some words'): void {
  const [fromClient, fromServer] = [pair.server.received.length, pair.client.received.length]
  pair.client.connection.write(utf8(words))
  pair.server.connection.write(utf8(words))
  pair.move()
  assert.equal(text(pair.server.received.subarray(fromClient)), words)
  assert.equal(text(pair.client.received.subarray(fromServer)), words)
}

describe('keys', () => {
  test('are replaced by either side, any number of times', async () => {
    const { updates, options } = watched()
    const pair = await connectedPair(options)
    for (let i = 0; i < 5; i++) {
      pair.client.connection.updateKeys(false)
      exchange(pair)
      pair.server.connection.updateKeys(false)
      exchange(pair)
    }
    assert.deepEqual(updates, { client: 5, server: 5 })
  })

  test('are replaced by the peer if it is asked to, once for many requests', async () => {
    const { updates, options } = watched()
    const pair = await connectedPair(options)
    pair.client.connection.updateKeys(true)
    pair.client.connection.updateKeys(true)
    pair.client.connection.updateKeys(true)
    pair.move()
    exchange(pair)
    assert.deepEqual(updates, { client: 3, server: 1 })
  })

  test('are replaced once for requests that come one by one while it is silent', async () => {
    const { updates, options } = watched()
    const pair = await connectedPair(options)
    for (let i = 0; i < 5; i++) {
      pair.client.connection.updateKeys(true)
      pair.move()
    }
    assert.deepEqual(updates, { client: 5, server: 1 })
    exchange(pair)
    pair.client.connection.updateKeys(true)
    pair.move()
    assert.deepEqual(updates, { client: 6, server: 2 })
  })

  test('cross: both sides ask at once', async () => {
    const { updates, options } = watched()
    const pair = await connectedPair(options)
    pair.client.connection.updateKeys(true)
    pair.server.connection.updateKeys(true)
    pair.move()
    exchange(pair)
    assert.deepEqual(updates, { client: 2, server: 2 })
  })

  test('are replaced before they have protected more records than allowed, within one write too', async () => {
    const { updates, options } = watched({ clientRecords: { recordsPerKey: 4 } })
    const pair = await connectedPair(options)
    const long = Uint8Array.from({ length: 10 * 2 ** 14 }, (_, i) => i >> 8)
    pair.client.connection.write(long)
    pair.move()
    // Three records of data and the key_update make four.
    assert.equal(updates.client, 3)
    assert.deepEqual(Uint8Array.from(pair.server.received), long)
    for (let i = 0; i < 6; i++) exchange(pair)
    assert.equal(updates.client, 5)
  })

  test('are asked for where the peer goes beyond the limit', async () => {
    const { updates, options } = watched({ serverRecords: { recordsPerKey: 5 } })
    const pair = await connectedPair(options)
    for (let i = 0; i < 8; i++) {
      pair.client.connection.write(utf8('x'))
      pair.move()
    }
    assert.deepEqual(updates, { client: 1, server: 1 })
  })

  test('protect two records or more', () => {
    assert.throws(() => new TlsConnection('client', clientConfig(), { recordsPerKey: 1 }), MisuseError)
    assert.throws(() => new TlsConnection('client', clientConfig(), { recordsPerKey: Number.NaN }), MisuseError)
  })

  test('are not replaced before the handshake is complete, nor after it was closed', async () => {
    assert.throws(() => new TlsConnection('client', clientConfig()).updateKeys(false), MisuseError)
    const pair = await connectedPair()
    pair.client.connection.close()
    assert.throws(() => pair.client.connection.updateKeys(false), MisuseError)
  })

  test('of a flood of updates are refused', async () => {
    const pair = await connectedPair()
    for (let i = 0; i < 33; i++) pair.client.connection.updateKeys(false)
    pair.move()
    assert.equal(alertOf(pair.server.error), 'unexpected_message')
  })

  test('of a key_update that asks for something unknown are not replaced', async () => {
    const bad = encodeMessage(HandshakeType.key_update, KeyUpdate, { requestUpdate: false })
    bad[4] = 2
    const pair = await connectedPair({
      intercept: { client: { message: ({ type }) => (type === HandshakeType.key_update ? [bad] : undefined) } },
    })
    pair.client.connection.updateKeys(false)
    pair.move()
    assert.equal(alertOf(pair.server.error), 'illegal_parameter')
  })
})

describe('closing', () => {
  test('ends one direction; the other goes on', async () => {
    const pair = await connectedPair()
    pair.client.connection.write(utf8('last words'))
    pair.client.connection.close()
    pair.move()
    assert.equal(text(pair.server.received), 'last words')
    assert.ok(pair.server.hasEnded)
    assert.ok(!pair.server.connection.isReadable)
    assert.ok(pair.server.connection.isWritable)
    assert.ok(!pair.client.connection.isWritable)
    pair.server.connection.write(utf8('answer'))
    pair.move()
    assert.equal(text(pair.client.received), 'answer')
    pair.server.connection.close()
    pair.move()
    assert.ok(pair.client.hasEnded)
    for (const { connection, error } of [pair.client, pair.server]) {
      assert.equal(connection.state, 'closed')
      assert.equal(error, undefined)
      assert.ok(connection.signal.aborted)
    }
    assert.deepEqual([pair.client.alerts, pair.server.alerts], [['close_notify'], ['close_notify']])
  })

  test('twice says close_notify once', async () => {
    const pair = await connectedPair()
    pair.client.connection.close()
    pair.client.connection.close()
    pair.move()
    assert.deepEqual(pair.client.alerts, ['close_notify'])
    assert.throws(() => pair.client.connection.write(utf8('x')), MisuseError)
  })

  test('in the handshake gives it up', async () => {
    const pair = makePair()
    pair.client.connection.start()
    pair.client.connection.close()
    pair.move()
    assert.equal(pair.client.connection.state, 'closed')
    assert.equal((pair.server.error as { code?: string } | undefined)?.code, 'ERR_TLS_CONNECTION_ENDED')
    assert.deepEqual(pair.server.alerts, [])
  })

  test('before the start sends nothing', () => {
    const connection = new TlsConnection('client', clientConfig())
    connection.close()
    connection.start()
    assert.deepEqual(connection.takeOutput(), [])
    assert.equal(connection.state, 'closed')
  })

  test('is not the same as the end of the transport', async () => {
    const pair = await connectedPair()
    pair.server.connection.receiveEnd()
    pair.move()
    assert.match(pair.server.error?.message ?? '', /without close_notify/)
    const { connection } = makePair().client
    connection.start()
    connection.receiveEnd()
    assert.equal(connection.state, 'closed')
  })

  test('after close_notify the end of the transport is nothing special', async () => {
    const pair = await connectedPair()
    pair.client.connection.close()
    pair.move()
    pair.server.connection.receiveEnd()
    pair.server.connection.receive(utf8('whatever'))
    assert.equal(pair.server.error, undefined)
    assert.ok(pair.server.connection.isWritable)
  })

  test('for an error of ours tells the peer which, and nothing after close_notify', async () => {
    const pair = await connectedPair()
    pair.client.connection.fail(new Error('out of paper'))
    pair.move()
    assert.deepEqual(pair.client.alerts, ['internal_error'])
    assert.equal((pair.server.error as { code?: string } | undefined)?.code, 'ERR_TLS_ALERT_INTERNAL_ERROR')
    const other = await connectedPair()
    other.client.connection.close()
    other.client.connection.fail(new Error('out of paper'))
    other.move()
    assert.deepEqual(other.client.alerts, ['close_notify'])
  })

  test('fires the signal once somebody has asked for it, before or after', async () => {
    const pair = await connectedPair()
    const { signal } = pair.client.connection
    assert.ok(!signal.aborted)
    pair.client.connection.fail(new Error('x'))
    assert.ok(signal.aborted)
    pair.move()
    assert.ok(pair.server.connection.signal.aborted)
  })
})

describe('application data', () => {
  test('is not written before the handshake is complete', () => {
    const { client } = makePair()
    assert.throws(() => client.connection.write(utf8('x')), MisuseError)
    client.connection.start()
    assert.throws(() => client.connection.write(utf8('x')), MisuseError)
    assert.throws(() => client.connection.exportKeyingMaterial('x', utf8(''), 32), MisuseError)
  })

  test('of no length makes no record', async () => {
    const pair = await connectedPair()
    pair.client.connection.write(new Uint8Array(0))
    assert.deepEqual(pair.client.connection.takeOutput(), [])
  })

  test('may be overwritten as soon as it is written', async () => {
    const pair = await connectedPair()
    const buffer = utf8('before')
    pair.client.connection.write(buffer)
    buffer.fill(0)
    pair.move()
    assert.equal(text(pair.server.received), 'before')
  })

  test('arrives through any cut of the stream', async () => {
    for (const length of [1, 3, 1000]) {
      const pair = await connectedPair({ link: inPieces(length) })
      const long = Uint8Array.from({ length: 40_000 }, (_, i) => i * 7)
      pair.server.connection.write(long)
      pair.move()
      assert.deepEqual(Uint8Array.from(pair.client.received), long)
    }
  })

  test('of the server may come in one piece with its tickets', async () => {
    const pair = await connectedPair({ server: { tickets: new TicketIssuer(systemEntropy) } })
    exchange(pair)
    assert.equal(pair.client.sessions.length, 2)
  })
})

describe('record_size_limit', () => {
  /** The largest plaintext, type included, that each side puts into a protected record. */
  function sizesOf(options: PairOptions) {
    const largest = { client: 0, server: 0 }
    let isProtected = false
    const hooks = (side: 'client' | 'server') => ({
      record({ type, content }: { type: number; content: Uint8Array }) {
        // Hellos are not protected, so the limit does not count for them.
        if (type === 22 && (content[0] === 1 || content[0] === 2)) isProtected = true
        else if (type !== 20) largest[side] = Math.max(largest[side], content.length + 1)
        return undefined
      },
    })
    return {
      largest,
      isProtected: () => isProtected,
      options: { ...options, intercept: { client: hooks('client'), server: hooks('server') } },
    }
  }
  const sendMuch = (pair: Pair) => {
    pair.client.connection.write(new Uint8Array(5000))
    pair.server.connection.write(new Uint8Array(5000))
    pair.move()
    assert.equal(pair.client.received.length, 5000)
    assert.equal(pair.server.received.length, 5000)
  }

  test('counts in both directions, for the handshake too', async () => {
    const { largest, options } = sizesOf({
      client: { recordSizeLimit: 64, credentials: always(credentialFor('client')) },
      server: { recordSizeLimit: 100, clientAuthentication: 'required' },
    })
    sendMuch(await connectedPair(options))
    assert.deepEqual(largest, { client: 100, server: 64 })
  })

  test('counts only if both have it', async () => {
    for (const sides of [{ client: { recordSizeLimit: 64 } }, { server: { recordSizeLimit: 64 } }]) {
      const { largest, options } = sizesOf(sides)
      sendMuch(await connectedPair(options))
      assert.deepEqual(largest, { client: 5001, server: 5001 })
    }
  })

  test('of the largest value changes nothing', async () => {
    const limits = { recordSizeLimit: 2 ** 14 + 1 }
    sendMuch(await connectedPair({ client: limits, server: limits }))
  })
})

describe('padding', () => {
  test('hides lengths in every record after the keys, and the peer takes it', async () => {
    const lengths = new Set<number>()
    const pair = await connectedPair({
      clientRecords: { padding: length => 512 - (length % 512) },
      serverRecords: { padding: () => 2 ** 20 },
      link: {
        cut(bytes) {
          if (bytes[0] === 23) lengths.add(bytes.length)
          return [bytes]
        },
      },
    })
    exchange(pair, 'short')
    exchange(pair, 'a bit longer')
    assert.ok([...lengths].every(length => length === 512 + 22 || length > 2 ** 14))
  })
})

describe('output', () => {
  test('of a flight is one piece, and an empty one stays empty', () => {
    const { client, server } = makePair()
    client.connection.start()
    const hello = client.connection.takeOutput()
    assert.equal(hello.length, 1)
    const nothing = client.connection.takeOutput()
    server.connection.receive(hello[0] ?? new Uint8Array(0))
    assert.equal(server.connection.takeOutput().length, 1)
    client.connection.close()
    assert.deepEqual(nothing, [])
  })

  test('starts by itself with what comes in', () => {
    const { client, server } = makePair()
    client.connection.start()
    client.connection.start()
    for (const bytes of client.connection.takeOutput()) server.connection.receive(bytes)
    assert.equal(server.connection.state, 'handshake')
    assert.equal(server.connection.takeOutput().length, 1)
  })
})

test('all randomness comes from outside', () => {
  const helloWith = (seed: string) => {
    const { client } = makePair({ client: { entropy: seededEntropy(seed), keyShareGroups: [] } })
    client.connection.start()
    return client.connection.takeOutput()
  }
  assert.deepEqual(helloWith('a'), helloWith('a'))
  assert.notDeepEqual(helloWith('a'), helloWith('b'))
})
