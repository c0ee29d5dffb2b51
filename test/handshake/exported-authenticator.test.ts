import assert from 'node:assert/strict'
import { createHash, createHmac, verify as cryptoVerify, X509Certificate } from 'node:crypto'
import test, { before, describe } from 'node:test'
import { concat, equalBytes } from '#src/bytes/index.js'
import { SignatureScheme } from '#src/crypto/index.js'
import {
  AuthenticatorExchange,
  type AuthenticatorRequest,
  authenticatorContext,
  type Credential,
  defaultSignatureSchemes,
  Machine,
  MisuseError,
  ProtocolError,
  type Step,
} from '#src/handshake/index.js'
import { alertOf, connectedPair, credentialFor, type Pair } from '../support/pair.js'

const CONTEXT = Uint8Array.of(1, 2, 3, 4)
const carrier = { signal: new AbortController().signal }
let pair: Pair

before(async () => {
  pair = await connectedPair()
})

function exchanges(of: Pair = pair) {
  return {
    client: new AuthenticatorExchange({ side: 'client', established: of.client.established }),
    server: new AuthenticatorExchange({ side: 'server', established: of.server.established }),
  }
}

/** What a step with a key at hand comes to. */
function now<T>(step: Step<T>): T {
  const machine = new Machine(step)
  machine.start()
  if (!machine.result) throw new Error('the step waits')
  return machine.result.value
}

function ask(exchange: AuthenticatorExchange, context = CONTEXT, signatureSchemes = defaultSignatureSchemes) {
  return exchange.request({ context, signatureSchemes })
}

function answer(exchange: AuthenticatorExchange, request: AuthenticatorRequest, credential: Credential = second()) {
  return now(exchange.authenticate(exchange.readRequest(request.raw), credential, carrier))
}

const second = () => credentialFor('second.test')

function alertIn(step: () => unknown): string | undefined {
  try {
    step()
  } catch (error) {
    assert.ok(error instanceof Error)
    return alertOf(error)
  }
  return assert.fail('it was accepted')
}

/** The messages of an authenticator, and one made of them. */
function messagesOf(authenticator: Uint8Array): Uint8Array[] {
  const messages: Uint8Array[] = []
  for (let at = 0; at < authenticator.length; ) {
    const [, a = 0, b = 0, c = 0] = authenticator.subarray(at)
    const end = at + 4 + ((a << 16) | (b << 8) | c)
    messages.push(authenticator.slice(at, end))
    at = end
  }
  return messages
}

describe('an exported authenticator', () => {
  for (const [asker, answerer] of [
    ['client', 'server'],
    ['server', 'client'],
  ] as const) {
    test(`is accepted by the ${asker} that asked for it`, () => {
      const ends = exchanges()
      const request = ask(ends[asker])
      const received = ends[asker].check(request, answer(ends[answerer], request))
      assert.deepEqual(received?.context, CONTEXT)
      assert.deepEqual(received?.entries[0]?.data, second().entries[0]?.data)
      assert.ok(received && equalBytes(received.publicKey.spki, second().key.publicKey.spki))
      assert.equal(received?.signatureScheme, SignatureScheme.ecdsa_secp256r1_sha256)
    })

    test(`is byte for byte what RFC 9261 says, where the ${answerer} authenticates`, () => {
      const ends = exchanges()
      const request = ask(ends[asker])
      const authenticator = answer(ends[answerer], request)
      const [certificate, signed, finished, ...more] = messagesOf(authenticator)
      assert.ok(certificate && signed && finished && more.length === 0)
      assert.equal(request.raw[0], asker === 'client' ? 17 : 13)

      const { exporter, suite } = pair[asker].established
      const length = suite.hash === 'sha384' ? 48 : 32
      const handshakeContext = exporter.derive(
        `EXPORTER-${answerer} authenticator handshake context`,
        new Uint8Array(),
        length,
      )
      const key = exporter.derive(`EXPORTER-${answerer} authenticator finished key`, new Uint8Array(), length)
      const digest = (...parts: Uint8Array[]) => createHash(suite.hash).update(Buffer.concat(parts)).digest()
      const content = Buffer.concat([
        Buffer.alloc(64, 0x20),
        Buffer.from('Exported Authenticator\0'),
        digest(handshakeContext, request.raw, certificate),
      ])
      const leaf = new X509Certificate(second().entries[0]?.data ?? new Uint8Array())
      const { publicKey } = leaf
      assert.ok(cryptoVerify('sha256', content, publicKey, signed.subarray(8)))
      const mac = createHmac(suite.hash, key)
        .update(digest(handshakeContext, request.raw, certificate, signed))
        .digest()
      assert.deepEqual(Buffer.from(finished), Buffer.concat([Buffer.from([20, 0, 0, length]), mac]))
    })
  }

  test('tells its context', () => {
    const ends = exchanges()
    const request = ask(ends.client)
    assert.deepEqual(authenticatorContext(answer(ends.server, request)), CONTEXT)
    assert.equal(authenticatorContext(exchanges().server.refuse(request)), null)
  })

  test('may be empty, which is told apart and checked too', () => {
    const ends = exchanges()
    const request = ask(ends.client)
    const refusal = ends.server.refuse(ends.server.readRequest(request.raw))
    assert.equal(messagesOf(refusal).length, 1)
    assert.equal(ends.client.check(request, refusal), null)

    const other = exchanges()
    const forged = Uint8Array.from(refusal)
    forged[forged.length - 1] = (forged.at(-1) ?? 0) ^ 1
    assert.equal(
      alertIn(() => other.client.check(ask(other.client), forged)),
      'decrypt_error',
    )
  })

  test('may come from a server unasked, once, and from no client', () => {
    const ends = exchanges()
    const unasked = now(ends.server.authenticateUnasked(CONTEXT, second(), defaultSignatureSchemes, carrier))
    const received = ends.client.checkUnasked(unasked, defaultSignatureSchemes, new Set())
    assert.deepEqual(received.context, CONTEXT)
    assert.equal(
      alertIn(() => ends.client.checkUnasked(unasked, defaultSignatureSchemes, new Set())),
      'illegal_parameter',
    )
    assert.throws(
      () => now(ends.client.authenticateUnasked(CONTEXT, second(), defaultSignatureSchemes, carrier)),
      MisuseError,
    )
    assert.equal(
      alertIn(() => ends.server.checkUnasked(unasked, defaultSignatureSchemes, new Set())),
      'unexpected_message',
    )
  })
})

describe('a request', () => {
  test('never uses a context twice', () => {
    const ends = exchanges()
    ask(ends.client)
    assert.throws(() => ask(ends.client), MisuseError)
  })

  test('is answered once, and refused or answered, not both', () => {
    const ends = exchanges()
    const request = ask(ends.client)
    answer(ends.server, request)
    assert.equal(
      alertIn(() => answer(ends.server, request)),
      'illegal_parameter',
    )
    assert.equal(
      alertIn(() => ends.server.refuse(request)),
      'illegal_parameter',
    )
  })

  test('takes one answer', () => {
    const ends = exchanges()
    const request = ask(ends.client)
    const authenticator = answer(ends.server, request)
    ends.client.check(request, authenticator)
    assert.throws(() => ends.client.check(request, authenticator), MisuseError)
  })

  test('has to come from the other side, whole and alone', () => {
    const ends = exchanges()
    const request = ask(ends.client)
    assert.equal(
      alertIn(() => ends.client.readRequest(request.raw)),
      'unexpected_message',
    )
    assert.equal(
      alertIn(() => ends.server.readRequest(concat(request.raw, request.raw))),
      'unexpected_message',
    )
    assert.equal(
      alertIn(() => ends.server.readRequest(new Uint8Array())),
      'unexpected_message',
    )
    for (let length = 1; length < request.raw.length; length++) {
      assert.equal(
        alertIn(() => ends.server.readRequest(request.raw.subarray(0, length))),
        'decode_error',
      )
    }
  })

  test('names the signature schemes that count', () => {
    const ends = exchanges()
    const request = ask(ends.client, CONTEXT, [SignatureScheme.ed25519])
    assert.equal(
      alertIn(() => answer(ends.server, request)),
      'handshake_failure',
    )
  })
})

describe('contexts that ascend', () => {
  const ascending = () => ({
    client: new AuthenticatorExchange({
      side: 'client',
      established: pair.client.established,
      hasAscendingContexts: true,
    }),
    server: new AuthenticatorExchange({
      side: 'server',
      established: pair.server.established,
      hasAscendingContexts: true,
    }),
  })
  const context = (number: number) => Uint8Array.of(1, number >> 16, number >> 8, number)

  test('are as many as there may be', () => {
    const { client, server } = ascending()
    const request = server.readRequest(ask(client).raw)
    // More than are remembered where they may come in any order.
    for (let number = 0; number <= 2 ** 16; number++) server.refuse({ ...request, context: context(number) })
  })

  test('come neither twice nor out of order', () => {
    const { client, server } = ascending()
    for (const late of [5, 4]) {
      const ends = ascending()
      ask(ends.client, context(5))
      assert.throws(() => ask(ends.client, context(late)), MisuseError)
    }
    const earlier = ask(client, context(7))
    answer(server, ask(client, context(8)))
    assert.equal(
      alertIn(() => answer(server, earlier)),
      'illegal_parameter',
    )
  })
})

describe('an authenticator that was tampered with', () => {
  const changed = (message: Uint8Array | undefined, at: number) => {
    const copy = Uint8Array.from(message ?? [])
    copy[at < 0 ? copy.length + at : at] = (copy.at(at) ?? 0) ^ 1
    return copy
  }

  test('is refused wherever it was', () => {
    const ends = exchanges()
    const request = ask(ends.client)
    const authenticator = answer(ends.server, request)
    for (let at = 0; at < authenticator.length; at += 7) {
      const fresh = exchanges()
      alertIn(() => fresh.client.check(ask(fresh.client), changed(authenticator, at)))
    }
  })

  test('is refused if messages are missing, doubled, swapped or followed by something', () => {
    const ends = exchanges()
    const [certificate, signed, finished] = messagesOf(answer(ends.server, ask(ends.client)))
    assert.ok(certificate && signed && finished)
    const wrong = [
      concat(),
      certificate,
      concat(certificate, finished),
      concat(certificate, signed),
      concat(signed, certificate, finished),
      concat(certificate, signed, finished, finished),
      concat(finished, finished),
      concat(certificate, certificate, signed, finished),
      concat(certificate, signed, finished, finished, finished),
    ]
    for (const authenticator of wrong) {
      const fresh = exchanges()
      assert.equal(
        alertIn(() => fresh.client.check(ask(fresh.client), authenticator)),
        'unexpected_message',
      )
    }
    const cut = concat(certificate, signed, finished.subarray(0, -1))
    const fresh = exchanges()
    assert.equal(
      alertIn(() => fresh.client.check(ask(fresh.client), cut)),
      'decode_error',
    )
    const longer = exchanges()
    const trailing = concat(certificate, signed, finished, Uint8Array.of(0))
    assert.equal(
      alertIn(() => longer.client.check(ask(longer.client), trailing)),
      'decode_error',
    )
  })

  test('is refused on another connection of the same peers', async () => {
    const elsewhere = exchanges(await connectedPair())
    const ends = exchanges()
    const authenticator = answer(elsewhere.server, ask(elsewhere.client))
    assert.equal(
      alertIn(() => ends.client.check(ask(ends.client), authenticator)),
      'decrypt_error',
    )
  })

  test('is refused where another request is answered', () => {
    const ends = exchanges()
    const authenticator = answer(ends.server, ask(ends.client))
    const later = ask(ends.client, Uint8Array.of(9))
    assert.equal(
      alertIn(() => ends.client.check(later, authenticator)),
      'decrypt_error',
    )
  })

  test('is refused where a side is shown its own', () => {
    const ends = exchanges()
    const request = ask(ends.client)
    // As if the client were a server: everything else is the same.
    const mirror = new AuthenticatorExchange({ side: 'server', established: pair.server.established })
    const authenticator = answer(mirror, request)
    const own = new AuthenticatorExchange({ side: 'server', established: pair.server.established })
    assert.equal(
      alertIn(() => own.check(ask(own), authenticator)),
      'decrypt_error',
    )
  })

  test('is refused if the key in it is not the one that signed', () => {
    const ends = exchanges()
    const request = ask(ends.client)
    const authenticator = answer(ends.server, request)
    const other = credentialFor('other.test').key.publicKey
    assert.equal(
      alertIn(() => ends.client.check(request, authenticator, () => other)),
      'decrypt_error',
    )
  })

  test('is refused if it holds an extension that was not asked for', () => {
    const ends = exchanges()
    const request = ask(ends.client)
    const [entry] = second().entries
    assert.ok(entry)
    const extended = { ...second(), entries: [{ ...entry, extensions: [{ type: 0xff00, data: Uint8Array.of(1) }] }] }
    const authenticator = answer(ends.server, request, extended)
    assert.equal(
      alertIn(() => ends.client.check(request, authenticator)),
      'unsupported_extension',
    )
  })

  test('is refused if it is larger than what is taken', () => {
    const small = new AuthenticatorExchange({
      side: 'client',
      established: pair.client.established,
      maxCertificateLength: 100,
    })
    const request = ask(small)
    assert.throws(() => small.check(request, answer(exchanges().server, request)), ProtocolError)
  })
})
