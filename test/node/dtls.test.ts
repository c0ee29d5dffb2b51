import assert from 'node:assert/strict'
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import test, { describe, type TestContext } from 'node:test'
import {
  connect,
  createServer,
  type DtlsConnectOptions,
  type DtlsServer,
  type DtlsServerOptions,
  type DtlsSocket,
} from '#src/node/dtls.js'
import { FakeAttester, FakeVerifier } from '../attestation/support.js'
import { draft08 } from '../support/draft08.js'
import { clientId, clientOptions, serverOptions } from './support.js'

async function listen(t: TestContext, options: DtlsServerOptions = {}, host = '127.0.0.1'): Promise<DtlsServer> {
  const server = createServer({ ...serverOptions, ...options })
  server.listen(0, host)
  await once(server, 'listening')
  t.after(() => new Promise<void>(resolve => server.close(resolve)))
  return server
}

function dial(t: TestContext, port: number, options: Partial<DtlsConnectOptions> = {}): DtlsSocket {
  const socket = connect({ port, host: '127.0.0.1', ...clientOptions, ...options })
  t.after(() => socket.destroy())
  return socket
}

/** A client and the server's socket for it, both past the handshake. */
async function pair(t: TestContext, server: DtlsServerOptions = {}, client: Partial<DtlsConnectOptions> = {}) {
  const listener = await listen(t, server)
  const accepted = once(listener, 'secureConnection')
  const socket = dial(t, listener.address().port, client)
  await once(socket, 'secureConnect')
  const [peer] = (await accepted) as [DtlsSocket]
  return { listener, client: socket, server: peer }
}

async function message(socket: DtlsSocket): Promise<string> {
  const [data] = await once(socket, 'message')
  return String(data)
}

describe('DTLS over the loopback interface', () => {
  test('carries messages both ways, with their boundaries', async t => {
    const { client, server } = await pair(t)
    const got: string[] = []
    server.on('message', data => got.push(String(data)))
    client.send('one')
    client.send('two')
    while (got.length < 2) await once(server, 'message')
    assert.deepEqual(got, ['one', 'two'])
    const answer = message(client)
    server.send('three')
    assert.equal(await answer, 'three')
    assert.equal(client.authorized, true)
    assert.equal(client.getProtocol(), 'DTLSv1.3')
    assert.equal(client.getPeerX509Certificate()?.subject, 'CN=localhost')
    assert.equal(server.servername, 'localhost')
    const [a, b] = [client, server].map(socket => socket.exportKeyingMaterial(32, 'EXPORTER-test').toString('hex'))
    assert.equal(a, b)
  })

  test('keeps what is sent before the handshake is complete, in bounds, and says what it drops', async t => {
    const listener = await listen(t)
    const client = dial(t, listener.address().port, { queueLength: 2 })
    const dropped = once(client, 'drop')
    assert.deepEqual([client.send('a'), client.send('b'), client.send('c')], [true, true, false])
    assert.deepEqual(await dropped, [1])
    const [server] = (await once(listener, 'secureConnection')) as [DtlsSocket]
    const got: string[] = []
    server.on('message', data => got.push(String(data)))
    while (got.length < 2) await once(server, 'message')
    assert.deepEqual(got, ['a', 'b'])
  })

  test('refuses a message that no datagram takes', async t => {
    const { client } = await pair(t)
    assert.throws(() => client.send(new Uint8Array(client.maxMessageLength + 1)), { code: 'ERR_TLS_MISUSE' })
    assert.ok(client.maxMessageLength > 1100)
  })

  test('serves many on one port', async t => {
    const listener = await listen(t)
    listener.on('secureConnection', (socket: DtlsSocket) => socket.on('message', data => socket.send(data)))
    const { port } = listener.address()
    const answers = await Promise.all(
      Array.from({ length: 20 }, async (_, i) => {
        const client = dial(t, port)
        await once(client, 'secureConnect')
        client.send(`${i}`)
        return message(client)
      }),
    )
    assert.deepEqual(
      answers,
      answers.map((_, i) => `${i}`),
    )
    assert.equal(listener.connectionCount, 20)
  })

  test('asks for client certificates, and tells of those that have none', async t => {
    const trust = { requestCert: true, ca: clientOptions.ca }
    const { server } = await pair(t, trust, { cert: clientId.pem, key: clientId.keyPem })
    assert.equal(server.authorized, true)
    const listener = await listen(t, trust)
    const refused = once(listener, 'clientError')
    const client = dial(t, listener.address().port)
    client.on('error', () => {})
    const [error] = await refused
    assert.equal(error.code, 'ERR_TLS_CERTIFICATE_REQUIRED')
    assert.equal(listener.connectionCount, 0)
  })

  test('refuses a server whose certificate is not good', async t => {
    const listener = await listen(t)
    listener.on('clientError', () => {})
    const client = dial(t, listener.address().port, { servername: 'other.example' })
    const [error] = await once(client, 'error')
    assert.equal(error.code, 'ERR_X509_NAME_MISMATCH')
  })

  test('resumes sessions', async t => {
    const listener = await listen(t)
    const { port } = listener.address()
    const first = dial(t, port)
    const [session] = await once(first, 'session')
    const second = dial(t, port, { session })
    await once(second, 'secureConnect')
    assert.equal(second.isSessionReused(), true)
  })

  test('ends on both sides when one closes', async t => {
    const { client, server, listener } = await pair(t)
    const ended = Promise.all([once(server, 'end'), once(server, 'close'), once(client, 'close')])
    client.close()
    await ended
    assert.equal(listener.connectionCount, 0)
    assert.throws(() => client.send('late'), { code: 'ERR_TLS_INVALID_STATE' })
  })

  test('tells of a port where nobody listens', async t => {
    const socket = createSocket('udp4')
    socket.bind(0, '127.0.0.1')
    await once(socket, 'listening')
    const { port } = socket.address()
    await new Promise<void>(resolve => socket.close(resolve))
    const client = dial(t, port)
    const [error] = await once(client, 'error')
    assert.equal(error.code, 'ECONNREFUSED')
  })

  test('gives up a handshake that takes too long', async t => {
    const silent = createSocket('udp4')
    silent.bind(0, '127.0.0.1')
    await once(silent, 'listening')
    t.after(() => silent.close())
    const client = dial(t, silent.address().port, { handshakeTimeout: 50 })
    const [error] = await once(client, 'error')
    assert.equal(error.code, 'ERR_TLS_HANDSHAKE_TIMEOUT')
  })

  test('ends when its signal says so', async t => {
    const listener = await listen(t)
    const controller = new AbortController()
    const client = dial(t, listener.address().port, { signal: controller.signal })
    await once(client, 'secureConnect')
    const failed = once(client, 'error')
    controller.abort()
    assert.equal((await failed)[0].code, 'ABORT_ERR')
  })

  test('works over IPv6', async t => {
    const listener = await listen(t, {}, '::1')
    const client = dial(t, listener.address().port, { host: '::1' })
    await once(client, 'secureConnect')
    assert.equal(client.remoteAddress, '::1')
  })
})

describe('attestation over DTLS', () => {
  for (const profile of [draft08, { profile: 'hardened' }] as const) {
    test(`is what it is over TLS (${profile.profile})`, async t => {
      const { client, server } = await pair(
        t,
        { attestation: { ...profile, attester: new FakeAttester() } },
        { attestation: { ...profile, verifier: new FakeVerifier({ expiresAt: null }) } },
      )
      assert.equal(client.attestation?.isAttested, true)
      assert.equal(server.attestation?.own.isPresented, true)
      const received = message(server)
      client.send('to somebody attested')
      assert.equal(await received, 'to somebody attested')
    })
  }

  test('keeps messages from a server whose Evidence is not good', async t => {
    const listener = await listen(t, {
      attestation: { ...draft08, attester: new FakeAttester({ measurement: 'bad' }) },
    })
    const refused = once(listener, 'clientError')
    const client = dial(t, listener.address().port, {
      attestation: { ...draft08, verifier: new FakeVerifier({ expiresAt: null }) },
    })
    client.send('never sent')
    const [error] = await once(client, 'error')
    assert.equal(error.code, 'ERR_ATTESTATION_REFUSED')
    await refused
  })
})

describe('a client whose address changes on the way', () => {
  /** Carries datagrams to a server, from a port of its own that `rebind` replaces. */
  async function nat(t: TestContext, serverPort: number) {
    const inside = createSocket('udp4')
    inside.bind(0, '127.0.0.1')
    await once(inside, 'listening')
    let client = 0
    const open = async () => {
      const outside: Socket = createSocket('udp4')
      outside.on('message', datagram => inside.send(datagram, client, '127.0.0.1'))
      outside.bind(0, '127.0.0.1')
      await once(outside, 'listening')
      return outside
    }
    let outside = await open()
    inside.on('message', (datagram, from) => {
      client = from.port
      outside.send(datagram, serverPort, '127.0.0.1')
    })
    t.after(() => [inside, outside].forEach(socket => void socket.close()))
    return {
      port: inside.address().port,
      async rebind() {
        outside.close()
        outside = await open()
      },
    }
  }

  test('is known by its Connection ID, and answered where it is', async t => {
    const listener = await listen(t)
    const way = await nat(t, listener.address().port)
    const accepted = once(listener, 'secureConnection')
    const client = dial(t, way.port)
    await once(client, 'secureConnect')
    const [server] = (await accepted) as [DtlsSocket]
    const before = server.remotePort
    await way.rebind()
    const received = message(server)
    client.send('from elsewhere')
    assert.equal(await received, 'from elsewhere')
    assert.notEqual(server.remotePort, before)
    const answer = message(client)
    server.send('found you')
    assert.equal(await answer, 'found you')
    assert.equal(listener.connectionCount, 1)
  })
})
