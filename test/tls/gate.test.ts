import assert from 'node:assert/strict'
import test, { describe } from 'node:test'
import { rest, utf8 } from '#src/bytes/index.js'
import { systemEntropy } from '#src/crypto/index.js'
import {
  type ControlSession,
  encodeMessage,
  MisuseError,
  type Plug,
  ProtocolError,
  receive,
  receiveBefore,
  type Step,
  TicketIssuer,
  until,
} from '#src/handshake/index.js'
import type { TlsConnection } from '#src/tls/index.js'
import { alertOf, makePair, type Pair, type PairOptions } from '../support/pair.js'
import { deferred, testPlug } from '../support/plug.js'

const CONTROL = 248
/** Opens, and takes whatever comes. */
const OPENS_AT_ONCE = function* (session: ControlSession): Step<void> {
  session.openGate()
  for (;;) yield* receive(CONTROL)
}

function controlPlug(run: (session: ControlSession) => Step<void>, changes: Partial<Plug> = {}) {
  return testPlug({ control: { messageType: CONTROL, maxLength: 1000, run }, ...changes })
}

/** A pair whose sides run these steps after the handshake. */
async function gatedPair(
  client: (session: ControlSession) => Step<void>,
  server: (session: ControlSession) => Step<void>,
  options: PairOptions = {},
): Promise<Pair> {
  const pair = makePair({
    ...options,
    client: { plug: controlPlug(client), ...options.client },
    server: { plug: controlPlug(server), ...options.server },
  })
  await pair.run()
  return pair
}

const hasOpened = (end: Pair['client']) => end.events.some(({ type }) => type === 'established')

/** Sends a control message that the plug of that side knows nothing of. */
function inject(connection: TlsConnection, body: Uint8Array = Uint8Array.of(1), type = CONTROL): void {
  connection.send(encodeMessage(type, rest, body))
  connection.endFlight()
}

/** Asks, and opens once there is an answer. */
function* asking(session: ControlSession): Step<void> {
  session.send(utf8('question'))
  const answer = yield* receive(CONTROL)
  assert.equal(Buffer.from(answer.body).toString(), 'answer')
  session.openGate()
  yield* receive(CONTROL)
}

/** Answers, and opens. */
function* answering(session: ControlSession): Step<void> {
  const question = yield* receive(CONTROL)
  assert.equal(Buffer.from(question.body).toString(), 'question')
  session.send(utf8('answer'))
  session.openGate()
  yield* receive(CONTROL)
}

describe('the gate of a plug', () => {
  test('opens when the plug has done its part, on either side', async () => {
    for (const [client, server] of [
      [asking, answering],
      [answering, asking],
    ] as const) {
      const pair = await gatedPair(client, server)
      assert.ok(hasOpened(pair.client) && hasOpened(pair.server))
      pair.client.connection.write(utf8('ping'))
      pair.server.connection.write(utf8('pong'))
      pair.move()
      assert.equal(Buffer.from(pair.server.received).toString(), 'ping')
      assert.equal(Buffer.from(pair.client.received).toString(), 'pong')
    }
  })

  test('lets nothing of the application out before', async () => {
    const pair = await gatedPair(asking, function* () {
      yield* receive(CONTROL)
      yield* receive(CONTROL)
    })
    for (const { connection, events } of [pair.client, pair.server]) {
      assert.equal(connection.state, 'handshake')
      assert.ok(connection.established, 'there is an exporter all the same')
      assert.ok(!events.some(({ type }) => type === 'established'))
      assert.throws(() => connection.write(utf8('early')), MisuseError)
    }
  })

  for (const early of ['client', 'server'] as const) {
    test(`does not let in what a ${early} sends before`, async () => {
      const late = early === 'client' ? 'server' : 'client'
      const pair = makePair({
        [early]: { plug: controlPlug(OPENS_AT_ONCE) },
        [late]: { plug: controlPlug(asking) },
      })
      await pair.run()
      pair[early].connection.write(utf8('early'))
      pair.move()
      assert.equal(alertOf(pair[late].error), 'unexpected_message')
      assert.equal(pair[late].received.length, 0)
    })
  }

  test('stays shut while the plug waits for the world, and the connection reads nothing', async () => {
    const { promise, resolve } = deferred<void>()
    const pair = makePair({
      client: { plug: controlPlug(asking) },
      server: {
        plug: controlPlug(function* (session) {
          yield* receive(CONTROL)
          yield* until(promise)
          session.send(utf8('answer'))
          session.openGate()
        }),
      },
    })
    pair.runAtOnce()
    assert.ok(pair.server.connection.pause)
    assert.equal(pair.server.connection.background, undefined)
    assert.ok(!hasOpened(pair.client))
    resolve()
    await pair.settle()
    assert.ok(hasOpened(pair.client) && hasOpened(pair.server))
  })

  test('once open, data passes while the plug waits for the world', async () => {
    const { promise, resolve } = deferred<void>()
    const pair = await gatedPair(
      function* (session) {
        session.openGate()
        yield* until(promise)
        const { body } = yield* receive(CONTROL)
        session.send(body)
      },
      function* (session) {
        session.openGate()
        yield* receive(CONTROL)
      },
    )
    const { connection } = pair.client
    assert.equal(connection.pause, undefined)
    assert.ok(connection.background)
    inject(pair.server.connection, utf8('kept'))
    pair.server.connection.write(utf8('data'))
    pair.move()
    assert.equal(Buffer.from(pair.client.received).toString(), 'data')
    resolve()
    await connection.background
    connection.resume()
    pair.move()
    assert.equal(pair.client.error, undefined)
    assert.equal(connection.background, undefined)
  })

  test('keeps a few messages for a plug that is busy, and no more', async () => {
    const pair = await gatedPair(function* (session) {
      session.openGate()
      yield* until(new Promise<void>(() => undefined))
    }, OPENS_AT_ONCE)
    for (let i = 0; i < 4; i++) inject(pair.server.connection)
    pair.move()
    assert.equal(pair.client.error, undefined)
    inject(pair.server.connection)
    pair.move()
    assert.equal(alertOf(pair.client.error), 'unexpected_message')
  })

  test('a message and an alarm: what comes first counts, and the other does not', async () => {
    const { promise, resolve } = deferred<undefined>()
    const got: string[] = []
    const pair = await gatedPair(function* (session) {
      session.openGate()
      for (;;) {
        const message = yield* receiveBefore(promise, CONTROL)
        got.push(message ? Buffer.from(message.body).toString() : 'alarm')
        if (!message) return
      }
    }, OPENS_AT_ONCE)
    inject(pair.server.connection, utf8('first'))
    pair.move()
    const { background } = pair.client.connection
    resolve(undefined)
    await background
    pair.client.connection.resume()
    assert.deepEqual(got, ['first', 'alarm'])
    inject(pair.server.connection)
    pair.move()
    assert.equal(alertOf(pair.client.error), 'unexpected_message', 'a plug that has ended takes no more')
  })

  test('stays shut for good if the plug ends without opening it', async () => {
    const pair = await gatedPair(function* () {}, OPENS_AT_ONCE)
    assert.equal(alertOf(pair.client.error), 'internal_error')
  })

  test('the plug’s refusal is the connection’s', async () => {
    const pair = await gatedPair(function* (session) {
      session.send(utf8('question'))
      yield* receive(CONTROL)
      throw new ProtocolError('access_denied', 'no')
    }, answering)
    assert.equal(alertOf(pair.client.error), 'access_denied')
    assert.equal(
      pair.server.error && 'code' in pair.server.error && pair.server.error.code,
      'ERR_TLS_ALERT_ACCESS_DENIED',
    )
    assert.ok(!hasOpened(pair.client))
  })

  test('the plug is told when the connection is closed', async () => {
    let hasEnded = false
    const pair = await gatedPair(function* () {
      try {
        yield* receive(CONTROL)
      } finally {
        hasEnded = true
      }
    }, answering)
    pair.client.connection.close()
    assert.ok(hasEnded)
    assert.equal(pair.client.connection.state, 'closed')
  })

  test('a peer that says that no more comes before it is open ends the connection', async () => {
    const pair = await gatedPair(asking, OPENS_AT_ONCE)
    pair.server.connection.close()
    pair.move()
    assert.match(pair.client.error?.message ?? '', /closed the connection/)
  })

  test('keys may be updated while it is shut', async () => {
    const pair = await gatedPair(asking, function* (session) {
      session.openGate()
      yield* receive(CONTROL)
    })
    pair.server.connection.updateKeys(false)
    inject(pair.server.connection, utf8('answer'))
    pair.move()
    assert.equal(pair.client.error, undefined)
    assert.ok(hasOpened(pair.client))
  })
})

describe('messages of a plug after the handshake', () => {
  test('do not count as idle', async () => {
    const pair = await gatedPair(function* (session) {
      session.openGate()
      for (;;) yield* receive(CONTROL)
    }, OPENS_AT_ONCE)
    for (let i = 0; i < 100; i++) {
      inject(pair.server.connection)
      pair.move()
    }
    assert.equal(pair.client.error, undefined)
  })

  test('are refused where no plug has any', async () => {
    const pair = makePair()
    await pair.run()
    inject(pair.server.connection)
    pair.move()
    assert.equal(alertOf(pair.client.error), 'unexpected_message')
  })

  test('are refused by their header if they are longer than the plug takes', async () => {
    const pair = await gatedPair(asking, OPENS_AT_ONCE)
    inject(pair.server.connection, new Uint8Array(1001))
    pair.move()
    assert.equal(alertOf(pair.client.error), 'illegal_parameter')
  })

  test('are refused if they are of another type', async () => {
    const pair = await gatedPair(asking, OPENS_AT_ONCE)
    inject(pair.server.connection, Uint8Array.of(1), CONTROL + 1)
    pair.move()
    assert.equal(alertOf(pair.client.error), 'unexpected_message')
  })
})

describe('a plug that forbids PSKs', () => {
  const tickets = () => new TicketIssuer(systemEntropy, { count: 1 })
  const psk = { identity: utf8('psk'), key: new Uint8Array(32).fill(7), hash: 'sha256' } as const

  test('has none offered: not even how they might be used', async () => {
    const sent: number[] = []
    const plug = testPlug({
      forbidsPsk: true,
      *answer(view) {
        sent.push(...view.clientHello.types)
        return {
          extensions: [],
          needsCertificateRequest: false,
          serverCertificateType: undefined,
          clientCertificateType: undefined,
        }
      },
    })
    const pair = makePair({ client: { plug, preSharedKeys: [psk] }, server: { plug, preSharedKeys: [psk] } })
    await pair.run()
    assert.equal(pair.client.error, undefined)
    assert.ok(sent.includes(51) && !sent.includes(41) && !sent.includes(45), sent.join())
    assert.equal(pair.client.established.pskIdentity, undefined)
  })

  test('has none taken and no ticket issued', async () => {
    const plug = testPlug({ forbidsPsk: true })
    const pair = makePair({
      client: { plug: testPlug(), preSharedKeys: [psk] },
      server: { plug, preSharedKeys: [psk], tickets: tickets() },
    })
    await pair.run()
    assert.equal(pair.server.error, undefined)
    assert.equal(pair.server.established.pskIdentity, undefined)
    assert.equal(pair.client.sessions.length, 0)
  })

  test('has tickets thrown away that come all the same', async () => {
    const pair = makePair({
      client: { plug: testPlug({ forbidsPsk: true }), hasKeyLog: true },
      server: { plug: testPlug(), tickets: tickets() },
    })
    await pair.run()
    const ticket = Uint8Array.from([0, 0, 0, 60, 0, 0, 0, 0, 1, 0, 0, 1, 9, 0, 0])
    inject(pair.server.connection, ticket, 4)
    pair.move()
    assert.equal(pair.client.error, undefined)
    assert.equal(pair.client.sessions.length, 0)
  })
})
