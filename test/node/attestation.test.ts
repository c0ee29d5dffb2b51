import assert from 'node:assert/strict'
import { once } from 'node:events'
import { request } from 'node:https'
import test, { describe } from 'node:test'
import {
  AttestationError,
  type AttestationOptions,
  AttestedAgent,
  type AttestedSocket,
  attestedSocketOf,
  type ConnectOptions,
  connect,
  createHttpsServer,
  createServer,
  type ServerOptions,
} from '#src/node/index.js'
import { bareKeys, FakeAttester, FakePresenter, FakeVerifier } from '../attestation/support.js'
import { draft08, inLab } from '../support/draft08.js'
import { clientOptions, duplexPair, listen, pair, readAll, serverOptions } from './support.js'

const attests = (attester = new FakeAttester()): AttestationOptions => ({ ...draft08, attester })
const demands = (more: Partial<AttestationOptions> = {}): AttestationOptions => ({
  ...draft08,
  // Its verdicts are given at a time of their own, and so have no end here.
  verifier: new FakeVerifier({ expiresAt: null }),
  ...more,
})
/** Demands it of a key that comes without a certificate. */
const demandsAlone = () => demands({ peerCredentials: ['attestation-only'], expectedIdentity: inLab })

describe('attestation on a socket', () => {
  test('shows what the server proved', async t => {
    const { client, server } = await pair(t, { attestation: attests() }, { attestation: demands() })
    assert.equal(client.attestation?.isAttested, true)
    assert.equal(client.attestation?.peer.negotiated?.model, 'background-check')
    assert.equal(client.attestation?.peer.negotiated?.credential, 'x509')
    assert.equal(client.attestation?.peer.result?.submodules.simulated?.claims.place, 'lab')
    assert.equal(server.attestation?.own.isPresented, true)
    assert.equal(server.attestation?.isAttested, false)
    client.end('only now')
    assert.equal(String(await readAll(server)), 'only now')
  })

  test('goes both ways at once, in both models, with keys that need no certificate', async t => {
    const { client, server } = await pair(
      t,
      {
        cert: undefined,
        key: undefined,
        attestation: { ...demandsAlone(), attester: new FakeAttester(), identityKey: bareKeys.server },
      },
      { attestation: { ...demandsAlone(), presenter: new FakePresenter(), identityKey: bareKeys.client } },
    )
    assert.equal(client.attestation?.peer.negotiated?.model, 'background-check')
    assert.equal(client.attestation?.peer.negotiated?.credential, 'attestation-only')
    assert.equal(server.attestation?.peer.negotiated?.model, 'passport')
    assert.equal(client.authorized, true)
    assert.equal(server.authorized, true)
    assert.deepEqual(client.getPeerCertificate(), {})
    server.end('to an attested client')
    assert.equal(String(await readAll(client)), 'to an attested client')
  })

  test('refuses a server that does not attest, before anything is sent', async t => {
    const { error, refused } = await refusal(t, {}, { attestation: demands() })
    assert.equal(error.code, 'ERR_ATTESTATION_PEER_NOT_ATTESTED')
    assert.ok(error instanceof AttestationError)
    assert.equal(refused.bytesRead, 0)
  })

  test('is asked of those too who know nothing of it, and they are told what to do', async t => {
    const listener = createServer({ ...serverOptions, attestation: demands({ ...draft08 }) })
    const client = connect({ port: await listen(t, listener), host: '127.0.0.1', ...clientOptions })
    const [error] = await once(client, 'error')
    assert.equal(error.code, 'ERR_TLS_ALERT_UNSUPPORTED_EVIDENCE')
    assert.match(error.message, /give `attestation` with an attester/)
  })

  test('refuses a server that measures up to something else, and says to what', async t => {
    const attestation = attests(new FakeAttester({ measurement: 'tampered' }))
    const { error, refused } = await refusal(t, { attestation }, { attestation: demands() })
    assert.ok(error instanceof AttestationError)
    assert.equal(error.code, 'ERR_ATTESTATION_REFUSED')
    assert.deepEqual(
      error.checks.map(({ name, expected, actual }) => [name, expected, actual]),
      [['measurement', 'good', 'tampered']],
    )
    assert.equal(refused.bytesRead, 0)
  })

  test('refuses a client, which has got no data by then', async t => {
    const listener = createServer({ ...serverOptions, attestation: demandsAlone() }, () => assert.fail('it was let in'))
    const refused = once(listener, 'tlsClientError')
    const port = await listen(t, listener)
    const client = connect({
      port,
      host: '127.0.0.1',
      ...clientOptions,
      attestation: { ...attests(new FakeAttester({ measurement: 'tampered' })), identityKey: bareKeys.client },
    })
    client.write('application data')
    client.on('data', () => assert.fail('data came'))
    const closed = new Promise(resolve => client.on('close', resolve))
    const [[error, socket]] = (await Promise.all([refused, once(client, 'error'), closed])) as unknown as [
      [AttestationError, AttestedSocket],
    ]
    assert.equal(error.code, 'ERR_ATTESTATION_REFUSED')
    assert.equal(socket.bytesRead, 0)
  })

  test('lets in one that does not attest where that is optional', async t => {
    const { client } = await pair(t, {}, { attestation: demands({ require: 'optional' }) })
    assert.equal(client.attestation?.isAttested, false)
    assert.equal(client.authorized, true)
  })

  test('is made for those who are let, by the address that they connect from', async t => {
    const asked: unknown[] = []
    const admit = ({ remoteAddress, serverName }: { remoteAddress: unknown; serverName: unknown }) => {
      asked.push(remoteAddress, serverName)
      return true
    }
    const { client } = await pair(t, { attestation: { ...attests(), admit } }, { attestation: demands() })
    assert.equal(client.attestation?.isAttested, true)
    assert.match(String(asked[0]), /127\.0\.0\.1|::1/)
    assert.equal(asked.length, 2)
  })

  test('is not made up for by a certificate, nor the other way round', async t => {
    const { error } = await refusal(t, { attestation: attests() }, { attestation: demands(), ca: undefined })
    assert.equal(error.code, 'ERR_X509_UNKNOWN_ISSUER')
  })

  test('holds on a connection that resumes, while the policy does', async t => {
    const verifier = new FakeVerifier({ expiresAt: Math.floor(Date.now() / 1000) + 3600 })
    const attestation = demands({ verifier })
    const port = await listen(
      t,
      createServer({ ...serverOptions, attestation: attests() }, socket => socket.end()),
    )
    const visit = async (session?: Buffer) => {
      const client = connect({ port, host: '127.0.0.1', ...clientOptions, attestation, ...(session && { session }) })
      client.resume()
      const issued = once(client, 'session')
      await once(client, 'end')
      return { client, session: (await issued)[0] as Buffer }
    }
    const first = await visit()
    const second = await visit(first.session)
    assert.equal(second.client.isSessionReused(), true)
    assert.equal(second.client.attestation?.isResumed, true)
    assert.equal(second.client.attestation?.isAttested, true)
    verifier.policyDigest = 'policy 2'
    const third = await visit(second.session)
    assert.equal(third.client.isSessionReused(), false)
    assert.equal(third.client.attestation?.isAttested, true)
  })

  test('that takes too long ends with the handshake, and is told so', async () => {
    const asked: AbortSignal[] = []
    const verifier = new FakeVerifier({
      newSession({ signal }) {
        asked.push(signal)
        return new Promise(() => {})
      },
    })
    // A stream is there at once, so the Verifier is asked before any time can have passed.
    const [socket] = duplexPair()
    const client = connect({ socket, ...clientOptions, attestation: demands({ verifier }), handshakeTimeout: 1 })
    const [error] = await once(client, 'error')
    assert.equal(error.code, 'ERR_TLS_HANDSHAKE_TIMEOUT')
    assert.ok(asked.length > 0 && asked.every(signal => signal.aborted))
  })

  test('that cannot work is refused when it is configured', () => {
    assert.throws(() => createServer({ ...serverOptions, attestation: { ...draft08, require: 'required' } }), {
      code: 'ERR_ATTESTATION_CONFIG',
    })
  })
})

test('who runs a process that uses the profile draft08 is warned, once', async t => {
  const warnings: Error[] = []
  const listen = (warning: Error) => void warnings.push(warning)
  process.on('warning', listen)
  t.after(() => process.off('warning', listen))
  for (let i = 0; i < 3; i++) {
    createServer({
      ...serverOptions,
      attestation: { profile: 'draft08', acceptDraft08Risks: ['relay'], attester: new FakeAttester() },
    })
  }
  await new Promise(resolve => setImmediate(resolve))
  assert.deepEqual(
    warnings.map(({ name, ...warning }) => ({ name, ...warning })),
    [{ name: 'SecurityWarning', code: 'ATTESTED_TLS_DRAFT08' }],
  )
  assert.match(warnings[0]?.message ?? '', /draft08 is weaker than under hardened \(relay: /)
})

test('an agent brings attestation to https.request, and makes it once for each connection', async t => {
  const attester = new FakeAttester()
  const server = createHttpsServer(
    { ...serverOptions, attestation: attests(attester) },
    (message, response) => void response.end(String(attestedSocketOf(message)?.attestation?.own.isPresented)),
  )
  const port = await listen(t, server)
  const agent = new AttestedAgent({ ...clientOptions, attestation: demands(), keepAlive: true, maxSockets: 1 })
  t.after(() => agent.destroy())
  for (let i = 0; i < 3; i++) {
    const asked = request({ agent, port, host: '127.0.0.1' }).end()
    const [message] = await once(asked, 'response')
    assert.equal(attestedSocketOf(message)?.attestation?.isAttested, true)
    let body = ''
    for await (const chunk of message) body += chunk
    assert.equal(body, 'true')
  }
  assert.equal(attester.asked.length, 1)
})

test('an agent opens a new connection when the policy has changed, also if the old one comes free after that', async t => {
  const verifier = new FakeVerifier({ expiresAt: null })
  const attester = new FakeAttester()
  const ports: unknown[] = []
  const server = createHttpsServer({ ...serverOptions, attestation: attests(attester) }, (message, response) => {
    ports.push(message.socket.remotePort)
    // While the request is under way.
    if (ports.length === 1) verifier.policyDigest = 'policy 2'
    response.end()
  })
  const port = await listen(t, server)
  const agent = new AttestedAgent({ ...clientOptions, attestation: demands({ verifier }), keepAlive: true })
  t.after(() => agent.destroy())
  for (let i = 0; i < 3; i++) {
    const asked = request({ agent, port, host: '127.0.0.1' }).end()
    const [message] = await once(asked, 'response')
    await once(message.resume(), 'close')
  }
  assert.equal(ports[0] === ports[1], false)
  assert.equal(ports[1], ports[2])
  assert.equal(attester.asked.length, 2)
})

test('an agent keeps no connection beyond the time that the verdict holds', async t => {
  const seconds = 4_000_000_000
  const verifier = new FakeVerifier({ expiresAt: seconds })
  const ports: unknown[] = []
  const server = createHttpsServer({ ...serverOptions, attestation: attests() }, (message, response) => {
    ports.push(message.socket.remotePort)
    if (ports.length === 2) t.mock.method(Date, 'now', () => seconds * 1000)
    response.end()
  })
  const port = await listen(t, server)
  const agent = new AttestedAgent({ ...clientOptions, attestation: demands({ verifier }), keepAlive: true })
  t.after(() => agent.destroy())
  for (let i = 0; i < 2; i++) {
    const asked = request({ agent, port, host: '127.0.0.1' }).end()
    const [message] = await once(asked, 'response')
    await once(message.resume(), 'close')
  }
  assert.equal(ports[0], ports[1])
  assert.deepEqual(Object.keys(agent.freeSockets), [])
})

/** What a client ends with, and the server's side of it. */
async function refusal(
  t: test.TestContext,
  server: ServerOptions,
  client: ConnectOptions,
): Promise<{ readonly error: Error & { readonly code?: string }; readonly refused: AttestedSocket }> {
  const listener = createServer({ ...serverOptions, ...server }, () => assert.fail('it was let in'))
  const refused = once(listener, 'tlsClientError')
  const port = await listen(t, listener)
  const socket = connect({ port, host: '127.0.0.1', ...clientOptions, ...client })
  socket.on('secureConnect', () => assert.fail('it was let in'))
  socket.write('application data')
  const [error] = await once(socket, 'error')
  return { error, refused: (await refused)[1] as AttestedSocket }
}
