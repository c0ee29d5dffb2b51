import assert from 'node:assert/strict'
import test, { describe } from 'node:test'
import fc from 'fast-check'
import { type Codec, concat, uint8 } from '#src/bytes/index.js'
import {
  alertFor,
  alertName,
  decodeMessage,
  type ExtensionRow,
  ExtensionTable,
  encodeMessage,
  extension,
  Machine,
  type Message,
  MessageAssembler,
  ProtocolError,
  receive,
  type Step,
  until,
} from '#src/handshake/index.js'
import {
  Certificate,
  CertificateVerify,
  ClientHello,
  EncryptedExtensions,
  Finished,
  NewSessionTicket,
  ServerHello,
} from '#src/handshake/messages.js'
import { retried, simple } from '../support/rfc8448.js'

const messageOf = (raw: Uint8Array): Message => ({ type: raw[0] ?? 0, raw, body: raw.subarray(4) })

describe('the messages of RFC 8448', () => {
  const rows: readonly (readonly [string, Codec<never> | Codec<unknown>, Uint8Array])[] = [
    ['ClientHello', ClientHello, simple.clientHello],
    ['ServerHello', ServerHello, simple.serverHello],
    ['EncryptedExtensions', EncryptedExtensions, simple.encryptedExtensions],
    ['Certificate', Certificate, simple.certificate],
    ['CertificateVerify', CertificateVerify, simple.certificateVerify],
    ['Finished', Finished, simple.clientFinished],
    ['NewSessionTicket', NewSessionTicket, simple.newSessionTicket],
    ['the first ClientHello of two', ClientHello, retried.clientHello1],
    ['HelloRetryRequest', ServerHello, retried.helloRetryRequest],
    ['the second ClientHello', ClientHello, retried.clientHello2],
  ]
  for (const [name, codec, raw] of rows) {
    test(`come back as they were: ${name}`, () => {
      const value = decodeMessage(codec, messageOf(raw))
      assert.deepEqual(encodeMessage(raw[0] ?? 0, codec, value), raw)
    })
  }

  test('say in a complaint which they are', () => {
    const cut = { ...messageOf(simple.clientHello), body: simple.clientHello.subarray(4, 20) }
    assert.throws(() => decodeMessage(ClientHello, cut), /^Error: client_hello: /)
  })
})

describe('a message assembler', () => {
  const messages = [simple.encryptedExtensions, simple.certificate, simple.certificateVerify, simple.serverFinished]
  const stream = concat(...messages)

  test('gives the same messages whatever the records', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 50 }), lengths => {
        const assembler = new MessageAssembler(() => 1000)
        const found: Uint8Array[] = []
        for (let at = 0, i = 0; at < stream.length; i++) {
          const end = Math.min(stream.length, at + (lengths[i % lengths.length] ?? 1))
          assembler.add(stream.slice(at, end))
          for (let message = assembler.take(); message; message = assembler.take()) found.push(message.raw)
          at = end
        }
        // Looked at in the end only: no later record may have changed what was given.
        assert.deepEqual(found, messages)
        assert.ok(!assembler.isPartial)
      }),
      { numRuns: 100 },
    )
  })

  test('asks about a message as soon as its header is there', () => {
    const asked: number[] = []
    const assembler = new MessageAssembler(type => {
      asked.push(type)
      return 10
    })
    assembler.add(Uint8Array.of(11, 0, 0))
    assert.equal(assembler.take(), undefined)
    assert.deepEqual(asked, [])
    assembler.add(Uint8Array.of(11))
    assert.throws(() => assembler.take(), /certificate of 11 bytes is too long/)
  })
})

describe('an extension table', () => {
  const known = extension(1, 'known', { client_hello: uint8, encrypted_extensions: uint8 })
  const elsewhere = extension(2, 'elsewhere', { client_hello: uint8 }, { isUnknownElsewhere: true })
  const solicited = extension(3, 'solicited', { certificate: uint8 }, { isSolicitedElsewhere: true })
  const table = new ExtensionTable([known.row, elsewhere.row, solicited.row])
  const value = (type: number, ...data: readonly number[]) => ({ type, data: Uint8Array.from(data) })
  const none: ReadonlySet<number> = new Set()

  test('gives values by the slot of their message, and the types in order', () => {
    const read = table.readOffer('client_hello', [value(9), value(1, 7)])
    assert.equal(read.get(known.client_hello), 7)
    assert.deepEqual(read.types, [9, 1])
    assert.ok(read.has(known.client_hello))
    assert.equal(read.get(elsewhere.client_hello), undefined)
    assert.throws(() => read.need(elsewhere.client_hello), /elsewhere is missing/)
  })

  const rows: readonly (readonly [string, () => unknown, string])[] = [
    ['a known one elsewhere', () => table.readOffer('certificate_request', [value(1, 0)]), 'illegal_parameter'],
    [
      'one that nobody asked for',
      () => table.readResponse('encrypted_extensions', [value(1, 0)], none),
      'unsupported_extension',
    ],
    [
      'an unknown one in an answer',
      () => table.readResponse('encrypted_extensions', [value(9)], none),
      'unsupported_extension',
    ],
    ['one twice', () => table.readOffer('client_hello', [value(9), value(9)]), 'decode_error'],
    ['one with a broken value', () => table.readOffer('client_hello', [value(1)]), 'decode_error'],
    ['one with something behind its value', () => table.readOffer('client_hello', [value(1, 1, 1)]), 'decode_error'],
  ]
  for (const [name, read, alert] of rows) {
    test(`refuses ${name}`, () => {
      assert.throws(read, error => alertName(alertFor(error)) === alert)
    })
  }

  test('lets a number mean something else elsewhere, and an answer be asked for elsewhere', () => {
    assert.equal(table.readOffer('certificate_request', [value(2, 1)]).has(elsewhere.client_hello), false)
    assert.equal(table.readResponse('certificate', [value(3, 5)], none).get(solicited.certificate), 5)
  })

  test('has one row for a number', () => {
    const rows: readonly ExtensionRow[] = [known.row, extension(1, 'other', {}).row]
    assert.throws(() => new ExtensionTable(rows), RangeError)
  })
})

describe('a machine', () => {
  const message = (type: number): Message => messageOf(encodeMessage(type, uint8, 0))
  function* steps(seen: unknown[], answer: Promise<string>): Step<string> {
    seen.push((yield* receive(1, 2)).type)
    seen.push(yield* until('there already'))
    try {
      seen.push(yield* until(answer))
    } catch (error) {
      seen.push(error)
    }
    seen.push((yield* receive(20)).type)
    return 'result'
  }

  test('gives messages that are welcome, waits for the world, and ends with a result', async () => {
    for (const answer of [Promise.resolve('answered'), Promise.reject(new Error('no'))]) {
      const seen: unknown[] = []
      const machine = new Machine(steps(seen, answer))
      machine.start()
      assert.throws(() => machine.receive(message(20)), /finished came where client_hello or server_hello is expected/)
      machine.receive(message(2))
      assert.ok(machine.pause)
      assert.throws(() => machine.receive(message(20)), /none is expected/)
      machine.resume()
      assert.ok(machine.pause, 'resuming too early changes nothing')
      await machine.pause
      machine.resume()
      assert.equal(machine.pause, undefined)
      machine.receive(message(20))
      assert.deepEqual(machine.result, { value: 'result' })
      assert.equal(seen.length, 4)
      assert.throws(() => machine.receive(message(20)), ProtocolError)
    }
  })

  test('that is stopped goes no further', async () => {
    const seen: unknown[] = []
    const answer = Promise.resolve('answered')
    const machine = new Machine(steps(seen, answer))
    machine.start()
    machine.receive(message(1))
    machine.stop()
    await answer
    machine.resume()
    assert.equal(seen.length, 2)
    assert.equal(machine.result, undefined)
  })
})

test('an alert has a name, or its number', () => {
  assert.equal(alertName(40), 'handshake_failure')
  assert.equal(alertName(224), 'alert_224')
  assert.equal(alertFor(new Error('ours')), 80)
  assert.equal(alertFor(new ProtocolError(224, 'a plug says so')), 224)
})
