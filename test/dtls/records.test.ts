import assert from 'node:assert/strict'
import { createCipheriv } from 'node:crypto'
import test, { describe } from 'node:test'
import { concat, hex } from '#src/bytes/index.js'
import { MacKey } from '#src/crypto/index.js'
import { OutgoingEpoch, plain } from '#src/dtls/outgoing-epoch.js'
import { ContentType, type Record } from '#src/dtls/record.js'
import { RecordProtection } from '#src/dtls/record-protection.js'
import { RecordReader } from '#src/dtls/record-reader.js'
import { ReplayWindow } from '#src/dtls/replay-window.js'
import { CipherSuite, suiteOf, TrafficSecret } from '#src/handshake/index.js'

const SECRET = new Uint8Array(32).fill(7)

function suite(id: number) {
  const found = suiteOf(id)
  assert.ok(found)
  return found
}

function protection(id: number = CipherSuite.TLS_AES_128_GCM_SHA256, secret = SECRET): RecordProtection {
  const { hash } = suite(id)
  return new RecordProtection(new TrafficSecret(new MacKey(hash, secret), 'dtls13'), suite(id))
}

/** A reader with the keys of epoch 3, and a writer of such records. */
function pair(options: { sequenceNumber?: number; connectionId?: Uint8Array; failures?: number } = {}) {
  const reader = new RecordReader(options.failures)
  reader.protect(3, protection(), 2 ** 36)
  return { reader, writer: new OutgoingEpoch(3, protection(), options.connectionId, options.sequenceNumber) }
}

const read = (reader: RecordReader, datagram: Uint8Array, now = 0): Record[] => [...reader.read(datagram, now)]
const data = (text: string) => Uint8Array.from(Buffer.from(text))
const texts = (records: readonly Record[]) => records.map(({ content }) => Buffer.from(content).toString())

describe('a protected record', () => {
  for (const [name, id] of Object.entries(CipherSuite)) {
    test(`comes back as it was, with its number (${name})`, () => {
      const writer = new OutgoingEpoch(2, protection(id), undefined, 70_000)
      const reader = new RecordReader()
      reader.protect(2, protection(id), 2 ** 36)
      // 70,000 is known only after a number near it.
      const near = new OutgoingEpoch(2, protection(id), undefined, 32_000)
      const records = [read(reader, near.write(ContentType.handshake, data('a')))]
      const further = new OutgoingEpoch(2, protection(id), undefined, 60_000)
      records.push(read(reader, further.write(ContentType.handshake, data('b'))))
      records.push(read(reader, writer.write(ContentType.ack, data('c'))))
      assert.deepEqual(
        records.flat().map(({ type, number }) => [type, number.epoch, number.sequenceNumber]),
        [
          [22, 2, 32_000],
          [22, 2, 60_000],
          [26, 2, 70_000],
        ],
      )
    })
  }

  test('has the header of RFC 9147 §4 with 16 bits of sequence number and a length', () => {
    const record = pair().writer.write(ContentType.application_data, data('hello'))
    assert.equal(record[0], 0b0010_1111)
    assert.equal((record[3] << 8) | record[4], 5 + 1 + 16)
    assert.equal(record.length, 5 + 5 + 1 + 16)
  })

  test('hides its number with AES-ECB over the first 16 bytes of ciphertext', () => {
    const key = new TrafficSecret(new MacKey('sha256', SECRET), 'dtls13').recordNumberKey(16)
    const record = pair({ sequenceNumber: 0x1234 }).writer.write(ContentType.application_data, data('hello'))
    const mask = createCipheriv('aes-128-ecb', key, null).update(record.subarray(5, 21))
    assert.equal(hex(Uint8Array.of(record[1] ^ mask[0], record[2] ^ mask[1])), '1234')
  })

  test('is opened with 8 bits of sequence number and without a length too', () => {
    const keys = protection()
    const header = Uint8Array.of(0b0010_0011, 5)
    const buffer = concat(header, data('short'), Uint8Array.of(23), new Uint8Array(16))
    keys.seal(5, header, buffer, 2, 8)
    keys.mask(buffer.subarray(1, 2), buffer.subarray(2))
    assert.deepEqual(texts(read(pair().reader, buffer)), ['short'])
  })

  test('is longer by the zeros that it is padded with, and comes back without them', () => {
    const { reader, writer } = pair()
    const plainLength = writer.write(ContentType.application_data, data('short')).length
    const record = writer.write(ContentType.application_data, data('short'), 100)
    assert.equal(record.length, plainLength + 100)
    assert.deepEqual(texts(read(reader, record)), ['short'])
  })

  test('loses the zeros behind its type', () => {
    const keys = protection()
    const header = Uint8Array.of(0b0010_1011, 0, 0)
    const buffer = concat(header, data('padded'), Uint8Array.of(23), new Uint8Array(10), new Uint8Array(16))
    keys.seal(0, header, buffer, 3, 20)
    keys.mask(buffer.subarray(1, 3), buffer.subarray(3))
    assert.deepEqual(texts(read(pair().reader, buffer)), ['padded'])
  })

  test('is taken once', () => {
    const { reader, writer } = pair()
    const record = writer.write(ContentType.application_data, data('once'))
    assert.deepEqual(texts(read(reader, concat(record, record))), ['once'])
    assert.deepEqual(read(reader, record), [])
  })

  test('is taken late, but not later than the window', () => {
    const { reader, writer } = pair()
    const early = writer.write(ContentType.application_data, data('early'))
    const late = writer.write(ContentType.application_data, data('late'))
    for (let i = 0; i < 400; i++) read(reader, writer.write(ContentType.application_data, data('x')))
    assert.deepEqual(texts(read(reader, late)), ['late'])
    for (let i = 0; i < 200; i++) read(reader, writer.write(ContentType.application_data, data('x')))
    assert.deepEqual(read(reader, early), [])
  })

  test('comes with others in one datagram, plain ones among them', () => {
    const { reader, writer } = pair()
    const first = writer.write(ContentType.application_data, data('a'))
    const second = writer.write(ContentType.application_data, data('b'))
    const records = read(reader, concat(plain(ContentType.handshake, 9, data('p')), first, second))
    assert.deepEqual(texts(records), ['p', 'a', 'b'])
    assert.deepEqual(records[0]?.number, { epoch: 0, sequenceNumber: 9 })
  })

  test('may need the keys that the one before it brings', () => {
    const reader = new RecordReader()
    const sealed = new OutgoingEpoch(2, protection()).write(ContentType.handshake, data('second'))
    const seen: string[] = []
    for (const record of reader.read(concat(plain(ContentType.handshake, 0, data('first')), sealed), 0)) {
      seen.push(...texts([record]))
      if (record.number.epoch === 0) reader.protect(2, protection(), 2 ** 36)
    }
    assert.deepEqual(seen, ['first', 'second'])
  })

  test('waits for its keys, if the handshake brings them next, and tells nothing of where the peer is', () => {
    const reader = new RecordReader()
    const epochs = [2, 3].map(number => new OutgoingEpoch(number, protection()))
    const [second, third] = epochs.map(epoch => epoch.write(ContentType.handshake, data(`${epoch.number}`)))
    assert.ok(second && third)
    const datagram = concat(second, second)
    assert.deepEqual(read(reader, datagram), [])
    assert.deepEqual(read(reader, third), [], 'these are the keys after the next')
    assert.ok(reader.lacksKeys)
    datagram.fill(0)
    reader.protect(2, protection(), 2 ** 36)
    const early = [...reader.readEarly(0)]
    assert.deepEqual(texts(early), ['2'], 'once')
    assert.equal(early[0]?.isNewest, false)
    assert.deepEqual(read(reader, third), [])
    reader.protect(3, protection(), 2 ** 36)
    assert.deepEqual(texts([...reader.readEarly(0)]), ['3'])
    assert.deepEqual([...reader.readEarly(0)], [])
  })

  test('waits only where there is room, whatever else comes before the keys', () => {
    const reader = new RecordReader()
    const writer = new OutgoingEpoch(2, protection())
    for (let i = 0; i < 100; i++) read(reader, writer.write(ContentType.handshake, data(`${i}`)))
    reader.protect(2, protection(), 2 ** 36)
    assert.equal([...reader.readEarly(0)].length, 32)
    const other = new RecordReader()
    for (let i = 0; i < 4; i++) read(other, writer.write(ContentType.handshake, new Uint8Array(12_000)))
    other.protect(2, protection(), 2 ** 36)
    assert.equal([...other.readEarly(0)].length, 2)
  })

  test('carries the connection ID that was asked for, and no other', () => {
    const id = Uint8Array.of(1, 2, 3, 4)
    const { reader, writer } = pair({ connectionId: id })
    reader.expectConnectionIds([id])
    const record = writer.write(ContentType.application_data, data('mine'))
    assert.equal(record[0] & 0b0001_0000, 0b0001_0000)
    const other = pair({ connectionId: Uint8Array.of(1, 2, 3, 5) }).writer
    assert.deepEqual(texts(read(reader, record)), ['mine'])
    assert.deepEqual(read(reader, other.write(ContentType.application_data, data('theirs'))), [])
    assert.deepEqual(read(pair().reader, record), [])
  })
})

describe('keys', () => {
  test('of an older epoch are good while the peer may not know that there are others, and four minutes longer', () => {
    const { reader, writer } = pair()
    const secret = new Uint8Array(32).fill(8)
    reader.protect(4, protection(undefined, secret), 2 ** 36)
    const at = (text: string, now: number) =>
      texts(read(reader, writer.write(ContentType.application_data, data(text)), now))
    assert.deepEqual(at('a', 1_000_000), ['a'])
    const next = new OutgoingEpoch(4, protection(undefined, secret))
    assert.deepEqual(texts(read(reader, next.write(ContentType.application_data, data('b')), 2_000_000)), ['b'])
    assert.deepEqual(at('c', 2_239_999), ['c'])
    assert.deepEqual(at('d', 2_240_000), [])
  })

  test('are given up after too many records that do not open', () => {
    const { reader, writer } = pair({ failures: 3 })
    const forge = () => {
      const record = writer.write(ContentType.application_data, data('forged'))
      record[20] ^= 1
      return record
    }
    for (let i = 0; i < 3; i++) assert.deepEqual(read(reader, forge()), [])
    assert.throws(() => read(reader, forge()), { code: 'ERR_TLS_BAD_RECORD_MAC' })
  })
})

describe('what is no good record is dropped without a word:', () => {
  const dropped = (name: string, make: () => Uint8Array) => {
    test(name, () => {
      const { reader } = pair()
      assert.deepEqual(read(reader, make()), [])
    })
  }
  const genuine = () => pair().writer.write(ContentType.application_data, data('genuine'))

  dropped('an empty datagram', () => new Uint8Array(0))
  dropped('a byte that begins nothing', () => Uint8Array.of(0xff, 1, 2, 3))
  dropped('a record of other keys', () =>
    new OutgoingEpoch(3, protection(undefined, new Uint8Array(32).fill(9))).write(23, data('x')),
  )
  dropped('a record of an epoch without keys', () => new OutgoingEpoch(5, protection()).write(23, data('x')))
  dropped('a record too short for a mask and a tag', () =>
    Uint8Array.of(0b0010_1111, 0, 0, 0, 15, ...new Uint8Array(15)),
  )
  dropped('a plain record of another epoch', () => {
    const record = plain(ContentType.handshake, 0, data('x'))
    record[4] = 1
    return record
  })
  dropped('plain application data', () => plain(ContentType.application_data, 0, data('x')))
  dropped('change_cipher_spec', () => plain(ContentType.change_cipher_spec, 0, Uint8Array.of(1)))
  dropped('a connection ID that nobody asked for', () => {
    const record = genuine()
    record[0] |= 0b0001_0000
    return record
  })

  test('every truncation and every changed byte of a genuine one', () => {
    for (let length = 0; length < genuine().length; length++) {
      assert.deepEqual(read(pair().reader, genuine().subarray(0, length)), [], `cut to ${length}`)
    }
    for (let at = 0; at < genuine().length; at++) {
      const record = genuine()
      record[at] ^= 0x55
      assert.deepEqual(read(pair().reader, record), [], `changed at ${at}`)
    }
  })

  test('but what stands before it in the datagram is taken', () => {
    const { reader, writer } = pair()
    const record = writer.write(ContentType.application_data, data('good'))
    assert.deepEqual(texts(read(reader, concat(record, Uint8Array.of(0xff)))), ['good'])
    const bad = writer.write(ContentType.application_data, data('bad'))
    bad[bad.length - 1] ^= 1
    const last = writer.write(ContentType.application_data, data('last'))
    assert.deepEqual(texts(read(reader, concat(bad, last))), ['last'])
  })
})

describe('a genuine record ends the connection', () => {
  const sealed = (inner: Uint8Array) => {
    const keys = protection()
    const header = Uint8Array.of(0b0010_1011, 0, 0)
    const buffer = concat(header, inner, new Uint8Array(16))
    keys.seal(0, header, buffer, 3, 3 + inner.length)
    keys.mask(buffer.subarray(1, 3), buffer.subarray(3))
    return buffer
  }

  test('if it holds nothing but padding', () => {
    assert.throws(() => read(pair().reader, sealed(new Uint8Array(9))), { code: 'ERR_TLS_UNEXPECTED_MESSAGE' })
  })

  test('if it is larger than the limit that we named', () => {
    const { reader } = pair()
    reader.limit(64)
    const inner = concat(new Uint8Array(64), Uint8Array.of(23))
    assert.throws(() => read(reader, sealed(inner)), { code: 'ERR_TLS_RECORD_OVERFLOW' })
  })
})

describe('a replay window', () => {
  test('agrees with a set that remembers everything', () => {
    const window = new ReplayWindow()
    const seen = new Set<number>()
    let highest = -1
    let number = 0
    for (let i = 1; i < 20_000; i++) {
      number = Math.max(0, number + ((i * 7919) % 61) - 28 + (i % 997 === 0 ? 5000 : 0))
      const isFresh = !seen.has(number) && number > highest - 480
      assert.equal(window.isFresh(number), isFresh, `${number} after ${highest}`)
      if (isFresh) {
        window.accept(number)
        seen.add(number)
        highest = Math.max(highest, number)
      }
    }
    assert.equal(window.next, highest + 1)
  })

  test('goes beyond 32 bits', () => {
    const window = new ReplayWindow()
    const high = 2 ** 40
    window.accept(high)
    assert.equal(window.isFresh(high), false)
    assert.equal(window.isFresh(high - 1), true)
    assert.equal(window.isFresh(high + 1), true)
  })
})
