import assert from 'node:assert/strict'
import { createHash, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import test, { describe, type TestContext } from 'node:test'
import { AttestationError, type ExportedAttestationOptions } from '#src/attestation/index.js'
import { completed, defaultSignatureSchemes } from '#src/handshake/index.js'
import * as dtls from '#src/node/dtls.js'
import {
  type AttestationOptions,
  type AttestedSocket,
  connect,
  createServer,
  exportedAttestation,
  exportedAuthenticators,
  type ServerOptions,
} from '#src/node/index.js'
import type { Attester, EvidenceRequest } from '#src/rats/index.js'
import { FakeAttester, FakeVerifier, TEST_EVIDENCE } from '../attestation/support.js'
import { attesterOf, verifierOf } from '../support/simulated.js'
import { clientId, clientOptions, listen, root, serverOptions, pair as streams } from './support.js'

type Socket = AttestedSocket | dtls.DtlsSocket
interface Pair {
  readonly client: Socket
  readonly server: Socket
}

const mutual = { requestCert: true, ca: root.pem } as const
const withCertificate = { cert: clientId.pem, key: clientId.keyPem } as const

/** A connection on which no attestation was spoken of, over either transport. */
const transports: Readonly<
  Record<'TLS' | 'DTLS', (t: TestContext, isMutual?: boolean, client?: object, server?: object) => Promise<Pair>>
> = {
  async TLS(t, isMutual = false, client = {}, server = {}) {
    const options = isMutual ? { ...mutual, ...server } : server
    const made = await streams(t, options as ServerOptions, isMutual ? { ...withCertificate, ...client } : client)
    for (const socket of [made.client, made.server]) socket.on('error', () => {})
    return made
  },
  async DTLS(t, isMutual = false, client = {}, server = {}) {
    const listener = dtls.createServer({ ...serverOptions, ...(isMutual && mutual), ...server })
    listener.listen(0, '127.0.0.1')
    await once(listener, 'listening')
    t.after(() => new Promise<void>(resolve => listener.close(resolve)))
    const accepted = once(listener, 'secureConnection')
    const { port } = listener.address()
    const options = { port, host: '127.0.0.1', ...clientOptions, ...(isMutual && withCertificate), ...client }
    const socket = dtls.connect(options)
    t.after(() => socket.destroy())
    await once(socket, 'secureConnect')
    const [peer] = (await accepted) as [dtls.DtlsSocket]
    for (const end of [socket, peer]) end.on('error', () => {})
    return { client: socket, server: peer }
  },
}

const verifies = (more: Partial<ExportedAttestationOptions> = {}) => ({
  verifier: new FakeVerifier({ expiresAt: null }),
  ...more,
})
const attests = (attester: Attester = new FakeAttester()) => ({ attester })

/** Both sides of one attestation. */
function sides(
  { client, server }: Pair,
  asking: 'client' | 'server' = 'client',
  options = verifies(),
  own = attests(),
) {
  const [rp, attester] = asking === 'client' ? [client, server] : [server, client]
  return { rp: exportedAttestation(rp, options), attester: exportedAttestation(attester, own), socket: rp }
}

const codeOf = (code: string) => (error: unknown) => {
  assert.ok(error instanceof Error && 'code' in error, String(error))
  assert.equal(error.code, code, error.message)
  return true
}

for (const [transport, connected] of Object.entries(transports)) {
  describe(`the profile expat over ${transport}`, () => {
    for (const asking of ['client', 'server'] as const) {
      test(`attests the peer of the ${asking}, by messages that the application carries`, async t => {
        const { rp, attester } = sides(await connected(t, asking === 'server'), asking)
        assert.equal(rp.status.isAttested, false)
        assert.equal(rp.status.bindingLevel, 0)
        const status = await rp.check(await attester.answer(await rp.request()))
        assert.equal(status.profile, 'expat')
        assert.equal(status.isAttested, true)
        assert.equal(status.bindingLevel, 3)
        assert.equal(status.rounds, 1)
        assert.equal(status.evidenceDigest?.length, 32)
        assert.equal(status.peer.carrier, 'authenticator')
        assert.equal(status.peer.negotiated?.evidenceType, TEST_EVIDENCE)
        assert.equal(status.claims.simulated?.place, 'lab')
        assert.equal(attester.status.own.bindingLevel, 3)
        assert.equal(attester.status.isAttested, false)
      })
    }

    test('both ways at once, and again and again', async t => {
      const { client, server } = await connected(t, true)
      const ends = [client, server].map(end => exportedAttestation(end, { ...verifies(), ...attests() }))
      const [one, other] = ends
      assert.ok(one && other)
      for (let round = 1; round <= 3; round++) {
        const requests = await Promise.all([one.request(), other.request()])
        const answers = await Promise.all([other.answer(requests[0]), one.answer(requests[1])])
        await Promise.all([one.check(answers[0]), other.check(answers[1])])
        for (const { status } of ends) assert.equal(status.rounds, round)
      }
    })

    test('with Evidence that a platform has signed, over the binder of the text', async t => {
      const simulated = attesterOf()
      const asked: EvidenceRequest[] = []
      const make = simulated.evidence.bind(simulated)
      simulated.evidence = request => {
        asked.push(request)
        return make(request)
      }
      const ends = await connected(t)
      const { rp, attester } = sides(
        ends,
        'client',
        { verifier: verifierOf({ now: Date.now }) },
        { attester: simulated },
      )
      const request = await rp.request()
      await rp.check(await attester.answer(request))
      // ClientCertificateRequest: 4 bytes of header, then the context.
      const context = request.subarray(5, 5 + (request[4] ?? 0))
      const exported = ends.client.exportKeyingMaterial(32, 'Attestation', context)
      const spki = new X509Certificate(serverOptions.cert).publicKey.export({ format: 'der', type: 'spki' })
      const binder = createHash('sha256').update(spki).update(exported).digest()
      assert.deepEqual(Buffer.from(asked[0]?.challenge ?? []), binder)
      assert.equal(asked.length, 1)
    })

    test('ends the connection of a peer that is not what it should be', async t => {
      const { rp, attester, socket } = sides(
        await connected(t),
        'client',
        verifies(),
        attests(new FakeAttester({ measurement: 'bad' })),
      )
      const closed = new Promise(resolve => socket.once('close', resolve))
      await assert.rejects(rp.check(await attester.answer(await rp.request())), codeOf('ERR_ATTESTATION_REFUSED'))
      assert.equal(rp.status.isAttested, false)
      assert.match(rp.status.peer.reason ?? '', /measurement/)
      await closed
    })

    test('ends the connection of a peer that declines', async t => {
      const { rp, attester, socket } = sides(await connected(t))
      await assert.rejects(rp.check(attester.refuse(await rp.request())), codeOf('ERR_ATTESTATION_PEER_NOT_ATTESTED'))
      assert.equal(socket.destroyed, true)
    })

    test('refuses who is not expected', async t => {
      const expectedIdentity = { claims: { place: 'elsewhere' } }
      const { rp, attester } = sides(await connected(t), 'client', verifies({ expectedIdentity }))
      await assert.rejects(
        rp.check(await attester.answer(await rp.request())),
        codeOf('ERR_ATTESTATION_IDENTITY_MISMATCH'),
      )
    })

    test('refuses an authenticator of another connection, though it be of the same peer and for the same request', async t => {
      const [here, there] = [await connected(t), await connected(t)]
      const { rp } = sides(here)
      const elsewhere = sides(there)
      await assert.rejects(rp.check(await elsewhere.attester.answer(await rp.request())), { alert: 51 })
      assert.equal(here.client.destroyed, true)
      assert.equal(there.client.destroyed, false)
    })

    test('refuses what answered a request before', async t => {
      const { rp, attester } = sides(await connected(t))
      const first = await attester.answer(await rp.request())
      await rp.check(first)
      await rp.request()
      await assert.rejects(rp.check(first), Error)
      assert.equal(rp.status.isAttested, false)
    })

    test('answers a request once', async t => {
      const { rp, attester } = sides(await connected(t))
      const request = await rp.request()
      await attester.answer(request)
      await assert.rejects(attester.answer(request), { alert: 47 })
      assert.throws(() => attester.refuse(request), { alert: 47 })
    })

    test('refuses our own Evidence, which a peer with our key could send back', async t => {
      // The binder says nothing of roles: with one key for a whole fleet both sides come to the same.
      const { client, server } = await connected(
        t,
        true,
        { cert: serverOptions.cert, key: serverOptions.key },
        {
          rejectUnauthorized: false,
        },
      )
      const rp = exportedAttestation(client, { ...verifies(), ...attests() })
      const other = exportedAttestation(server, attests())
      await assert.rejects(rp.check(await other.answer(await rp.request())), codeOf('ERR_ATTESTATION_KEY_MISMATCH'))
    })

    test('asks for one attestation at a time, and takes none that it has not asked for', async t => {
      const { rp, attester } = sides(await connected(t))
      await assert.rejects(rp.check(new Uint8Array(9)), codeOf('ERR_ATTESTATION_STATE'))
      const again = sides(await connected(t))
      await again.rp.request()
      await assert.rejects(again.rp.request(), codeOf('ERR_ATTESTATION_STATE'))
      await assert.rejects(attester.answer(new Uint8Array(9)), Error)
    })

    test('is nothing for peers without a certificate, nor for those who have no verifier or attester', async t => {
      const { client, server } = await connected(t)
      await assert.rejects(exportedAttestation(server, verifies()).request(), codeOf('ERR_ATTESTATION_STATE'))
      await assert.rejects(exportedAttestation(server, attests()).request(), codeOf('ERR_ATTESTATION_STATE'))
      const request = await exportedAttestation(client, verifies()).request()
      await assert.rejects(exportedAttestation(server, verifies()).answer(request), codeOf('ERR_ATTESTATION_STATE'))
    })

    test('answers no request that says nothing of attestation', async t => {
      const { client, server } = await connected(t)
      const { raw } = exportedAuthenticators(client).request({
        context: new Uint8Array(32).fill(1),
        signatureSchemes: defaultSignatureSchemes,
      })
      await assert.rejects(exportedAttestation(server, attests()).answer(raw), { alert: 109 })
    })

    test('stands on authenticators that applications may use for more: one exchange for each connection', async t => {
      const { client, server } = await connected(t)
      const [asking, answering] = [exportedAuthenticators(client), exportedAuthenticators(server)]
      assert.equal(exportedAuthenticators(client), asking)
      const request = asking.request({ context: Buffer.from('context'), signatureSchemes: defaultSignatureSchemes })
      const { credential, signal } = server.foundation
      assert.ok(credential)
      const bytes = await completed(answering.authenticate(answering.readRequest(request.raw), credential, { signal }))
      assert.deepEqual(asking.check(request, bytes)?.entries[0]?.data, credential.entries[0]?.data)
      assert.throws(() => asking.request({ context: Buffer.from('context'), signatureSchemes: [0x0403] }), /used twice/)
      const second = asking.request({ context: Buffer.from('second'), signatureSchemes: defaultSignatureSchemes })
      assert.equal(asking.check(second, answering.refuse(answering.readRequest(second.raw))), null)
    })
  })
}

describe('the profile expat', () => {
  test('is for whole handshakes: a connection that resumes another does not attest', async t => {
    const port = await listen(
      t,
      createServer(serverOptions, socket => socket.end()),
    )
    const first = connect({ port, host: '127.0.0.1', ...clientOptions })
    t.after(() => first.destroy())
    const [session] = await once(first.resume(), 'session')
    const second = connect({ port, host: '127.0.0.1', ...clientOptions, session })
    t.after(() => second.destroy())
    await once(second, 'secureConnect')
    assert.equal(second.isSessionReused(), true)
    assert.throws(() => exportedAttestation(second, verifies()), /rests on a PSK or a ticket/)
  })

  test('is not asked for by name in a handshake', () => {
    const attestation = { profile: 'expat', ...attests() } as unknown as AttestationOptions
    assert.throws(() => createServer({ ...serverOptions, attestation }), /exportedAttestation\(socket, …\)/)
  })

  test('needs a handshake that is complete', () => {
    const socket = connect({ port: 9, host: '127.0.0.1', ...clientOptions })
    socket.on('error', () => {})
    assert.throws(() => exportedAttestation(socket, verifies()), codeOf('ERR_TLS_INVALID_STATE'))
    socket.destroy()
  })

  test('is told what makes sense, and nothing else', async t => {
    const { client } = await transports.TLS(t)
    const wrong: readonly [unknown, RegExp][] = [
      [{}, /needs an attester, a verifier or both/],
      [{ ...verifies(), renewEvery: 1 }, /"renewEvery" is no option of the profile expat/],
      [{ ...attests(), expectedIdentity: { claims: { a: 1 } } }, /needs a verifier/],
      [{ ...verifies(), expectedIdentity: {} }, /expects nothing/],
      [{ ...attests(), quotes: { concurrent: 0 } }, /quotes.concurrent/],
      [{ ...verifies(), timeouts: { verifier: 0 } }, /timeouts.verifier/],
      [{ verifier: new FakeVerifier({ types: [] }) }, /takes no Evidence/],
    ]
    for (const [options, message] of wrong) {
      assert.throws(() => exportedAttestation(client, options as ExportedAttestationOptions), {
        code: 'ERR_ATTESTATION_CONFIG',
        message,
      })
    }
  })

  test('has errors of attestation for what a peer does wrong', async t => {
    const { rp, attester } = sides(await transports.TLS(t), 'client', {
      verifier: new FakeVerifier({ types: ['application/other'], expiresAt: null }),
    })
    await assert.rejects(rp.check(await attester.answer(await rp.request())), (error: unknown) => {
      assert.ok(error instanceof AttestationError)
      assert.equal(error.code, 'ERR_ATTESTATION_WRONG_TYPE')
      return true
    })
  })
})
