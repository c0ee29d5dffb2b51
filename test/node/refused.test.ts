import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Readable } from 'node:stream'
import test, { describe, type TestContext } from 'node:test'
import {
  type AttestationOptions,
  type AttestedSocket,
  type ConnectOptions,
  connect,
  createServer,
  type ServerOptions,
} from '#src/node/index.js'
import { FakeAttester, FakeVerifier } from '../attestation/support.js'
import { draft08 } from '../support/draft08.js'
import { clientId, clientOptions, listen, readAll, root, serverOptions } from './support.js'

const good = new FakeAttester()
const bad = new FakeAttester({ measurement: 'tampered' })
const attests = (attester: FakeAttester): AttestationOptions => ({ ...draft08, attester })
const expiresAt = Math.floor(Date.now() / 1000) + 3600
const demands = (
  verifier = new FakeVerifier({ expiresAt }),
  more: Partial<AttestationOptions> = {},
): AttestationOptions => ({
  ...draft08,
  verifier,
  ...more,
})
const clientCertificate = { cert: clientId.pem, key: clientId.keyPem }
const secret = Buffer.alloc(200_000, 's')

/** Ways of an application that cannot wait. */
const EAGER: readonly (readonly [string, (socket: AttestedSocket) => void])[] = [
  ['writes at once', socket => socket.write(secret)],
  ['ends at once', socket => socket.end(secret)],
  ['writes corked', socket => socket.cork() ?? socket.write(secret)],
  ['pipes', socket => Readable.from([secret, secret]).pipe(socket)],
  ['writes once the transport is there', socket => socket.on('connect', () => socket.write(secret))],
  ['writes with the first secret', socket => socket.on('keylog', () => socket.write(secret))],
  ['writes when it is secure, and ends', socket => socket.on('secureConnect', () => socket.end(secret))],
]

describe('a server that is refused has got nothing', () => {
  for (const [way, act] of EAGER) {
    test(`of a client that ${way}`, async t => {
      const { server, client } = await refusal(t, { attestation: attests(bad) }, { attestation: demands() }, act)
      assert.deepEqual([server.bytesRead, client.bytesWritten, client.bytesRead], [0, 0, 0])
    })
  }
})

describe('a client that is refused has got nothing, and nothing of it has arrived', () => {
  for (const [way, act] of EAGER) {
    test(`though it ${way}`, async t => {
      const { server, client } = await refusal(
        t,
        { attestation: demands(undefined, { peerCredentials: ['x509'] }), requestCert: true, ca: root.pem },
        { ...clientCertificate, attestation: attests(bad) },
        act,
      )
      assert.deepEqual([server.bytesRead, server.bytesWritten, client.bytesRead], [0, 0, 0])
      assert.equal(server.read(), null)
    })
  }
})

describe('a session is good for nobody who would be refused today', () => {
  test('not by another server that shares the ticket keys and has another policy', async t => {
    const ticketKeys = Buffer.alloc(48, 7)
    const server = { requestCert: true, ca: root.pem, ticketKeys }
    const client = { ...clientCertificate, attestation: attests(good) }
    const asks = (verifier: FakeVerifier) => demands(verifier, { peerCredentials: ['x509'] })
    const strict = new FakeVerifier({ alter: result => ({ ...result, isAccepted: false, status: 'contraindicated' }) })
    strict.policyDigest = 'policy of the strict one'
    const session = await sessionOf(t, { ...server, attestation: asks(new FakeVerifier({ expiresAt })) }, client)

    const same = await visit(
      t,
      { ...server, attestation: asks(new FakeVerifier({ expiresAt })) },
      { ...client, session },
    )
    assert.equal(same.isSessionReused(), true)
    const ends = await refusal(t, { ...server, attestation: asks(strict) }, { ...client, session }, socket =>
      socket.end(secret),
    )
    assert.deepEqual([ends.server.bytesRead, ends.client.bytesRead], [0, 0])
  })

  test('nor one earned where nothing is asked, at a server that shares the ticket keys and asks', async t => {
    const ticketKeys = Buffer.alloc(48, 7)
    const session = await sessionOf(t, { ticketKeys }, {})
    const attestation = demands(undefined, { peerCredentials: ['x509'] })
    const ends = await refusal(
      t,
      { ticketKeys, requestCert: true, ca: root.pem, attestation },
      { ...clientCertificate, session },
      socket => socket.end(secret),
    )
    assert.equal(ends.server.bytesRead, 0)
  })

  test('nor by a client that did not ask when it earned the session', async t => {
    const ticketKeys = Buffer.alloc(48, 7)
    const session = await sessionOf(t, { ticketKeys }, {})
    const ends = await refusal(t, { ticketKeys }, { session, attestation: demands() }, socket => socket.end(secret))
    assert.deepEqual([ends.server.bytesRead, ends.client.bytesWritten], [0, 0])
  })
})

/** Both ends of a connection on which one refuses the other. The server's application is never told of it. */
async function refusal(
  t: TestContext,
  server: ServerOptions,
  client: ConnectOptions,
  act: (socket: AttestedSocket) => void,
): Promise<{ readonly server: AttestedSocket; readonly client: AttestedSocket }> {
  const listener = createServer({ ...serverOptions, ...server }, () => assert.fail('the application was told of it'))
  const refused = once(listener, 'tlsClientError')
  const socket = connect({ port: await listen(t, listener), host: '127.0.0.1', ...clientOptions, ...client })
  socket.on('data', () => assert.fail('data came'))
  const closed = new Promise(resolve => socket.on('close', resolve))
  socket.on('error', () => {})
  act(socket)
  const [[, peer]] = (await Promise.all([refused, closed])) as unknown as [[Error, AttestedSocket]]
  return { server: peer, client: socket }
}

/** A connection that says hello, and has ended. */
async function visit(t: TestContext, server: ServerOptions, client: ConnectOptions): Promise<AttestedSocket> {
  const listener = createServer({ ...serverOptions, ...server }, socket => socket.end('hello'))
  const socket = connect({ port: await listen(t, listener), host: '127.0.0.1', ...clientOptions, ...client })
  assert.equal(String(await readAll(socket)), 'hello')
  return socket
}

async function sessionOf(t: TestContext, server: ServerOptions, client: ConnectOptions): Promise<Buffer> {
  const session = (await visit(t, server, client)).getSession()
  assert.ok(session, 'a ticket came')
  return session
}
