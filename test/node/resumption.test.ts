import assert from 'node:assert/strict'
import { constants } from 'node:crypto'
import { once } from 'node:events'
import test, { describe } from 'node:test'
import {
  type AttestedServer,
  type AttestedSocket,
  type ConnectOptions,
  connect,
  createServer,
  type ServerOptions,
} from '#src/node/index.js'
import { makeRoot } from '../support/pki.js'
import { clientId, clientOptions, listen, root, serverId, serverOptions } from './support.js'

describe('a session', () => {
  test('is resumed, with what is known of the peer', async t => {
    const certificate = { cert: clientId.pem, key: clientId.keyPem }
    const { port, sockets } = await serving(t, { requestCert: true, ca: root.pem })
    const first = await visit(port, certificate)
    assert.equal(first.isReused, false)
    const second = await visit(port, { ...certificate, session: first.session })
    assert.equal(second.isReused, true)
    assert.equal(second.isAuthorized, true)
    assert.equal(second.subject, 'localhost')
    const server = sockets.at(-1)
    assert.equal(server?.isSessionReused(), true)
    assert.equal(server?.authorized, true)
    assert.equal(server?.getPeerCertificate().subject.CN, 'a client')
  })

  test('is given by setSession until the handshake begins', async t => {
    const { port } = await serving(t)
    const { session } = await visit(port)
    const client = connect({ port, host: '127.0.0.1', ...clientOptions })
    t.after(() => client.destroy())
    client.setSession(session)
    assert.deepEqual(client.getSession(), session)
    await once(client, 'secureConnect')
    assert.equal(client.isSessionReused(), true)
    assert.ok((client.getTLSTicket()?.length ?? 0) > 0)
    assert.throws(() => client.setSession(session), { code: 'ERR_TLS_INVALID_STATE' })
  })

  test('is resumed by another server that has the ticket keys', async t => {
    const one = await serving(t)
    const other = await serving(t)
    const stranger = await serving(t)
    other.server.setTicketKeys(one.server.getTicketKeys())
    const { session } = await visit(one.port)
    assert.equal((await visit(other.port, { session })).isReused, true)
    assert.equal((await visit(stranger.port, { session })).isReused, false)
  })

  test('outlives a change of ticket keys that keeps the old one, and no other', async t => {
    const { server, port } = await serving(t)
    const old = server.getTicketKeys()
    assert.equal(old.length, 48)
    const { session } = await visit(port)
    server.setTicketKeys(Buffer.concat([Buffer.alloc(48, 1), old]))
    assert.equal((await visit(port, { session })).isReused, true)
    server.setTicketKeys(Buffer.alloc(48, 1))
    assert.equal((await visit(port, { session })).isReused, false)
    assert.throws(() => server.setTicketKeys(Buffer.alloc(47)), { code: 'ERR_TLS_MISUSE' })
  })

  test('outlives a new certificate of the server', async t => {
    const { server, port } = await serving(t)
    const { session } = await visit(port)
    server.setSecureContext(serverOptions)
    assert.equal((await visit(port, { session })).isReused, true)
  })

  test('is not resumed where its server would not be trusted any more', async t => {
    const { port } = await serving(t)
    const { session } = await visit(port)
    const other = makeRoot({ name: 'Other' })
    for (const [options, code] of [
      [{ ca: other.pem }, 'ERR_X509_UNKNOWN_ISSUER'],
      [{ servername: 'elsewhere.example' }, 'ERR_X509_NAME_MISMATCH'],
      [{ checkServerIdentity: () => Object.assign(new Error('no'), { code: 'NO' }) }, 'NO'],
      [{ checkServerIdentity: async () => Object.assign(new Error('no'), { code: 'NO' }) }, 'NO'],
    ] as const) {
      await assert.rejects(visit(port, { session, ...options }), { code })
    }
  })

  test('is not resumed where its client would not be trusted any more', async t => {
    const keys = Buffer.alloc(48, 3)
    const certificate = { cert: clientId.pem, key: clientId.keyPem }
    const one = await serving(t, { requestCert: true, ca: root.pem, ticketKeys: keys })
    const other = await serving(t, { requestCert: true, ca: makeRoot({ name: 'Other' }).pem, ticketKeys: keys })
    const { session } = await visit(one.port, certificate)
    await assert.rejects(visit(other.port, { ...certificate, session }), { code: 'ERR_TLS_ALERT_UNKNOWN_CA' })
  })

  test('of a client that was let in without a certificate is not good where one is required', async t => {
    const keys = Buffer.alloc(48, 3)
    const one = await serving(t, { requestCert: true, rejectUnauthorized: false, ca: root.pem, ticketKeys: keys })
    const other = await serving(t, { requestCert: true, ca: root.pem, ticketKeys: keys })
    const { session } = await visit(one.port)
    await assert.rejects(visit(other.port, { session }), { code: 'ERR_TLS_ALERT_CERTIFICATE_REQUIRED' })
  })

  test('is not issued where tickets are turned off', async t => {
    const { port, sockets } = await serving(t, { secureOptions: constants.SSL_OP_NO_TICKET })
    const client = connect({ port, host: '127.0.0.1', ...clientOptions })
    client.on('session', () => assert.fail('a session came'))
    client.resume()
    await once(client, 'end')
    assert.equal(client.getSession(), undefined)
    assert.equal(sockets.length, 1)
  })

  test('that is none is passed over', async t => {
    const { port } = await serving(t)
    assert.equal((await visit(port, { session: Buffer.from('no session') })).isReused, false)
  })

  test('that was established by a PSK needs a PSK', async t => {
    const psk = Buffer.alloc(32, 9)
    const keys = Buffer.alloc(48, 4)
    const one = await serving(t, { pskCallback: () => psk, ticketKeys: keys })
    const { session } = await visit(one.port, { pskCallback: () => ({ psk, identity: 'me' }) })
    const resumed = await visit(one.port, { session, pskCallback: () => ({ psk, identity: 'me' }) })
    assert.equal(resumed.isReused, true)
    assert.equal((await visit(one.port, { session })).isReused, false)
  })
})

interface Visit {
  readonly session: Buffer
  readonly isReused: boolean
  readonly isAuthorized: boolean
  readonly subject: string | undefined
}

/** A server that ends each connection, and what it accepted. */
async function serving(
  t: test.TestContext,
  options: ServerOptions = {},
): Promise<{ readonly server: AttestedServer; readonly port: number; readonly sockets: readonly AttestedSocket[] }> {
  const sockets: AttestedSocket[] = []
  const server = createServer({ cert: serverId.pem, key: serverId.keyPem, ...options }, socket => {
    sockets.push(socket)
    socket.on('error', () => {})
    socket.end()
  })
  return { server, port: await listen(t, server), sockets }
}

/** Connects, waits for the session and the end. Rejects if it is refused. */
async function visit(port: number, options: ConnectOptions = {}): Promise<Visit> {
  const client = connect({ port, host: '127.0.0.1', ...clientOptions, ...options })
  client.resume()
  const ended = once(client, 'end')
  const [[session]] = await Promise.all([once(client, 'session'), ended])
  const { CN } = client.getPeerCertificate().subject ?? {}
  return { session, isReused: client.isSessionReused(), isAuthorized: client.authorized, subject: String(CN) }
}
