import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { SimulatedGpu } from '#src/attester/index.js'
import { concat } from '#src/bytes/index.js'
import {
  decodeNvidiaReport,
  FixedEndorsements,
  nvidiaGpuPlatform,
  platforms,
  RootsByKind,
} from '#src/evidence/index.js'
import { MessageError } from '#src/rats/index.js'
import { NOON } from '../support/simulated.js'

const nonce = new Uint8Array(32).fill(7)
const measurements = new Map([
  [1, new Uint8Array(48).fill(1)],
  [2, new Uint8Array(48).fill(2)],
])
const gpu = new SimulatedGpu({ now: NOON, measurements })
const report = gpu.report(nonce)
const reportLength = report.length - gpu.chainPem.length

function failuresOf(bytes: Uint8Array, rootPem = gpu.rootPem): readonly string[] {
  const inputs = {
    roots: new RootsByKind({ 'nvidia-gpu': [rootPem] }),
    endorsements: new FixedEndorsements(),
    at: NOON,
  }
  const { findings } = nvidiaGpuPlatform.checkOrigin(nvidiaGpuPlatform.decode(bytes), inputs)
  return findings.filter(({ check }) => !check.passed).map(({ check }) => check.name)
}

describe('a report of an NVIDIA GPU', () => {
  test('is genuine under the root, and tells its nonce and measurements', () => {
    assert.deepEqual(failuresOf(report), [])
    const evidence = nvidiaGpuPlatform.decode(report)
    assert.deepEqual(nvidiaGpuPlatform.challengeOf(evidence), nonce)
    const facts = nvidiaGpuPlatform.factsOf(evidence, { findings: [], isSimulated: true })
    assert.deepEqual(Object.fromEntries(facts.measurements), { 1: '01'.repeat(48), 2: '02'.repeat(48) })
    assert.equal(facts.claims['driver-version'], '580.1')
  })

  test('is no Evidence of a peer: it is in no table', () => {
    assert.ok(!platforms.some(({ kind }) => kind === 'nvidia-gpu'))
  })

  test('is refused under another root', () => {
    assert.deepEqual(failuresOf(report, new SimulatedGpu({ now: NOON, measurements }).rootPem), ['chain'])
  })

  test('is refused with other firmware than its key was certified for', () => {
    assert.deepEqual(failuresOf(gpu.report(nonce, new Uint8Array(48))), ['firmware-binding'])
  })

  test('is not genuine, however a byte of it is changed', () => {
    fc.assert(
      fc.property(fc.nat(reportLength - 1), fc.integer({ min: 1, max: 255 }), (offset, mask) => {
        const changed = Uint8Array.from(report)
        changed[offset] = (changed[offset] ?? 0) ^ mask
        try {
          assert.notDeepEqual(failuresOf(changed), [], `byte ${offset} xor ${mask}`)
        } catch (error) {
          assert.ok(error instanceof MessageError, String(error))
        }
      }),
      { numRuns: 200 },
    )
  })

  test('is malformed when it is cut, and when it is noise', () => {
    for (let length = 0; length < reportLength; length++) {
      assert.throws(() => decodeNvidiaReport(report.subarray(0, length)), MessageError, `${length} bytes`)
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), bytes => {
        assert.throws(() => decodeNvidiaReport(bytes), MessageError)
      }),
    )
  })

  test('is malformed with anything between it and its chain', () => {
    const [own, chain] = [report.subarray(0, reportLength), report.subarray(reportLength)]
    assert.throws(() => nvidiaGpuPlatform.decode(concat(own, Uint8Array.of(10), chain)), MessageError)
    assert.throws(() => nvidiaGpuPlatform.decode(own), MessageError)
  })

  test('is malformed with two measurements of one index', () => {
    // The second block, 55 bytes from the first on, gets the index of the first.
    const changed = Uint8Array.from(report)
    changed[45 + 55] = 1
    assert.throws(() => decodeNvidiaReport(changed), MessageError)
    assert.deepEqual(decodeNvidiaReport(concat(report)).measurements.size, 2)
  })
})
