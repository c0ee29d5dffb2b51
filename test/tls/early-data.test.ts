import assert from 'node:assert/strict'
import test, { describe } from 'node:test'
import { utf8 } from '#src/bytes/index.js'
import { NamedGroup, systemEntropy } from '#src/crypto/index.js'
import { decodeSession, type EarlyDataStatus, ReplayGuard, type Session, TicketIssuer } from '#src/handshake/index.js'
import {
  alertOf,
  connectedPair,
  type End,
  inPieces,
  makePair,
  NOW,
  type Pair,
  type PairOptions,
} from '../support/pair.js'
import { testPlug } from '../support/plug.js'

const MINUTE = 60_000

/** A server that takes early data, and a client that has a ticket for it. */
async function acquainted(options: PairOptions = {}) {
  const tickets = new TicketIssuer(systemEntropy)
  const earlyData = new ReplayGuard(NOW)
  const server = { tickets, earlyData, ...options.server }
  const first = await connectedPair({ ...options, server })
  const session = decodeSession(first.client.sessions[0] ?? assert.fail('no session')) ?? assert.fail('no session')
  return { server, session, tickets }
}

/** The second connection, in which the client writes `words` before it has heard anything. */
async function early(
  { server, session }: { server: NonNullable<PairOptions['server']>; session: Session },
  options: PairOptions = {},
  words = 'early words',
) {
  const pair = makePair({
    ...options,
    client: { session, offersEarlyData: true, ...options.client },
    server: { ...server, ...options.server },
  })
  pair.server.connection.start()
  pair.client.connection.start()
  const taken = pair.client.connection.writeEarlyData(utf8(words))
  await pair.settle()
  return { pair, taken }
}

const earlyTextOf = ({ events }: End) =>
  events.flatMap(event => (event.type === 'early_data' ? [Buffer.from(event.data).toString()] : [])).join('')

function expectStatus(pair: Pair, server: EarlyDataStatus, client: EarlyDataStatus): void {
  assert.deepEqual([pair.server.established.earlyData, pair.client.established.earlyData], [server, client])
}

function exchange(pair: Pair): void {
  pair.client.connection.write(utf8('ping'))
  pair.server.connection.write(utf8('pong'))
  pair.move()
  assert.equal(Buffer.from(pair.server.received).toString().slice(-4), 'ping')
  assert.equal(Buffer.from(pair.client.received).toString().slice(-4), 'pong')
}

describe('early data', () => {
  test('comes before the handshake is complete, apart from other data, whatever the fragments', async () => {
    const known = await acquainted()
    for (const length of [1, 100, 100_000]) {
      const { pair } = await early(known, { link: inPieces(length) })
      expectStatus(pair, 'accepted', 'accepted')
      assert.equal(earlyTextOf(pair.server), 'early words')
      const types = pair.server.events.map(({ type }) => type).filter(type => type !== 'keylog')
      assert.ok(types.indexOf('early_data') < types.indexOf('established'))
      assert.equal(pair.server.received.length, 0)
      exchange(pair)
    }
  })

  test('is not sent, nor tickets for it given, unless both sides want it', async () => {
    const known = await acquainted()
    const unwilling = await early(known, { client: { offersEarlyData: false } })
    assert.equal(unwilling.taken, 0)
    expectStatus(unwilling.pair, 'peer_declined', 'disabled')
    const plain = await connectedPair({ server: { tickets: new TicketIssuer(systemEntropy) } })
    assert.equal(decodeSession(plain.client.sessions[0] ?? utf8(''))?.maxEarlyData, 0)
    const { session, tickets } = known
    const without = await early({ server: { tickets }, session })
    expectStatus(without.pair, 'disabled', 'peer_declined')
    assert.equal(earlyTextOf(without.pair.server), '')
    exchange(without.pair)
  })

  test('is refused outright where a plug takes part', async () => {
    const tickets = new TicketIssuer(systemEntropy)
    const server = { tickets, earlyData: new ReplayGuard(NOW) }
    const plugged = { client: { plug: testPlug() }, server: { ...server, plug: testPlug() } }
    const first = await connectedPair(plugged)
    for (const bytes of first.client.sessions) assert.equal(decodeSession(bytes)?.maxEarlyData, 0)
    const known = await acquainted()
    const { taken } = await early(known, { client: { plug: testPlug() }, server: { plug: testPlug() } })
    assert.equal(taken, 0)
  })

  test('may be answered at once', async () => {
    const known = await acquainted()
    const pair = makePair({ client: { session: known.session, offersEarlyData: true }, server: known.server })
    pair.client.connection.start()
    pair.client.connection.writeEarlyData(utf8('question'))
    for (const bytes of pair.client.connection.takeOutput()) pair.server.connection.receive(bytes)
    assert.equal(pair.server.connection.state, 'handshake')
    assert.ok(pair.server.connection.isWritable)
    pair.server.connection.write(utf8('answer'))
    const exported = pair.server.connection.exportKeyingMaterial('EXPORTER-test', utf8(''), 32)
    await pair.settle()
    assert.equal(Buffer.from(pair.client.received).toString(), 'answer')
    assert.deepEqual(pair.client.connection.exportKeyingMaterial('EXPORTER-test', utf8(''), 32), exported)
  })

  test('is limited by the ticket, on both sides', async () => {
    const known = await acquainted({ server: { earlyData: new ReplayGuard(NOW, { maxBytes: 5 }) } })
    const { pair, taken } = await early(known)
    assert.equal(taken, 5)
    assert.equal(earlyTextOf(pair.server), 'early')
    exchange(pair)
    const greedy = { ...known, session: { ...known.session, maxEarlyData: 100 } }
    const { pair: refused } = await early(greedy)
    assert.equal(alertOf(refused.server.error), 'unexpected_message')
  })

  test('is not written when its time has passed', async () => {
    const { pair } = await early(await acquainted())
    assert.equal(pair.client.connection.writeEarlyData(utf8('late')), 0)
    assert.equal(pair.server.connection.writeEarlyData(utf8('never')), 0)
  })

  test('is taken once, however often it is sent', async () => {
    const known = await acquainted()
    const pair = makePair({ client: { session: known.session, offersEarlyData: true }, server: known.server })
    pair.client.connection.start()
    pair.client.connection.writeEarlyData(utf8('pay'))
    const recorded = pair.client.connection.takeOutput()
    const seen = [makePair({ server: known.server }).server, makePair({ server: known.server }).server].map(end => {
      for (const bytes of recorded) end.connection.receive(bytes)
      const types: string[] = []
      for (let event = end.connection.nextEvent(); event; event = end.connection.nextEvent()) types.push(event.type)
      return types.includes('early_data')
    })
    assert.deepEqual(seen, [true, false])
  })

  test('is dropped where another key share is asked for', async () => {
    const known = await acquainted()
    const { pair } = await early(known, { server: { groups: [NamedGroup.secp384r1] } })
    expectStatus(pair, 'hello_retry_request', 'hello_retry_request')
    assert.equal(pair.client.connection.earlyData, 'rejected')
    exchange(pair)
  })

  test('is dropped where the ticket is not taken', async () => {
    const { session } = await acquainted()
    const { pair } = await early({ server: (await acquainted()).server, session })
    expectStatus(pair, 'session_not_resumed', 'session_not_resumed')
    exchange(pair)
  })

  test('belongs to its application protocol', async () => {
    const alpn = ['a', 'b']
    const known = await acquainted({ client: { alpn }, server: { alpn: ['a'] } })
    const { pair } = await early(known, { client: { alpn }, server: { alpn: ['b'] } })
    expectStatus(pair, 'alpn_mismatch', 'peer_declined')
    exchange(pair)
    const { taken } = await early(known, { client: { alpn: ['b'] } })
    assert.equal(taken, 0)
  })

  test('is dropped where the ticket is older or younger than the client says', async () => {
    const known = await acquainted()
    for (const skew of [-12_000, 12_000]) {
      const now = () => NOW + MINUTE + skew
      const { pair } = await early(known, { client: { now: () => NOW + MINUTE }, server: { now } })
      expectStatus(pair, 'ticket_age_skew', 'peer_declined')
      assert.equal(pair.server.established.ticketAgeSkewSeconds, -skew / 1000)
      exchange(pair)
    }
    const { pair } = await early(known, { client: { now: () => NOW + 9_000 } })
    expectStatus(pair, 'accepted', 'accepted')
  })

  test('waits for who decides', async () => {
    const guard = new ReplayGuard(NOW)
    const policy = {
      maxBytes: guard.maxBytes,
      maxSkewSeconds: guard.maxSkewSeconds,
      admit: async (use: Parameters<ReplayGuard['admit']>[0]) => guard.admit(use),
    }
    const { pair } = await early(await acquainted({ server: { earlyData: policy } }))
    expectStatus(pair, 'accepted', 'accepted')
    assert.equal(earlyTextOf(pair.server), 'early words')
  })
})

describe('a memory of ClientHellos', () => {
  const use = (id: number, now: number, issuedAt = now) => ({
    ticket: utf8('ticket'),
    binder: new Uint8Array(32).fill(id),
    issuedAt,
    now,
  })

  test('forgets what can no longer be replayed, and nothing before', () => {
    const guard = new ReplayGuard(NOW, { maxSkewSeconds: 10 })
    assert.ok(guard.admit(use(1, NOW)))
    for (const later of [0, 1_000, 20_000, 21_999, 22_001]) assert.ok(!guard.admit(use(1, NOW + later)), `${later}`)
    assert.ok(guard.admit(use(1, NOW + 10 * MINUTE)))
  })

  test('has an end: then nothing is taken', () => {
    const guard = new ReplayGuard(NOW, { limit: 2 })
    assert.ok(guard.admit(use(1, NOW)))
    assert.ok(guard.admit(use(2, NOW)))
    assert.ok(!guard.admit(use(3, NOW)))
    assert.ok(guard.admit(use(3, NOW + 10 * MINUTE)))
  })

  test('does not know what was before it', () => {
    assert.ok(!new ReplayGuard(NOW).admit(use(1, NOW + 1000, NOW - 1)))
  })
})
