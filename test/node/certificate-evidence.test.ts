import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import test, { describe, type TestContext } from 'node:test'
import { measured, SimulatedAttester, SimulatedRoot } from '#src/attester/index.js'
import { hex, utf8 } from '#src/bytes/index.js'
import { hash } from '#src/crypto/index.js'
import { type AttestationOptions, connect, createServer, createVerifier, type ServerOptions } from '#src/node/index.js'
import { encodeCmwExtension, ID_PE_CMW, type IdentityKey, type Verifier } from '#src/rats/index.js'
import { FakeAttester, FakeVerifier } from '../attestation/support.js'
import { draft08 } from '../support/draft08.js'
import { makeSelfSigned } from '../support/pki.js'
import { root as authority, listen, pair } from './support.js'

/*
 * Peers of RA-TLS: they know nothing of attestation in the handshake, and have Evidence in their certificate.
 */

const root = SimulatedRoot.create({ now: Date.now() })
const workload = measured('workload', utf8('a shop'))
const attester = new SimulatedAttester({ platform: root.issue('machine'), components: [workload] })
const verifier = createVerifier({
  policy: {
    version: 1,
    platforms: [{ kind: 'simulated', measurements: [{ values: { workload: hex(workload.measurement) } }] }],
  },
  roots: { simulated: [root.pem] },
  dangerouslyTrustSimulatedPlatforms: true,
  warn: () => undefined,
})

/** Certificates, ours and of others, for a key with Evidence about it. */
async function enclave(about?: IdentityKey) {
  const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const spki = Uint8Array.from(keys.publicKey.export({ format: 'der', type: 'spki' }))
  const key = about ?? { spki, id: hash('sha256', spki) }
  const [type = ''] = attester.evidenceTypes
  const { signal } = new AbortController()
  const message = await attester.evidence({ type, challenge: new Uint8Array(32).fill(1), key, signal })
  const options = {
    subject: 'localhost',
    dnsNames: ['localhost'],
    keys,
    notBefore: new Date(Date.now() - 60_000),
    notAfter: new Date(Date.now() + 3_600_000),
    extraExtensions: [{ oid: ID_PE_CMW, value: encodeCmwExtension(message) }],
  }
  const { pem: cert, keyPem: key2 } = authority.issue(options)
  const { pem: selfSigned } = makeSelfSigned(options)
  return { own: { cert, key: key2 }, selfSigned: { cert: selfSigned, key: key2 } }
}

const accepts = (more: Partial<AttestationOptions> = {}): AttestationOptions => ({
  ...draft08,
  verifier,
  dangerouslyAcceptCertificateEvidence: { maxAgeSeconds: 600 },
  ...more,
})

async function refusalOf(t: TestContext, server: ServerOptions, attestation: AttestationOptions) {
  const port = await listen(t, createServer(server))
  const socket = connect({ port, host: '127.0.0.1', servername: 'localhost', ca: authority.pem, attestation })
  const [error] = await once(socket, 'error')
  return error
}

describe('Evidence in a certificate', () => {
  test('will do for a server where it is allowed to, and counts as bound to the key at most', async t => {
    const { own } = await enclave()
    const { client } = await pair(t, own, { attestation: accepts() })
    const { attestation } = client
    assert.equal(attestation?.isAttested, true)
    assert.equal(attestation?.bindingLevel, 1)
    assert.equal(attestation?.peer.carrier, 'certificate')
    assert.equal(attestation?.peer.negotiated, null)
    assert.equal(attestation?.peer.result?.challenge, null)
    assert.equal(attestation?.isSimulated, true)
    assert.equal(client.authorized, true)
  })

  test('will do for a client', async t => {
    const { own } = await enclave()
    const { server } = await pair(t, { attestation: accepts(), ca: authority.pem }, own)
    assert.equal(server.attestation?.isAttested, true)
    assert.equal(server.attestation?.bindingLevel, 1)
    assert.equal(server.attestation?.peer.carrier, 'certificate')
  })

  test('says nothing about who has signed the certificate', async t => {
    const { selfSigned } = await enclave()
    const refused = await refusalOf(t, selfSigned, accepts())
    assert.match(refused.code, /^ERR_X509_/)
    const { client } = await pair(t, selfSigned, { attestation: accepts(), rejectUnauthorized: false })
    assert.equal(client.attestation?.isAttested, true)
    assert.equal(client.authorized, false)
  })

  test('will not do unless that is allowed', async t => {
    const { own } = await enclave()
    const { dangerouslyAcceptCertificateEvidence: _, ...strict } = accepts()
    assert.equal((await refusalOf(t, own, strict)).code, 'ERR_ATTESTATION_PEER_NOT_ATTESTED')
  })

  test('is refused when it is for another key, or the certificate too old', async t => {
    const stolen = await enclave({ spki: Uint8Array.from(spkiOfAnother()), id: new Uint8Array(32) })
    assert.equal((await refusalOf(t, stolen.own, accepts())).code, 'ERR_ATTESTATION_REFUSED')
    const { own } = await enclave()
    const strict = accepts({ dangerouslyAcceptCertificateEvidence: { maxAgeSeconds: 30 } })
    const error = await refusalOf(t, own, strict)
    assert.equal(error.code, 'ERR_ATTESTATION_REFUSED')
    assert.match(error.message, /certificate-age/)
  })

  test('is missed where it is not, if attestation is required', async t => {
    const { own } = await enclave()
    const plain = authority.issue({ subject: 'localhost', dnsNames: ['localhost'] })
    const error = await refusalOf(t, { cert: plain.pem, key: plain.keyPem }, accepts())
    assert.equal(error.code, 'ERR_ATTESTATION_PEER_NOT_ATTESTED')
    const optional = { attestation: accepts({ require: 'optional' }) }
    const { client } = await pair(t, { cert: plain.pem, key: plain.keyPem }, optional)
    assert.equal(client.attestation?.isAttested, false)
    assert.match(client.attestation?.peer.reason ?? '', /neither in the handshake nor in its certificate/)
    const { client: anonymous } = await pair(t, { attestation: accepts({ require: 'optional' }), ...own }, {})
    assert.equal(anonymous.authorized, true)
  })

  test('is not looked at where attestation was agreed on', async t => {
    const { own } = await enclave()
    const both: Verifier = new FakeVerifier({ expiresAt: null })
    both.appraiseCertificate = () => assert.fail('nobody asked for that')
    const server = { ...own, attestation: { ...draft08, attester: new FakeAttester() } }
    const { client } = await pair(t, server, { attestation: accepts({ verifier: both }) })
    assert.equal(client.attestation?.bindingLevel, 2)
    assert.equal(client.attestation?.peer.carrier, 'handshake')
  })

  test('is told of by a resumed connection too', async t => {
    const { own } = await enclave()
    const port = await listen(
      t,
      createServer(own, socket => socket.end()),
    )
    const options = { port, host: '127.0.0.1', servername: 'localhost', ca: authority.pem, attestation: accepts() }
    const first = connect(options)
    const [session] = (await once(first, 'session')) as [Buffer]
    first.destroy()
    const again = connect({ ...options, session })
    t.after(() => again.destroy())
    await once(again, 'secureConnect')
    assert.equal(again.isSessionReused(), true)
    assert.equal(again.attestation?.isAttested, true)
    assert.equal(again.attestation?.peer.carrier, 'certificate')
    assert.equal(again.attestation?.bindingLevel, 1)
    const stricter = accepts({ dangerouslyAcceptCertificateEvidence: { maxAgeSeconds: 599 } })
    const other = connect({ ...options, attestation: stricter, session })
    t.after(() => other.destroy())
    await once(other, 'secureConnect')
    assert.equal(other.isSessionReused(), false)
  })

  for (const [name, attestation, complaint] of [
    [
      'no Verifier that can do it',
      accepts({ verifier: new FakeVerifier() }),
      /needs a verifier that appraises certificates/,
    ],
    ['no certificate', accepts({ peerCredentials: ['attestation-only'] }), /needs x509 among the peerCredentials/],
    ['the profile hardened', accepts({ profile: 'hardened' }), /takes Evidence of the connection, and no other/],
    ['no age', accepts({ dangerouslyAcceptCertificateEvidence: { maxAgeSeconds: 0 } }), /positive number of seconds/],
  ] as const) {
    test(`cannot be allowed with ${name}`, () => {
      assert.throws(() => connect({ port: 1, attestation }), { code: 'ERR_ATTESTATION_CONFIG', message: complaint })
    })
  }
})

function spkiOfAnother(): Buffer {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'der', type: 'spki' })
}
