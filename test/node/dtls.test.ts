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
import { attesterOf, verifierOf } from '../support/simulated.js'
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

/** A client of a port where nobody answers. */
function connectLater(t: TestContext): DtlsSocket {
  const socket = dial(t, 9, { handshakeTimeout: 0 })
  socket.on('error', () => {})
  return socket
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

  test('tells of secrets where somebody listens, and nowhere else', async t => {
    const listener = await listen(t)
    const connected = () => Promise.all([once(listener, 'secureConnection'), dialled()])
    const dialled = () => once(dial(t, listener.address().port), 'secureConnect')
    const [[unheard]] = await connected()
    assert.equal(unheard.listenerCount('keylog'), 0)
    const lines: string[] = []
    listener.on('keylog', (line, socket) => {
      assert.ok(socket.encrypted)
      lines.push(String(line))
    })
    await connected()
    assert.ok(lines.some(line => /^SERVER_TRAFFIC_SECRET_0 [0-9a-f]{64} [0-9a-f]+\n$/.test(line)))
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
    const alert = new Promise<Buffer>(resolve => {
      silent.on('message', datagram => datagram[0] === 21 && resolve(datagram))
    })
    const client = dial(t, silent.address().port, { handshakeTimeout: 50 })
    const [error] = await once(client, 'error')
    assert.equal(error.code, 'ERR_TLS_HANDSHAKE_TIMEOUT')
    // The body of the first record: a warning, user_canceled.
    assert.deepEqual([...(await alert).subarray(13, 15)], [1, 90])
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

  test('takes external PSKs instead of certificates, each from whom it belongs to', async t => {
    const psk = Buffer.alloc(32, 7)
    const listener = createServer({ pskCallback: (_socket, identity) => (identity === 'sensor 7' ? psk : null) })
    listener.listen(0, '127.0.0.1')
    await once(listener, 'listening')
    t.after(() => new Promise<void>(resolve => listener.close(resolve)))
    const { port } = listener.address()
    const accepted = once(listener, 'secureConnection')
    const client = connect({ port, host: '127.0.0.1', pskCallback: () => ({ psk, identity: 'sensor 7' }) })
    t.after(() => client.destroy())
    await once(client, 'secureConnect')
    const [server] = (await accepted) as [DtlsSocket]
    assert.equal(server.pskIdentity, 'sensor 7')
    assert.deepEqual([server.authorized, client.authorized], [true, true])
    const received = message(server)
    client.send('21 °C')
    assert.equal(await received, '21 °C')
    const refused = once(listener, 'clientError')
    const stranger = connect({ port, host: '127.0.0.1', pskCallback: () => ({ psk, identity: 'sensor 8' }) })
    t.after(() => stranger.destroy())
    const [error] = await once(stranger, 'error')
    assert.match(error.code, /^ERR_TLS_ALERT_/)
    await refused
  })

  test('tells what was agreed on, as a TLS socket does', async t => {
    const { client, server, listener } = await pair(t, { ALPNProtocols: ['coap'] }, { ALPNProtocols: ['coap'] })
    assert.deepEqual(client.getCipher(), {
      name: 'TLS_AES_128_GCM_SHA256',
      standardName: 'TLS_AES_128_GCM_SHA256',
      version: 'DTLSv1.3',
    })
    assert.equal(client.alpnProtocol, 'coap')
    assert.equal(client.getPeerCertificate().subject?.CN, 'localhost')
    assert.equal(client.getPeerCertificate(true).issuerCertificate.subject.CN, 'Root of the tests')
    assert.deepEqual(server.getPeerCertificate(), {})
    assert.deepEqual(server.getEphemeralKeyInfo(), null)
    assert.match(JSON.stringify(client.getEphemeralKeyInfo()), /name/)
    assert.deepEqual(
      client.exportHandshakeKeyingMaterial(32, 'EXPORTER-test'),
      server.exportHandshakeKeyingMaterial(32, 'EXPORTER-test'),
    )
    assert.deepEqual(server.address(), listener.address())
    const received = message(server)
    client.send('12345')
    await received
    assert.deepEqual([client.bytesWritten, server.bytesRead], [5, 5])
  })

  test('comes to the group that both like best by hellos of which the first fits a datagram', async t => {
    const groups = 'X25519MLKEM768:X25519'
    const listener = await listen(t, { groups })
    const wire = createSocket('udp4')
    t.after(() => wire.close())
    wire.bind(0, '127.0.0.1')
    await once(wire, 'listening')
    let client = 0
    const lengths: number[] = []
    wire.on('message', (datagram, from) => {
      if (from.port === listener.address().port) {
        wire.send(datagram, client, '127.0.0.1')
        return
      }
      client = from.port
      lengths.push(datagram.length)
      wire.send(datagram, listener.address().port, '127.0.0.1')
    })
    const socket = dial(t, wire.address().port, { groups })
    await once(socket, 'secureConnect')
    assert.deepEqual(socket.getEphemeralKeyInfo(), { type: 'TLSGroup', name: 'X25519MLKEM768' })
    assert.ok(lengths[0] && lengths[0] < 400, `${lengths}`)
  })

  test('sends what is kept before it closes', async t => {
    const listener = await listen(t)
    const accepted = once(listener, 'secureConnection')
    const client = dial(t, listener.address().port)
    client.send('all I have to say')
    client.close()
    const [server] = (await accepted) as [DtlsSocket]
    const ended = once(server, 'end')
    assert.equal(await message(server), 'all I have to say')
    await ended
  })

  test('drops what the system does not send fast enough, and says so', async t => {
    const { server } = await pair(t)
    const { remoteAddress = '', remotePort = 0 } = server
    let sent = 0
    const path = { remoteAddress, remotePort, address: () => ({}), send: () => sent++, close() {}, hold() {} }
    server.path = { ...path, pending: 2 ** 21 }
    const dropped = once(server, 'drop')
    assert.equal(server.send('too much'), false)
    assert.deepEqual([await dropped, sent], [[1], 0])
    server.path = { ...path, pending: 0 }
    assert.equal(server.send('enough'), true)
    assert.equal(sent, 1)
  })

  test('replaces keys, of the peer too if asked', async t => {
    const { client, server } = await pair(t)
    assert.throws(() => connectLater(t).updateKeys(), { code: 'ERR_TLS_INVALID_STATE' })
    client.updateKeys(true)
    for (const text of ['one', 'two', 'three']) {
      const there = message(server)
      client.send(text)
      assert.equal(await there, text)
      const back = message(client)
      server.send(text)
      assert.equal(await back, text)
    }
  })

  test('is idle when nothing comes or goes', async t => {
    const { client } = await pair(t)
    await new Promise<void>(resolve => client.setTimeout(1, resolve))
    assert.equal(client.destroyed, false)
  })

  test('listens on IPv6 and IPv4 unless told otherwise', async t => {
    const listener = createServer(serverOptions)
    listener.listen(0)
    await once(listener, 'listening')
    t.after(() => new Promise<void>(resolve => listener.close(resolve)))
    const { port, family } = listener.address()
    for (const host of family === 'IPv6' ? ['127.0.0.1', '::1'] : ['127.0.0.1']) {
      const client = dial(t, port, { host })
      await once(client, 'secureConnect')
    }
  })

  test('binds a client where it is told to', async t => {
    const listener = await listen(t)
    const accepted = once(listener, 'secureConnection')
    const probe = createSocket('udp4')
    probe.bind(0, '127.0.0.1')
    await once(probe, 'listening')
    const localPort = probe.address().port
    await new Promise<void>(resolve => probe.close(resolve))
    const client = dial(t, listener.address().port, { localAddress: '127.0.0.1', localPort, family: 4 })
    await once(client, 'secureConnect')
    const [server] = (await accepted) as [DtlsSocket]
    assert.equal(server.remotePort, localPort)
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

  /** A pair under the profile hardened, whose time passes only when the test says so. */
  async function hardenedPair(t: TestContext) {
    t.mock.timers.enable({ apis: ['setTimeout', 'Date'], now: Date.now() })
    const attester = attesterOf()
    const verifier = verifierOf()
    return { attester, ...(await pair(t, { attestation: { attester } }, { attestation: { verifier } })) }
  }

  test('tells of renewals', async t => {
    const { client } = await hardenedPair(t)
    const renewed = once(client, 'attestation')
    client.renewAttestation()
    t.mock.timers.tick(10_001)
    await renewed
    assert.equal(client.attestation?.rounds, 2)
    assert.equal(client.attestation?.isAttested, true)
  })

  test('tells when what the peer was is lost, and then ends', async t => {
    const { attester, client, server } = await hardenedPair(t)
    server.on('error', () => {})
    const told: string[] = []
    for (const name of ['attestationLost', 'error', 'close']) client.on(name, () => told.push(name))
    const bad = attesterOf({ isDebuggable: true })
    attester.evidence = bad.evidence.bind(bad)
    const closed = new Promise(resolve => client.once('close', resolve))
    client.renewAttestation()
    t.mock.timers.tick(10_001)
    await closed
    assert.deepEqual(told, ['attestationLost', 'error', 'close'])
  })

  test('cannot be renewed where there is none', async t => {
    const { client } = await pair(t)
    assert.throws(() => client.renewAttestation(), { code: 'ERR_ATTESTATION_STATE' })
  })

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

describe('a server that is full', () => {
  test('drops hellos while all are alive, and says so', async t => {
    const { listener, client } = await pair(t, { maxConnections: 1 })
    const dropped = once(listener, 'drop')
    const late = dial(t, listener.address().port)
    late.on('error', () => {})
    await dropped
    late.destroy()
    assert.deepEqual([listener.connectionCount, client.destroyed], [1, false])
  })

  test('gives the place of who has been silent longest', async t => {
    const listener = await listen(t, { maxConnections: 2, idleTimeout: 0 })
    const { port } = listener.address()
    const sockets: DtlsSocket[] = []
    listener.on('secureConnection', (socket: DtlsSocket) => sockets.push(socket))
    for (const _ of [1, 2, 3]) {
      const accepted = once(listener, 'secureConnection')
      dial(t, port)
      await accepted
    }
    assert.deepEqual(
      sockets.map(socket => socket.destroyed),
      [true, false, false],
    )
    assert.equal(listener.connectionCount, 2)
  })
})

describe('a client whose address changes on the way', () => {
  /** Carries datagrams to a server, from a port of its own that `rebind` replaces. */
  async function nat(t: TestContext, serverPort: number) {
    let client = 0
    const listenInside = async (port: number) => {
      const socket = createSocket('udp4')
      socket.on('message', (datagram, from) => {
        client = from.port
        outside.send(datagram, serverPort, '127.0.0.1')
      })
      socket.bind(port, '127.0.0.1')
      await once(socket, 'listening')
      return socket
    }
    const open = async () => {
      const outside: Socket = createSocket('udp4')
      outside.on('message', datagram => inside.send(datagram, client, '127.0.0.1'))
      outside.bind(0, '127.0.0.1')
      await once(outside, 'listening')
      return outside
    }
    let outside = await open()
    let inside = await listenInside(0)
    const { port } = inside.address()
    t.after(() => {
      inside.close()
      // It may be that of another.
      outside.removeAllListeners()
      outside.unref()
    })
    return {
      port,
      /** Nobody listens for the client while something is done. */
      async whileClosed(something: () => void) {
        await new Promise<void>(resolve => inside.close(resolve))
        something()
        inside = await listenInside(port)
      },
      async rebind() {
        outside.close()
        outside = await open()
      },
      /** What the client sends comes from where another NAT sends from. */
      join(other: { readonly sendsFrom: Socket }) {
        outside.close()
        outside = other.sendsFrom
      },
      get sendsFrom() {
        return outside
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

  test('is answered where it is by who answers at once', async t => {
    const listener = await listen(t)
    listener.on('secureConnection', (socket: DtlsSocket) => socket.on('message', data => socket.send(data)))
    const way = await nat(t, listener.address().port)
    const client = dial(t, way.port)
    for (const text of ['at home', 'elsewhere', 'elsewhere again']) {
      const answer = message(client)
      client.send(text)
      assert.equal(await answer, text)
      await way.rebind()
    }
  })

  test('counts and is known, whoever else comes from where it is', async t => {
    const listener = await listen(t)
    const { port } = listener.address()
    const ways = [await nat(t, port), await nat(t, port)] as const
    const servers: DtlsSocket[] = []
    listener.on('secureConnection', (socket: DtlsSocket) => servers.push(socket))
    const clients: DtlsSocket[] = []
    for (const way of ways) {
      const accepted = once(listener, 'secureConnection')
      const client = dial(t, way.port)
      await once(client, 'secureConnect')
      await accepted
      clients.push(client)
    }
    ways[1].join(ways[0])
    for (const index of [1, 0, 1]) {
      const [client, server] = [clients[index], servers[index]]
      assert.ok(client && server)
      const received = message(server)
      client.send(`from ${index}`)
      assert.equal(await received, `from ${index}`)
    }
    assert.equal(listener.connectionCount, 2)
    assert.equal(servers[0]?.remotePort, servers[1]?.remotePort)
    for (const server of servers) server.destroy()
    await Promise.all(servers.map(server => once(server, 'close')))
    assert.equal(listener.connectionCount, 0)
  })

  test('is not ended by the system saying that a port is closed, which anybody can bring about', async t => {
    const listener = await listen(t)
    const way = await nat(t, listener.address().port)
    const accepted = once(listener, 'secureConnection')
    const client = dial(t, way.port)
    await once(client, 'secureConnect')
    const [server] = (await accepted) as [DtlsSocket]
    await way.whileClosed(() => {
      client.send('lost')
      client.send('lost as well')
    })
    const received = message(server)
    client.send('still here')
    assert.equal(await received, 'still here')
  })
})
