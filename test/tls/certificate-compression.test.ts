import assert from 'node:assert/strict'
import test, { describe } from 'node:test'
import { concat, utf8 } from '#src/bytes/index.js'
import { brotliCompression, zlibCompression } from '#src/crypto/index.js'
import type { CertificateCompression, Message } from '#src/handshake/index.js'
import { alertOf, always, connectedPair, credentialFor, makePair, type PairOptions } from '../support/pair.js'

const COMPRESSED = 25

/** A mutual handshake of two sides with these ways to compress, and the messages that pass. */
function mutual(
  client: readonly CertificateCompression[] | undefined,
  server: readonly CertificateCompression[] | undefined,
) {
  const types: { client: number[]; server: number[] } = { client: [], server: [] }
  const watch = (side: 'client' | 'server') => ({
    message: ({ type }: Message) => {
      types[side].push(type)
      return undefined
    },
  })
  const options: PairOptions = {
    client: {
      ...(client ? { certificateCompression: client } : {}),
      credentials: always(credentialFor('a client')),
    },
    server: { ...(server ? { certificateCompression: server } : {}), clientAuthentication: 'required' },
    intercept: { client: watch('client'), server: watch('server') },
  }
  return { types, options }
}

describe('a certificate', () => {
  test('is compressed in both directions where both sides can, and means the same', async () => {
    for (const way of [zlibCompression, brotliCompression]) {
      const { types, options } = mutual([way], [way])
      const pair = await connectedPair(options)
      assert.ok(types.client.includes(COMPRESSED) && types.server.includes(COMPRESSED))
      assert.ok(!types.client.includes(11) && !types.server.includes(11))
      assert.equal(pair.server.established.peer?.chain.length, 1)
      assert.deepEqual(pair.client.established.transcriptHash, pair.server.established.transcriptHash)
    }
  })

  test('is compressed as the sender likes best among what the peer takes', async () => {
    const used: string[] = []
    const watched = (way: typeof zlibCompression, name: string) => ({
      ...way,
      compress: (bytes: Uint8Array) => {
        used.push(name)
        return way.compress(bytes)
      },
    })
    const { options } = mutual(
      [zlibCompression, brotliCompression],
      [watched(brotliCompression, 'brotli'), watched(zlibCompression, 'zlib')],
    )
    await connectedPair(options)
    assert.deepEqual(used, ['brotli'])
  })

  test('is plain where one side cannot', async () => {
    for (const [client, server] of [
      [[zlibCompression], undefined],
      [undefined, [zlibCompression]],
      [[zlibCompression], [brotliCompression]],
    ] as const) {
      const { types, options } = mutual(client, server)
      await connectedPair(options)
      assert.ok(!types.client.includes(COMPRESSED) && !types.server.includes(COMPRESSED))
    }
  })

  test('that cannot be decompressed, or comes to another length, is refused', async () => {
    const bad: readonly ((bytes: Uint8Array) => Uint8Array)[] = [
      () => utf8('no zlib'),
      bytes => zlibCompression.compress(concat(bytes, utf8('more'))),
      bytes => zlibCompression.compress(bytes.subarray(1)),
    ]
    for (const compress of bad) {
      const { options } = mutual([zlibCompression], [{ ...zlibCompression, compress }])
      const pair = makePair(options)
      await pair.run()
      assert.equal(alertOf(pair.client.error), 'bad_certificate')
    }
  })

  test('that would be too long is refused before it is decompressed', async () => {
    let isAsked = false
    const way = {
      ...zlibCompression,
      decompress: (bytes: Uint8Array, length: number) => {
        isAsked = true
        return zlibCompression.decompress(bytes, length)
      },
    }
    const { options } = mutual([way], [{ ...zlibCompression, compress: () => utf8('small') }])
    const pair = makePair({ ...options, client: { ...options.client, maxCertificateLength: 50 } })
    await pair.run()
    assert.equal(alertOf(pair.client.error), 'bad_certificate')
    assert.equal(isAsked, false)
  })

  test('comes in a compression that was asked for, or not at all', async () => {
    const { options } = mutual([zlibCompression], [{ ...brotliCompression, algorithm: zlibCompression.algorithm }])
    const renumbered: PairOptions = {
      ...options,
      intercept: {
        server: {
          message: ({ type, raw }) =>
            type === COMPRESSED ? [concat(raw.subarray(0, 4), utf8('\0\x07'), raw.subarray(6))] : undefined,
        },
      },
    }
    const pair = makePair(renumbered)
    await pair.run()
    assert.equal(alertOf(pair.client.error), 'illegal_parameter')
  })
})
