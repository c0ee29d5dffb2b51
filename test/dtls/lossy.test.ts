import assert from 'node:assert/strict'
import { env } from 'node:process'
import test, { describe } from 'node:test'
import { signingKey, systemEntropy } from '#src/crypto/index.js'
import { CertificateType, ConnectionEnded, type Credential, TicketIssuer } from '#src/handshake/index.js'
import { type DatagramPair, makeDatagramPair, type NetworkOptions, seededRandom } from '../support/datagram-pair.js'
import { always, credentialFor, testRoot } from '../support/pair.js'

/** How many runs at each rate of loss; `npm run lossy` has a thousand. */
const RUNS = Number(env.ATTESTED_TLS_LOSSY_RUNS ?? 40)

/** What Evidence may take. */
const LONG = 16_384
let long: Credential | undefined
/** A certificate of 16 KiB and more. */
function longCredential(): Credential {
  if (!long) {
    const { certificate, privateKey } = testRoot().issue({
      subject: 'localhost',
      dnsNames: ['localhost'],
      extraExtensions: [{ oid: '1.3.6.1.4.1.32473.1', value: new Uint8Array(LONG) }],
    })
    const entry = { data: certificate, extensions: [] }
    long = { certificateType: CertificateType.X509, entries: [entry], key: signingKey(privateKey) }
  }
  return long
}

/** The most that an end may hold: a flight of its own, one of the peer's, and what has overtaken its keys. */
const MAX_HELD = 3 * LONG

/** The network of a run, which also looks how much is held. */
function watched(network: NetworkOptions, ends: () => DatagramPair | undefined): NetworkOptions {
  return {
    ...network,
    intercept: datagram => {
      const pair = ends()
      for (const { connection } of pair ? [pair.client, pair.server] : []) {
        assert.ok(connection.heldBytes <= MAX_HELD, `${connection.heldBytes} bytes are held`)
      }
      return [datagram]
    },
  }
}

/** A pair in one of the shapes that handshakes have, chosen by the seed. */
function pairFor(seed: number, network: NetworkOptions): DatagramPair {
  const random = seededRandom(seed + 1_000_000)
  const has = (share: number) => random() < share
  const asksClient = has(0.3)
  const pair: DatagramPair = makeDatagramPair({
    client: {
      ...(has(0.3) && { keyShareGroups: [] }),
      ...(asksClient && { credentials: always(credentialFor('client.test')) }),
    },
    server: {
      ...(has(0.3) && { credentials: always(longCredential()) }),
      ...(asksClient && { clientAuthentication: 'required' as const }),
      ...(has(0.5) && { tickets: new TicketIssuer(systemEntropy) }),
    },
    clientDatagrams: { mtu: has(0.2) ? 256 : 1200 },
    serverDatagrams: { mtu: has(0.2) ? 256 : 1200 },
    network: watched({ seed, ...network }, () => pair),
  })
  return pair
}

/** Whether both sides came through; otherwise the end must be a clean one. */
async function outcome(pair: DatagramPair): Promise<boolean> {
  await pair.run()
  const ends = [pair.client, pair.server]
  for (const { error } of ends) if (error) assert.ok(error instanceof ConnectionEnded, error.stack)
  return ends.every(({ connection, error }) => connection.state === 'open' && !error)
}

describe(`${RUNS} handshakes each over a network`, () => {
  // What a dozen attempts leave over: 1 - (1 - loss)^2 of each round trip fails.
  for (const { loss, failures } of [
    { loss: 0, failures: 0 },
    { loss: 0.05, failures: 0 },
    { loss: 0.1, failures: 0 },
    { loss: 0.3, failures: 0.02 },
  ]) {
    test(`that loses ${loss * 100} %, doubles and swaps`, async () => {
      let failed = 0
      for (let seed = 0; seed < RUNS; seed++) {
        const pair = pairFor(seed, { loss, reordering: 0.3, duplication: 0.1 })
        if (!(await outcome(pair))) {
          failed++
          continue
        }
        pair.client.connection.updateKeys(seed % 2 === 0, pair.now)
        for (let i = 0; i < 5; i++) pair.write('client', `${i}`)
        for (let i = 0; i < 5; i++) pair.write('server', `${i}`)
        await pair.settle()
        for (const { messages } of [pair.client, pair.server]) {
          assert.equal(new Set(messages).size, messages.length, 'a message came twice')
          if (loss === 0) assert.equal(messages.length, 5)
        }
        assert.deepEqual([pair.client.connection.heldBytes, pair.server.connection.heldBytes], [0, 0])
      }
      assert.ok(failed <= Math.ceil(failures * RUNS), `${failed} of ${RUNS} failed`)
    })
  }

  test('that loses 10 %, with a certificate of 16 KiB on a path of 1,200 bytes', async () => {
    const times: number[] = []
    let sent = 0
    for (let seed = 0; seed < RUNS; seed++) {
      const pair = makeDatagramPair({
        server: { credentials: always(longCredential()) },
        network: { seed, loss: 0.1, reordering: 0.3, duplication: 0.1, mtu: 1200 },
      })
      pair.client.connection.start(0)
      await pair.settle()
      assert.ok(await outcome(pair), `seed ${seed}`)
      times.push(pair.now)
      sent += pair.server.sent.reduce((sum, { datagram }) => sum + datagram.length, 0)
    }
    // What is lost is sent again, and not the whole flight.
    assert.ok(sent < 2 * LONG * RUNS, `${sent / RUNS} bytes`)
    times.sort((a, b) => a - b)
    // Most need no more than a few acknowledgements, of a quarter of a second each.
    assert.ok((times[Math.floor(RUNS / 2)] ?? 0) < 2000, `half of them take ${times[Math.floor(RUNS / 2)]} ms`)
  })

  test('that changes a byte in one datagram of ten', async () => {
    for (let seed = 0; seed < RUNS; seed++) {
      const pair = pairFor(seed, { corruption: 0.1, reordering: 0.1 })
      await pair.run()
      // A plain hello may be changed into one that cannot be: then one of them ends it, and the other has nobody left.
      const states = [pair.client, pair.server].map(({ connection }) => connection.state)
      assert.ok(states.includes('closed') || states.every(state => state === 'open'), states.join())
    }
  })

  test('whose datagrams disappear beyond a size that nobody names', async () => {
    for (const mtu of [1100, 600, 300]) {
      const pair = makeDatagramPair({ server: { credentials: always(longCredential()) }, network: { mtu } })
      assert.ok(await outcome(pair), `${mtu}`)
      assert.ok(pair.server.connection.maxData < mtu)
      pair.server.connection.write(new Uint8Array(pair.server.connection.maxData), pair.now)
      await pair.settle()
      assert.equal(pair.client.messages.length, 1)
    }
  })

  test('that carries nothing', async () => {
    const pair = makeDatagramPair({ network: { loss: 1 } })
    assert.equal(await outcome(pair), false)
    assert.match(pair.client.error?.message ?? '', /does not answer/)
    assert.equal(pair.client.sent.length, 13)
    assert.equal(pair.client.connection.deadline, undefined)
  })
})

describe('a flight that was received in part', () => {
  test('is not sent again as a whole', async () => {
    let dropped = 0
    const pair = makeDatagramPair({
      server: { credentials: always(longCredential()) },
      network: {
        intercept: (datagram, from, count) => {
          const isLost = from === 'server' && count === 4
          if (isLost) dropped += datagram.length
          return isLost ? [] : [datagram]
        },
      },
    })
    assert.ok(await outcome(pair))
    const total = pair.server.sent.reduce((sum, { datagram }) => sum + datagram.length, 0)
    assert.ok(dropped > 1000)
    assert.ok(total < LONG + dropped + 3000, `${total} bytes`)
    // The peer has said what is missing: no timer of a second was waited for.
    assert.ok(pair.now < 1000, `${pair.now} ms`)
  })
})
