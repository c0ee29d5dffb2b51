import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import test from 'node:test'
import { promisify } from 'node:util'
import { repositoryRoot } from '../support/skip.js'

test('devices enroll over CoAP, but for the one that runs something else', async () => {
  const program = join(repositoryRoot, 'build', 'apps', 'coap', 'main.js')
  const { stdout } = await promisify(execFile)(process.execPath, [program])
  assert.match(stdout, /SIMULATED: they prove nothing/)
  const [, good = '', bad = ''] = stdout.split(/^[12]\. /m)
  assert.match(good, /POST \/enroll[\s\S]*2\.01 .*reportEvery[\s\S]*POST \/readings[\s\S]*2\.04/)
  assert.match(bad, /service ▸ refused a device: .*measurement: expected app/)
  assert.doesNotMatch(bad, /POST/)
  assert.match(stdout, /Done\./)
})
