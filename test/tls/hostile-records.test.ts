import assert from 'node:assert/strict'
import test, { describe } from 'node:test'
import { concat, utf8 } from '#src/bytes/index.js'
import { HandshakeType } from '#src/handshake/index.js'
import { alertAgainst, kinds, misbehave, rawMessage } from '../support/hostile.js'
import type { Hooks, PlainRecord } from '../support/interceptor.js'
import { alertOf, connectedPair, makePair, type Side } from '../support/pair.js'
import { testPlug } from '../support/plug.js'

const sides = ['client', 'server'] as const
const other = (side: Side): Side => (side === 'client' ? 'server' : 'client')

/** What a side with nothing but raw bytes gets for an answer. */
function answerTo(side: Side, ...pieces: readonly Uint8Array[]) {
  const pair = makePair()
  const end = pair[side]
  end.connection.start()
  end.connection.takeOutput()
  for (const piece of pieces) end.connection.receive(piece)
  const output = Buffer.concat(end.connection.takeOutput())
  for (let event = end.connection.nextEvent(); event; event = end.connection.nextEvent()) {
    if (event.type === 'error') return { alert: alertOf(event.error), error: event.error, output }
  }
  return { alert: undefined, error: undefined, output }
}

const record = (type: number, ...content: readonly number[]) =>
  Uint8Array.of(type, 3, 3, content.length >> 8, content.length, ...content)

describe('the first bytes', () => {
  test('of another protocol are refused by name, with an alert', () => {
    for (const bytes of ['GET / HTTP/1.1\r\n\r\n', 'SSH-2.0-x\r\n', '\0\0\0\0\0\0\0\0']) {
      const { alert, error, output } = answerTo('server', utf8(bytes))
      assert.equal(alert, 'protocol_version')
      assert.equal((error as { code?: string }).code, 'ERR_TLS_NOT_TLS')
      assert.deepEqual([...output], [21, 3, 3, 0, 2, 2, 70])
    }
  })

  test('of no use are refused in either side', () => {
    for (const side of sides) {
      const rows: readonly (readonly [Uint8Array, string])[] = [
        [record(23, 1), 'unexpected_message'],
        [record(24, 1), 'unexpected_message'],
        [record(22), 'unexpected_message'],
        [record(21), 'decode_error'],
        [record(21, 1), 'decode_error'],
        [record(21, 1, 0, 1, 0), 'decode_error'],
        [record(21, 3, 40), 'illegal_parameter'],
        [record(21, 1, 40), 'decode_error'],
        [record(20, 2), 'unexpected_message'],
        [record(20, 1, 1), 'unexpected_message'],
        [record(20), 'unexpected_message'],
        [Uint8Array.of(22, 3, 1, 0x40, 1), 'record_overflow'],
        [record(22, 20, 0, 0, 0), 'unexpected_message'],
      ]
      for (const [bytes, expected] of rows) assert.equal(answerTo(side, bytes).alert, expected, String([...bytes]))
    }
  })

  test('of a server may not be a change_cipher_spec before there was a ClientHello', () => {
    assert.equal(answerTo('server', record(20, 1)).alert, 'unexpected_message')
    assert.equal(answerTo('client', record(20, 1)).alert, undefined)
  })

  test('may have any version but that of no TLS', () => {
    const start = Uint8Array.of(22, 3, 0, 0, 1, 1)
    assert.equal(answerTo('server', start, Uint8Array.of(22, 9, 9, 0, 1, 0)).alert, undefined)
  })

  test('may come one by one and stop anywhere', () => {
    const { connection } = makePair().server
    for (const byte of record(22, 1, 0, 1)) connection.receive(Uint8Array.of(byte))
    assert.equal(connection.state, 'handshake')
    connection.receiveEnd()
    assert.equal(connection.state, 'closed')
  })
})

describe('an alert of the peer', () => {
  test('is reported by its name, or by its number', () => {
    for (const side of sides) {
      const { error, output } = answerTo(side, record(21, 2, 40))
      assert.equal((error as { code?: string }).code, 'ERR_TLS_ALERT_HANDSHAKE_FAILURE')
      assert.deepEqual([...output], [])
      const unknown = answerTo(side, record(21, 2, 199)).error
      assert.equal((unknown as { code?: string }).code, 'ERR_TLS_ALERT_ALERT_199')
    }
  })

  test('close_notify in the handshake is the end of it', () => {
    for (const side of sides) {
      assert.equal((answerTo(side, record(21, 1, 0)).error as { code?: string }).code, 'ERR_TLS_CONNECTION_ENDED')
      const { error } = answerTo(side, record(21, 1, 90), record(21, 1, 0))
      assert.equal((error as { code?: string }).code, 'ERR_TLS_CONNECTION_ENDED')
    }
  })

  test('user_canceled alone does not end anything, but a flood of it does', () => {
    const canceled = record(21, 1, 90)
    assert.equal(answerTo('client', canceled).alert, undefined)
    assert.equal(answerTo('client', concat(...Array.from({ length: 40 }, () => canceled))).alert, 'unexpected_message')
  })

  test('without protection is taken from a client that may have no keys, and from nobody else', async () => {
    const plain = record(21, 2, 40)
    // A server after its flight: the client may have choked on ServerHello.
    const early = makePair()
    early.client.connection.start()
    for (const bytes of early.client.connection.takeOutput()) early.server.connection.receive(bytes)
    early.server.connection.takeOutput()
    early.server.connection.receive(plain)
    early.move()
    assert.equal((early.server.error as { code?: string } | undefined)?.code, 'ERR_TLS_ALERT_HANDSHAKE_FAILURE')
    for (const side of sides) {
      for (const bytes of [plain, record(21, 1, 0)]) {
        const pair = await connectedPair()
        pair[side].connection.receive(bytes)
        pair.move()
        assert.equal(alertOf(pair[side].error), 'bad_record_mac')
        assert.ok(!pair[side].hasEnded)
        // Nor after new keys, whose sequence number is 0 again.
        const updated = await connectedPair()
        updated[other(side)].connection.updateKeys(false)
        updated.move()
        updated[side].connection.receive(bytes)
        updated.move()
        assert.equal(alertOf(updated[side].error), 'bad_record_mac')
      }
    }
  })
})

describe('inside the handshake', () => {
  /** Hooks that put something before the first protected handshake record. */
  function beforeFlight(side: Side, insert: readonly (PlainRecord | { raw: Uint8Array })[]): Hooks {
    let isDone = false
    return {
      record(item, seal) {
        const isProtected = side === 'server' ? item.type === 22 && item.content[0] === 8 : item.content[0] === 20
        if (isDone || item.type !== 22 || !isProtected) return undefined
        isDone = true
        return [...insert.map(one => ('raw' in one && one.raw.length === 0 ? seal(new Uint8Array(3)) : one)), item]
      },
    }
  }
  const rows: readonly (readonly [string, readonly (PlainRecord | { raw: Uint8Array })[], string])[] = [
    ['application data', [{ type: 23, content: utf8('early') }], 'unexpected_message'],
    ['empty application data', [{ type: 23, content: utf8('') }], 'unexpected_message'],
    ['an empty handshake record', [{ type: 22, content: utf8('') }], 'unexpected_message'],
    ['a record of padding alone', [{ raw: utf8('') }], 'unexpected_message'],
    ['a handshake record without protection', [{ raw: record(22, 8, 0, 0, 2, 0, 0) }], 'bad_record_mac'],
    ['a wrong change_cipher_spec', [{ raw: record(20, 0) }], 'unexpected_message'],
    ['a record that does not open', [{ raw: record(23, ...new Uint8Array(30)) }], 'bad_record_mac'],
    ['a record too short for a tag', [{ raw: record(23, 1, 2, 3) }], 'bad_record_mac'],
    ['an empty record', [{ raw: record(23) }], 'bad_record_mac'],
    ['a record that is too long', [{ raw: Uint8Array.of(23, 3, 3, 0x41, 1) }], 'record_overflow'],
    ['an alert of one byte', [{ type: 21, content: Uint8Array.of(2) }], 'decode_error'],
    ['two alerts in one record', [{ type: 21, content: Uint8Array.of(1, 90, 1, 0) }], 'decode_error'],
    ['a warning', [{ type: 21, content: Uint8Array.of(1, 80) }], 'decode_error'],
    ['an unknown content type', [{ type: 99, content: utf8('?') }], 'unexpected_message'],
    [
      'a piece of a message and then something else',
      [
        { type: 22, content: Uint8Array.of(8) },
        { type: 21, content: Uint8Array.of(1, 90) },
      ],
      'unexpected_message',
    ],
    [
      'a piece of a message and then change_cipher_spec',
      [{ type: 22, content: Uint8Array.of(20) }, { raw: record(20, 1) }],
      'unexpected_message',
    ],
    ['a flood of change_cipher_spec', Array.from({ length: 40 }, () => ({ raw: record(20, 1) })), 'unexpected_message'],
  ]
  for (const side of sides) {
    for (const [name, insert, expected] of rows) {
      test(`${name} of the ${side} is refused`, () => {
        assert.equal(alertAgainst(side, beforeFlight(side, insert)), expected)
      })
    }
  }

  test('a protected change_cipher_spec is refused', () => {
    const hooks: Hooks = {
      record: ({ type, content }, seal) =>
        type === 22 && content[0] === 8 ? [seal(Uint8Array.of(1, 20)), { type, content }] : undefined,
    }
    assert.equal(alertAgainst('server', hooks), 'unexpected_message')
  })

  test('one change_cipher_spec more does no harm', () => {
    const { client, server } = misbehave('server', beforeFlight('server', [{ raw: record(20, 1) }]))
    assert.equal(client.connection.state, 'open')
    assert.equal(server.connection.state, 'open')
  })
})

describe('handshake messages', () => {
  for (const kind of Object.keys(kinds) as (keyof typeof kinds)[]) {
    test(`may come in fragments of any length (${kind})`, () => {
      for (const length of [1, 2, 5, 100]) {
        const hooks: Hooks = {
          record({ type, content }) {
            if (type !== 22) return undefined
            const pieces: PlainRecord[] = []
            for (let at = 0; at < content.length; at += length) {
              pieces.push({ type, content: content.subarray(at, at + length) })
            }
            return pieces
          },
        }
        const pair = makePair({ ...kinds[kind](), intercept: { client: hooks, server: hooks } })
        pair.runAtOnce()
        assert.equal(pair.client.error ?? pair.server.error, undefined)
        assert.equal(pair.server.connection.state, 'open')
      }
    })

    test(`may come one to a record (${kind})`, () => {
      const hooks: Hooks = { message: ({ raw }) => [raw] }
      const pair = makePair({ ...kinds[kind](), intercept: { client: hooks, server: hooks } })
      pair.runAtOnce()
      assert.equal(pair.server.connection.state, 'open')
    })
  }

  test('do not span a change of keys', () => {
    const trailing = (type: number, extra: readonly number[]): Hooks => ({
      message: ({ type: seen, raw }) => (seen === type ? [concat(raw, Uint8Array.from(extra))] : undefined),
    })
    const { client_hello, server_hello, finished } = HandshakeType
    for (const extra of [[8], [8, 0, 0, 2, 0, 0]]) {
      assert.equal(alertAgainst('client', trailing(client_hello, extra)), 'unexpected_message')
      assert.equal(alertAgainst('server', trailing(server_hello, extra)), 'unexpected_message')
      assert.equal(alertAgainst('server', trailing(finished, extra)), 'unexpected_message')
      assert.equal(alertAgainst('client', trailing(finished, extra)), 'unexpected_message')
    }
  })

  test('of many megabytes in tiny records cost no more than their length', () => {
    const { connection } = makePair({ server: { maxCertificateLength: 2 ** 24 } }).server
    connection.start()
    // A ClientHello of the greatest length, in records of one byte.
    const length = 2 ** 17
    const header = Uint8Array.of(1, length >> 16, length >> 8, length)
    const chunk = concat(...Array.from({ length: 2 ** 12 }, () => record(22, 3)))
    connection.receive(record(22, ...header))
    const start = process.cpuUsage()
    for (let i = 0; i < 2 ** 5; i++) connection.receive(chunk)
    const { user } = process.cpuUsage(start)
    assert.equal(connection.state, 'closed')
    assert.ok(user < 3_000_000, `${user} microseconds`)
  })
})

describe('after the handshake', () => {
  const inject = async (side: Side, make: () => Hooks) => {
    let isActive = false
    const hooks = make()
    const pair = makePair({
      intercept: {
        [side]: {
          record: (...args: Parameters<NonNullable<Hooks['record']>>) =>
            isActive ? hooks.record?.(...args) : undefined,
        },
      },
    })
    await pair.run()
    isActive = true
    pair[side].connection.write(utf8('trigger'))
    pair.move()
    return pair[other(side)]
  }
  const rows: readonly (readonly [string, PlainRecord, string])[] = [
    ['change_cipher_spec', { type: 20, content: Uint8Array.of(1) }, 'unexpected_message'],
    ['an empty handshake record', { type: 22, content: utf8('') }, 'unexpected_message'],
    ['a message that is not known', { type: 22, content: rawMessage(99, utf8('')) }, 'unexpected_message'],
    ['a ClientHello', { type: 22, content: rawMessage(1, utf8('')) }, 'unexpected_message'],
    ['a Finished', { type: 22, content: rawMessage(20, utf8('')) }, 'unexpected_message'],
    ['a CertificateRequest', { type: 22, content: rawMessage(13, utf8('')) }, 'unexpected_message'],
    ['a key_update of no length', { type: 22, content: rawMessage(24, utf8('')) }, 'decode_error'],
    ['a key_update of two bytes', { type: 22, content: rawMessage(24, Uint8Array.of(0, 0)) }, 'decode_error'],
    [
      'something behind a key_update',
      { type: 22, content: concat(rawMessage(24, Uint8Array.of(0)), Uint8Array.of(24)) },
      'unexpected_message',
    ],
    ['a fragment before data', { type: 22, content: Uint8Array.of(24) }, 'unexpected_message'],
  ]
  for (const side of sides) {
    for (const [name, item, expected] of rows) {
      test(`${name} of the ${side} is refused`, async () => {
        const victim = await inject(side, () => ({ record: original => [item, original] }))
        assert.equal(alertOf(victim.error), expected)
        assert.deepEqual(victim.alerts, [expected])
        assert.equal(victim.received.length, 0)
      })
    }

    test(`empty records of the ${side} are taken, but not a flood of them`, async () => {
      const few = { record: (original: PlainRecord) => [{ type: 23, content: utf8('') }, original] }
      assert.equal(Buffer.from((await inject(side, () => few)).received).toString(), 'trigger')
      const many = { record: () => Array.from({ length: 40 }, () => ({ type: 23, content: utf8('') })) }
      assert.equal(alertOf((await inject(side, () => many)).error), 'unexpected_message')
    })

    test(`a record of the ${side} that comes again, in another order, or not at all is refused`, async () => {
      const pair = await connectedPair()
      const from = pair[side].connection
      const to = pair[other(side)]
      from.write(utf8('one'))
      const [first = utf8('')] = from.takeOutput()
      from.write(utf8('two'))
      const [second = utf8('')] = from.takeOutput()
      to.connection.receive(first)
      to.connection.receive(second)
      to.connection.receive(first)
      pair.move()
      assert.equal(alertOf(to.error), 'bad_record_mac')
      assert.equal(Buffer.from(to.received).toString(), 'onetwo')
      const swapped = await connectedPair()
      swapped[side].connection.write(utf8('one'))
      swapped[side].connection.takeOutput()
      swapped[side].connection.write(utf8('two'))
      swapped.move()
      assert.equal(alertOf(swapped[other(side)].error), 'bad_record_mac')
      assert.equal(swapped[other(side)].received.length, 0)
    })
  }

  test('a ticket of a client is refused', async () => {
    const ticket = { type: 22, content: rawMessage(4, new Uint8Array(20)) }
    const victim = await inject('client', () => ({ record: original => [ticket, original] }))
    assert.equal(alertOf(victim.error), 'unexpected_message')
  })
})

describe('early data that the server does not take', () => {
  /** A client that sends something behind its ClientHello. */
  function withEarlyData(records: readonly Uint8Array[]): Hooks {
    let isDone = false
    return {
      record({ type, content }) {
        if (isDone || type !== 22 || content[0] !== 1) return undefined
        isDone = true
        return [{ type, content }, ...records.map(raw => ({ raw }))]
      },
    }
  }
  const early = record(23, ...new Uint8Array(200).fill(5))
  const base = testPlug()
  /** A client that announces early data in every ClientHello. */
  const announcing = testPlug({
    *offer(hs) {
      const offer = yield* base.offer(hs)
      return { ...offer, extensions: [...offer.extensions, { type: 42, data: new Uint8Array(0) }] }
    },
  })

  test('is dropped up to the first record that opens', () => {
    const options = {
      client: { plug: announcing },
      intercept: { client: withEarlyData([early, record(20, 1), early]) },
    }
    const pair = makePair(options)
    pair.runAtOnce()
    assert.equal(pair.server.error, undefined)
    assert.equal(pair.server.connection.state, 'open')
    pair.client.connection.write(utf8('late'))
    pair.move()
    assert.equal(Buffer.from(pair.server.received).toString(), 'late')
  })

  test('is dropped before the second ClientHello, which may not announce any', () => {
    const alert = alertAgainst('client', withEarlyData([early]), {
      client: { plug: announcing },
      server: { groups: [0x17] },
    })
    assert.equal(alert, 'illegal_parameter')
  })

  test('is not dropped without end', () => {
    const much = record(23, ...new Uint8Array(10_000))
    const options = { client: { plug: announcing } }
    assert.equal(alertAgainst('client', withEarlyData([much, much]), options), 'unexpected_message')
  })

  test('is no application data if it was not announced', () => {
    assert.equal(alertAgainst('client', withEarlyData([early])), 'bad_record_mac')
  })
})
