import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { concat, utf8 } from '#src/bytes/index.js'
import { evidenceFormats, speaksForKey } from '#src/evidence/index.js'
import { type AttestationResult, type Cmw, type CmwRecord, encodeCbor, Indicator } from '#src/rats/index.js'
import { errorOf, NotAppraised, Refused, report } from '#src/verifier/index.js'
import {
  challengeFor,
  endorsementsFor,
  evidenceOf,
  type SimulatedKind,
  simulatedKinds,
  verifierFor,
} from '../support/every-platform.js'
import { failures, identityOf, newKey, patient, someKey } from '../support/simulated.js'

/*
 * What is true of every format of Evidence, whatever is in it. The table of formats says which there are, and the
 * simulated platforms make each: a new format is tested here by being registered.
 */

/** A format with what makes it. */
interface Row {
  readonly kind: SimulatedKind
  readonly type: string
  readonly honest: Cmw
  readonly accepted: AttestationResult
}

const rows = new Map<string, Row>()
for (const { name, mediaTypes } of evidenceFormats) {
  for (const kind of Object.values(simulatedKinds)) {
    const type = kind.attester.evidenceTypes.find(one => mediaTypes.includes(one))
    if (type === undefined || rows.has(name)) continue
    const honest = await evidenceOf(kind, type)
    rows.set(name, { kind, type, honest, accepted: await appraised({ kind, type }, honest) })
  }
}

test('every format is tested here', () => {
  assert.deepEqual([...rows.keys()], [...new Set(evidenceFormats.map(({ name }) => name))])
})

for (const [name, row] of rows) {
  const { kind, type, honest, accepted } = row

  describe(`Evidence of the format “${name}”`, () => {
    test('is accepted as it was made', () => {
      assert.ok(accepted.isAccepted, report(accepted))
    })

    test('is appraised alike each time, by the same Verifier and by another', async () => {
      const verifier = verifierFor(kind, { endorsements: endorsementsFor(kind) })
      const first = await appraised(row, honest, { verifier })
      assert.deepEqual(await appraised(row, honest, { verifier }), first)
      assert.deepEqual(accepted, first)
      assert.equal(report(accepted), report(first))
    })

    test('holds its challenge whole: neither a beginning of it nor what begins with it will do', async () => {
      const challenge = challengeFor(kind, type)
      const others = [
        challenge.subarray(0, challenge.length - 1),
        concat(challenge, Uint8Array.of(0)),
        concat(Uint8Array.of(0), challenge),
        concat(challenge, challenge),
        new Uint8Array(challenge.length),
        challengeFor(kind, type, 6),
      ]
      for (const other of others) {
        const result = await appraised(row, honest, { challenge: other })
        assert.deepEqual(failures(result), ['challenge'], report(result))
        assert.ok(errorOf(result) instanceof Refused)
      }
    })

    test('that an empty or a short challenge is asked of is a mistake of the caller’s', async () => {
      for (const length of [0, 7]) {
        await assert.rejects(appraised(row, honest, { challenge: new Uint8Array(length) }), RangeError)
      }
    })

    test('takes nothing from Evidence that was made for another challenge or key', async () => {
      const other = await evidenceOf(kind, type, { challenge: challengeFor(kind, type, 6), key: identityOf(newKey()) })
      if (honest.kind !== 'collection' || other.kind !== 'collection') return
      for (const label of honest.entries.keys()) {
        const foreign = other.entries.get(label)
        if (!foreign) continue
        const entries = new Map([...honest.entries, [label, foreign] as const])
        accepts(await appraised(row, { ...honest, entries }), row)
      }
    })

    test('that a byte was changed in, cut off or added to is accepted as what it was, or not at all', async () => {
      const records = recordsOf(honest)
      const change = fc.record({
        index: fc.nat({ max: records.length - 1 }),
        at: fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
        to: fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
        change: fc.constantFrom(...Object.keys(changes)),
        bytes: fc.oneof(fc.uint8Array({ minLength: 1, maxLength: 12 }), fc.constantFrom(...TRICKS)),
      })
      const property = fc.asyncProperty(change, async ({ index, at, to, change, bytes }) => {
        const record = records[index]
        const alter = changes[change]
        if (!record || !alter) throw new Error('there is no such change')
        const { value } = record
        const [from, until] = [at, to].map(part => Math.floor(part * value.length)) as [number, number]
        const changed = alter(value, Math.min(from, until), Math.max(from, until), bytes)
        if (changed.length === 0) return
        accepts(await appraised(row, replaced(honest, record, { ...record, value: changed })), row)
      })
      await fc.assert(property, { numRuns: 100, seed: 5 })
    })

    test('of which nothing is left but a bomb cannot be read', async () => {
      for (const record of recordsOf(honest)) {
        for (const [what, value] of Object.entries(BOMBS)) {
          const result = await appraised(row, replaced(honest, record, { ...record, value }))
          // Where certificates come beside a report, bad ones may be a reason to refuse it.
          const isWhole = honest.kind === 'record' || record.indicators !== Indicator.endorsements
          if (isWhole) assert.equal(result.problemCode, 'ERR_EVIDENCE_MALFORMED', `${what}: ${report(result)}`)
          accepts(result, row)
        }
      }
    })

    test('that is larger than the Verifier reads is not read', async () => {
      for (const record of recordsOf(honest)) {
        const value = concat(record.value, new Uint8Array(65_537))
        const result = await appraised(row, replaced(honest, record, { ...record, value }))
        assert.equal(result.problemCode, 'ERR_EVIDENCE_MALFORMED')
        assert.match(result.problem ?? '', /larger than 65536 bytes/)
        assert.ok(errorOf(result) instanceof NotAppraised)
      }
    })

    test('in the wrong kind of message cannot be read', async () => {
      const wrong: Cmw =
        honest.kind === 'record'
          ? { kind: 'collection', entries: new Map([['x', honest]]) }
          : { kind: 'record', type, value: Uint8Array.of(0), indicators: Indicator.evidence }
      assert.ok(errorOf(await appraised(row, wrong)) instanceof NotAppraised)
    })

    test('that lacks a part cannot be read, unless it is one that may be left out', async () => {
      if (honest.kind !== 'collection') return
      for (const label of honest.entries.keys()) {
        const entries = new Map([...honest.entries].filter(([one]) => one !== label))
        const result = await appraised(row, { ...honest, entries })
        if (label !== 'certificates') assert.equal(result.problemCode, 'ERR_EVIDENCE_MALFORMED', report(result))
        accepts(result, row)
      }
    })

    test('has a report for people of at most 100 columns', async () => {
      const results = [
        accepted,
        await appraised(row, honest, { challenge: challengeFor(kind, type, 6) }),
        await appraised(row, honest, { verifier: verifierFor(kind, { roots: {} }) }),
        await appraised(row, honest, { verifier: verifierFor({ ...kind, platforms: NOBODY }) }),
      ]
      for (const result of results) {
        for (const line of report(result).split('\n')) assert.ok(line.length <= 100, line)
        assert.doesNotMatch(report(result), /undefined|null|NaN|\[object|`ca`/)
      }
    })
  })
}

/** A policy that allows no platform that is there. */
const NOBODY = [{ kind: 'simulated', measurements: [{ values: { workload: 'ff'.repeat(32) } }] }]

/** Evidence that was tampered with leads to what the honest Evidence led to, to a refusal, or to a problem that is the
 *  sender's; never to an error of the Verifier's. */
function accepts(result: AttestationResult, { accepted }: Row): void {
  assert.notEqual(result.problemCode, 'ERR_VERIFIER_FAILED', result.problem)
  if (!result.isAccepted) {
    const { problemCode } = result
    assert.equal(problemCode === undefined, failures(result).length > 0, report(result))
    assert.equal(errorOf(result) instanceof NotAppraised, problemCode !== undefined)
    return
  }
  assert.deepEqual(result.attestedKey, accepted.attestedKey)
  assert.deepEqual(result.challenge, accepted.challenge)
  assert.deepEqual(result.submodules, accepted.submodules)
  assert.equal(result.isSimulated, accepted.isSimulated)
}

/** What can be done to bytes, between two places in them. */
const changes: Readonly<
  Record<string, (value: Uint8Array, from: number, until: number, bytes: Uint8Array) => Uint8Array>
> = {
  flip: (value, from, _, [bits = 1]) => {
    const copy = Uint8Array.from(value)
    copy[from] = (copy[from] ?? 0) ^ (bits || 1)
    return copy
  },
  truncate: (value, from) => value.slice(0, from),
  append: (value, _from, _until, bytes) => concat(value, bytes),
  insert: (value, from, _, bytes) => concat(value.subarray(0, from), bytes, value.subarray(from)),
  overwrite: (value, from, _, bytes) => concat(value.subarray(0, from), bytes, value.subarray(from + bytes.length)),
  remove: (value, from, until) => concat(value.subarray(0, from), value.subarray(until)),
  repeat: (value, from, until) => concat(value.subarray(0, until), value.subarray(from)),
  zero: (value, from, until) => concat(value.subarray(0, from), new Uint8Array(until - from), value.subarray(until)),
  pad: value => concat(value, new Uint8Array(4096)),
}

/** Beginnings that mean trouble to somebody: lengths of 2^63 in CBOR and of 2^32 in DER, lengths without end, longer
 *  encodings of small numbers, null, NaN, tags. */
const TRICKS = [
  [0x9b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
  [0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
  [0xbb, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00],
  [0x30, 0x84, 0xff, 0xff, 0xff, 0xff],
  [0x30, 0x80],
  [0x02, 0x02, 0x00, 0x01],
  [0x9f],
  [0xbf],
  [0x5f],
  [0xff],
  [0x1b, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x0a],
  [0x19, 0x00, 0x0a],
  [0x0a, 0x0a],
  [0xf6],
  [0xfb, 0x7f, 0xf8, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00],
  [0xd9, 0xd9, 0xf7],
  [0x7b, 0x22, 0x6b, 0x65, 0x79, 0x73, 0x22],
  [0x2d, 0x2d, 0x2d, 0x2d, 0x2d],
].map(bytes => Uint8Array.from(bytes))

const BOMBS: Readonly<Record<string, Uint8Array>> = {
  'nested CBOR arrays': new Uint8Array(60_000).fill(0x81),
  'nested CBOR maps': new Uint8Array(60_000).fill(0xa1),
  'nested CBOR tags': new Uint8Array(60_000).fill(0xc1),
  'CBOR arrays without end': new Uint8Array(60_000).fill(0x9f),
  'a CBOR array of 2^63': Uint8Array.of(0x9b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff),
  'a CBOR map of 2^32': Uint8Array.of(0xbb, 0, 0, 0, 1, 0, 0, 0, 0),
  'a CBOR string of 2^64': Uint8Array.of(0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1),
  'a CBOR array of 60,000 numbers': encodeCbor(Array.from({ length: 60_000 }, () => 0)),
  'a CBOR map with one key twice': Uint8Array.of(0xa2, 0x0a, 0x01, 0x0a, 0x02),
  'a COSE message of bombs': concat(Uint8Array.of(0xd2, 0x84, 0x43, 0xa1, 0x01, 0x26), new Uint8Array(9000).fill(0xa1)),
  'nested JSON arrays': utf8('['.repeat(60_000)),
  'nested JSON objects': utf8('{"a":'.repeat(12_000)),
  'JSON with one name twice': utf8('{"version":1,"version":1}'),
  'a JSON number without end': utf8(`{"version":1${'0'.repeat(60_000)}}`),
  'nested DER sequences': new Uint8Array(60_000).map((_, i) => (i % 2 === 0 ? 0x30 : 0x80)),
  'a DER sequence of 2^32': Uint8Array.of(0x30, 0x84, 0xff, 0xff, 0xff, 0xff),
  'PEM without certificates': utf8('-----BEGIN CERTIFICATE-----\n'.repeat(2000)),
  'PEM of empty certificates': utf8('-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n'.repeat(1000)),
  'one byte': Uint8Array.of(0),
  zeros: new Uint8Array(60_000),
  ones: new Uint8Array(60_000).fill(0xff),
}

function recordsOf(message: Cmw): readonly CmwRecord[] {
  return message.kind === 'record' ? [message] : [...message.entries.values()].flatMap(recordsOf)
}

function replaced(message: Cmw, record: CmwRecord, by: CmwRecord): Cmw {
  if (message === record) return by
  if (message.kind === 'record') return message
  const entries = [...message.entries].map(([label, entry]) => [label, replaced(entry, record, by)] as const)
  return { ...message, entries: new Map(entries) }
}

async function appraised(
  { kind, type }: Pick<Row, 'kind' | 'type'>,
  message: Cmw,
  { verifier = verifierFor(kind, { endorsements: endorsementsFor(kind) }), challenge = challengeFor(kind, type) } = {},
): Promise<AttestationResult> {
  const session = await verifier.newSession({ signal: patient })
  const key = speaksForKey(type) ? someKey : null
  return session.appraise({ message, challenge, key, signal: patient })
}
