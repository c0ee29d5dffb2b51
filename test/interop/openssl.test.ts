import assert from 'node:assert/strict'
import { once } from 'node:events'
import test, { describe, type TestContext } from 'node:test'
import { type AttestedSocket, type ConnectOptions, connect, createServer, type ServerOptions } from '#src/node/index.js'
import { hasProgram, optional } from '../support/skip.js'
import { folderWithCertificates, Program, pem, portOf } from './support.js'

const PSK = '5a'.repeat(32)
/** OCSPResponse with the status tryLater (RFC 6960 §4.2.1). */
const TRY_LATER = Uint8Array.of(0x30, 3, 0x0a, 1, 3)

const needsOpenssl = optional('openssl', hasProgram('openssl'), 'apt install openssl')

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

  for (const suite of ['TLS_AES_128_GCM_SHA256', 'TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256']) {
    test(`carry data under ${suite}`, async t => {
      const { start } = await meet(t, {}, '-ciphersuites', suite)
      const client = start()
      await client.says(/Verify return code: 0/)
      await client.says(new RegExp(suite))
      await echo(client, 'hello there')
    })
  }

  for (const group of ['X25519', 'P-256', 'P-384', 'P-521']) {
    test(`agree on a key over ${group}`, async t => {
      const { start, sockets } = await meet(t, {}, '-groups', group)
      await echo(start(), 'hello there')
      assert.equal(sockets.length, 1)
    })
  }

  test('survive a HelloRetryRequest', async t => {
    const { start } = await meet(t, { groups: ['P-384'] }, '-groups', 'X25519:P-384', '-msg')
    const client = start()
    await echo(client, 'hello there')
    assert.equal(client.said.match(/ClientHello/g)?.length, 2)
  })

  test('authenticate both', async t => {
    const { start, sockets } = await meet(t, { requestCert: true }, '-cert', 'client.pem', '-key', 'client.pem')
    await echo(start(), 'hello there')
    assert.equal(sockets[0]?.authorized, true)
    assert.equal(sockets[0]?.getPeerCertificate().subject.CN, 'a client')
  })

  test('refuse a client without the certificate that is asked for', async t => {
    const { start, sockets } = await meet(t, { requestCert: true })
    await start().says(/certificate required/)
    assert.equal(sockets.length, 0)
  })

  test('agree on a protocol', async t => {
    const { start } = await meet(t, { ALPNProtocols: ['b', 'c'] }, '-alpn', 'a,b')
    await start().says(/ALPN protocol: b/)
  })

  test('resume', async t => {
    const { start, path, sockets } = await meet(t, {})
    const first = start('-sess_out', path('session.pem'))
    await echo(first, 'hello there')
    first.process.stdin.end('Q\n')
    await first.ends()
    const second = start('-sess_in', path('session.pem'))
    await echo(second, 'hello again')
    assert.equal(sockets[1]?.isSessionReused(), true)
    second.process.stdin.end('Q\n')
    await second.says(/^Reused, TLSv1\.3/m)
  })

  test('replace their keys', async t => {
    const { start } = await meet(t, {})
    const client = start()
    await echo(client, 'one')
    client.process.stdin.write('K\n')
    await client.says(/KEYUPDATE/)
    await echo(client, 'two')
  })

  test('share a key instead of certificates', async t => {
    const pskCallback = (_: AttestedSocket, identity: string) => (identity === 'me' ? Buffer.from(PSK, 'hex') : null)
    const { start, sockets } = await meet(t, { pskCallback }, '-psk', PSK, '-psk_identity', 'me')
    const client = start()
    await client.says(/^Reused, TLSv1\.3/m)
    await echo(client, 'hello there')
    assert.equal(sockets[0]?.pskIdentity, 'me')
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

  async function echo(socket: AttestedSocket, word: string): Promise<void> {
    socket.write(`${word}\n`)
    let back = ''
    while (!back.includes('\n')) {
      const [chunk] = await once(socket, 'data')
      back += String(chunk)
    }
    assert.equal(back.trim(), [...word].reverse().join(''))
  }

  test('carry data', async t => {
    const { dial } = await meet(t, '-rev')
    const socket = dial()
    await once(socket, 'secureConnect')
    assert.equal(socket.authorized, true)
    await echo(socket, 'hello there')
  })

  test('survive a HelloRetryRequest', async t => {
    const { dial } = await meet(t, '-rev', '-groups', 'P-521')
    const socket = dial({ groups: ['X25519', 'P-521'] })
    await echo(socket, 'hello there')
    assert.deepEqual(socket.getEphemeralKeyInfo(), { type: 'ECDH', name: 'secp521r1', size: 521 })
  })

  test('authenticate both', async t => {
    const { dial, server } = await meet(t, '-Verify', '1', '-verify_return_error')
    const socket = dial(pem.client)
    await once(socket, 'secureConnect')
    socket.write('hello there\n')
    await server.says(/CN ?= ?a client/)
    await server.says(/hello there/)
  })

  test('agree on a protocol', async t => {
    const { dial } = await meet(t, '-rev', '-alpn', 'b,c')
    const socket = dial({ ALPNProtocols: ['a', 'b'] })
    await once(socket, 'secureConnect')
    assert.equal(socket.alpnProtocol, 'b')
  })

  test('resume', async t => {
    const { dial } = await meet(t, '-rev')
    const first = dial()
    const [session] = await once(first, 'session')
    await echo(first, 'hello there')
    first.end()
    await once(first, 'close')
    const second = dial({ session })
    await echo(second, 'hello again')
    assert.equal(second.isSessionReused(), true)
  })

  test('replace their keys when the server asks', async t => {
    const { dial, server } = await meet(t)
    const socket = dial()
    await once(socket, 'secureConnect')
    socket.write('one\n')
    await server.says(/one/)
    server.process.stdin.write('K\n')
    await server.says(/SSL_do_handshake -> 1/)
    server.process.stdin.write('two\n')
    const [answer] = await once(socket, 'data')
    assert.equal(String(answer), 'two\n')
    socket.write('three\n')
    await server.says(/three/)
  })

  test('share a key instead of certificates', async t => {
    const { dial } = await meet(t, '-rev', '-psk', PSK, '-psk_identity', 'me')
    const socket = dial({ pskCallback: () => ({ identity: 'me', psk: Buffer.from(PSK, 'hex') }) })
    await echo(socket, 'hello there')
    assert.equal(socket.pskIdentity, 'me')
    assert.deepEqual(socket.getPeerCertificate(), {})
  })

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
