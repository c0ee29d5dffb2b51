import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer as createRelay, connect as dialPlain } from 'node:net'
import test, { describe, type TestContext } from 'node:test'
import {
  AttestedAgent,
  type AttestedServer,
  type AttestedSocket,
  type ConnectOptions,
  connect,
  createServer,
  type ServerOptions,
} from '#src/node/index.js'
import { clientOptions, listen, serverOptions } from './support.js'

/** A server that takes early data, which echoes, and a session of it. */
async function withSession(t: TestContext, options: ServerOptions = {}, client: ConnectOptions = {}) {
  const server = createServer({ ...serverOptions, replayableEarlyData: true, ...options })
  const sockets: AttestedSocket[] = []
  server.on('secureConnection', socket => {
    sockets.push(socket)
    socket.on('error', () => {})
    socket.pipe(socket)
  })
  const port = await listen(t, server)
  const dial = (more: ConnectOptions = {}): AttestedSocket => {
    const socket = connect({ port, host: '127.0.0.1', ...clientOptions, ...client, ...more })
    t.after(() => socket.destroy())
    return socket
  }
  const session = await sessionOf(dial())
  return { server, sockets, port, dial, session }
}

async function sessionOf(socket: AttestedSocket): Promise<Buffer> {
  const [session] = (await once(socket, 'session')) as [Buffer]
  socket.end()
  await once(socket.resume(), 'close')
  return session
}

/** Everything that is read until so many bytes are there. */
function read(socket: AttestedSocket, length: number): Promise<string> {
  let text = ''
  return new Promise((resolve, reject) => {
    socket.once('error', reject)
    socket.on('data', chunk => {
      text += String(chunk)
      if (text.length >= length) resolve(text)
    })
  })
}

/** What the server is told in early data before the client is known to be there. */
function earlyWordsOf(server: AttestedServer): string[] {
  const words: string[] = []
  server.on('earlyData', (data: Buffer) => words.push(data.toString()))
  return words
}

describe('early data', () => {
  test('is the beginning of the stream, and is read when the handshake is complete', async t => {
    const { dial, session, sockets } = await withSession(t)
    const socket = dial({ session, replayableEarlyData: 'early ' })
    socket.write('words')
    assert.equal(await read(socket, 11), 'early words')
    assert.equal(socket.earlyData, 'accepted')
    assert.equal(sockets.at(-1)?.earlyData, 'accepted')
    assert.equal(sockets.at(-1)?.bytesRead, 11)
  })

  test('comes to a listener before the handshake is complete, and may be answered at once', async t => {
    const { dial, session, server } = await withSession(t)
    let answered: AttestedSocket | undefined
    server.on('earlyData', (data: Buffer, socket: AttestedSocket) => {
      assert.equal(socket.secureConnecting, true)
      answered = socket
      socket.write(`heard ${data}`)
    })
    const socket = dial({ session, replayableEarlyData: 'early words' })
    assert.equal(await read(socket, 17), 'heard early words')
    assert.equal(answered?.bytesRead, 11)
  })

  test('is written after the handshake where there is no session', async t => {
    const { dial, server } = await withSession(t)
    const early = earlyWordsOf(server)
    const socket = dial({ replayableEarlyData: Buffer.from('words') })
    assert.equal(await read(socket, 5), 'words')
    assert.equal(socket.earlyData, null)
    assert.deepEqual(early, [])
  })

  test('is written again where the server does not take it', async t => {
    const admit = () => false
    const { dial, session, server, sockets } = await withSession(t, { replayableEarlyData: { admit } })
    assert.equal(sockets.at(-1)?.earlyData, null)
    const early = earlyWordsOf(server)
    const socket = dial({ session, replayableEarlyData: 'words' })
    assert.equal(await read(socket, 5), 'words')
    assert.equal(socket.isSessionReused(), true)
    assert.equal(socket.earlyData, 'rejected')
    assert.equal(sockets.at(-1)?.earlyData, 'rejected')
    assert.deepEqual(early, [])
  })

  test('is not sent beyond what the ticket allows: the rest follows', async t => {
    const { dial, session, server } = await withSession(t, { replayableEarlyData: { maxBytes: 5 } })
    const early = earlyWordsOf(server)
    const socket = dial({ session, replayableEarlyData: 'early words' })
    assert.equal(await read(socket, 6), ' words')
    assert.equal(early.join(''), 'early')
  })

  test('is off unless the server is told to take it', async t => {
    const { dial, session } = await withSession(t, { replayableEarlyData: false })
    const socket = dial({ session, replayableEarlyData: 'words' })
    assert.equal(await read(socket, 5), 'words')
    assert.equal(socket.earlyData, null)
  })

  test('of a recorded connection is not read a second time', async t => {
    const { dial, session, server, port } = await withSession(t)
    const early = earlyWordsOf(server)
    const recorded: Buffer[] = []
    const relay = createRelay(near => {
      const far = dialPlain(port, '127.0.0.1')
      t.after(() => far.destroy())
      near.on('data', chunk => recorded.push(chunk)).pipe(far)
      far.pipe(near)
    })
    const socket = dial({ port: await listen(t, relay), session, replayableEarlyData: 'pay once' })
    await once(socket, 'secureConnect')
    assert.deepEqual(early, ['pay once'])
    const refused = once(server, 'tlsClientError')
    const replay = dialPlain(port, '127.0.0.1')
    t.after(() => replay.destroy())
    replay.on('error', () => {})
    replay.end(Buffer.concat(recorded))
    await refused
    assert.deepEqual(early, ['pay once'])
  })

  test('is admitted by whom the server asks', async t => {
    const seen: string[] = []
    const admit = ({ binder }: { readonly binder: Uint8Array }) => {
      const id = Buffer.from(binder).toString('hex')
      seen.push(id)
      return Promise.resolve(false)
    }
    const { dial, session } = await withSession(t, { replayableEarlyData: { admit }, ticketKeys: Buffer.alloc(48, 1) })
    const socket = dial({ session, replayableEarlyData: 'words' })
    assert.equal(await read(socket, 5), 'words')
    assert.equal(socket.earlyData, 'rejected')
    assert.equal(seen.length, 1)
  })

  test('that was written for one application protocol is not sent in another', async t => {
    let protocol = 'one'
    const { dial, session, sockets } = await withSession(
      t,
      { ALPNCallback: () => protocol },
      { ALPNProtocols: ['one', 'two'] },
    )
    const count = sockets.length
    protocol = 'two'
    const socket = dial({ session, replayableEarlyData: 'words for one' })
    const [error] = await once(socket, 'error')
    assert.equal(error.code, 'ERR_TLS_EARLY_DATA')
    assert.equal(sockets[count]?.bytesRead ?? 0, 0)
  })

  test('excludes attestation, shared ticket keys without a shared memory, and agents', async t => {
    const misuse = { code: 'ERR_TLS_EARLY_DATA' }
    const attestation = { verifier: {} } as NonNullable<ConnectOptions['attestation']>
    assert.throws(() => createServer({ ...serverOptions, replayableEarlyData: true, attestation }), misuse)
    assert.throws(() => connect({ port: 1, replayableEarlyData: 'x', attestation }), misuse)
    const ticketKeys = Buffer.alloc(48, 1)
    assert.throws(() => createServer({ ...serverOptions, replayableEarlyData: true, ticketKeys }), misuse)
    assert.throws(() => createServer({ ...serverOptions, replayableEarlyData: { maxBytes: 0 } }), misuse)
    const server = createServer({ ...serverOptions, replayableEarlyData: true })
    assert.throws(() => server.setTicketKeys(ticketKeys), misuse)
    assert.throws(() => server.getTicketKeys(), misuse)
    t.after(() => server.close())
    const agent = new AttestedAgent({ replayableEarlyData: 'x' })
    assert.throws(() => agent.createConnection({ host: '127.0.0.1', port: 1 }), misuse)
  })
})
