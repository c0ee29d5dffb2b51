import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { describe, test } from 'node:test'
import { SimulatedRoot } from '#src/attester/index.js'
import { isSimulatedName, SIMULATED_MEDIA_TYPE } from '#src/evidence/index.js'
import { KAT_MEDIA_TYPE } from '#src/rats/index.js'
import {
  appraise,
  attesterOf,
  failures,
  machine,
  NOON,
  patient,
  root,
  someKey,
  verifierOf,
} from '../support/simulated.js'

describe('the root of simulated platforms', () => {
  test('is another one every time', () => {
    assert.notEqual(SimulatedRoot.create({ now: NOON }).pem, SimulatedRoot.create({ now: NOON }).pem)
  })

  test('says in every certificate that it is simulated, and each leads to it', () => {
    const anchor = new X509Certificate(root.pem)
    const [der] = machine.chain
    assert.ok(der)
    const platform = new X509Certificate(der)
    assert.ok(isSimulatedName(anchor.subject) && isSimulatedName(platform.subject))
    assert.ok(anchor.ca && !platform.ca)
    assert.ok(platform.checkIssued(anchor) && platform.verify(anchor.publicKey) && anchor.verify(anchor.publicKey))
  })

  test('ends after 30 days, and its platforms with it', async () => {
    const late = verifierOf({ now: () => NOON + 31 * 86_400_000 })
    assert.deepEqual(failures(await appraise({ verifier: late })), ['chain'])
  })
})

describe('the simulated attester', () => {
  test('makes bundles and tokens, and fixes the challenge size of the latter', () => {
    const attester = attesterOf()
    assert.deepEqual(attester.evidenceTypes, [KAT_MEDIA_TYPE, SIMULATED_MEDIA_TYPE])
    assert.equal(attester.challengeLength(SIMULATED_MEDIA_TYPE), 32)
    assert.equal(attester.challengeLength(KAT_MEDIA_TYPE), undefined)
  })

  test('attests to one key after the other', async () => {
    const attester = attesterOf()
    for (let i = 0; i < 3; i++) assert.equal((await appraise({ attester })).isAccepted, true)
  })

  test('makes no Evidence of other types, for challenges of other sizes, or when nobody wants it any more', async () => {
    const request = { challenge: new Uint8Array(32), key: someKey, signal: patient }
    const attester = attesterOf()
    await assert.rejects(attester.evidence({ ...request, type: 'application/x' }), RangeError)
    await assert.rejects(
      attester.evidence({ ...request, type: SIMULATED_MEDIA_TYPE, challenge: new Uint8Array(31) }),
      RangeError,
    )
    for (const length of [7, 65]) {
      const challenge = new Uint8Array(length)
      await assert.rejects(attester.evidence({ ...request, type: KAT_MEDIA_TYPE, challenge }), TypeError)
    }
    const reason = new Error('the connection is over')
    const signal = AbortSignal.abort(reason)
    await assert.rejects(attester.evidence({ ...request, type: KAT_MEDIA_TYPE, signal }), reason)
  })
})
