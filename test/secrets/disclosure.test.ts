import assert from 'node:assert/strict'
import { createPrivateKey } from 'node:crypto'
import { once } from 'node:events'
import test, { describe, type TestContext } from 'node:test'
import { systemEntropy } from '#src/crypto/index.js'
import { decodeSession, type Message, TicketIssuer } from '#src/handshake/index.js'
import { type ConnectOptions, connect, createSecureContext, createServer, type ServerOptions } from '#src/node/index.js'
import { clientId, clientOptions, listen, serverId, serverOptions } from '../node/support.js'
import { makeDatagramPair } from '../support/datagram-pair.js'
import { kinds } from '../support/hostile.js'
import { connectedPair, makePair, type Pair, type PairOptions, type Side } from '../support/pair.js'
import { Needles } from './needles.js'

/*
 * Secrets are known to these tests: from the key log, or because they made them. Handshakes are made to fail in every
 * message, and what is thrown, told and printed is looked through.
 */

describe('the search for secrets', () => {
  const secret = systemEntropy.bytes(32)
  const needles = new Needles()
  needles.add('a secret', secret)
  const seen: readonly (readonly [string, unknown])[] = [
    ['in hex', new Error(`the key is ${Buffer.from(secret).toString('hex')}`)],
    ['in upper case', `KEY ${Buffer.from(secret).toString('hex').toUpperCase()}`],
    ['in base64', { deep: { down: Buffer.from(secret).toString('base64') } }],
    ['in base64url, with something before it', Buffer.concat([Buffer.of(1), secret]).toString('base64url')],
    ['as a buffer in a cause', new Error('it failed', { cause: { key: Buffer.from(secret) } })],
    ['as an array of bytes', { key: secret }],
    ['as a property of an error', Object.assign(new Error('it failed'), { secret: Uint8Array.from(secret) })],
    ['in a map, beside others', new Map([[1, [new Uint8Array(3), Buffer.concat([Buffer.alloc(3), secret])]]])],
  ]
  for (const [how, value] of seen) {
    test(`finds one ${how}`, () => assert.deepEqual(needles.seenIn(value), ['a secret']))
  }

  test('finds none where there is none', () => {
    assert.deepEqual(needles.seenIn(new Error('nothing', { cause: { key: new Uint8Array(32) } })), [])
  })
})

describe('no secret is seen', () => {
  const cases: readonly (readonly [string, () => PairOptions])[] = [
    ['a handshake with everything', kinds.everything],
    ['a plain one', kinds.plain],
    ['one with a PSK', () => ({ client: { preSharedKeys: [psk] }, server: { preSharedKeys: [psk] } })],
  ]
  for (const [name, options] of cases) {
    for (const side of ['client', 'server'] as const) {
      test(`in what ${name} comes to when it fails in any message of the ${side}`, () => {
        let failures = 0
        for (let index = 0; index < 8; index++) {
          for (const damage of damages) failures += checkFailure(side, options(), index, damage)
        }
        assert.ok(failures >= 4, `only ${failures} of them failed`)
      })
    }
  }

  test('in what a session that is resumed comes to, and one that is not', async () => {
    const tickets = new TicketIssuer(systemEntropy, { count: 1 })
    const { client } = await connectedPair({ server: { tickets } })
    const session = decodeSession(client.sessions[0] ?? new Uint8Array(0)) ?? assert.fail('no session')
    for (const changes of [{}, { psk: systemEntropy.bytes(32) }, { ticket: session.ticket.map(byte => byte ^ 1) }]) {
      const pair = makePair({ server: { tickets }, client: { session: { ...session, ...changes } } })
      pair.runAtOnce()
      const needles = secretsOf(pair)
      needles.add('the PSK of the session', session.psk)
      if (changes.psk) needles.add('another PSK', changes.psk)
      checkPair(pair, needles)
    }
  })

  test('in what datagrams come to', async () => {
    for (const lost of [0, 2, 3]) {
      const pair = makeDatagramPair({
        clientDatagrams: { maxRetransmissions: 1 },
        network: {
          intercept: (datagram, from, count) => (from === 'server' && count >= lost ? [] : [datagram]),
        },
      })
      await pair.run()
      const needles = new Needles()
      for (const end of [pair.client, pair.server]) addKeyLog(needles, end.events)
      for (const { connection, error, events } of [pair.client, pair.server]) {
        const shown = events.filter(({ type }) => type !== 'keylog' && type !== 'session')
        assert.deepEqual(needles.seenIn({ connection, error, shown }), [])
      }
    }
  })
})

describe('no secret is seen of a socket', () => {
  test('that is refused, or refuses', async t => {
    await failing(t, {}, { ca: clientId.pem })
    await failing(t, { requestCert: true, rejectUnauthorized: true }, {})
    await failing(t, { ALPNProtocols: ['a'] }, { ALPNProtocols: ['b'] })
    await failing(t, {}, { servername: 'elsewhere.example' })
  })

  test('that is open', async t => {
    const needles = ownSecrets()
    const listener = createServer(serverOptions)
    const accepted = once(listener, 'secureConnection')
    const client = connect({ ...clientOptions, port: await listen(t, listener), host: '127.0.0.1' })
    client.on('keylog', (line: Buffer) => addLine(needles, String(line)))
    t.after(() => client.destroy())
    await once(client, 'secureConnect')
    const [server] = await accepted
    assert.deepEqual(needles.seenIn({ client, server, listener }), [])
  })
})

describe('no secret is seen in a complaint about', () => {
  const passphrase = 'correct horse battery staple'
  const needles = ownSecrets()
  needles.add('the passphrase', Buffer.from(passphrase))
  const encrypted = createPrivateKey(serverId.keyPem)
    .export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase })
    .toString()
  const ticketKey = systemEntropy.bytes(47)
  needles.add('the ticket key', ticketKey)
  const bad: readonly (readonly [string, () => unknown])[] = [
    ['a wrong passphrase', () => createSecureContext({ key: encrypted, passphrase: `${passphrase}!` })],
    ['a key without its passphrase', () => createSecureContext({ key: encrypted })],
    ['a key that is damaged', () => createSecureContext({ key: serverId.keyPem.replace(/\n(.)/, '\n!$1') })],
    ['a key that is cut short', () => createSecureContext({ key: serverId.keyPem.slice(0, 120) })],
    ['a key in place of a certificate', () => createSecureContext({ cert: serverId.keyPem })],
    ['a certificate for another key', () => createSecureContext({ cert: clientId.pem, key: serverId.keyPem })],
    ['ticket keys of a wrong length', () => createServer({ ...serverOptions, ticketKeys: ticketKey })],
  ]
  for (const [what, call] of bad) {
    test(what, () => {
      assert.throws(call, error => {
        assert.deepEqual(needles.seenIn(error), [])
        return true
      })
    })
  }
})

const psk = { identity: new Uint8Array(9).fill(9), key: systemEntropy.bytes(32), hash: 'sha256' } as const

/** What is done to a message. */
const damages: readonly ((raw: Uint8Array) => Uint8Array)[] = [
  raw => raw.with(raw.length - 1, (raw.at(-1) ?? 0) ^ 1),
  raw => raw.subarray(0, raw.length - 1),
  raw => raw.with(0, 99),
]

/** @returns 1 if it failed, 0 if nobody minded, or there was no such message */
function checkFailure(side: Side, options: PairOptions, index: number, damage: (raw: Uint8Array) => Uint8Array) {
  let count = 0
  const message = ({ raw }: Message) => (count++ === index ? [damage(raw)] : undefined)
  const pair = makePair({ ...options, intercept: { [side]: { message } } })
  pair.runAtOnce()
  checkPair(pair, secretsOf(pair))
  return pair.client.error || pair.server.error ? 1 : 0
}

function secretsOf(pair: Pair): Needles {
  const needles = new Needles()
  needles.add('the external PSK', psk.key)
  for (const end of [pair.client, pair.server]) {
    addKeyLog(needles, end.events)
    for (const session of end.sessions) {
      const { psk: key } = decodeSession(session) ?? assert.fail('no session')
      needles.add('the PSK of a ticket', key)
    }
  }
  return needles
}

function addKeyLog(needles: Needles, events: Pair['client']['events']): void {
  for (const event of events) if (event.type === 'keylog') addLine(needles, event.line)
}

function addLine(needles: Needles, line: string): void {
  const [label = '', , secret = ''] = line.trim().split(' ')
  needles.add(label, Buffer.from(secret, 'hex'))
}

/** Nothing but key log and sessions, which are for who asks for them, has secrets in it. */
function checkPair(pair: Pair, needles: Needles): void {
  for (const { connection, error, events } of [pair.client, pair.server]) {
    const shown = events.filter(({ type }) => type !== 'keylog' && type !== 'session')
    assert.deepEqual(needles.seenIn({ connection, error, shown }), [])
  }
}

/** The private keys of the tests. */
function ownSecrets(): Needles {
  const needles = new Needles()
  for (const [name, { keyPem }] of Object.entries({ server: serverId, client: clientId })) {
    const { d = '' } = createPrivateKey(keyPem).export({ format: 'jwk' })
    needles.add(`the private key of the ${name}`, Buffer.from(d, 'base64url'))
  }
  return needles
}

async function failing(t: TestContext, server: ServerOptions, client: ConnectOptions): Promise<void> {
  const needles = ownSecrets()
  const listener = createServer({ ...serverOptions, ...server })
  const told: unknown[] = []
  listener.on('tlsClientError', (error, socket) => told.push(error, socket))
  listener.on('secureConnection', socket => socket.on('error', (error: Error) => told.push(error)))
  const socket = connect({ ...clientOptions, port: await listen(t, listener), host: '127.0.0.1', ...client })
  socket.on('keylog', (line: Buffer) => addLine(needles, String(line)))
  const [error] = await once(socket, 'error')
  assert.deepEqual(needles.seenIn({ error, socket, told, listener }), [])
}
