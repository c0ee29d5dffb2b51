import assert from 'node:assert/strict'
import test, { describe } from 'node:test'
import { utf8 } from '#src/bytes/index.js'
import { SignatureScheme, type SigningKey } from '#src/crypto/index.js'
import {
  CertificateType,
  type Credential,
  type CredentialQuery,
  defaultCertificateSchemes,
  defaultSignatureSchemes,
  extensionValue,
  type PeerCheck,
  peerCheck,
  statusRequest,
} from '#src/handshake/index.js'
import { CertificateError, TrustAnchors } from '#src/x509/index.js'
import {
  alertOf,
  always,
  clientConfig,
  connectedPair,
  credentialFor,
  makePair,
  NOW,
  type PairOptions,
  rawPublicKey,
  serverConfig,
  testRoot,
} from '../support/pair.js'

const { X509, RawPublicKey } = CertificateType

/** The alert of the side that refuses, and the one that the other side got. */
async function refusal(side: 'client' | 'server', options: PairOptions): Promise<string | undefined> {
  const pair = makePair(options)
  await pair.run()
  const own = pair[side]
  const other = side === 'client' ? pair.server : pair.client
  assert.equal(own.connection.state, 'closed', 'nobody refused')
  assert.equal(other.connection.state, 'closed')
  assert.deepEqual(own.alerts, [alertOf(own.error)])
  assert.equal((other.error as { code?: string } | undefined)?.code, `ERR_TLS_ALERT_${own.alerts[0]?.toUpperCase()}`)
  return own.alerts[0]
}

/** Takes any credential of the types. */
const anyone = (...certificateTypes: number[]): PeerCheck => ({
  certificateTypes,
  isAdvisory: false,
  check: () => undefined,
})

describe('a client', () => {
  test('need not authenticate if it is only asked to', async () => {
    const pair = await connectedPair({ server: { clientAuthentication: 'optional' } })
    assert.equal(pair.server.established.peer, undefined)
  })

  test('has to authenticate if it must', async () => {
    assert.equal(await refusal('server', { server: { clientAuthentication: 'required' } }), 'certificate_required')
  })

  test('is refused for its certificate, though it was only asked', async () => {
    const check = () => {
      throw new CertificateError('ERR_X509_UNKNOWN_CA', 'unknown_ca', 'never heard of')
    }
    const options = {
      client: { credentials: always(credentialFor('client')) },
      server: { clientAuthentication: 'optional', peer: { ...anyone(X509), check } },
    } as const
    assert.equal(await refusal('server', options), 'unknown_ca')
    const advisory = await connectedPair({
      ...options,
      server: { ...options.server, peer: { ...options.server.peer, isAdvisory: true } },
    })
    assert.match(advisory.server.established.peer?.authorizationError?.message ?? '', /never heard/)
  })

  test('is told what the server takes', async () => {
    let query: CredentialQuery | undefined
    await connectedPair({
      client: {
        credentials(asked) {
          query = asked
          return null
        },
      },
      server: { clientAuthentication: 'optional', certificateAuthorities: [utf8('a name'), utf8('another')] },
    })
    assert.deepEqual(query?.signatureSchemes, defaultSignatureSchemes)
    assert.deepEqual(query?.certificateSchemes, defaultCertificateSchemes)
    assert.equal(query?.certificateType, X509)
    assert.deepEqual(
      query?.authorities.map(name => Buffer.from(name).toString()),
      ['a name', 'another'],
    )
    assert.equal(query?.asksForOcsp, false)
  })
})

describe('a server', () => {
  test('is refused for a certificate of another name', async () => {
    const options = { server: { credentials: always(credentialFor('example.com')) } }
    assert.equal(await refusal('client', options), alertOf(new CertificateError('x', 'bad_certificate', '')))
  })

  test('is refused for a certificate of an unknown issuer', async () => {
    const peer = peerCheck({
      anchors: TrustAnchors.from([]),
      purpose: 'serverAuth',
      name: 'localhost',
      now: () => NOW,
      certificateSchemes: defaultCertificateSchemes,
    })
    assert.equal(await refusal('client', { client: { peer } }), 'unknown_ca')
  })

  test('is refused when its certificate has expired', async () => {
    const now = () => Date.UTC(2051, 0, 1)
    assert.equal(await refusal('client', { client: { now } }), 'certificate_expired')
  })

  test('without a credential for the client cannot go on', async () => {
    assert.equal(await refusal('server', { server: { credentials: always(null) } }), 'handshake_failure')
  })

  test('whose key signs with no scheme of the client cannot go on', async () => {
    const options = { client: { signatureSchemes: [SignatureScheme.ed25519] } }
    assert.equal(await refusal('server', options), 'handshake_failure')
  })

  test('is told the name that the client asks for', async () => {
    let name: string | undefined
    await connectedPair({
      server: {
        credentials(query) {
          name = query.serverName
          return Promise.resolve(credentialFor('localhost'))
        },
      },
    })
    assert.equal(name, 'localhost')
  })
})

describe('a signing key', () => {
  const { key } = credentialFor('localhost')
  const credential = (sign: SigningKey['sign']): Credential => ({
    ...credentialFor('localhost'),
    key: { publicKey: key.publicKey, schemes: key.schemes, sign },
  })

  test('may take its time', async () => {
    const slow = credential(async (scheme, data) => {
      await Promise.resolve()
      return key.sign(scheme, data)
    })
    const pair = await connectedPair({ server: { credentials: always(slow) } })
    assert.ok(pair.client.established.peer)
  })

  test('that fails is our own fault', async () => {
    const broken = credential(() => Promise.reject(new Error('the HSM is gone')))
    assert.equal(await refusal('server', { server: { credentials: always(broken) } }), 'internal_error')
  })

  test('that signs something else is found out', async () => {
    const wrong = credential((scheme, data) => key.sign(scheme, data.subarray(1)))
    assert.equal(await refusal('client', { server: { credentials: always(wrong) } }), 'decrypt_error')
  })

  test('of another certificate is found out', async () => {
    const other: Credential = { ...credentialFor('localhost'), key: credentialFor('example.com').key }
    assert.equal(await refusal('client', { server: { credentials: always(other) } }), 'decrypt_error')
    const otherKind: Credential = { ...credentialFor('localhost'), key: credentialFor('localhost', 'ed25519').key }
    assert.equal(await refusal('client', { server: { credentials: always(otherKind) } }), 'illegal_parameter')
  })

  test('hears that its answer is no longer wanted', async () => {
    let aborted = false
    const patient = credential(
      (_scheme, _data, signal) =>
        new Promise((_resolve, reject) => {
          signal?.addEventListener('abort', () => {
            aborted = true
            reject(new Error('aborted'))
          })
        }),
    )
    const pair = makePair({ server: { credentials: always(patient) } })
    pair.runAtOnce()
    assert.ok(pair.server.connection.pause)
    pair.server.connection.receiveEnd()
    assert.ok(aborted)
    assert.equal(pair.server.connection.pause, undefined)
  })
})

describe('raw public keys', () => {
  const server = rawPublicKey(credentialFor('localhost'))
  const client = rawPublicKey(credentialFor('client'))
  const pinned = (credential: Credential, purpose: 'serverAuth' | 'clientAuth') =>
    peerCheck({
      anchors: TrustAnchors.from([testRoot().certificate]),
      purpose,
      name: undefined,
      now: () => NOW,
      certificateSchemes: defaultCertificateSchemes,
      rawPublicKeys: [credential.key.publicKey.spki],
    })
  const both = {
    client: { credentials: always(client), certificateTypes: [RawPublicKey], peer: pinned(server, 'serverAuth') },
    server: {
      credentials: always(server),
      certificateTypes: [RawPublicKey],
      clientAuthentication: 'required',
      peer: pinned(client, 'clientAuth'),
    },
  } satisfies PairOptions

  test('authenticate both sides', async () => {
    const pair = await connectedPair(both)
    assert.equal(pair.client.established.peer?.certificateType, RawPublicKey)
    assert.equal(pair.server.established.peer?.certificateType, RawPublicKey)
    assert.deepEqual(
      pair.server.established.peer?.chain.map(key => Buffer.from(key)),
      [Buffer.from(client.key.publicKey.spki)],
    )
  })

  test('authenticate one side while the other shows a certificate', async () => {
    const pair = await connectedPair({
      client: { ...both.client, credentials: always(credentialFor('client')), certificateTypes: [X509] },
      server: { ...both.server, peer: serverConfig().peer },
    })
    assert.equal(pair.client.established.peer?.certificateType, RawPublicKey)
    assert.equal(pair.server.established.peer?.certificateType, X509)
  })

  test('that are not pinned are refused', async () => {
    const peer = pinned(client, 'serverAuth')
    assert.equal(await refusal('client', { ...both, client: { ...both.client, peer } }), 'certificate_unknown')
  })

  test('are not sent to a client that did not ask for them', async () => {
    const options = { client: {}, server: { credentials: always(server), certificateTypes: [RawPublicKey] } }
    assert.equal(await refusal('server', options), 'unsupported_certificate')
  })

  test('are asked for in vain where the server has only certificates, which the client may take', async () => {
    const pair = await connectedPair({ client: { peer: { ...clientConfig().peer, certificateTypes: [2, 0] } } })
    assert.equal(pair.client.established.peer?.certificateType, X509)
  })

  test('are the only thing that some clients take', async () => {
    const options = { client: { peer: anyone(RawPublicKey) } }
    assert.equal(await refusal('server', options), 'unsupported_certificate')
  })

  test('come one at a time', async () => {
    const [entry] = server.entries
    assert.ok(entry)
    const two = { ...server, entries: [entry, entry] }
    const options = { ...both, server: { ...both.server, credentials: always(two) } }
    assert.equal(await refusal('client', options), 'bad_certificate')
  })

  test('have to be keys', async () => {
    const broken = { ...server, entries: [{ data: utf8('no key'), extensions: [] }] }
    const options = {
      client: { ...both.client, peer: anyone(RawPublicKey) },
      server: { ...both.server, credentials: always(broken) },
    }
    assert.equal(await refusal('client', options), 'decode_error')
  })
})

describe('a stapled OCSP response', () => {
  const credential = credentialFor('localhost')
  const [leaf] = credential.entries
  const staple = extensionValue(statusRequest.certificate, { statusType: 1, response: utf8('all is well') })
  const stapled = { ...credential, entries: [{ data: leaf?.data ?? utf8(''), extensions: [staple] }] }

  test('comes to a client that asks for it', async () => {
    const pair = await connectedPair({ client: { asksForOcsp: true }, server: { credentials: always(stapled) } })
    assert.equal(Buffer.from(pair.client.established.peer?.ocspResponse ?? []).toString(), 'all is well')
  })

  test('does not come to one that does not', async () => {
    const pair = await connectedPair({ server: { credentials: always(stapled) } })
    assert.equal(pair.client.established.peer?.ocspResponse, undefined)
  })

  test('is not sent by a client that was not asked for it', async () => {
    const pair = await connectedPair({
      client: { credentials: always(stapled) },
      server: { clientAuthentication: 'required', peer: anyone(X509) },
    })
    assert.ok(pair.server.established.peer)
  })
})

describe('the application protocol', () => {
  const alpnOf = async (client: string[], server: string[], prefersOwnOrder = true) => {
    const pair = await connectedPair({ client: { alpn: client }, server: { alpn: server, prefersOwnOrder } })
    assert.equal(pair.client.established.alpn, pair.server.established.alpn)
    return pair.client.established.alpn
  }

  test('is the first of the server that the client has, or the other way round', async () => {
    assert.equal(await alpnOf(['a', 'b', 'c'], ['x', 'c', 'b']), 'c')
    assert.equal(await alpnOf(['a', 'b', 'c'], ['x', 'c', 'b'], false), 'b')
  })

  test('is none where one side does not care', async () => {
    assert.equal(await alpnOf(['a'], []), undefined)
    assert.equal(await alpnOf([], ['a']), undefined)
  })

  test('may have any bytes in its name', async () => {
    const odd = String.fromCharCode(0x8a, 0x00, 0xff)
    assert.equal(await alpnOf([odd], [odd]), odd)
  })

  test('has to be one that both have', async () => {
    const options = { client: { alpn: ['h2'] }, server: { alpn: ['http/1.1'] } }
    assert.equal(await refusal('server', options), 'no_application_protocol')
  })

  test('may be chosen by a function, out of what is offered', async () => {
    const select = (answer: string | null) => ({ client: { alpn: ['a', 'b'] }, server: { selectAlpn: () => answer } })
    assert.equal((await connectedPair(select('b'))).client.established.alpn, 'b')
    assert.equal(await refusal('server', select(null)), 'no_application_protocol')
    assert.equal(await refusal('server', select('z')), 'internal_error')
  })
})

describe('what has nothing in common', () => {
  test('has no cipher suite', async () => {
    const options = { client: { cipherSuites: [0x1301] }, server: { cipherSuites: [0x1302] } }
    assert.equal(await refusal('server', options), 'handshake_failure')
  })

  test('has no group', async () => {
    const options = { client: { groups: [0x1d] }, server: { groups: [0x17] } }
    assert.equal(await refusal('server', options), 'handshake_failure')
  })
})
