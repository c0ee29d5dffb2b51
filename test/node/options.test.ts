import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { describe } from 'node:test'
import { createSecureContext as createNodeContext } from 'node:tls'
import {
  connect,
  createSecureContext,
  createServer,
  createVerifier,
  type SecureContext,
  type ServerOptions,
} from '#src/node/index.js'
import { parseCertificate } from '#src/x509/index.js'
import { makeCrl, pemOf } from '../support/pki.js'
import { clientId, clientOptions, listen, pair, root, serverId, serverOptions } from './support.js'

describe('options', () => {
  for (const [title, options, code] of [
    ['a version that does not exist', { minVersion: 'TLSv1.4' }, 'ERR_TLS_PROTOCOL_VERSION_UNSUPPORTED'],
    ['a greatest version below 1.3', { maxVersion: 'TLSv1.2' }, 'ERR_TLS_PROTOCOL_VERSION_UNSUPPORTED'],
    ['a method of an older version', { secureProtocol: 'TLSv1_2_method' }, 'ERR_TLS_PROTOCOL_VERSION_UNSUPPORTED'],
    ['PKCS#12', { pfx: Buffer.alloc(1) }, 'ERR_TLS_PFX_UNSUPPORTED'],
    ['a cipher suite that does not exist', { ciphers: 'TLS_NULL' }, 'ERR_TLS_UNKNOWN_NAME'],
    ['a group that does not exist', { groups: ['P-192'] }, 'ERR_TLS_UNKNOWN_NAME'],
    ['signature schemes that sign no handshake', { sigalgs: 'RSA+SHA256' }, 'ERR_TLS_UNKNOWN_NAME'],
    ['a certificate without its key', { key: undefined }, 'ERR_TLS_KEY_MISMATCH'],
    ['a certificate with the key of another', { key: clientId.keyPem }, 'ERR_TLS_KEY_MISMATCH'],
    ['a key without its certificate', { cert: undefined }, 'ERR_TLS_KEY_MISMATCH'],
    ['what is no certificate', { cert: 'none' }, 'ERR_TLS_CERTIFICATE_UNREADABLE'],
    ['what is no key', { key: 'none' }, 'ERR_TLS_KEY_UNREADABLE'],
    ['what is no revocation list', { crl: 'none' }, 'ERR_TLS_CRL_UNREADABLE'],
    ['a record that is too small', { recordSizeLimit: 63 }, 'ERR_TLS_MISUSE'],
    ['a padding to nothing', { recordPadding: 0 }, 'ERR_TLS_MISUSE'],
    ['ticket keys of half a key', { ticketKeys: Buffer.alloc(72) }, 'ERR_TLS_MISUSE'],
    ['sessions that live too long', { sessionTimeout: 604_801 }, 'ERR_TLS_MISUSE'],
    ['a protocol without a name', { ALPNProtocols: [''] }, 'ERR_TLS_ALPN'],
    ['a list of protocols that is cut short', { ALPNProtocols: Buffer.from('\x05h2') }, 'ERR_TLS_ALPN'],
    [
      'two ways to choose a protocol',
      { ALPNProtocols: ['x'], ALPNCallback: () => undefined },
      'ERR_TLS_ALPN_CALLBACK_WITH_PROTOCOLS',
    ],
    ['a context of node:tls', { secureContext: createNodeContext() as unknown as SecureContext }, 'ERR_TLS_MISUSE'],
  ] as const satisfies readonly (readonly [string, ServerOptions, string])[]) {
    test(`refuse ${title}, with a reason`, () => {
      assert.throws(() => createServer({ ...serverOptions, ...options }), { code })
    })
  }

  test('of a client need somewhere to go', () => {
    assert.throws(() => connect({}), { code: 'ERR_TLS_MISUSE' })
    assert.throws(() => connect({ port: 1, servername: 'not a name' }), { code: 'ERR_TLS_SERVER_NAME' })
  })

  test('that older versions understand are passed over', () => {
    const context = createSecureContext({ ciphers: 'ECDHE-RSA-AES128-GCM-SHA256:!aNULL:TLS_AES_256_GCM_SHA384' })
    assert.deepEqual(context.cipherSuites, [0x1302])
    assert.equal(createSecureContext({ ciphers: 'HIGH', ecdhCurve: 'auto' }).cipherSuites.length, 3)
    createSecureContext({ minVersion: 'TLSv1.2', maxVersion: 'TLSv1.3', secureProtocol: 'TLS_method' })
  })

  test('may be made into a context once, for many connections', async t => {
    const { client } = await pair(
      t,
      { cert: undefined, key: undefined, secureContext: createSecureContext(serverOptions) },
      { ca: undefined, secureContext: createSecureContext(clientOptions) },
    )
    assert.equal(client.authorized, true)
  })

  test('pad records to whole blocks', async t => {
    const { client, server } = await pair(t, {}, { recordPadding: 512 })
    client.write('short')
    const [data] = await once(server, 'data')
    assert.equal(String(data), 'short')
    assert.equal(createSecureContext({ recordPadding: 512 }).recordPadding?.(5), 512 - 6)
    assert.equal(createSecureContext({ recordPadding: 512 }).recordPadding?.(511), 0)
  })
})

describe('a socket', () => {
  test('connects over a path', async t => {
    const folder = mkdtempSync(join(tmpdir(), 'attested-tls-'))
    t.after(() => rmSync(folder, { recursive: true }))
    const path = join(folder, 'socket')
    const listener = createServer(serverOptions, socket => socket.end('over a path'))
    listener.listen(path)
    await once(listener, 'listening')
    t.after(() => listener.close())
    const client = connect(path, clientOptions)
    const [data] = await once(client, 'data')
    assert.equal(String(data), 'over a path')
  })

  test('says that there is no renegotiation', async t => {
    const { client } = await pair(t)
    const told = new Promise<Error>(resolve => assert.equal(client.renegotiate({}, resolve), false))
    assert.equal(Reflect.get(await told, 'code'), 'ERR_TLS_RENEGOTIATION_DISABLED')
  })

  test('has no keys before there are some', async t => {
    const port = await listen(t, createServer(serverOptions))
    const client = connect({ port, host: '127.0.0.1', ...clientOptions })
    t.after(() => client.destroy())
    assert.throws(() => client.exportKeyingMaterial(32, 'x'), { code: 'ERR_TLS_INVALID_STATE' })
    assert.throws(() => client.updateKeys(), { code: 'ERR_TLS_INVALID_STATE' })
    assert.deepEqual(client.getPeerCertificate(), {})
    assert.equal(client.getCipher(), undefined)
    assert.deepEqual(client.getEphemeralKeyInfo(), {})
    assert.equal(client.connecting, true)
    assert.equal(client.secureConnecting, true)
  })

  test('does not keep the process alive when it is told not to', async t => {
    const { client, server } = await pair(t)
    assert.equal(client.unref().ref().unref(), client)
    assert.equal(server.setNoDelay(true).setKeepAlive(true, 1000), server)
    assert.equal(Reflect.get(client.address(), 'address'), '127.0.0.1')
  })
})

describe('a socket, as net.Socket does,', () => {
  test('tells the state it is in', async t => {
    const port = await listen(
      t,
      createServer(serverOptions, socket => socket.end()),
    )
    const client = connect({ port, host: '127.0.0.1', ...clientOptions })
    assert.deepEqual([client.readyState, client.pending], ['opening', true])
    await once(client, 'secureConnect')
    assert.deepEqual([client.readyState, client.pending], ['open', false])
    await once(client.resume(), 'close')
    assert.equal(client.readyState, 'closed')
  })

  test('can be reset', async t => {
    const { client, server } = await pair(t)
    client.resetAndDestroy()
    const [error] = await once(server, 'error')
    assert.equal(error.code, 'ECONNRESET')
    assert.equal(client.destroyed, true)
  })
})

describe('a key log', () => {
  test('is told to listeners of either side, the same lines', async t => {
    const listener = createServer(serverOptions, socket => socket.end())
    const server: string[] = []
    listener.on('keylog', (line: Buffer) => server.push(String(line)))
    const port = await listen(t, listener)
    const connection = connect({ port, host: '127.0.0.1', ...clientOptions })
    const client: string[] = []
    connection.on('keylog', (line: Buffer) => client.push(String(line)))
    await once(connection.resume(), 'end')
    assert.deepEqual(client.sort(), server.sort())
    assert.equal(client.length, 5)
    assert.ok(client.every(line => /^[A-Z_0-9]+ [0-9a-f]{64} [0-9a-f]{64}\n$/.test(line)))
  })

  test('goes to a file that nobody else can read, with a warning', async t => {
    const folder = mkdtempSync(join(tmpdir(), 'attested-tls-'))
    t.after(() => rmSync(folder, { recursive: true }))
    const keyLogFile = join(folder, 'keys.log')
    const warned = once(process, 'warning')
    await pair(t, {}, { keyLogFile })
    const [warning] = await warned
    assert.equal(warning.code, 'ATTESTED_TLS_KEY_LOG')
    assert.equal(statSync(keyLogFile).mode & 0o777, 0o600)
    assert.equal(readFileSync(keyLogFile, 'utf8').trim().split('\n').length, 5)
    process.env.SSLKEYLOGFILE = keyLogFile
    t.after(() => {
      delete process.env.SSLKEYLOGFILE
    })
    await pair(t)
    // Both sides of the second connection.
    assert.equal(readFileSync(keyLogFile, 'utf8').trim().split('\n').length, 15)
  })
})

test('a revoked certificate is refused by a revocation list, in DER or PEM', async t => {
  const { serialNumber } = parseCertificate(serverId.certificate)
  const revoking = makeCrl(root, { revoked: [serialNumber] })
  await pair(t, {}, { crl: makeCrl(root) })
  for (const crl of [revoking, pemOf('X509 CRL', revoking)]) {
    const port = await listen(t, createServer(serverOptions))
    const client = connect({ port, host: '127.0.0.1', ...clientOptions, crl })
    const [error] = await once(client, 'error')
    assert.equal(error.code, 'ERR_X509_REVOKED')
  }
})

test('a policy that is JSON and not the path of a file is said to be that', () => {
  assert.throws(() => createVerifier({ policy: ' {"version": 1}' }), { code: 'ERR_POLICY', message: /Policy\.parse/ })
})
