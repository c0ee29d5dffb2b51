import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import {
  encodeSnpReport,
  SimulatedAmd,
  type SimulatedAmdPlatform,
  SimulatedSnpAttester,
  type SimulatedSnpReport,
} from '#src/attester/index.js'
import { concat, hex } from '#src/bytes/index.js'
import {
  appraiseReport,
  type Endorsements,
  FixedEndorsements,
  FixedSnpEndorsements,
  MissingEndorsement,
  type PlatformReference,
  pinnedRoots,
  RootsByKind,
  snpPlatform,
} from '#src/evidence/index.js'
import { MessageError } from '#src/rats/index.js'
import { Policy, report as reportText } from '#src/verifier/index.js'
import { appraise, failures, identityOf, NOON, newKey, someKey, verifierOf } from '../support/simulated.js'

const DAY = 86_400_000
const amd = new SimulatedAmd({ now: NOON })
const platform = amd.platform({ tcb: { bootloader: 4, snp: 24, microcode: 219 } })
const measurement = new Uint8Array(48).fill(7)
const reportData = new Uint8Array(64).fill(9)
const usual: SimulatedSnpReport = { version: 3, guestSvn: 2, measurement, reportData }
const genuine = evidenceOf(platform)

function evidenceOf(by: SimulatedAmdPlatform, report: SimulatedSnpReport = usual): Uint8Array {
  return concat(by.report(report), by.certificateTable)
}

interface Changes {
  readonly roots?: readonly string[]
  readonly endorsements?: Endorsements
  readonly reference?: Partial<PlatformReference>
  readonly at?: number
}

function appraised(evidence: Uint8Array, changes: Changes = {}) {
  const reference: PlatformReference = {
    source: 'the test',
    measurementSets: [{ name: 'release', values: new Map([['launch', [hex(measurement)]]]) }],
    allowsDebug: false,
    lifecycles: null,
    claims: new Map(),
    minimumVersions: new Map(),
    tcb: null,
    ...changes.reference,
  }
  const inputs = {
    roots: new RootsByKind({ 'sev-snp': changes.roots ?? [amd.rootPem] }),
    endorsements: changes.endorsements ?? new FixedEndorsements(),
    at: changes.at ?? NOON,
    referenceValues: {
      source: 'the test',
      platforms: new Map([['sev-snp', reference]]),
      trustsSimulatedPlatforms: true,
    },
  }
  return appraiseReport(snpPlatform, snpPlatform.decode(evidence), inputs, () => [])
}

function failed(evidence: Uint8Array, changes: Changes = {}): readonly string[] {
  return appraised(evidence, changes).findings.flatMap(({ check }) => (check.passed ? [] : [check.name]))
}

function flipped(bytes: Uint8Array, offset: number, mask = 1): Uint8Array {
  const copy = Uint8Array.from(bytes)
  copy[offset] = (copy[offset] ?? 0) ^ mask
  return copy
}

describe('an SEV-SNP report', () => {
  for (const version of [2, 3, 4, 5]) {
    test(`of version ${version} is accepted, and says what it was asked`, () => {
      const { findings, environment } = appraised(evidenceOf(platform, { ...usual, version }))
      assert.deepEqual(
        findings.filter(({ check }) => !check.passed),
        [],
      )
      assert.equal(environment.claims.version, version)
      assert.equal(environment.claims.measurement, hex(measurement))
      assert.equal(environment.claims.product, 'milan')
    })
  }

  for (const line of ['genoa', 'turin'] as const) {
    test(`of a ${line} has the layout of that line`, () => {
      const other = new SimulatedAmd({ now: NOON, line })
      const tcb = { fmc: 1, bootloader: 2, tee: 3, snp: 4, microcode: 81 }
      const evidence = evidenceOf(other.platform({ tcb }), { ...usual, version: 5 })
      const { findings, environment } = appraised(evidence, {
        roots: [other.rootPem],
        reference: { minimumVersions: new Map(Object.entries({ bootloader: 2, tee: 3, snp: 4, microcode: 81 })) },
      })
      assert.ok(findings.every(({ check }) => check.passed))
      assert.equal(environment.claims['reported-tcb'], line === 'turin' ? '0102030400000051' : '0203000000000451')
    })
  }

  test('of a Turin too old to name its processor is known by the length of its chip_id', () => {
    const turin = new SimulatedAmd({ now: NOON, line: 'turin' })
    const evidence = evidenceOf(turin.platform({ tcb: { fmc: 9 } }), { ...usual, version: 2 })
    assert.deepEqual(failed(evidence, { roots: [turin.rootPem] }), [])
  })

  test('by the key of an operator (VLEK) names the operator, and no chip', () => {
    const evidence = evidenceOf(amd.operatedPlatform({ operator: 'CN=example' }))
    const { findings, environment } = appraised(evidence)
    assert.ok(findings.every(({ check }) => check.passed))
    assert.equal(environment.claims.operator, 'CN=example')
    assert.equal(environment.claims['chip-id'], '00'.repeat(64))
  })

  test('with a masked chip_id is bound to its platform by the signature alone', () => {
    assert.deepEqual(failed(evidenceOf(platform, { ...usual, isChipMasked: true })), [])
  })

  test('with one bit changed anywhere in what is signed is refused or cannot be read', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 0x2a0 * 8 - 1 }), bit => {
        try {
          assert.notDeepEqual(failed(flipped(genuine, bit >> 3, 1 << (bit & 7))), [])
        } catch (error) {
          assert.ok(error instanceof MessageError || error instanceof MissingEndorsement, String(error))
        }
      }),
      { numRuns: 150 },
    )
  })

  test('cut off at any byte cannot be read', () => {
    for (let length = 0; length < 1184; length += 7) {
      assert.throws(() => snpPlatform.decode(genuine.subarray(0, length)), MessageError)
    }
    // The table behind it is another matter, but no less strict.
    for (const length of [1185, 1207, 1280, genuine.length - 1]) {
      assert.throws(() => snpPlatform.decode(genuine.subarray(0, length)), MessageError)
    }
  })

  const unreadable: readonly (readonly [string, number, number])[] = [
    ['is of version 1', 0x000, 3 ^ 1],
    ['is of version 7', 0x000, 3 ^ 7],
    ['is not signed', 0x048, 7 << 2],
    ['names a signing key that is none', 0x048, 3 << 2],
    ['has a reserved bit in its policy', 0x00b, 4],
    ['lacks the bit of its policy that is always set', 0x00a, 2],
    ['has a reserved byte that is not zero', 0x04d, 1],
    ['has something behind its signature', 0x400, 1],
    ['has a signature that is too long', 0x2a0 + 50, 1],
  ]
  for (const [what, offset, mask] of unreadable) {
    test(`that ${what} cannot be read`, () => {
      assert.throws(() => snpPlatform.decode(flipped(genuine, offset, mask)), MessageError)
    })
  }
})

describe('the origin of an SEV-SNP report', () => {
  test('fails by signature, when it was changed', () => {
    assert.deepEqual(failed(flipped(genuine, 0x90)), ['signature'])
    assert.deepEqual(failed(flipped(genuine, 0x2a0)), ['signature'])
    // Signature algorithm 0.
    assert.deepEqual(failed(flipped(genuine, 0x034)), ['signature'])
  })

  test('fails by signature, when another platform has signed', () => {
    const other = amd.platform({ tcb: platform.fields.tcb, chipId: platform.fields.chipId })
    assert.deepEqual(failed(concat(other.report(usual), platform.certificateTable)), ['signature'])
  })

  test('fails by chip-binding, when the certificate is that of another chip', () => {
    const body = encodeSnpReport(usual, { ...platform.fields, chipId: new Uint8Array(64).fill(1) })
    assert.deepEqual(failed(concat(platform.sign(body), platform.certificateTable)), ['chip-binding'])
  })

  test('fails by tcb-binding, when the certificate is that of any other TCB', () => {
    for (const part of ['bootloader', 'tee', 'snp', 'microcode'] as const) {
      const tcb = { ...platform.fields.tcb, [part]: 250 }
      const body = encodeSnpReport(usual, { ...platform.fields, tcb })
      assert.deepEqual(failed(concat(platform.sign(body), platform.certificateTable)), ['tcb-binding'], part)
    }
  })

  test('fails by product, when the certificate is that of another line', () => {
    const body = encodeSnpReport(usual, { ...platform.fields, line: 'genoa' })
    assert.deepEqual(failed(concat(platform.sign(body), platform.certificateTable)), ['product'])
  })

  test('fails by endorsement-key-kind, when the certificate is that of the other kind of key', () => {
    const body = encodeSnpReport(usual, { ...platform.fields, signingKey: 'VLEK' })
    const [own, issuer] = platform.chain
    const endorsements: Endorsements = {
      instanceKeys: new FixedEndorsements().instanceKeys,
      sevSnp: {
        signingCertificate: () => own,
        issuerCertificate: () => issuer,
        revocationList: () => undefined,
      },
    }
    assert.deepEqual(failed(platform.sign(body), { endorsements }), ['endorsement-key-kind'])
  })

  test('fails by certificate, when it is none of AMD’s', () => {
    const [, issuer = new Uint8Array(0)] = platform.chain
    const endorsements: Endorsements = {
      instanceKeys: new FixedEndorsements().instanceKeys,
      sevSnp: {
        signingCertificate: () => issuer,
        issuerCertificate: () => issuer,
        revocationList: () => undefined,
      },
    }
    assert.deepEqual(failed(platform.report(usual), { endorsements }), ['certificate'])
  })

  test('fails by its chain, under the root of somebody else and under the true ones', () => {
    const other = new SimulatedAmd({ now: NOON })
    assert.deepEqual(failed(genuine, { roots: [other.rootPem] }), ['chain'])
    const pinned = pinnedRoots.filter(({ kinds }) => kinds.includes('sev-snp')).map(({ pem }) => pem)
    assert.equal(pinned.length, 3)
    assert.deepEqual(failed(genuine, { roots: pinned }), ['chain'])
  })

  test('fails by its chain, before and after its certificates are valid', () => {
    for (const at of [NOON - 400 * DAY, NOON + 4000 * DAY]) assert.deepEqual(failed(genuine, { at }), ['chain'])
  })

  test('fails by revocation, when AMD has revoked what issues the keys', () => {
    const listOf = (revoked: readonly ('VCEK' | 'VLEK')[]) =>
      new FixedEndorsements({
        sevSnp: new FixedSnpEndorsements({ revocationLists: [amd.revocationList({ issuedAt: NOON - DAY, revoked })] }),
      })
    assert.deepEqual(failed(genuine, { endorsements: listOf([]) }), [])
    assert.deepEqual(failed(genuine, { endorsements: listOf(['VLEK']) }), [])
    assert.deepEqual(failed(genuine, { endorsements: listOf(['VCEK']) }), ['revocation'])
    assert.throws(() => failed(genuine, { endorsements: listOf([]), at: NOON + 60 * DAY }), MissingEndorsement)
  })

  test('cannot be told without certificates, which is not to say that it is refused', () => {
    assert.throws(() => failed(platform.report(usual)), MissingEndorsement)
  })
})

describe('AMD’s endorsements that are pinned', () => {
  const [own = new Uint8Array(0), issuer = new Uint8Array(0)] = platform.chain
  const pinned = new FixedSnpEndorsements({ certificates: [own, issuer] })

  test('stand in for the certificates that a host does not give', () => {
    assert.deepEqual(failed(platform.report(usual), { endorsements: new FixedEndorsements({ sevSnp: pinned }) }), [])
  })

  test('are looked up by chip and by every part of the TCB', () => {
    const endorsements = new FixedEndorsements({ sevSnp: pinned })
    const other = amd.platform({ tcb: platform.fields.tcb, name: 'another' })
    const older = amd.platform({ tcb: { ...platform.fields.tcb, microcode: 218 } })
    for (const one of [other, older])
      assert.throws(() => failed(one.report(usual), { endorsements }), MissingEndorsement)
    const masked = platform.report({ ...usual, isChipMasked: true })
    assert.deepEqual(failed(masked, { endorsements }), [])
    const [second = own] = other.chain
    const both = new FixedEndorsements({ sevSnp: new FixedSnpEndorsements({ certificates: [own, second, issuer] }) })
    assert.throws(() => failed(masked, { endorsements: both }), MissingEndorsement)
  })

  test('have their part in the digest of the policy, each of them', () => {
    const list = amd.revocationList({ issuedAt: NOON - DAY })
    const sets = [
      {},
      { certificates: [own] },
      { certificates: [own, issuer] },
      { certificates: [own, issuer], revocationLists: [list] },
    ]
    const digests = sets.map(set => new FixedEndorsements({ sevSnp: new FixedSnpEndorsements(set) }).digest)
    assert.equal(new Set([...digests, new FixedEndorsements().digest]).size, sets.length + 1)
    const turned = new FixedSnpEndorsements({ certificates: [issuer, own] })
    assert.equal(new FixedEndorsements({ sevSnp: turned }).digest, digests[2])
    const policyDigests = sets.map(
      set =>
        verifierOf({ endorsements: new FixedEndorsements({ sevSnp: new FixedSnpEndorsements(set) }) }).policyDigest,
    )
    assert.equal(new Set(policyDigests).size, sets.length)
  })

  test('are AMD’s, and one of each', () => {
    const again = new SimulatedAmd({ now: NOON })
    const [, otherIssuer = issuer] = again.platform().chain
    assert.throws(() => new FixedSnpEndorsements({ certificates: [issuer, otherIssuer] }), TypeError)
    assert.throws(() => new FixedSnpEndorsements({ certificates: [Uint8Array.of(1)] }))
    const lists = [1, 2].map(() => amd.revocationList({ issuedAt: NOON }))
    assert.throws(() => new FixedSnpEndorsements({ revocationLists: lists }), TypeError)
  })
})

describe('reference values for SEV-SNP', () => {
  test('refuse another launch, and debug, and what is too old', () => {
    assert.deepEqual(failed(evidenceOf(platform, { ...usual, measurement: reportData.subarray(0, 48) })), [
      'measurement',
    ])
    assert.deepEqual(failed(evidenceOf(platform, { ...usual, isDebuggable: true })), ['debug'])
    assert.deepEqual(
      failed(evidenceOf(platform, { ...usual, isDebuggable: true }), { reference: { allowsDebug: true } }),
      [],
    )
    const minimum = (name: string, value: number) => ({ reference: { minimumVersions: new Map([[name, value]]) } })
    assert.deepEqual(failed(genuine, minimum('microcode', 219)), [])
    assert.deepEqual(failed(genuine, minimum('microcode', 220)), ['version'])
    assert.deepEqual(failed(genuine, minimum('guest-svn', 3)), ['version'])
  })

  test('compare claims, such as the privilege level', () => {
    const claims = new Map([['vmpl', [0]]])
    assert.deepEqual(failed(genuine, { reference: { claims } }), [])
    assert.deepEqual(failed(evidenceOf(platform, { ...usual, vmpl: 1 }), { reference: { claims } }), ['claim'])
  })
})

describe('the attester of a simulated SEV-SNP guest', () => {
  const attester = new SimulatedSnpAttester(platform, { measurement })
  const policy = Policy.from({
    version: 1,
    platforms: [{ kind: 'sev-snp', measurements: [{ values: { launch: hex(measurement) } }] }],
  })
  const options = { policy, roots: { 'sev-snp': [amd.rootPem] } }
  const verifier = verifierOf(options)

  test('attests to its key', async () => {
    const result = await appraise({ attester, verifier })
    assert.deepEqual(failures(result), [], reportText(result))
    assert.ok(result.isAccepted)
    assert.ok(result.isSimulated)
    assert.deepEqual(result.attestedKey, someKey.spki)
  })

  test('attests to a challenge of 64 bytes alone', async () => {
    const [, type = ''] = attester.evidenceTypes
    assert.equal(attester.challengeLength(type), 64)
    const { signal } = new AbortController()
    const message = await attester.evidence({ type, challenge: reportData, key: someKey, signal })
    const session = await verifier.newSession({ signal })
    const result = await session.appraise({ message, challenge: reportData, key: null, signal })
    assert.deepEqual(failures(result), [])
  })

  test('is refused for another key, and in production', async () => {
    const other = identityOf(newKey())
    assert.deepEqual(failures(await appraise({ attester, verifier, expectedKey: other })), ['key-binding'])
    const production = verifierOf({ ...options, dangerouslyTrustSimulatedPlatforms: false })
    assert.deepEqual(failures(await appraise({ attester, verifier: production })), ['simulated'])
    const pinned = await appraise({ attester, verifier: verifierOf({ policy }) })
    assert.deepEqual(failures(pinned), ['chain'])
  })

  test('makes no Evidence of other types, and none once nobody waits for it', async () => {
    const request = { challenge: reportData, key: someKey, signal: new AbortController().signal }
    await assert.rejects(attester.evidence({ ...request, type: 'application/octet-stream' }), RangeError)
    const [type = ''] = attester.evidenceTypes
    await assert.rejects(attester.evidence({ ...request, type, signal: AbortSignal.abort() }), { name: 'AbortError' })
  })
})
