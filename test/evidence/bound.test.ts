import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { hex } from '#src/bytes/index.js'
import { PublicKey } from '#src/crypto/index.js'
import {
  type AppraisalInputs,
  bareReport,
  boundReport,
  decodeKeyClaims,
  encodeKeyClaims,
  evidenceFormats,
  FixedEndorsements,
  isReportDataFor,
  MalformedEvidence,
  makeBoundReport,
  type Platform,
  RootsByKind,
  reportDataFor,
  sgxQuotes,
  snpReports,
  tdxQuotes,
} from '#src/evidence/index.js'
import {
  type CborValue,
  type Cmw,
  type CmwCollection,
  canonicalMediaType,
  encodeCbor,
  Tagged,
} from '#src/rats/index.js'
import { Policy } from '#src/verifier/index.js'
import { document, identityOf, NOON, newKey, someKey, workload } from '../support/simulated.js'

/** A platform with one free field: what the "report" is, is that field. Only the binding is looked at here. */
const platform: Platform<Uint8Array> = {
  kind: 'simulated',
  profile: undefined,
  isSimulated: true,
  policyTerms: { requiredMeasurements: ['workload'], lifecycles: [], claims: [] },
  decode: report => report,
  checkOrigin: () => ({
    findings: [],
    isSimulated: true,
  }),
  challengeOf: report => report.subarray(0, 64),
  factsOf: () => ({
    measurements: new Map([['workload', hex(workload.measurement)]]),
    isDebuggable: false,
    lifecycle: 'secured',
    claims: {},
  }),
}
const options = {
  platform,
  name: 'report',
  reportType: 'application/vnd.example.report',
  certificatesType: 'application/vnd.example.certificates',
  fieldLength: 64,
}
const bound = boundReport(options)
const bare = bareReport(options)

const challenge = new Uint8Array(32).fill(3)
const key = PublicKey.fromSpki(someKey.spki)
const [entry] = document.platforms ?? []
assert.ok(entry)
const inputs: AppraisalInputs = {
  challenge,
  key: someKey,
  roots: new RootsByKind({}),
  endorsements: new FixedEndorsements(),
  referenceValues: Policy.from({
    version: 1,
    platforms: [{ ...entry, measurements: [{ values: { workload: hex(workload.measurement) } }] }],
  }).referenceValues({ trustsSimulatedPlatforms: true }),
  at: NOON,
}

const genuine = await makeBoundReport(options, { nonce: challenge, key }, async claims => ({
  report: reportDataFor(claims),
}))

function failuresOf(message: Cmw, changes: Partial<AppraisalInputs> = {}, format = bound): readonly string[] {
  return format
    .appraise(message, { ...inputs, ...changes })
    .checks.filter(({ passed }) => !passed)
    .map(({ name }) => name)
}

function withEntry(label: string, value: Uint8Array | undefined, type?: string): CmwCollection {
  const entries = new Map(genuine.entries)
  const held = entries.get(label)
  if (value === undefined) entries.delete(label)
  else entries.set(label, { kind: 'record', type: type ?? (held?.kind === 'record' ? held.type : 'a/b'), value })
  return { ...genuine, entries }
}

describe('a report bound to a key', () => {
  test('is accepted when its field has the hash of challenge and key', () => {
    const appraisal = bound.appraise(genuine, inputs)
    assert.deepEqual(failuresOf(genuine), [])
    assert.deepEqual(appraisal.attestedKey, someKey.spki)
    assert.deepEqual(appraisal.challenge, challenge)
  })

  test('gives up its key when none is expected', () => assert.deepEqual(failuresOf(genuine, { key: null }), []))

  test('is refused for another challenge, and for another key', () => {
    assert.deepEqual(failuresOf(genuine, { challenge: new Uint8Array(32) }), ['challenge'])
    assert.deepEqual(failuresOf(genuine, { key: identityOf(newKey()) }), ['key-binding'])
  })

  test('is refused with the claims of another key beside it, which speak for nothing then', () => {
    const other = newKey()
    const message = withEntry('kat', encodeKeyClaims({ nonce: challenge, key: other.publicKey }))
    assert.deepEqual(failuresOf(message, { key: identityOf(other) }), ['kat-binding'])
    assert.equal(bound.appraise(message, inputs).attestedKey, null)
    assert.equal(bound.appraise(message, inputs).challenge, null)
  })

  test('is refused when one bit of its field is another', () => {
    for (const at of [0, 31, 32, 63]) {
      const claims = encodeKeyClaims({ nonce: challenge, key })
      const field = reportDataFor(claims)
      field[at] = (field[at] ?? 0) ^ 1
      assert.deepEqual(failuresOf(withEntry('report', field)), ['kat-binding'])
    }
  })

  test('is refused when its field has a shorter hash, filled up or not', () => {
    const claims = encodeKeyClaims({ nonce: challenge, key })
    const padded = new Uint8Array(64)
    padded.set(reportDataFor(claims, 32))
    assert.deepEqual(failuresOf(withEntry('report', padded)), ['kat-binding'])
    assert.deepEqual(failuresOf(withEntry('report', reportDataFor(claims).subarray(0, 63))), ['kat-binding'])
  })

  test('may have certificates beside it', async () => {
    const message = await makeBoundReport(options, { nonce: challenge, key }, async claims => ({
      report: reportDataFor(claims),
      certificates: Uint8Array.of(1, 2, 3),
    }))
    assert.deepEqual(failuresOf(message), [])
  })

  const tooMany = new Map<number, CborValue>([
    [10, challenge],
    [8, new Map()],
    [9, 1],
  ])
  const malformed: readonly (readonly [string, Cmw])[] = [
    ['is a record', { kind: 'record', type: options.reportType, value: Uint8Array.of(1) }],
    ['is a collection of another type', { ...genuine, type: 'tag:example.org,2026:other' }],
    ['has no claims', withEntry('kat', undefined)],
    ['has no report', withEntry('report', undefined)],
    ['has something else beside', withEntry('more', Uint8Array.of(1))],
    ['has a report of another type', withEntry('report', new Uint8Array(64), 'application/vnd.example.other')],
    ['has claims that are none', withEntry('kat', Uint8Array.of(0xa0))],
    ['has claims without the tag', withEntry('kat', encodeKeyClaims({ nonce: challenge, key }).subarray(3))],
    ['has claims besides the two', withEntry('kat', encodeCbor(new Tagged(601, tooMany)))],
  ]
  for (const [what, message] of malformed) {
    test(`is not appraised when it ${what}`, () => {
      assert.throws(() => bound.appraise(message, inputs), MalformedEvidence)
    })
  }
})

describe('a report alone', () => {
  const field = new Uint8Array(64).fill(9)
  const message: Cmw = { kind: 'record', type: options.reportType, value: field }

  test('is accepted for the challenge that fills its field, and speaks for no key', () => {
    assert.deepEqual(failuresOf(message, { challenge: field }, bare), [])
    assert.equal(bare.appraise(message, { ...inputs, challenge: field }).attestedKey, null)
  })

  test('is refused for a challenge that only begins like its field', () => {
    assert.deepEqual(failuresOf(message, { challenge: field.subarray(0, 32) }, bare), ['challenge'])
  })

  test('is not taken for a bound one', () => {
    assert.throws(() => bare.appraise(genuine, inputs), MalformedEvidence)
  })
})

describe('the claims that a report is bound to', () => {
  test('are the unsigned claims set of RFC 9781 with nonce and key, byte for byte', () => {
    const bytes = encodeKeyClaims({ nonce: challenge, key })
    assert.equal(hex(bytes.subarray(0, 6)), 'd90259a208a1')
    const { nonce, key: found } = decodeKeyClaims(bytes)
    assert.deepEqual(nonce, challenge)
    assert.deepEqual(found.spki, someKey.spki)
  })

  test('fill fields of 32, 48 and 64 bytes', () => {
    const bytes = encodeKeyClaims({ nonce: challenge, key })
    for (const length of [32, 48, 64]) {
      assert.equal(reportDataFor(bytes, length).length, length)
      assert.ok(isReportDataFor(reportDataFor(bytes, length), bytes))
    }
    assert.throws(() => reportDataFor(bytes, 20), RangeError)
    assert.ok(!isReportDataFor(new Uint8Array(0), bytes))
  })

  test('have a nonce of 8 to 64 bytes', () => {
    for (const length of [0, 7, 65]) {
      assert.throws(() => encodeKeyClaims({ nonce: new Uint8Array(length), key }), RangeError)
    }
  })
})

describe('the table of formats', () => {
  test('has every media type once, in canonical spelling', () => {
    const types = evidenceFormats.flatMap(({ mediaTypes }) => mediaTypes)
    assert.equal(new Set(types).size, types.length)
    for (const type of types) assert.equal(canonicalMediaType(type), type)
  })

  test('has each hardware platform bound to a key and alone', () => {
    for (const row of [snpReports, tdxQuotes, sgxQuotes]) {
      const formats = evidenceFormats.filter(({ kinds }) => kinds.length === 1 && kinds[0] === row.platform.kind)
      assert.deepEqual(
        formats.map(({ challengeLength }) => challengeLength),
        [undefined, 64],
      )
    }
  })

  test('appraises no garbage in any of its formats, and throws nothing unforeseen', () => {
    for (const format of evidenceFormats) {
      for (const value of [new Uint8Array(1), new Uint8Array(1184), new Uint8Array(5000).fill(0xff)]) {
        const record: Cmw = { kind: 'record', type: format.mediaTypes[0] ?? '', value }
        assert.throws(() => format.appraise(record, inputs), MalformedEvidence)
        if (format.needs) assert.throws(() => format.needs?.(record), MalformedEvidence)
      }
    }
  })
})
