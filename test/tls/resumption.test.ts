import assert from 'node:assert/strict'
import test, { describe } from 'node:test'
import { equalBytes, utf8 } from '#src/bytes/index.js'
import { systemEntropy } from '#src/crypto/index.js'
import {
  CipherSuite,
  type ClientConfig,
  decodeMessage,
  decodeSession,
  type ExternalPsk,
  encodeMessage,
  encodeSession,
  type Message,
  type ServerConfig,
  TicketIssuer,
} from '#src/handshake/index.js'
import { ClientHello, NewSessionTicket } from '#src/handshake/messages.js'
import { CertificateError } from '#src/x509/index.js'
import {
  alertOf,
  always,
  clientConfig,
  connectedPair,
  credentialFor,
  inPieces,
  makePair,
  NOW,
  type Pair,
  type PairOptions,
} from '../support/pair.js'

const { TLS_AES_128_GCM_SHA256, TLS_AES_256_GCM_SHA384, TLS_CHACHA20_POLY1305_SHA256 } = CipherSuite
const HOUR = 3_600_000

/** A server that issues tickets, one client that has had some, and that client again. */
async function resume(again: PairOptions = {}, before: PairOptions = {}) {
  const tickets = before.server?.tickets ?? new TicketIssuer(systemEntropy)
  const first = await connectedPair({ ...before, server: { ...before.server, tickets } })
  const session = decodeSession(first.client.sessions[0] ?? assert.fail('no session')) ?? assert.fail('no session')
  const pair = makePair({
    ...again,
    client: { session, ...again.client },
    server: { tickets, ...again.server },
  })
  await pair.run()
  return { first, pair, session }
}

const isResumed = ({ client, server }: Pair) => {
  assert.equal(client.established.isResumed, server.established.isResumed)
  return client.established.isResumed
}

describe('a resumed session', () => {
  test('needs no certificate, knows the peer all the same, and brings one ticket for the one it used up', async () => {
    const messages: number[] = []
    const { first, pair } = await resume({
      intercept: {
        server: {
          message({ type }) {
            messages.push(type)
            return undefined
          },
        },
      },
    })
    assert.ok(isResumed(pair))
    assert.deepEqual(messages, [2, 8, 20, 4])
    assert.deepEqual(pair.client.established.peer?.chain, first.client.established.peer?.chain)
    assert.notDeepEqual(pair.client.established.transcriptHash, first.client.established.transcriptHash)
    pair.client.connection.write(utf8('again'))
    pair.move()
    assert.equal(Buffer.from(pair.server.received).toString(), 'again')
  })

  test('works for every suite, in single bytes', async () => {
    for (const suite of Object.values(CipherSuite)) {
      const options = { client: { cipherSuites: [suite] }, link: inPieces(1) }
      assert.ok(isResumed((await resume(options, options)).pair))
    }
  })

  test('works through a HelloRetryRequest', async () => {
    const { pair } = await resume({ server: { groups: [0x17] } })
    assert.ok(isResumed(pair))
    assert.ok(pair.server.established.isRetried)
  })

  test('can be resumed again with the ticket that it brings', async () => {
    const { pair } = await resume()
    assert.equal(pair.client.sessions.length, 1)
  })

  test('has tickets that differ', async () => {
    const { first } = await resume()
    const [a, b] = first.client.sessions.map(bytes => decodeSession(bytes))
    assert.ok(a && b)
    assert.ok(!equalBytes(a.psk, b.psk))
    assert.ok(!equalBytes(a.ticket, b.ticket))
  })

  test('survives encoding', async () => {
    const { session } = await resume()
    assert.deepEqual(decodeSession(encodeSession(session)), session)
    assert.equal(decodeSession(encodeSession(session).subarray(1)), null)
    assert.equal(decodeSession(Uint8Array.of(1, 1)), null)
  })

  test('keeps the client that authenticated', async () => {
    const server: Partial<ServerConfig> = { clientAuthentication: 'required' }
    const client: Partial<ClientConfig> = { credentials: always(credentialFor('client')) }
    const { pair } = await resume({ server, client }, { server, client })
    assert.ok(isResumed(pair))
    assert.deepEqual(pair.server.established.peer?.chain, [credentialFor('client').entries[0]?.data])
  })
})

describe('a session is not resumed', () => {
  const full = async (again: PairOptions, before: PairOptions = {}) => {
    const { pair } = await resume(again, before)
    assert.equal(pair.client.error ?? pair.server.error, undefined)
    assert.ok(!isResumed(pair))
  }

  test('by a client after the lifetime of the ticket', async () => {
    await full({ client: { now: () => NOW + 2 * HOUR + 1 } })
  })

  test('by a server after the lifetime of the ticket', async () => {
    await full({ server: { now: () => NOW + 2 * HOUR + 1 } })
  })

  test('by either side a week after its first handshake, whatever tickets there were since', async () => {
    const tickets = new TicketIssuer(systemEntropy, { lifetimeSeconds: 5 * 24 * 3600 })
    const first = await resume({}, { server: { tickets } })
    const later = () => NOW + 4 * 24 * HOUR
    const tooLate = () => NOW + 8 * 24 * HOUR
    const second = await connectedPair({
      client: { session: first.session, now: later },
      server: { tickets, now: later },
    })
    assert.ok(isResumed(second))
    const session = decodeSession(second.client.sessions[0] ?? assert.fail()) ?? assert.fail()
    assert.equal(session.lifetimeSeconds, 3 * 24 * 3600)
    const forever = { ...session, lifetimeSeconds: 604_800 }
    const onTime = await connectedPair({ client: { session: forever, now: later }, server: { tickets, now: later } })
    assert.ok(isResumed(onTime))
    const clientMinds = await connectedPair({
      client: { session: forever, now: tooLate },
      server: { tickets, now: later },
    })
    assert.ok(!isResumed(clientMinds))
    const serverMinds = await connectedPair({
      client: { session: forever, now: later },
      server: { tickets, now: tooLate },
    })
    assert.ok(!isResumed(serverMinds))
  })

  test('by a client for another name', async () => {
    await full({
      client: { serverName: 'example.com', peer: { ...clientConfig().peer, check: () => undefined } },
    })
  })

  test('by a client whose anchors changed since', async () => {
    let asked = 0
    const peer = {
      ...clientConfig().peer,
      check: () => {
        // The first question is about the session, the second about the certificate of the full handshake.
        if (asked++ === 0) throw new CertificateError('ERR_X509_UNKNOWN_CA', 'unknown_ca', 'not any more')
      },
    }
    await full({ client: { peer } })
    assert.equal(asked, 2)
  })

  test('by a server that wants clients to authenticate, which this one did not', async () => {
    await full({
      client: { credentials: always(credentialFor('client')) },
      server: { clientAuthentication: 'required' },
    })
  })

  test('by a server that does not ask clients any more', async () => {
    const client = { credentials: always(credentialFor('client')) }
    await full({ client }, { client, server: { clientAuthentication: 'required' } })
  })

  test('by a server that says no to the ticket', async () => {
    await full({ server: { acceptsTicket: () => false } })
  })

  test('by a server with other keys, or for a ticket that was changed', async () => {
    await full({ server: { tickets: new TicketIssuer(systemEntropy) } })
    const { session } = await resume()
    const ticket = Uint8Array.from(session.ticket)
    ticket[40] = (ticket[40] ?? 0) ^ 1
    const pair = await connectedPair({
      client: { session: { ...session, ticket } },
      server: { tickets: new TicketIssuer(systemEntropy) },
    })
    assert.ok(!isResumed(pair))
  })

  test('with a suite of another hash, which the server prefers nothing to', async () => {
    await full(
      { server: { cipherSuites: [TLS_AES_256_GCM_SHA384] } },
      { client: { cipherSuites: [TLS_AES_128_GCM_SHA256, TLS_AES_256_GCM_SHA384] } },
    )
  })

  test('if the server issues none', async () => {
    const pair = await connectedPair()
    assert.deepEqual(pair.client.sessions, [])
  })

  test('if the state does not fit a ticket', async () => {
    const credential = credentialFor('client')
    const [leaf] = credential.entries
    assert.ok(leaf)
    const filler = { data: Uint8Array.from({ length: 40_000 }, () => 1), extensions: [] }
    const pair = await connectedPair({
      client: { credentials: always({ ...credential, entries: [leaf, filler] }) },
      server: {
        clientAuthentication: 'required',
        tickets: new TicketIssuer(systemEntropy),
        peer: { certificateTypes: [0], isAdvisory: false, check: () => undefined },
      },
    })
    assert.deepEqual(pair.client.sessions, [])
    assert.equal(pair.server.connection.state, 'open')
  })
})

describe('the suite follows the PSK', () => {
  test('where the server prefers another hash', async () => {
    const { pair } = await resume(
      { server: { cipherSuites: [TLS_AES_128_GCM_SHA256, TLS_AES_256_GCM_SHA384] } },
      { server: { cipherSuites: [TLS_AES_256_GCM_SHA384] } },
    )
    assert.ok(isResumed(pair))
    assert.equal(pair.client.established.suite.id, TLS_AES_256_GCM_SHA384)
  })

  test('and need be of its hash only', async () => {
    const { pair } = await resume(
      { server: { cipherSuites: [TLS_CHACHA20_POLY1305_SHA256] } },
      { server: { cipherSuites: [TLS_AES_128_GCM_SHA256] } },
    )
    assert.ok(isResumed(pair))
    assert.equal(pair.client.established.suite.id, TLS_CHACHA20_POLY1305_SHA256)
  })
})

describe('external PSKs', () => {
  const key = new Uint8Array(32).fill(7)
  const psk: ExternalPsk = { identity: utf8('client one'), key, hash: 'sha256' }
  const long: ExternalPsk = { identity: utf8('client two'), key: new Uint8Array(48).fill(8), hash: 'sha384' }

  test('authenticate both sides without certificates', async () => {
    const pair = await connectedPair({
      client: { preSharedKeys: [psk] },
      server: { preSharedKeys: [long, psk], credentials: always(null), clientAuthentication: 'required' },
    })
    assert.deepEqual(pair.client.established.pskIdentity, psk.identity)
    assert.deepEqual(Buffer.from(pair.server.established.pskIdentity ?? key), Buffer.from(psk.identity))
    assert.ok(!isResumed(pair))
    assert.equal(pair.client.established.peer, undefined)
  })

  test('bring one ticket, which is as many as NSS can take', async () => {
    const pair = await connectedPair({
      client: { preSharedKeys: [psk] },
      server: { preSharedKeys: [psk], tickets: new TicketIssuer(systemEntropy) },
    })
    assert.equal(pair.client.sessions.length, 1)
  })

  test('are found by the hash that the suites have', async () => {
    const pair = await connectedPair({ client: { preSharedKeys: [psk, long] }, server: { preSharedKeys: [long] } })
    assert.equal(pair.client.established.suite.hash, 'sha384')
    assert.deepEqual(pair.client.established.pskIdentity, long.identity)
  })

  test('are not offered if no suite goes with them', async () => {
    const pair = await connectedPair({
      client: { preSharedKeys: [long], cipherSuites: [TLS_AES_128_GCM_SHA256] },
      server: { preSharedKeys: [long] },
    })
    assert.equal(pair.client.established.pskIdentity, undefined)
  })

  test('may be looked up by the server', async () => {
    const asked: string[] = []
    const pair = await connectedPair({
      client: { preSharedKeys: [psk] },
      server: {
        findPreSharedKey(identity) {
          asked.push(Buffer.from(identity).toString())
          return psk
        },
      },
    })
    assert.ok(asked.every(identity => identity === 'client one') && asked.length > 0)
    assert.ok(pair.client.established.pskIdentity)
  })

  test('fall back to certificates if the server does not know them', async () => {
    const pair = await connectedPair({ client: { preSharedKeys: [psk] } })
    assert.equal(pair.client.established.pskIdentity, undefined)
    assert.ok(pair.client.established.peer)
  })

  test('with another key do not bind', async () => {
    const pair = makePair({
      client: { preSharedKeys: [psk] },
      server: { preSharedKeys: [{ ...psk, key: new Uint8Array(32) }] },
    })
    await pair.run()
    assert.equal(alertOf(pair.server.error), 'decrypt_error')
  })

  test('work through a HelloRetryRequest, in which those of another hash are dropped', async () => {
    let offered: number[] = []
    const pair = await connectedPair({
      client: { preSharedKeys: [long, psk], cipherSuites: [TLS_AES_128_GCM_SHA256, TLS_AES_256_GCM_SHA384] },
      server: { preSharedKeys: [psk], groups: [0x17] },
      intercept: {
        client: {
          message(message) {
            if (message.type !== 1) return undefined
            const { extensions } = decodeMessage(ClientHello, message)
            offered = [...offered, extensions.find(({ type }) => type === 41)?.data.length ?? 0]
            return undefined
          },
        },
      },
    })
    assert.deepEqual(pair.client.established.pskIdentity, psk.identity)
    assert.ok((offered[0] ?? 0) > (offered[1] ?? 0))
  })
})

describe('tickets', () => {
  const key = (byte: number) => new Uint8Array(48).fill(byte)
  const state = {
    protocolVersion: 0x0304,
    cipherSuite: 0x1301,
    psk: new Uint8Array(32).fill(1),
    ticketAgeAdd: 5,
    maxEarlyData: 0,
    issuedAt: BigInt(NOW),
    authenticatedAt: BigInt(NOW),
    lifetimeSeconds: 60,
    serverName: 'localhost',
    alpn: undefined,
    certificateType: 0,
    peerChain: [Uint8Array.of(1, 2, 3)],
    plugState: new Uint8Array(0),
  }

  test('are opened by every server that shares the key', () => {
    const ticket = new TicketIssuer(systemEntropy, { keys: [key(1)] }).seal(state)
    const opened = new TicketIssuer(systemEntropy, { keys: [key(2), key(1)] }).open(ticket)
    assert.deepEqual(Buffer.from(opened?.psk ?? key(0)), Buffer.from(state.psk))
    assert.equal(opened?.serverName, 'localhost')
    assert.equal(new TicketIssuer(systemEntropy, { keys: [key(2)] }).open(ticket), null)
  })

  test('are opened until their key is rotated out', () => {
    const issuer = new TicketIssuer(systemEntropy, { keys: [key(1)] })
    const ticket = issuer.seal(state)
    issuer.rotate([key(2), key(1)])
    assert.ok(issuer.open(ticket))
    issuer.rotate([key(3), key(2)])
    assert.equal(issuer.open(ticket), null)
  })

  test('outlive one change of keys where the issuer has its own', () => {
    const issuer = new TicketIssuer(systemEntropy, { lifetimeSeconds: 60 })
    const first = issuer.seal(state)
    const second = issuer.seal({ ...state, issuedAt: BigInt(NOW + 60_000) })
    assert.ok(!equalBytes(first.subarray(0, 16), second.subarray(0, 16)))
    assert.ok(issuer.open(first))
    issuer.seal({ ...state, issuedAt: BigInt(NOW + 120_000) })
    assert.equal(issuer.open(first), null)
    assert.ok(issuer.open(second))
  })

  test('of which any byte was changed or is missing are none of ours', () => {
    const issuer = new TicketIssuer(systemEntropy, { keys: [key(1)] })
    const ticket = issuer.seal(state)
    for (let i = 0; i < ticket.length; i++) {
      const changed = Uint8Array.from(ticket)
      changed[i] = (changed[i] ?? 0) ^ 0x80
      assert.equal(issuer.open(changed), null)
      assert.equal(issuer.open(ticket.subarray(0, i)), null)
    }
  })

  test('are not made with keys that are too short, lives that are too long, or no keys', () => {
    assert.throws(() => new TicketIssuer(systemEntropy, { keys: [new Uint8Array(47)] }), /at least 48 bytes/)
    assert.throws(() => new TicketIssuer(systemEntropy, { keys: [] }), /needs a key/)
    assert.throws(() => new TicketIssuer(systemEntropy, { lifetimeSeconds: 604_801 }), /604800/)
    assert.throws(() => new TicketIssuer(systemEntropy).rotate([]), /needs a key/)
  })

  /** The sessions of a client whose tickets are changed on their way. */
  async function sessionsFor(change: (ticket: Message) => Uint8Array) {
    const pair = makePair({
      server: { tickets: new TicketIssuer(systemEntropy, { count: 1 }) },
      intercept: { server: { message: message => (message.type === 4 ? [change(message)] : undefined) } },
    })
    await pair.run()
    return pair
  }
  const changed = (values: Partial<NewSessionTicket>) => (message: Message) =>
    encodeMessage(4, NewSessionTicket, { ...decodeMessage(NewSessionTicket, message), ...values })

  test('are kept for seven days at most', async () => {
    const pair = await sessionsFor(changed({ ticketLifetime: 2 ** 32 - 1 }))
    assert.equal(decodeSession(pair.client.sessions[0] ?? key(0))?.lifetimeSeconds, 604_800)
  })

  test('with no lifetime are thrown away', async () => {
    assert.deepEqual((await sessionsFor(changed({ ticketLifetime: 0 }))).client.sessions, [])
  })

  test('may have extensions that nobody knows, but none twice and none from elsewhere', async () => {
    const unknown = { type: 0x4242, data: utf8('x') }
    const pair = await sessionsFor(changed({ extensions: [unknown] }))
    assert.equal(pair.client.sessions.length, 1)
    const twice = await sessionsFor(changed({ extensions: [unknown, unknown] }))
    assert.equal(alertOf(twice.client.error), 'illegal_parameter')
    const misplaced = await sessionsFor(changed({ extensions: [{ type: 51, data: utf8('x') }] }))
    assert.equal(alertOf(misplaced.client.error), 'illegal_parameter')
  })
})

describe('the age of a ticket', () => {
  test('is obfuscated by what came with it', async () => {
    const ages: number[] = []
    const { session } = await resume({
      client: { now: () => NOW + 1234 },
      intercept: {
        client: {
          message(message) {
            if (message.type !== 1) return undefined
            const psk = decodeMessage(ClientHello, message).extensions.at(-1)
            assert.equal(psk?.type, 41)
            const view = new DataView(Uint8Array.from(psk?.data ?? []).buffer)
            ages.push(view.getUint32(2 + 2 + view.getUint16(2)))
            return undefined
          },
        },
      },
    })
    assert.deepEqual(ages, [(session.ticketAgeAdd + 1234) % 2 ** 32])
  })
})
