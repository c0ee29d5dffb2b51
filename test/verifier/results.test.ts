import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { utf8 } from '#src/bytes/index.js'
import {
  type AttestationResult,
  type Cmw,
  decodeJws,
  type Ear,
  type EarForm,
  earMediaType,
  earProfiles,
  Indicator,
  LATEST_EAR_PROFILE,
  makeEar,
  messageSigner,
  type Verifier,
} from '#src/rats/index.js'
import { errorOf, Policy } from '#src/verifier/index.js'
import {
  appraise,
  attesterOf,
  document,
  failures,
  identityOf,
  NOON,
  newKey,
  patient,
  someKey,
  verifierOf,
} from '../support/simulated.js'

const issuerKey = newKey()
const identity = utf8('verifier.example')
const issuers = [{ identity, keys: [issuerKey.publicKey] }]
const relyingParty = verifierOf({ issuers })

/** What a Verifier elsewhere says about the key. */
const ear: Ear = {
  profile: LATEST_EAR_PROFILE,
  issuedAt: NOON / 1000,
  expiresAt: NOON / 1000 + 3600,
  verifier: { developer: 'https://verifier.example', build: '1' },
  status: 'affirming',
  submodules: new Map([
    ['PSA_IOT', { status: 'affirming', vector: { executables: 2 }, policyIds: ['p'], attestedKey: someKey.spki }],
  ]),
}

async function present(
  changes: Partial<Ear> = {},
  options: {
    readonly signer?: ReturnType<typeof newKey>
    readonly form?: EarForm
    readonly verifier?: Uint8Array
    readonly key?: typeof someKey | null
    readonly by?: Verifier
  } = {},
): Promise<AttestationResult> {
  const { signer = issuerKey, form = 'jwt', by = relyingParty, key = someKey } = options
  const value = await makeEar({ ...ear, ...changes }, messageSigner(signer), form)
  const type = earMediaType(form, changes.profile)
  return by.checkResults({
    message: { kind: 'record', type, value },
    verifier: options.verifier ?? identity,
    key,
    signal: patient,
  })
}

function submodule(changes: object): Partial<Ear> {
  const [first] = [...ear.submodules.values()]
  assert.ok(first)
  return { submodules: new Map([['PSA_IOT', { ...first, ...changes }]]) }
}

describe('a result that a peer presents', () => {
  for (const form of ['jwt', 'cwt'] as const) {
    for (const profile of earProfiles) {
      test(`is accepted as a ${form} of the profile ${profile}`, async () => {
        const result = await present({ profile }, { form })
        assert.deepEqual(failures(result), [])
        assert.equal(result.isAccepted, true)
        assert.deepEqual(result.attestedKey, someKey.spki)
        assert.equal(result.expiresAt, NOON / 1000 + 3600)
        assert.equal(result.challenge, null)
      })
    }
  }

  test('is accepted from any known issuer where none was agreed on', async () => {
    const value = await makeEar(ear, messageSigner(issuerKey), 'jwt')
    const message: Cmw = {
      kind: 'record',
      type: 'application/eat+jwt',
      value,
      indicators: Indicator.attestationResults,
    }
    const by = verifierOf({ issuers: [{ identity: utf8('other'), keys: [newKey().publicKey] }, ...issuers] })
    assert.equal((await by.checkResults({ message, key: null, signal: patient })).isAccepted, true)
  })

  test('is accepted under each key of an issuer that changes its key', async () => {
    const next = newKey()
    const by = verifierOf({ issuers: [{ identity, keys: [issuerKey.publicKey, next.publicKey] }] })
    assert.equal((await present({}, { by })).isAccepted, true)
    assert.equal((await present({}, { by, signer: next })).isAccepted, true)
  })

  test('is refused from an issuer that is not known', async () => {
    assert.deepEqual(failures(await present({}, { verifier: utf8('other') })), ['issuer'])
  })

  test('is refused from a known issuer other than the one agreed on', async () => {
    const other = newKey()
    const by = verifierOf({ issuers: [...issuers, { identity: utf8('other'), keys: [other.publicKey] }] })
    assert.deepEqual(failures(await present({}, { by, signer: other })), ['signature'])
  })

  test('is refused with a signature by another key, and nothing of what it says is believed', async () => {
    const result = await present({}, { signer: newKey() })
    assert.deepEqual(failures(result), ['signature'])
    assert.deepEqual(result.submodules, {})
    assert.equal(result.attestedKey, null)
    assert.equal(result.status, 'contraindicated')
  })

  test('is refused when it speaks for another key', async () => {
    assert.deepEqual(failures(await present({}, { key: identityOf(newKey()) })), ['key-binding'])
  })

  test('is refused when it speaks for no key', async () => {
    const [first] = [...ear.submodules.values()]
    assert.ok(first)
    const { attestedKey: _, ...rest } = first
    const submodules = new Map([['PSA_IOT', rest]])
    assert.deepEqual(failures(await present({ submodules })), ['key-binding'])
    assert.deepEqual(failures(await present({ submodules }, { key: null })), ['key-binding'])
  })

  test('is refused when it speaks for two keys', async () => {
    const [first] = [...ear.submodules.values()]
    assert.ok(first)
    const submodules = new Map([
      ['A', first],
      ['B', { ...first, attestedKey: newKey().publicKey.spki }],
    ])
    assert.deepEqual(failures(await present({ submodules })), ['key-binding'])
  })

  const times = [
    ['has expired', { issuedAt: NOON / 1000 - 3600, expiresAt: NOON / 1000 - 61 }],
    ['was issued in the future', { issuedAt: NOON / 1000 + 61, expiresAt: NOON / 1000 + 3600 }],
    ['is older than the policy allows', { issuedAt: NOON / 1000 - 86_461, expiresAt: NOON / 1000 + 3600 }],
    ['does not hold yet', { notBefore: NOON / 1000 + 61 }],
  ] as const
  for (const [what, changes] of times) {
    test(`is refused when it ${what}`, async () => {
      const result = await present(changes)
      assert.deepEqual(failures(result), ['lifetime'])
      assert.equal(result.isAccepted, false)
    })
  }

  test('is accepted within the leeway for clocks that differ', async () => {
    assert.equal((await present({ issuedAt: NOON / 1000 + 59 })).isAccepted, true)
    assert.equal((await present({ issuedAt: NOON / 1000 - 3600, expiresAt: NOON / 1000 - 59 })).isAccepted, true)
  })

  test('holds no longer than the policy lets it, whatever it says itself', async () => {
    const policy = Policy.from({ ...document, resultMaxAgeSeconds: 60 })
    const result = await present({}, { by: verifierOf({ issuers, policy }) })
    assert.equal(result.expiresAt, NOON / 1000 + 60)
  })

  for (const status of ['warning', 'contraindicated', 'none'] as const) {
    test(`is refused when its status is ${status}`, async () => {
      const result = await present({ status, ...submodule({ status, vector: undefined }) })
      assert.deepEqual(failures(result), ['status'])
    })
  }

  test('is refused when one of its submodules asserts nothing', async () => {
    const [first] = [...ear.submodules.values()]
    assert.ok(first)
    const submodules = new Map([
      ['A', first],
      ['B', { status: 'none' as const, policyIds: [] }],
    ])
    const { status: _, ...rest } = { ...ear, submodules }
    const value = await makeEar(rest, messageSigner(issuerKey), 'jwt')
    const message: Cmw = { kind: 'record', type: earMediaType('jwt'), value }
    const result = await relyingParty.checkResults({ message, verifier: identity, key: someKey, signal: patient })
    assert.deepEqual(failures(result), ['status'])
  })

  test('is accepted with a warning where the policy says so', async () => {
    const policy = Policy.from({ ...document, acceptedTiers: ['affirming', 'warning'] })
    const by = verifierOf({ issuers, policy })
    const changes: Partial<Ear> = { status: 'warning', ...submodule({ status: 'warning', vector: { hardware: 32 } }) }
    assert.equal((await present(changes, { by })).isAccepted, true)
    assert.equal((await present(changes)).isAccepted, false)
  })

  test('is refused in production configuration when it is about a simulated platform', async () => {
    const by = verifierOf({ issuers, dangerouslyTrustSimulatedPlatforms: false })
    const marks = [
      submodule({ verifierClaims: new Map([['simulated', true]]) }),
      submodule({ attesterClaims: new Map([['simulated', true]]) }),
    ]
    for (const changes of marks) assert.deepEqual(failures(await present(changes, { by })), ['simulated'])
    assert.equal((await present({}, { by })).isAccepted, true)
  })

  const foreign = [
    ['is a collection', { kind: 'collection', entries: new Map() }],
    ['is Evidence', { kind: 'record', type: 'application/psa-attestation-token', value: utf8('x') }],
    ['has a type that is none', { kind: 'record', type: 'not a type', value: utf8('x') }],
    ['has an unassigned Content-Format', { kind: 'record', type: 65000, value: utf8('x') }],
  ] as const satisfies readonly (readonly [string, Cmw])[]
  for (const [what, message] of foreign) {
    test(`cannot be checked when it ${what}`, async () => {
      const result = await relyingParty.checkResults({ message, verifier: identity, key: null, signal: patient })
      assert.equal(result.problemCode, 'ERR_EVIDENCE_UNKNOWN_TYPE')
      assert.equal(result.isAccepted, false)
    })
  }

  test('cannot be checked when it is garbage', async () => {
    for (const garbage of ['', 'a.b', 'e30.e30', '{}', '\u0084', 'eyJhbGciOiJub25lIn0.e30.']) {
      const message: Cmw = { kind: 'record', type: earMediaType('jwt'), value: utf8(garbage) }
      const result = await relyingParty.checkResults({ message, verifier: identity, key: null, signal: patient })
      assert.equal(result.isAccepted, false, garbage)
      assert.notEqual(errorOf(result), null)
    }
  })

  test('rejects with the reason of its signal', async () => {
    const reason = new Error('over')
    const message: Cmw = { kind: 'record', type: earMediaType('jwt'), value: utf8('x') }
    const submission = { message, key: null, signal: AbortSignal.abort(reason) }
    await assert.rejects(relyingParty.checkResults(submission), reason)
  })
})

describe('a result that the embedded Verifier issues', () => {
  for (const resultForm of ['jwt', 'cwt'] as const) {
    test(`is accepted by itself and by those who know its key, as a ${resultForm}`, async () => {
      const issuer = verifierOf({ signingKey: issuerKey, resultForm, identity })
      const { token } = await appraise({ verifier: issuer })
      assert.ok(token)
      for (const by of [issuer, relyingParty]) {
        const result = await by.checkResults({ message: token, verifier: identity, key: someKey, signal: patient })
        assert.deepEqual(failures(result), [])
        assert.equal(result.isAccepted, true)
        assert.equal(result.isSimulated, true)
        assert.deepEqual(result.attestedKey, someKey.spki)
        assert.equal(result.submodules.simulated?.claims.lifecycle, 'secured')
        assert.deepEqual(result.submodules.simulated?.policyIds, ['shop'])
      }
    })
  }

  test('about Evidence that was refused is refused, and speaks for no key', async () => {
    const issuer = verifierOf({ signingKey: issuerKey, identity })
    const { token } = await appraise({ verifier: issuer, attester: attesterOf({ isDebuggable: true }) })
    assert.ok(token)
    const result = await relyingParty.checkResults({
      message: token,
      verifier: identity,
      key: someKey,
      signal: patient,
    })
    assert.deepEqual(failures(result), ['key-binding', 'status'])
    assert.equal(result.attestedKey, null)
  })

  test('is not issued about Evidence that could not be appraised', async () => {
    const issuer = verifierOf({ signingKey: issuerKey, identity })
    const result = await appraise({ verifier: issuer }, () => ({ kind: 'record', type: 'a/b', value: utf8('x') }))
    assert.equal(result.token, null)
  })

  test('is not issued without a key', async () => {
    assert.equal((await appraise()).token, null)
  })

  test('holds the nonce of the session and the identity is that of the key unless another is given', async () => {
    const issuer = verifierOf({ signingKey: issuerKey })
    assert.deepEqual(issuer.identity, identityOf(issuerKey).id)
    const result = await appraise({ verifier: issuer })
    assert.ok(result.token?.kind === 'record')
    const claims = JSON.parse(Buffer.from(decodeJws(result.token.value).payload).toString())
    assert.deepEqual(Buffer.from(claims.eat_nonce, 'base64url'), Buffer.from(result.challenge ?? []))
    assert.equal(claims.submods.simulated.ear_verifier_claims.simulated, true)
  })

  test('is an appraisal that failed when the key cannot sign', async () => {
    const broken = {
      ...issuerKey,
      publicKey: issuerKey.publicKey,
      schemes: issuerKey.schemes,
      sign: () => Promise.reject(new Error('the HSM is off')),
    }
    const result = await appraise({ verifier: verifierOf({ signingKey: broken }) })
    assert.equal(result.problemCode, 'ERR_VERIFIER_FAILED')
    assert.match(result.problem ?? '', /HSM/)
  })
})

describe('the issuers that are configured', () => {
  test('have identities of their own and at least one key each', () => {
    assert.throws(() => verifierOf({ issuers: [...issuers, ...issuers] }), RangeError)
    assert.throws(() => verifierOf({ issuers: [{ identity, keys: [] }] }), RangeError)
  })

  test('are what is offered in the passport model, with the Verifier itself first', () => {
    const own = verifierOf({ issuers, signingKey: newKey(), identity: 'own' })
    assert.deepEqual(own.resultIdentities, [utf8('own'), identity])
    assert.deepEqual(verifierOf({ issuers }).resultIdentities, [identity])
  })
})
