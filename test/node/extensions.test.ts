import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect as dialPlain, type Socket } from 'node:net'
import test from 'node:test'
import { connect, createServer } from '#src/node/index.js'
import { clientOptions, listen, root, serverOptions } from './support.js'

/** A certificate in which much is said again and again. */
const wordy = root.issue({
  subject: 'localhost',
  dnsNames: ['localhost', ...Array.from({ length: 30 }, (_, i) => `number-${i}.of.many.names.example`)],
})

for (const name of ['zlib', 'brotli'] as const) {
  test(`certificates are compressed with ${name} where both sides say so`, async t => {
    const server = createServer({ cert: wordy.pem, key: wordy.keyPem, certificateCompression: [name] })
    const port = await listen(t, server)
    const lengths: number[] = []
    for (const certificateCompression of [[], [name]]) {
      const transport = dialPlain(port, '127.0.0.1')
      const socket = connect({ socket: transport, ...clientOptions, certificateCompression })
      t.after(() => socket.destroy())
      await once(socket, 'secureConnect')
      lengths.push(transport.bytesRead)
    }
    const [plain = 0, compressed = 0] = lengths
    assert.ok(compressed < plain - 500, `${compressed} and ${plain} bytes`)
  })
}

test('a compression of certificates that there is none of is an error', () => {
  const certificateCompression = ['gzip'] as never
  assert.throws(() => connect({ port: 1, certificateCompression }), { code: 'ERR_TLS_UNKNOWN_NAME' })
})

for (const grease of [true, false]) {
  test(`values that mean nothing are ${grease ? '' : 'not '}offered with grease: ${grease}`, async t => {
    const server = createServer({ ...serverOptions, grease })
    const port = await listen(t, server)
    const accepted = once(server, 'connection') as Promise<[Socket]>
    const socket = connect({ port, host: '127.0.0.1', ...clientOptions, grease })
    t.after(() => socket.destroy())
    const [transport] = await accepted
    const [hello] = (await once(transport, 'data')) as [Buffer]
    // RFC 8701 §3.1: the first cipher suite is one of 0x0a0a, 0x1a1a … 0xfafa.
    assert.equal(/^(.)a\1a$/.test(hello.subarray(FIRST_SUITE, FIRST_SUITE + 2).toString('hex')), grease)
    await once(socket, 'session')
  })
}

/** Where the first cipher suite of a ClientHello with a session ID of 32 bytes stands in its record. */
const FIRST_SUITE = 5 + 4 + 2 + 32 + 1 + 32 + 2
