import assert from 'node:assert/strict'
import test, { describe } from 'node:test'
import { baseRows } from '#src/handshake/extensions.js'
import { AlertDescription, HandshakeType, type Message, messageName } from '#src/handshake/index.js'
import type { RawExtension } from '#src/handshake/messages.js'
import { extensionsOf, placeOf, withExtensions } from '../support/extensions.js'
import { alertAgainst, kinds, messagesOf, misbehave, rawMessage, replacing } from '../support/hostile.js'
import type { Side } from '../support/pair.js'

const sides = ['client', 'server'] as const
const honest = {
  client: messagesOf('client', kinds.everything()),
  server: messagesOf('server', kinds.everything()),
}

/** Every message of the handshake that has everything: who sends it, the how manieth it is. */
const all: readonly (readonly [Side, number, Message])[] = sides.flatMap(side =>
  honest[side].map((message, index) => [side, index, message] as const),
)

const nameOf = (side: Side, index: number, message: Message) =>
  `${messageName(message.type)} of the ${side} (its message ${index + 1})`

test('the handshake has every message there is', () => {
  const types = (side: Side) => honest[side].map(({ type }) => messageName(type))
  assert.deepEqual(types('client'), ['client_hello', 'client_hello', 'certificate', 'certificate_verify', 'finished'])
  assert.deepEqual(types('server'), [
    'server_hello',
    'server_hello',
    'encrypted_extensions',
    'certificate_request',
    'certificate',
    'certificate_verify',
    'finished',
    'new_session_ticket',
  ])
})

describe('a message that ends early is refused, at every byte:', () => {
  for (const [side, index, message] of all) {
    test(nameOf(side, index, message), () => {
      const seen = new Set<string | undefined>()
      for (let length = 0; length < message.body.length; length++) {
        const hooks = replacing(index, ({ type, body }) => [rawMessage(type, body.subarray(0, length))])
        seen.add(alertAgainst(side, hooks, kinds.everything()))
      }
      if (message.type === HandshakeType.finished) seen.delete('decrypt_error')
      // Without any extensions a hello is one of an older version.
      if (message.type <= HandshakeType.server_hello) seen.delete('protocol_version')
      // An empty list of certificates is a message of its own.
      assert.deepEqual([...seen], message.type === HandshakeType.finished ? [] : ['decode_error'])
    })
  }
})

describe('a message with something behind its end is refused:', () => {
  for (const [side, index, message] of all) {
    test(nameOf(side, index, message), () => {
      const hooks = replacing(index, ({ type, body }) => [rawMessage(type, Buffer.concat([body, Uint8Array.of(0)]))])
      const expected = message.type === HandshakeType.finished ? 'decrypt_error' : 'decode_error'
      assert.equal(alertAgainst(side, hooks, kinds.everything()), expected)
    })
  }
})

describe('a message of which any byte was changed does no harm:', () => {
  const CHANGES = [1, 0x80, 0xff]
  const known = new Set(Object.keys(AlertDescription))
  for (const [side, index, message] of all) {
    test(nameOf(side, index, message), () => {
      for (let at = 0; at < message.body.length; at++) {
        const hooks = replacing(index, ({ type, body }) => {
          const changed = Uint8Array.from(body)
          changed[at] = (changed[at] ?? 0) ^ (CHANGES[at % CHANGES.length] ?? 0)
          return [rawMessage(type, changed)]
        })
        const { client, server } = misbehave(side, hooks, kinds.everything())
        // Tickets are the only messages that no Finished covers.
        if (message.type !== HandshakeType.new_session_ticket) {
          assert.ok(client.error ?? server.error, `nobody minds byte ${at}`)
          assert.ok(!(client.connection.state === 'open' && server.connection.state === 'open'))
        }
        for (const alert of [...client.alerts, ...server.alerts]) assert.ok(known.has(alert), alert)
      }
    })
  }
})

describe('a message that is too long is refused before it is there:', () => {
  for (const [side, index, message] of all) {
    test(nameOf(side, index, message), () => {
      const hooks = replacing(index, ({ type, body }) => [rawMessage(type, body.subarray(0, 10), 2 ** 24 - 1)])
      assert.equal(alertAgainst(side, hooks, kinds.everything()), 'illegal_parameter')
    })
  }
})

describe('a message that is missing is noticed:', () => {
  for (const [side, index, message] of all) {
    // What is last is not missed, and without a hello there is nothing but silence.
    if (message.type === HandshakeType.new_session_ticket || message.type === HandshakeType.client_hello) continue
    if (side === 'client' && message.type === HandshakeType.finished) continue
    if (side === 'server' && index === 0) continue
    test(nameOf(side, index, message), () => {
      const isLast = side === 'server' && message.type === HandshakeType.finished
      const hooks = replacing(index, () => [])
      if (isLast) {
        assert.equal(misbehave(side, hooks, kinds.everything()).client.connection.state, 'handshake')
      } else {
        // A CertificateRequest need not come, so it is the signature over it that is missed.
        const isOptional = message.type === HandshakeType.certificate_request
        const expected = isOptional ? 'decrypt_error' : 'unexpected_message'
        assert.equal(alertAgainst(side, hooks, kinds.everything()), expected)
      }
    })
  }
})

describe('a message that nobody waits for is refused in every state:', () => {
  const types = [...Object.values(HandshakeType), 0, 3, 14, 16, 22, 99, 255]
  for (const [side, index, message] of all) {
    test(`before ${nameOf(side, index, message)}`, () => {
      for (const type of types) {
        const isWelcome =
          type === message.type ||
          // A CertificateRequest need not come, and after the handshake two kinds of messages may.
          (message.type === HandshakeType.certificate_request && type === HandshakeType.certificate) ||
          (message.type === HandshakeType.new_session_ticket && type === HandshakeType.key_update)
        if (isWelcome) continue
        const hooks = replacing(index, ({ raw }) => [rawMessage(type, Uint8Array.of(0)), raw])
        assert.equal(alertAgainst(side, hooks, kinds.everything()), 'unexpected_message', messageName(type))
      }
    })

    if (message.type === HandshakeType.new_session_ticket) continue
    test(`again after ${nameOf(side, index, message)}`, () => {
      const hooks = replacing(index, ({ raw }) => [raw, raw])
      const pair = misbehave(side, hooks, kinds.everything())
      const victim = side === 'client' ? pair.server : pair.client
      // A repeated message that looks like the next one is none all the same.
      const allowed = ['unexpected_message', 'illegal_parameter', 'bad_record_mac', 'decrypt_error']
      assert.ok(allowed.includes(victim.alerts[0] ?? ''), victim.alerts[0])
    })
  }
})

describe('an extension that stands twice is refused:', () => {
  for (const [side, index, message] of all) {
    if (!placeOf(message)) continue
    const list = extensionsOf(message)
    for (const [at, { type }] of list.entries()) {
      test(`${type} in ${nameOf(side, index, message)}`, () => {
        const hooks = replacing(index, received => [
          withExtensions(received, extensions => {
            const twice = extensions[at]
            assert.ok(twice)
            // In front of the others: pre_shared_key has to stay the last.
            return [twice, ...extensions]
          }),
        ])
        const expected = nameOf(side, index, message).startsWith('server_hello of the server (its message 1)')
          ? 'illegal_parameter'
          : 'decode_error'
        assert.equal(alertAgainst(side, hooks, kinds.everything()), expected)
      })
    }
  }

  test('an unknown one too', () => {
    const twice = { type: 0xabcd, data: Uint8Array.of(1) }
    const hooks = replacing(0, hello => [withExtensions(hello, list => [twice, ...list, twice])])
    assert.equal(alertAgainst('client', hooks), 'decode_error')
  })
})

describe('an extension in the wrong message is refused:', () => {
  /** The types in the ClientHello of `everything`: what the server's answers may hold. */
  const offered = new Set(extensionsOf(honest.client[0] ?? assert.fail()).map(({ type }) => type))

  for (const [side, index, message] of all) {
    const place = placeOf(message)
    if (!place) continue
    test(nameOf(side, index, message), () => {
      const present = new Set(extensionsOf(message).map(({ type }) => type))
      const isAnswer = place !== 'client_hello' && place !== 'certificate_request' && place !== 'new_session_ticket'
      for (const row of baseRows) {
        if (present.has(row.type)) continue
        const isAsked = side === 'server' && offered.has(row.type)
        const isKnown: boolean = row.slots[place] !== undefined
        if (isKnown && (!isAnswer || isAsked || row.isSolicitedElsewhere)) continue
        const extra: RawExtension = { type: row.type, data: new Uint8Array(0) }
        const hooks = replacing(index, received => [withExtensions(received, list => [extra, ...list])])
        const expected: string = isKnown ? 'unsupported_extension' : 'illegal_parameter'
        assert.equal(alertAgainst(side, hooks, kinds.everything()), expected, `${row.name} in ${place}`)
      }
      const unknown: RawExtension = { type: 0x2a2a, data: Uint8Array.of(1, 2) }
      const hooks = replacing(index, received => [withExtensions(received, list => [unknown, ...list])])
      if (isAnswer) assert.equal(alertAgainst(side, hooks, kinds.everything()), 'unsupported_extension')
    })
  }

  test('the table is that of RFC 8446 §4.2', () => {
    const abbreviations = {
      client_hello: 'CH',
      server_hello: 'SH',
      hello_retry_request: 'HRR',
      encrypted_extensions: 'EE',
      certificate_request: 'CR',
      certificate: 'CT',
      new_session_ticket: 'NST',
    } as const
    const table = Object.fromEntries(
      baseRows.map(({ name, type, slots }) => {
        const places = Object.keys(slots).map(place => abbreviations[place as keyof typeof abbreviations])
        return [`${type} ${name}`, places.sort().join(' ')]
      }),
    )
    assert.deepEqual(table, {
      '0 server_name': 'CH EE',
      '5 status_request': 'CH CR CT',
      '10 supported_groups': 'CH EE',
      '13 signature_algorithms': 'CH CR',
      '16 application_layer_protocol_negotiation': 'CH EE',
      '19 client_certificate_type': 'CH EE',
      '20 server_certificate_type': 'CH EE',
      '27 compress_certificate': 'CH CR',
      '28 record_size_limit': 'CH EE',
      '41 pre_shared_key': 'CH SH',
      '42 early_data': 'CH EE NST',
      '43 supported_versions': 'CH HRR SH',
      '44 cookie': 'CH HRR',
      '45 psk_key_exchange_modes': 'CH',
      '47 certificate_authorities': 'CH CR',
      '49 post_handshake_auth': 'CH',
      '50 signature_algorithms_cert': 'CH CR',
      '54 connection_id': 'CH SH',
      '51 key_share': 'CH HRR SH',
      '62 tls_flags': 'NST',
    })
  })
})
