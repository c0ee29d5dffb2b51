import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import {
  SimulatedAmd,
  SimulatedAzureAttester,
  type SimulatedAzureChanges,
  type SimulatedAzureHardware,
  SimulatedAzureVm,
} from '#src/attester/index.js'
import { hex, utf8 } from '#src/bytes/index.js'
import {
  type AzureParts,
  type AzurePlatform,
  appraiseReport,
  azureSnpPlatform,
  azureTdxPlatform,
  FixedDcapEndorsements,
  FixedEndorsements,
  FixedSnpEndorsements,
  MissingEndorsement,
  type PlatformReference,
  RootsByKind,
} from '#src/evidence/index.js'
import { MessageError } from '#src/rats/index.js'
import { Policy, report as reportText } from '#src/verifier/index.js'
import { collateral, flipped, intel, platform as intelPlatform, measurements, NOON } from '../support/intel.js'
import { appraise, failures, identityOf, newKey, someKey, verifierOf } from '../support/simulated.js'

const amd = new SimulatedAmd({ now: NOON })
const amdPlatform = amd.platform()
const launch = new Uint8Array(48).fill(7)
const nonce = new Uint8Array(32).fill(9)

const kinds = {
  'sev-snp': {
    kind: 'az-snp-vtpm',
    hardware: { tee: 'sev-snp', platform: amdPlatform, report: { version: 3, measurement: launch } },
    pinned: { launch: hex(launch) },
  },
  tdx: {
    kind: 'az-tdx-vtpm',
    hardware: { tee: 'tdx', platform: intelPlatform, report: measurements },
    pinned: { mrtd: hex(measurements.mrTd) },
  },
} as const satisfies Readonly<Record<string, { kind: string; hardware: SimulatedAzureHardware; pinned: object }>>

const roots = { 'sev-snp': [amd.rootPem], tdx: [intel.rootPem] }
const endorsements = new FixedEndorsements({
  // The ASK, which no VM sends along.
  sevSnp: new FixedSnpEndorsements({ certificates: amdPlatform.chain.slice(1) }),
  dcap: new FixedDcapEndorsements([collateral.tdx]),
})

/** One key for all VMs where it does not matter: they take long to make. */
const attestationKey = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey

function vmOf(tee: 'sev-snp' | 'tdx', changes: SimulatedAzureChanges = { attestationKey }): SimulatedAzureVm {
  const vm = new SimulatedAzureVm(kinds[tee].hardware, changes)
  vm.extend(4, utf8('a boot loader'))
  vm.extend(11, utf8('a kernel'))
  return vm
}

function failed(
  tee: 'sev-snp' | 'tdx',
  parts: AzureParts,
  reference: Partial<PlatformReference> = {},
): readonly string[] {
  const run = <Report>(platform: AzurePlatform<Report>) => {
    const whole: PlatformReference = {
      source: 'the test',
      measurementSets: null,
      allowsDebug: false,
      lifecycles: null,
      claims: new Map(),
      minimumVersions: new Map(),
      tcb: tee === 'tdx' ? { statuses: ['UpToDate'], graceSeconds: 0 } : null,
      ...reference,
    }
    const platforms = new Map([[platform.kind, whole]])
    const referenceValues = { source: 'the test', platforms, trustsSimulatedPlatforms: true }
    const inputs = { roots: new RootsByKind(roots), endorsements, at: NOON, referenceValues }
    return appraiseReport(platform, platform.assemble(parts), inputs, () => [])
  }
  const { findings } = tee === 'tdx' ? run(azureTdxPlatform) : run(azureSnpPlatform)
  return findings.flatMap(({ check }) => (check.passed ? [] : [check.name]))
}

for (const tee of ['sev-snp', 'tdx'] as const) {
  const vm = vmOf(tee)
  const genuine = vm.parts(nonce)

  describe(`a confidential VM on Azure with ${tee}`, () => {
    test('is accepted when hardware, paravisor and vTPM vouch for each other', () => {
      assert.deepEqual(failed(tee, genuine), [])
    })

    test('is compared by what the hardware has measured, and by PCRs', () => {
      const sets = (values: object) => ({
        measurementSets: [{ name: 'it', values: new Map(Object.entries(values).map(([k, v]) => [k, [v]])) }],
      })
      const pcr11 = hex(vm.pcrs.get(11) ?? new Uint8Array(0))
      assert.deepEqual(failed(tee, genuine, sets({ ...kinds[tee].pinned, 'sha256:11': pcr11 })), [])
      assert.deepEqual(failed(tee, genuine, sets({ ...kinds[tee].pinned, 'sha256:11': '00'.repeat(32) })), [
        'measurement',
      ])
      const [[name] = []] = Object.entries(kinds[tee].pinned)
      assert.deepEqual(failed(tee, genuine, sets({ [name ?? '']: '00'.repeat(48) })), ['measurement'])
    })

    test('is compared by what the paravisor says of it', () => {
      const claims = (value: boolean) => ({ claims: new Map([['secure-boot', [value]]]) })
      assert.deepEqual(failed(tee, genuine, claims(true)), [])
      assert.deepEqual(failed(tee, genuine, claims(false)), ['claim'])
    })

    test('fails by vtpm-signature, when the quote or its signature was changed, or is another vTPM’s', () => {
      assert.deepEqual(failed(tee, { ...genuine, signature: flipped(genuine.signature, 3) }), ['vtpm-signature'])
      assert.deepEqual(failed(tee, { ...genuine, message: flipped(genuine.message, 45) }), ['vtpm-signature'])
      const { message, signature } = vmOf(tee, {}).parts(nonce)
      assert.deepEqual(failed(tee, { ...genuine, message, signature }), ['vtpm-signature'])
    })

    test('fails by pcr-digest, when a PCR is not what was quoted, or is missing', () => {
      const pcrs = new Map(genuine.pcrs)
      pcrs.set(4, new Uint8Array(32))
      assert.deepEqual(failed(tee, { ...genuine, pcrs }), ['pcr-digest'])
      pcrs.delete(4)
      assert.deepEqual(failed(tee, { ...genuine, pcrs }), ['pcr-digest'])
    })

    test('fails by paravisor-binding, when what the paravisor says was changed', () => {
      assert.deepEqual(failed(tee, { ...genuine, hclReport: flipped(genuine.hclReport, 0x4d4 + 40) }), [
        'paravisor-binding',
      ])
      const other = vmOf(tee, { attestationKey, reportData: new Uint8Array(64) })
      assert.deepEqual(failed(tee, other.parts(nonce)), ['paravisor-binding'])
    })

    test('fails by vtpm-key, when the paravisor names no key, two, or one that is too short', () => {
      const key = (bits: string) => ({ kid: 'HCLAkPub', kty: 'RSA', e: 'AQAB', n: bits })
      for (const keys of [
        [],
        [key('AQ'), key('AQ')],
        [key('AQ')],
        'none',
        [{ kid: 'HCLAkPub', kty: 'oct', k: 'AQ' }],
      ]) {
        assert.deepEqual(failed(tee, vmOf(tee, { attestationKey, variableData: { keys } }).parts(nonce)), ['vtpm-key'])
      }
    })

    test('with one bit changed anywhere is refused or cannot be read', () => {
      const names = ['hclReport', 'message', 'signature'] as const
      fc.assert(
        fc.property(fc.constantFrom(...names), fc.nat(), (name, offset) => {
          const bytes = genuine[name]
          // What stands behind the data of the paravisor, and in its head, means nothing.
          const from = name === 'hclReport' ? 0x4d4 : 0
          const length = name === 'hclReport' ? 300 : bytes.length
          try {
            assert.notDeepEqual(failed(tee, { ...genuine, [name]: flipped(bytes, from + (offset % length)) }), [])
          } catch (error) {
            assert.ok(error instanceof MessageError || error instanceof MissingEndorsement, String(error))
          }
        }),
        { numRuns: 60 },
      )
    })

    test('cannot be read when a part is cut off', () => {
      const cut = [
        { hclReport: genuine.hclReport.subarray(0, 0x4d4) },
        { hclReport: genuine.hclReport.subarray(0, 0x30) },
        { message: genuine.message.subarray(0, 60) },
        { pcrs: new Map([[0, new Uint8Array(20)]]) },
        { pcrs: new Map([[24, new Uint8Array(32)]]) },
      ]
      for (const part of cut) assert.throws(() => failed(tee, { ...genuine, ...part }), MessageError)
    })

    test('is not taken for one on other hardware', () => {
      assert.throws(() => failed(tee === 'tdx' ? 'sev-snp' : 'tdx', genuine), MessageError)
    })
  })

  describe(`the attester of a simulated Azure VM with ${tee}`, () => {
    const attester = new SimulatedAzureAttester(vm)
    const values = { ...kinds[tee].pinned, 'sha256:4': hex(pcr(vm, 4)), 'sha256:11': hex(pcr(vm, 11)) }
    const policy = Policy.from({ version: 1, platforms: [{ kind: kinds[tee].kind, measurements: [{ values }] }] })
    const options = { policy, roots, endorsements, now: () => NOON }
    const verifier = verifierOf(options)

    test('attests to its key', async () => {
      const result = await appraise({ attester, verifier })
      assert.deepEqual(failures(result), [], reportText(result))
      assert.ok(result.isAccepted)
      assert.ok(result.isSimulated)
      assert.deepEqual(result.attestedKey, someKey.spki)
      assert.deepEqual(Object.keys(result.submodules), [kinds[tee].kind])
    })

    test('attests to a challenge of 48 bytes alone', async () => {
      const [, type = ''] = attester.evidenceTypes
      assert.equal(attester.challengeLength(type), 48)
      assert.equal(attester.speaksForKey(type), false)
      const challenge = new Uint8Array(48).fill(3)
      const { signal } = new AbortController()
      const message = await attester.evidence({ type, challenge, key: someKey, signal })
      const session = await verifier.newSession({ signal })
      assert.deepEqual(failures(await session.appraise({ message, challenge, key: null, signal })), [])
      const other = await (await verifier.newSession({ signal })).appraise({
        message,
        challenge: new Uint8Array(48),
        key: null,
        signal,
      })
      assert.deepEqual(failures(other), ['challenge'])
    })

    test('is refused for another key, and in production', async () => {
      const other = identityOf(newKey())
      assert.deepEqual(failures(await appraise({ attester, verifier, expectedKey: other })), ['key-binding'])
      const production = verifierOf({ ...options, dangerouslyTrustSimulatedPlatforms: false })
      assert.deepEqual(failures(await appraise({ attester, verifier: production })), ['simulated'])
    })

    test('has to be pinned by its hardware and by two PCRs', () => {
      const policyOf = (pinned: Readonly<Record<string, string>>) =>
        Policy.from({ version: 1, platforms: [{ kind: kinds[tee].kind, measurements: [{ values: pinned }] }] })
      const complaints: readonly (readonly [Readonly<Record<string, string>>, RegExp])[] = [
        [kinds[tee].pinned, /no PCR of the vTPM/],
        [{ ...kinds[tee].pinned, 'sha256:4': '00'.repeat(32) }, /a single register/],
        [{ 'sha256:4': '00'.repeat(32), 'sha256:11': '00'.repeat(32) }, /does not pin/],
        [{ ...values, 'sha256:99': '00'.repeat(32) }, /sha256:99/],
      ]
      for (const [pinned, complaint] of complaints) assert.throws(() => policyOf(pinned), complaint)
    })
  })
}

describe('a report that a guest could have asked for itself', () => {
  test('vouches for no vTPM', () => {
    const { hardware } = kinds['sev-snp']
    const vm = new SimulatedAzureVm({ ...hardware, report: { ...hardware.report, vmpl: 2 } })
    assert.deepEqual(failed('sev-snp', vm.parts(nonce)), ['paravisor-privilege'])
  })

  test('is not the one that the paravisor has left in the vTPM', () => {
    const parts = vmOf('tdx').parts(nonce)
    assert.deepEqual(failed('tdx', { ...parts, hclReport: flipped(parts.hclReport, 0x20 + 130) }), ['td-report'])
  })
})

describe('the Evidence of the attestation agent', () => {
  const parsed = JSON.parse(new TextDecoder().decode(vmOf('sev-snp').evidence(nonce)))
  const decode = (json: unknown) => azureSnpPlatform.decode(utf8(JSON.stringify(json)))

  test('is read in both versions, and in both alphabets of base64', () => {
    assert.deepEqual(decode(parsed).quote.attest.extraData, nonce)
    assert.deepEqual(decode({ ...parsed, version: 2 }).quote.attest.extraData, nonce)
    const standard = Buffer.from(parsed.hcl_report, 'base64url').toString('base64')
    assert.deepEqual(decode({ ...parsed, hcl_report: standard }).quote.attest.extraData, nonce)
  })

  test('may come without VCEK, which is looked up then', () => {
    const { vcek: _, ...without } = parsed
    assert.equal(decode(without).hardware.certificates.vcek, undefined)
  })

  const malformed: readonly (readonly [string, object])[] = [
    ['has no version', { version: undefined }],
    ['is of version 3', { version: 3 }],
    ['has members that are not known', { more: 1 }],
    ['has a report that is no base64', { hcl_report: '!' }],
    ['has a quote that is none', { tpm_quote: 1 }],
    ['has 25 PCRs', { tpm_quote: { ...parsed.tpm_quote, pcrs: Array.from({ length: 25 }, () => '00'.repeat(32)) } }],
    ['has a PCR that is no hex', { tpm_quote: { ...parsed.tpm_quote, pcrs: ['x'] } }],
    ['has a signature that is no hex', { tpm_quote: { ...parsed.tpm_quote, signature: '0' } }],
  ]
  for (const [what, changes] of malformed) {
    test(`cannot be read when it ${what}`, () => {
      assert.throws(() => decode({ ...parsed, ...changes }), MessageError)
    })
  }
})

function pcr(vm: SimulatedAzureVm, register: number): Uint8Array {
  return vm.pcrs.get(register) ?? new Uint8Array(0)
}
