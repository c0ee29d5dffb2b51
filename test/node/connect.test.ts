import assert from 'node:assert/strict'
import { once } from 'node:events'
import test, { describe } from 'node:test'
import { pair, readAll } from './support.js'

describe('a client and a server', () => {
  test('exchange data', async t => {
    const { server, client } = await pair(t)
    client.end('ping')
    assert.equal(String(await readAll(server)), 'ping')
    await once(client, 'close')
  })
})
