import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { createRequire } from 'node:module'
import test, { describe } from 'node:test'
import fc from 'fast-check'
import { chooseImplementation } from '#src/crypto/implementation.js'
import { type HashName, hashLength } from '#src/crypto/index.js'
import { builtHelper, temporaryFolder, withCompiler } from '../support/native.js'

/*
 * The HMACs of the optional native helper, beside node:crypto's.
 */

const hashes = Object.keys(hashLength) as HashName[]

describe('an HMAC of the native helper', withCompiler, () => {
  if (withCompiler.skip) return
  const file = builtHelper(temporaryFolder())
  const helper = createRequire(import.meta.url)(file) as {
    readonly scratch: Uint8Array
    readonly hmac: (...args: readonly unknown[]) => unknown
  }
  const { hmac } = chooseImplementation(file)

  for (const hash of hashes) {
    test(`with ${hash} is that of node:crypto, for any lengths, one after the other`, () => {
      const bytes = fc.oneof(
        fc.uint8Array({ maxLength: 300 }),
        fc.constantFrom(new Uint8Array(0), new Uint8Array(5000)),
      )
      fc.assert(
        fc.property(bytes, bytes, (key, data) => {
          const expected = new Uint8Array(createHmac(hash, key).update(data).digest())
          assert.deepEqual(new Uint8Array(hmac.mac(hash, hmac.keyOf(key), data)), expected)
          // The key of before is not used again, least of all in the place of one without bytes.
          const none = new Uint8Array(createHmac(hash, '').update(data).digest())
          assert.deepEqual(new Uint8Array(hmac.mac(hash, hmac.keyOf(new Uint8Array(0)), data)), none)
        }),
        { numRuns: 200 },
      )
    })
  }

  test('is refused for a hash that is not known, and for more than fits, before a byte is written', () => {
    const calls = [
      [],
      [3, 1, 1],
      [-1, 1, 1],
      ['sha256', 1, 1],
      [0.5, 1, 1],
      [0, 1025, 0],
      [0, 0, 1025],
      [0, 1024, 1],
      [0, -1, 1],
      [0, 1.5, 1],
      [0, 2 ** 53, 1],
      [0, 1],
      [0, 1, Number.NaN],
      [0, '1', '1'],
    ]
    helper.scratch.fill(7)
    for (const call of calls) assert.throws(() => helper.hmac(...call), RangeError)
    assert.ok(helper.scratch.every(byte => byte === 7))
    // It is none the worse for it, wherever it is called from.
    Reflect.apply(helper.hmac, undefined, [0, 1000, 24])
    const expected = createHmac('sha256', new Uint8Array(1000).fill(7)).update(new Uint8Array(24).fill(7)).digest()
    assert.deepEqual(helper.scratch.slice(0, 32), new Uint8Array(expected))
    assert.ok(helper.scratch.subarray(32).every(byte => byte === 0))
  })
})
