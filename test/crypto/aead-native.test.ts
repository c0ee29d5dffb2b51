import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createCipheriv } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { after, describe } from 'node:test'
import { Worker } from 'node:worker_threads'
import fc from 'fast-check'
import { hex } from '#src/bytes/index.js'
import { NodeAeadCipher } from '#src/crypto/aead-cipher.js'
import { chooseAead } from '#src/crypto/aead-native.js'
import { aeadAlgorithms, NONCE_LENGTH, TAG_LENGTH } from '#src/crypto/index.js'
import { hasProgram, optional, repositoryRoot } from '../support/skip.js'

/*
 * The optional native helper, beside node:crypto: what it seals and opens, what it refuses, and who may refuse it.
 */

const folder = mkdtempSync(join(tmpdir(), 'attested-tls-native-'))
after(() => rmSync(folder, { recursive: true }))

const withCompiler = optional('a C compiler', hasProgram('cc'), 'apt install gcc')
const helper = join(folder, 'aead.node')
const program = join(repositoryRoot, 'build', 'apps', 'cli', 'main.js')

function built(): string {
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, 'native', 'build', '--output', helper], {
    encoding: 'utf8',
  })
  assert.equal(status, 0, `${stdout}${stderr}`)
  // Nothing to be warned of in something that is to be trusted.
  assert.equal(stderr, '')
  return helper
}

interface NativeKey {
  seal(...args: readonly unknown[]): unknown
  open(...args: readonly unknown[]): unknown
}

const algorithms = Object.values(aeadAlgorithms)

describe('the native helper', withCompiler, () => {
  if (withCompiler.skip) return
  const file = built()
  const { AeadKey }: { AeadKey: new (...args: readonly unknown[]) => NativeKey } = createRequire(import.meta.url)(file)
  const choice = chooseAead(file)

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
      const ours = new AeadKey(algorithm.name, key)
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
        assert.equal(ours.open(nonce, aad, sealed, output), false)
        assert.ok(output.every(byte => byte === 0))
      }
      // A failure leaves the key as good as it was.
      const output = new Uint8Array(50)
      assert.equal(ours.open(nonce, aad, sealed, output), true)
      assert.deepEqual(output, new Uint8Array(50).fill(5))
    })
  }

  describe('throws, and writes nothing, where an argument', () => {
    const key = new AeadKey('aes-128-gcm', new Uint8Array(16))
    const [nonce, aad] = [new Uint8Array(12), new Uint8Array(5)]
    const shared = new Uint8Array(200).fill(7)
    const gone = new Uint8Array(12)
    structuredClone(gone, { transfer: [gone.buffer] })

    const calls: readonly (readonly [string, () => unknown, RegExp])[] = [
      ['is missing', () => key.seal(nonce, aad, new Uint8Array(3)), /Uint8Array/],
      ['is no byte string', () => key.seal('000000000000', aad, new Uint8Array(3), new Uint8Array(19)), /Uint8Array/],
      ['is an array of other elements', () => key.seal(nonce, new Uint16Array(4), shared, shared), /Uint8Array/],
      ['is a bare ArrayBuffer', () => key.seal(nonce, aad, new ArrayBuffer(3), new Uint8Array(19)), /Uint8Array/],
      ['is a DataView', () => key.seal(nonce, aad, new Uint8Array(3), new DataView(new ArrayBuffer(19))), /Uint8Array/],
      ['only looks like bytes', () => key.seal(nonce, aad, { length: 3 }, new Uint8Array(19)), /Uint8Array/],
      ['is null', () => key.open(nonce, null, new Uint8Array(19), new Uint8Array(3)), /Uint8Array/],
      ['was given away', () => key.seal(gone, aad, new Uint8Array(3), new Uint8Array(19)), /12 bytes/],
      ['is a nonce of 11 bytes', () => key.seal(nonce.subarray(1), aad, shared.subarray(0, 3), shared), /12 bytes/],
      ['is a nonce of 13 bytes', () => key.open(new Uint8Array(13), aad, shared, shared), /12 bytes/],
      ['is too short an output', () => key.seal(nonce, aad, new Uint8Array(3), shared.subarray(0, 18)), /wrong length/],
      ['is too long an output', () => key.seal(nonce, aad, new Uint8Array(3), shared.subarray(0, 20)), /wrong length/],
      ['is no room for a plaintext', () => key.open(nonce, aad, shared.slice(0, 30), shared.subarray(0, 13)), /length/],
      ['is shorter than a tag', () => key.open(nonce, aad, new Uint8Array(15), new Uint8Array(0)), /wrong length/],
      [
        'overlaps its output from the left',
        () => key.seal(nonce, aad, shared.subarray(0, 30), shared.subarray(1, 47)),
        /overlap/,
      ],
      [
        'overlaps its output from the right',
        () => key.open(nonce, aad, shared.subarray(1, 47), shared.subarray(0, 30)),
        /overlap/,
      ],
    ]
    for (const [what, call, message] of calls) {
      test(what, () => {
        assert.throws(call, message)
        assert.ok(shared.every(byte => byte === 7))
      })
    }

    test('of the constructor is wrong', () => {
      assert.throws(() => new AeadKey(), /string/)
      assert.throws(() => new AeadKey('aes-128-gcm'), /Uint8Array/)
      assert.throws(() => new AeadKey(1, new Uint8Array(16)), /string/)
      assert.throws(() => new AeadKey('aes-128-gcm', new Uint8Array(15)), /wrong length/)
      assert.throws(() => new AeadKey('aes-128-gcm', new Uint8Array(32)), /wrong length/)
      assert.throws(() => new AeadKey('chacha20-poly1305', new Uint8Array(16)), /wrong length/)
      for (const name of ['', 'aes-128-ccm', 'aes-128-gcm\0', 'aes-128-gcm'.repeat(9), 'AES-128-GCM']) {
        assert.throws(() => new AeadKey(name, new Uint8Array(16)), /not known/, name)
      }
      assert.throws(() => Reflect.apply(AeadKey, {}, ['aes-128-gcm', new Uint8Array(16)]), TypeError)
    })

    test('is a receiver that is no key', () => {
      const { seal } = AeadKey.prototype as NativeKey
      const args = [nonce, aad, new Uint8Array(3), new Uint8Array(19)]
      for (const receiver of [undefined, null, 1, {}, AeadKey.prototype, createCipheriv, Object.create(key)]) {
        assert.throws(() => Reflect.apply(seal, receiver, args), TypeError)
      }
      class Derived extends AeadKey {}
      new Derived('aes-128-gcm', new Uint8Array(16)).seal(...args)
    })
  })

  test('takes the key as it was when it was given', () => {
    const bytes = new Uint8Array(16).fill(1)
    const key = new AeadKey('aes-128-gcm', bytes)
    bytes.fill(0)
    const sealed = new Uint8Array(19)
    key.seal(new Uint8Array(12), new Uint8Array(0), new Uint8Array(3), sealed)
    const expected = new Uint8Array(19)
    new NodeAeadCipher(aeadAlgorithms.aes128gcm, new Uint8Array(16).fill(1)).seal(
      new Uint8Array(12),
      new Uint8Array(0),
      new Uint8Array(3),
      expected,
      0,
    )
    assert.equal(hex(sealed), hex(expected))
  })

  test('works in a worker, and is let go of with it', async () => {
    const script = `
      const { AeadKey } = require(${JSON.stringify(file)})
      const sealed = new Uint8Array(19)
      new AeadKey('aes-128-gcm', new Uint8Array(16)).seal(new Uint8Array(12), new Uint8Array(0), new Uint8Array(3), sealed)
      require('node:worker_threads').parentPort.postMessage(sealed)`
    const sealed = await new Promise((resolve, reject) => {
      new Worker(script, { eval: true }).on('message', resolve).on('error', reject)
    })
    const expected = new Uint8Array(19)
    new AeadKey('aes-128-gcm', new Uint8Array(16)).seal(
      new Uint8Array(12),
      new Uint8Array(0),
      new Uint8Array(3),
      expected,
    )
    assert.deepEqual(sealed, expected)
  })

  test('frees a key that nobody has any more', () => {
    const script = `
      const { AeadKey } = require(${JSON.stringify(file)})
      const use = count => {
        for (let i = 0; i < count; i++) {
          const key = new AeadKey('aes-256-gcm', new Uint8Array(32))
          key.seal(new Uint8Array(12), new Uint8Array(0), new Uint8Array(0), new Uint8Array(16))
        }
      }
      const rounds = async count => {
        for (let i = 0; i < count; i++) {
          use(4000)
          gc()
          await new Promise(setImmediate)
        }
        return process.memoryUsage.rss()
      }
      rounds(5).then(async before => console.log(await rounds(15) - before))`
    const { status, stdout, stderr } = spawnSync(process.execPath, ['--expose-gc', '--eval', script], {
      encoding: 'utf8',
    })
    assert.equal(status, 0, stderr)
    // 60,000 contexts would be 50 MB and more.
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
    assert.equal(chooseAead('off', file).implementation.name, 'node:crypto')
    for (const choice of [chooseAead(undefined, file), chooseAead('', file), chooseAead('require', file)]) {
      assert.deepEqual(choice.implementation, chooseAead(file).implementation)
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
    const { implementation } = chooseAead(undefined, missing)
    assert.equal(implementation.name, 'node:crypto')
    assert.match(implementation.reason, /was not built/)
  })

  test('whoever demands it is told so', () => {
    assert.throws(() => chooseAead('require', missing), /there is no .*missing\.node/)
    assert.throws(() => chooseAead(missing), /there is no .*missing\.node/)
    assert.throws(() => chooseAead('required', missing), /not `required`/)
    assert.throws(() => chooseAead('./aead.node', missing), /absolute path/)
  })

  for (const [what, text, reason] of [
    ['is none', 'no program', /./],
    ['exports something else', 'exports.seal = () => {}', /AeadKey/],
    ['seals wrongly', 'exports.AeadKey = class { seal() {} open() { return true } }', /agree with node:crypto/],
    ['opens anything', openEverything(), /agree with node:crypto/],
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
      const { implementation } = chooseAead(undefined, file)
      assert.equal(implementation.name, 'node:crypto')
      assert.match(implementation.reason, reason)
      assert.match((await warned).message, /node:crypto is used instead/)
      assert.throws(() => chooseAead('require', file), /cannot be used/)
    })
  }
})

/** A helper that seals as it should, and opens whatever it is given. */
function openEverything(): string {
  return `const { createCipheriv, createDecipheriv } = require('node:crypto')
exports.AeadKey = class {
  constructor(name, key) { Object.assign(this, { name, key: Uint8Array.from(key) }) }
  seal(nonce, aad, plaintext, output) {
    const cipher = createCipheriv(this.name, this.key, nonce, { authTagLength: 16 })
    cipher.setAAD(aad)
    output.set(cipher.update(plaintext))
    cipher.final()
    output.set(cipher.getAuthTag(), plaintext.length)
  }
  open(nonce, aad, sealed, output) {
    const decipher = createDecipheriv(this.name, this.key, nonce, { authTagLength: 16 })
    output.set(decipher.update(sealed.subarray(0, -16)))
    return true
  }
}`
}
