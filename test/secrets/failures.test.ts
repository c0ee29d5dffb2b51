import assert from 'node:assert/strict'
import test, { describe } from 'node:test'
import { MacKey, systemEntropy } from '#src/crypto/index.js'
import { decodeSession, TicketIssuer } from '#src/handshake/index.js'
import { checkMac0, checkSign1, decodeMac0, decodeSign1, makeMac0, makeSign1, messageSigner } from '#src/rats/index.js'
import { connectedDatagramPair } from '../support/datagram-pair.js'
import { connectedPair, makePair } from '../support/pair.js'
import { repositoryFiles } from '../support/repository.js'
import { newKey } from '../support/simulated.js'

/** How a failure looks to whoever sent what failed, and to whoever reads our log. */
interface Appearance {
  readonly alerts: readonly string[]
  readonly error: readonly unknown[]
  readonly answer: number
}

describe('a record that does not open', () => {
  const damages: readonly (readonly [string, (record: Uint8Array) => Uint8Array])[] = [
    ['its first byte was changed', record => flip(record, 5)],
    ['its last byte of content was changed', record => flip(record, record.length - 18)],
    ['its type was changed, which is sealed too', record => flip(record, record.length - 17)],
    ['the first byte of its tag was changed', record => flip(record, record.length - 16)],
    ['the last byte of its tag was changed', record => flip(record, record.length - 1)],
    ['its tag is all zeros', record => record.map((byte, at) => (at >= record.length - 16 ? 0 : byte))],
    ['it is cut, and says so', record => resized(record, record.length - 6)],
    ['it has a byte more, and says so', record => resized(record, record.length - 4)],
    ['it has nothing but a tag', record => resized(record, 16)],
  ]

  test('looks the same to everybody, whatever is wrong with it', async () => {
    const appearances = await Promise.all(damages.map(([, damage]) => appearanceOf(damage)))
    for (const [index, appearance] of appearances.entries()) {
      assert.deepEqual(appearance, appearances[0], damages[index]?.[0])
    }
    assert.deepEqual(appearances[0]?.alerts, ['bad_record_mac'])
  })

  test('looks the same if it was sealed for another place: doubled, or come too early', async () => {
    const expected = await appearanceOf(record => flip(record, 5))
    const { client, server } = await connectedPair()
    const [first, second] = ['first', 'second'].map(text => {
      client.connection.write(Buffer.from(text))
      return client.connection.takeOutput()[0] ?? assert.fail()
    })
    assert.ok(first && second)
    server.connection.receive(second)
    assert.deepEqual(look(server.connection), expected)
    const other = await connectedPair()
    other.client.connection.write(Buffer.from('first'))
    const [record] = other.client.connection.takeOutput()
    assert.ok(record)
    other.server.connection.receive(Uint8Array.from(record))
    while (other.server.connection.nextEvent());
    other.server.connection.receive(Uint8Array.from(record))
    assert.deepEqual(look(other.server.connection), expected)
  })

  async function appearanceOf(damage: (record: Uint8Array) => Uint8Array): Promise<Appearance> {
    const { client, server } = await connectedPair()
    client.connection.write(Buffer.from('some data that is longer than a tag'))
    const [record] = client.connection.takeOutput()
    assert.ok(record)
    server.connection.receive(damage(Uint8Array.from(record)))
    return look(server.connection)
  }

  function look(connection: Awaited<ReturnType<typeof connectedPair>>['server']['connection']): Appearance {
    const output = connection.takeOutput()
    const event = connection.nextEvent()
    assert.equal(event?.type, 'error')
    const error = event.type === 'error' ? event.error : undefined
    assert.equal(connection.nextEvent(), undefined)
    return {
      alerts: [
        String(Reflect.get(error ?? {}, 'code'))
          .replace('ERR_TLS_', '')
          .toLowerCase(),
      ],
      error: [error?.name, error?.message, Reflect.get(error ?? {}, 'alert'), error?.cause, Object.keys(error ?? {})],
      answer: output.reduce((sum, bytes) => sum + bytes.length, 0),
    }
  }
})

describe('a datagram that does not open', () => {
  test('is dropped without an answer, whatever is wrong with it', async () => {
    const pair = await connectedDatagramPair()
    pair.client.connection.write(Buffer.from('some data that is longer than a tag'), pair.now)
    const [record] = pair.client.connection.takeOutput()
    assert.ok(record)
    const damaged = [
      flip(record, 1),
      flip(record, 6),
      flip(record, record.length - 1),
      record.slice(0, 30),
      record.slice(0, 8),
    ]
    for (const datagram of damaged) {
      pair.server.connection.receive(Uint8Array.from(datagram), pair.now)
      assert.deepEqual(pair.server.connection.takeOutput(), [])
      assert.equal(pair.server.connection.nextEvent(), undefined)
    }
    pair.server.connection.receive(record, pair.now)
    assert.equal(pair.server.connection.nextEvent()?.type, 'data')
  })
})

describe('a ticket that does not open', () => {
  test('leads to the same full handshake, whatever is wrong with it', async () => {
    const tickets = new TicketIssuer(systemEntropy, { count: 1 })
    const { client } = await connectedPair({ server: { tickets } })
    const session = decodeSession(client.sessions[0] ?? new Uint8Array(0)) ?? assert.fail('no session')
    const { ticket } = session
    const stranger = new TicketIssuer(systemEntropy)
    const state = tickets.open(ticket) ?? assert.fail('our own ticket does not open')
    const others = [
      flip(ticket, 0),
      flip(ticket, 16),
      flip(ticket, 40),
      flip(ticket, ticket.length - 1),
      stranger.seal(state).subarray(0, ticket.length),
      systemEntropy.bytes(ticket.length),
    ]
    const appearances = others.map(bytes => {
      const pair = makePair({ server: { tickets }, client: { session: { ...session, ticket: bytes } } })
      pair.runAtOnce()
      const { isResumed, pskIdentity } = pair.server.established
      return { isResumed, pskIdentity, errors: [pair.client.error, pair.server.error], alerts: pair.server.alerts }
    })
    for (const appearance of appearances) {
      assert.deepEqual(appearance, {
        isResumed: false,
        pskIdentity: undefined,
        errors: [undefined, undefined],
        alerts: [],
      })
    }
  })
})

describe('a token that nobody has signed', () => {
  const key = newKey()

  test('is refused alike for a wrong key, a wrong signature and another payload', async () => {
    const honest = await makeSign1(Uint8Array.of(1, 2, 3), messageSigner(key))
    const refusals = [
      refusalOf(() => checkSign1(decodeSign1(honest), newKey().publicKey)),
      refusalOf(() => checkSign1(decodeSign1(flip(honest, honest.length - 1)), key.publicKey)),
      refusalOf(() => checkSign1({ ...decodeSign1(honest), payload: Uint8Array.of(1, 2, 4) }, key.publicKey)),
    ]
    for (const refusal of refusals) assert.deepEqual(refusal, refusals[0])
  })

  test('nor MACed: alike for a wrong key, a wrong tag and a tag that is too short', () => {
    const secret = systemEntropy.bytes(32)
    const message = decodeMac0(makeMac0(Uint8Array.of(1, 2, 3), new MacKey('sha256', secret)))
    const refusals = [
      refusalOf(() => checkMac0(message, systemEntropy.bytes(32))),
      refusalOf(() => checkMac0({ ...message, proof: flip(message.proof, 0) }, secret)),
      refusalOf(() => checkMac0({ ...message, proof: flip(message.proof, 31) }, secret)),
      refusalOf(() => checkMac0({ ...message, proof: message.proof.subarray(0, 31) }, secret)),
    ]
    for (const refusal of refusals) assert.deepEqual(refusal, refusals[0])
  })

  function refusalOf(check: () => void): readonly unknown[] {
    try {
      check()
    } catch (error) {
      return error instanceof Error ? [error.name, error.message, Reflect.get(error, 'code')] : [error]
    }
    return assert.fail('it was accepted')
  }
})

describe('MACs and secrets', () => {
  const sources = repositoryFiles('src').filter(({ path }) => path.endsWith('.ts'))

  test('are compared in constant time', () => {
    // Names that such values have here. What is compared by content otherwise are names, keys that anybody may know, and
    // what the peer said twice.
    const secret = /\b(mac|verifyData|verify_data|binder|acceptance|proof|psk|secret)\b(?!\.(identity|hash)\b)/i
    const found = sources.flatMap(({ path, text }) =>
      [...text.matchAll(/\bequalBytes\(([^\n]*)/g)].flatMap(([, args = '']) => (secret.test(args) ? [path] : [])),
    )
    assert.deepEqual(found, KNOWN)
  })

  test('are compared in the places that there are', () => {
    const places = sources.filter(({ text }) => /\bequalSecrets\(/.test(text)).map(({ path }) => path)
    for (const place of [
      'src/handshake/key-schedule.ts',
      'src/handshake/exported-authenticator.ts',
      'src/dtls/cookie.ts',
      'src/attestation/hardened/attester.ts',
      'src/rats/cose.ts',
    ]) {
      assert.ok(places.includes(place), place)
    }
  })

  test('of whichever first difference are told apart by nothing but the answer', () => {
    const used = sources.filter(({ text }) => /\btimingSafeEqual\b/.test(text)).map(({ path }) => path)
    assert.deepEqual(used, ['src/crypto/hkdf.ts'])
  })
})

/** Comparisons that look like one of secrets, and are none: the native helper is tried with values that everybody knows, and
 *  the binder of a CCA token is a hash of a public key. */
const KNOWN: readonly string[] = ['src/crypto/implementation.ts', 'src/evidence/cca/platform.ts']

function flip(bytes: Uint8Array, at: number): Uint8Array {
  return bytes.with(at, (bytes[at] ?? 0) ^ 1)
}

/** A record whose header says another length, with so much payload. */
function resized(record: Uint8Array, length: number): Uint8Array {
  const output = new Uint8Array(5 + length)
  output.set(record.subarray(0, 5 + length))
  output.set([length >>> 8, length & 0xff], 3)
  return output
}
