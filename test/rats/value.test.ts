import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  asArray,
  asBigInteger,
  asBoolean,
  asBytes,
  asInteger,
  asMap,
  asTagged,
  asText,
  type CborValue,
  Float,
  MessageError,
  Tagged,
} from '#src/rats/index.js'
import { messageError } from './support.js'

type Reading = (value: CborValue | undefined, what: string) => unknown

/** Every kind of value, by the name that sentences have for it. */
const KINDS: Readonly<Record<string, CborValue>> = {
  null: null,
  true: true,
  text: 'secret',
  'a whole number': 7,
  'a floating-point number': new Float(7),
  'a byte string': Uint8Array.of(7),
  'an array': [7],
  'a map': new Map([[7, 7]]),
  'a value tagged 9': new Tagged(9, 7),
}

const readings: Readonly<Record<string, readonly [Reading, string]>> = {
  'a map': [asMap, 'a map'],
  'an array': [asArray, 'an array'],
  'a byte string': [asBytes, 'a byte string'],
  text: [asText, 'text'],
  'a whole number': [asInteger, 'a whole number'],
  'a big whole number': [asBigInteger, 'a whole number'],
  'true or false': [asBoolean, 'true'],
  'tagged 9': [(value, what) => asTagged(value, what, 9), 'a value tagged 9'],
}

describe('a value that has to be', () => {
  for (const [wanted, [reading, kind]] of Object.entries(readings)) {
    test(`${wanted} is that, and nothing else`, () => {
      for (const [name, value] of Object.entries(KINDS)) {
        if (name === kind) assert.doesNotThrow(() => reading(value, 'it'))
        else {
          assert.throws(
            () => reading(value, 'the x claim'),
            (error: unknown) => {
              assert.ok(error instanceof MessageError)
              assert.equal(error.code, 'ERR_RATS_CLAIM')
              assert.match(error.message, new RegExp(`^the x claim has to be .*, not ${name}$`))
              return true
            },
          )
        }
      }
    })

    test(`${wanted} is missed where it is not`, () => {
      assert.throws(() => reading(undefined, 'it'), messageError('ERR_RATS_CLAIM_MISSING'))
    })
  }

  test('of a size is of no other', () => {
    const limited: readonly (() => unknown)[] = [
      () => asBytes(Uint8Array.of(1), 'it', 2, 3),
      () => asBytes(new Uint8Array(4), 'it', 2, 3),
      () => asText('a', 'it', 2),
      () => asText('abcd', 'it', 2, 3),
      () => asArray([], 'it', 1),
      () => asArray([1, 2], 'it', 1, 1),
      () => asInteger(-1, 'it', 0),
      () => asInteger(256, 'it', 0, 255),
    ]
    for (const reading of limited) assert.throws(reading, messageError('ERR_RATS_CLAIM'))
    assert.throws(() => asBytes(Uint8Array.of(1), 'it', 32, 32), /^MessageError: it has to be of 32 bytes, not 1$/)
  })

  test('a whole number may be beyond 2^53 only where it is asked for as a big one', () => {
    assert.equal(asBigInteger(2n ** 60n, 'it'), 2n ** 60n)
    assert.equal(asBigInteger(7, 'it'), 7n)
    assert.throws(() => asInteger(2n ** 60n, 'it'), messageError('ERR_RATS_CLAIM'))
  })
})
