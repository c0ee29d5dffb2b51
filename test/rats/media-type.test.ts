import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  canonicalMediaType,
  contentFormatOf,
  contentFormats,
  mediaTypeOf,
  parseMediaType,
  sameMediaType,
} from '#src/rats/index.js'
import { messageError } from './support.js'

const PSA = 'application/eat+cwt; eat_profile="tag:psacertified.org,2023:psa#tfm"'

describe('a media type', () => {
  test('is read into its name and its parameters', () => {
    const { name, parameters } = parseMediaType('Application/EAT+CWT ;  EAT_Profile="a\\"b\\\\c";x=1.2')
    assert.equal(name, 'application/eat+cwt')
    assert.deepEqual(
      [...parameters],
      [
        ['eat_profile', 'a"b\\c'],
        ['x', '1.2'],
      ],
    )
  })

  test('has one spelling', () => {
    assert.equal(canonicalMediaType(PSA.replace('; ', ';')), PSA)
    assert.equal(
      canonicalMediaType('application/eat+cwt;eat_profile="2.16.840.1.113741.1.16.1"'),
      'application/eat+cwt; eat_profile=2.16.840.1.113741.1.16.1',
    )
    assert.equal(canonicalMediaType('A/B;z=1;a=c'), 'a/b; a="c"; z="1"')
    assert.equal(canonicalMediaType('a/b;q="x\\"\\\\"'), 'a/b; q="x\\"\\\\"')
  })

  const malformed = [
    '',
    'application',
    'application/',
    '/eat',
    ' application/eat',
    'application/eat ',
    'application/e at',
    'application/eat;',
    'application/eat; x',
    'application/eat; x=',
    'application/eat; x="a',
    'application/eat; x="a"b',
    'application/eat; x = a',
    'application/eat; x=a; X=b',
    'application/eat; x="ü"',
    'application/eat\n',
    `application/${'a'.repeat(128)}`,
    `a/b; x=${'a'.repeat(2000)}`,
    '+a/b',
  ]
  for (const text of malformed) {
    test(`is not ${JSON.stringify(text.slice(0, 40))}`, () => {
      assert.throws(() => parseMediaType(text), messageError('ERR_RATS_MALFORMED'))
      assert.equal(sameMediaType(text, text), false)
    })
  }
})

describe('two types are the same', () => {
  test('whatever the case of names and of profiles, and the order of parameters', () => {
    assert.ok(sameMediaType('application/eat+cwt', 'APPLICATION/Eat+Cwt'))
    assert.ok(sameMediaType(PSA, PSA.toUpperCase()))
    assert.ok(sameMediaType('a/b;x=1;y="2"', 'a/b; y=2; x="1"'))
  })

  test('where one is the Content-Format that the other is registered under', () => {
    assert.ok(sameMediaType(263, 'application/eat+cwt'))
    assert.ok(sameMediaType(PSA, 10003))
    assert.ok(sameMediaType(64999, 64999))
  })

  test('never where parameters are more, fewer or others', () => {
    assert.ok(!sameMediaType(263, PSA))
    assert.ok(!sameMediaType(263, 10003))
    assert.ok(!sameMediaType('a/b; x=1', 'a/b; x=2'))
    assert.ok(!sameMediaType('a/b; x=a', 'a/b; x=A'))
    assert.ok(!sameMediaType('a/b; x="1,y=2"', 'a/b; x=1; y=2'))
    assert.ok(!sameMediaType(64999, 64998))
    assert.ok(!sameMediaType(64999, 'application/eat+cwt'))
  })
})

test('every Content-Format in the table finds its media type and is found by it', () => {
  for (const [id, text] of contentFormats) {
    assert.equal(mediaTypeOf(id), text)
    assert.equal(contentFormatOf(text), id)
    assert.equal(canonicalMediaType(text), text)
  }
  assert.equal(mediaTypeOf(64999), undefined)
  assert.equal(contentFormatOf('application/unheard-of'), undefined)
  assert.equal(contentFormatOf('no media type'), undefined)
})
