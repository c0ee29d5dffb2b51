import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { mayNotSkip } from '../support/skip.js'
import type { Adapter, Facts, Outcome } from './adapter.js'
import { adapters } from './adapters.js'
import { type Expectation, loadVectors, type Vector, vectorsFolder } from './load.js'

const folder = vectorsFolder()

if (folder === null) {
  const reason = 'the vectors are not here: neither ATTESTED_TLS_VECTORS nor ../shared/vectors leads to them'
  test('the vectors', { skip: mayNotSkip() ? false : reason }, () => assert.fail(reason))
  if (!mayNotSkip()) console.error(`SKIPPED: ${reason}`)
} else {
  const vectors = loadVectors(folder)
  test('there are vectors', () => assert.notEqual(vectors.length, 0))
  for (const format of [...new Set(vectors.map(({ base }) => base.format))].sort()) {
    describe(format, () =>
      run(
        format,
        vectors.filter(({ base }) => base.format === format),
      ),
    )
  }
}

function run(format: string, vectors: readonly Vector[]): void {
  const adapter = adapters[format]
  for (const vector of vectors) {
    test(`${vector.path} is ${vector.expected.outcome}ed`, async t => {
      assert.ok(adapter, `there is no adapter for ${format}`)
      if (!(await check(adapter, vector.base, vector.expected, vector.facts))) {
        assert.ok(!mayNotSkip(), 'it holds nothing to check, and nothing may be skipped')
        t.skip('it holds nothing to check')
      }
      for (const negative of vector.negatives) {
        await t.test(`${negative.id} is ${negative.expected.outcome}ed`, async () => {
          await check(adapter, negative.case, negative.expected, null)
        })
      }
    })
  }
}

/** @returns false if there was nothing to check */
async function check(
  adapter: Adapter,
  vector: Vector['base'],
  expected: Expectation,
  facts: Facts | null,
): Promise<boolean> {
  const outcome = await adapter(vector)
  if (outcome === null) return false
  assert.equal(outcome.outcome, expected.outcome, described(outcome))
  if (outcome.outcome === 'reject') {
    assert.ok(
      outcome.reasons.some(reason => expected.reasons.includes(reason)),
      `${described(outcome)}, where one of ${expected.reasons.join(', ')} is the reason`,
    )
  }
  if (facts !== null && outcome.facts !== undefined) {
    const unsaid = outcome.outcome === 'accept' ? (outcome.unsaid ?? []) : []
    compareFacts(outcome.facts, without(facts, unsaid))
  }
  return true
}

function described(outcome: Outcome): string {
  return outcome.outcome === 'accept' ? 'it was accepted' : `${outcome.reasons.join(', ')}: ${outcome.sentence}`
}

/** Every fact that is expected, no other value. Objects may say more than was asked for, lists may not. */
function compareFacts(actual: Facts, expected: Facts): void {
  assert.deepEqual(restricted(actual, expected), expected)
}

function restricted(actual: unknown, expected: unknown): unknown {
  if (Array.isArray(actual) && Array.isArray(expected)) {
    return actual.map((item, i) => (i < expected.length ? restricted(item, expected[i]) : item))
  }
  if (!isObject(actual) || !isObject(expected)) return actual
  const names = Object.keys(expected).filter(name => name in actual)
  return Object.fromEntries(names.map(name => [name, restricted(actual[name], expected[name])]))
}

/** The facts without those at these paths. */
function without(facts: Facts, paths: readonly string[], prefix = ''): Facts {
  const entries = Object.entries(facts).filter(([name]) => !paths.includes(prefix + name))
  return Object.fromEntries(
    entries.map(([name, value]) => [name, isObject(value) ? without(value, paths, `${prefix}${name}.`) : value]),
  )
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
