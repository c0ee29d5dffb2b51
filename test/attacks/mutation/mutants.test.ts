import assert from 'node:assert/strict'
import test from 'node:test'
import { catalogue } from '../catalogue.js'
import { mutants, placesOf } from './mutants.js'

/* Whether the attacks notice is seen by `npm run attacks -- --mutants`; here, that it still can be. */

for (const mutant of mutants) {
  test(`there is one place to switch off: ${mutant.check}`, () => {
    const { file, from, to, rows } = mutant
    assert.notEqual(from, to)
    assert.ok(rows.length > 0, 'some attack has to notice')
    assert.ok(rows.every(number => catalogue.some(({ row }) => row === number)))
    const count = placesOf(mutant)
    assert.equal(
      count,
      1,
      `dist/${file} reads ${JSON.stringify(from)} ${count} times: mutants.ts has to follow the code`,
    )
  })
}

test('no check is switched off twice', () => {
  assert.equal(new Set(mutants.map(({ check }) => check)).size, mutants.length)
})
