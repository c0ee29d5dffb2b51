import assert from 'node:assert/strict'
import { createHash, randomFillSync } from 'node:crypto'
import { once } from 'node:events'
import test, { describe } from 'node:test'
import {
  type ConnectionOptions,
  createServer as createTlsServer,
  type TLSSocket,
  type TlsOptions,
  connect as tlsConnect,
} from 'node:tls'
import { type AttestedSocket, type ConnectOptions, connect, createServer, type ServerOptions } from '#src/node/index.js'
import { clientId, clientOptions, listen, readAll, root, serverOptions } from './support.js'

const certificate = { cert: clientId.pem, key: clientId.keyPem }
const megabytes = randomFillSync(Buffer.alloc(16 * 2 ** 20))
const digest = (data: Uint8Array) => createHash('sha256').update(data).digest('hex')

type Ends = (
  t: test.TestContext,
  server?: ServerOptions & TlsOptions,
  client?: ConnectOptions & ConnectionOptions,
) => Promise<{ readonly server: AttestedSocket | TLSSocket; readonly client: AttestedSocket | TLSSocket }>

/** Our client and the server of node:tls. */
const toTheirs: Ends = async (t, server = {}, client = {}) => {
  const listener = createTlsServer({ ...serverOptions, ...server })
  const port = await listen(t, listener)
  const accepted = once(listener, 'secureConnection')
  const socket = connect({ port, host: '127.0.0.1', ...clientOptions, ...(client as ConnectOptions) })
  return await both(t, socket, accepted)
}

/** The client of node:tls and our server. */
const toOurs: Ends = async (t, server = {}, client = {}) => {
  const listener = createServer({ ...serverOptions, ...server })
  const port = await listen(t, listener)
  const accepted = once(listener, 'secureConnection')
  const socket = tlsConnect({ port, host: '127.0.0.1', ...clientOptions, ...(client as ConnectionOptions) })
  return await both(t, socket, accepted)
}

async function both(t: test.TestContext, client: AttestedSocket | TLSSocket, accepted: Promise<unknown[]>) {
  t.after(() => client.destroy())
  await once(client, 'secureConnect')
  const [server] = (await accepted) as [AttestedSocket | TLSSocket]
  t.after(() => server.destroy())
  return { server, client }
}

for (const [name, ends] of [
  ['our client and the server of node:tls', toTheirs],
  ['the client of node:tls and our server', toOurs],
] as const) {
  describe(name, () => {
    test('exchange data and close', async t => {
      const { server, client } = await ends(t, { allowHalfOpen: true }, {})
      client.end('ping')
      assert.equal(String(await readAll(server)), 'ping')
      // Not at once: a server of node:tls that ends while its handshake returns sends no close_notify.
      server.end('pong')
      assert.equal(String(await readAll(client)), 'pong')
    })

    test('agree on what was negotiated', async t => {
      // Which group is the first choice depends on the version of Node.
      const ecdhCurve = 'X25519'
      const { server, client } = await ends(
        t,
        { ecdhCurve, ALPNProtocols: ['x', 'y'] },
        { ecdhCurve, ALPNProtocols: ['y', 'z'] },
      )
      assert.equal(server.alpnProtocol, 'y')
      assert.equal(client.alpnProtocol, 'y')
      assert.equal(Reflect.get(server, 'servername'), 'localhost')
      assert.deepEqual(server.getCipher(), client.getCipher())
      assert.equal(server.getProtocol(), client.getProtocol())
      assert.equal(client.authorized, true)
      assert.deepEqual(client.getEphemeralKeyInfo(), { type: 'ECDH', name: 'X25519', size: 253 })
      const context = Buffer.from('c')
      assert.deepEqual(
        server.exportKeyingMaterial(32, 'EXPORTER-x', context),
        client.exportKeyingMaterial(32, 'EXPORTER-x', context),
      )
    })

    test('see each other with the same eyes', async t => {
      const { server, client } = await ends(t, { requestCert: true, ca: root.pem }, certificate)
      assert.equal(server.authorized, true)
      assert.equal(server.getPeerCertificate().subject.CN, 'a client')
      const { serialNumber, fingerprint256, valid_to } = client.getPeerCertificate()
      const own = server.getCertificate() as ReturnType<TLSSocket['getPeerCertificate']>
      assert.deepEqual([serialNumber, fingerprint256, valid_to], [own.serialNumber, own.fingerprint256, own.valid_to])
    })

    for (const ciphers of ['TLS_AES_128_GCM_SHA256', 'TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256']) {
      test(`use ${ciphers}`, async t => {
        const { server, client } = await ends(t, {}, { ciphers })
        client.end('x')
        assert.equal(String(await readAll(server)), 'x')
        assert.equal(client.getCipher()?.name, ciphers)
      })
    }

    for (const ecdhCurve of ['P-256', 'P-384', 'P-521', 'X25519']) {
      test(`exchange keys by ${ecdhCurve}, after a HelloRetryRequest where it comes second`, async t => {
        const { server, client } = await ends(t, { ecdhCurve }, { ecdhCurve: 'X25519:P-256:P-384:P-521' })
        client.end('x')
        assert.equal(String(await readAll(server)), 'x')
      })
    }

    test('resume a session', async t => {
      const first = await ends(t)
      // Node asks for a reader before it takes tickets.
      first.client.resume()
      const [session] = (await once(first.client, 'session')) as [Buffer]
      const keys = randomFillSync(Buffer.alloc(48))
      assert.ok(session.length > 0)
      const before = await ends(t, { ticketKeys: keys })
      before.client.resume()
      const [usable] = (await once(before.client, 'session')) as [Buffer]
      const after = await ends(t, { ticketKeys: keys }, { session: usable })
      assert.equal(after.client.isSessionReused(), true)
      assert.equal(after.server.isSessionReused(), true)
      after.client.end('again')
      assert.equal(String(await readAll(after.server)), 'again')
    })

    test('move 16 MB both ways at once', async t => {
      const { server, client } = await ends(t)
      client.end(megabytes)
      server.end(megabytes)
      const [one, other] = await Promise.all([readAll(server), readAll(client)])
      assert.equal(digest(one), digest(megabytes))
      assert.equal(digest(other), digest(megabytes))
    })

    test('close one way at a time', async t => {
      const { server, client } = await ends(t, { allowHalfOpen: true }, { allowHalfOpen: true })
      client.end('a question')
      assert.equal(String(await readAll(server)), 'a question')
      server.end('an answer')
      assert.equal(String(await readAll(client)), 'an answer')
    })

    test('replace keys while data flows', async t => {
      const { server, client } = await ends(t)
      const ours = 'updateKeys' in client ? client : (server as AttestedSocket)
      const theirs = ours === client ? server : client
      theirs.pipe(theirs)
      let echoed = ''
      ours.on('data', chunk => {
        echoed += chunk
      })
      for (let i = 0; i < 5; i++) {
        ours.updateKeys(i % 2 === 0)
        ours.write(`${i}`)
        await once(ours, 'data')
      }
      assert.equal(echoed, '01234')
    })

    test('share a key instead of certificates', async t => {
      const psk = Buffer.alloc(32, 5)
      const { server, client } = await ends(
        t,
        // The PSK is for SHA-256, and so has the suite to be.
        { pskCallback: () => psk, ciphers: 'TLS_AES_128_GCM_SHA256' },
        { pskCallback: () => ({ psk, identity: 'me' }), checkServerIdentity: () => undefined },
      )
      client.end('x')
      assert.equal(String(await readAll(server)), 'x')
      assert.deepEqual(client.getPeerCertificate(), {})
    })
  })
}
