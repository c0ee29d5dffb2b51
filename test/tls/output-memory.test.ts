import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isRecyclable, recycle } from '#src/tls/index.js'
import { makePair } from '../support/pair.js'

test('memory that is given back carries the next output, padding and all', async () => {
  const pair = makePair({ clientRecords: { padding: length => (length < 9000 ? 500 : 0) } })
  await pair.run()
  const send = (length: number, value: number) => {
    pair.client.connection.write(new Uint8Array(length).fill(value))
    const [output, ...more] = pair.client.connection.takeOutput()
    assert.ok(output)
    assert.deepEqual(more, [])
    pair.server.connection.receive(Uint8Array.from(output))
    return output
  }
  const first = send(60_000, 1)
  assert.ok(isRecyclable(first))
  recycle(first)
  // The last of its records is the short one that is padded, where the first output had other bytes.
  const second = send(40_000, 2)
  assert.equal(second.buffer, first.buffer)
  assert.notEqual(send(50_000, 3).buffer, first.buffer)
  const received: Uint8Array[] = []
  for (let event = pair.server.connection.nextEvent(); event; event = pair.server.connection.nextEvent()) {
    assert.equal(event.type, 'data')
    if (event.type === 'data') received.push(event.data)
  }
  const expected = [new Uint8Array(60_000).fill(1), new Uint8Array(40_000).fill(2), new Uint8Array(50_000).fill(3)]
  assert.deepEqual(Buffer.concat(received), Buffer.concat(expected))
})

test('a small output is not kept for use again', async () => {
  const pair = makePair({})
  await pair.run()
  pair.client.connection.write(new Uint8Array(100))
  const [output] = pair.client.connection.takeOutput()
  assert.ok(output && !isRecyclable(output))
})
