import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import test from 'node:test'

/** Makes half a gigabyte outside a heap of some size. @returns how often the whole heap was collected for it */
function collections(isTold: boolean): number {
  const script = `
    import { PerformanceObserver, constants } from 'node:perf_hooks'
    import { madeOutside } from ${JSON.stringify(import.meta.resolve('#src/bytes/index.js'))}
    let whole = 0
    const observer = new PerformanceObserver(list => {
      for (const { detail } of list.getEntries()) if (detail.kind === constants.NODE_PERFORMANCE_GC_MAJOR) whole++
    })
    observer.observe({ entryTypes: ['gc'] })
    globalThis.heap = Array.from({ length: 120_000 }, (_, i) => ({ i, list: [i] }))
    gc()
    await new Promise(setImmediate)
    whole = 0
    for (let i = 0; i < 30_000; i++) {
      Buffer.allocUnsafeSlow(16_384)
      if (${isTold}) madeOutside(16_384)
      if (i % 64 === 0) await new Promise(setImmediate)
    }
    await new Promise(setImmediate)
    console.log(whole)`
  const { stdout, stderr } = spawnSync(process.execPath, ['--expose-gc', '--input-type=module', '--eval', script], {
    encoding: 'utf8',
  })
  assert.match(stdout, /^\d+\n$/, stderr)
  return Number(stdout)
}

test('what is made outside the heap does not have the whole heap collected', () => {
  // Node 24 does it ten times otherwise.
  const [untold, told] = [collections(false), collections(true)]
  assert.ok(told <= 2, `${told} times, and ${untold} without being told of it`)
})
