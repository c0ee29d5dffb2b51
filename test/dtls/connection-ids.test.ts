import assert from 'node:assert/strict'
import test, { describe } from 'node:test'
import { hex } from '#src/bytes/index.js'
import { ConnectionIds } from '#src/dtls/connection-ids.js'
import { connectedDatagramPair, type DatagramEnd } from '../support/datagram-pair.js'

const CLIENT = Uint8Array.of(0xc1, 0xc1)
const SERVER = Uint8Array.of(0x5e, 0x5e, 0x5e)

/** The connection ID in a record, of that many bytes; empty if there is none. */
function idIn(datagram: Uint8Array | undefined, length: number): string {
  assert.ok(datagram)
  return datagram[0] & 0b0001_0000 ? hex(datagram.subarray(1, 1 + length)) : ''
}

const last = ({ sent }: DatagramEnd) => sent.at(-1)?.datagram

function counter(first: Uint8Array): () => Uint8Array {
  let made = 0
  return () => {
    made++
    return Uint8Array.from(first, (byte, at) => (at === first.length - 1 ? byte + made : byte))
  }
}

async function pairOf(client: Uint8Array | undefined, server: Uint8Array | undefined) {
  const pair = await connectedDatagramPair({
    clientDatagrams: { ...(client && { connectionId: client, newConnectionId: counter(client) }) },
    serverDatagrams: { ...(server && { connectionId: server, newConnectionId: counter(server) }) },
  })
  pair.write('client', 'to the server')
  pair.write('server', 'to the client')
  await pair.settle()
  assert.deepEqual(pair.server.messages, ['to the server'])
  assert.deepEqual(pair.client.messages, ['to the client'])
  return pair
}

describe('connection IDs', () => {
  test('stand in the records of either side where both want them, each the one that the other asked for', async () => {
    const pair = await pairOf(CLIENT, SERVER)
    assert.equal(idIn(last(pair.client), 3), hex(SERVER))
    assert.equal(idIn(last(pair.server), 2), hex(CLIENT))
  })

  test('may be wanted by one side alone, as by a server whose clients change their addresses', async () => {
    const pair = await pairOf(new Uint8Array(0), SERVER)
    assert.equal(idIn(last(pair.client), 3), hex(SERVER))
    assert.equal(idIn(last(pair.server), 2), '')
  })

  for (const [client, server] of [
    [undefined, SERVER],
    [CLIENT, undefined],
  ] as const) {
    test(`are not used where the ${client ? 'server' : 'client'} says nothing of them`, async () => {
      const pair = await pairOf(client, server)
      assert.equal(idIn(last(pair.client), 3), '')
      assert.equal(idIn(last(pair.server), 2), '')
    })
  }

  test('stay through a change of keys', async () => {
    const pair = await pairOf(CLIENT, SERVER)
    pair.client.connection.updateKeys(true, pair.now)
    await pair.settle()
    pair.write('client', 'again')
    await pair.settle()
    assert.equal(idIn(last(pair.client), 3), hex(SERVER))
    assert.deepEqual(pair.server.messages, ['to the server', 'again'])
  })

  test('come through loss', async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const pair = await connectedDatagramPair({
        network: { seed, loss: 0.2, reordering: 0.2 },
        clientDatagrams: { connectionId: CLIENT },
        serverDatagrams: { connectionId: SERVER },
      })
      assert.equal(pair.server.connection.state, 'open')
    }
  })

  test('can be changed for others that the peer was asked for', async () => {
    const pair = await pairOf(CLIENT, SERVER)
    assert.equal(pair.client.connection.changeConnectionId(), false)
    pair.client.connection.requestConnectionIds(2, pair.now)
    await pair.settle()
    assert.equal(pair.client.connection.changeConnectionId(), true)
    pair.write('client', 'under another')
    await pair.settle()
    assert.equal(idIn(last(pair.client), 3), '5e5e5f')
    assert.equal(pair.client.connection.changeConnectionId(), true)
    assert.equal(pair.client.connection.changeConnectionId(), false)
    pair.write('client', 'and another')
    await pair.settle()
    assert.equal(idIn(last(pair.client), 3), '5e5e60')
    assert.deepEqual(pair.server.messages, ['to the server', 'under another', 'and another'])
  })

  test('cannot be asked for where there are none', async () => {
    const pair = await pairOf(undefined, undefined)
    assert.throws(() => pair.client.connection.requestConnectionIds(1, pair.now), { code: 'ERR_TLS_MISUSE' })
  })
})

describe('a datagram', () => {
  test('tells where the peer is if it is genuine and newer than all before', async () => {
    const pair = await pairOf(CLIENT, SERVER)
    const { connection } = pair.client
    connection.write(Uint8Array.of(1), pair.now)
    const [first = new Uint8Array(0)] = connection.takeOutput()
    connection.write(Uint8Array.of(2), pair.now)
    const [second = new Uint8Array(0)] = connection.takeOutput()
    const forged = Uint8Array.from(second)
    forged[forged.length - 1] ^= 1
    const to = pair.server.connection
    assert.deepEqual(
      [forged, second, second, first].map(datagram => to.receive(datagram, pair.now)),
      [false, true, false, false],
    )
  })
})

describe('messages about connection IDs', () => {
  const message = (type: number, body: Uint8Array) => ({ type, body, raw: body })
  const newIds = (usage: number, ...ids: readonly number[]) => {
    const body = ids.flatMap(id => [1, id])
    return message(10, Uint8Array.of(body.length >> 8, body.length, ...body, usage))
  }

  test('end the connection where none were agreed on', () => {
    const ids = new ConnectionIds(CLIENT, undefined)
    for (const step of [() => ids.take(newIds(1, 7)), () => ids.readRequest(message(9, Uint8Array.of(1)))]) {
      assert.throws(step, { code: 'ERR_TLS_UNEXPECTED_MESSAGE' })
    }
    ids.agree(new Uint8Array(0))
    assert.throws(() => ids.take(newIds(1, 7)), { code: 'ERR_TLS_UNEXPECTED_MESSAGE' })
  })

  test('may demand that another is used at once', () => {
    const ids = new ConnectionIds(CLIENT, undefined)
    ids.agree(Uint8Array.of(1))
    ids.take(newIds(1, 2, 3))
    assert.deepEqual([hex(ids.current), ids.spareCount], ['01', 2])
    ids.take(newIds(0, 4))
    assert.deepEqual([hex(ids.current), ids.spareCount], ['04', 0])
    assert.throws(() => ids.take(newIds(2, 5)), { code: 'ERR_TLS_ILLEGAL_PARAMETER' })
  })

  test('ask for what is not in the records, which ends the connection', () => {
    const ids = new ConnectionIds(new Uint8Array(0), undefined)
    ids.agree(Uint8Array.of(1))
    assert.throws(() => ids.readRequest(message(9, Uint8Array.of(1))), { code: 'ERR_TLS_UNEXPECTED_MESSAGE' })
  })

  /** How many an answer holds; undefined if there is none. */
  const countIn = (answer: Uint8Array | undefined) =>
    answer && ((answer[4] ?? 0) * 256 + (answer[5] ?? 0)) / (1 + CLIENT.length)

  test('give and keep no more than a few', () => {
    const ids = new ConnectionIds(CLIENT, counter(CLIENT))
    ids.agree(Uint8Array.of(1))
    for (let i = 0; i < 20; i++) {
      ids.readRequest(message(9, Uint8Array.of(255)))
      assert.equal(countIn(ids.takeAnswer()), 4)
      ids.answerArrived()
    }
    assert.equal(ids.own.length, 16)
    for (let i = 0; i < 20; i++) ids.take(newIds(1, i, i, i))
    assert.equal(ids.spareCount, 7)
  })

  test('are answered one at a time, however often the peer asks, and asked for one at a time', () => {
    const ids = new ConnectionIds(CLIENT, counter(CLIENT))
    ids.agree(Uint8Array.of(1))
    for (const count of [1, 3, 2]) ids.readRequest(message(9, Uint8Array.of(count)))
    assert.equal(countIn(ids.takeAnswer()), 2)
    ids.readRequest(message(9, Uint8Array.of(1)))
    assert.equal(ids.takeAnswer(), undefined)
    ids.answerArrived()
    assert.equal(countIn(ids.takeAnswer()), 1)
    assert.ok(ids.request(1))
    assert.equal(ids.request(1), undefined)
    ids.take(newIds(1))
    assert.ok(ids.request(1))
  })

  test('are answered with none by who has no more to give', () => {
    const ids = new ConnectionIds(CLIENT, undefined)
    ids.agree(Uint8Array.of(1))
    ids.readRequest(message(9, Uint8Array.of(1)))
    assert.equal(countIn(ids.takeAnswer()), 0)
  })
})
