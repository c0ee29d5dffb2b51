import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { measured, SimulatedRoot } from '#src/attester/index.js'
import { hex, utf8 } from '#src/bytes/index.js'
import { systemEntropy } from '#src/crypto/index.js'
import { FixedEndorsements, SIMULATED_MEDIA_TYPE } from '#src/evidence/index.js'
import { type Cmw, KAT_MEDIA_TYPE } from '#src/rats/index.js'
import { embeddedVerifier, errorOf, NotAppraised, Policy, Refused } from '#src/verifier/index.js'
import {
  appraise,
  attesterOf,
  document,
  failures,
  firmware,
  identityOf,
  machine,
  NOON,
  newKey,
  patient,
  root,
  someKey,
  verifierOf,
  workload,
} from '../support/simulated.js'

for (const type of [KAT_MEDIA_TYPE, SIMULATED_MEDIA_TYPE]) {
  describe(`Evidence of type ${type}`, () => {
    test('is accepted when everything agrees', async () => {
      const result = await appraise({ type })
      assert.deepEqual(failures(result), [])
      assert.equal(result.isAccepted, true)
      assert.equal(result.status, 'affirming')
      assert.deepEqual(result.attestedKey, someKey.spki)
      assert.equal(result.isSimulated, true)
      assert.equal(result.submodules.simulated?.claims.lifecycle, 'secured')
      assert.equal(errorOf(result), null)
    })

    test('gives up its key when none is expected', async () => {
      const result = await appraise({ type, expectedKey: null })
      assert.equal(result.isAccepted, true)
      assert.deepEqual(result.attestedKey, someKey.spki)
    })

    test('is refused for a tampered workload, with what was measured and what was expected', async () => {
      const evil = measured('workload', utf8('a shop with a back door'))
      const result = await appraise({ type, attester: attesterOf({ components: [evil, firmware] }) })
      assert.deepEqual(failures(result), ['measurement'])
      assert.equal(result.status, 'contraindicated')
      assert.equal(result.submodules.simulated?.vector.executables, 96)
      const check = result.checks.find(({ passed }) => !passed)
      assert.ok(check?.expected.includes(hex(workload.measurement).slice(0, 8)))
      assert.ok(check?.actual.includes(hex(evil.measurement).slice(0, 8)))
      assert.equal(check?.source, 'shop.json: platforms[0].measurements')
      assert.ok(check?.remedy)
      const error = errorOf(result)
      assert.ok(error instanceof Refused)
      assert.equal(error.code, 'ERR_APPRAISAL_REFUSED')
    })

    test('is refused for software beside what the policy lists', async () => {
      const more = attesterOf({ components: [workload, firmware, measured('plugin', utf8('a miner'))] })
      assert.deepEqual(failures(await appraise({ type, attester: more })), ['measurement'])
    })

    test('is refused for another challenge', async () => {
      const verifier = verifierOf()
      const attester = attesterOf()
      const session = await verifier.newSession({ signal: patient })
      const other = await verifier.newSession({ signal: patient })
      const message = await attester.evidence({ type, challenge: other.nonce, key: someKey, signal: patient })
      const result = await session.appraise({ message, challenge: session.nonce, key: someKey, signal: patient })
      assert.deepEqual(failures(result), ['challenge'])
      assert.equal(result.submodules.simulated?.vector['instance-identity'], 99)
    })

    test('is refused for another key than that of the connection', async () => {
      const result = await appraise({ type, expectedKey: identityOf(newKey()) })
      assert.deepEqual(failures(result), ['key-binding'])
    })

    test('is refused from a platform under an unknown root', async () => {
      const stranger = attesterOf({ platform: SimulatedRoot.create({ now: NOON }).issue('stranger') })
      const result = await appraise({ type, attester: stranger })
      assert.deepEqual(failures(result), ['chain'])
      assert.equal(result.submodules.simulated?.vector['instance-identity'], 97)
      assert.deepEqual(result.submodules.simulated?.claims, {})
    })

    test('is refused from a platform whose certificate has expired', async () => {
      const expired = attesterOf({ platform: root.issue('old', { notBefore: NOON - 2000, notAfter: NOON - 1000 }) })
      assert.deepEqual(failures(await appraise({ type, attester: expired })), ['chain'])
    })

    test('is refused when another key than the certified one signed it', async () => {
      const forged = attesterOf({ platform: { key: newKey(), chain: machine.chain } })
      const result = await appraise({ type, attester: forged })
      assert.deepEqual(failures(result), ['signature'])
      assert.deepEqual(result.submodules.simulated?.claims, {})
    })

    test('is refused from a platform that can be debugged', async () => {
      assert.deepEqual(failures(await appraise({ type, attester: attesterOf({ isDebuggable: true }) })), ['debug'])
    })

    test('is refused from a platform that is not in its secured state', async () => {
      const open = attesterOf({ lifecycle: 'recoverable-psa-rot-debug' })
      assert.deepEqual(failures(await appraise({ type, attester: open })), ['lifecycle'])
    })

    test('is refused in production configuration, by a check that names the simulated platform', async () => {
      const verifier = verifierOf({ dangerouslyTrustSimulatedPlatforms: false })
      const result = await appraise({ type, verifier })
      assert.deepEqual(failures(result), ['simulated'])
      assert.equal(result.isAccepted, false)
      assert.match(errorOf(result)?.message ?? '', /SIMULATED.*dangerouslyTrustSimulatedPlatforms/)
    })

    test('is refused from a kind of platform that the policy does not name', async () => {
      const result = await appraise({ type, verifier: verifierOf({ policy: Policy.from({ version: 1 }) }) })
      assert.deepEqual(failures(result), ['platform'])
    })

    test('is appraised the same way every time', async () => {
      const verifier = verifierOf()
      const session = await verifier.newSession({ signal: patient })
      const { nonce: challenge } = session
      const message = await attesterOf().evidence({ type, challenge, key: someKey, signal: patient })
      const submission = { message, challenge, key: someKey, signal: patient }
      const again = await verifier.newSession({ signal: patient })
      assert.deepEqual(await session.appraise(submission), await again.appraise(submission))
    })
  })
}

describe('a session', () => {
  test('has a nonce of its own', async () => {
    const verifier = verifierOf()
    const nonces = await Promise.all(Array.from({ length: 20 }, () => verifier.newSession({ signal: patient })))
    assert.equal(new Set(nonces.map(({ nonce }) => hex(nonce))).size, 20)
    assert.ok(nonces.every(({ nonce }) => nonce.length === 32))
  })

  test('appraises once', async () => {
    const verifier = verifierOf()
    const session = await verifier.newSession({ signal: patient })
    const { nonce: challenge } = session
    const message = await attesterOf().evidence({ type: KAT_MEDIA_TYPE, challenge, key: someKey, signal: patient })
    const submission = { message, challenge, key: someKey, signal: patient }
    assert.equal((await session.appraise(submission)).isAccepted, true)
    await assert.rejects(session.appraise(submission), { code: 'ERR_VERIFIER_SESSION_USED' })
  })

  test('ends after its lifetime, which is no verdict on the Evidence', async () => {
    let now = NOON
    const verifier = verifierOf({ now: () => now, sessionLifetime: 1000 })
    const session = await verifier.newSession({ signal: patient })
    const { nonce: challenge } = session
    const message = await attesterOf().evidence({ type: KAT_MEDIA_TYPE, challenge, key: someKey, signal: patient })
    now += 1000
    const result = await session.appraise({ message, challenge, key: someKey, signal: patient })
    assert.equal(result.problemCode, 'ERR_VERIFIER_SESSION_EXPIRED')
    assert.equal(result.status, 'none')
    assert.equal(result.isAccepted, false)
  })

  test('cannot be opened without end, and those that ended make room', async () => {
    let now = NOON
    const verifier = verifierOf({ now: () => now, sessionLifetime: 1000, mostSessions: 2 })
    await verifier.newSession({ signal: patient })
    await verifier.newSession({ signal: patient })
    await assert.rejects(verifier.newSession({ signal: patient }), { code: 'ERR_VERIFIER_BUSY' })
    now += 1000
    await verifier.newSession({ signal: patient })
  })

  test('makes room when it is closed, and appraises nothing after that', async () => {
    const verifier = verifierOf({ mostSessions: 1 })
    const session = await verifier.newSession({ signal: patient })
    session.close?.()
    session.close?.()
    await verifier.newSession({ signal: patient })
    const { nonce: challenge } = session
    const message = await attesterOf().evidence({ type: KAT_MEDIA_TYPE, challenge, key: someKey, signal: patient })
    await assert.rejects(session.appraise({ message, challenge, key: someKey, signal: patient }), {
      code: 'ERR_VERIFIER_SESSION_USED',
    })
  })

  test('makes room when it is closed, and appraises nothing any more', async () => {
    const verifier = verifierOf({ mostSessions: 1 })
    const session = await verifier.newSession({ signal: patient })
    session.close?.()
    session.close?.()
    await verifier.newSession({ signal: patient })
    const message: Cmw = { kind: 'record', type: SIMULATED_MEDIA_TYPE, value: Uint8Array.of(0) }
    const submission = { message, challenge: session.nonce, key: null, signal: patient }
    await assert.rejects(session.appraise(submission), { code: 'ERR_VERIFIER_SESSION_USED' })
  })

  test('counts while it is being appraised, and no longer', async () => {
    const waiting = new AbortController()
    const verifier = verifierOf({
      mostSessions: 1,
      endorsements: {
        digest: '',
        gather: (_, { signal }) =>
          new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true })),
      },
    })
    const { nonce: challenge, appraise } = await verifier.newSession({ signal: patient })
    const message = await attesterOf().evidence({ type: KAT_MEDIA_TYPE, challenge, key: someKey, signal: patient })
    const appraisal = appraise({ message, challenge, key: someKey, signal: waiting.signal })
    await assert.rejects(verifier.newSession({ signal: patient }), { code: 'ERR_VERIFIER_BUSY' })
    waiting.abort(new Error('over'))
    await assert.rejects(appraisal, /over/)
    await verifier.newSession({ signal: patient })
  })

  for (const length of [0, 1, 7]) {
    test(`takes an expected challenge of ${length} bytes for a mistake of its caller's`, async () => {
      const session = await verifierOf().newSession({ signal: patient })
      const message: Cmw = { kind: 'record', type: SIMULATED_MEDIA_TYPE, value: Uint8Array.of(0) }
      const submission = { message, challenge: new Uint8Array(length), key: null, signal: patient }
      await assert.rejects(session.appraise(submission), RangeError)
    })
  }

  test('rejects with the reason of its signal', async () => {
    const reason = new Error('the connection is over')
    const session = await verifierOf().newSession({ signal: patient })
    const message: Cmw = { kind: 'record', type: SIMULATED_MEDIA_TYPE, value: Uint8Array.of(0) }
    const submission = { message, challenge: session.nonce, key: null, signal: AbortSignal.abort(reason) }
    await assert.rejects(session.appraise(submission), reason)
    await assert.rejects(verifierOf().newSession({ signal: AbortSignal.abort(reason) }), reason)
  })

  test('stops waiting for endorsements when its signal fires', async () => {
    const controller = new AbortController()
    const verifier = verifierOf({
      endorsements: {
        digest: '',
        gather: (_, { signal }) =>
          new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true })),
      },
    })
    const session = await verifier.newSession({ signal: patient })
    const { nonce: challenge } = session
    const message = await attesterOf().evidence({ type: KAT_MEDIA_TYPE, challenge, key: someKey, signal: patient })
    const appraisal = session.appraise({ message, challenge, key: someKey, signal: controller.signal })
    const reason = new Error('the handshake took too long')
    controller.abort(reason)
    await assert.rejects(appraisal, reason)
  })
})

describe('an appraisal that could not be done', () => {
  const unreadable = [
    ['is of no known type', { kind: 'record', type: 'application/octet-stream', value: Uint8Array.of(1) }],
    ['is of an unassigned Content-Format', { kind: 'record', type: 65000, value: Uint8Array.of(1) }],
    ['is a collection that means nothing', { kind: 'collection', entries: new Map() }],
  ] as const satisfies readonly (readonly [string, Cmw])[]
  for (const [what, message] of unreadable) {
    test(`says so when the Evidence ${what}`, async () => {
      const result = await appraise({}, () => message)
      assert.equal(result.problemCode, 'ERR_EVIDENCE_UNKNOWN_TYPE')
      assert.equal(result.isAccepted, false)
      assert.deepEqual(result.checks, [])
      const error = errorOf(result)
      assert.ok(error instanceof NotAppraised)
      assert.equal(error.code, 'ERR_EVIDENCE_UNKNOWN_TYPE')
    })
  }

  test('says so when the Evidence is garbage of a known type', async () => {
    const result = await appraise({}, () => ({ kind: 'record', type: SIMULATED_MEDIA_TYPE, value: utf8('garbage') }))
    assert.equal(result.problemCode, 'ERR_EVIDENCE_MALFORMED')
    assert.equal(result.status, 'none')
  })

  test('says so when the Evidence is too large, without reading it', async () => {
    const value = new Uint8Array(65_537)
    const result = await appraise({}, () => ({ kind: 'record', type: SIMULATED_MEDIA_TYPE, value }))
    assert.equal(result.problemCode, 'ERR_EVIDENCE_MALFORMED')
    assert.match(result.problem ?? '', /65536/)
  })

  test('says so when a source of endorsements fails, whatever it throws', async () => {
    const verifier = verifierOf({ endorsements: { digest: '', gather: () => Promise.reject(new Error('no network')) } })
    const result = await appraise({ verifier })
    assert.equal(result.problemCode, 'ERR_VERIFIER_FAILED')
    assert.match(errorOf(result)?.message ?? '', /no network/)
  })
})

describe('the digest of what a verdict depends on', () => {
  const digest = (options: Parameters<typeof verifierOf>[0]) => verifierOf(options).policyDigest
  const usual = digest({})

  test('is the same for the same configuration', () => {
    assert.equal(digest({}), usual)
    assert.equal(digest({ policy: Policy.from({ ...document, name: 'by another name' }) }), usual)
  })

  const others: readonly (readonly [string, Parameters<typeof verifierOf>[0]])[] = [
    ['the policy', { policy: Policy.from({ ...document, clockLeewaySeconds: 1 }) }],
    ['the roots', { roots: {} }],
    ['what the roots are for', { roots: { other: [root.pem] } }],
    ['trust in simulated platforms', { dangerouslyTrustSimulatedPlatforms: false }],
    ['the issuers', { issuers: [{ identity: utf8('v'), keys: [newKey().publicKey] }] }],
    [
      'the registered keys',
      {
        endorsements: new FixedEndorsements({
          instanceKeys: [{ kind: 'psa', id: Uint8Array.of(1), key: newKey().publicKey }],
        }),
      },
    ],
  ]
  for (const [what, options] of others) {
    test(`changes with ${what}`, () => assert.notEqual(digest(options), usual))
  }
})

describe('an embedded Verifier', () => {
  test('warns, once, that simulated platforms are trusted', () => {
    const warnings: string[] = []
    verifierOf({ warn: sentence => warnings.push(sentence) })
    assert.equal(warnings.length, 1)
    assert.match(warnings[0] ?? '', /SIMULATED.*dangerouslyTrustSimulatedPlatforms/)
  })

  test('trusts no simulated platform unless told to, and then has nothing to warn of', () => {
    const warnings: string[] = []
    verifierOf({ dangerouslyTrustSimulatedPlatforms: false, warn: sentence => warnings.push(sentence) })
    assert.deepEqual(warnings, [])
  })

  test('asks for Evidence that platforms of its policy can make', () => {
    assert.deepEqual(verifierOf().evidenceTypes, [KAT_MEDIA_TYPE, SIMULATED_MEDIA_TYPE])
    assert.deepEqual(verifierOf({ policy: Policy.from({ version: 1 }) }).evidenceTypes, [])
  })

  test('knows the size of the challenge that a type fixes', () => {
    assert.equal(verifierOf().challengeLength(SIMULATED_MEDIA_TYPE), 32)
    assert.equal(verifierOf().challengeLength(KAT_MEDIA_TYPE), undefined)
    assert.equal(verifierOf().challengeLength('application/x-unknown'), undefined)
  })

  test('does not believe the certificates of one kind of platform for another', async () => {
    const verifier = verifierOf({ roots: { other: [root.pem] } })
    assert.deepEqual(failures(await appraise({ verifier })), ['chain'])
  })

  test('refuses an empty identity', () => {
    assert.throws(() => verifierOf({ identity: '' }), RangeError)
  })

  test('works with nothing but a policy, a clock and entropy', async () => {
    const verifier = embeddedVerifier({ policy: Policy.from(document), now: () => NOON, entropy: systemEntropy })
    assert.deepEqual(failures(await appraise({ verifier })), ['chain', 'simulated'])
  })
})
