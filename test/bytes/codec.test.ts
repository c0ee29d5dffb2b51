import assert from 'node:assert/strict'
import test, { describe } from 'node:test'
import fc from 'fast-check'
import {
  type Codec,
  checked,
  concat,
  DecodeError,
  decode,
  empty,
  encode,
  equalBytes,
  fixed,
  hex,
  join,
  mapped,
  opaque,
  Reader,
  rest,
  struct,
  uint8,
  uint16,
  uint24,
  uint32,
  uint64,
  utf8,
  vector,
  Writer,
} from '#src/bytes/index.js'

const bytes = (text: string) => Uint8Array.from(Buffer.from(text, 'hex'))

const Inner = struct({ kind: uint8, body: opaque(0, 300) })
const Everything = struct({
  a: uint8,
  b: uint16,
  c: uint24,
  d: uint32,
  e: uint64,
  f: fixed(3),
  g: opaque(0, 20),
  h: vector(Inner, 0, 2000),
  i: mapped(
    uint8,
    value => value === 1,
    value => (value ? 1 : 0),
  ),
  j: empty,
  k: rest,
})
const octets = (constraints: fc.IntArrayConstraints) => fc.uint8Array(constraints)
const plainObjects = { noNullPrototype: true } as const
const inner = fc.record({ kind: fc.integer({ min: 0, max: 255 }), body: octets({ maxLength: 300 }) }, plainObjects)
const anyValue = fc.record(
  {
    a: fc.integer({ min: 0, max: 0xff }),
    b: fc.integer({ min: 0, max: 0xffff }),
    c: fc.integer({ min: 0, max: 0xff_ffff }),
    d: fc.integer({ min: 0, max: 0xffff_ffff }),
    e: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    f: octets({ minLength: 3, maxLength: 3 }),
    g: octets({ maxLength: 20 }),
    h: fc.array(inner, { maxLength: 5 }),
    i: fc.boolean(),
    j: fc.constant<true>(true),
    k: octets({ maxLength: 100 }),
  },
  plainObjects,
)

describe('a codec', () => {
  test('reads what it wrote', () => {
    fc.assert(
      fc.property(anyValue, value => {
        assert.deepEqual(decode(Everything, encode(Everything, value)), value)
      }),
      { numRuns: 200 },
    )
  })

  test('writes the presentation language of RFC 8446 §3', () => {
    const value = {
      a: 1,
      b: 0x0203,
      c: 0x040506,
      d: 0x8788898a,
      e: 0x8b0c0d0e0f101112n,
      f: bytes('aabbcc'),
      g: bytes('dd'),
      h: [{ kind: 9, body: bytes('ee') }],
      i: true,
      j: true as const,
      k: bytes('ff'),
    }
    assert.equal(
      hex(encode(Everything, value)),
      '010203040506' + '8788898a' + '8b0c0d0e0f101112' + 'aabbcc01dd0004090001ee01ff',
    )
  })

  test('refuses input that is cut anywhere', () => {
    const codec = struct({ a: uint16, b: opaque(1, 9), c: vector(Inner, 1, 99) })
    const whole = encode(codec, { a: 1, b: bytes('01'), c: [{ kind: 1, body: bytes('0203') }] })
    for (let length = 0; length < whole.length; length++) {
      assert.throws(() => decode(codec, whole.subarray(0, length)), DecodeError)
    }
    assert.throws(() => decode(codec, concat(whole, bytes('00'))), /1 bytes are left over/)
  })

  const refused: readonly (readonly [string, Codec<unknown>, string])[] = [
    ['a vector that is too short', opaque(2, 9), '0101'],
    ['a vector that is too long', opaque(0, 2), '03010101'],
    ['a vector with half an element', vector(uint16, 2, 9), '03010101'],
    ['a vector of a vector that reaches beyond it', vector(opaque(0, 255), 1, 255), '02020101'],
    ['a value that a condition excludes', checked(uint8, value => value < 3, 'too much'), '03'],
  ]
  for (const [name, codec, input] of refused) {
    test(`refuses ${name}`, () => assert.throws(() => decode(codec, bytes(input)), DecodeError))
  }

  test('does not write what it would not read', () => {
    assert.throws(() => encode(opaque(1, 2), bytes('')), RangeError)
    assert.throws(() => encode(opaque(1, 2), bytes('010203')), RangeError)
    assert.throws(() => encode(fixed(2), bytes('01')), RangeError)
    assert.throws(() => encode(vector(uint16, 4, 9), [1]), RangeError)
  })

  test('counts lengths in one, two or three bytes, as the bound needs', () => {
    assert.equal(hex(encode(opaque(0, 255), bytes('aa'))), '01aa')
    assert.equal(hex(encode(opaque(0, 256), bytes('aa'))), '0001aa')
    assert.equal(hex(encode(opaque(0, 65_536), bytes('aa'))), '000001aa')
  })
})

describe('a writer', () => {
  test('grows while it writes, by any amount', () => {
    for (const size of [0, 1, 2, 5]) {
      const writer = new Writer(size)
      writer.uint8(1)
      writer.bytes(bytes('0203040506070809'))
      writer.vector(2, 0, 100, body => body.bytes(new Uint8Array(50).fill(7)))
      writer.uint32(0xffff_ffff)
      assert.equal(writer.length, 65)
      assert.equal(hex(writer.take()), `0102030405060708090032${'07'.repeat(50)}ffffffff`)
    }
  })
})

describe('a reader', () => {
  test('gives views of its input and knows what is left', () => {
    const input = bytes('0102030405')
    const reader = new Reader(input)
    const part = reader.bytes(2)
    input[0] = 9
    assert.equal(hex(part), '0902')
    assert.equal(reader.remaining, 3)
    assert.throws(() => reader.bytes(4), /4 bytes are expected where 3 are left/)
    assert.equal(hex(reader.rest()), '030405')
    assert.ok(reader.isAtEnd)
    reader.end()
  })
})

test('byte strings are compared, joined and shown', () => {
  assert.ok(equalBytes(bytes('0102'), bytes('0102')))
  assert.ok(!equalBytes(bytes('0102'), bytes('0103')))
  assert.ok(!equalBytes(bytes('0102'), bytes('010200')))
  assert.equal(hex(concat(bytes('01'), bytes(''), bytes('0203'))), '010203')
  assert.equal(join(Array.from({ length: 200_000 }, () => bytes('01'))).length, 200_000)
  assert.equal(hex(utf8('ä')), 'c3a4')
})
