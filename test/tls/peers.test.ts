import assert from 'node:assert/strict'
import { generateKeyPairSync, sign } from 'node:crypto'
import test, { describe } from 'node:test'
import { EMPTY, equalBytes, utf8 } from '#src/bytes/index.js'
import { NamedGroup, SignatureScheme, signingKey, systemEntropy } from '#src/crypto/index.js'
import {
  CertificateType,
  type Credential,
  decodeMessage,
  defaultCipherSuites,
  encodeMessage,
  HandshakeType,
  importedPsks,
  type Message,
  TicketIssuer,
} from '#src/handshake/index.js'
import { ClientHello, EncryptedExtensions } from '#src/handshake/messages.js'
import { TlsConnection } from '#src/tls/index.js'
import {
  alertOf,
  always,
  clientConfig,
  connectedPair,
  credentialFor,
  inPieces,
  makePair,
  type PairOptions,
  testRoot,
} from '../support/pair.js'

/*
 * What other implementations and their test suites taught: behaviour that the RFC leaves open or says only once.
 */

const { x25519, secp384r1 } = NamedGroup

/** Content types of the records in some bytes. */
function typesOf(bytes: Uint8Array): readonly number[] {
  const types: number[] = []
  for (let at = 0; at < bytes.length; at += 5 + ((bytes[at + 3] ?? 0) << 8) + (bytes[at + 4] ?? 0)) {
    types.push(bytes[at] ?? 0)
  }
  return types
}

function startedClient() {
  const connection = new TlsConnection('client', clientConfig())
  connection.start()
  return connection
}

describe('a client', () => {
  test('says 0x0301 in the record of its first ClientHello, and 0x0303 in that of the second', async () => {
    const versions: number[] = []
    const pair = makePair({ server: { groups: [secp384r1] } })
    pair.client.connection.start()
    const [first] = pair.client.connection.takeOutput()
    assert.ok(first)
    versions.push(((first[1] ?? 0) << 8) | (first[2] ?? 0))
    pair.server.connection.receive(first)
    for (const bytes of pair.server.connection.takeOutput()) pair.client.connection.receive(bytes)
    const second = Buffer.concat(pair.client.connection.takeOutput())
    versions.push(second.readUInt16BE(second.length - (second.readUInt16BE(6 + 3) + 5) + 1))
    assert.deepEqual(versions, [0x0301, 0x0303])
  })

  test('sends change_cipher_spec before the alert that refuses a protected message', async () => {
    const pair = makePair({
      client: { groups: [x25519], keyShareGroups: [x25519] },
      intercept: {
        server: {
          message: ({ type }) =>
            type === HandshakeType.encrypted_extensions
              ? [encodeMessage(type, EncryptedExtensions, { extensions: [{ type: 0x1234, data: utf8('') }] })]
              : undefined,
        },
      },
    })
    pair.server.connection.start()
    pair.client.connection.start()
    const sent: Uint8Array[] = []
    const take = pair.client.connection.takeOutput.bind(pair.client.connection)
    pair.client.connection.takeOutput = () => {
      const output = take()
      sent.push(...output)
      return output
    }
    await pair.settle()
    assert.equal(alertOf(pair.client.error), 'unsupported_extension')
    assert.deepEqual(typesOf(Buffer.concat(sent.slice(1))), [20, 23])
  })

  test('takes an answer of whatever legacy_record_version', () => {
    const connection = startedClient()
    connection.receive(Uint8Array.of(21, 3, 0xff, 0, 2, 2, 40))
    assert.equal(
      (connection.nextEvent() as { error?: { code?: string } }).error?.code,
      'ERR_TLS_ALERT_HANDSHAKE_FAILURE',
    )
  })
})

describe('a server', () => {
  const preferring: PairOptions = {
    client: { groups: [x25519, secp384r1], keyShareGroups: [secp384r1] },
    server: { groups: [x25519, secp384r1] },
  }

  test('takes the key share that is there, unless it insists on its order of groups', async () => {
    assert.equal((await connectedPair(preferring)).server.established.group, secp384r1)
    const insisting = { ...preferring, server: { ...preferring.server, insistsOnGroupOrder: true } }
    const { group, isRetried } = (await connectedPair(insisting)).server.established
    assert.deepEqual([group, isRetried], [x25519, true])
  })

  test('refuses the beginning of a second ClientHello behind the first', () => {
    const hello = Buffer.concat(startedClient().takeOutput())
    const server = makePair({ server: { groups: [secp384r1] } }).server.connection
    const record = Buffer.from(hello)
    const extended = Buffer.concat([record, Uint8Array.of(HandshakeType.client_hello)])
    extended.writeUInt16BE(extended.length - 5, 3)
    server.receive(extended)
    const event = server.nextEvent()
    assert.ok(event?.type === 'error')
    assert.equal(alertOf(event.error), 'unexpected_message')
  })

  test('sends no ticket to a client that cannot use it', async () => {
    const tickets = new TicketIssuer(systemEntropy)
    const withoutModes = (message: Message) =>
      message.type === HandshakeType.client_hello
        ? [encodeMessage(1, ClientHello, changed(decodeMessage(ClientHello, message)))]
        : undefined
    const changed = (hello: ClientHello) => ({
      ...hello,
      extensions: hello.extensions.map(found => (found.type === 45 ? { type: 45, data: Uint8Array.of(1, 0) } : found)),
    })
    // The transcripts differ, so the handshake fails at Finished: what counts is what the ClientHello said.
    const honest = await connectedPair({ server: { tickets } })
    assert.equal(honest.client.sessions.length, 2)
    const pair = makePair({ server: { tickets }, intercept: { client: { message: withoutModes } } })
    await pair.run()
    assert.equal(pair.client.sessions.length, 0)
  })

  test('does not acknowledge a name that plays no part', async () => {
    const types: number[] = []
    const watch = (message: Message) => {
      if (message.type === HandshakeType.encrypted_extensions) {
        types.push(...decodeMessage(EncryptedExtensions, message).extensions.map(({ type }) => type))
      }
      return undefined
    }
    await connectedPair({ server: { ignoresServerName: true }, intercept: { server: { message: watch } } })
    assert.ok(!types.includes(0))
    await connectedPair({ intercept: { server: { message: watch } } })
    assert.ok(types.includes(0))
  })

  test('does not choose between a key that may not sign and nothing', async () => {
    const issued = testRoot().issue({ subject: 'localhost', dnsNames: ['localhost'], keyUsage: ['keyAgreement'] })
    const credential: Credential = {
      certificateType: CertificateType.X509,
      entries: [{ data: issued.certificate, extensions: [] }],
      key: signingKey(issued.privateKey),
    }
    const peer = { certificateTypes: [0], isAdvisory: true, check: () => undefined }
    const pair = makePair({ client: { peer }, server: { credentials: always(credential) } })
    await pair.run()
    assert.equal(alertOf(pair.client.error), 'unsupported_certificate')
  })
})

describe('records', () => {
  test('are no larger than a side wants to send them, plain or protected', async () => {
    const sizes: number[] = []
    const pair = await connectedPair({
      serverRecords: { maxContent: 100 },
      intercept: {
        server: {
          record(record) {
            sizes.push(record.content.length)
            return undefined
          },
        },
      },
    })
    pair.server.connection.write(new Uint8Array(1000))
    pair.move()
    assert.equal(Math.max(...sizes), 100)
    assert.equal(pair.client.received.length, 1000)
    assert.throws(() => new TlsConnection('client', clientConfig(), { maxContent: 10 }), /64\.\.16384/)
  })

  test('that are empty may be 32 in a row, however many tickets came before', async () => {
    const tickets = new TicketIssuer(systemEntropy, { count: 8 })
    const pair = await connectedPair({ server: { tickets }, link: inPieces(1000) })
    for (let i = 0; i < 3; i++) pair.server.connection.write(utf8('x'))
    pair.move()
    assert.equal(Buffer.from(pair.client.received).toString(), 'xxx')
    assert.equal(pair.client.sessions.length, 8)
  })
})

describe('values that mean nothing (RFC 8701)', () => {
  const isReserved = (value: number) => (value & 0x0f0f) === 0x0a0a && value >> 8 === (value & 0xff)

  test('do no harm, nor do they change between two ClientHellos', async () => {
    const hellos: ClientHello[] = []
    const watch = (message: Message) => {
      if (message.type === HandshakeType.client_hello) hellos.push(decodeMessage(ClientHello, message))
      return undefined
    }
    const pair = await connectedPair({
      client: { sendsGrease: true },
      server: { sendsGrease: true, groups: [secp384r1], tickets: new TicketIssuer(systemEntropy) },
      intercept: { client: { message: watch } },
    })
    const [first, second] = hellos
    assert.ok(first && second)
    for (const hello of [first, second]) {
      assert.equal(hello.cipherSuites.filter(isReserved).length, 1)
      assert.equal(hello.extensions.filter(({ type }) => isReserved(type)).length, 2)
    }
    assert.deepEqual(second.cipherSuites, first.cipherSuites)
    assert.equal(pair.client.sessions.length, 2)
  })

  test('are refused where the server answers them', async () => {
    let answered: number | undefined
    const echo = (message: Message) => {
      if (message.type === HandshakeType.client_hello) {
        answered = decodeMessage(ClientHello, message).extensions.find(({ type }) => isReserved(type))?.type
      }
      return undefined
    }
    const pair = makePair({
      client: { sendsGrease: true },
      intercept: {
        client: { message: echo },
        server: {
          message: ({ type }) =>
            type === HandshakeType.encrypted_extensions
              ? [encodeMessage(type, EncryptedExtensions, { extensions: [{ type: answered ?? 0, data: EMPTY }] })]
              : undefined,
        },
      },
    })
    await pair.run()
    assert.equal(alertOf(pair.client.error), 'unsupported_extension')
  })
})

describe('an imported PSK', () => {
  const agreed = {
    identity: utf8('boiler'),
    key: new Uint8Array(32).fill(7),
    hash: 'sha256',
    context: utf8('room 1'),
  } as const

  test('serves with every suite, whatever hash it came with', async () => {
    for (const hash of ['sha256', 'sha384'] as const) {
      for (const cipherSuite of defaultCipherSuites) {
        const preSharedKeys = importedPsks({ ...agreed, hash })
        const server = { preSharedKeys, cipherSuites: [cipherSuite], credentials: always(null) }
        const pair = await connectedPair({ client: { preSharedKeys }, server })
        assert.equal(pair.client.established.suite.id, cipherSuite)
        assert.equal(pair.client.established.isResumed, false)
        assert.ok(
          preSharedKeys.some(({ identity }) => equalBytes(identity, pair.server.established.pskIdentity ?? EMPTY)),
        )
      }
    }
  })

  test('is another for another context, and is not taken for one that was not imported', async () => {
    const [psk] = importedPsks(agreed)
    assert.ok(psk)
    const [other] = importedPsks({ ...agreed, context: utf8('room 2') })
    assert.notDeepEqual(other?.key, psk.key)
    const { identity, key, hash } = psk
    const pair = makePair({ client: { preSharedKeys: [{ identity, key, hash }] }, server: { preSharedKeys: [psk] } })
    await pair.run()
    assert.equal(alertOf(pair.server.error), 'decrypt_error')
  })

  test('may be the only thing that a client takes', async () => {
    const preSharedKeys = importedPsks(agreed)
    const pair = makePair({ client: { preSharedKeys, requiresPsk: true } })
    await pair.run()
    assert.equal(alertOf(pair.client.error), 'missing_extension')
    const known = await connectedPair({ client: { preSharedKeys, requiresPsk: true }, server: { preSharedKeys } })
    assert.ok(known.client.established.pskIdentity)
  })
})

describe('RSASSA-PKCS1-v1_5', () => {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const { rsa_pkcs1_sha256_legacy, rsa_pss_rsae_sha256 } = SignatureScheme
  const modern = signingKey(privateKey)
  /** A key of an old device, that signs in one way only. */
  const old = {
    publicKey: modern.publicKey,
    schemes: [rsa_pkcs1_sha256_legacy],
    sign: (_: number, data: Uint8Array) => Uint8Array.from(sign('sha256', data, privateKey)),
  }
  const rawKey = (key: typeof old): Credential => ({
    certificateType: CertificateType.RawPublicKey,
    entries: [{ data: Uint8Array.from(publicKey.export({ format: 'der', type: 'spki' })), extensions: [] }],
    key,
  })
  const anyone = { certificateTypes: [CertificateType.RawPublicKey], isAdvisory: false, check: () => undefined }
  const schemes = [rsa_pss_rsae_sha256, rsa_pkcs1_sha256_legacy, SignatureScheme.ecdsa_secp256r1_sha256]

  test('is for clients that say so, and for servers that ask for it', async () => {
    assert.ok(!modern.schemes.includes(rsa_pkcs1_sha256_legacy))
    const pair = await connectedPair({
      client: { credentials: always(rawKey(old)), certificateTypes: [CertificateType.RawPublicKey] },
      server: { clientAuthentication: 'required', peer: anyone, signatureSchemes: schemes },
    })
    assert.equal(pair.server.established.peer?.signatureScheme, rsa_pkcs1_sha256_legacy)
  })

  test('is not for servers', async () => {
    const pair = makePair({
      client: { peer: anyone, signatureSchemes: schemes },
      server: { credentials: always(rawKey(old)), certificateTypes: [CertificateType.RawPublicKey] },
    })
    await pair.run()
    assert.equal(alertOf(pair.server.error), 'handshake_failure')
  })
})

test("the scheme of the peer's signature is told", async () => {
  const pair = await connectedPair({ server: { credentials: always(credentialFor('localhost', 'p256')) } })
  assert.equal(pair.client.established.peer?.signatureScheme, SignatureScheme.ecdsa_secp256r1_sha256)
})
