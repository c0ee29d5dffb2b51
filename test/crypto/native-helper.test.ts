import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createHmac, createPrivateKey } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import test, { describe } from 'node:test'
import { Worker } from 'node:worker_threads'
import fc from 'fast-check'
import { hex } from '#src/bytes/index.js'
import { NodeAeadCipher } from '#src/crypto/aead-cipher.js'
import { chooseImplementation } from '#src/crypto/implementation.js'
import { aeadAlgorithms, NONCE_LENGTH, TAG_LENGTH } from '#src/crypto/index.js'
import type { NativeHelper } from '#src/crypto/native-helper.js'
import { builtHelper, program, temporaryFolder, withCompiler } from '../support/native.js'
import { makeRoot } from '../support/pki.js'
import { repositoryRoot } from '../support/skip.js'

/*
 * The optional native helper, beside node:crypto: what it seals and opens, what it refuses, and who may refuse it.
 */

const folder = temporaryFolder()

/** What is called with whatever it may be called with. */
type Hostile = Readonly<Record<'newKey' | 'forget' | 'seal' | 'open', (...args: readonly unknown[]) => unknown>>

const root = makeRoot({ name: 'anybody' })
const algorithms = Object.values(aeadAlgorithms)

describe('the native helper', withCompiler, () => {
  if (withCompiler.skip) return
  const file = builtHelper(folder)
  const helper: NativeHelper = createRequire(import.meta.url)(file)
  const choice = chooseImplementation(file)

  for (const algorithm of algorithms) {
    test(`seals and opens with ${algorithm.name} byte for byte as node:crypto does, in place and apart`, () => {
      const bytes = (minLength: number, maxLength = minLength) => fc.uint8Array({ minLength, maxLength })
      const lengths = fc.oneof(
        fc.constantFrom(0, 1, 15, 16, 17, 16_384, 16_385, 70_000),
        fc.integer({ min: 0, max: 600 }),
      )
      const key = bytes(algorithm.keyLength)
      const nonces = fc.array(bytes(NONCE_LENGTH), { minLength: 1, maxLength: 3 })
      fc.assert(
        fc.property(key, nonces, bytes(0, 40), lengths, fc.nat(255), (key, nonces, aad, length, fill) => {
          const ours = choice.cipherOf(algorithm, key)
          const theirs = new NodeAeadCipher(algorithm, key)
          const plaintext = Uint8Array.from({ length }, (_, i) => (i * fill) ^ (i >> 8))
          for (const nonce of nonces) {
            const expected = new Uint8Array(length + TAG_LENGTH + 2).fill(9)
            theirs.seal(nonce, aad, plaintext, expected, 1)
            const apart = new Uint8Array(expected.length).fill(9)
            ours.seal(nonce, aad, plaintext, apart, 1)
            assert.deepEqual(apart, expected)
            const inPlace = new Uint8Array(expected.length).fill(9)
            inPlace.set(plaintext, 1)
            ours.seal(nonce, aad, inPlace.subarray(1, 1 + length), inPlace, 1)
            assert.deepEqual(inPlace, expected)
            const sealed = expected.subarray(1, -1)
            assert.deepEqual(ours.open(nonce, aad, sealed), plaintext)
            assert.deepEqual(theirs.open(nonce, aad, sealed), plaintext)
            const opened = ours.open(nonce, aad, sealed, sealed.subarray(0, length))
            assert.deepEqual(opened, plaintext)
            assert.equal(opened?.buffer, expected.buffer)
          }
        }),
        { numRuns: 60 },
      )
    })

    test(`refuses what node:crypto refuses under ${algorithm.name}, and leaves only zeros`, () => {
      const key = new Uint8Array(algorithm.keyLength).fill(3)
      const [nonce, aad] = [new Uint8Array(NONCE_LENGTH).fill(4), Uint8Array.of(23, 3, 3)]
      const sealed = new Uint8Array(50 + TAG_LENGTH)
      const theirs = new NodeAeadCipher(algorithm, key)
      theirs.seal(nonce, aad, new Uint8Array(50).fill(5), sealed, 0)
      const ours = choice.cipherOf(algorithm, key)
      const changed = (bytes: Uint8Array, i: number) => bytes.map((byte, j) => (i === j ? byte ^ 0x80 : byte))
      const cases = [
        ...[...sealed.keys()].map(i => [nonce, aad, changed(sealed, i)]),
        ...[...nonce.keys()].map(i => [changed(nonce, i), aad, sealed]),
        ...[...aad.keys()].map(i => [nonce, changed(aad, i), sealed]),
        [nonce, new Uint8Array(0), sealed],
        [nonce, aad, sealed.subarray(0, -1)],
        [nonce, aad, sealed.subarray(0, TAG_LENGTH)],
      ] as const
      for (const [nonce, aad, sealed] of cases) {
        assert.equal(theirs.open(nonce, aad, sealed), null)
        const output = new Uint8Array(sealed.length - TAG_LENGTH).fill(255)
        assert.equal(ours.open(nonce, aad, sealed, output), null)
        assert.ok(output.every(byte => byte === 0))
      }
      // A failure leaves the key as good as it was, and Node too, which takes what is in OpenSSL's queue of errors for its own.
      assert.equal(createPrivateKey(root.keyPem).type, 'private')
      const output = new Uint8Array(50)
      assert.deepEqual(ours.open(nonce, aad, sealed, output), output)
      assert.deepEqual(output, new Uint8Array(50).fill(5))
    })
  }

  test('keeps many keys apart, whatever their order, and the forgotten ones too', () => {
    const keys = Array.from({ length: 40 }, (_, i) => {
      const algorithm = algorithms[i % algorithms.length] ?? aeadAlgorithms.aes128gcm
      const bytes = () => new Uint8Array(algorithm.keyLength).fill(i + 1)
      return { ours: choice.cipherOf(algorithm, bytes()), theirs: new NodeAeadCipher(algorithm, bytes()) }
    })
    const [aad, plaintext] = [Uint8Array.of(1, 2), Uint8Array.of(3, 4, 5)]
    const sealedBy = (cipher: Pick<NodeAeadCipher, 'seal'>, count: number) => {
      const output = new Uint8Array(plaintext.length + TAG_LENGTH)
      cipher.seal(new Uint8Array(NONCE_LENGTH).fill(count), aad, plaintext, output, 0)
      return output
    }
    for (let count = 0; count < 2000; count++) {
      const { ours, theirs } = keys[(count * count + 7) % (keys.length - (count >> 8))] ?? assert.fail()
      assert.deepEqual(sealedBy(ours, count), sealedBy(theirs, count))
      assert.deepEqual(ours.open(new Uint8Array(NONCE_LENGTH).fill(count), aad, sealedBy(theirs, count)), plaintext)
      // Every now and then one goes, and is not used again.
      if (count % 256 === 255) keys[keys.length - (count >> 8) - 1]?.ours.wipe()
    }
  })

  test('wipes a key for good', () => {
    const bytes = new Uint8Array(16).fill(1)
    const cipher = choice.cipherOf(aeadAlgorithms.aes128gcm, bytes)
    const seal = () => cipher.seal(new Uint8Array(12), new Uint8Array(0), new Uint8Array(3), new Uint8Array(19), 0)
    seal()
    cipher.wipe()
    assert.deepEqual(bytes, new Uint8Array(16))
    assert.throws(seal, /no such key/)
    assert.throws(() => cipher.open(new Uint8Array(12), new Uint8Array(0), new Uint8Array(19)), /no such key/)
    cipher.wipe()
  })

  test('leaves no key and no MAC in the memory that it shares with JavaScript', () => {
    choice
      .cipherOf(aeadAlgorithms.aes256gcm, new Uint8Array(32).fill(201))
      .seal(new Uint8Array(12), Uint8Array.of(1), new Uint8Array(3), new Uint8Array(19), 0)
    const mac = choice.hmac.mac('sha512', choice.hmac.keyOf(new Uint8Array(64).fill(202)), new Uint8Array(90).fill(203))
    for (const byte of [201, 202, 203]) assert.ok(!helper.scratch.includes(byte))
    assert.equal(hex(helper.scratch).indexOf(hex(mac.subarray(0, 4))), -1)
  })

  test('does what does not fit into that memory all the same', () => {
    const [nonce, aad] = [new Uint8Array(12), new Uint8Array(5000).fill(6)]
    const ours = choice.cipherOf(aeadAlgorithms.aes128gcm, new Uint8Array(16).fill(1))
    const [sealed, expected] = [new Uint8Array(20), new Uint8Array(20)]
    ours.seal(nonce, aad, Uint8Array.of(1, 2, 3), sealed, 1)
    new NodeAeadCipher(aeadAlgorithms.aes128gcm, new Uint8Array(16).fill(1)).seal(
      nonce,
      aad,
      Uint8Array.of(1, 2, 3),
      expected,
      1,
    )
    assert.deepEqual(sealed, expected)
    assert.deepEqual(ours.open(nonce, aad, sealed.subarray(1)), Uint8Array.of(1, 2, 3))
  })

  describe('throws, and writes nothing, where an argument', () => {
    const { seal, open, forget } = helper as unknown as Hostile
    const key = helper.newKey()
    const bytes = (length: number) => new Uint8Array(length)
    const shared = new Uint8Array(200).fill(7)
    const gone = new Uint8Array(19)
    structuredClone(gone, { transfer: [gone.buffer] })

    const calls: readonly (readonly [string, () => unknown, RegExp])[] = [
      ['is missing', () => seal(0, key, 0, bytes(3)), /Uint8Array/],
      ['is no byte string', () => seal(0, key, 0, '000', bytes(19)), /Uint8Array/],
      ['is an array of other elements', () => seal(0, key, 0, new Uint16Array(4), shared), /Uint8Array/],
      ['is a bare ArrayBuffer', () => seal(0, key, 0, new ArrayBuffer(3), bytes(19)), /Uint8Array/],
      ['is a DataView', () => seal(0, key, 0, bytes(3), new DataView(new ArrayBuffer(19))), /Uint8Array/],
      ['only looks like bytes', () => seal(0, key, 0, { length: 3 }, bytes(19)), /Uint8Array/],
      ['is null', () => open(0, key, 0, null, bytes(3)), /Uint8Array/],
      ['was given away', () => seal(0, key, 0, bytes(3), gone), /wrong length/],
      ['is no algorithm', () => seal(3, key, 0, bytes(3), bytes(19)), /not known/],
      ['is an algorithm by name', () => seal('aes-128-gcm', key, 0, bytes(3), bytes(19)), /not known/],
      ['is half an algorithm', () => open(0.5, key, 0, bytes(19), bytes(3)), /not known/],
      ['is a negative algorithm', () => open(-1, key, 0, bytes(19), bytes(3)), /not known/],
      ['is a key that is to come', () => seal(0, key + 1000, 0, bytes(3), bytes(19)), /no such key/],
      ['is the key that is none', () => seal(0, 0, 0, bytes(3), bytes(19)), /no such key/],
      ['is a key by name', () => open(0, '1', 0, bytes(19), bytes(3)), /no such key/],
      ['is not a number', () => open(0, Number.NaN, 0, bytes(19), bytes(3)), /no such key/],
      ['is infinite', () => forget(Number.POSITIVE_INFINITY), /no such key/],
      ['is no key to forget', () => forget(), /no such key/],
      ['is more additional data than fit', () => seal(0, key, 981, bytes(3), bytes(19)), /do not fit/],
      ['is fewer additional data than none', () => seal(0, key, -1, bytes(3), bytes(19)), /do not fit/],
      ['is too short an output', () => seal(0, key, 0, bytes(3), shared.subarray(0, 18)), /wrong length/],
      ['is too long an output', () => seal(0, key, 0, bytes(3), shared.subarray(0, 20)), /wrong length/],
      ['is no room for a plaintext', () => open(0, key, 0, shared.slice(0, 30), shared.subarray(0, 13)), /length/],
      ['is shorter than a tag', () => open(0, key, 0, bytes(15), bytes(0)), /wrong length/],
      [
        'overlaps its output from the left',
        () => seal(0, key, 0, shared.subarray(0, 30), shared.subarray(1, 47)),
        /overlap/,
      ],
      [
        'overlaps its output from the right',
        () => open(0, key, 0, shared.subarray(1, 47), shared.subarray(0, 30)),
        /overlap/,
      ],
    ]
    for (const [what, call, message] of calls) {
      test(what, () => {
        assert.throws(call, message)
        assert.ok(shared.every(byte => byte === 7))
      })
    }

    test('is a nonce of another length', () => {
      const cipher = choice.cipherOf(aeadAlgorithms.aes128gcm, bytes(16))
      for (const length of [0, 11, 13]) {
        assert.throws(() => cipher.seal(bytes(length), bytes(0), bytes(3), bytes(19), 0), /12 bytes/)
        assert.throws(() => cipher.open(bytes(length), bytes(0), bytes(19)), /12 bytes/)
      }
    })
  })

  test('works in workers, each with keys of its own, and is let go of with them', async () => {
    const script = `
      const { workerData: { file, byte }, parentPort } = require('node:worker_threads')
      const helper = require(file)
      const [key, sealed] = [helper.newKey(), new Uint8Array(19)]
      for (let i = 0; i < 5000; i++) {
        helper.scratch.fill(byte, 0, 16)
        helper.scratch.fill(0, 32, 44)
        helper.seal(0, key, 0, new Uint8Array(3), sealed)
        helper.scratch.fill(byte, 0, 32)
        helper.hmac(0, 32, 0)
      }
      parentPort.postMessage([sealed, helper.scratch.slice(0, 32)])`
    const workers = [1, 2].map(byte => new Worker(script, { eval: true, workerData: { file, byte } }))
    const answers = await Promise.all(
      workers.map(
        worker => new Promise<unknown>((resolve, reject) => worker.once('message', resolve).once('error', reject)),
      ),
    )
    for (const [i, answer] of answers.entries()) {
      const sealed = new Uint8Array(19)
      new NodeAeadCipher(aeadAlgorithms.aes128gcm, new Uint8Array(16).fill(i + 1)).seal(
        new Uint8Array(12),
        new Uint8Array(0),
        new Uint8Array(3),
        sealed,
        0,
      )
      const mac = new Uint8Array(createHmac('sha256', new Uint8Array(32).fill(i + 1)).digest())
      assert.deepEqual(answer, [sealed, mac])
    }
    await Promise.all(workers.map(worker => worker.terminate()))
  })

  test('keeps nothing for a key, wiped or not', () => {
    const script = `
      const helper = require(${JSON.stringify(file)})
      const output = new Uint8Array(16)
      const use = count => {
        for (let i = 0; i < count; i++) helper.seal(1, helper.newKey(), 0, output.subarray(16), output)
        return process.memoryUsage.rss()
      }
      const before = use(10_000)
      console.log(use(100_000) - before)`
    const { status, stdout, stderr } = spawnSync(process.execPath, ['--eval', script], { encoding: 'utf8' })
    assert.equal(status, 0, stderr)
    // 100,000 contexts would be 80 MB and more.
    assert.ok(Number(stdout) < 15_000_000, stdout)
  })

  test('carries whole connections, as node:crypto does', () => {
    const names = ['handshake/key-schedule', 'tls/records', 'tls/hostile-records', 'dtls/records']
    const tests = names.map(name => join(repositoryRoot, 'build', 'test', `${name}.test.js`))
    const { NODE_TEST_CONTEXT: _, ...rest } = process.env
    const env = { ...rest, ATTESTED_TLS_NATIVE: file }
    const { status, stdout } = spawnSync(process.execPath, ['--test', '--test-concurrency=1', ...tests], {
      env,
      encoding: 'utf8',
    })
    assert.equal(status, 0, stdout)
  })

  test('is refused by ATTESTED_TLS_NATIVE=off, and used where its path is given', () => {
    assert.equal(chooseImplementation('off', file).implementation.name, 'node:crypto')
    for (const choice of [
      chooseImplementation(undefined, file),
      chooseImplementation('', file),
      chooseImplementation('require', file),
    ]) {
      assert.deepEqual(choice.implementation, chooseImplementation(file).implementation)
      assert.equal(choice.implementation.name, 'native')
      assert.equal(choice.implementation.file, file)
    }
  })

  test('is told of by the command line', () => {
    const status = (setting: string) =>
      spawnSync(process.execPath, [program, 'native'], {
        env: { ...process.env, ATTESTED_TLS_NATIVE: setting },
        encoding: 'utf8',
      })
    assert.match(status(file).stdout, /by the native helper/)
    assert.match(status('off').stdout, /by node:crypto: ATTESTED_TLS_NATIVE is off/)
    const wrong = status('on')
    assert.equal(wrong.status, 1)
    assert.match(wrong.stderr, /`off`, `require`, an absolute path or not set, not `on`/)
  })
})

describe('without the native helper', () => {
  const missing = join(folder, 'missing.node')

  test('node:crypto does the work, and nobody is bothered', () => {
    const { implementation } = chooseImplementation(undefined, missing)
    assert.equal(implementation.name, 'node:crypto')
    assert.match(implementation.reason, /was not built/)
  })

  test('whoever demands it is told so', () => {
    assert.throws(() => chooseImplementation('require', missing), /there is no .*missing\.node/)
    assert.throws(() => chooseImplementation(missing), /there is no .*missing\.node/)
    assert.throws(() => chooseImplementation('required', missing), /not `required`/)
    assert.throws(() => chooseImplementation('./helper.node', missing), /absolute path/)
  })

  for (const [what, text, reason] of [
    ['is none', 'no program', /./],
    ['exports something else', 'exports.seal = () => {}', /scratch/],
    ['seals wrongly', sealsNothing(), /agree with node:crypto/],
    ['opens anything', opensEverything(), /agree with node:crypto/],
  ] as const) {
    test(`a file that ${what} is not used: with a warning, or an error where it is demanded`, async () => {
      const file = join(folder, `${what.replaceAll(' ', '-')}.cjs`)
      writeFileSync(file, text)
      const warned = new Promise<Error>(resolve => {
        process.on('warning', function listener(warning) {
          if (!warning.message.includes(file) && !reason.test(warning.message)) return
          process.off('warning', listener)
          resolve(warning)
        })
      })
      const { implementation } = chooseImplementation(undefined, file)
      assert.equal(implementation.name, 'node:crypto')
      assert.match(implementation.reason, reason)
      assert.match((await warned).message, /node:crypto is used instead/)
      assert.throws(() => chooseImplementation('require', file), /cannot be used/)
    })
  }
})

/** A helper that does nothing. */
function sealsNothing(): string {
  return `Object.assign(exports, {
  scratch: new Uint8Array(1024), newKey: () => 1, forget() {}, seal() {}, open: () => true, hmac() {},
})`
}

/** A helper that seals as it should, and opens whatever it is given. */
function opensEverything(): string {
  return `const { createCipheriv, createDecipheriv } = require('node:crypto')
const NAMES = ['aes-128-gcm', 'aes-256-gcm', 'chacha20-poly1305']
const scratch = new Uint8Array(1024)
const given = algorithm => [NAMES[algorithm], scratch.slice(0, algorithm === 0 ? 16 : 32), scratch.slice(32, 44)]
Object.assign(exports, {
  scratch,
  newKey: () => 1,
  forget() {},
  hmac() {},
  seal(algorithm, key, aadLength, plaintext, output) {
    const cipher = createCipheriv(...given(algorithm), { authTagLength: 16 })
    cipher.setAAD(scratch.slice(44, 44 + aadLength))
    output.set(cipher.update(plaintext))
    cipher.final()
    output.set(cipher.getAuthTag(), plaintext.length)
  },
  open(algorithm, key, aadLength, sealed, output) {
    const decipher = createDecipheriv(...given(algorithm), { authTagLength: 16 })
    output.set(decipher.update(sealed.subarray(0, -16)))
    return true
  },
})`
}
