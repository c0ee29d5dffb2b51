import assert from 'node:assert/strict'
import test, { describe } from 'node:test'
import { EMPTY } from '#src/bytes/index.js'
import { hash, NamedGroup } from '#src/crypto/index.js'
import { decodeMessage, encodeMessage, type Message } from '#src/handshake/index.js'
import { ClientHello } from '#src/handshake/messages.js'
import { alertOf, connectedPair, inPieces, makePair, type PairOptions } from '../support/pair.js'

const { x25519, secp256r1, secp384r1 } = NamedGroup

/** A client whose only key share is for a group that the server does not take. */
const otherGroup = {
  client: { groups: [x25519, secp256r1, secp384r1], keyShareGroups: [x25519] },
  server: { groups: [secp256r1, secp384r1] },
} satisfies PairOptions

/** A server that sends a cookie with every first answer. */
const withCookie = { server: { retryCookie: (hello: Uint8Array) => hash('sha256', hello) } } satisfies PairOptions

/** The ClientHellos that a client sends. */
async function hellosOf(options: PairOptions) {
  const messages: Message[] = []
  const pair = await connectedPair({
    ...options,
    intercept: {
      client: {
        message(message) {
          if (message.type === 1) messages.push(message)
          return undefined
        },
      },
    },
  })
  return { pair, hellos: messages.map(message => decodeMessage(ClientHello, message)) }
}

describe('a HelloRetryRequest', () => {
  test('asks for a share of another group, whatever the fragments', async () => {
    for (const length of [1, 7, 100_000]) {
      const pair = await connectedPair({ ...otherGroup, link: inPieces(length) })
      assert.equal(pair.client.established.group, secp256r1)
      assert.ok(pair.server.established.isRetried)
      assert.deepEqual(pair.client.established.transcriptHash, pair.server.established.transcriptHash)
    }
  })

  test('changes key_share and nothing else', async () => {
    const { hellos } = await hellosOf(otherGroup)
    const [first, second] = hellos
    assert.equal(hellos.length, 2)
    assert.deepEqual(second?.random, first?.random)
    assert.deepEqual(second?.legacySessionId, first?.legacySessionId)
    const others = (hello: typeof first) => hello?.extensions.filter(({ type }) => type !== 51)
    assert.deepEqual(others(second), others(first))
  })

  test('carries a cookie, which comes back, with the same key shares', async () => {
    const { hellos, pair } = await hellosOf(withCookie)
    const [first, second] = hellos
    const cookieOf = (hello: typeof first) => hello?.extensions.find(({ type }) => type === 44)?.data
    assert.equal(cookieOf(first), undefined)
    assert.equal(cookieOf(second)?.length, 2 + 32)
    assert.deepEqual(
      second?.extensions.find(({ type }) => type === 51),
      first?.extensions.find(({ type }) => type === 51),
    )
    assert.ok(pair.client.established.isRetried)
  })

  test('carries a cookie and asks for another group at once', async () => {
    const pair = await connectedPair({ ...otherGroup, server: { ...otherGroup.server, ...withCookie.server } })
    assert.equal(pair.client.established.group, secp256r1)
  })

  test('is sent to a client that sends no share at all', async () => {
    const pair = await connectedPair({ client: { keyShareGroups: [] } })
    assert.ok(pair.client.established.isRetried)
  })

  test('works for every hash of the transcript', async () => {
    for (const suite of [0x1301, 0x1302, 0x1303]) {
      const pair = await connectedPair({ ...otherGroup, client: { ...otherGroup.client, cipherSuites: [suite] } })
      assert.equal(pair.client.established.suite.id, suite)
    }
  })
})

describe('without middlebox compatibility', () => {
  test('there is no session ID and no change_cipher_spec', async () => {
    const types: number[] = []
    const record = ({ type }: { type: number }) => {
      types.push(type)
      return undefined
    }
    await connectedPair({
      ...otherGroup,
      client: { ...otherGroup.client, middleboxCompatibility: false },
      intercept: { client: { record }, server: { record } },
    })
    assert.ok(types.length > 4)
    assert.ok(!types.includes(20))
  })
})

describe('with middlebox compatibility', () => {
  for (const [name, options] of Object.entries({ 'a full handshake': {}, 'a retried one': otherGroup })) {
    test(`both sides send change_cipher_spec once in ${name}`, async () => {
      const types = { client: [] as number[], server: [] as number[] }
      const hooksFor = (side: 'client' | 'server') => ({
        record({ type }: { type: number }) {
          types[side].push(type)
          return undefined
        },
      })
      await connectedPair({ ...options, intercept: { client: hooksFor('client'), server: hooksFor('server') } })
      assert.equal(types.client.filter(type => type === 20).length, 1)
      assert.equal(types.server.filter(type => type === 20).length, 1)
      // RFC 8446 §D.4: right after the server's first message, right before the client's second flight.
      assert.equal(types.server[1], 20)
      assert.equal(types.client[1], 20)
    })
  }
})

describe('a second ClientHello is refused', () => {
  type Hello = ReturnType<typeof decode>
  const decode = (message: Message) => decodeMessage(ClientHello, message)

  /** What the server answers to a second hello that was changed. */
  async function answerTo(change: (hello: Hello) => Hello, options: PairOptions = otherGroup) {
    let count = 0
    const pair = makePair({
      ...options,
      intercept: {
        client: {
          message(message) {
            if (message.type !== 1 || ++count !== 2) return undefined
            return [encodeMessage(1, ClientHello, change(decode(message)))]
          },
        },
      },
    })
    await pair.run()
    assert.equal(pair.server.connection.state, 'closed')
    assert.deepEqual(pair.server.alerts, [alertOf(pair.server.error)])
    return alertOf(pair.server.error)
  }
  const replaced = (type: number, data: Uint8Array) => (hello: Hello) => ({
    ...hello,
    extensions: hello.extensions.map(value => (value.type === type ? { type, data } : value)),
  })
  const without = (type: number) => (hello: Hello) => ({
    ...hello,
    extensions: hello.extensions.filter(value => value.type !== type),
  })
  const added = (type: number, data: Uint8Array) => (hello: Hello) => ({
    ...hello,
    extensions: [{ type, data }, ...hello.extensions],
  })

  test('if it changes what may not change', async () => {
    const random = (hello: Hello) => ({ ...hello, random: hash('sha256', hello.random) })
    const suites = (hello: Hello) => ({ ...hello, cipherSuites: hello.cipherSuites.slice(1) })
    const session = (hello: Hello) => ({ ...hello, legacySessionId: EMPTY })
    const version = (hello: Hello) => ({ ...hello, legacyVersion: 0x0302 })
    for (const change of [
      random,
      suites,
      session,
      version,
      added(0x1234, EMPTY),
      without(13),
      replaced(10, Uint8Array.of(0, 2, 0, 0x17)),
    ]) {
      assert.equal(await answerTo(change), 'illegal_parameter')
    }
  })

  test('if it has not the key share that was asked for', async () => {
    assert.equal(await answerTo(replaced(51, Uint8Array.of(0, 0))), 'illegal_parameter')
  })

  test('if it has not the cookie that was sent', async () => {
    assert.equal(await answerTo(without(44), withCookie), 'missing_extension')
    assert.equal(await answerTo(replaced(44, Uint8Array.of(0, 1, 9)), withCookie), 'illegal_parameter')
  })

  test('if it has a cookie that nobody sent', async () => {
    assert.equal(await answerTo(added(44, Uint8Array.of(0, 1, 9))), 'illegal_parameter')
  })

  test('if it announces early data', async () => {
    assert.equal(await answerTo(added(42, EMPTY)), 'illegal_parameter')
  })

  test('if it changes key shares that were not asked about', async () => {
    const share = Uint8Array.of(0, 36, 0, 0x1d, 0, 32, ...new Uint8Array(32).fill(9))
    assert.equal(await answerTo(replaced(51, share), withCookie), 'illegal_parameter')
  })
})
