import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import {
  type Cmw,
  cmwFromCbor,
  cmwToCbor,
  contentFormatOfTag,
  decodeCbor,
  decodeCmw,
  decodeCmwExtension,
  encodeCbor,
  encodeCmw,
  encodeCmwExtension,
  formOf,
  Indicator,
  MessageError,
  Tagged,
  tagNumberOf,
  typeOfCmw,
} from '#src/rats/index.js'
import { bytesOf, messageError, textBytes } from './support.js'

const VALUE = bytesOf('2347da55')

/** RFC 9999 §5, and tests of the reference library: what each reads as. */
const inCbor: readonly (readonly [string, Cmw])[] = [
  ['82 19fde7 44 2347da55', record(64999, VALUE)],
  ['da 6374ffe6 44 2347da55', record(64999, VALUE)],
  [
    '83 74 6170706c69636174696f6e2f72696d2b636f7365 4a d28440a044d901f5a040 03',
    record('application/rim+cose', bytesOf('d28440a044d901f5a040'), Indicator.referenceValues | Indicator.endorsements),
  ],
  ['82 19 7531 44 deadbeef', record(30001, bytesOf('deadbeef'))],
  [
    '82 7819 6170706c69636174696f6e2f766e642e696e74656c2e736778 44 deadbeef',
    record('application/vnd.intel.sgx', bytesOf('deadbeef')),
  ],
  ['83 19 2710 44 deadbeef 13', record(10000, bytesOf('deadbeef'), 19)],
  ['83 19 2711 44 deadbeef 08', record(10001, bytesOf('deadbeef'), Indicator.attestationResults)],
  ['da 6374c515 44 deadbeef', record(50000, bytesOf('deadbeef'))],
  ['82 73 6170706c69636174696f6e2f6561742b637774 44 2347da55', record('application/eat+cwt', VALUE)],
  ['83 19 0107 44 2347da55 04', record(263, VALUE, Indicator.evidence)],
  ['da 63740209 44 2347da55', record(263, VALUE)],
  ['9f 19fde7 44 2347da55 ff', record(64999, VALUE)],
  [
    `a4 68 5f5f636d77635f74 7827 7461673a6578616d706c652e636f6d2c323032343a636f6d706f736974652d6174746573746572
     00 83 19fde7 44 2347da55 04 01 da6374ffe6 44 2347da55
     02 83 73 6170706c69636174696f6e2f6561742b6a7774 43 2e2e2e 08`,
    collection(
      [
        [0, record(64999, VALUE, 4)],
        [1, record(64999, VALUE)],
        [2, record('application/eat+jwt', textBytes('...'), 8)],
      ],
      'tag:example.com,2024:composite-attester',
    ),
  ],
  [
    'a1 01 82 71 6170706c69636174696f6e2f766e642e31 44 deadbeef',
    collection([[1, record('application/vnd.1', bytesOf('deadbeef'))]]),
  ],
  [
    'a2 66 737472696e67 82 00 41 ff 19 0400 da 63740101 41 aa',
    collection([
      ['string', record(0, bytesOf('ff'))],
      [1024, record(0, bytesOf('aa'))],
    ]),
  ],
  ['bf 01 82 00 41 ff ff', collection([[1, record(0, bytesOf('ff'))]])],
  ['a1 20 82 00 41 ff', collection([[-1, record(0, bytesOf('ff'))]])],
]

const inJson: readonly (readonly [string, Cmw])[] = [
  [
    '["application/vnd.example.rats-conceptual-msg","I0faVQ"]',
    record('application/vnd.example.rats-conceptual-msg', VALUE),
  ],
  ['[ "application/corim+signed", "3q2-7w", 19 ]', record('application/corim+signed', bytesOf('deadbeef'), 19)],
  [
    '[ "application/eat+cwt; eat_profile=\\"tag:github.com,2023:veraison/ear\\"", "3q2-7w" ]',
    record('application/eat+cwt; eat_profile="tag:github.com,2023:veraison/ear"', bytesOf('deadbeef')),
  ],
  ['[ "application/eat+cwt", "3q2-7w", 8 ]', record('application/eat+cwt', bytesOf('deadbeef'), 8)],
  [
    `{"__cmwc_t":"tag:example.com,2024:another-composite-attester",
      "attester A":["application/eat-ucs+json","e30K",4],
      "attester B":["application/eat-ucs+cbor","oA",4]}`,
    collection(
      [
        ['attester A', record('application/eat-ucs+json', textBytes('{}\n'), 4)],
        ['attester B', record('application/eat-ucs+cbor', bytesOf('a0'), 4)],
      ],
      'tag:example.com,2024:another-composite-attester',
    ),
  ],
  [
    '{"a":{"__cmwc_t":"1.2.3.4","b":["a/b","AA"]}}',
    collection([['a', collection([['b', record('a/b', bytesOf('00'))]], '1.2.3.4')]]),
  ],
]

describe('a CMW', () => {
  for (const [hex, cmw] of inCbor) {
    test(`in CBOR is read: ${hex.slice(0, 30)}`, () => assert.deepEqual(decodeCmw(bytesOf(hex)), cmw))
  }
  for (const [text, cmw] of inJson) {
    test(`in JSON is read: ${text.slice(0, 40)}`, () => assert.deepEqual(decodeCmw(textBytes(text)), cmw))
  }

  test('is written in the form of the examples of RFC 9999', () => {
    assert.deepEqual(encodeCmw(record(64999, VALUE)), bytesOf('8219fde7442347da55'))
    assert.deepEqual(encodeCmw(record(64999, VALUE), 'tag'), bytesOf('da6374ffe6442347da55'))
    assert.deepEqual(encodeCmw(record('application/eat+cwt', VALUE), 'tag'), bytesOf('da63740209442347da55'))
    assert.deepEqual(
      encodeCmw(record('application/vnd.example.rats-conceptual-msg', VALUE), 'json'),
      textBytes('["application/vnd.example.rats-conceptual-msg","I0faVQ"]'),
    )
  })

  test('is known by the type of its message, or of its collection', () => {
    assert.equal(typeOfCmw(record(263, VALUE)), 263)
    assert.equal(typeOfCmw(collection([[1, record(0, VALUE)]])), 'application/cmw+cbor')
    assert.equal(
      typeOfCmw(collection([[1, record(0, VALUE)]], 'tag:a,1:b')),
      'application/cmw+cbor; cmwc_t="tag:a,1:b"',
    )
    assert.equal(typeOfCmw(collection([[1, record(0, VALUE)]], '1.2.3')), 'application/cmw+cbor; cmwc_t=1.2.3')
  })

  test('is told from its first byte', () => {
    const forms: string[] = []
    for (let first = 0; first < 256; first++) {
      const form = formOf(Uint8Array.of(first))
      if (form !== undefined) forms.push(`${first.toString(16)} ${form}`)
    }
    const maps = Array.from({ length: 0xbb - 0xa0 + 1 }, (_, i) => `${(0xa0 + i).toString(16)} cbor`)
    assert.deepEqual(forms, ['5b json', '7b json', '82 cbor', '83 cbor', '9f cbor', ...maps, 'bf cbor', 'da cbor'])
    assert.equal(formOf(new Uint8Array(0)), undefined)
  })
})

describe('a CMW is not', () => {
  const record1 = '82 00 41 ff'
  const malformedInCbor: Readonly<Record<string, string>> = {
    'an array of four, as a COSE_Sign1 is': '84 00 41 ff 04 00',
    'an array of one': '9f 00 ff',
    'a record without a type': '82 41ff 41ff',
    'a record of a negative type': '82 20 41 ff',
    'a record of a type beyond 65535': '82 1a00010000 41 ff',
    'a record of a type that is no media type': '82 61 78 41 ff',
    'a record whose value is text': '82 00 61 61',
    'a record whose value is empty': '82 00 40',
    'a record whose indicators are 0': '83 00 41 ff 00',
    'a record whose indicators are negative': '83 00 41 ff 20',
    'a record whose indicators are beyond 32 bits': '83 00 41 ff 1b0000000100000000',
    'a record whose indicators are text': '83 00 41 ff 61 61',
    'an empty collection': 'a0',
    'a collection that has nothing but a type': 'a1 68 5f5f636d77635f74 63 312e32',
    'a collection whose type is a number': 'a2 68 5f5f636d77635f74 01 00 820041ff',
    'a collection whose type is a relative URI': 'a2 00 820041ff 68 5f5f636d77635f74 63 612f62',
    'a collection whose type has a fragment': 'a2 00 820041ff 68 5f5f636d77635f74 65 613a622363',
    'a collection with a blank label': `a1 61 20 ${record1}`,
    'a collection with an empty label': `a1 60 ${record1}`,
    'a collection with a label twice': `a2 00 ${record1} 00 ${record1}`,
    'a collection of something else': 'a1 00 01',
    'a collection with an empty one in it': 'a1 00 a1 68 5f5f636d77635f74 63 312e32',
    'a tag that stands for no Content-Format': 'da 63740200 41 ff',
    'a tag below the range': 'da 63740100 41 ff',
    'a tag above the range': 'da 63750001 41 ff',
    'a tag around text': 'da 63740101 61 61',
    'a tag around nothing': 'da 63740101 40',
    'a tag around a record': `da 63740101 ${record1}`,
    'a record with something behind it': `${record1} 00`,
  }
  for (const [what, hex] of Object.entries(malformedInCbor)) {
    test(`${what}`, () => assert.throws(() => decodeCmw(bytesOf(hex)), MessageError))
  }
  const malformedInJson: Readonly<Record<string, string>> = {
    'a record of one': '["application/x"]',
    'a record of four': '["a/b","AA",1,1]',
    'a record with a number for its type, as older drafts had it': '[30001,"3q2-7w"]',
    'a record whose value is padded': '["a/b","AA=="]',
    'a record whose value is in the other alphabet': '["a/b","+/+/"]',
    'a record whose value has bits to spare': '["a/b","AB"]',
    'a record whose value is empty': '["a/b",""]',
    'a record whose indicators are not whole': '["a/b","AA",1.5]',
    'a record whose indicators are 0': '["a/b","AA",0]',
    'an empty collection in a collection': '{ "a": { "__cmwc_t": "1.2.3.4" } }',
    'a collection whose type is no text': '{"__cmwc_t":1,"a":["a/b","AA"]}',
    'a collection with a label twice': '{"a":["a/b","AA"],"a":["a/b","AA"]}',
    'a JWS in flattened JSON': '{"protected":"e30","payload":"e30","signature":"AA"}',
    'white space before JSON': ' ["a/b","AA"]',
    text: '"a"',
    nothing: '',
  }
  for (const [what, text] of Object.entries(malformedInJson)) {
    test(`${what}`, () => assert.throws(() => decodeCmw(textBytes(text)), MessageError))
  }

  test('a collection nested deeper than 8, or of more than 64 entries', () => {
    const nested = (depth: number): Cmw => (depth === 0 ? record(0, VALUE) : collection([[0, nested(depth - 1)]]))
    assert.doesNotThrow(() => decodeCmw(encodeCmw(nested(8))))
    assert.throws(() => encodeCmw(nested(9)), TypeError)
    assert.throws(() => decodeCmw(bytesOf(`${'a100'.repeat(9)}820041ff`)), messageError('ERR_RATS_MALFORMED'))
    const wide = (size: number): Cmw => collection(Array.from({ length: size }, (_, i) => [i, record(0, VALUE)]))
    assert.doesNotThrow(() => decodeCmw(encodeCmw(wide(64))))
    assert.throws(() => encodeCmw(wide(65)), TypeError)
    const map = new Map(Array.from({ length: 65 }, (_, i) => [i, [0, VALUE]]))
    assert.throws(() => decodeCmw(encodeCbor(map)), messageError('ERR_RATS_MALFORMED'))
  })
})

describe('the tags of CMWs in a CMW, which RFC 9999 assigns in two ways,', () => {
  test('are read by what is in them', () => {
    for (const tag of [1668547092, 1668547093]) {
      for (const json of ['["a/b","AA"]', '{"a":["a/b","AA"]}']) {
        assert.equal(typeOfCmw(decodeCmw(encodeCbor(new Tagged(tag, textBytes(json))))), 274)
      }
      for (const cose of ['d284', '84']) {
        assert.equal(typeOfCmw(decodeCmw(encodeCbor(new Tagged(tag, bytesOf(cose))))), 275)
      }
      assert.throws(() => decodeCmw(encodeCbor(new Tagged(tag, bytesOf('00')))), messageError('ERR_RATS_MALFORMED'))
    }
    assert.equal(typeOfCmw(decodeCmw(encodeCbor(new Tagged(1668547091, bytesOf('a0'))))), 273)
  })

  test('are never written', () => {
    for (const type of [273, 274, 275, 276, 'application/cmw+cose']) {
      assert.throws(() => encodeCmw(record(type, VALUE), 'tag'), TypeError)
    }
  })
})

describe('a CMW cannot be written', () => {
  const unspeakable: Readonly<Record<string, readonly [Cmw, 'cbor' | 'json' | 'tag']>> = {
    'with a value that is empty': [record(0, new Uint8Array(0)), 'cbor'],
    'with a type that is no media type': [record('eat', VALUE), 'cbor'],
    'with a type beyond 65535': [record(65536, VALUE), 'cbor'],
    'with indicators of 0': [record(0, VALUE, 0), 'cbor'],
    'in JSON with a type that no media type is known for': [record(64999, VALUE), 'json'],
    'in JSON with a label that is a number': [collection([[1, record(0, VALUE)]]), 'json'],
    'as a tag with indicators': [record(263, VALUE, 4), 'tag'],
    'as a tag with a type that no Content-Format is known for': [record('a/b', VALUE), 'tag'],
    'as a tag with a Content-Format that has none': [record(65025, VALUE), 'tag'],
    'as a tag if it is a collection': [collection([[1, record(0, VALUE)]]), 'tag'],
    'as an empty collection': [collection([]), 'cbor'],
    'with a label that is reserved': [collection([['__cmwc_t', record(0, VALUE)]]), 'cbor'],
    'with a type of collection that is neither URI nor OID': [collection([[0, record(0, VALUE)]], 'a b'), 'cbor'],
  }
  for (const [what, [cmw, form]] of Object.entries(unspeakable)) {
    test(what, () => assert.throws(() => encodeCmw(cmw, form), TypeError))
  }
})

test('CBOR tags and Content-Formats stand for each other as RFC 9277 says', () => {
  const known = [
    [263, 1668547081],
    [601, 1668547420],
    [10003, 1668556859],
    [29884, 1668576818],
    [30001, 1668576935],
    [50000, 1668597013],
    [64999, 1668612070],
    [65024, 1668612095],
  ] as const
  for (const [id, tag] of known) {
    assert.equal(tagNumberOf(id), tag)
    assert.equal(contentFormatOfTag(tag), id)
  }
  for (let id = 0; id <= 65024; id += 7) assert.equal(contentFormatOfTag(tagNumberOf(id) ?? 0), id)
  assert.equal(tagNumberOf(65025), undefined)
  for (const tag of [0, 1668546816, 1668547072, 1668612096]) assert.equal(contentFormatOfTag(tag), undefined)
})

describe('the X.509 extension', () => {
  const cbor =
    '0437 a30183746170706c69636174696f6e2f72696d2b636f736547d28443a10126a10302da63747632442347da55617382197531442347da55'
  const json = `{ "a": [ "application/vnd.a", "YQ" ], "b": [ "application/vnd.b", "Yg" ] }`

  test('is read in both of its forms', () => {
    const cmw = decodeCmwExtension(bytesOf(cbor))
    assert.deepEqual(cmw, decodeCmw(bytesOf(cbor.slice(4))))
    const text = textBytes(json)
    assert.deepEqual(decodeCmwExtension(Uint8Array.of(0x0c, text.length, ...text)), decodeCmw(text))
  })

  test('is read as it was written, whatever its length', () => {
    for (const size of [1, 100, 118, 119, 300, 70_000]) {
      const cmw = record('a/b', new Uint8Array(size).fill(1))
      for (const form of ['cbor', 'json'] as const) {
        assert.deepEqual(decodeCmwExtension(encodeCmwExtension(cmw, form)), cmw)
      }
    }
  })

  test('is not read in other types, in BER that is no DER, cut short, or with something behind it', () => {
    const good = bytesOf(cbor)
    for (const bytes of [
      Uint8Array.of(0x30, ...good.subarray(1)),
      Uint8Array.of(0x04, 0x81, ...good.subarray(1)),
      good.subarray(0, -1),
      Uint8Array.of(...good, 0),
      new Uint8Array(0),
    ]) {
      assert.throws(() => decodeCmwExtension(bytes), MessageError)
    }
  })
})

describe('any CMW', () => {
  test('is read as it was written, in every form that can say it', () => {
    fc.assert(
      fc.property(anyCmw, cmw => {
        assert.deepEqual(decodeCmw(encodeCmw(cmw)), cmw)
        assert.deepEqual(cmwFromCbor(cmwToCbor(cmw)), cmw)
        if (isSayableInJson(cmw)) assert.deepEqual(decodeCmw(encodeCmw(cmw, 'json')), cmw)
      }),
      { numRuns: 150 },
    )
  })

  test('is no longer one when it is cut anywhere, or when anything follows', () => {
    fc.assert(
      fc.property(anyCmw, cmw => {
        const forms = isSayableInJson(cmw) ? (['cbor', 'json'] as const) : (['cbor'] as const)
        for (const form of forms) {
          const bytes = encodeCmw(cmw, form)
          for (let end = 0; end < bytes.length; end++) {
            assert.throws(() => decodeCmw(bytes.subarray(0, end)), MessageError)
          }
          assert.throws(() => decodeCmw(Uint8Array.of(...bytes, 0x30)), MessageError)
        }
      }),
      { numRuns: 40 },
    )
  })

  test('or none: random bytes are one or a MessageError', () => {
    const starts = fc.constantFrom(0x82, 0x83, 0x9f, 0xa1, 0xa2, 0xbf, 0xda, 0x5b, 0x7b)
    fc.assert(
      fc.property(starts, fc.uint8Array({ maxLength: 30 }), (first, rest) => {
        const bytes = Uint8Array.of(first, ...rest)
        try {
          assert.deepEqual(decodeCmw(encodeCmw(decodeCmw(bytes))), decodeCmw(bytes))
        } catch (error) {
          assert.ok(error instanceof MessageError, String(error))
        }
      }),
      { numRuns: 2000 },
    )
  })

  test('in CBOR is written deterministically', () => {
    fc.assert(
      fc.property(anyCmw, cmw => void decodeCbor(encodeCmw(cmw), 'deterministic')),
      { numRuns: 50 },
    )
  })
})

function record(type: string | number, value: Uint8Array, indicators?: number): Cmw {
  return { kind: 'record', type, value, ...(indicators !== undefined && { indicators }) }
}

function collection(entries: readonly (readonly [number | string, Cmw])[], type?: string): Cmw {
  return { kind: 'collection', ...(type !== undefined && { type }), entries: new Map(entries) }
}

function isSayableInJson(cmw: Cmw): boolean {
  if (cmw.kind === 'record') return typeof cmw.type === 'string'
  return [...cmw.entries].every(([label, entry]) => typeof label === 'string' && isSayableInJson(entry))
}

const { anyCmw } = fc.letrec<{ anyCmw: Cmw }>(tie => {
  const type = fc.oneof(
    fc.integer({ min: 0, max: 65535 }),
    fc.constantFrom('application/eat+cwt', 'application/eat+jwt; eat_profile="tag:a,1:b#c"', 'a/b'),
  )
  const value = fc.uint8Array({ minLength: 1, maxLength: 20 })
  const indicators = fc.option(fc.integer({ min: 1, max: 2 ** 32 - 1 }), { nil: undefined })
  const label = fc.oneof(fc.maxSafeInteger(), fc.constantFrom('kat', 'pat', '__proto__', 'ü'))
  const name = fc.option(fc.constantFrom('tag:a,1:b', '1.2.3', '2'), { nil: undefined })
  const entries = fc.uniqueArray(fc.tuple(label, tie('anyCmw')), {
    minLength: 1,
    maxLength: 3,
    selector: ([key]) => key,
  })
  return {
    anyCmw: fc.oneof(
      { maxDepth: 3, depthIdentifier: 'cmw' },
      fc.tuple(type, value, indicators).map(parts => record(...parts)),
      fc.tuple(entries, name).map(parts => collection(...parts)),
    ),
  }
})
