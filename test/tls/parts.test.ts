import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Parts } from '#src/tls/parts.js'

test('parts are read as one byte string, however both are cut', () => {
  const parts = fc.array(fc.uint8Array({ maxLength: 9 }), { maxLength: 9 })
  fc.assert(
    fc.property(parts, fc.array(fc.nat(20), { maxLength: 30 }), (parts, lengths) => {
      const whole = Buffer.concat(parts)
      const content = new Parts(parts)
      const output = new Uint8Array(whole.length + 2)
      let at = 1
      for (const length of lengths) {
        const taken = Math.min(length, content.left)
        content.copy(output, at, taken)
        at += taken
        assert.equal(content.left, whole.length - (at - 1))
      }
      content.copy(output, at, content.left)
      assert.deepEqual(output, Uint8Array.of(0, ...whole, 0))
      assert.throws(() => content.copy(output, 0, 1), RangeError)
    }),
  )
})
