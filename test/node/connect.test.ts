import assert from 'node:assert/strict'
import { createPublicKey } from 'node:crypto'
import { once } from 'node:events'
import { createServer as createNetServer } from 'node:net'
import test, { describe } from 'node:test'
import { signingKey } from '#src/crypto/index.js'
import {
  type AlertReceived,
  type AttestedSocket,
  type ConnectOptions,
  connect,
  createSecureContext,
  createServer,
  type ServerOptions,
} from '#src/node/index.js'
import { makeRoot, makeSelfSigned } from '../support/pki.js'
import { clientId, clientOptions, duplexPair, listen, pair, readAll, root, serverId, serverOptions } from './support.js'

describe('a client and a server', () => {
  test('exchange data and close', async t => {
    const { server, client } = await pair(t)
    client.end('ping')
    server.end('pong')
    assert.equal(String(await readAll(server)), 'ping')
    assert.equal(String(await readAll(client)), 'pong')
    await closed(client, server)
  })

  test('show what was agreed on as node:tls does', async t => {
    const { server, client } = await pair(t, { ALPNProtocols: ['a', 'b'] }, { ALPNProtocols: ['c', 'b'] })
    assert.equal(client.encrypted, true)
    assert.equal(client.authorized, true)
    assert.equal(client.authorizationError, null)
    assert.equal(server.authorized, false)
    assert.equal(client.alpnProtocol, 'b')
    assert.equal(server.alpnProtocol, 'b')
    assert.equal(client.servername, 'localhost')
    assert.equal(server.servername, 'localhost')
    assert.equal(client.getProtocol(), 'TLSv1.3')
    assert.deepEqual(client.getCipher(), {
      name: 'TLS_AES_128_GCM_SHA256',
      standardName: 'TLS_AES_128_GCM_SHA256',
      version: 'TLSv1.3',
    })
    assert.equal(server.getEphemeralKeyInfo(), null)
    assert.equal(client.getPeerCertificate().subject.CN, 'localhost')
    assert.equal(client.getPeerX509Certificate()?.subject, 'CN=localhost')
    assert.deepEqual(server.getPeerCertificate(), {})
    assert.equal(server.getPeerX509Certificate(), undefined)
    assert.equal(server.getX509Certificate()?.subject, 'CN=localhost')
    assert.equal(client.isSessionReused(), false)
    assert.equal(client.attestation, null)
    assert.equal(client.remotePort, server.localPort)
    assert.equal(client.remoteAddress, '127.0.0.1')
    assert.equal(client.secureConnecting, false)
    assert.equal(client.connecting, false)
  })

  test('export the same keying material', async t => {
    const { server, client } = await pair(t)
    const context = Buffer.from('context')
    const material = client.exportKeyingMaterial(48, 'EXPORTER-test', context)
    assert.equal(material.length, 48)
    assert.deepEqual(server.exportKeyingMaterial(48, 'EXPORTER-test', context), material)
    assert.notDeepEqual(server.exportKeyingMaterial(48, 'EXPORTER-other', context), material)
  })

  test('link the chain of certificates when it is asked for in detail', async t => {
    const issuer = root.issue({ subject: 'Issuer', isCa: true })
    const leaf = issuer.issue({ subject: 'localhost', dnsNames: ['localhost'] })
    const { client } = await pair(t, { cert: leaf.pem + issuer.pem + root.pem, key: leaf.keyPem })
    const certificate = client.getPeerCertificate(true)
    assert.equal(certificate.issuerCertificate.subject.CN, 'Issuer')
    const anchor = certificate.issuerCertificate.issuerCertificate
    assert.equal(anchor.issuerCertificate, anchor)
  })

  test('link it up to the root that is trusted, which need not be sent', async t => {
    const { client } = await pair(t)
    const certificate = client.getPeerCertificate(true)
    assert.equal(certificate.issuerCertificate.subject.CN, 'Root of the tests')
    assert.equal(certificate.issuerCertificate.issuerCertificate, certificate.issuerCertificate)
  })

  test('talk over IPv6, where a name is an address', async t => {
    const listener = createServer(serverOptions)
    const port = await listen(t, listener, '::1')
    const accepted = once(listener, 'secureConnection')
    const client = connect({ port, host: '::1', ca: root.pem })
    t.after(() => client.destroy())
    await once(client, 'secureConnect')
    const [server] = (await accepted) as [AttestedSocket]
    assert.equal(server.servername, false)
    assert.equal(client.remoteFamily, 'IPv6')
  })

  test('talk over any stream, once it is agreed to begin', async t => {
    const [near, far] = duplexPair()
    const listener = createServer(serverOptions)
    const accepted = once(listener, 'secureConnection')
    far.write('220 ready\n')
    const [greeting] = await once(near, 'data')
    assert.equal(String(greeting), '220 ready\n')
    listener.emit('connection', far)
    const client = connect({ socket: near, ...clientOptions })
    t.after(() => client.destroy())
    client.end('over a stream')
    const [server] = (await accepted) as [AttestedSocket]
    assert.equal(String(await readAll(server)), 'over a stream')
    await closed(server, client)
    assert.ok(near.destroyed && far.destroyed)
  })

  test('talk TLS within TLS', async t => {
    const outer = await pair(t)
    const inner = createServer(serverOptions)
    const accepted = once(inner, 'secureConnection')
    inner.emit('connection', outer.server)
    const client = connect({ socket: outer.client, ...clientOptions })
    client.end('within')
    const [server] = (await accepted) as [AttestedSocket]
    assert.equal(String(await readAll(server)), 'within')
    assert.equal(client.remoteAddress, '127.0.0.1')
    await closed(server, client, outer.server, outer.client)
  })

  test('are connected by port, host, options and listener too', async t => {
    const port = await listen(t, createServer(serverOptions))
    await new Promise<void>(resolve => {
      const client = connect(port, '127.0.0.1', clientOptions, () => {
        client.destroy()
        resolve()
      })
    })
  })
})

describe('a client', () => {
  test('keeps what is written before the peer was checked, and sends it afterwards', async t => {
    const listener = createServer(serverOptions, socket => socket.pipe(socket))
    const port = await listen(t, listener)
    const client = connect({ port, host: '127.0.0.1', ...clientOptions })
    client.write('early ')
    client.end('birds')
    assert.equal(client.getProtocol(), null)
    assert.equal(String(await readAll(client)), 'early birds')
  })

  test('drops what was written before, when the peer is refused', async t => {
    const stranger = makeSelfSigned({ subject: 'localhost', dnsNames: ['localhost'] })
    const listener = createServer({ cert: stranger.pem, key: stranger.keyPem })
    const refused = once(listener, 'tlsClientError')
    const port = await listen(t, listener)
    const client = connect({ port, host: '127.0.0.1', ...clientOptions })
    let secure = 0
    client.on('secureConnect', () => secure++)
    listener.on('secureConnection', () => secure++)
    const written = new Promise(resolve => client.write('a secret', resolve))
    const [error] = await once(client, 'error')
    assert.equal(error.code, 'ERR_X509_UNKNOWN_ISSUER')
    assert.ok((await written) instanceof Error)
    const [alert, socket] = (await refused) as [AlertReceived, AttestedSocket]
    assert.equal(alert.code, 'ERR_TLS_ALERT_UNKNOWN_CA')
    assert.equal(socket.bytesRead, 0)
    assert.equal(client.bytesWritten, 0)
    assert.equal(secure, 0)
  })

  test('exerts backpressure before the handshake is complete', async t => {
    const port = await listen(t, createNetServer())
    const client = connect({ port, host: '127.0.0.1', ...clientOptions })
    t.after(() => client.destroy())
    assert.equal(client.write(Buffer.alloc(client.writableHighWaterMark)), false)
  })

  test('refuses a certificate for another name', async t => {
    const error = await failure(t, {}, { servername: 'elsewhere.example' })
    assert.equal(error.code, 'ERR_X509_NAME_MISMATCH')
  })

  test('takes a name with a dot at its end, or in another alphabet, for what it is on the wire', async t => {
    const id = root.issue({ subject: 'x', dnsNames: ['xn--bcher-kva.example'] })
    const { server } = await pair(t, { cert: id.pem, key: id.keyPem }, { servername: 'Bücher.example.' })
    assert.equal(server.servername, 'xn--bcher-kva.example')
  })

  test('trusts only the roots that Node brings, if none are given', async t => {
    const error = await failure(t, {}, { ca: undefined })
    assert.equal(error.code, 'ERR_X509_UNKNOWN_ISSUER')
  })

  test('reports a certificate that does not pass, where it is told not to refuse it', async t => {
    const { client } = await pair(t, {}, { ca: makeRoot({ name: 'Other' }).pem, rejectUnauthorized: false })
    assert.equal(client.authorized, false)
    assert.equal(Reflect.get(client.authorizationError ?? {}, 'code'), 'ERR_X509_UNKNOWN_ISSUER')
  })

  test('lets the caller judge the identity, at once or later, and gives back its error', async t => {
    const judge = new Error('not this one')
    for (const answer of [() => judge, async () => judge, () => Promise.reject(judge)]) {
      const error = await failure(t, {}, { checkServerIdentity: answer })
      assert.equal(error, judge)
    }
    const thrown = await failure(
      t,
      {},
      {
        checkServerIdentity() {
          throw judge
        },
      },
    )
    assert.equal(thrown, judge)
  })

  test('asks a caller who judges for the host and the certificate, instead of comparing names', async t => {
    const seen: string[] = []
    const { client } = await pair(
      t,
      {},
      {
        servername: 'elsewhere.example',
        checkServerIdentity(host, certificate) {
          seen.push(`${host} ${certificate.subject.CN}`)
          return undefined
        },
      },
    )
    assert.deepEqual(seen, ['elsewhere.example localhost'])
    assert.equal(client.authorized, true)
  })

  test('does not let the judgement of a caller stand in for the chain', async t => {
    const error = await failure(t, {}, { ca: undefined, checkServerIdentity: () => undefined })
    assert.equal(error.code, 'ERR_X509_UNKNOWN_ISSUER')
  })

  test('says which group was used', async t => {
    const { client, server } = await pair(t, { groups: 'P-384' }, { groups: 'X25519:P-384' })
    assert.deepEqual(client.getEphemeralKeyInfo(), { type: 'ECDH', name: 'secp384r1', size: 384 })
    client.end('after a HelloRetryRequest')
    assert.equal(String(await readAll(server)), 'after a HelloRetryRequest')
  })

  test('is given a stapled OCSP response when it asks for one', async t => {
    const staple = Buffer.from('a response')
    for (const [requestOCSP, expected] of [
      [true, [staple]],
      [false, []],
    ] as const) {
      const listener = createServer({ ...serverOptions, ocspResponse: staple })
      const port = await listen(t, listener)
      const client = connect({ port, host: '127.0.0.1', ...clientOptions, requestOCSP })
      t.after(() => client.destroy())
      const responses: Buffer[] = []
      client.on('OCSPResponse', (response: Buffer) => responses.push(response))
      await once(client, 'secureConnect')
      assert.deepEqual(responses, expected)
    }
  })
})

describe('a server', () => {
  test('asks for a certificate and reports who came', async t => {
    const certificate = { cert: clientId.pem, key: clientId.keyPem }
    const { server, client } = await pair(t, { requestCert: true, ca: root.pem }, certificate)
    assert.equal(server.authorized, true)
    assert.equal(server.getPeerCertificate().subject.CN, 'a client')
    assert.equal(client.getX509Certificate()?.subject, 'CN=a client')
  })

  test('that wants a certificate has the client told what it lacks', async t => {
    const port = await listen(t, createServer({ ...serverOptions, requestCert: true, ca: root.pem }))
    const client = connect({ port, host: '127.0.0.1', ...clientOptions })
    const [error] = await once(client, 'error')
    assert.equal(error.code, 'ERR_TLS_ALERT_CERTIFICATE_REQUIRED')
    assert.match(error.message, /give `cert` and `key`/)
  })

  test('refuses a client without a certificate, and one whose certificate it does not trust', async t => {
    const stranger = makeSelfSigned({ subject: 'somebody' })
    for (const [client, code, alert] of [
      [{}, 'ERR_TLS_CERTIFICATE_REQUIRED', 'ERR_TLS_ALERT_CERTIFICATE_REQUIRED'],
      [{ cert: stranger.pem, key: stranger.keyPem }, 'ERR_X509_UNKNOWN_ISSUER', 'ERR_TLS_ALERT_UNKNOWN_CA'],
    ] as const) {
      const listener = createServer({ ...serverOptions, requestCert: true, ca: root.pem })
      const refused = once(listener, 'tlsClientError')
      const port = await listen(t, listener)
      const socket = connect({ port, host: '127.0.0.1', ...clientOptions, ...client })
      // The client's side of a TLS 1.3 handshake is complete before the server has looked at its certificate.
      const [error] = await once(socket, 'error')
      assert.equal(error.code, alert)
      assert.equal((await refused)[0].code, code)
    }
  })

  test('lets them in as unauthorized where it is told to', async t => {
    const stranger = makeSelfSigned({ subject: 'somebody' })
    const options = { requestCert: true, ca: root.pem, rejectUnauthorized: false }
    const { server } = await pair(t, options, { cert: stranger.pem, key: stranger.keyPem })
    assert.equal(server.authorized, false)
    assert.equal(Reflect.get(server.authorizationError ?? {}, 'code'), 'ERR_X509_UNKNOWN_ISSUER')
    const nobody = await pair(t, options)
    assert.equal(nobody.server.authorized, false)
  })

  test('presents the certificate that goes with the name', async t => {
    const other = root.issue({ subject: 'other', dnsNames: ['www.other.example'] })
    const listener = createServer(serverOptions)
    listener.addContext('*.other.example', { cert: other.pem, key: other.keyPem })
    const port = await listen(t, listener)
    for (const [servername, subject] of [
      ['www.other.example', 'other'],
      ['localhost', 'localhost'],
    ]) {
      const client = connect({ port, host: '127.0.0.1', ca: root.pem, servername })
      await once(client, 'secureConnect')
      assert.equal(client.getPeerCertificate().subject.CN, subject)
      client.destroy()
    }
  })

  test('asks SNICallback, which may take its time or refuse', async t => {
    const other = root.issue({ subject: 'other', dnsNames: ['other.example'] })
    const context = createSecureContext({ cert: other.pem, key: other.keyPem })
    const SNICallback: ServerOptions['SNICallback'] = (name, done) => {
      if (name === 'other.example') setImmediate(done, null, context)
      else if (name === 'localhost') done(null)
      else done(new Error('no such name'))
    }
    const { client } = await pair(t, { SNICallback }, { servername: 'other.example' })
    assert.equal(client.getPeerCertificate().subject.CN, 'other')
    const standard = await pair(t, { SNICallback })
    assert.equal(standard.client.getPeerCertificate().subject.CN, 'localhost')
    const error = await failure(t, { SNICallback }, { servername: 'unknown.example' })
    assert.equal(error.code, 'ERR_TLS_ALERT_UNRECOGNIZED_NAME')
  })

  test('checks clients by the roots that go with the name', async t => {
    const partners = makeRoot({ name: 'Partners' })
    const partner = partners.issue({ subject: 'partner' })
    const listener = createServer({ ...serverOptions, requestCert: true, ca: root.pem })
    const id = root.issue({ subject: 'p', dnsNames: ['p.example'] })
    listener.addContext('p.example', { cert: id.pem, key: id.keyPem, ca: partners.pem })
    const port = await listen(t, listener)
    const accepted = once(listener, 'secureConnection')
    const client = connect({
      port,
      host: '127.0.0.1',
      ca: root.pem,
      servername: 'p.example',
      cert: partner.pem,
      key: partner.keyPem,
    })
    t.after(() => client.destroy())
    const [server] = (await accepted) as [AttestedSocket]
    assert.equal(server.getPeerCertificate().subject.CN, 'partner')
  })

  test('has ALPNCallback choose, and refuses where it chooses nothing', async t => {
    const ALPNCallback: ServerOptions['ALPNCallback'] = ({ servername, protocols }) =>
      protocols.find(name => name === `for-${servername}`)
    const { client, server } = await pair(t, { ALPNCallback }, { ALPNProtocols: ['x', 'for-localhost'] })
    assert.equal(client.alpnProtocol, 'for-localhost')
    assert.equal(server.alpnProtocol, 'for-localhost')
    const error = await failure(t, { ALPNCallback }, { ALPNProtocols: ['x'] })
    assert.equal(error.code, 'ERR_TLS_ALERT_NO_APPLICATION_PROTOCOL')
    const none = await pair(t, { ALPNCallback })
    assert.equal(none.client.alpnProtocol, false)
  })

  test('refuses a client that offers no protocol of its own', async t => {
    const error = await failure(t, { ALPNProtocols: ['h2'] }, { ALPNProtocols: Buffer.from('\x03foo\x03bar') })
    assert.equal(error.code, 'ERR_TLS_ALERT_NO_APPLICATION_PROTOCOL')
  })

  test('asks its listeners for a staple', async t => {
    const listener = createServer(serverOptions)
    listener.on('OCSPRequest', (leaf: Buffer, issuer: Buffer | null, done: (error: null, staple: Buffer) => void) => {
      assert.deepEqual(leaf, Buffer.from(serverId.certificate))
      assert.equal(issuer, null)
      setImmediate(done, null, Buffer.from('fresh'))
    })
    const port = await listen(t, listener)
    const client = connect({ port, host: '127.0.0.1', ...clientOptions, requestOCSP: true })
    t.after(() => client.destroy())
    const [response] = await once(client, 'OCSPResponse')
    assert.equal(String(response), 'fresh')
  })

  test('replaces its certificate while it runs', async t => {
    const next = root.issue({ subject: 'next', dnsNames: ['localhost'] })
    const listener = createServer(serverOptions)
    const port = await listen(t, listener)
    listener.setSecureContext({ cert: next.pem, key: next.keyPem })
    const client = connect({ port, host: '127.0.0.1', ...clientOptions })
    t.after(() => client.destroy())
    await once(client, 'secureConnect')
    assert.equal(client.getPeerCertificate().subject.CN, 'next')
  })

  test('chooses among several certificates by what the client can check', async t => {
    const edwards = root.issue({ subject: 'edwards', dnsNames: ['localhost'], key: 'ed25519' })
    const both = { cert: [serverId.pem, edwards.pem], key: [edwards.keyPem, serverId.keyPem] }
    for (const [sigalgs, subject] of [
      ['ed25519:ECDSA+SHA256', 'localhost'],
      ['ecdsa_secp256r1_sha256', 'localhost'],
    ]) {
      const { client } = await pair(t, both, { sigalgs })
      assert.equal(client.getPeerCertificate().subject.CN, subject)
    }
    const only = await pair(t, { ...both, sigalgs: 'ed25519' }, {})
    assert.equal(only.client.getPeerCertificate().subject.CN, 'localhost')
  })
})

describe('keys', () => {
  test('may be elsewhere and take their time to sign', async t => {
    const local = signingKey(serverId.keyPem)
    let signed = 0
    const remote = {
      publicKey: local.publicKey,
      schemes: local.schemes,
      async sign(scheme: number, data: Uint8Array) {
        await new Promise(resolve => setImmediate(resolve))
        signed++
        return local.sign(scheme, data)
      },
    }
    await pair(t, { key: remote })
    assert.equal(signed, 1)
  })

  test('may be PEM, DER, KeyObjects, or encrypted', async t => {
    const der = serverId.privateKey.export({ format: 'der', type: 'pkcs8' })
    const encrypted = serverId.privateKey
      .export({ format: 'pem', type: 'pkcs8', cipher: 'aes-256-cbc', passphrase: 'open' })
      .toString()
    for (const options of [
      { key: der, cert: serverId.certificate },
      { key: serverId.privateKey, cert: Buffer.from(serverId.pem) },
      { key: Buffer.from(serverId.keyPem) },
      { key: encrypted, passphrase: 'open' },
      { key: [{ pem: encrypted, passphrase: 'open' }] },
    ]) {
      await pair(t, { ...serverOptions, ...options })
    }
    assert.throws(() => createServer({ ...serverOptions, key: encrypted, passphrase: 'wrong' }), {
      code: 'ERR_TLS_KEY_UNREADABLE',
    })
  })

  test('are presented and pinned as raw public keys', async t => {
    const serverKey = createPublicKey(serverId.publicKey.export({ format: 'pem', type: 'spki' }))
    const { client, server } = await pair(
      t,
      {
        presentRawPublicKey: true,
        requestCert: true,
        acceptRawPublicKeys: [clientId.publicKey.export({ format: 'pem', type: 'spki' })],
      },
      { acceptRawPublicKeys: [serverKey], presentRawPublicKey: 'only', key: clientId.keyPem },
    )
    assert.deepEqual(client.getPeerRawPublicKey(), serverKey.export({ format: 'der', type: 'spki' }))
    assert.equal(client.authorized, true)
    assert.equal(server.authorized, true)
    assert.deepEqual(client.getPeerCertificate(), {})
    const error = await failure(
      t,
      { presentRawPublicKey: true },
      { acceptRawPublicKeys: [clientId.publicKey.export({ format: 'der', type: 'spki' })] },
    )
    assert.equal(error.code, 'ERR_TLS_RAW_PUBLIC_KEY_UNKNOWN')
  })

  test('may be shared in advance instead of certificates', async t => {
    const psk = Buffer.alloc(32, 7)
    const known: ServerOptions = {
      cert: undefined,
      key: undefined,
      pskCallback: (_socket, identity) => (identity === 'me' ? psk : null),
    }
    const { client, server } = await pair(t, known, { pskCallback: () => ({ psk, identity: 'me' }) })
    assert.equal(server.pskIdentity, 'me')
    assert.equal(client.authorized, true)
    assert.equal(server.authorized, true)
    assert.deepEqual(client.getPeerCertificate(), {})
    const unknown = await failure(t, known, { pskCallback: () => ({ psk, identity: 'you' }) })
    assert.equal(unknown.code, 'ERR_TLS_ALERT_HANDSHAKE_FAILURE')
    const wrong = await failure(t, known, { pskCallback: () => ({ psk: Buffer.alloc(32, 8), identity: 'me' }) })
    assert.equal(wrong.code, 'ERR_TLS_ALERT_DECRYPT_ERROR')
  })
})

/** The error that a client ends with. */
async function failure(
  t: test.TestContext,
  server: ServerOptions,
  client: ConnectOptions,
): Promise<Error & { readonly code?: string }> {
  const port = await listen(t, createServer({ ...serverOptions, ...server }))
  const socket = connect({ port, host: '127.0.0.1', ...clientOptions, ...client })
  const errors: Error[] = []
  socket.on('error', error => errors.push(error))
  socket.on('secureConnect', () => errors.push(new Error('it was let in')))
  await new Promise(resolve => socket.on('close', resolve))
  const [error, ...more] = errors
  assert.ok(error)
  assert.deepEqual(more, [])
  return error
}

async function closed(...sockets: readonly AttestedSocket[]): Promise<void> {
  await Promise.all(sockets.map(socket => socket.closed || once(socket, 'close')))
}
