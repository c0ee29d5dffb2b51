import assert from 'node:assert/strict'
import test, { describe } from 'node:test'
import { systemEntropy } from '#src/crypto/index.js'
import { AddressCheck, type Admission, DtlsConnection } from '#src/dtls/index.js'
import { type ClientConfig, decodeSession, type ServerConfig, TicketIssuer } from '#src/handshake/index.js'
import { DatagramPair } from '../support/datagram-pair.js'
import { clientConfig, seededEntropy, serverConfig } from '../support/pair.js'

const HERE = Uint8Array.of(192, 0, 2, 1, 0x12, 0x34)
const THERE = Uint8Array.of(192, 0, 2, 2, 0x12, 0x34)

function newClient(changes: Partial<ClientConfig> = {}): DtlsConnection {
  return new DtlsConnection('client', clientConfig(changes))
}

/** The ClientHello that a client sends first, or in answer to a datagram. */
function hello(client: DtlsConnection, answered?: Uint8Array): Uint8Array {
  if (answered) client.receive(answered, 0)
  else client.start(0)
  const [datagram, ...more] = client.takeOutput()
  assert.ok(datagram)
  assert.equal(more.length, 0)
  return datagram
}

function retryFor(check: AddressCheck, datagram: Uint8Array, address = HERE, now = 0): Uint8Array {
  const admission = check.admit(datagram, address, now)
  assert.equal(admission.type, 'reply')
  return admission.type === 'reply' ? admission.datagram : new Uint8Array(0)
}

function newCheck(changes: Partial<ServerConfig> = {}, lifetime?: number): AddressCheck {
  return new AddressCheck(serverConfig(changes), systemEntropy, lifetime)
}

function alertIn(admission: Admission): number | undefined {
  return admission.type === 'reply' && admission.datagram[0] === 21 ? admission.datagram.at(-1) : undefined
}

async function connectThrough(
  check: AddressCheck,
  client: DtlsConnection,
  changes: Partial<ServerConfig> = {},
): Promise<DatagramPair> {
  client.start(0)
  let admission: Admission = { type: 'drop' }
  for (let i = 0; i < 2; i++) {
    for (const datagram of client.takeOutput()) admission = check.admit(datagram, HERE, 0)
    if (admission.type === 'reply') client.receive(admission.datagram, 0)
  }
  assert.ok(admission.type === 'accept')
  const server = new DtlsConnection('server', serverConfig(changes), { retry: admission.retry })
  const pair = new DatagramPair(client, server)
  server.receive(admission.datagram, 0)
  await pair.settle()
  assert.equal(pair.client.error, undefined)
  assert.equal(pair.server.error, undefined)
  return pair
}

describe('a server that keeps nothing of the first ClientHello', () => {
  const ways: readonly [string, Partial<ClientConfig>][] = [
    ['with the key share that it had', {}],
    ['with another key share', { keyShareGroups: [] }],
    ['with SHA-384', { cipherSuites: [0x1302] }],
    ['with hellos longer than a datagram', { keyShareGroups: [0x11ec, 0x001d] }],
    ['with a second one longer than a datagram', { groups: [0x11ec], keyShareGroups: [] }],
  ]
  for (const [name, changes] of ways) {
    test(`completes the handshake after the second, ${name}`, async () => {
      const pair = await connectThrough(newCheck(), newClient(changes))
      assert.equal(pair.server.established.isRetried, true)
      assert.equal(pair.client.established.isRetried, true)
      const [client, server] = [pair.client, pair.server].map(({ connection }) =>
        Buffer.from(connection.exportKeyingMaterial('EXPORTER-test', new Uint8Array(0), 32)).toString('hex'),
      )
      assert.equal(client, server)
      pair.write('client', 'hello')
      await pair.settle()
      assert.deepEqual(pair.server.messages, ['hello'])
    })
  }

  test('resumes sessions', async () => {
    const tickets = new TicketIssuer(systemEntropy, { count: 1 })
    const first = await connectThrough(newCheck(), newClient(), { tickets })
    const session = decodeSession(first.client.sessions[0] ?? new Uint8Array(0)) ?? undefined
    const second = await connectThrough(newCheck(), newClient({ session }), { tickets })
    assert.equal(second.server.established.isResumed, true)
  })

  test('asks in the record number that it was asked in, and in no more than three times as many bytes', () => {
    const first = hello(newClient())
    first[10] = 77
    const retry = retryFor(newCheck(), first)
    assert.equal(retry[10], 77)
    assert.ok(retry.length <= 3 * first.length)
  })

  test('takes a cookie from the address only that it was sent to', () => {
    const check = newCheck()
    const client = newClient()
    const second = hello(client, retryFor(check, hello(client)))
    assert.equal(alertIn(check.admit(second, THERE, 0)), 47)
    assert.equal(check.admit(second, HERE, 0).type, 'accept')
  })

  test('takes a cookie until its key has been replaced twice', () => {
    const check = newCheck({}, 1000)
    const client = newClient()
    const second = hello(client, retryFor(check, hello(client)))
    assert.equal(check.admit(second, HERE, 1500).type, 'accept')
    assert.equal(alertIn(check.admit(second, HERE, 2600)), 47)
  })

  test('takes no cookie of another server', () => {
    const client = newClient()
    const second = hello(client, retryFor(newCheck(), hello(client)))
    assert.equal(alertIn(newCheck().admit(second, HERE, 0)), 47)
  })

  test('refuses a second ClientHello that is not like the first', async () => {
    const check = newCheck()
    const other = newClient({ entropy: seededEntropy('other'), serverName: 'other' })
    const cookieOwner = newClient()
    const retry = retryFor(check, hello(cookieOwner))
    hello(other)
    const second = hello(other, retry)
    const admission = check.admit(second, HERE, 0)
    assert.equal(admission.type, 'accept')
    const server = new DtlsConnection(
      'server',
      serverConfig(),
      admission.type === 'accept' ? { retry: admission.retry } : {},
    )
    server.receive(second, 0)
    const error = server.nextEvent()
    assert.ok(error?.type === 'error')
    assert.match(error.error.message, /changes what the first one said/)
  })

  test('says so to a client that speaks something older', () => {
    const first = hello(newClient())
    const at = Buffer.from(first).indexOf(Buffer.from('002b0003', 'hex'))
    first[at + 6] = 0xfd
    assert.equal(alertIn(newCheck().admit(first, HERE, 0)), 70)
  })

  test('drops everything else', () => {
    const check = newCheck()
    const first = hello(newClient())
    const drops: readonly Uint8Array[] = [
      new Uint8Array(0),
      Uint8Array.of(1, 2, 3),
      first.subarray(0, 40),
      Uint8Array.from(first, (byte, at) => (at === 13 ? 2 : byte)),
      Uint8Array.from(first, (byte, at) => (at === 0 ? 21 : byte)),
      Uint8Array.from(first, (byte, at) => (at === 4 ? 1 : byte)),
      // A fragment of something longer.
      Uint8Array.from(first, (byte, at) => (at === 15 ? byte + 1 : byte)),
    ]
    for (const datagram of drops) assert.equal(check.admit(datagram, HERE, 0).type, 'drop')
  })

  test('keeps parts of no more than a few long ones', () => {
    const check = newCheck()
    const client = newClient({ keyShareGroups: [0x11ec] })
    client.start(0)
    const [first = new Uint8Array(0), second = new Uint8Array(0)] = client.takeOutput()
    const address = (i: number) => Uint8Array.of(i >> 8, i)
    for (let i = 0; i < 200; i++) assert.equal(check.admit(first, address(i), 0).type, 'drop')
    assert.equal(check.admit(second, address(199), 0).type, 'reply')
    assert.equal(check.admit(second, address(0), 0).type, 'drop')
  })

  test('survives every truncation and change of a ClientHello', () => {
    const check = newCheck()
    const first = hello(newClient())
    for (let at = 0; at < first.length; at++) {
      check.admit(first.subarray(0, at), HERE, 0)
      const changed = Uint8Array.from(first)
      changed[at] ^= 0xff
      const admission = check.admit(changed, HERE, 0)
      assert.notEqual(admission.type, 'accept')
    }
  })
})
