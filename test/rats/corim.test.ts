import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { signingKey } from '#src/crypto/index.js'
import {
  type CborMap,
  type CborValue,
  checkSignedCorim,
  checkValidity,
  decodeCorim,
  encodeCbor,
  isSignedCorim,
  MessageError,
  makeSign1,
  makeSignedCorim,
  messageSigner,
  readSignedCorim,
  Tagged,
} from '#src/rats/index.js'

const NOON = Date.UTC(2026, 10, 24, 12)
const DAY = 86_400_000
const key = signingKey(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey)
const signer = messageSigner(key)

const digest = new Uint8Array(32).fill(1)
const environment = new Map([[0, new Map([[0, new Tagged(560, new Uint8Array(32).fill(2))]])]])
const measurement = new Map<number, CborValue>([
  [0, 'component'],
  [1, new Map<number, CborValue>([[2, [[1, digest]]]])],
])

function comid(triples: CborMap = new Map([[0, [[environment, [measurement]]]]])): Tagged {
  const map = new Map<number, CborValue>([
    [1, new Map([[0, 'a module']])],
    [4, triples],
  ])
  return new Tagged(506, encodeCbor(map))
}

function corim(changes: readonly (readonly [number, CborValue | undefined])[] = []): Uint8Array {
  const map = new Map<number, CborValue>([
    [0, 'a manifest'],
    [1, [comid()]],
    [3, new Tagged(32, 'tag:example.org,2026:profile')],
  ])
  for (const [name, value] of changes) {
    if (value === undefined) map.delete(name)
    else map.set(name, value)
  }
  return encodeCbor(new Tagged(501, map))
}

/** A manifest whose one measurement says this. */
function saying(values: readonly (readonly [number, CborValue])[], mkey: CborValue = 'component') {
  const one = new Map<number, CborValue>([
    [0, mkey],
    [1, new Map(values)],
  ])
  const [first] = decodeCorim(corim([[1, [comid(new Map([[0, [[environment, [one]]]]]))]]])).comids
  return first?.referenceValues[0]?.measurements[0]
}

describe('a CoRIM', () => {
  test('says who it is for, and what may be measured', () => {
    const { id, profile, tags, comids } = decodeCorim(corim())
    assert.deepEqual([id, profile, tags], ['a manifest', 'tag:example.org,2026:profile', [506]])
    const [triple] = comids[0]?.referenceValues ?? []
    assert.equal(triple?.environment.classId?.tag, 560)
    assert.deepEqual(triple?.measurements[0]?.digests, [{ algorithm: 1, value: digest }])
  })

  test('may name its profile as text, as a URI or as an OID, and itself by a UUID', () => {
    assert.equal(decodeCorim(corim([[3, 'tag:x']])).profile, 'tag:x')
    assert.equal(decodeCorim(corim([[3, undefined]])).profile, undefined)
    const oid = new Tagged(111, Buffer.from('2b060104019c780301', 'hex'))
    assert.equal(decodeCorim(corim([[3, oid]])).profile, '1.3.6.1.4.1.3704.3.1')
    assert.equal(decodeCorim(corim([[0, new Uint8Array(16)]])).id, '00'.repeat(16))
  })

  test('may have the tag around it that manifests had once', () => {
    assert.equal(decodeCorim(Uint8Array.of(0xd9, 0x01, 0xf4, ...corim())).id, 'a manifest')
  })

  test('passes over parts of other kinds, and counts them', () => {
    const { tags, comids } = decodeCorim(corim([[1, [new Tagged(505, Uint8Array.of(0xa0)), comid()]]]))
    assert.deepEqual([tags, comids.length], [[505, 506], 1])
  })

  test('holds from one time to another', () => {
    const times = new Map([
      [0, new Tagged(1, NOON / 1000)],
      [1, new Tagged(1, NOON / 1000 + 60)],
    ])
    const { validity } = decodeCorim(corim([[4, times]]))
    assert.deepEqual(validity, { notBefore: NOON, notAfter: NOON + 60_000 })
    for (const at of [NOON, NOON + 60_000]) checkValidity(validity, at, 'it')
    for (const at of [NOON - 1, NOON + 60_001, Number.NaN]) {
      assert.throws(() => checkValidity(validity, at, 'it'), { code: 'ERR_RATS_EXPIRED' })
    }
  })

  const malformed: readonly (readonly [string, Uint8Array])[] = [
    ['has no tag', corim().subarray(3)],
    ['has no id', corim([[0, undefined]])],
    ['has an id that is none', corim([[0, new Uint8Array(15)]])],
    ['has no parts', corim([[1, undefined]])],
    ['has an empty list of parts', corim([[1, []]])],
    ['has a part that is not tagged', corim([[1, [Uint8Array.of(0xa0)]]])],
    ['has a part of a kind that is not known', corim([[1, [new Tagged(507, Uint8Array.of(0xa0))]]])],
    ['has a part that is no byte string', corim([[1, [new Tagged(506, new Map())]]])],
    ['has a part without triples', corim([[1, [comid(new Map())]]])],
    ['has a validity without end', corim([[4, new Map()]])],
    ['has a time without its tag', corim([[4, new Map([[1, 5]])]])],
    ['has something behind it', Uint8Array.of(...corim(), 0)],
    ['has an environment that names nothing', corim([[1, [comid(new Map([[0, [[new Map(), [measurement]]]]]))]]])],
    ['has a record without measurements', corim([[1, [comid(new Map([[0, [[environment, []]]]]))]]])],
    [
      'has a key with conditions',
      corim([[1, [comid(new Map([[3, [[environment, [new Tagged(554, 'x')], new Map()]]]]))]]]),
    ],
    ['has a key without a tag', corim([[1, [comid(new Map([[3, [[environment, ['x']]]]]))]]])],
  ]
  for (const [what, bytes] of malformed) {
    test(`cannot be read when it ${what}`, () => assert.throws(() => decodeCorim(bytes), MessageError))
  }

  test('cut off at any byte, or made of anything, cannot be read, and throws nothing unforeseen', () => {
    const bytes = corim()
    for (let length = 0; length < bytes.length; length++) {
      assert.throws(() => decodeCorim(bytes.subarray(0, length)), MessageError)
    }
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.nat(255), (at, value) => {
        const copy = Uint8Array.from(bytes)
        copy[at] = value
        try {
          decodeCorim(copy)
        } catch (error) {
          assert.ok(error instanceof MessageError, String(error))
        }
      }),
      { numRuns: 300 },
    )
  })
})

describe('a measurement in a CoRIM', () => {
  test('may be a version, an SVN, a raw value with a mask, a name, keys', () => {
    assert.equal(saying([[0, new Map([[0, '1.2']])]])?.version, '1.2')
    assert.deepEqual(saying([[1, 5]])?.svn, { rule: 'exact', value: 5n })
    assert.deepEqual(saying([[1, new Tagged(552, 5)]])?.svn, { rule: 'exact', value: 5n })
    assert.deepEqual(saying([[1, new Tagged(553, 5)]])?.svn, { rule: 'minimum', value: 5n })
    const [value, mask] = [Uint8Array.of(1), Uint8Array.of(2)]
    assert.deepEqual(saying([[4, new Tagged(560, value)]])?.rawValue, { value, mask: undefined })
    assert.deepEqual(saying([[4, new Tagged(563, [value, mask])]])?.rawValue, { value, mask })
    assert.deepEqual(
      saying([
        [4, new Tagged(560, value)],
        [5, mask],
      ])?.rawValue,
      { value, mask },
    )
    assert.equal(saying([[11, 'BL']])?.name, 'BL')
    assert.equal(saying([[13, [new Tagged(560, value)]]])?.cryptoKeys?.[0]?.tag, 560)
    assert.deepEqual(
      saying([
        [11, 'BL'],
        [8, 'serial'],
        [-73, 1],
      ])?.otherValues,
      [8, -73],
    )
  })

  test('is named by text, by a number or by what has a tag', () => {
    assert.equal(saying([[11, 'x']], 641)?.key, 641)
    assert.deepEqual(saying([[11, 'x']], new Tagged(37, digest))?.key, { tag: 37, bytes: digest, value: digest })
    assert.throws(() => saying([[11, 'x']], digest), MessageError)
  })

  test('has digests of the length of their hash', () => {
    for (const [algorithm, length] of [
      [1, 32],
      ['sha-384', 48],
      [8, 64],
      [7, 48],
    ] as const) {
      assert.ok(saying([[2, [[algorithm, new Uint8Array(length)]]]]))
      assert.throws(() => saying([[2, [[algorithm, new Uint8Array(length - 1)]]]]), MessageError)
    }
  })

  test('says something', () => {
    assert.throws(() => saying([]), MessageError)
    assert.throws(() => saying([[1, new Tagged(554, 5)]]), MessageError)
    assert.throws(() => saying([[4, new Tagged(563, [Uint8Array.of(1), Uint8Array.of(1, 2)])]]), MessageError)
  })
})

describe('a signed CoRIM', () => {
  const validity = { notBefore: NOON - DAY, notAfter: NOON + DAY }

  test('is read once its signature is known to be good', async () => {
    const bytes = await makeSignedCorim(corim(), signer, { name: 'a maker', validity })
    assert.ok(isSignedCorim(bytes))
    assert.ok(!isSignedCorim(corim()))
    const signed = readSignedCorim(bytes)
    assert.deepEqual(signed.signer, { name: 'a maker', uri: undefined })
    assert.deepEqual(signed.validity, validity)
    assert.equal(checkSignedCorim(signed, key.publicKey, NOON).id, 'a manifest')
  })

  test('may have the tags around it that manifests had once', async () => {
    const bytes = await makeSignedCorim(corim(), signer, { name: 'a maker' })
    for (const tags of [
      [0xd9, 0x01, 0xf6],
      [0xd9, 0x01, 0xf4, 0xd9, 0x01, 0xf6],
    ]) {
      const old = Uint8Array.of(...tags, ...bytes)
      assert.ok(isSignedCorim(old))
      assert.equal(checkSignedCorim(readSignedCorim(old), key.publicKey, NOON).id, 'a manifest')
    }
  })

  test('is refused by another key, after its time, and with another payload', async () => {
    const signed = readSignedCorim(await makeSignedCorim(corim(), signer, { name: 'a maker', validity }))
    const other = signingKey(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey)
    assert.throws(() => checkSignedCorim(signed, other.publicKey, NOON), { code: 'ERR_RATS_SIGNATURE' })
    for (const at of [NOON - 2 * DAY, NOON + 2 * DAY]) {
      assert.throws(() => checkSignedCorim(signed, key.publicKey, at), { code: 'ERR_RATS_EXPIRED' })
    }
    const nonsense = readSignedCorim(await makeSignedCorim(Uint8Array.of(0xa0), signer, { name: 'a maker' }))
    assert.throws(() => checkSignedCorim(nonsense, key.publicKey, NOON), { code: 'ERR_RATS_PAYLOAD' })
  })

  test('may name its signer by CWT claims, or by both if they agree', async () => {
    const header = (entries: readonly (readonly [number, CborValue])[]) =>
      makeSign1(corim(), signer, { protectedHeader: new Map([[3, 'application/rim+cbor'], ...entries]) })
    const meta = (name: string, end: number) =>
      encodeCbor(
        new Map<number, CborValue>([
          [0, new Map([[0, name]])],
          [1, new Map([[1, new Tagged(1, end)]])],
        ]),
      )
    const claims = (name: string, end: number) =>
      new Map<number, CborValue>([
        [1, name],
        [4, end],
      ])
    const end = NOON / 1000 + 60
    const byClaims = readSignedCorim(await header([[15, claims('a maker', end)]]))
    assert.deepEqual([byClaims.signer.name, byClaims.validity?.notAfter], ['a maker', NOON + 60_000])
    assert.ok(
      readSignedCorim(
        await header([
          [8, meta('a maker', end)],
          [15, claims('a maker', end)],
        ]),
      ),
    )
    for (const [name, time] of [
      ['another', end],
      ['a maker', end + 1],
    ] as const) {
      const bytes = await header([
        [8, meta('a maker', end)],
        [15, claims(name, time)],
      ])
      assert.throws(() => readSignedCorim(bytes), { code: 'ERR_RATS_INCONSISTENT' })
    }
    await assert.rejects(async () => readSignedCorim(await header([])), { code: 'ERR_RATS_MALFORMED' })
    await assert.rejects(
      async () =>
        readSignedCorim(
          await header([
            [15, claims('a', end)],
            [258, -16],
          ]),
        ),
      {
        code: 'ERR_RATS_MALFORMED',
      },
    )
  })

  test('has to say that it is one', async () => {
    const meta = encodeCbor(new Map([[0, new Map([[0, 'a maker']])]]))
    for (const type of ['application/cbor', 60]) {
      const bytes = await makeSign1(corim(), signer, {
        protectedHeader: new Map<number, CborValue>([
          [3, type],
          [8, meta],
        ]),
      })
      assert.throws(() => readSignedCorim(bytes), { code: 'ERR_RATS_CONTENT_TYPE' })
    }
  })
})
