import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer as createHttpServer, type IncomingMessage, type RequestListener } from 'node:http'
import { connect as connectHttp2, createServer as createHttp2Server, createSecureServer } from 'node:http2'
import { createServer as createNodeHttpsServer, type RequestOptions, request } from 'node:https'
import type { LookupFunction } from 'node:net'
import type { Readable } from 'node:stream'
import test, { describe } from 'node:test'
import {
  AttestedAgent,
  type AttestedAgentOptions,
  attestedSocketOf,
  connect,
  createHttpsServer,
  createServer,
  type HttpsServerOptions,
} from '#src/node/index.js'
import { makeRoot } from '../support/pki.js'
import { clientOptions, listen, root, serverOptions } from './support.js'

describe('https.request through an agent', () => {
  test('talks to a server of ours', async t => {
    const port = await serving(t, {}, (message, response) => {
      const socket = attestedSocketOf(message)
      response.end(`${message.method} ${message.url} over ${socket?.getProtocol()} for ${socket?.servername}`)
    })
    const agent = agentFor(t)
    const { body, message } = await ask({ agent, port, path: '/there', headers: { host: 'localhost' } })
    assert.equal(body, 'GET /there over TLSv1.3 for localhost')
    assert.equal(attestedSocketOf(message)?.alpnProtocol, 'http/1.1')
  })

  test('talks to a server of node:https', async t => {
    const server = createNodeHttpsServer(serverOptions, (message, response) => message.pipe(response))
    const port = await listen(t, server)
    const { body } = await ask({ agent: agentFor(t), port, method: 'POST' }, 'x'.repeat(200_000))
    assert.equal(body.length, 200_000)
  })

  test('uses a connection again', async t => {
    const ports: unknown[] = []
    const port = await serving(t, {}, (message, response) => {
      ports.push(message.socket.remotePort)
      response.end('ok')
    })
    const agent = agentFor(t, { keepAlive: true, maxSockets: 1 })
    await Promise.all([ask({ agent, port }), ask({ agent, port }), ask({ agent, port })])
    assert.equal(ports.length, 3)
    assert.equal(new Set(ports).size, 1)
  })

  test('resumes sessions of the same terms', async t => {
    const reused: unknown[] = []
    const port = await serving(t, {}, (message, response) => {
      reused.push(attestedSocketOf(message)?.isSessionReused())
      response.end('ok')
    })
    const agent = agentFor(t, { ca: undefined })
    await ask({ agent, port, ca: root.pem })
    await ask({ agent, port, ca: root.pem })
    await ask({ agent, port, ca: [root.pem, root.pem] })
    assert.deepEqual(reused, [false, true, false])
  })

  test('never uses a connection under other terms than it was made under', () => {
    const one = { profile: 'draft08' } as const
    const other = { profile: 'draft08' } as const
    const names = [
      new AttestedAgent({ ca: 'a' }).getName({ host: 'h' }),
      new AttestedAgent({ ca: 'b' }).getName({ host: 'h' }),
      new AttestedAgent({ ca: ['a', 'b'] }).getName({ host: 'h' }),
      new AttestedAgent({ ca: 'a,b' }).getName({ host: 'h' }),
      new AttestedAgent({ rejectUnauthorized: false }).getName({ host: 'h' }),
      new AttestedAgent({ attestation: one }).getName({ host: 'h' }),
      new AttestedAgent({}).getName({ host: 'h' }),
      new AttestedAgent({}).getName({ host: 'h', servername: 'x' }),
    ]
    assert.equal(new Set(names).size, names.length)
    const agent = new AttestedAgent({})
    const nameOf = (attestation: object) => agent.getName({ host: 'h', attestation } as RequestOptions)
    assert.equal(nameOf(one), nameOf(one))
    assert.notEqual(nameOf(one), nameOf(other))
  })

  test('gives the request the error that refused the server', async t => {
    const port = await serving(t, {}, (_message, response) => response.end('secret'))
    const agent = agentFor(t, { ca: makeRoot({ name: 'Other' }).pem })
    await assert.rejects(ask({ agent, port }), { code: 'ERR_X509_UNKNOWN_ISSUER' })
    await assert.rejects(ask({ agent, port, method: 'POST' }, 'a secret'), { code: 'ERR_X509_UNKNOWN_ISSUER' })
  })

  test('can be aborted', async t => {
    const port = await serving(t, {}, () => {})
    const abort = new AbortController()
    const asked = ask({ agent: agentFor(t), port, signal: abort.signal })
    setImmediate(() => abort.abort())
    await assert.rejects(asked, { name: 'AbortError' })
  })

  test('checks an address against the certificate when the host is one', async t => {
    const port = await serving(t, {}, (message, response) =>
      response.end(String(attestedSocketOf(message)?.servername)),
    )
    const { body } = await ask({ agent: agentFor(t, { servername: undefined }), port })
    assert.equal(body, 'false')
  })
})

describe('an HTTPS server', () => {
  test('closes its idle connections when it is closed', async t => {
    const server = createHttpsServer(serverOptions, (_message, response) => response.end('ok'))
    const port = await listen(t, server)
    const agent = agentFor(t, { keepAlive: true })
    await ask({ agent, port })
    const closed = once(server, 'close')
    server.close()
    server.closeAllConnections()
    await closed
  })

  test('answers "Connection: close" by closing', async t => {
    const port = await serving(t, {}, (_message, response) => response.end('once'))
    const { message } = await ask({ agent: agentFor(t), port, headers: { connection: 'close' } })
    if (!message.socket.closed) await once(message.socket, 'close')
  })

  test('tells of failed handshakes by tlsClientError and by clientError', async t => {
    const server = createHttpsServer(serverOptions)
    const port = await listen(t, server)
    const told = Promise.all([once(server, 'tlsClientError'), once(server, 'clientError')])
    await assert.rejects(ask({ agent: agentFor(t, { ca: makeRoot({ name: 'Other' }).pem }), port }))
    const [[one], [other]] = await told
    assert.equal(one, other)
    assert.equal(one.code, 'ERR_TLS_ALERT_UNKNOWN_CA')
  })

  test('is also an http.Server that is given the connections of a TLS server', async t => {
    const http = createHttpServer((message, response) => response.end(`plain ${message.url}`))
    const port = await listen(
      t,
      createServer(serverOptions, socket => http.emit('connection', socket)),
    )
    const { body } = await ask({ agent: agentFor(t), port, path: '/x' })
    assert.equal(body, 'plain /x')
  })

  test('upgrades', async t => {
    const server = createHttpsServer(serverOptions)
    server.on('upgrade', (_message: IncomingMessage, socket: NodeJS.WritableStream) => {
      socket.end('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nhello')
    })
    const port = await listen(t, server)
    const asked = request({
      agent: agentFor(t),
      port,
      host: '127.0.0.1',
      headers: { connection: 'Upgrade', upgrade: 'echo' },
    })
    asked.end()
    const [, socket, head] = await once(asked, 'upgrade')
    assert.equal(String(head), 'hello')
    socket.destroy()
  })
})

describe('HTTP/2', () => {
  test('runs over our client to a server of Node', async t => {
    const server = createSecureServer(serverOptions, (asked, response) => response.end(`h2 ${asked.url}`))
    const port = await listen(t, server)
    const session = connectHttp2('https://localhost', {
      createConnection: () => connect({ port, host: '127.0.0.1', ...clientOptions, ALPNProtocols: ['h2'] }),
    })
    t.after(() => session.destroy())
    assert.equal(await textOf(session.request({ ':path': '/there' })), 'h2 /there')
  })

  test('runs over our server to a client of Node', async t => {
    const http = createHttp2Server((asked, response) => response.end(`h2 ${asked.url}`))
    const options = { ...serverOptions, ALPNProtocols: ['h2'] }
    const port = await listen(
      t,
      createServer(options, socket => http.emit('connection', socket)),
    )
    const session = connectHttp2(`https://localhost:${port}`, { ca: root.pem, lookup: loopback })
    t.after(() => session.destroy())
    assert.equal(await textOf(session.request({ ':path': '/here' })), 'h2 /here')
  })
})

/** localhost may be another address first. */
const loopback: LookupFunction = (_name, options, done) => {
  if (options.all) done(null, [{ address: '127.0.0.1', family: 4 }])
  else done(null, '127.0.0.1', 4)
}

async function textOf(stream: Readable): Promise<string> {
  let text = ''
  for await (const chunk of stream) text += chunk
  return text
}

async function serving(t: test.TestContext, options: HttpsServerOptions, listener: RequestListener): Promise<number> {
  return await listen(t, createHttpsServer({ ...serverOptions, ...options }, listener))
}

function agentFor(t: test.TestContext, options: AttestedAgentOptions = {}): AttestedAgent {
  const agent = new AttestedAgent({ ...clientOptions, ...options })
  t.after(() => agent.destroy())
  return agent
}

async function ask(
  options: RequestOptions,
  content?: string,
): Promise<{ readonly body: string; readonly message: IncomingMessage }> {
  const asked = request({ host: '127.0.0.1', ...options })
  asked.end(content)
  const [message] = (await once(asked, 'response')) as [IncomingMessage]
  let body = ''
  for await (const chunk of message) body += chunk
  return { body, message }
}
