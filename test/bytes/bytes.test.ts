import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import test, { describe } from 'node:test'
import { hex } from '#src/bytes/index.js'

describe('hex', () => {
  test('is what Node makes of the same bytes', () => {
    const bytes = Uint8Array.from({ length: 100_000 }, (_, i) => i * 7)
    for (const length of [0, 1, 32, 256, bytes.length]) {
      const some = bytes.subarray(0, length)
      assert.equal(hex(some), Buffer.from(some).toString('hex'))
    }
  })

  test('takes a byte for each digit when it is kept', () => {
    const script = `
      import { hex } from ${JSON.stringify(import.meta.resolve('#src/bytes/index.js'))}
      const inUse = () => (gc(), gc(), process.memoryUsage().heapUsed)
      const bytes = new Uint8Array(64)
      const kept = Array.from({ length: 10_000 }, () => hex(bytes))
      kept.fill('')
      const before = inUse()
      for (let i = 0; i < kept.length; i++) kept[i] = hex(bytes)
      console.log(inUse() - before)
      // Used once more, or there would be nothing to keep them for.
      if (kept.at(-1) === '') throw new Error('nothing was kept')`
    const { stdout, stderr } = spawnSync(process.execPath, ['--expose-gc', '--input-type=module', '--eval', script], {
      encoding: 'utf8',
    })
    assert.match(stdout, /^\d+\n$/, stderr)
    // 128 digits, and what V8 has for a string. As a tree of its parts it is 1900.
    assert.ok(Number(stdout) / 10_000 < 200, `${Number(stdout) / 10_000} bytes`)
  })
})
