import assert from 'node:assert/strict'
import { once } from 'node:events'
import test, { describe, type TestContext } from 'node:test'
import { type AttestedSocket, type ConnectOptions, connect, createServer, type ServerOptions } from '#src/node/index.js'
import { hasProgram, optional } from '../support/skip.js'
import { folderWithCertificates, Program, pem, portOf } from './support.js'

/** OCSPResponse with the status tryLater (RFC 6960 §4.2.1). */
const TRY_LATER = Uint8Array.of(0x30, 3, 0x0a, 1, 3)

const needsOpenssl = optional('openssl', hasProgram('openssl'), 'apt install openssl')

// What the table of meetings has no row for, since few can be asked for it.

describe('openssl s_client and our server', needsOpenssl, () => {
  /** Our server, which echoes, and s_client connected to it. */
  async function meet(t: TestContext, options: ServerOptions, ...args: readonly string[]) {
    const path = folderWithCertificates(t)
    const sockets: AttestedSocket[] = []
    const server = createServer({ ...pem.server, ca: pem.ca, ...options }, socket => {
      sockets.push(socket)
      socket.on('error', () => {})
      socket.pipe(socket)
    })
    const port = await portOf(t, server)
    const start = (...more: readonly string[]) =>
      new Program(t, 'openssl', [
        ...['s_client', '-connect', `127.0.0.1:${port}`, '-servername', 'localhost', '-tls1_3'],
        ...['-CAfile', path('ca.pem'), '-verify_return_error', '-verify_hostname', 'localhost'],
        ...args.map(arg => (arg.endsWith('.pem') ? path(arg) : arg)),
        ...more,
      ])
    return { start, path, sockets }
  }

  async function echo(client: Program, word: string): Promise<void> {
    client.process.stdin.write(`${word}\n`)
    // It comes between whatever else is said, which is buffered.
    await client.says(new RegExp(`${word}\n`))
  }

  test('refuse a client without the certificate that is asked for', async t => {
    const { start, sockets } = await meet(t, { requestCert: true })
    await start().says(/certificate required/)
    assert.equal(sockets.length, 0)
  })

  test('export the same keying material', async t => {
    const { start, sockets } = await meet(t, {}, '-keymatexport', 'EXPORTER-interop', '-keymatexportlen', '32')
    const client = start()
    const [, theirs] = await client.says(/Keying material: ([0-9A-F]+)/)
    await echo(client, 'hello there')
    assert.equal(theirs?.toLowerCase(), sockets[0]?.exportKeyingMaterial(32, 'EXPORTER-interop').toString('hex'))
  })

  test('pad their records', async t => {
    const { start } = await meet(t, { recordPadding: 256 }, '-record_padding', '512')
    await echo(start(), 'hello there')
  })

  test('pass on a staple', async t => {
    // OpenSSL prints what it can read of it.
    const { start } = await meet(t, { ocspResponse: TRY_LATER }, '-status')
    await start().says(/OCSP Response Status: trylater/)
  })
})

describe('our client and openssl s_server', needsOpenssl, () => {
  /** s_server, which sends back what it is sent, and a way to connect to it. */
  async function meet(t: TestContext, ...args: readonly string[]) {
    const path = folderWithCertificates(t)
    const server = new Program(t, 'openssl', [
      ...['s_server', '-accept', '127.0.0.1:0', '-tls1_3', '-cert', path('server.pem'), '-key', path('server.pem')],
      ...['-CAfile', path('ca.pem')],
      ...args,
    ])
    const [, port] = await server.says(/ACCEPT 127\.0\.0\.1:(\d+)/)
    const dial = (options: ConnectOptions = {}): AttestedSocket => {
      const socket = connect({ host: '127.0.0.1', port: Number(port), servername: 'localhost', ca: pem.ca, ...options })
      t.after(() => socket.destroy())
      return socket
    }
    return { server, dial }
  }

  test('export the same keying material', async t => {
    const { dial, server } = await meet(t, '-keymatexport', 'EXPORTER-interop', '-keymatexportlen', '32')
    const socket = dial()
    await once(socket, 'secureConnect')
    const [, theirs] = await server.says(/Keying material: ([0-9A-F]+)/)
    assert.equal(theirs?.toLowerCase(), socket.exportKeyingMaterial(32, 'EXPORTER-interop').toString('hex'))
  })

  test('refuse a server whose certificate is of a stranger', async t => {
    const { dial } = await meet(t, '-rev')
    const [error] = await once(dial({ ca: pem.client.cert }), 'error')
    assert.equal(error.code, 'ERR_X509_UNKNOWN_ISSUER')
  })
})
