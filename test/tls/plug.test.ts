import assert from 'node:assert/strict'
import test, { describe } from 'node:test'
import { hex, utf8 } from '#src/bytes/index.js'
import { systemEntropy } from '#src/crypto/index.js'
import { decodeSession, extensionValue, ProtocolError, TicketIssuer, until } from '#src/handshake/index.js'
import { alertOf, always, connectedPair, credentialFor, makePair, type PairOptions } from '../support/pair.js'
import { deferred, TEST_ALERT, testExtension, testPlug } from '../support/plug.js'

const mutual = (client: ReturnType<typeof testPlug>, server: ReturnType<typeof testPlug>): PairOptions => ({
  client: { plug: client, credentials: always(credentialFor('client')) },
  server: { plug: server, clientAuthentication: 'required' },
})

describe('a plug', () => {
  test('is asked in the order of the handshake', async () => {
    const [client, server] = [testPlug(), testPlug()]
    await connectedPair(mutual(client, server))
    assert.deepEqual(client.calls, ['offer', 'accept', 'examine', 'prove', 'complete'])
    assert.deepEqual(server.calls, ['answer', 'prove', 'examine', 'complete'])
  })

  test('sees the same handshake on both sides', async () => {
    const [client, server] = [testPlug(), testPlug()]
    await connectedPair(mutual(client, server))
    const [own, peer] = [client.views[0], server.views[0]]
    assert.ok(own && peer)
    assert.deepEqual(own.handshakeExporter('x', utf8('y'), 32), peer.handshakeExporter('x', utf8('y'), 32))
    assert.notDeepEqual(own.handshakeExporter('x', utf8('z'), 32), peer.handshakeExporter('x', utf8('y'), 32))
    assert.deepEqual([own.side, own.serverName, own.group, own.suite], ['client', 'localhost', 0x1d, peer.suite])
    assert.equal(hex(peer.clientHello.get(testExtension.client_hello) ?? utf8('')), '01')
  })

  test('brings extensions of its own, to a HelloRetryRequest too', async () => {
    let answer: Uint8Array | undefined
    const plug = testPlug({
      accept(_view, extensions) {
        answer = extensions.get(testExtension.encrypted_extensions)
        return { needsCertificateRequest: false }
      },
    })
    await connectedPair({ client: { plug }, server: { plug: testPlug(), groups: [0x17] } })
    assert.equal(hex(answer ?? utf8('')), '02')
  })

  test('may answer in the Certificate what was asked in the ClientHello', async () => {
    let received: Uint8Array | undefined
    const client = testPlug({
      *examine(_view, peer) {
        received = peer?.entries[0]?.extensions.get(testExtension.certificate)
        return null
      },
    })
    const server = testPlug({
      *prove(_view, own) {
        const [leaf, ...more] = own?.entries ?? []
        assert.ok(own && leaf)
        const extensions = [extensionValue(testExtension.certificate, Uint8Array.of(3))]
        return { ...own, entries: [{ ...leaf, extensions }, ...more] }
      },
    })
    await connectedPair({ client: { plug: client }, server: { plug: server } })
    assert.equal(hex(received ?? utf8('')), '03')
  })

  test('may demand that the client be asked, and is told if it has nothing to show', async () => {
    let wasAskedAboutNobody = false
    const server = testPlug({
      *answer() {
        return {
          extensions: [],
          needsCertificateRequest: true,
          serverCertificateType: undefined,
          clientCertificateType: undefined,
        }
      },
      *examine(_view, peer) {
        wasAskedAboutNobody = peer === null
        return null
      },
    })
    const client = testPlug({ accept: () => ({ needsCertificateRequest: true }) })
    await connectedPair({ client: { plug: client }, server: { plug: server } })
    assert.ok(wasAskedAboutNobody)
  })

  test('of a client may insist on a CertificateRequest', async () => {
    const client = testPlug({ accept: () => ({ needsCertificateRequest: true }) })
    const pair = makePair({ client: { plug: client }, server: { plug: testPlug() } })
    await pair.run()
    assert.equal(alertOf(pair.client.error), 'unexpected_message')
  })

  test('names its alerts', async () => {
    const server = testPlug({
      *answer() {
        throw new ProtocolError(TEST_ALERT, 'this will not do', { code: 'ERR_TEST' })
      },
    })
    const pair = makePair({ client: { plug: testPlug() }, server: { plug: server } })
    await pair.run()
    assert.equal(alertOf(pair.server.error), 'alert_224')
    assert.equal((pair.client.error as { code?: string } | undefined)?.code, 'ERR_TLS_ALERT_TEST_ALERT')
  })

  test('decides whether a session is saved and whether it is resumed', async () => {
    const tickets = new TicketIssuer(systemEntropy)
    const unsaved = await connectedPair({
      client: { plug: testPlug() },
      server: { plug: testPlug({ saveSession: () => null }), tickets },
    })
    assert.deepEqual(unsaved.client.sessions, [])
    const thrownAway = await connectedPair({
      client: { plug: testPlug({ saveSession: () => null }) },
      server: { plug: testPlug(), tickets },
    })
    assert.deepEqual(thrownAway.client.sessions, [])
    const first = await connectedPair({ client: { plug: testPlug() }, server: { plug: testPlug(), tickets } })
    const session = decodeSession(first.client.sessions[0] ?? utf8('')) ?? assert.fail()
    const again = async (client: ReturnType<typeof testPlug>, server: ReturnType<typeof testPlug> | undefined) => {
      const pair = makePair({ client: { plug: client, session }, server: { plug: server, tickets } })
      await pair.run()
      return pair.client.established.isResumed
    }
    assert.equal(await again(testPlug(), testPlug()), true)
    assert.equal(await again(testPlug({ restoreSession: () => false }), testPlug()), false)
    assert.equal(await again(testPlug(), testPlug({ restoreSession: () => false })), false)
    // A session that was earned with a plug is none without it, and the other way round.
    const accepts = testPlug()
    assert.equal(await again(accepts, undefined), false)
  })

  test('of which the session is none does not count for a client without one', async () => {
    const tickets = new TicketIssuer(systemEntropy)
    const plain = await connectedPair({ server: { tickets } })
    const session = decodeSession(plain.client.sessions[0] ?? utf8('')) ?? assert.fail()
    const pair = await connectedPair({ client: { session, plug: testPlug() }, server: { tickets, plug: testPlug() } })
    assert.ok(!pair.client.established.isResumed)
  })
})

describe('while a plug waits', () => {
  /** A pair of which one plug waits in one of its steps. */
  function waiting(side: 'client' | 'server', step: 'offer' | 'answer' | 'prove' | 'examine') {
    const gate = deferred<void>()
    const base = testPlug()
    const plugs = {
      offer: testPlug({
        *offer(hs) {
          yield* until(gate.promise)
          return yield* base.offer(hs)
        },
      }),
      answer: testPlug({
        *answer(hs, authenticator) {
          yield* until(gate.promise)
          return yield* base.answer(hs, authenticator)
        },
      }),
      prove: testPlug({
        *prove(hs, own) {
          yield* until(gate.promise)
          return yield* base.prove(hs, own)
        },
      }),
      examine: testPlug({
        *examine(hs, peer, publicKey) {
          yield* until(gate.promise)
          return yield* base.examine(hs, peer, publicKey)
        },
      }),
    }
    const plug = plugs[step]
    const [client, server] = side === 'client' ? [plug, testPlug()] : [testPlug(), plug]
    return { gate, pair: makePair(mutual(client, server)) }
  }
  const steps = [
    ['client', 'offer'],
    ['client', 'examine'],
    ['client', 'prove'],
    ['server', 'answer'],
    ['server', 'prove'],
    ['server', 'examine'],
  ] as const

  for (const [side, step] of steps) {
    test(`in ${step} of the ${side}, nobody is open who must not be, and then both are`, async () => {
      const { gate, pair } = waiting(side, step)
      pair.runAtOnce()
      assert.equal(pair[side].connection.state, 'handshake')
      assert.ok(pair[side].connection.pause)
      assert.throws(() => pair[side].connection.write(utf8('too early')), /cannot be written/)
      // Only the last step of the server comes after the client is done.
      const isClientOpen = side === 'server' && step === 'examine'
      assert.equal(pair.client.connection.state, isClientOpen ? 'open' : 'handshake')
      if (isClientOpen) {
        pair.client.connection.write(utf8('early words'))
        pair.client.connection.close()
        pair.move()
        assert.equal(pair.server.received.length, 0)
        assert.ok(!pair.server.hasEnded)
      }
      gate.resolve()
      await pair.settle()
      assert.equal(pair.server.connection.state, 'open')
      if (isClientOpen) {
        assert.equal(Buffer.from(pair.server.received).toString(), 'early words')
        assert.ok(pair.server.hasEnded)
      } else {
        assert.equal(pair.client.connection.state, 'open')
      }
    })

    test(`in ${step} of the ${side}, its refusal reaches the peer and nothing else does`, async () => {
      const { gate, pair } = waiting(side, step)
      pair.runAtOnce()
      if (pair.client.connection.state === 'open') pair.client.connection.write(utf8('secret'))
      gate.reject(new ProtocolError(TEST_ALERT, 'no'))
      await pair.settle()
      assert.equal(pair[side].connection.state, 'closed')
      assert.equal(pair.server.received.length, 0)
      assert.equal(pair.client.received.length, 0)
      const other = side === 'client' ? pair.server : pair.client
      assert.equal(alertOf(pair[side].error), 'alert_224')
      assert.equal((other.error as { code?: string } | undefined)?.code, 'ERR_TLS_ALERT_TEST_ALERT')
    })

    test(`in ${step} of the ${side}, the end of the connection fires the signal and nothing comes after`, async () => {
      const { gate, pair } = waiting(side, step)
      pair.runAtOnce()
      const { connection } = pair[side]
      const { signal } = connection
      connection.fail(new Error('enough'))
      assert.ok(signal.aborted)
      assert.equal(connection.pause, undefined)
      gate.resolve()
      await gate.promise
      connection.resume()
      pair.move()
      assert.equal(connection.state, 'closed')
      assert.equal(pair[side].events.filter(({ type }) => type === 'error').length, 1)
    })
  }

  test('what is unread stays bounded', () => {
    const { pair } = waiting('server', 'examine')
    pair.runAtOnce()
    const chunk = new Uint8Array(2 ** 16)
    for (let i = 0; i < 16; i++) {
      assert.equal(pair.server.connection.state, 'handshake')
      pair.server.connection.receive(chunk)
    }
    pair.server.connection.receive(chunk)
    assert.equal(pair.server.connection.state, 'closed')
  })

  test('a step that is given up cleans up behind itself', () => {
    let isClean = false
    const plug = testPlug({
      *examine() {
        try {
          yield* until(new Promise<void>(() => undefined))
        } finally {
          isClean = true
        }
        return null
      },
    })
    const pair = makePair({ client: { plug }, server: { plug: testPlug() } })
    pair.runAtOnce()
    pair.client.connection.close()
    assert.ok(isClean)
  })
})
