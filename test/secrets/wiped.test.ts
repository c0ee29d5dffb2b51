import assert from 'node:assert/strict'
import test, { describe, type TestContext } from 'node:test'
import { AeadKey, answerKeyShare, MacKey, systemEntropy } from '#src/crypto/index.js'
import { HandshakeSecret, MainSecret, TrafficSecret } from '#src/handshake/index.js'
import { connectedDatagramPair } from '../support/datagram-pair.js'
import { connectedPair } from '../support/pair.js'

describe('a secret that is wiped', () => {
  const fresh = () => new MacKey('sha256', systemEntropy.bytes(32))
  const ways: readonly (readonly [string, () => { wipe(): void; use(): unknown }])[] = [
    ['of a key', () => (key => ({ wipe: () => key.wipe(), use: () => key.mac(new Uint8Array(1)) }))(fresh())],
    ['of traffic', () => (one => ({ wipe: () => one.wipe(), use: () => one.key(16) }))(new TrafficSecret(fresh()))],
    [
      'of the handshake',
      () => (one => ({ wipe: () => one.wipe(), use: () => one.mainSecret() }))(new HandshakeSecret(fresh())),
    ],
    [
      'of the connection',
      () => (one => ({ wipe: () => one.wipe(), use: () => one.exporter(new Uint8Array(32)) }))(new MainSecret(fresh())),
    ],
  ]
  for (const [name, make] of ways) {
    test(`${name} derives nothing any more, rather than something that everybody knows`, () => {
      const secret = make()
      assert.ok(secret.use())
      secret.wipe()
      assert.throws(() => secret.use(), /wiped/)
    })
  }

  test('is overwritten, unless it is in the hands of OpenSSL', () => {
    const bytes = systemEntropy.bytes(32)
    const before = Uint8Array.from(bytes)
    const key = new MacKey('sha256', bytes)
    key.wipe()
    // Some versions of Node want keys as objects of their own, which copy the bytes and clear them when they go.
    const isOurs = !Buffer.from(bytes).equals(before)
    if (process.versions.node.startsWith('20.')) assert.ok(isOurs)
    if (isOurs) assert.ok(bytes.every(byte => byte === 0))
  })
})

describe('a connection wipes', () => {
  // Of each side: the Handshake Secret with its two of traffic, and the Main Secret.
  const handshake = { handshake: 2, traffic: 4, main: 2 }

  test('the secret of the key exchange', async () => {
    let secret: Uint8Array | undefined
    const entropy = {
      ...systemEntropy,
      answerKeyShare: (...args: Parameters<typeof answerKeyShare>) => {
        const answer = answerKeyShare(...args)
        secret = answer.secret
        assert.ok(secret.some(byte => byte !== 0))
        return answer
      },
    }
    await connectedPair({ server: { entropy } })
    assert.ok(secret?.every(byte => byte === 0))
  })

  test('the keys of records: those of the handshake with it, the others at the end', async t => {
    const { mock } = t.mock.method(AeadKey.prototype, 'wipe')
    const pair = await connectedPair()
    // Two of each side, and what the pair itself reads along with in each direction.
    assert.equal(mock.callCount(), 4 + 2)
    pair.client.connection.updateKeys(true)
    pair.move()
    assert.equal(mock.callCount(), 8 + 4)
    pair.client.connection.close()
    pair.server.connection.close()
    pair.move()
    assert.equal(mock.callCount(), 12 + 4)
  })

  test('the keys of datagrams at the end, for the peer may not have the new ones before', async t => {
    const { mock } = t.mock.method(AeadKey.prototype, 'wipe')
    const pair = await connectedDatagramPair()
    pair.client.connection.close()
    pair.server.connection.close()
    await pair.settle()
    // Of each side the keys to read in two epochs, and those to write in the last one.
    assert.equal(mock.callCount(), 6)
  })

  test('what only the handshake needed, keys that are replaced, and those that are left at the end', async t => {
    const wiped = counting(t)
    const pair = await connectedPair()
    assert.deepEqual(wiped(), handshake)
    pair.client.connection.updateKeys(true)
    pair.move()
    // Each side had one to write with and one to read with.
    assert.equal(wiped().traffic, handshake.traffic + 4)
    pair.client.connection.close()
    pair.server.connection.close()
    pair.move()
    assert.equal(wiped().traffic, handshake.traffic + 8)
  })

  test('the same over datagrams', async t => {
    const wiped = counting(t)
    const pair = await connectedDatagramPair()
    assert.deepEqual(wiped(), handshake)
    pair.client.connection.updateKeys(false, pair.now)
    await pair.settle()
    assert.equal(wiped().traffic, handshake.traffic + 2)
    pair.client.connection.close()
    pair.server.connection.close()
    await pair.settle()
    assert.equal(wiped().traffic, handshake.traffic + 6)
  })

  test('all that it has when it fails', async t => {
    const pair = await connectedPair()
    const wiped = counting(t)
    pair.server.connection.receive(Uint8Array.of(23, 3, 3, 0, 17, ...new Uint8Array(17)))
    assert.equal(pair.server.connection.state, 'closed')
    assert.equal(wiped().traffic, 2)
  })
})

/** Counts what is wiped from here on. */
function counting(t: TestContext) {
  const spies = {
    handshake: t.mock.method(HandshakeSecret.prototype, 'wipe'),
    traffic: t.mock.method(TrafficSecret.prototype, 'wipe'),
    main: t.mock.method(MainSecret.prototype, 'wipe'),
  }
  return () => ({
    handshake: spies.handshake.mock.callCount(),
    traffic: spies.traffic.mock.callCount(),
    main: spies.main.mock.callCount(),
  })
}
