import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { timer } from '#src/node/timer.js'

test('a timer that was cancelled leaves nothing, whatever its duration', () => {
  const script = `
    import { timer } from ${JSON.stringify(import.meta.resolve('#src/node/timer.js'))}
    const inUse = () => (gc(), gc(), process.memoryUsage().heapUsed)
    timer(1, () => {})()
    const before = inUse()
    for (let i = 0; i < 20_000; i++) timer(240_000 + i, () => {})()
    console.log(inUse() - before)`
  const { stdout, stderr } = spawnSync(process.execPath, ['--expose-gc', '--input-type=module', '--eval', script], {
    encoding: 'utf8',
  })
  assert.match(stdout, /^-?\d+\n$/, stderr)
  // A list of Node's for each is 230 bytes.
  assert.ok(Number(stdout) / 20_000 < 50, `${Number(stdout)} bytes for 20,000 timers`)
})

test('a timer of forty days fires after forty days, and not before', t => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const ms = 40 * 86_400_000
  let fired = 0
  timer(ms, () => fired++)
  const cancel = timer(ms, () => assert.fail('it was cancelled'))
  t.mock.timers.tick(2 ** 31 - 1)
  cancel()
  t.mock.timers.tick(ms - 2 ** 31)
  assert.equal(fired, 0)
  t.mock.timers.tick(1)
  assert.equal(fired, 1)
})
