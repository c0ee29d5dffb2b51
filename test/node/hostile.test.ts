import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect as netConnect, type Socket } from 'node:net'
import test, { describe, type TestContext } from 'node:test'
import { type AttestedServer, type AttestedSocket, connect, createServer } from '#src/node/index.js'
import { clientOptions, listen, pair, readAll, serverOptions } from './support.js'

describe('a server keeps serving, and forgets', () => {
  test('a client that sends its hello byte by byte, which gains it no time', async t => {
    const listener = createServer({ ...serverOptions, handshakeTimeout: 20 })
    const client = netConnect({ port: await listen(t, listener), host: '127.0.0.1' })
    client.on('error', () => {})
    const failed = once(listener, 'tlsClientError')
    let isOver = false
    const drip = () => {
      // The header of a record, and then what may stand in it, for as long as it is taken.
      client.write(Uint8Array.of([22, 3, 1, 0x40, 0, 1, 0, 0x3f, 0xf0][sent++] ?? 3))
      if (!isOver) setImmediate(drip)
    }
    let sent = 0
    drip()
    const [error] = await failed
    isOver = true
    assert.match(error.code, /^ERR_TLS_(HANDSHAKE_TIMEOUT|DECODE)$/)
    client.destroy()
  })

  test('a client that ends its side in the middle of its hello and keeps the other open', async t => {
    const { dial, refused } = await serving(t)
    const client = await dial({ allowHalfOpen: true })
    client.end(Buffer.from('16030100c80100', 'hex'))
    assert.equal(await refused(), 'ECONNRESET')
    if (!client.closed) await once(client.resume(), 'close')
  })

  test('a client whose hello would be as long as a length can say', async t => {
    const { dial, refused, transports } = await serving(t)
    const client = await dial()
    // A record full of the beginning of a message of 2^24 - 1 bytes, and many more to follow.
    const record = Buffer.alloc(5 + 16_384)
    record.set([22, 3, 1, 0x40, 0, 1, 0xff, 0xff, 0xff])
    client.write(record)
    assert.match(await refused(), /^ERR_TLS_/)
    assert.ok((transports[0]?.bytesRead ?? 0) <= 2 ** 16, 'it was refused for its first record')
  })

  test('a client that is refused, does not read why, and does not leave', async t => {
    const { dial, refused, transports, listener } = await serving(t)
    t.mock.timers.enable({ apis: ['setTimeout'] })
    const client = await dial()
    client.pause().write('GET / HTTP/1.1\r\n\r\n')
    await once(listener, 'tlsClientError')
    const [transport] = transports
    assert.equal(transport?.destroyed, false)
    t.mock.timers.tick(1000)
    assert.equal(transport?.destroyed, true)
    t.mock.timers.reset()
    assert.equal(await refused(), 'ERR_TLS_NOT_TLS')
  })

  test('hundreds that are refused at once, and has the handles and listeners of before', async t => {
    const { dial, listener } = await serving(t)
    let told = 0
    listener.on('tlsClientError', () => told++)
    const before = handles()
    const nonsense = ['GET / HTTP/1.1\r\n\r\n', '\xff\xff\xff\xff\xff\xff', '\x16\x03\x01\x00\x04\x02\x00\x00\x00']
    for (let round = 0; round < 5; round++) {
      const clients = await Promise.all(Array.from({ length: 60 }, () => dial()))
      await Promise.all(
        clients.map(async (client, i) => {
          client.end(nonsense[i % nonsense.length], 'latin1')
          if (!client.closed) await once(client.resume(), 'close')
        }),
      )
    }
    await until(() => told === 300 && handles() <= before)
  })
})

describe('a client that reads nothing', () => {
  test('stops the server when it has written what may lie in between, and not its end', async t => {
    const { client, server } = await pair(t)
    client.pause()
    server.on('error', () => {})
    let written = 0
    while (server.write(Buffer.alloc(65_536))) written++
    assert.ok(written < 1024, `${written} blocks were taken at once`)
    const closed = new Promise(resolve => server.on('close', resolve))
    server.destroy()
    await closed
  })

  test('is told of, by idle time', async t => {
    const { client, server } = await pair(t)
    client.pause()
    server.setTimeout(1)
    await once(server, 'timeout')
  })
})

/** A server that greets clients of TLS, checked when the test ends, and what its other clients need. */
async function serving(t: TestContext) {
  const listener: AttestedServer = createServer(serverOptions, socket => socket.end('welcome'))
  const port = await listen(t, listener)
  const transports: Socket[] = []
  listener.on('connection', (transport: Socket) => transports.push(transport))
  const failure = new Promise<string>(resolve =>
    listener.once('tlsClientError', (error: Error, socket: AttestedSocket) => {
      assert.equal(socket.destroyed, true)
      resolve(String(Reflect.get(error, 'code')))
    }),
  )
  const dial = async (more: { allowHalfOpen?: boolean } = {}): Promise<Socket> => {
    const client = netConnect({ port, host: '127.0.0.1', ...more })
    t.after(() => client.destroy())
    client.on('error', () => {})
    await once(client, 'connect')
    return client
  }
  const refused = async (): Promise<string> => {
    const code = await failure
    assert.equal(await greeting(), 'welcome')
    return code
  }
  const greeting = async () => String(await readAll(connect({ port, host: '127.0.0.1', ...clientOptions })))
  return { listener, dial, refused, transports }
}

function handles(): number {
  return process.getActiveResourcesInfo().filter(name => name === 'Timeout' || name === 'TCPSocketWrap').length
}

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise(resolve => setImmediate(resolve))
}
