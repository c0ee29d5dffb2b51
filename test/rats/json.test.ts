import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { type CborValue, decodeJson, encodeJson, Float } from '#src/rats/index.js'
import { messageError, textBytes } from './support.js'

describe('JSON', () => {
  test('comes in the shapes of CBOR', () => {
    assert.deepEqual(
      decodeJson('{"a":[1,-2,1.5,1e3,true,null,"x"],"__proto__":{}}'),
      new Map<string, CborValue>([
        ['a', [1, -2, new Float(1.5), 1000, true, null, 'x']],
        ['__proto__', new Map()],
      ]),
    )
    assert.deepEqual(decodeJson(textBytes(' "é" ')), 'é')
    assert.deepEqual(decodeJson('9007199254740993'), new Float(9007199254740992))
  })

  test('has one zero, however it is spelled', () => {
    for (const text of ['-0', '0', '0.0', '-0.0', '-0e5']) assert.ok(Object.is(decodeJson(text), 0), text)
  })

  const refused: Readonly<Record<string, string>> = {
    'a member that stands there twice': '{"a":1,"a":2}',
    'a member that stands there twice in two spellings': '{"a":1,"\\u0061":2}',
    'a member that stands there twice deep within': '[{"b":{"a":1,"c":"x:\\"y\\"","a":2}}]',
    'two prototypes': '{"__proto__":1,"__proto__":2}',
    'what follows the value': '{} {}',
    'a comment': '{/**/}',
    'a trailing comma': '[1,]',
    'a control character in a string': '"a\nb"',
    'a byte order mark': '\ufeff{}',
    'a number without end': '1e999',
    'arrays in arrays, without end': '['.repeat(100_000),
    'arrays in arrays, with an end': '['.repeat(100_000) + ']'.repeat(100_000),
    'half a surrogate pair': '"\\ud800"',
    'half a surrogate pair in a name': '{"\\udc00":1}',
    nothing: '',
    'a string without end': '"a\\',
  }
  for (const [what, text] of Object.entries(refused)) {
    test(`is not taken with ${what}`, () => {
      assert.throws(() => decodeJson(text), messageError('ERR_RATS_JSON'))
      assert.throws(() => decodeJson(textBytes(text)), messageError('ERR_RATS_JSON'))
    })
  }

  test('is not taken in bytes that are not UTF-8', () => {
    assert.throws(() => decodeJson(Uint8Array.of(0x22, 0xc3, 0x22)), messageError('ERR_RATS_JSON'))
  })

  test('has no form for byte strings, bigints, tags and keys that are numbers', () => {
    for (const value of [Uint8Array.of(1), 1n, new Map([[1, 2]]), new Float(Number.NaN), 2 ** 60]) {
      assert.throws(() => encodeJson(value), TypeError)
    }
  })

  test('is read as it was written', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 4 }), text => {
        const value = decodeJson(JSON.stringify(JSON.parse(text)))
        assert.deepEqual(decodeJson(encodeJson(value)), value)
      }),
      { numRuns: 200 },
    )
  })
})
