import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { SimulatedAndroidDevice, SimulatedCcaMachine, SimulatedPsaDevice, SimulatedTpm } from '#src/attester/index.js'
import { hex } from '#src/bytes/index.js'
import { systemEntropy } from '#src/crypto/index.js'
import { describeSelections, pcrDigestOf, speaksForKey } from '#src/evidence/index.js'
import type { Attester } from '#src/rats/index.js'
import { type EmbeddedVerifierOptions, embeddedVerifier, Policy, type PolicyDocument } from '#src/verifier/index.js'
import { identityOf, NOON, newKey, patient, root, someKey } from '../support/simulated.js'

const component = {
  type: 'RMM',
  measurement: new Uint8Array(32).fill(1),
  version: '1',
  signerId: new Uint8Array(32).fill(2),
  description: undefined,
}
const measured = { RMM: '01'.repeat(32) }
const zero = '00'.repeat(32)
const tpm = new SimulatedTpm({ platform: root.issue('TPM', { purposes: ['2.23.133.8.3'] }) })
tpm.extend(0, new Uint8Array(8))
const selections = [{ bank: 'sha256', registers: [0, 1, 2, 3, 4, 5, 6, 7] }] as const
const digest = hex(pcrDigestOf(selections, tpm.values, 'sha256') ?? new Uint8Array(0))
const android = new SimulatedAndroidDevice({ now: NOON })
const signer = new Uint8Array(32).fill(4)

/** A kind of platform: what attests, what trusts it, and its policy. */
interface Row {
  readonly attester: Attester
  readonly roots: Readonly<Record<string, readonly string[]>>
  readonly platforms: NonNullable<PolicyDocument['platforms']>
  /** Types that are believed by registered keys only, which no root makes up for. */
  readonly registeredOnly?: readonly string[]
}

const rows: Readonly<Record<string, Row>> = {
  psa: {
    attester: new SimulatedPsaDevice({ platform: root.issue('PSA device'), components: [component] }),
    roots: { psa: [root.pem] },
    platforms: [{ kind: 'psa', measurements: [{ values: measured }] }],
  },
  cca: {
    attester: new SimulatedCcaMachine({
      platform: root.issue('CCA machine'),
      components: [component],
      initialMeasurement: new Uint8Array(32),
    }),
    roots: { 'cca-platform': [root.pem] },
    platforms: [
      { kind: 'cca-platform', measurements: [{ values: measured }] },
      {
        kind: 'cca-realm',
        measurements: [{ values: { rim: zero, rem0: zero, rem1: zero, rem2: zero, rem3: zero } }],
      },
    ],
  },
  tpm: {
    attester: tpm,
    roots: { tpm: [root.pem] },
    platforms: [{ kind: 'tpm', measurements: [{ values: { [describeSelections(selections)]: digest } }] }],
    registeredOnly: ['application/vnd.parallaxsecond.key-attestation.tpm'],
  },
  'android-key': {
    attester: android.attester({ package: 'com.example.shop', signer }),
    roots: { 'android-key': [android.rootPem] },
    platforms: [
      {
        kind: 'android-key',
        measurements: [{ values: { 'app-signer': hex(signer) } }],
        claims: { 'verified-boot-state': 'verified', package: 'com.example.shop' },
        minimumVersions: { 'os-patch-level': 202601 },
      },
    ],
  },
}

for (const [name, row] of Object.entries(rows)) {
  describe(`a simulated platform of kind ${name}`, () => {
    const { attester, registeredOnly = [] } = row
    const types = attester.evidenceTypes.filter(type => !registeredOnly.includes(type))

    test('is accepted in every form, for the key that it speaks for', async () => {
      for (const type of types) {
        const result = await appraise(row, type)
        assert.deepEqual(failures(result), [], type)
        assert.ok(result.isAccepted && result.isSimulated)
        assert.deepEqual(result.attestedKey, speaksForKey(type) ? someKey.spki : null)
      }
    })

    test('is not accepted for another key', async () => {
      for (const type of types.filter(speaksForKey)) {
        assert.deepEqual(failures(await appraise(row, type, {}, identityOf(newKey()))), ['key-binding'], type)
      }
    })

    test('agrees with the Verifier about the size of challenges', () => {
      for (const type of types)
        assert.equal(attester.challengeLength(type), verifierOf(row).challengeLength(type), type)
    })

    test('is refused in production, root configured or not', async () => {
      for (const type of types) {
        const configured = await appraise(row, type, { dangerouslyTrustSimulatedPlatforms: false })
        assert.ok(failures(configured).includes('simulated'))
        const unconfigured = await appraise(row, type, { roots: {} })
        assert.ok(!unconfigured.isAccepted)
        assert.ok(failures(unconfigured).includes('chain'))
      }
    })

    test('is not appraised where its key has to be registered and is not', async () => {
      for (const type of registeredOnly) {
        const { status, problemCode } = await appraise(row, type)
        assert.deepEqual([status, problemCode], ['none', 'ERR_ENDORSEMENT_MISSING'])
      }
    })

    test('makes no Evidence of other types, and none once nobody waits for it', async () => {
      const request = { challenge: new Uint8Array(64), key: someKey, signal: patient }
      await assert.rejects(attester.evidence({ ...request, type: 'application/octet-stream' }), RangeError)
      const [type = ''] = attester.evidenceTypes
      await assert.rejects(attester.evidence({ ...request, type, signal: AbortSignal.abort() }), { name: 'AbortError' })
    })
  })
}

function verifierOf({ platforms, roots }: Row, options: Partial<EmbeddedVerifierOptions> = {}) {
  return embeddedVerifier({
    policy: Policy.from({ version: 1, platforms }),
    now: () => NOON,
    entropy: systemEntropy,
    roots,
    dangerouslyTrustSimulatedPlatforms: true,
    warn: () => undefined,
    ...options,
  })
}

async function appraise(row: Row, type: string, options: Partial<EmbeddedVerifierOptions> = {}, key = someKey) {
  const challenge = new Uint8Array(row.attester.challengeLength(type) ?? 32).fill(5)
  const session = await verifierOf(row, options).newSession({ signal: patient })
  const message = await row.attester.evidence({ type, challenge, key: someKey, signal: patient })
  return session.appraise({ message, challenge, key: speaksForKey(type) ? key : null, signal: patient })
}

function failures({ checks }: { readonly checks: readonly { readonly name: string; readonly passed: boolean }[] }) {
  return checks.filter(({ passed }) => !passed).map(({ name }) => name)
}
