import assert from 'node:assert/strict'
import { createHash, randomFillSync } from 'node:crypto'
import { once } from 'node:events'
import { type Duplex, Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import test, { describe } from 'node:test'
import { type AttestedSocket, connect, createServer } from '#src/node/index.js'
import { clientOptions, duplexPair, pair, readAll, serverOptions } from './support.js'

const megabytes = randomFillSync(Buffer.alloc(16 * 2 ** 20))
const digest = (data: Uint8Array) => createHash('sha256').update(data).digest('hex')

describe('data', () => {
  test('of 16 MB goes both ways at once, in one write', async t => {
    const { server, client } = await pair(t)
    client.end(megabytes)
    server.end(megabytes)
    const [one, other] = await Promise.all([readAll(server), readAll(client)])
    assert.equal(digest(one), digest(megabytes))
    assert.equal(digest(other), digest(megabytes))
    assert.equal(client.bytesWritten, megabytes.length)
    assert.equal(client.bytesRead, megabytes.length)
  })

  test('of 16 MB goes through pipes in pieces of every size', async t => {
    const { server, client } = await pair(t)
    const pieces = function* () {
      for (let at = 0, size = 1; at < megabytes.length; at += size, size = ((size * 7) % 70_001) + 1) {
        yield megabytes.subarray(at, at + size)
      }
    }
    const echo = pipeline(server, server)
    const [echoed] = await Promise.all([readAll(client), pipeline(Readable.from(pieces()), client), echo])
    assert.equal(digest(echoed), digest(megabytes))
  })

  test('goes in writes of one byte', async t => {
    const { server, client } = await pair(t)
    const text = 'one byte at a time. '.repeat(100)
    for (const byte of Buffer.from(text)) client.write(Buffer.of(byte))
    client.end()
    assert.equal(String(await readAll(server)), text)
  })

  test('goes in records of the length that the peer takes, and padded', async t => {
    const lengths: number[] = []
    const { server, client } = await pair(
      t,
      { recordSizeLimit: 64 },
      {
        // A server may limit only a client that limits too (RFC 8449 §4).
        recordSizeLimit: 16_385,
        recordPadding(length) {
          lengths.push(length)
          return 100
        },
      },
    )
    lengths.length = 0
    client.end(Buffer.alloc(1000, 1))
    assert.equal((await readAll(server)).length, 1000)
    assert.ok(lengths.every(length => length <= 63))
    assert.ok(lengths.filter(length => length === 63).length >= 15)
  })

  test('that nobody reads stops the peer, and is all there in the end', async t => {
    const [near, far] = duplexPair()
    const { server, client } = await over(t, near, far)
    server.pause()
    client.end(megabytes)
    // Until the client is stuck nothing but its own progress happens; then nothing at all.
    for (let before = -1; before !== client.bytesWritten; await turns(20)) before = client.bytesWritten
    assert.ok(client.bytesWritten < 2 ** 20, `${client.bytesWritten} bytes were sent to a reader that does not read`)
    assert.ok(server.readableLength < 2 ** 19)
    server.resume()
    assert.equal(digest(await readAll(server)), digest(megabytes))
  })

  test('corked together leaves in one piece', async t => {
    const [near, far] = duplexPair()
    const { server, client } = await over(t, near, far)
    const writes = writesOf(near)
    client.cork()
    for (let i = 0; i < 100; i++) client.write(`line ${i}\n`)
    client.uncork()
    await once(server, 'readable')
    assert.equal(writes(), 1)
    assert.equal(String(server.read()).split('\n').length, 101)
  })

  for (const [when, write] of [
    ['before the handshake is complete', (socket: AttestedSocket) => socket.write('request')],
    ["in 'secureConnect'", (socket: AttestedSocket) => socket.once('secureConnect', () => socket.write('request'))],
  ] as const) {
    test(`that is written ${when} leaves with the end of the handshake`, async t => {
      const [near, far] = duplexPair()
      const writes = writesOf(near)
      const { server } = await over(t, near, far, write)
      if (server.readableLength === 0) await once(server, 'readable')
      assert.equal(String(server.read()), 'request')
      // ClientHello; Finished and the request.
      assert.equal(writes(), 2)
    })
  }

  test("that a server writes in 'secureConnection' leaves with the tickets", async t => {
    const [near, far] = duplexPair()
    const writes = writesOf(far)
    const listener = createServer(serverOptions, socket => socket.write('welcome'))
    listener.emit('connection', far)
    const client = connect({ socket: near, ...clientOptions })
    t.after(() => client.destroy())
    const [welcome] = await once(client, 'data')
    assert.equal(String(welcome), 'welcome')
    // ServerHello...Finished; tickets and the welcome.
    assert.equal(writes(), 2)
  })

  test('survives any number of key updates', async t => {
    const { server, client } = await pair(t)
    server.pipe(server)
    let echoed = ''
    client.on('data', chunk => {
      echoed += chunk
    })
    for (let i = 0; i < 20; i++) {
      client.updateKeys(i % 2 === 0)
      client.write(`${i},`)
      server.updateKeys(i % 3 === 0)
      await once(client, 'data')
    }
    assert.equal(echoed, Array.from({ length: 20 }, (_, i) => `${i},`).join(''))
  })
})

describe('an end', () => {
  test('of one side leaves the other side open where half-open is allowed', async t => {
    const { server, client } = await pair(t, { allowHalfOpen: true }, { allowHalfOpen: true })
    client.end('a question')
    assert.equal(String(await readAll(server)), 'a question')
    assert.equal(server.writable, true)
    server.write('an answer, ')
    await turns(5)
    server.end('later')
    assert.equal(String(await readAll(client)), 'an answer, later')
  })

  test('of one side ends the other side where it is not', async t => {
    const { server, client } = await pair(t)
    server.resume()
    client.resume()
    client.end()
    await Promise.all([once(server, 'close'), once(client, 'close')])
    assert.equal(server.writableFinished, true)
  })

  test('by destroy is a clean end when all has been sent, and a cut one when it has not', async t => {
    const clean = await pair(t)
    clean.client.write('all of it')
    clean.client.destroy()
    assert.equal(String(await readAll(clean.server)), 'all of it')
    const cut = await pair(t)
    cut.client.write(megabytes)
    cut.client.destroy()
    await assert.rejects(readAll(cut.server), { code: /ERR_TLS_CONNECTION_ENDED|ECONNRESET/ })
  })

  test('that was cut short is told after what came before it has been read', async t => {
    const { server, client } = await over(t, ...duplexPair())
    let received = ''
    server.write('the beginning')
    await once(client, 'readable')
    transportOf(client).push(null)
    await turns(5)
    assert.equal(client.destroyed, false)
    client.on('data', chunk => {
      received += chunk
    })
    const [error] = await once(client, 'error')
    assert.equal(error.code, 'ERR_TLS_CONNECTION_ENDED')
    assert.equal(received, 'the beginning')
  })

  test('can come before the handshake is complete', async t => {
    const [near, far] = duplexPair()
    const { server, client } = await over(t, near, far, socket => socket.end('early'))
    assert.equal(String(await readAll(server)), 'early')
    client.resume()
    if (!client.closed) await once(client, 'close')
  })

  test('soon waits for what was written', async t => {
    const { server, client } = await pair(t)
    client.write(megabytes)
    client.destroySoon()
    assert.equal((await readAll(server)).length, megabytes.length)
  })
})

describe('idle time', () => {
  test('is told of, and does not close', async t => {
    const { client } = await pair(t)
    const called = new Promise<void>(resolve => client.setTimeout(1, resolve))
    await Promise.all([called, once(client, 'timeout')])
    assert.equal(client.destroyed, false)
    assert.equal(client.timeout, 1)
    client.setTimeout(0)
    assert.equal(client.timeout, 0)
    assert.throws(() => client.setTimeout(-1), RangeError)
  })
})

/** A server and a client over two streams. */
async function over(
  t: test.TestContext,
  near: Duplex,
  far: Duplex,
  early: (client: AttestedSocket) => void = () => {},
): Promise<{ readonly server: AttestedSocket; readonly client: AttestedSocket }> {
  const listener = createServer(serverOptions)
  const accepted = once(listener, 'secureConnection')
  listener.emit('connection', far)
  const client = connect({ socket: near, ...clientOptions })
  transports.set(client, near)
  early(client)
  const [[server]] = (await Promise.all([accepted, once(client, 'secureConnect')])) as [[AttestedSocket], unknown]
  t.after(() => {
    client.destroy()
    server.destroy()
  })
  return { server, client }
}
const transports = new WeakMap<AttestedSocket, Duplex>()

function transportOf(socket: AttestedSocket): Duplex {
  const transport = transports.get(socket)
  assert.ok(transport)
  return transport
}

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise(resolve => setImmediate(resolve))
}

/** Counts what is written into a stream. */
function writesOf(stream: Duplex): () => number {
  let writes = 0
  const { write } = stream
  stream.write = ((...args: Parameters<Duplex['write']>) => {
    writes++
    return write.apply(stream, args)
  }) as Duplex['write']
  return () => writes
}
