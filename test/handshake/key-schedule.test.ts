import assert from 'node:assert/strict'
import { createPrivateKey, createPublicKey, diffieHellman } from 'node:crypto'
import test, { describe } from 'node:test'
import { concat, EMPTY, hex, utf8 } from '#src/bytes/index.js'
import { hash, MacKey, RunningHash } from '#src/crypto/index.js'
import { EarlySecret, Exporter } from '#src/handshake/index.js'
import { Transcript } from '#src/handshake/transcript.js'
import { resumed, retried, simple } from '../support/rfc8448.js'

const early = new EarlySecret('sha256', null)

/** Hash of some messages of RFC 8448 §3. */
function hashOf(...messages: readonly Uint8Array[]): Uint8Array {
  return hash('sha256', ...messages)
}

describe('the key schedule of RFC 8448 §3', () => {
  const { clientHello, serverHello, encryptedExtensions, certificate, certificateVerify } = simple
  const hellos = hashOf(clientHello, serverHello)
  const toServerFinished = [
    clientHello,
    serverHello,
    encryptedExtensions,
    certificate,
    certificateVerify,
    simple.serverFinished,
  ]
  const handshake = early.handshakeSecret(simple.sharedSecret)
  const main = handshake.mainSecret()

  test('begins with the (EC)DHE secret', () => {
    const der = (prefix: string, key: Uint8Array) => Buffer.concat([Buffer.from(prefix, 'hex'), key])
    const privateKey = createPrivateKey({
      key: der('302e020100300506032b656e04220420', simple.clientPrivateKey),
      format: 'der',
      type: 'pkcs8',
    })
    const publicKey = createPublicKey({
      key: der('302a300506032b656e032100', simple.serverPublicKey),
      format: 'der',
      type: 'spki',
    })
    assert.equal(hex(diffieHellman({ privateKey, publicKey })), hex(simple.sharedSecret))
  })

  test('gives the traffic secrets of the handshake, their keys and their IVs', () => {
    const server = handshake.traffic('server', hellos)
    assert.equal(hex(handshake.traffic('client', hellos).export()), hex(simple.clientHandshakeTraffic))
    assert.equal(hex(server.export()), hex(simple.serverHandshakeTraffic))
    assert.equal(hex(server.key(16)), hex(simple.serverHandshakeKey))
    assert.equal(hex(server.iv()), hex(simple.serverHandshakeIv))
  })

  test('gives the verify_data of both Finished', () => {
    const server = handshake.traffic('server', hellos)
    const client = handshake.traffic('client', hellos)
    const beforeServer = hashOf(clientHello, serverHello, encryptedExtensions, certificate, certificateVerify)
    assert.equal(hex(server.verifyData(beforeServer)), hex(simple.serverFinished.subarray(4)))
    assert.equal(hex(client.verifyData(hashOf(...toServerFinished))), hex(simple.clientFinished.subarray(4)))
    assert.ok(server.isVerifyData(beforeServer, simple.serverFinished.subarray(4)))
    assert.ok(!server.isVerifyData(beforeServer, simple.clientFinished.subarray(4)))
    assert.ok(!server.isVerifyData(beforeServer, simple.serverFinished.subarray(5)))
  })

  test('gives the traffic secrets of the application and the exporter', () => {
    const finished = hashOf(...toServerFinished)
    assert.equal(hex(main.traffic('client', finished).export()), hex(simple.clientApplicationTraffic))
    assert.equal(hex(main.traffic('server', finished).export()), hex(simple.serverApplicationTraffic))
    assert.equal(hex(main.exporter(finished).export()), hex(simple.exporter))
  })

  test('gives the PSK of a ticket', () => {
    const resumption = main.resumption(hashOf(...toServerFinished, simple.clientFinished))
    assert.equal(hex(resumption.psk(Uint8Array.of(0, 0))), hex(simple.psk))
  })
})

describe('the key schedule of RFC 8448 §4', () => {
  const psk = new EarlySecret('sha256', simple.psk)

  test('gives the binder of the ticket', () => {
    const binder = psk.binderKey('resumption').verifyData(hashOf(resumed.clientHelloPrefix))
    assert.equal(hex(binder), hex(resumed.binder))
  })

  test('gives the secrets of early data', () => {
    const hello = hashOf(resumed.clientHelloPrefix, Uint8Array.of(0, 33, 32), resumed.binder)
    assert.equal(hex(psk.clientEarlyTraffic(hello).export()), hex(resumed.clientEarlyTraffic))
    assert.equal(hex(psk.earlyExporter(hello).export()), hex(resumed.earlyExporter))
  })
})

describe('the key schedule of RFC 8448 §5', () => {
  const transcript = new Transcript()
  transcript.add(retried.clientHello1)
  transcript.restart('sha256')
  transcript.add(retried.helloRetryRequest)
  transcript.add(retried.clientHello2)
  transcript.add(retried.serverHello)

  test('hashes message_hash instead of the first ClientHello', () => {
    assert.equal(hex(transcript.digest()), hex(retried.helloHash))
  })

  test('gives the traffic secrets of the handshake', () => {
    const handshake = early.handshakeSecret(retried.sharedSecret)
    const helloHash = transcript.digest()
    assert.equal(hex(handshake.traffic('client', helloHash).export()), hex(retried.clientHandshakeTraffic))
    assert.equal(hex(handshake.traffic('server', helloHash).export()), hex(retried.serverHandshakeTraffic))
  })
})

describe('a transcript', () => {
  test('keeps messages until the hash function is known', () => {
    const transcript = new Transcript()
    transcript.add(simple.clientHello)
    assert.throws(() => transcript.digest(), /no hash function/)
    transcript.begin('sha384')
    transcript.add(simple.serverHello)
    assert.deepEqual(transcript.digest(), hash('sha384', simple.clientHello, simple.serverHello))
  })

  test('hashes the start of a message that is being written, before and after the hash function is known', () => {
    const transcript = new Transcript()
    const part = simple.serverHello.subarray(0, 9)
    transcript.add(simple.clientHello)
    const expected = hash('sha256', simple.clientHello, part)
    assert.deepEqual(transcript.digestWith('sha256', part), expected)
    transcript.begin('sha256')
    assert.deepEqual(transcript.digestWith('sha256', part), expected)
    assert.deepEqual(transcript.digest(), hash('sha256', simple.clientHello))
  })

  test('restarts only after one ClientHello', () => {
    assert.throws(() => new Transcript().restart('sha256'), /one ClientHello/)
  })
})

describe('exporters', () => {
  // RFC 8446 §7.5, written out with node's HMAC by hand from the secret of RFC 8448 §3.
  const exporter = new Exporter(new MacKey('sha256', simple.exporter))

  test('take an absent context for the empty one and give any length', () => {
    const long = exporter.derive('EXPORTER-label', EMPTY, 100)
    assert.equal(long.length, 100)
    // A prefix of a longer output is not the shorter output: the length is part of the label.
    assert.notDeepEqual(exporter.derive('EXPORTER-label', EMPTY, 32), long.subarray(0, 32))
  })

  test('follow RFC 8446 §7.5', () => {
    const label = (name: string, context: Uint8Array, length: number) =>
      concat(
        Uint8Array.of(length >> 8, length, name.length + 6),
        utf8(`tls13 ${name}`),
        Uint8Array.of(context.length),
        context,
      )
    const perLabel = new MacKey('sha256', simple.exporter).expand(label('x', hash('sha256'), 32), 32)
    const expected = new MacKey('sha256', perLabel).expand(label('exporter', hash('sha256', utf8('c')), 48), 48)
    assert.deepEqual(exporter.derive('x', utf8('c'), 48), expected)
  })

  test('refuse lengths that HKDF cannot give, and labels that have no room', () => {
    assert.throws(() => exporter.derive('x', EMPTY, 255 * 32 + 1), RangeError)
    assert.throws(() => exporter.derive('x'.repeat(250), EMPTY, 32), RangeError)
  })
})

test('a running hash goes on after it was read', () => {
  const running = new RunningHash('sha256')
  running.update(utf8('a'))
  running.digest()
  assert.deepEqual(running.digestWith(utf8('c')), hash('sha256', utf8('ac')))
  running.update(utf8('b'))
  assert.deepEqual(running.digest(), hash('sha256', utf8('ab')))
})

test('a running hash that has ended still knows its last digest, and gives nothing else', () => {
  for (const length of [10, 9000]) {
    const running = new RunningHash('sha256')
    running.update(new Uint8Array(length))
    const digest = running.digest()
    running.end()
    assert.deepEqual(running.digest(), digest)
    // The next one uses the memory again, and must not find anything in it.
    const next = new RunningHash('sha256')
    assert.deepEqual(next.digest(), hash('sha256', new Uint8Array(0)))
    next.end()
    assert.throws(() => {
      next.update(utf8('a'))
      next.digest()
    })
  }
})

test('a running hash takes any length, in any pieces', () => {
  const input = Uint8Array.from({ length: 20_000 }, (_, i) => i)
  for (const step of [700, 3000, 9000, 20_000]) {
    const running = new RunningHash('sha384')
    for (let at = 0; at < input.length; at += step) {
      running.update(input.subarray(at, at + step))
      const end = Math.min(at + step, input.length)
      assert.deepEqual(running.digest(), hash('sha384', input.subarray(0, end)))
      assert.deepEqual(running.digestWith(utf8('x')), hash('sha384', input.subarray(0, end), utf8('x')))
    }
  }
})
