import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { describe } from 'node:test'
import { repositoryRoot } from './support/skip.js'

describe('the configuration of BoGo', () => {
  const folder = join(repositoryRoot, 'conformance', 'bogo')
  const listed = (name: string) =>
    readFileSync(join(folder, 'tests', name), 'utf8')
      .split('\n')
      .filter(Boolean)
  const { DisabledTests } = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8'))

  test('has a sentence for every test that is disabled, and disables none that is not there', () => {
    const all = [...listed('tls13.txt'), ...listed('dtls13.txt')]
    for (const [glob, reason] of Object.entries(DisabledTests)) {
      assert.match(String(reason), /^[A-Z].*\.$/, glob)
      assert.ok(
        all.some(name => matchesGlob(name, glob)),
        glob,
      )
    }
  })

  test('disables nothing of the core but for a reason of its own', () => {
    const core = [...listed('tls13-core.txt'), ...listed('dtls13-core.txt')]
    for (const name of core) {
      const glob = Object.keys(DisabledTests).find(pattern => matchesGlob(name, pattern))
      assert.ok(glob === undefined || glob === name, name)
    }
    assert.equal(core.length, 784 + 358)
  })
})

/** Go's filepath.Match, as far as the names of tests need it. */
function matchesGlob(name: string, glob: string): boolean {
  return new RegExp(`^${glob.replaceAll('*', '.*')}$`).test(name)
}
