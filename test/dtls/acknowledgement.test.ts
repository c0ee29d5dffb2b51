import assert from 'node:assert/strict'
import test, { describe } from 'node:test'
import { systemEntropy } from '#src/crypto/index.js'
import { decodeAcknowledgement, encodeAcknowledgement } from '#src/dtls/acknowledgement.js'
import { plain } from '#src/dtls/outgoing-epoch.js'
import { ContentType, type Record } from '#src/dtls/record.js'
import { TicketIssuer } from '#src/handshake/index.js'
import { connectedDatagramPair, type DatagramEnd, makeDatagramPair } from '../support/datagram-pair.js'
import { forge, recordsFrom } from '../support/dtls-records.js'
import { alertOf, always, credentialFor } from '../support/pair.js'
import { deferred, testPlug } from '../support/plug.js'

/** What a side has acknowledged, ACK by ACK: epoch and sequence number. */
function acknowledgedBy(end: DatagramEnd, since = 0): readonly string[][] {
  return recordsFrom(end, since)
    .filter(({ type }) => type === ContentType.ack)
    .map(({ content }) =>
      decodeAcknowledgement(content).map(({ epoch, sequenceNumber }) => `${epoch} ${sequenceNumber}`),
    )
}

function typesFrom(end: DatagramEnd, since = 0): readonly number[] {
  return recordsFrom(end, since).map(({ type }) => type)
}

/** The first protected record of a side: of a client without certificate, its Finished. */
function protectedFrom(end: DatagramEnd): Record {
  const record = recordsFrom(end).find(({ number }) => number.epoch === 2)
  assert.ok(record)
  return record
}

const NOTHING = { loss: 1 }
/** A quarter of the time for which an answer is waited for: RFC 9147 §7.1. */
const QUARTER = 250

describe('a flight that nothing answers', () => {
  test('is acknowledged at once: the last of a client', async () => {
    const pair = await connectedDatagramPair({ network: { delay: 10 } })
    assert.deepEqual(acknowledgedBy(pair.server), [['2 0']])
    assert.equal(pair.now, 40)
    assert.equal(pair.client.connection.deadline, undefined)
  })

  test('is acknowledged again when it comes again, and application data before does not change that', async () => {
    const pair = await connectedDatagramPair()
    const sent = pair.server.sent.length
    // Such as it would be sent again: under another number.
    const record = protectedFrom(pair.client)
    pair.write('client', 'hello')
    await pair.settle()
    const before = pair.now
    pair.server.connection.receive(forge(pair.client, 2, ContentType.handshake, record.content, 7), before)
    await pair.settle()
    assert.deepEqual(acknowledgedBy(pair.server, sent), [['2 0', '2 7']])
    assert.equal(pair.server.sent.at(-1)?.at, before + QUARTER)
    // But not for ever (RFC 9147 §5.8.1).
    pair.server.connection.receive(forge(pair.client, 2, ContentType.handshake, record.content, 8), before + 300_000)
    assert.equal(pair.server.connection.deadline, undefined)
  })

  test('is sent again until it is acknowledged, and the peer is given up in the end', async () => {
    const pair = await connectedDatagramPair({ server: { tickets: new TicketIssuer(systemEntropy) } })
    pair.network = { intercept: (datagram, from) => (from === 'client' ? [] : [datagram]) }
    const sent = pair.server.sent.length
    pair.server.connection.updateKeys(false, pair.now)
    await pair.settle()
    assert.match(pair.server.error?.message ?? '', /does not answer/)
    assert.equal(pair.server.sent.length - sent, 13)
  })
})

describe('a part of a flight', () => {
  /** A client whose certificate is cut into pieces, all but the first of which are lost at first. */
  async function partial(lost: number) {
    let count = 0
    const pair = makeDatagramPair({
      client: { credentials: always(credentialFor('client.test')) },
      server: { clientAuthentication: 'required' },
      clientDatagrams: { mtu: 300, retransmitAfter: 10_000 },
      network: {
        intercept: (datagram, from) => (from === 'client' && datagram[0] === 0x2e && ++count > lost ? [] : [datagram]),
      },
    })
    pair.client.connection.start(0)
    await assert.rejects(pair.settle(2000))
    return pair
  }

  test('is acknowledged a quarter of the interval later, and shows that what it answers has come', async () => {
    const pair = await partial(1)
    assert.deepEqual(acknowledgedBy(pair.server), [['2 0']])
    const ack = pair.server.sent.find(({ datagram }) => datagram[0] === 0x2f)
    assert.ok(ack)
    assert.equal(ack.at, 30 + QUARTER)
    assert.equal(pair.server.connection.deadline, undefined, 'nothing is waited for any more')
    pair.network = {}
    await pair.settle()
    assert.equal(pair.server.connection.state, 'open')
  })
})

describe('a client that waits for the world in its flight', () => {
  test('acknowledges the flight of the server, and sends its own in one piece', async () => {
    const wait = deferred<void>()
    const pair = makeDatagramPair({
      client: {
        credentials: always(credentialFor('client.test')),
        plug: testPlug({
          *prove(_: unknown, own: never) {
            yield { promise: wait.promise }
            return own
          },
        }),
      },
      server: { clientAuthentication: 'required', plug: testPlug() },
    })
    pair.after(5000, () => wait.resolve())
    await pair.run()
    assert.equal(pair.client.connection.state, 'open')
    // Behind its hello.
    assert.deepEqual(typesFrom(pair.client).slice(1), [ContentType.ack, ContentType.handshake])
    const [numbers] = acknowledgedBy(pair.client)
    assert.equal(numbers?.[0], '0 0')
    assert.ok(numbers.includes('2 0'))
    assert.equal(pair.server.sent.length, 2, 'its flight and an ACK')
  })
})

describe('a plain ACK', () => {
  const hello = { epoch: 0, sequenceNumber: 0 }

  test('says what of a ServerHello has come', async () => {
    const pair = makeDatagramPair({ serverDatagrams: { mtu: 128 } })
    pair.client.connection.start(0)
    const [first] = pair.client.connection.takeOutput()
    assert.ok(first)
    pair.server.connection.receive(first, 0)
    const flight = pair.server.connection.takeOutput()
    assert.equal(flight[0]?.[0], ContentType.handshake)
    pair.server.connection.receive(plain(ContentType.ack, 1, encodeAcknowledgement([hello])), 10)
    pair.server.connection.expire(1010)
    const again = pair.server.connection.takeOutput()
    assert.equal(again.length, flight.length - 1)
  })

  test('acknowledges nothing that is not plain, and may be anything', async () => {
    const pair = makeDatagramPair()
    pair.client.connection.start(0)
    const [first] = pair.client.connection.takeOutput()
    assert.ok(first)
    pair.server.connection.receive(first, 0)
    const flight = pair.server.connection.takeOutput()
    const numbers = [0, 1, 2].map(sequenceNumber => ({ epoch: 2, sequenceNumber }))
    pair.server.connection.receive(plain(ContentType.ack, 1, encodeAcknowledgement(numbers)), 10)
    pair.server.connection.receive(plain(ContentType.ack, 2, Uint8Array.of(9)), 10)
    pair.server.connection.expire(1000)
    assert.equal(pair.server.connection.takeOutput().length, flight.length)
  })

  test('is nothing to a client that does not know yet what the server speaks', () => {
    const pair = makeDatagramPair()
    pair.client.connection.start(0)
    pair.client.connection.takeOutput()
    pair.client.connection.receive(plain(ContentType.ack, 0, encodeAcknowledgement([hello])), 10)
    pair.client.connection.expire(1000)
    assert.equal(pair.client.connection.takeOutput().length, 1)
  })
})

describe('a client that gets the flight of the server without the ServerHello', () => {
  /** After a HelloRetryRequest: before it, nobody knows that ACKs are spoken. */
  function withoutHello() {
    return makeDatagramPair({
      client: { keyShareGroups: [] },
      network: {
        intercept: (datagram, from, count) => {
          if (from === 'client' || count !== 1) return [datagram]
          // The ServerHello stands first in its datagram.
          const length = 13 + ((datagram[11] ?? 0) << 8) + (datagram[12] ?? 0)
          return [datagram.subarray(length)]
        },
      },
    })
  }

  test('says so with an empty ACK, and gets it before the timer of the server expires', async () => {
    const pair = withoutHello()
    await pair.run()
    assert.equal(pair.client.connection.state, 'open')
    const acks = pair.client.sent.filter(({ datagram }) => datagram[0] === ContentType.ack)
    assert.equal(acks.length, 1)
    assert.deepEqual([...(acks[0]?.datagram.subarray(13) ?? [])], [0, 0])
    assert.ok(pair.now < 600, `${pair.now} ms`)
  })

  test('is heard once between two expirations of the timer, for anybody can say so', () => {
    const pair = makeDatagramPair()
    pair.client.connection.start(0)
    const [hello] = pair.client.connection.takeOutput()
    assert.ok(hello)
    pair.server.connection.receive(hello, 0)
    const { length } = pair.server.connection.takeOutput()
    const sent: number[] = []
    for (let now = 10; now < 900; now += 10) {
      pair.server.connection.receive(plain(ContentType.ack, now, encodeAcknowledgement([])), now)
      const output = pair.server.connection.takeOutput()
      if (output.length > 0) sent.push(now)
      assert.ok(output.length <= length)
    }
    assert.deepEqual(sent, [QUARTER])
  })
})

describe('handshake messages under keys that have been replaced', () => {
  test('end the connection, unless they have come before', async () => {
    const pair = await connectedDatagramPair()
    const finished = protectedFrom(pair.client)
    const again = Uint8Array.from(finished.content)
    pair.server.connection.receive(forge(pair.client, 2, ContentType.handshake, again, 8), pair.now)
    assert.equal(pair.server.connection.state, 'open')
    // The next message_seq.
    again[5] += 1
    pair.server.connection.receive(forge(pair.client, 2, ContentType.handshake, again, 9), pair.now)
    await pair.settle()
    assert.equal(alertOf(pair.server.error), 'unexpected_message')
  })
})

describe('application data under the keys of the handshake', () => {
  test('ends the connection', async () => {
    const pair = await connectedDatagramPair()
    pair.server.connection.receive(forge(pair.client, 2, ContentType.application_data, Uint8Array.of(1)), pair.now)
    await pair.settle()
    assert.equal(alertOf(pair.server.error), 'unexpected_message')
  })
})

describe('an alert', () => {
  test('is plain while nothing of the flight that brings the keys was sent', async () => {
    const pair = makeDatagramPair({ server: { credentials: always(null) } })
    await pair.run()
    assert.equal(alertOf(pair.server.error), 'handshake_failure')
    assert.equal(pair.server.sent[0]?.datagram[0], ContentType.alert)
    assert.match(pair.client.error?.message ?? '', /handshake_failure/)
  })

  test('has a level that there is', async () => {
    const pair = await connectedDatagramPair()
    pair.server.connection.receive(forge(pair.client, 3, ContentType.alert, Uint8Array.of(42, 0)), pair.now)
    assert.equal(pair.server.connection.state, 'closed')
    await pair.settle()
    assert.equal(alertOf(pair.server.error), 'illegal_parameter')
  })
})

describe('a path of which more is known', () => {
  test('is used with another size and another time from there on', async () => {
    const pair = makeDatagramPair({ network: NOTHING })
    const { connection } = pair.client
    connection.start(0)
    assert.equal(connection.deadline, 1000)
    connection.adapt({ retransmitAfter: 300, mtu: 150 })
    assert.equal(connection.deadline, 300)
    connection.takeOutput()
    for (let i = 0; i < 8; i++) {
      connection.expire(connection.deadline ?? 0)
      const output = connection.takeOutput()
      assert.ok(output.length > 1)
      assert.ok(Math.max(...output.map(({ length }) => length)) <= 150)
    }
    // It is known, so nothing smaller is tried.
    assert.equal(connection.maxData, 150 - 13)
    assert.throws(() => connection.adapt({ mtu: 100 }), { code: 'ERR_TLS_MISUSE' })
  })
})

describe('a flight that arrives in another order', () => {
  test('is taken without anything being sent again', async () => {
    // The last datagram of the flight, with its Finished, comes first.
    let held: Uint8Array[] = []
    const pair = makeDatagramPair({
      serverDatagrams: { mtu: 400 },
      network: {
        intercept: (datagram, from, count) => {
          if (from === 'client' || count > 1) return [datagram]
          held = [datagram, ...held]
          return count < 1 ? [] : held
        },
      },
    })
    await pair.run()
    assert.equal(held.length, 2)
    assert.equal(held.at(-1)?.[0], ContentType.handshake)
    assert.equal(pair.client.connection.state, 'open', pair.client.error?.message)
    assert.equal(pair.now, 40, 'two round trips, and no timer')
  })
})

describe('padding', () => {
  test('makes all application data as long as the rule says, or as the datagram allows', async () => {
    const pair = await connectedDatagramPair({
      clientDatagrams: { mtu: 500, padding: length => (length < 64 ? 64 - length : 10_000) },
    })
    const since = pair.client.sent.length
    for (const text of ['', 'a', 'a longer one', 'x'.repeat(300)]) pair.write('client', text)
    await pair.settle()
    const lengths = pair.client.sent.slice(since).map(({ datagram }) => datagram.length)
    assert.equal(lengths.length, 2)
    assert.equal(lengths[0], 3 * (64 + 22))
    assert.equal(lengths[1], 500)
    assert.deepEqual(pair.server.messages, ['a', 'a longer one', 'x'.repeat(300)])
  })
})
