import assert from 'node:assert/strict'
import { test } from 'node:test'
import { WriteQueue } from '#src/node/write-queue.js'

/** A queue that is open, and what it has sent. */
function queue(takesMore = () => true) {
  const batches: Buffer[] = []
  const writes = new WriteQueue(batch => {
    batches.push(Buffer.concat(batch))
    return takesMore()
  })
  return { batches, writes }
}

test('small chunks leave together, a large one in pieces, and nothing is lost or twice there', async () => {
  const { batches, writes } = queue()
  const chunks = [1000, 0, 300_000, 5, 131_072, 1].map((length, i) => Buffer.alloc(length, i + 1))
  writes.open()
  await new Promise<void>(resolve => writes.add(chunks, () => resolve()))
  assert.deepEqual(Buffer.concat(batches), Buffer.concat(chunks))
  assert.ok(batches.every(({ length }) => length <= 131_072))
  assert.equal(batches.length, Math.ceil(Buffer.concat(chunks).length / 131_072))
  assert.ok(writes.isEmpty)
})

test('a hundred thousand chunks of one byte are as good as any', async () => {
  const { batches, writes } = queue()
  const chunks = Array.from({ length: 140_000 }, (_, i) => Uint8Array.of(i))
  writes.open()
  await new Promise<void>(resolve => writes.add(chunks, () => resolve()))
  assert.deepEqual(Buffer.concat(batches), Buffer.concat(chunks))
})

test('what the transport does not take yet waits, and what is dropped is never sent', async () => {
  const { batches, writes } = queue(() => false)
  writes.add([Buffer.alloc(300_000)], () => {})
  assert.equal(batches.length, 0)
  writes.open()
  assert.equal(batches.length, 1)
  writes.drain()
  assert.equal(batches.length, 2)
  writes.drop(null)
  writes.drain()
  assert.equal(batches.length, 2)
})
