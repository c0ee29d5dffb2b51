import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { optional, repositoryRoot } from '../support/skip.js'

const built = existsSync(join(repositoryRoot, 'build', 'peers', 'pion', 'release', 'peer'))

test('DTLS 1.3 is that of pion/dtls', optional('its peer', built, 'npm run interop:dtls -- pion'), async t => {
  const program = join(repositoryRoot, 'build', 'conformance', 'interop', 'dtls', 'run.js')
  const { stdout, stderr } = spawnSync(process.execPath, [program, '--built', '--json', 'pion'], { encoding: 'utf8' })
  const results = stdout.trim().split('\n').filter(Boolean)
  assert.ok(results.length > 30, stderr)
  for (const { role, scenario, outcome, reason } of results.map(line => JSON.parse(line))) {
    await t.test(`we are the ${role}: ${scenario}`, () => assert.notEqual(outcome, 'failed', reason))
  }
})
