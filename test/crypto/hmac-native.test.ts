import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createHmac } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { after, describe } from 'node:test'
import { Worker } from 'node:worker_threads'
import fc from 'fast-check'
import { chooseAead } from '#src/crypto/aead-native.js'
import { type HashName, hashLength } from '#src/crypto/index.js'
import { hasProgram, optional, repositoryRoot } from '../support/skip.js'

/*
 * The HMACs of the optional native helper, beside node:crypto's.
 */

const withCompiler = optional('a C compiler', hasProgram('cc'), 'apt install gcc')
const hashes = Object.keys(hashLength) as HashName[]

describe('an HMAC of the native helper', withCompiler, () => {
  if (withCompiler.skip) return
  const folder = mkdtempSync(join(tmpdir(), 'attested-tls-hmac-'))
  after(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'helper.node')
  const program = join(repositoryRoot, 'build', 'apps', 'cli', 'main.js')
  const built = spawnSync(process.execPath, [program, 'native', 'build', '--output', file], { encoding: 'utf8' })
  assert.equal(built.status, 0, `${built.stdout}${built.stderr}`)
  const { hmac: functions } = createRequire(import.meta.url)(file) as {
    readonly hmac: Readonly<Record<HashName, (...args: readonly unknown[]) => unknown>>
  }
  const { hmac } = chooseAead(file)

  for (const hash of hashes) {
    test(`with ${hash} is that of node:crypto, for any lengths, one after the other`, () => {
      const bytes = fc.oneof(
        fc.uint8Array({ maxLength: 300 }),
        fc.constantFrom(new Uint8Array(0), new Uint8Array(5000)),
      )
      fc.assert(
        fc.property(bytes, bytes, (key, data) => {
          const expected = new Uint8Array(createHmac(hash, key).update(data).digest())
          assert.deepEqual(hmac.mac(hash, hmac.keyOf(key), data), expected)
          // The key of before is not used again, least of all in the place of one without bytes.
          const none = new Uint8Array(createHmac(hash, '').update(data).digest())
          assert.deepEqual(hmac.mac(hash, hmac.keyOf(new Uint8Array(0)), data), none)
        }),
        { numRuns: 200 },
      )
    })

    test(`with ${hash} wants Uint8Arrays, and room for what comes out`, () => {
      const length = hashLength[hash]
      const bytes = () => new Uint8Array(length)
      const arguments_ = [
        [],
        [bytes(), bytes()],
        ['key', bytes(), bytes()],
        [bytes(), null, bytes()],
        [bytes(), bytes(), new Uint16Array(length / 2)],
        [bytes(), bytes(), bytes().buffer],
      ]
      for (const wrong of arguments_) assert.throws(() => functions[hash](...wrong), TypeError)
      for (const wrong of [0, length - 1, length + 1]) {
        assert.throws(() => functions[hash](bytes(), bytes(), new Uint8Array(wrong)), RangeError)
      }
      // It is none the worse for it, wherever it is called from.
      const output = bytes()
      functions[hash].call(undefined, bytes(), bytes(), output)
      assert.deepEqual(output, new Uint8Array(createHmac(hash, bytes()).update(bytes()).digest()))
    })

    test(`with ${hash} may be written where its key or its data stand`, () => {
      const expected = new Uint8Array(
        createHmac(hash, new Uint8Array(hashLength[hash])).update(Uint8Array.of(1)).digest(),
      )
      const key = new Uint8Array(hashLength[hash])
      functions[hash](key, Uint8Array.of(1), key)
      assert.deepEqual(key, expected)
    })
  }

  test('is made in each thread for itself, and its state let go of with the thread', async () => {
    const script = `
      const { workerData: file, parentPort } = require('node:worker_threads')
      const { hmac } = require(file)
      const output = new Uint8Array(32)
      for (let i = 0; i < 5000; i++) hmac.sha256(Uint8Array.of(1), Uint8Array.of(i), output)
      parentPort.postMessage(output)`
    const expected = new Uint8Array(createHmac('sha256', Uint8Array.of(1)).update(Uint8Array.of(4999)).digest())
    const workers = [1, 2].map(() => new Worker(script, { eval: true, workerData: file }))
    const outputs = await Promise.all(
      workers.map(
        worker => new Promise<unknown>((resolve, reject) => worker.once('message', resolve).once('error', reject)),
      ),
    )
    for (const output of outputs) assert.deepEqual(output, expected)
    await Promise.all(workers.map(worker => worker.terminate()))
  })
})
