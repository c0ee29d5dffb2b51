import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { evidenceFormats, speaksForKey } from '#src/evidence/index.js'
import { type EmbeddedVerifierOptions, report } from '#src/verifier/index.js'
import {
  challengeFor,
  endorsementsFor,
  evidenceOf,
  type SimulatedKind,
  simulatedKinds,
  verifierFor,
} from '../support/every-platform.js'
import { failures, identityOf, newKey, patient, someKey } from '../support/simulated.js'

test('every format of Evidence is made by a simulated platform', () => {
  const made = new Set(Object.values(simulatedKinds).flatMap(({ attester }) => attester.evidenceTypes))
  const unmade = evidenceFormats.filter(({ mediaTypes }) => !mediaTypes.some(type => made.has(type)))
  assert.deepEqual(
    unmade.map(({ name }) => name),
    [],
  )
})

for (const [name, row] of Object.entries(simulatedKinds)) {
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
        assert.equal(attester.challengeLength(type), verifierFor(row).challengeLength(type), type)
    })

    test('is refused in production, root configured or not', async () => {
      for (const type of types) {
        const configured = await appraise(row, type, { dangerouslyTrustSimulatedPlatforms: false })
        assert.ok(failures(configured).includes('simulated'))
        const unconfigured = await appraise(row, type, { roots: {} })
        assert.ok(!unconfigured.isAccepted)
        assert.ok(failures(unconfigured).includes('chain'), report(unconfigured))
      }
    })

    test('is accepted by the key that is registered for it, root or not', async () => {
      for (const type of registeredOnly) {
        const result = await appraise(row, type, { endorsements: endorsementsFor(row), roots: {} })
        assert.deepEqual(failures(result), [], type)
        assert.ok(result.isAccepted)
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

async function appraise(
  row: SimulatedKind,
  type: string,
  options: Partial<EmbeddedVerifierOptions> = {},
  key = someKey,
) {
  const session = await verifierFor(row, options).newSession({ signal: patient })
  const message = await evidenceOf(row, type)
  const expectedKey = speaksForKey(type) ? key : null
  return session.appraise({ message, challenge: challengeFor(row, type), key: expectedKey, signal: patient })
}
