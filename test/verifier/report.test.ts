import assert from 'node:assert/strict'
import { test } from 'node:test'
import { measured } from '#src/attester/index.js'
import { utf8 } from '#src/bytes/index.js'
import { report, sentence } from '#src/verifier/index.js'
import { appraise, attesterOf, firmware, verifierOf } from '../support/simulated.js'

const evil = attesterOf({ components: [measured('workload', utf8('a shop with a back door')), firmware] })
const refused = await appraise({ attester: evil })

test('a report of a refused platform says what was measured, what was expected, and what to do', () => {
  const lines = report(refused).split('\n')
  assert.match(lines[0] ?? '', /^refused: measurement is workload [0-9a-f]{8}…, but should be workload [0-9a-f]{8}…/)
  assert.ok(lines.includes('measurement failed'))
  assert.ok(lines.some(line => line.startsWith('  what to do  ')))
  assert.ok(lines.some(line => /^NO {3}measurement/.test(line)))
  assert.ok(lines.some(line => /^yes {2}challenge/.test(line)))
})

test('a report of an accepted platform has every check and how long the verdict holds', async () => {
  const result = await appraise()
  const text = report(result)
  for (const { name } of result.checks) assert.match(text, new RegExp(`^yes  ${name} `, 'm'))
  assert.match(text, /^accepted: /)
  assert.match(text, /issued 2026-11-24T12:00:00Z, holds until 2026-11-24T13:00:00Z\n$/)
})

test('a report says SIMULATED of a simulated platform', async () => {
  assert.match(report(await appraise()), /^SIMULATED: /m)
})

test('the sentence is about the first check that failed, and says how many others did', async () => {
  const broken = attesterOf({ isDebuggable: true, lifecycle: 'decommissioned' })
  assert.match(sentence(await appraise({ attester: broken })), /^debug is debug on, .*; 1 more of the checks failed$/)
})

test('a report does not take what was not appraised for what was refused', async () => {
  const result = await appraise({}, () => ({ kind: 'record', type: 'a/b', value: utf8('x') }))
  assert.match(report(result), /^not appraised: the appraisal could not be done: Evidence of type a\/b/)
})

test('a report fits into 100 columns, but for the sentence at its head', async () => {
  for (const result of [refused, await appraise(), await appraise({ verifier: verifierOf({ roots: {} }) })]) {
    for (const line of report(result).split('\n').slice(1)) assert.ok(line.length <= 100, line)
  }
})

test('a report has colours only when they are asked for', () => {
  assert.ok(!report(refused).includes('\x1b'))
  assert.ok(report(refused, { colour: true }).includes('\x1b[31mrefused\x1b[0m'))
})

test('what a peer wrote does not steer the terminal', async () => {
  const check = {
    name: 'claim',
    passed: false,
    expected: 'x',
    actual: '\x1b[2J\u202e\r\n',
    source: 's',
    remedy: '\x07',
  }
  const hostile: typeof refused = {
    ...refused,
    checks: [check],
    submodules: { '\x1b[0m': { status: 'none', vector: {}, policyIds: [], claims: {} } },
  }
  const text = report(hostile)
  assert.ok([...text].every(character => character === '\n' || isHarmless(character)))
  assert.ok([...sentence(hostile)].every(isHarmless))
})

function isHarmless(character: string): boolean {
  return character >= ' ' && character !== '\x7f' && character !== '\u202e'
}
