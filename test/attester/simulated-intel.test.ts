import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  SimulatedIntel,
  SimulatedIntelAttester,
  type SimulatedIntelWorkload,
  tdxModuleSvn,
} from '#src/attester/index.js'
import { hex } from '#src/bytes/index.js'
import { systemEntropy } from '#src/crypto/index.js'
import { FixedDcapEndorsements, FixedEndorsements } from '#src/evidence/index.js'
import { type EmbeddedVerifierOptions, embeddedVerifier, Policy, type PolicyDocument } from '#src/verifier/index.js'
import { collateral, DAY, intel, measurements, NOON, platform } from '../support/intel.js'
import { appraise, failures, identityOf, newKey, patient, someKey } from '../support/simulated.js'

const mrEnclave = new Uint8Array(32).fill(6)
const workloads = {
  tdx: { tee: 'tdx', report: measurements },
  sgx: { tee: 'sgx', report: { mrEnclave, isvSvn: 2 } },
} as const satisfies Readonly<Record<string, SimulatedIntelWorkload>>

const policy: PolicyDocument = {
  version: 1,
  platforms: [
    {
      kind: 'tdx',
      measurements: [
        {
          values: {
            mrtd: hex(measurements.mrTd),
            ...Object.fromEntries(measurements.rtmrs.map((rtmr, i) => [`rtmr${i}`, hex(rtmr)])),
          },
        },
      ],
    },
    {
      kind: 'sgx',
      measurements: [{ values: { mrenclave: hex(mrEnclave), mrsigner: '00'.repeat(32) } }],
      minimumVersions: { isv: 2 },
    },
  ],
}

function verifierOf(options: Partial<EmbeddedVerifierOptions> = {}) {
  return embeddedVerifier({
    policy: Policy.from(policy),
    now: () => NOON,
    entropy: systemEntropy,
    roots: { tdx: [intel.rootPem], sgx: [intel.rootPem] },
    endorsements: new FixedEndorsements({ dcap: new FixedDcapEndorsements([collateral.tdx, collateral.sgx]) }),
    dangerouslyTrustSimulatedPlatforms: true,
    warn: () => undefined,
    ...options,
  })
}

for (const workload of [workloads.tdx, workloads.sgx]) {
  describe(`a simulated ${workload.tee} platform`, () => {
    const attester = new SimulatedIntelAttester(platform, workload)

    test('attests to its key, and is accepted where that was asked for', async () => {
      const result = await appraise({ attester, verifier: verifierOf() })
      assert.deepEqual(failures(result), [])
      assert.equal(result.status, 'affirming')
      assert.ok(result.isAccepted)
      assert.ok(result.isSimulated)
      assert.deepEqual(result.attestedKey, someKey.spki)
      assert.equal(result.submodules[workload.tee]?.claims['tcb-status'], 'UpToDate')
    })

    test('attests to a challenge of 64 bytes alone', async () => {
      const [, type = ''] = attester.evidenceTypes
      assert.equal(attester.challengeLength(type), 64)
      assert.equal(verifierOf().challengeLength(type), 64)
      const challenge = new Uint8Array(64).fill(5)
      const session = await verifierOf().newSession({ signal: patient })
      const message = await attester.evidence({ type, challenge, key: someKey, signal: patient })
      const result = await session.appraise({ message, challenge, key: null, signal: patient })
      assert.deepEqual(failures(result), [])
      assert.equal(result.attestedKey, null)
    })

    test('is not accepted for another key', async () => {
      const result = await appraise({ attester, verifier: verifierOf(), expectedKey: identityOf(newKey()) })
      assert.deepEqual(failures(result), ['key-binding'])
    })

    test('is refused in production, root configured or not', async () => {
      const configured = await appraise({
        attester,
        verifier: verifierOf({ dangerouslyTrustSimulatedPlatforms: false }),
      })
      assert.ok(failures(configured).includes('simulated'))
      const pinned = await appraise({ attester, verifier: verifierOf({ roots: {} }) })
      assert.ok(failures(pinned).includes('chain'))
      assert.equal(pinned.status, 'contraindicated')
    })

    test('cannot be appraised without collateral, which is not to say that it is refused', async () => {
      const result = await appraise({ attester, verifier: verifierOf({ endorsements: new FixedEndorsements() }) })
      assert.deepEqual([result.status, result.problemCode], ['none', 'ERR_ENDORSEMENT_MISSING'])
      assert.ok(!result.isAccepted)
    })

    test('cannot be appraised once its collateral has expired', async () => {
      const result = await appraise({ attester, verifier: verifierOf({ now: () => NOON + 40 * DAY }) })
      assert.deepEqual([result.status, result.problemCode], ['none', 'ERR_ENDORSEMENT_EXPIRED'])
    })

    test('makes no Evidence of other types, and none once nobody waits for it', async () => {
      const request = { challenge: new Uint8Array(64), key: someKey, signal: patient }
      await assert.rejects(attester.evidence({ ...request, type: 'application/octet-stream' }), RangeError)
      const [type = ''] = attester.evidenceTypes
      await assert.rejects(attester.evidence({ ...request, type, signal: AbortSignal.abort() }), { name: 'AbortError' })
    })
  })
}

describe('a policy for Intel platforms', () => {
  test('refuses a TD that differs in any one register', async () => {
    for (const [i] of measurements.rtmrs.entries()) {
      const rtmrs = measurements.rtmrs.map((rtmr, at) => (at === i ? new Uint8Array(48) : rtmr))
      const attester = new SimulatedIntelAttester(platform, { tee: 'tdx', report: { ...measurements, rtmrs } })
      assert.deepEqual(failures(await appraise({ attester, verifier: verifierOf() })), ['measurement'])
    }
  })

  test('refuses a TD with a service TD bound to it, unless it pins that too', async () => {
    const mrServiceTd = new Uint8Array(48).fill(9)
    const report = { ...measurements, teeTcbSvn2: tdxModuleSvn(5), mrServiceTd }
    const attester = new SimulatedIntelAttester(platform, { tee: 'tdx', report })
    assert.deepEqual(failures(await appraise({ attester, verifier: verifierOf() })), ['measurement'])
    const [tdx] = policy.platforms ?? []
    const [set] = tdx?.measurements ?? []
    assert.ok(tdx && set)
    const pinned = { ...tdx, measurements: [{ values: { ...set.values, mrservicetd: hex(mrServiceTd) } }] }
    const verifier = verifierOf({ policy: Policy.from({ version: 1, platforms: [pinned] }) })
    assert.deepEqual(failures(await appraise({ attester, verifier })), [])
    const without = new SimulatedIntelAttester(platform, workloads.tdx)
    assert.deepEqual(failures(await appraise({ attester: without, verifier })), ['measurement'])
  })

  test('refuses an enclave below the version that it asks for', async () => {
    const attester = new SimulatedIntelAttester(platform, { tee: 'sgx', report: { mrEnclave, isvSvn: 1 } })
    assert.deepEqual(failures(await appraise({ attester, verifier: verifierOf() })), ['version'])
  })

  test('may pin an enclave by MRENCLAVE alone', async () => {
    const only = Policy.from({
      version: 1,
      platforms: [{ kind: 'sgx', measurements: [{ values: { mrenclave: hex(mrEnclave) } }] }],
    })
    const attester = new SimulatedIntelAttester(platform, workloads.sgx)
    assert.deepEqual(failures(await appraise({ attester, verifier: verifierOf({ policy: only }) })), [])
  })

  test('may pin an enclave by its signer, together with product and version', async () => {
    const mrSigner = new Uint8Array(32).fill(8)
    const bySigner = (besides: object) =>
      Policy.from({
        version: 1,
        platforms: [{ kind: 'sgx', measurements: [{ values: { mrsigner: hex(mrSigner) } }], ...besides }],
      })
    const policy = bySigner({ claims: { 'isv-prod-id': 7 }, minimumVersions: { isv: 2 } })
    const run = async (report: object) => {
      const attester = new SimulatedIntelAttester(platform, { tee: 'sgx', report: { mrEnclave, mrSigner, ...report } })
      return failures(await appraise({ attester, verifier: verifierOf({ policy }) }))
    }
    assert.deepEqual(await run({ isvProdId: 7, isvSvn: 2 }), [])
    assert.deepEqual(await run({ isvProdId: 7, isvSvn: 1 }), ['version'])
    assert.deepEqual(await run({ isvProdId: 8, isvSvn: 2 }), ['claim'])
    assert.deepEqual(await run({ isvProdId: 7, isvSvn: 2, mrSigner: new Uint8Array(32) }), ['measurement'])
    for (const besides of [{}, { claims: { 'isv-prod-id': 7 } }, { minimumVersions: { isv: 2 } }]) {
      assert.throws(() => bySigner(besides), { code: 'ERR_POLICY' })
    }
  })

  test('has to pin MRTD and every RTMR', () => {
    const values = { mrtd: hex(measurements.mrTd) }
    assert.throws(() => Policy.from({ version: 1, platforms: [{ kind: 'tdx', measurements: [{ values }] }] }), {
      code: 'ERR_POLICY',
    })
  })
})

test('every simulated Intel has keys of its own', () => {
  const other = new SimulatedIntel({ now: NOON })
  assert.notEqual(other.rootPem, intel.rootPem)
})
