import assert from 'node:assert/strict'
import { test } from 'node:test'
import { handshakes } from './scenarios/handshakes.js'
import { renewals } from './scenarios/renewals.js'

/* A little of the scenarios that connect in many ways: what grows is not seen in so short a time, what fails is. */

for (const { scenario, times } of [
  { scenario: handshakes, times: 20 },
  { scenario: renewals, times: 2 },
]) {
  test(`what the scenario ${scenario.name} does can be done`, async () => {
    let done = 0
    const told: string[] = []
    const findings = await scenario.run(0, { tell: progress => told.push(progress), hasTime: () => done++ < times })
    assert.ok(done > times)
    assert.deepEqual(told, [])
    for (const what of ['failures', 'handles and timers left', 'listeners left', 'warnings of Node']) {
      const finding = findings.find(finding => finding.what === what)
      assert.equal(finding?.value, '0', what)
    }
  })
}
