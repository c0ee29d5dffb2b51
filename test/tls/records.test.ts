import assert from 'node:assert/strict'
import test, { describe } from 'node:test'
import { concat, hex } from '#src/bytes/index.js'
import { MacKey } from '#src/crypto/index.js'
import { ProtocolError, suiteOf, TrafficSecret } from '#src/handshake/index.js'
import { ContentType } from '#src/tls/index.js'
import { Parts } from '#src/tls/parts.js'
import { RecordProtection } from '#src/tls/record-protection.js'
import { RecordReader } from '#src/tls/record-reader.js'
import { RecordWriter } from '#src/tls/record-writer.js'
import { simple } from '../support/rfc8448.js'

const suite = suiteOf(0x1301) ?? assert.fail()

function protection(secret: Uint8Array): RecordProtection {
  return new RecordProtection(new TrafficSecret(new MacKey('sha256', secret)), suite)
}

function readerWith(secret: Uint8Array): RecordReader {
  const reader = new RecordReader()
  reader.protect(protection(secret), false)
  return reader
}

function writerWith(secret: Uint8Array): RecordWriter {
  const writer = new RecordWriter(undefined)
  writer.protect(protection(secret))
  return writer
}

const data = Uint8Array.from({ length: 50 }, (_, i) => i)

describe('the records of RFC 8448 §3', () => {
  const rows = [
    {
      name: 'the flight of the server',
      secret: simple.serverHandshakeTraffic,
      records: [simple.serverFlightRecord],
      type: ContentType.handshake,
      contents: [
        concat(simple.encryptedExtensions, simple.certificate, simple.certificateVerify, simple.serverFinished),
      ],
    },
    {
      name: 'the Finished of the client',
      secret: simple.clientHandshakeTraffic,
      records: [simple.clientFinishedRecord],
      type: ContentType.handshake,
      contents: [simple.clientFinished],
    },
    {
      name: 'the ticket',
      secret: simple.serverApplicationTraffic,
      records: [simple.newSessionTicketRecord],
      type: ContentType.handshake,
      contents: [simple.newSessionTicket],
    },
    {
      name: 'the data of the client',
      secret: simple.clientApplicationTraffic,
      records: [simple.clientDataRecord],
      type: ContentType.application_data,
      contents: [data],
    },
  ]
  for (const { name, secret, records, type, contents } of rows) {
    test(`are read: ${name}`, () => {
      const reader = readerWith(secret)
      reader.add(concat(...records))
      for (const content of contents) {
        const record = reader.next()
        assert.equal(record?.type, type)
        assert.equal(hex(record?.content ?? data), hex(content))
      }
      assert.equal(reader.next(), undefined)
    })

    test(`are written: ${name}`, () => {
      const writer = writerWith(secret)
      for (const [i, content] of contents.entries())
        assert.deepEqual(writer.write(type, new Parts([content])), records[i])
    })
  }

  test('have the sequence number in their nonces', () => {
    const server = readerWith(simple.serverApplicationTraffic)
    server.add(concat(simple.newSessionTicketRecord, simple.serverDataRecord, simple.serverAlertRecord))
    assert.equal(server.next()?.type, ContentType.handshake)
    assert.deepEqual(server.next()?.content, data)
    assert.deepEqual(server.next(), { type: ContentType.alert, content: Uint8Array.of(1, 0) })
    assert.equal(server.sequenceNumber, 3)
  })
})

describe('a record reader', () => {
  const stream = concat(simple.clientDataRecord, simple.clientAlertRecord)

  test('reads a stream cut at every place', () => {
    for (let at = 0; at <= stream.length; at++) {
      const reader = readerWith(simple.clientApplicationTraffic)
      const records: (string | undefined)[] = []
      for (const piece of [stream.subarray(0, at), stream.subarray(at)]) {
        reader.add(piece)
        for (let record = reader.next(); record; record = reader.next()) records.push(hex(record.content))
      }
      assert.deepEqual(records, [hex(data), '0100'])
      assert.equal(reader.pending, 0)
    }
  })

  test('reads chunks that wait behind each other', () => {
    const reader = readerWith(simple.clientApplicationTraffic)
    for (const byte of stream) reader.add(Uint8Array.of(byte))
    assert.equal(reader.pending, stream.length)
    assert.equal(hex(reader.next()?.content ?? stream), hex(data))
    assert.equal(hex(reader.next()?.content ?? stream), '0100')
    assert.equal(reader.next(), undefined)
  })

  test('refuses a record of which any bit was changed', () => {
    for (let i = 0; i < simple.clientDataRecord.length; i++) {
      const changed = Uint8Array.from(simple.clientDataRecord)
      changed[i] = (changed[i] ?? 0) ^ 1
      const reader = readerWith(simple.clientApplicationTraffic)
      reader.add(changed)
      // A longer length is no error yet: the rest has not come.
      if (i === 3) assert.equal(reader.next(), undefined)
      else assert.throws(() => reader.next(), ProtocolError, `byte ${i}`)
    }
  })

  test('names the peer that does not speak TLS', () => {
    const reader = new RecordReader()
    reader.add(Buffer.from('GET / HTTP/1.1\r\n'))
    assert.throws(() => reader.next(), { code: 'ERR_TLS_NOT_TLS' })
  })

  const inner = (type: number, length: number, padding = 0) => {
    const plaintext = new Uint8Array(length + 1 + padding).fill(7, 0, length)
    plaintext[length] = type
    const record = new Uint8Array(5 + plaintext.length + 16)
    record.set([23, 3, 3, (plaintext.length + 16) >>> 8, plaintext.length + 16])
    record.set(plaintext, 5)
    protection(simple.clientApplicationTraffic).seal(record.subarray(0, 5), record, 5, 5 + plaintext.length)
    return record
  }
  const read = (record: Uint8Array, limit?: number) => {
    const reader = readerWith(simple.clientApplicationTraffic)
    if (limit !== undefined) reader.limit(limit)
    reader.add(record)
    return reader.next()
  }

  test('takes a record of 2^14 bytes and of 2^14 bytes with padding, and no longer one', () => {
    assert.equal(read(inner(23, 2 ** 14))?.content.length, 2 ** 14)
    assert.equal(read(inner(23, 10, 2 ** 14 - 10))?.content.length, 10)
    assert.throws(() => read(inner(23, 2 ** 14 + 1)), /record_size|16386|more than 16385/)
    assert.throws(() => read(inner(23, 10, 2 ** 14 - 9)), /more than 16385/)
  })

  test('counts type and padding into its record_size_limit', () => {
    assert.equal(read(inner(23, 99), 100)?.content.length, 99)
    assert.throws(() => read(inner(23, 100), 100), /more than 100/)
    assert.throws(() => read(inner(23, 98, 2), 100), /more than 100/)
  })

  test('refuses records that hold only padding, nothing at all, or a type that is never protected', () => {
    assert.throws(() => read(inner(0, 0, 20)), /nothing but padding/)
    assert.throws(() => read(inner(20, 1)), /content type 20/)
    assert.throws(() => read(inner(24, 1)), /content type 24/)
    const empty = new Uint8Array(21)
    empty.set([23, 3, 3, 0, 16])
    protection(simple.clientApplicationTraffic).seal(empty.subarray(0, 5), empty, 5, 5)
    assert.throws(() => read(empty), /nothing but padding/)
  })

  test('does not wait for a record that is too long', () => {
    const reader = new RecordReader()
    reader.add(Uint8Array.of(22, 3, 1, 0x40, 1))
    assert.throws(() => reader.next(), /longer than 16384/)
    const protectedReader = readerWith(simple.clientApplicationTraffic)
    protectedReader.add(Uint8Array.of(23, 3, 3, 0x41, 1))
    assert.throws(() => protectedReader.next(), /longer than 16640/)
  })

  test('drops early data up to its limit until a record opens', () => {
    const reader = readerWith(simple.clientApplicationTraffic)
    reader.skipEarlyData()
    reader.add(concat(simple.serverDataRecord, simple.clientDataRecord, simple.serverDataRecord))
    assert.equal(hex(reader.next()?.content ?? stream), hex(data))
    assert.throws(() => reader.next(), /could not be opened/)
  })

  test('does not drop more early data than its limit', () => {
    const reader = readerWith(simple.clientApplicationTraffic)
    reader.skipEarlyData()
    const record = new Uint8Array(5 + 2 ** 13)
    record.set([23, 3, 3, (2 ** 13) >> 8, 0])
    reader.add(concat(record, record, record))
    assert.throws(() => reader.next(), /more early data/)
  })
})

describe('a record writer', () => {
  test('cuts what is longer than a record', () => {
    const writer = writerWith(simple.clientApplicationTraffic)
    const reader = readerWith(simple.clientApplicationTraffic)
    const long = Uint8Array.from({ length: 40_000 }, (_, i) => i)
    reader.add(writer.write(23, new Parts([long])))
    const parts: Uint8Array[] = []
    for (let record = reader.next(); record; record = reader.next()) parts.push(record.content)
    assert.deepEqual(
      parts.map(({ length }) => length),
      [16384, 16384, 7232],
    )
    assert.deepEqual(concat(...parts), long)
  })

  test('keeps to the record_size_limit of the peer, padding included', () => {
    const writer = new RecordWriter(() => 1000)
    writer.protect(protection(simple.clientApplicationTraffic))
    writer.limit(64)
    const reader = readerWith(simple.clientApplicationTraffic)
    reader.limit(64)
    reader.add(writer.write(23, new Parts([new Uint8Array(200).fill(1)])))
    const lengths: number[] = []
    for (let record = reader.next(); record; record = reader.next()) lengths.push(record.content.length)
    assert.deepEqual(lengths, [63, 63, 63, 11])
  })

  test('pads as it is told', () => {
    const writer = new RecordWriter(length => (length < 100 ? 100 - length : 0))
    writer.protect(protection(simple.clientApplicationTraffic))
    const short = writer.write(23, new Parts([new Uint8Array(3).fill(1)]))
    const full = writer.write(23, new Parts([new Uint8Array(100).fill(1)]))
    assert.equal(short.length, full.length)
    const reader = readerWith(simple.clientApplicationTraffic)
    reader.add(concat(short, full))
    assert.equal(reader.next()?.content.length, 3)
    assert.equal(reader.next()?.content.length, 100)
  })

  test('cuts plain records too', () => {
    const records = new RecordWriter(undefined).write(22, new Parts([new Uint8Array(20_000)]))
    assert.equal(records.length, 20_000 + 10)
    assert.deepEqual([...records.subarray(0, 5)], [22, 3, 3, 0x40, 0])
    assert.deepEqual([...records.subarray(16389, 16394)], [22, 3, 3, 0x0e, 0x20])
  })
})
