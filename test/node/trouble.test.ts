import assert from 'node:assert/strict'
import { once } from 'node:events'
import { get } from 'node:http'
import { createServer as createNetServer, connect as netConnect, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import test, { describe } from 'node:test'
import { type AttestedSocket, connect, createServer } from '#src/node/index.js'
import { clientOptions, duplexPair, listen, pair, readAll, serverOptions } from './support.js'

describe('a server that is not spoken TLS to', () => {
  test('tells a client of plain HTTP from one of TLS', async t => {
    const listener = createServer(serverOptions)
    const port = await listen(t, listener)
    const refused = once(listener, 'tlsClientError')
    const asked = get({ port, host: '127.0.0.1' })
    await once(asked, 'error')
    const [error] = await refused
    assert.equal(error.code, 'ERR_TLS_NOT_TLS')
  })

  test('refuses what is no ClientHello, with an alert and an end', async t => {
    for (const [bytes, code] of [
      ['160301000401000000', 'ERR_TLS_DECODE'],
      ['160301000402000000', 'ERR_TLS_UNEXPECTED_MESSAGE'],
      ['17030300020000', 'ERR_TLS_UNEXPECTED_MESSAGE'],
      ['1603ff4001', 'ERR_TLS_RECORD_OVERFLOW'],
      ['ffffffffffffffff', 'ERR_TLS_NOT_TLS'],
    ] as const) {
      const listener = createServer(serverOptions)
      const port = await listen(t, listener)
      const refused = once(listener, 'tlsClientError')
      const client = netConnect({ port, host: '127.0.0.1' })
      client.write(Buffer.from(bytes, 'hex'))
      const chunks: Buffer[] = []
      client.on('data', chunk => chunks.push(chunk))
      await once(client, 'end')
      const [error, socket] = (await refused) as [Error & { code: string }, AttestedSocket]
      assert.equal(error.code, code)
      assert.equal(Buffer.concat(chunks)[0], 21)
      assert.equal(socket.destroyed, true)
    }
  })

  test('tells once of a client that leaves, at whatever point of the handshake', async t => {
    const flights = await recorded(t)
    for (let length = 0; length < flights.length; length += Math.max(1, Math.floor(flights.length / 20))) {
      for (const leave of ['end', 'resetAndDestroy'] as const) {
        const listener = createServer(serverOptions)
        const port = await listen(t, listener)
        const errors: Error[] = []
        listener.on('tlsClientError', error => errors.push(error))
        listener.on('secureConnection', () => assert.fail('a handshake was completed'))
        const [[transport]] = (await Promise.all([
          once(listener, 'connection'),
          (async () => {
            const client = netConnect({ port, host: '127.0.0.1' })
            client.on('error', () => {})
            client.resume()
            await once(client, 'connect')
            await new Promise(resolve => client.write(flights.subarray(0, length), resolve))
            client[leave]()
          })(),
        ])) as [[Socket], unknown]
        if (!transport.closed) await new Promise(resolve => transport.on('close', resolve))
        assert.equal(errors.length, 1, `after ${length} bytes, by ${leave}: ${errors}`)
      }
    }
  })
})

describe('a client', () => {
  test('tells once of a server that leaves, at whatever point of the handshake', async t => {
    for (const cut of [0, 1, 5, 90, 127, 128, 200, 500]) {
      for (const leave of ['end', 'resetAndDestroy'] as const) {
        const listener = createNetServer(socket => {
          socket.on('error', () => {})
          // A server behind it answers, and what it says is cut short.
          const behind = createServer(serverOptions)
          behind.on('tlsClientError', () => {})
          const [near, far] = duplexPair()
          behind.emit('connection', far)
          socket.on('close', () => near.end())
          socket.on('data', chunk => near.write(chunk))
          let left = cut
          near.on('data', (chunk: Buffer) => {
            socket.write(chunk.subarray(0, left))
            left -= Math.min(left, chunk.length)
            if (left === 0) socket[leave]()
          })
        })
        const port = await listen(t, listener)
        const client = connect({ port, host: '127.0.0.1', ...clientOptions })
        const events: string[] = []
        client.on('secureConnect', () => events.push('secureConnect'))
        client.on('error', error => events.push(String(Reflect.get(error, 'code'))))
        client.write('never sent')
        await new Promise(resolve => client.on('close', resolve))
        assert.deepEqual(events, ['ECONNRESET'], `after ${cut} bytes, by ${leave}`)
        assert.equal(client.bytesWritten, 0)
      }
    }
  })

  test('tells once of a server that speaks something else', async t => {
    const port = await listen(
      t,
      createNetServer(socket => socket.on('error', () => {}).end('HTTP/1.1 400 Bad Request\r\n\r\n')),
    )
    const client = connect({ port, host: '127.0.0.1', ...clientOptions })
    const [error] = await once(client, 'error')
    assert.equal(error.code, 'ERR_TLS_NOT_TLS')
  })

  test('tells once that nobody listens', async t => {
    const listener = createNetServer()
    const port = await listen(t, listener)
    await new Promise(resolve => listener.close(resolve))
    const client = connect({ port, host: '127.0.0.1', ...clientOptions })
    client.end('x')
    const [error] = await once(client, 'error')
    assert.equal(error.code, 'ECONNREFUSED')
  })

  test('tells once of a stream that has ended already', async () => {
    const [ended] = duplexPair()
    ended.destroy()
    const client = connect({ socket: ended, ...clientOptions })
    const [error] = await once(client, 'error')
    assert.equal(error.code, 'ECONNRESET')
  })

  test('is told of a reset while the connection is open', async t => {
    const listener = createServer(serverOptions, ignoreErrors)
    const port = await listen(t, listener)
    const accepted = once(listener, 'connection')
    const client = connect({ port, host: '127.0.0.1', ...clientOptions })
    client.resume()
    await once(client, 'session')
    const [transport] = (await accepted) as [Socket]
    const failed = once(client, 'error')
    transport.resetAndDestroy()
    const [error] = await failed
    assert.equal(error.code, 'ECONNRESET')
    assert.equal(client.destroyed, true)
  })
})

describe('time', () => {
  test('for a handshake is bounded on the server', async t => {
    const listener = createServer({ ...serverOptions, handshakeTimeout: 1 })
    const port = await listen(t, listener)
    const refused = once(listener, 'tlsClientError')
    const client = netConnect({ port, host: '127.0.0.1' })
    client.resume()
    const [error, socket] = (await refused) as [Error & { code: string }, AttestedSocket]
    assert.equal(error.code, 'ERR_TLS_HANDSHAKE_TIMEOUT')
    assert.equal(socket.destroyed, true)
    await once(client, 'close')
  })

  test('for a handshake is bounded on the client, also while it connects', async t => {
    const port = await listen(
      t,
      createNetServer(socket => socket.resume()),
    )
    const client = connect({ port, host: '127.0.0.1', ...clientOptions, handshakeTimeout: 1 })
    const [error] = await once(client, 'error')
    assert.equal(error.code, 'ERR_TLS_HANDSHAKE_TIMEOUT')
  })

  test('that was too long for a handshake is told to the peer as user_canceled', async t => {
    const listener = createNetServer()
    const port = await listen(t, listener)
    const accepted = once(listener, 'connection')
    const client = connect({ port, host: '127.0.0.1', ...clientOptions, handshakeTimeout: 300 })
    client.on('error', () => {})
    const [transport] = await accepted
    const sent = await readAll(transport)
    // A ClientHello, and two alerts of warning level (RFC 8446 §6): user_canceled and close_notify.
    assert.equal(sent[0], 22)
    assert.equal(sent.subarray(5 + sent.readUInt16BE(3)).toString('hex'), '1503030002015a15030300020100')
  })

  test('for a handshake has no bound where none is wanted', async t => {
    await pair(t, { handshakeTimeout: 0 }, { handshakeTimeout: 0 })
  })
})

describe('a signal', () => {
  test('ends a connection at whatever stage', async t => {
    const port = await listen(t, createServer(serverOptions, ignoreErrors))
    const options = { port, host: '127.0.0.1', ...clientOptions }
    const reason = new Error('enough')
    for (const stage of ['before', 'connect', 'secureConnect', 'session']) {
      const abort = new AbortController()
      if (stage === 'before') abort.abort(reason)
      const client = connect({ ...options, signal: abort.signal })
      client.on(stage, () => abort.abort(reason))
      client.resume()
      const [error] = await once(client, 'error')
      assert.deepEqual([error.name, error.code, error.cause], ['AbortError', 'ABORT_ERR', reason], stage)
    }
  })
})

describe('nothing is left behind', () => {
  test('of listeners on signals and transports', async t => {
    const abort = new AbortController()
    const { clients, transports } = await closedOnes(t, abort.signal)
    for (const transport of transports) {
      assert.equal(transport.destroyed, true)
      for (const event of ['data', 'drain', 'lookup']) assert.equal(transport.listenerCount(event), 0, event)
    }
    assert.ok(clients.every(client => client.closed))
    // Fires into nothing: neither an error nor a second one.
    for (const client of clients) client.on('error', () => assert.fail('an error after the end'))
    abort.abort()
  })

  test('of timers and handles', async t => {
    const before = resources()
    await closedOnes(t, undefined)
    for (let i = 0; i < 100 && resources() > before; i++) await new Promise(resolve => setImmediate(resolve))
    assert.ok(resources() <= before, process.getActiveResourcesInfo().join())
  })
})

function ignoreErrors(socket: AttestedSocket): void {
  socket.on('error', () => {})
}

/** Timers that keep a process alive, and connections. */
function resources(): number {
  return process.getActiveResourcesInfo().filter(name => name === 'Timeout' || name === 'TCPSocketWrap').length
}

/** Clients that have come and gone in several ways. */
async function closedOnes(
  t: test.TestContext,
  signal: AbortSignal | undefined,
): Promise<{ readonly clients: readonly AttestedSocket[]; readonly transports: readonly Duplex[] }> {
  const transports: Duplex[] = []
  const listener = createServer(serverOptions, socket => {
    ignoreErrors(socket)
    socket.end('bye')
  })
  listener.on('connection', transport => transports.push(transport))
  listener.on('tlsClientError', () => {})
  const port = await listen(t, listener)
  const options = { port, host: '127.0.0.1', ...clientOptions, ...(signal && { signal }) }
  const clients: AttestedSocket[] = []
  for (const end of [
    (client: AttestedSocket) => client.resume().end(),
    (client: AttestedSocket) => client.destroy(),
    (client: AttestedSocket) => client.on('secureConnect', () => client.destroy()),
    (client: AttestedSocket) => client.on('error', () => {}).destroy(new Error('enough')),
    (client: AttestedSocket) => client.setTimeout(60_000).resume(),
  ]) {
    const client = connect(options)
    clients.push(client)
    end(client)
    await new Promise(resolve => client.on('close', resolve))
  }
  const refused = connect({ ...options, servername: 'elsewhere.example' })
  clients.push(refused.on('error', () => {}))
  await new Promise(resolve => refused.on('close', resolve))
  refused.removeAllListeners('error')
  for (const transport of transports) if (!transport.closed) await once(transport, 'close')
  return { clients, transports }
}

/** What a client sends up to the end of its first flight, and before its Finished. */
async function recorded(t: test.TestContext): Promise<Buffer> {
  const listener = createNetServer()
  const port = await listen(t, listener)
  const accepted = once(listener, 'connection')
  const client = connect({ port, host: '127.0.0.1', ...clientOptions })
  client.on('error', () => {})
  const [transport] = (await accepted) as [Socket]
  const [hello] = (await once(transport, 'data')) as [Buffer]
  client.destroy()
  return hello
}
