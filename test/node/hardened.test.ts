import assert from 'node:assert/strict'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { describe, type TestContext } from 'node:test'
import { AttestationError, type AttestationOptions, connect, createServer } from '#src/node/index.js'
import { FakeAttester, FakeVerifier } from '../attestation/support.js'
import { attesterOf, verifierOf } from '../support/simulated.js'
import { clientOptions, listen, pair, readAll, serverOptions } from './support.js'

const attests = (attester = attesterOf()): AttestationOptions => ({ attester })
const demands = (): AttestationOptions => ({ verifier: verifierOf() })

/** From here on time passes only when the test says so. */
function stopTheClock(t: TestContext): void {
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'], now: Date.now() })
}

describe('the profile hardened on a socket', () => {
  test('is what attestation means where nobody says otherwise', async t => {
    const { client, server } = await pair(t, { attestation: attests() }, { attestation: demands() })
    assert.equal(client.attestation?.profile, 'hardened')
    assert.equal(client.attestation?.bindingLevel, 3)
    assert.equal(server.attestation?.own.bindingLevel, 3)
    client.end('ping')
    server.end('pong')
    assert.equal(String(await readAll(client)), 'pong')
    assert.equal(String(await readAll(server)), 'ping')
  })

  test('keeps what is written early until the peer is attested', async t => {
    const listener = createServer({ ...serverOptions, attestation: attests() })
    const port = await listen(t, listener)
    const socket = connect({ port, host: '127.0.0.1', ...clientOptions, attestation: demands() })
    t.after(() => socket.destroy())
    socket.end('early')
    const [server] = await once(listener, 'secureConnection')
    assert.equal(String(await readAll(server)), 'early')
    assert.equal(socket.attestation?.rounds, 1)
  })

  test('tells of renewals', async t => {
    stopTheClock(t)
    const { client } = await pair(t, { attestation: attests() }, { attestation: demands() })
    const renewed = once(client, 'attestation')
    client.renewAttestation()
    t.mock.timers.tick(10_001)
    const [status] = await renewed
    assert.equal(status, client.attestation)
    assert.equal(client.attestation?.rounds, 2)
    assert.equal(client.attestation?.isAttested, true)
  })

  test('tells when what the peer was is lost, and then ends', async t => {
    stopTheClock(t)
    const attester = attesterOf()
    const { client, server } = await pair(t, { attestation: attests(attester) }, { attestation: demands() })
    const told: string[] = []
    for (const name of ['attestationLost', 'error', 'close']) client.on(name, () => told.push(name))
    server.on('error', () => undefined)
    attester.evidence = attesterOf({ isDebuggable: true }).evidence.bind(attesterOf({ isDebuggable: true }))
    const lost = once(client, 'attestationLost')
    const closed = new Promise(resolve => client.once('close', resolve))
    client.renewAttestation()
    t.mock.timers.tick(10_001)
    const [error] = await lost
    assert.ok(error instanceof AttestationError)
    assert.equal(error.code, 'ERR_ATTESTATION_REFUSED')
    assert.equal(client.attestation?.isAttested, false)
    await closed
    assert.deepEqual(told, ['attestationLost', 'error', 'close'])
  })

  test('shares the Evidence of a server among its connections, those that come later among themselves', async t => {
    const attester = attesterOf()
    const make = attester.evidence.bind(attester)
    let made = 0
    attester.evidence = request => {
      made++
      return make(request)
    }
    const batch = { window: 9000, members: 4 }
    const listener = createServer({ ...serverOptions, attestation: { attester, batch } }, socket => socket.end('hello'))
    const port = await listen(t, listener)
    for (let wave = 0; wave < 2; wave++) {
      const sockets = Array.from({ length: 4 }, () =>
        connect({ port, host: '127.0.0.1', ...clientOptions, attestation: demands() }),
      )
      for (const text of await Promise.all(sockets.map(readAll))) assert.equal(String(text), 'hello')
      for (const { attestation } of sockets) assert.equal(attestation?.bindingLevel, 3)
    }
    // Of 16 that there would be otherwise: 4, unless the machine was slow.
    assert.ok(made < 16, `${made} pieces of Evidence for 8 connections`)
  })

  test('logs no keys: the option is refused, the environment passed over, and listeners hear nothing', async t => {
    const keyLogFile = join(tmpdir(), `attested-tls-no-keys-${process.pid}.log`)
    const options = { ...clientOptions, port: 1, keyLogFile, attestation: demands() }
    assert.throws(() => connect(options), { code: 'ERR_ATTESTATION_CONFIG', message: /keyLogFile.*logs no keys/ })
    assert.throws(() => createServer({ ...serverOptions, keyLogFile, attestation: attests() }), /logs no keys/)

    const warnings: string[] = []
    const listenTo = ({ message }: Error) => void warnings.push(message)
    process.on('warning', listenTo)
    process.env.SSLKEYLOGFILE = keyLogFile
    t.after(() => {
      delete process.env.SSLKEYLOGFILE
      process.off('warning', listenTo)
    })
    let heard = 0
    const listener = createServer({ ...serverOptions, attestation: attests() }, socket => socket.end('hello'))
    listener.on('keylog', () => heard++)
    const port = await listen(t, listener)
    const socket = connect({ port, host: '127.0.0.1', ...clientOptions, attestation: demands() })
    socket.on('keylog', () => heard++)
    assert.equal(String(await readAll(socket)), 'hello')
    assert.equal(heard, 0)
    assert.equal(existsSync(keyLogFile), false)
    assert.deepEqual(warnings.length, 2)
    for (const sentence of warnings) assert.match(sentence, /logs no keys/)
  })

  for (const round of [0, 1]) {
    test(`tells a peer that is refused from one that could not be appraised, ${round ? 'after' : 'in'} the handshake`, async t => {
      const outcomes = [
        ['ERR_ATTESTATION_REFUSED', { measurement: 'bad' }, {}],
        ['ERR_ATTESTATION_NOT_APPRAISED', {}, { status: 'none', isAccepted: false, problem: 'no collateral' }],
      ] as const
      for (const [code, claims, verdict] of outcomes) {
        const [good, bad] = [new FakeAttester(), new FakeAttester(claims)]
        const attester = new FakeAttester()
        let [made, judged] = [0, 0]
        attester.evidence = request => (made++ === round ? bad : good).evidence(request)
        const verifier = new FakeVerifier({
          expiresAt: null,
          alter: result => (judged++ === round ? { ...result, ...verdict } : result),
        })
        const listener = createServer({ ...serverOptions, attestation: { attester } })
        const told = once(listener, 'tlsClientError')
        const port = await listen(t, listener)
        const socket = connect({ port, host: '127.0.0.1', ...clientOptions, attestation: { verifier } })
        let isSecure = false
        socket.on('secureConnect', () => {
          isSecure = true
        })
        const [error] = await once(socket, 'error')
        assert.equal(error.code, code)
        assert.equal(isSecure, false)
        assert.equal(socket.attestation?.isAttested, false)
        assert.ok((await told)[0] instanceof Error)
      }
    })
  }

  test('has nothing to renew where the peer does not attest', async t => {
    const { client, server } = await pair(t, { attestation: attests() }, { attestation: demands() })
    assert.throws(() => server.renewAttestation(), { code: 'ERR_ATTESTATION_STATE' })
    client.destroy()
    const bare = await pair(t)
    assert.throws(() => bare.client.renewAttestation(), { code: 'ERR_ATTESTATION_STATE' })
  })
})
