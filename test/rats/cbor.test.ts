import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import {
  CborError,
  type CborMap,
  type CborRules,
  type CborValue,
  decodeCbor,
  encodeCbor,
  encodedAt,
  Float,
  Tagged,
} from '#src/rats/index.js'
import { bytesOf } from './support.js'

const BOTH: readonly CborRules[] = ['deterministic', 'tolerant']

describe('CBOR under the deterministic rules', () => {
  // RFC 8949 Appendix A, as far as its values can be said here.
  const examples: readonly (readonly [string, CborValue])[] = [
    ['00', 0],
    ['17', 23],
    ['1818', 24],
    ['1903e8', 1000],
    ['1a000f4240', 1000000],
    ['1b000000e8d4a51000', 1000000000000],
    ['1bffffffffffffffff', 18446744073709551615n],
    ['3bffffffffffffffff', -18446744073709551616n],
    ['20', -1],
    ['3903e7', -1000],
    ['f90000', new Float(0)],
    ['f98000', new Float(-0)],
    ['fb3ff199999999999a', new Float(1.1)],
    ['fa47c35000', new Float(100000)],
    ['f4', false],
    ['f5', true],
    ['f6', null],
    ['d74401020304', new Tagged(23, Uint8Array.of(1, 2, 3, 4))],
    ['40', new Uint8Array(0)],
    ['62c3bc', 'ü'],
    ['64f0908591', '\u{10151}'],
    ['83010203', [1, 2, 3]],
    [
      'a26161016162820203',
      new Map<string, CborValue>([
        ['a', 1],
        ['b', [2, 3]],
      ]),
    ],
  ]
  for (const [hex, value] of examples) {
    test(`reads and writes ${hex}`, () => {
      assert.deepEqual(decodeCbor(bytesOf(hex)), value)
      assert.deepEqual(encodeCbor(value), bytesOf(hex))
    })
  }

  test('puts the keys of a map in bytewise order', () => {
    const map = new Map<number | string, CborValue>([
      ['z', 1],
      [-1, 2],
      ['aa', 3],
      [100, 4],
      [10, 5],
    ])
    assert.deepEqual(encodeCbor(map), bytesOf('a50a05186404200261' + '7a0162616103'))
  })

  const refused: Readonly<Record<string, string>> = {
    'an array of indefinite length': '9f01ff',
    'a map of indefinite length': 'bf0101ff',
    'a whole number that is longer than it has to be': '1801',
    'a length that is longer than it has to be': '580101',
    'a floating-point number that is longer than it has to be': 'fb3ff0000000000000',
    'keys that are out of order': 'a202010101',
    'keys of different kinds that are out of order': 'a2616101' + '0101',
    'a tag that is longer than it has to be': 'd81201',
  }
  for (const [what, hex] of Object.entries(refused)) {
    test(`rejects ${what}, which the tolerant rules take`, () => {
      assert.throws(() => decodeCbor(bytesOf(hex)), CborError)
      if (hex !== 'd81201') assert.doesNotThrow(() => decodeCbor(bytesOf(hex), 'tolerant'))
    })
  }
})

describe('CBOR under either rules', () => {
  const refused: Readonly<Record<string, string>> = {
    'a key that stands there twice': 'a201010102',
    'text that is not UTF-8': '62c328',
    'text with a surrogate in it': '63eda080',
    'text with an overlong character': '62c080',
    'long text that is not UTF-8': `7840${'61'.repeat(63)}ff`,
    'text that ends within a character': '61c3',
    'a byte string in pieces': '5f4101ff',
    'text in pieces': '7f6161ff',
    undefined: 'f7',
    'a simple value': 'e0',
    'a simple value in two bytes': 'f8ff',
    NaN: 'f97e00',
    infinity: 'f97c00',
    'a key that is a byte string': 'a1410101',
    'a key that is an array': 'a18001',
    'a key that is a floating-point number': 'a1f93c0001',
    'a key beyond 2^53': 'a11bffffffffffffffff00',
    'a reserved length': '1c',
    'a break that ends nothing': 'ff',
    'a break within an array of definite length': '8201ff',
    'a second item': '0000',
    nothing: '',
    'an array that is shorter than it says': '830102',
    'an array that says to be of 2^31 items': '9a80000000',
    'an array that says to be of 2^63 items': '9b8000000000000000',
    'a map that says to be of 2^32 - 1 pairs': 'baffffffff',
    'a byte string that says to be of 2^63 bytes': '5b8000000000000000',
    'text that says to be of 2^31 bytes': '7a80000000',
    'arrays in arrays, without end': '81'.repeat(100_000),
    'maps in maps, without end': 'a101'.repeat(100_000),
    'tags on tags, without end': 'c1'.repeat(100_000),
    'arrays of indefinite length in each other, without end': '9f'.repeat(100_000),
    'a tag beyond 2^53': 'dbffffffffffffffff00',
  }
  for (const [what, hex] of Object.entries(refused)) {
    test(`rejects ${what}`, () => {
      for (const rules of BOTH) assert.throws(() => decodeCbor(bytesOf(hex), rules), CborError)
    })
  }

  test('takes a message that is nested 32 deep, and none deeper', () => {
    for (const rules of BOTH) {
      assert.doesNotThrow(() => decodeCbor(bytesOf(`${'81'.repeat(32)}00`), rules))
      assert.throws(() => decodeCbor(bytesOf(`${'81'.repeat(33)}00`), rules), /nested deeper than 32/)
    }
  })

  test('rejects what is longer than a mebibyte before looking into it', () => {
    assert.throws(() => decodeCbor(new Uint8Array(2 ** 20 + 1)), /longer than/)
  })

  test('takes U+FFFD that the sender wrote himself, and a byte order mark', () => {
    for (const text of ['\ufffd', 'a\ufffdb'.repeat(40), '\ufeffx', `\ufeff${'x'.repeat(100)}`]) {
      assert.equal(decodeCbor(encodeCbor(text)), text)
    }
  })

  test('never takes the same key in two spellings', () => {
    assert.throws(() => decodeCbor(bytesOf('a2010118 0102'), 'tolerant'), /a key twice/)
  })

  test('hands out copies of byte strings, also out of a Buffer', () => {
    const bytes = Buffer.from('43010203', 'hex')
    const value = decodeCbor(bytes)
    bytes.fill(0)
    assert.deepEqual(value, Uint8Array.of(1, 2, 3))
    assert.equal(Object.getPrototypeOf(value), Uint8Array.prototype)
  })

  test('says nothing of what was in the message', () => {
    const secret = Buffer.from('secretsecret').toString('hex')
    for (const hex of [`a26c${secret}016c${secret}02`, `826c${secret}ff`, `6c${secret}00`, `a16c${secret}`]) {
      assert.throws(
        () => decodeCbor(bytesOf(hex), 'tolerant'),
        (error: Error) => error instanceof CborError && !error.message.includes('secret'),
      )
    }
  })
})

describe('CBOR cannot say', () => {
  const unspeakable: Readonly<Record<string, unknown>> = {
    'a number that is not whole': 1.5,
    NaN: Number.NaN,
    'a number beyond 2^53': 2 ** 60,
    'half a surrogate pair': 'a\ud800',
    undefined,
    'a plain object': { a: 1 },
    'a Float that is infinite': new Float(Number.POSITIVE_INFINITY),
  }
  for (const [what, value] of Object.entries(unspeakable)) {
    test(what, () => {
      // What the types forbid, somebody will hand over all the same.
      assert.throws(() => encodeCbor(value as CborValue), TypeError)
      assert.throws(() => encodeCbor([value as CborValue]), TypeError)
    })
  }
})

describe('the encoding of a part of a message', () => {
  const message = bytesOf('a301a2208118180201026161 d83d820304 6162bf0001ff'.replaceAll(' ', ''))

  test('is found by keys and indices, as it was sent', () => {
    assert.deepEqual(encodedAt(bytesOf('a2018204180502a1200a'), [1]), bytesOf('82041805'))
    assert.deepEqual(encodedAt(bytesOf('a2018204180502a1200a'), [1, 1]), bytesOf('1805'))
    assert.deepEqual(encodedAt(bytesOf('a2018204180502a1200a'), [2, -1]), bytesOf('0a'))
    assert.deepEqual(encodedAt(bytesOf('a2018204180502a1200a'), []), bytesOf('a2018204180502a1200a'))
    assert.deepEqual(encodedAt(bytesOf('a16161bf0001ff'), ['a']), bytesOf('bf0001ff'))
  })

  test('is absent where there is no such part', () => {
    assert.equal(encodedAt(bytesOf('a10102'), [2]), undefined)
    assert.equal(encodedAt(bytesOf('a10102'), [1, 1]), undefined)
    assert.equal(encodedAt(bytesOf('00'), [0]), undefined)
    assert.equal(encodedAt(bytesOf('820001'), ['0']), undefined)
  })

  test('is not looked for in what is not CBOR', () => {
    assert.throws(() => encodedAt(message.subarray(0, -1), [1]), CborError)
    assert.throws(() => encodedAt(bytesOf('a1010200'), [1]), CborError)
    assert.throws(() => encodedAt(bytesOf('a201010102'), [1]), /a key twice/)
  })
})

describe('any CBOR value', () => {
  test('is read as it was written', () => {
    fc.assert(
      fc.property(anyValue, value => assert.deepEqual(decodeCbor(encodeCbor(value)), value)),
      { numRuns: 300 },
    )
  })

  test('is no longer one when it is cut anywhere, or when anything follows', () => {
    fc.assert(
      fc.property(anyValue, fc.uint8Array({ minLength: 1, maxLength: 3 }), (value, more) => {
        const bytes = encodeCbor(value)
        for (let end = 0; end < bytes.length; end++) {
          for (const rules of BOTH) assert.throws(() => decodeCbor(bytes.subarray(0, end), rules), CborError)
        }
        assert.throws(() => decodeCbor(Uint8Array.of(...bytes, ...more)), CborError)
      }),
      { numRuns: 60 },
    )
  })

  test('is read back byte for byte under the deterministic rules, whatever the bytes were', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), bytes => {
        let value: CborValue
        try {
          value = decodeCbor(bytes)
        } catch (error) {
          assert.ok(error instanceof CborError, String(error))
          return
        }
        assert.deepEqual(encodeCbor(value), bytes)
      }),
      { numRuns: 2000 },
    )
  })
})

const { anyValue } = fc.letrec<{ anyValue: CborValue }>(tie => {
  const key = fc.oneof(fc.maxSafeInteger(), fc.string({ maxLength: 10 }))
  const size = { maxLength: 4, depthIdentifier: 'cbor' }
  return {
    anyValue: fc.oneof(
      { maxDepth: 4, depthIdentifier: 'cbor' },
      fc.maxSafeInteger(),
      fc.bigInt({ min: 2n ** 53n, max: 2n ** 64n - 1n }),
      fc.bigInt({ min: -(2n ** 64n), max: -(2n ** 53n) }),
      fc.string({ unit: 'binary', maxLength: 40 }),
      fc.boolean(),
      fc.constant(null),
      fc.uint8Array({ maxLength: 40 }),
      fc.double({ noNaN: true, noDefaultInfinity: true }).map(value => new Float(value)),
      fc.array(tie('anyValue'), size),
      fc.array(fc.tuple(key, tie('anyValue')), size).map((pairs): CborMap => new Map(pairs)),
      fc.tuple(fc.nat(), tie('anyValue')).map(([tag, value]) => new Tagged(tag, value)),
    ),
  }
})
