import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { checkContinuity, checkSameKey } from '#src/attestation/hardened/continuity.js'
import { passingClaims, platforms } from '#src/evidence/index.js'
import type { AttestationResult, SubmoduleResult, Tier } from '#src/rats/index.js'
import {
  challengeFor,
  endorsementsFor,
  evidenceOf,
  type SimulatedKind,
  simulatedKinds,
  verifierFor,
} from '../../support/every-platform.js'
import { patient, someKey } from '../../support/simulated.js'

/** A verdict, as a Verifier comes to it anew at a later time. */
async function appraised(kind: SimulatedKind, type: string, byte: number): Promise<AttestationResult> {
  const session = await verifierFor(kind, { endorsements: endorsementsFor(kind) }).newSession({ signal: patient })
  const challenge = challengeFor(kind, type, byte)
  const message = await evidenceOf(kind, type, { challenge })
  const key = kind.attester.speaksForKey?.(type) === false ? null : someKey
  return session.appraise({ message, challenge, key, signal: patient })
}

describe('two appraisals of one machine in one state', () => {
  for (const [name, kind] of Object.entries(simulatedKinds)) {
    test(`are of the same machine: ${name}`, async () => {
      for (const type of kind.attester.evidenceTypes) {
        const [before, now] = [await appraised(kind, type, 5), await appraised(kind, type, 6)]
        assert.ok(before.isAccepted && now.isAccepted, type)
        checkContinuity(before, now)
        checkSameKey(before, now)
      }
    })
  }

  test('differ in nothing but what each platform says', () => {
    for (const { kind } of platforms) assert.ok(passingClaims.has(kind), kind)
    assert.deepEqual(passingClaims.get('tpm'), ['clock', 'key-name'])
    assert.deepEqual(passingClaims.get('simulated'), [])
  })
})

const part = (claims: Record<string, unknown>, more: Partial<SubmoduleResult> = {}): SubmoduleResult => ({
  status: 'affirming',
  vector: {},
  policyIds: [],
  claims,
  ...more,
})

const verdict = (submodules: Record<string, SubmoduleResult>, more: Partial<AttestationResult> = {}) =>
  ({
    status: 'affirming' as Tier,
    isSimulated: false,
    attestedKey: null,
    checks: [],
    submodules,
    ...more,
  }) as AttestationResult

describe('a later verdict', () => {
  const before = verdict({ tdx: part({ mrtd: 'a', 'tcb-date': 'b' }, { passingClaims: ['tcb-date'] }) })
  const now = (claims: Record<string, unknown>, more: Partial<SubmoduleResult> = {}) =>
    verdict({ tdx: part(claims, { passingClaims: ['tcb-date'], ...more }) })

  test('may have other passing claims, or none of them', () => {
    checkContinuity(before, now({ mrtd: 'a', 'tcb-date': 'c' }))
    checkContinuity(before, now({ mrtd: 'a' }))
  })

  const broken: readonly [name: string, verdict: AttestationResult, complaint: RegExp][] = [
    ['another claim', now({ mrtd: 'z', 'tcb-date': 'b' }), /another claim mrtd of tdx/],
    ['a claim less', now({ 'tcb-date': 'b' }), /another claim mrtd/],
    ['a claim more', now({ mrtd: 'a', 'tcb-date': 'b', debug: true }), /another claim debug/],
    ['a claim that passes by nobody’s word', now({ mrtd: 'a', 'tcb-date': 'c' }, { passingClaims: [] }), /tcb-date/],
    ['a lower tier of a part', now({ mrtd: 'a' }, { status: 'warning' }), /lower tier of tdx/],
    ['a lower tier', { ...now({ mrtd: 'a' }), status: 'warning' }, /is warning, and was affirming/],
    ['another part', verdict({ sgx: part({}) }), /has tdx no longer/],
    ['a part more', verdict({ ...before.submodules, sgx: part({}) }), /has sgx all at once/],
    ['a simulated platform', { ...before, isSimulated: true }, /is simulated where it was not/],
  ]
  for (const [name, verdict, complaint] of broken) {
    test(`may not have ${name}`, () => {
      assert.throws(() => checkContinuity(before, verdict), {
        code: 'ERR_ATTESTATION_CONTINUITY',
        message: complaint,
      })
    })
  }

  test('speaks for the same key, where either speaks for one', () => {
    const [a, b] = [Uint8Array.of(1), Uint8Array.of(2)]
    const of = (attestedKey: Uint8Array | null) => verdict({}, { attestedKey })
    checkSameKey(of(a), of(Uint8Array.of(1)))
    checkSameKey(of(null), of(null))
    for (const [old, current] of [
      [a, b],
      [a, null],
      [null, a],
    ] as const) {
      assert.throws(() => checkSameKey(of(old), of(current)), { code: 'ERR_ATTESTATION_CONTINUITY' })
    }
  })
})
