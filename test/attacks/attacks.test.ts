import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { describe } from 'node:test'
import { repositoryRoot } from '../support/skip.js'
import { catalogue } from './catalogue.js'
import { type Attempt, attemptsOf, nameOf, play } from './row.js'
import { PROFILES, TRANSPORTS } from './stage.js'
import { markdown, type Played } from './table.js'

const attempts = attemptsOf(catalogue, TRANSPORTS)
const played = new Map<Attempt, Promise<Played>>()

/** Plays an attack, once. */
function playOnce(attempt: Attempt): Promise<Played> {
  const playing = played.get(attempt) ?? play(attempt).then(seen => ({ attempt, seen }))
  played.set(attempt, playing)
  return playing
}

describe('attacks', () => {
  for (const attempt of attempts) {
    test(nameOf(attempt), async () => assert.deepEqual((await playOnce(attempt)).seen, attempt.due))
  }
})

describe('the catalogue', () => {
  test('has every row, each tried under every profile or with the reason why not', () => {
    assert.deepEqual(
      catalogue.map(({ row }) => row),
      Array.from({ length: 55 }, (_, i) => i + 1),
    )
    for (const { row, variants, notTried = {} } of catalogue) {
      for (const profile of PROFILES) {
        const isTried = variants.some(({ due }) => due[profile])
        assert.ok(isTried !== profile in notTried, `row ${row}, ${profile}`)
      }
      for (const transport of TRANSPORTS) {
        const isTried = variants.length === 0 || variants.some(({ over = transport }) => over === transport)
        assert.ok(isTried !== transport in notTried, `row ${row}, ${transport}`)
      }
    }
  })

  test('gives each of its variants a name of its own', () => {
    assert.equal(new Set(attempts.map(nameOf)).size, attempts.length)
  })

  test('comes to what RESULTS.md says', async () => {
    const found = await Promise.all(attempts.map(playOnce))
    const written = readFileSync(join(repositoryRoot, 'test/attacks/RESULTS.md'), 'utf8')
    assert.equal(
      `${markdown(catalogue, found)}\n`,
      written,
      'node scripts/run.mjs attacks --markdown > test/attacks/RESULTS.md',
    )
  })
})
