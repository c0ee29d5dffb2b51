import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { SimulatedIntel, SimulatedIntelAttester } from '#src/attester/index.js'
import { hex } from '#src/bytes/index.js'
import { type EndorsementNeed, FixedDcapEndorsements, FixedEndorsements } from '#src/evidence/index.js'
import { errorOf, NotAppraised, Policy, Refused, report } from '#src/verifier/index.js'
import { appraise, failures, NOON, someKey, verifierOf } from '../support/simulated.js'

/*
 * An embedded Verifier with collateral, over Evidence in the form of true hardware's: an Intel of throw-away keys.
 */

const intel = new SimulatedIntel({ now: NOON })
const mrTd = new Uint8Array(48).fill(1)
const rtmrs = [2, 3, 4, 5].map(value => new Uint8Array(48).fill(value))
const attester = new SimulatedIntelAttester(intel.platform(), { tee: 'tdx', report: { mrTd, rtmrs } })
const issuedAt = NOON - 86_400_000
const collateral = intel.collateral({ tee: 'tdx', issuedAt })
const endorsements = new FixedEndorsements({ dcap: new FixedDcapEndorsements([collateral]) })
const document = {
  version: 1,
  platforms: [
    {
      kind: 'tdx',
      measurements: [
        { values: { mrtd: hex(mrTd), ...Object.fromEntries(rtmrs.map((rtmr, i) => [`rtmr${i}`, hex(rtmr)])) } },
      ],
    },
  ],
} as const
const policy = Policy.from(document)
const usual = { policy, roots: { tdx: [intel.rootPem] }, endorsements }
const [bound = '', bare = ''] = attester.evidenceTypes

describe('an embedded Verifier with the collateral of a vendor', () => {
  test('accepts a quote that is bound to the key', async () => {
    const result = await appraise({ attester, verifier: verifierOf(usual), type: bound })
    assert.deepEqual(failures(result), [], report(result))
    assert.equal(result.isAccepted, true)
    assert.deepEqual(result.attestedKey, someKey.spki)
    assert.deepEqual(Object.keys(result.submodules), ['tdx'])
  })

  test('asks for both types of Evidence, the bound one first', () => {
    assert.deepEqual(verifierOf(usual).evidenceTypes, [bound, bare])
  })

  test('refuses it in production configuration, since its certificates say that it is simulated', async () => {
    const verifier = verifierOf({ ...usual, dangerouslyTrustSimulatedPlatforms: false })
    const result = await appraise({ attester, verifier, type: bound })
    assert.deepEqual(failures(result), ['simulated'])
    assert.ok(errorOf(result) instanceof Refused)
  })

  test('refuses it under the true Intel root, which is pinned where no other is configured', async () => {
    const result = await appraise({ attester, verifier: verifierOf({ policy, endorsements }), type: bound })
    assert.equal(result.isAccepted, false)
  })

  test('cannot appraise it without collateral, which says nothing against it', async () => {
    const asked: EndorsementNeed[] = []
    const source = {
      digest: '',
      gather: (needs: readonly EndorsementNeed[]) => {
        asked.push(...needs)
        return new FixedEndorsements()
      },
    }
    const result = await appraise({ attester, verifier: verifierOf({ ...usual, endorsements: source }), type: bound })
    assert.equal(result.problemCode, 'ERR_ENDORSEMENT_MISSING')
    assert.equal(result.status, 'none')
    assert.ok(errorOf(result) instanceof NotAppraised)
    assert.ok(asked.some(({ kind }) => kind === 'dcap-tcb-info'))
  })

  test('waits for collateral that has to be fetched', async () => {
    const source = { digest: '', gather: async () => endorsements }
    const result = await appraise({ attester, verifier: verifierOf({ ...usual, endorsements: source }), type: bound })
    assert.equal(result.isAccepted, true)
  })

  for (const leeway of [0, 60]) {
    test(`cannot appraise it before and after its collateral holds, with ${leeway} s of leeway`, async () => {
      const strict = Policy.from({ ...document, clockLeewaySeconds: leeway })
      const at = async (seconds: number) => {
        const verifier = verifierOf({ ...usual, policy: strict, now: () => issuedAt + seconds * 1000 })
        return appraise({ attester, verifier, type: bound })
      }
      const end = 30 * 86_400
      for (const seconds of [-leeway, 0, end, end + leeway]) {
        const result = await at(seconds)
        assert.deepEqual([result.problem, failures(result)], [undefined, []], `${seconds} s`)
      }
      const codes = [(await at(-leeway - 1)).problemCode, (await at(end + leeway + 1)).problemCode]
      assert.deepEqual(codes, ['ERR_ENDORSEMENT_NOT_YET_VALID', 'ERR_ENDORSEMENT_EXPIRED'])
      assert.ok(errorOf(await at(end + leeway + 1)) instanceof NotAppraised)
    })
  }

  test('refuses another TD, and names the register', async () => {
    const other = new SimulatedIntelAttester(intel.platform(), {
      tee: 'tdx',
      report: { mrTd, rtmrs: [mrTd, ...rtmrs.slice(1)] },
    })
    const result = await appraise({ attester: other, verifier: verifierOf(usual), type: bound })
    assert.deepEqual(failures(result), ['measurement'])
    assert.match(errorOf(result)?.message ?? '', /rtmr0 01010101…, but should be rtmr0 02020202…/)
  })
})
