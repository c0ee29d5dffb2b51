import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { equalBytes } from '#src/bytes/index.js'
import {
  type CborMap,
  type CborValue,
  checkEar,
  decodeCbor,
  decodeJson,
  decodeJws,
  decodeSign1,
  type Ear,
  type EarForm,
  earMediaType,
  earProfiles,
  encodeCbor,
  encodeJson,
  LATEST_EAR_PROFILE,
  MessageError,
  type MessageErrorCode,
  makeEar,
  makeJws,
  makeSign1,
  readEar,
  sameMediaType,
} from '#src/rats/index.js'
import { bytesOf, freshSigner, messageError, p256, textBytes } from './support.js'

/** draft-ietf-rats-ear-03: the example in CBOR. */
const EXAMPLE = bytesOf(`
  a5190109781d7461673a696574662e6f72672c323032363a726174732f656172233033061a635537a01903eca200781c68747470733a2f2f766572
  6169736f6e2d70726f6a6563742e6f7267016976747320302e302e311903ea4b6c696665626f61746d616e19010aa163505341a31903e818601903
  e9a3000202186004021903eb81782a68747470733a2f2f7665726169736f6e2e6578616d706c652f706f6c6963792f312f3630613030363864`)

/** An EAR by the library of Veraison, with its published test key: the old dialect, and an `iat` in scientific notation. */
const VERAISON = [
  'eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCJ9',
  'eyJlYXIucmF3LWV2aWRlbmNlIjoiTnpRM01qWTVOek0yTlRZek56UUsiLCJlYXIudmVyaWZpZXItaWQiOnsiYnVpbGQiOiJ2dHMgMC4wLjEiLCJkZXZlbG9wZXIiOiJodHRwczovL3ZlcmFpc29uLXByb2plY3Qub3JnIn0sImVhdF9wcm9maWxlIjoidGFnOmdpdGh1Yi5jb20sMjAyMzp2ZXJhaXNvbi9lYXIiLCJpYXQiOjEuNjY2NTI5MTg0ZSswOSwianRpIjoiNTViOGIzZmFkOGRkMWQ4ZWFjNGU0OGYxMTdmZTUwOGIxMWY4NDRkOWYwMTg5YmZlZDliODc1MTVhNjc1NDI2NCIsIm5iZiI6MTY3NzI0Nzg3OSwic3VibW9kcyI6eyJQQVJTRUNfVFBNIjp7ImVhci5hcHByYWlzYWwtcG9saWN5LWlkIjoiaHR0cHM6Ly92ZXJhaXNvbi5leGFtcGxlL3BvbGljeS8xLzYwYTAwNjhkIiwiZWFyLnN0YXR1cyI6ImFmZmlybWluZyIsImVhci50cnVzdHdvcnRoaW5lc3MtdmVjdG9yIjp7ImV4ZWN1dGFibGVzIjoyLCJoYXJkd2FyZSI6MiwiaW5zdGFuY2UtaWRlbnRpdHkiOjJ9LCJlYXIudmVyYWlzb24ua2V5LWF0dGVzdGF0aW9uIjp7ImFrcHViIjoiTUZrd0V3WUhLb1pJemowQ0FRWUlLb1pJemowREFRY0RRZ0FFY2pTcDhfTVdNM2d5OFR1Z1dPMVRwUVNqX3ZJa3NMcEMtZzhsNVMzbHBHYjdQV1dHb0NBakVQOF9BNTlWWndMWGd3b1p6TjBXeHVCUGpwYVdpV3NmQ1EifX19fQ',
  '3Ym-f1LEgamxePUM7h6Y2RJDGh9eeL0xKor0n1wE9jdAnLNwm3rTKFV2S2LbqVFoDtK9QGalT2t5RnUdfwZNmg',
].join('.')
const VERAISON_KEY = p256('usWxHK2PmfnHKwXPS54m0kTcGJ90UiglWiGahtagnv8', 'IBOL-C3BttVivg-lSreASjpkttcsz-1rb7btKLv8EX4')

const NOW = 1_700_000_000
const NONCE = new Uint8Array(32).fill(3)
const signer = freshSigner()
const check = { key: signer.publicKey, at: NOW * 1000 }

const EAR: Ear = {
  profile: LATEST_EAR_PROFILE,
  issuedAt: NOW,
  notBefore: NOW - 1,
  expiresAt: NOW + 300,
  verifier: { developer: 'https://example.org', build: 'x 1' },
  status: 'warning',
  nonce: NONCE,
  rawEvidence: bytesOf('d284'),
  submodules: new Map([
    [
      'platform',
      {
        status: 'affirming',
        vector: { hardware: 2, executables: 3, 'instance-identity': -2, configuration: 0 },
        policyIds: ['policy-1'],
        evidenceNonce: NONCE,
        attestedKey: signer.publicKey.spki,
        attesterClaims: new Map<string, CborValue>([
          ['lifecycle', 'secured'],
          ['list', [1, true, null]],
        ]),
        verifierClaims: new Map([['a', 1]]),
      },
    ],
    ['workload', { status: 'warning', policyIds: [] }],
  ]),
}
const FORMS: readonly EarForm[] = ['jwt', 'cwt']

describe('the published EARs', () => {
  test('in CBOR: the example of the draft', () => {
    const ear = readEar(mapOf(decodeCbor(EXAMPLE, 'tolerant')), 'cbor')
    assert.equal(ear.profile, 'tag:ietf.org,2026:rats/ear#03')
    assert.equal(ear.issuedAt, 1666529184)
    assert.deepEqual(ear.verifier, { developer: 'https://veraison-project.org', build: 'vts 0.0.1' })
    assert.deepEqual(ear.rawEvidence, textBytes('lifeboatman'))
    assert.deepEqual(
      [...ear.submodules],
      [
        [
          'PSA',
          {
            status: 'contraindicated',
            vector: { 'instance-identity': 2, executables: 96, hardware: 2 },
            policyIds: ['https://veraison.example/policy/1/60a0068d'],
          },
        ],
      ],
    )
  })

  test('in a JWT of the old dialect, with the key that the Evidence speaks for', async () => {
    const ear = await checkEar(VERAISON, { key: VERAISON_KEY, at: Date.UTC(2026, 0) })
    const appraisal = ear.submodules.get('PARSEC_TPM')
    assert.equal(ear.issuedAt, 1666529184)
    assert.equal(appraisal?.status, 'affirming')
    assert.deepEqual(appraisal?.vector, { executables: 2, hardware: 2, 'instance-identity': 2 })
    assert.equal(appraisal?.attestedKey?.length, 91)
    await assert.rejects(
      checkEar(VERAISON, { key: signer.publicKey, at: Date.UTC(2026, 0) }),
      messageError('ERR_RATS_SIGNATURE'),
    )
  })

  test('in JSON of both dialects', () => {
    const current = `{"eat_profile":"tag:ietf.org,2026:rats/ear#03","iat":1666529184,"ear_verifier_id":{"developer":"a","build":"b"},
      "submods":{"PARSEC_TPM":{"ear_status":"affirming","ear_trustworthiness_vector":{"hardware":2},
      "ear_appraisal_policy_ids":["p"],"ear_veraison_key_attestation":{"akpub":"MFkw"}}}}`
    const former = `{"eat_profile":"tag:github.com,2023:veraison/ear","iat":1666529184,"ear.verifier-id":{"developer":"a","build":"b"},
      "eat_nonce":"3WHyjndGOTI=","submods":{"PARSEC_TPM":{"ear.status":"affirming","ear.trustworthiness-vector":{"hardware":2},
      "ear.appraisal-policy-id":"p","ear.veraison.key-attestation":{"akpub":"MFkw"}}}}`
    const [a, b] = [current, former].map(text => readEar(mapOf(decodeJson(text)), 'json'))
    assert.deepEqual(a?.submodules, b?.submodules)
    assert.deepEqual(b?.nonce, bytesOf('dd61f28e77463932'))
  })
})

describe('an EAR', () => {
  for (const form of FORMS) {
    for (const profile of earProfiles) {
      test(`as a ${form} of ${profile} is read as it was made`, async () => {
        const ear = { ...EAR, profile }
        assert.deepEqual(await checkEar(await makeEar(ear, signer, form), { ...check, nonce: NONCE }), ear)
      })
    }

    test(`as a ${form} is refused when it is cut anywhere`, async () => {
      const token = await makeEar(EAR, signer, form)
      for (let end = 0; end < token.length; end++) {
        await assert.rejects(checkEar(token.subarray(0, end), check), MessageError, `at ${end}`)
      }
    })

    test(`as a ${form} is refused if another key signed it`, async () => {
      const token = await makeEar(EAR, freshSigner(), form)
      await assert.rejects(checkEar(token, check), messageError('ERR_RATS_SIGNATURE'))
      await assert.rejects(checkEar(token, { ...check, algorithms: ['PS256'] }), messageError('ERR_RATS_ALGORITHM'))
    })
  }

  test('is written in the words of its dialect', async () => {
    const names = async (profile: string) => {
      const token = await makeEar({ ...EAR, profile }, signer, 'jwt')
      return [...mapOf(decodeJson(decodeJws(token).payload)).keys()].sort()
    }
    assert.deepEqual(await names(LATEST_EAR_PROFILE), [
      'ear_raw_evidence',
      'ear_status',
      'ear_verifier_id',
      'eat_nonce',
      'eat_profile',
      'exp',
      'iat',
      'nbf',
      'submods',
    ])
    assert.deepEqual(await names('tag:github.com,2023:veraison/ear'), [
      'ear.raw-evidence',
      'ear.status',
      'ear.verifier-id',
      'eat_nonce',
      'eat_profile',
      'exp',
      'iat',
      'nbf',
      'submods',
    ])
  })

  test('in a CWT is deterministic CBOR', async () => {
    const token = await makeEar(EAR, signer, 'cwt')
    assert.doesNotThrow(() => decodeCbor(decodeSign1(token, 'deterministic').payload, 'deterministic'))
  })

  test('has a media type that names its profile', () => {
    assert.equal(earMediaType('jwt'), 'application/eat+jwt; eat_profile="tag:ietf.org,2026:rats/ear#04"')
    assert.ok(sameMediaType(earMediaType('cwt'), 'application/eat+cwt;eat_profile="tag:ietf.org,2026:rats/ear#04"'))
  })

  test('holds for its time, give or take the skew of the clocks', async () => {
    const token = await makeEar(EAR, signer, 'jwt')
    const at = (seconds: number, more = {}) => checkEar(token, { ...check, at: (NOW + seconds) * 1000, ...more })
    for (const seconds of [-60, 0, 300, 359]) await assert.doesNotReject(at(seconds))
    for (const seconds of [-62, 360, 100_000]) await assert.rejects(at(seconds), messageError('ERR_RATS_EXPIRED'))
    await assert.doesNotReject(at(299, { clockSkewSeconds: 0 }))
    await assert.rejects(at(300, { clockSkewSeconds: 0 }), messageError('ERR_RATS_EXPIRED'))
    await assert.rejects(at(-1, { clockSkewSeconds: 0 }), messageError('ERR_RATS_EXPIRED'))
    await assert.doesNotReject(at(69, { maxAgeSeconds: 10 }))
    await assert.rejects(at(70, { maxAgeSeconds: 10 }), messageError('ERR_RATS_EXPIRED'))
  })

  test('cannot be checked at no time', async () => {
    const token = await makeEar(EAR, signer, 'jwt')
    for (const at of [Number.NaN, Number.NEGATIVE_INFINITY])
      await assert.rejects(checkEar(token, { ...check, at }), TypeError)
  })

  test('does not hold before its nbf', async () => {
    const token = await makeEar({ ...EAR, notBefore: NOW + 120 }, signer, 'jwt')
    await assert.rejects(checkEar(token, check), messageError('ERR_RATS_EXPIRED'))
  })

  test('is refused with another nonce than was asked with, or none', async () => {
    const { nonce, ...without } = EAR
    assert.ok(nonce)
    const other = { ...check, nonce: NONCE.map(byte => byte ^ 1) }
    await assert.rejects(checkEar(await makeEar(EAR, signer, 'jwt'), other), messageError('ERR_RATS_NONCE'))
    await assert.rejects(checkEar(await makeEar(without, signer, 'jwt'), other), messageError('ERR_RATS_NONCE'))
  })

  test('never reads an encoding in place of the other', async () => {
    const claims = mapOf(decodeCbor(EXAMPLE, 'tolerant'))
    assert.throws(() => readEar(claims, 'json'), messageError('ERR_RATS_CLAIM_MISSING'))
    const json = textBytes('{"eat_profile":"tag:ietf.org,2026:rats/ear#04"}')
    await assert.rejects(checkEar(await makeSign1(json, signer), check), MessageError)
  })
})

describe('an EAR is refused', () => {
  const platform = (changes: Readonly<Record<string, CborValue | undefined>>) => ({
    submods: new Map([
      ['p', changed({ ear_status: 'affirming', ear_trustworthiness_vector: vector({ hardware: 2 }) }, changes)],
    ]),
  })
  const cases: Readonly<Record<string, readonly [Readonly<Record<string, CborValue | undefined>>, MessageErrorCode]>> =
    {
      'without a profile': [{ eat_profile: undefined }, 'ERR_RATS_CLAIM_MISSING'],
      'of an unknown profile': [{ eat_profile: 'tag:ietf.org,2026:rats/ear#99' }, 'ERR_RATS_PROFILE'],
      'of a profile in another case': [{ eat_profile: LATEST_EAR_PROFILE.toUpperCase() }, 'ERR_RATS_PROFILE'],
      'without iat': [{ iat: undefined }, 'ERR_RATS_CLAIM_MISSING'],
      'with an iat that is text': [{ iat: '1' }, 'ERR_RATS_CLAIM'],
      'with a negative iat': [{ iat: -1 }, 'ERR_RATS_CLAIM'],
      'that expires before it was issued': [{ exp: NOW - 1 }, 'ERR_RATS_INCONSISTENT'],
      'without a Verifier': [{ ear_verifier_id: undefined }, 'ERR_RATS_CLAIM_MISSING'],
      'whose Verifier has no build': [{ ear_verifier_id: new Map([['developer', 'x']]) }, 'ERR_RATS_CLAIM_MISSING'],
      'without submods': [{ submods: undefined }, 'ERR_RATS_CLAIM_MISSING'],
      'with empty submods': [{ submods: new Map() }, 'ERR_RATS_CLAIM_MISSING'],
      'with a submodule without a name': [
        { submods: new Map([['', new Map([['ear_status', 'none']])]]) },
        'ERR_RATS_CLAIM',
      ],
      'with a submodule that is another token': [{ submods: new Map([['p', ['JWT', 'x']]]) }, 'ERR_RATS_CLAIM'],
      'with a nonce of 7 bytes': [{ eat_nonce: 'AAAAAAAAAA' }, 'ERR_RATS_CLAIM'],
      'with a nonce that is no base64': [{ eat_nonce: '!!!!!!!!!!!!' }, 'ERR_RATS_CLAIM'],
      'whose status is better than a submodule': [
        { ear_status: 'affirming', ...platform({ ear_status: 'warning' }) },
        'ERR_RATS_INCONSISTENT',
      ],
      'whose status is unknown': [{ ear_status: 'fine' }, 'ERR_RATS_CLAIM'],
      'with a submodule without a status': [platform({ ear_status: undefined }), 'ERR_RATS_CLAIM_MISSING'],
      'with a submodule of an unknown status': [platform({ ear_status: 'Affirming' }), 'ERR_RATS_CLAIM'],
      'with a submodule of a status by a number that is none': [platform({ ear_status: 3 }), 'ERR_RATS_CLAIM'],
      'with an empty vector': [platform({ ear_trustworthiness_vector: new Map() }), 'ERR_RATS_CLAIM'],
      'with a vector of an unknown claim': [
        platform({ ear_trustworthiness_vector: vector({ luck: 2 }) }),
        'ERR_RATS_CLAIM',
      ],
      'with a vector value of 128': [
        platform({ ear_trustworthiness_vector: vector({ hardware: 128 }) }),
        'ERR_RATS_CLAIM',
      ],
      'with a vector value of -129': [
        platform({ ear_trustworthiness_vector: vector({ hardware: -129 }) }),
        'ERR_RATS_CLAIM',
      ],
      'with a vector value that is text': [
        platform({ ear_trustworthiness_vector: vector({ hardware: '2' }) }),
        'ERR_RATS_CLAIM',
      ],
      'with a submodule better than its vector': [
        platform({ ear_trustworthiness_vector: vector({ hardware: 2, executables: 33 }) }),
        'ERR_RATS_INCONSISTENT',
      ],
      'with a submodule that affirms over a vector that asserts nothing': [
        platform({ ear_trustworthiness_vector: vector({ hardware: 0 }) }),
        'ERR_RATS_INCONSISTENT',
      ],
      'with a key attestation that is text': [platform({ ear_veraison_key_attestation: 'x' }), 'ERR_RATS_CLAIM'],
      'with an attested key that is no base64': [
        platform({ ear_veraison_key_attestation: new Map([['akpub', '!']]) }),
        'ERR_RATS_CLAIM',
      ],
    }
  const good: Readonly<Record<string, CborValue>> = {
    eat_profile: LATEST_EAR_PROFILE,
    iat: NOW,
    ear_verifier_id: new Map([
      ['developer', 'd'],
      ['build', 'b'],
    ]),
    ...platform({}),
  }

  test('not at all as it is before it is changed', async () => {
    await assert.doesNotReject(checkEar(await signedClaims(changed(good, {})), check))
  })

  for (const [what, [changes, code]] of Object.entries(cases)) {
    test(what, async () =>
      assert.rejects(checkEar(await signedClaims(changed(good, changes)), check), messageError(code)),
    )
  }

  test('with a fractional iat, in both encodings', async () => {
    const text = encodeJson(changed(good, {})).replace(`"iat":${NOW}`, `"iat":${NOW}.5`)
    await assert.rejects(checkEar(await makeJws(textBytes(text), signer), check), messageError('ERR_RATS_CLAIM'))
    const float = bytesOf(Buffer.from(EXAMPLE).toString('hex').replace('061a635537a0', '06fb41d8d54de8000000'))
    await assert.rejects(checkEar(await makeSign1(float, signer), check), messageError('ERR_RATS_CLAIM'))
  })

  test('with a claim twice', async () => {
    const text = encodeJson(changed(good, {})).replace('"iat"', '"iat":1,"iat"')
    await assert.rejects(checkEar(await makeJws(textBytes(text), signer), check), messageError('ERR_RATS_JSON'))
  })

  test('with a vector in CBOR whose claims are named by text or by unknown numbers', () => {
    for (const vectorClaims of [
      new Map([['2', 2]]),
      new Map([['hardware', 2]]),
      new Map([[8, 2]]),
      new Map([[-1, 2]]),
    ]) {
      const claims = new Map(mapOf(decodeCbor(EXAMPLE, 'tolerant')))
      claims.set(
        266,
        new Map([
          [
            'p',
            new Map<number, CborValue>([
              [1000, 2],
              [1001, vectorClaims],
            ]),
          ],
        ]),
      )
      assert.throws(() => readEar(mapOf(decodeCbor(encodeCbor(claims))), 'cbor'), messageError('ERR_RATS_CLAIM'))
    }
  })

  function signedClaims(claims: CborMap): Promise<string> {
    return makeJws(textBytes(encodeJson(claims)), signer)
  }
})

describe('an EAR is not made', () => {
  const wrong: Readonly<Record<string, Ear>> = {
    'without submodules': { ...EAR, submodules: new Map() },
    'of an unknown profile': { ...EAR, profile: 'x' },
    'that expires before it is issued': { ...EAR, expiresAt: NOW - 1 },
    'that praises the whole more than a part': { ...EAR, status: 'affirming' },
    'with a time that is not whole': { ...EAR, issuedAt: NOW + 0.5 },
    'with a nonce of 7 bytes': { ...EAR, nonce: NONCE.subarray(0, 7) },
    'with a value outside of int8': {
      ...EAR,
      submodules: new Map([['p', { status: 'none', policyIds: [], vector: { hardware: 200 } }]]),
    },
    'of the old dialect with two policies': {
      ...EAR,
      profile: 'tag:github.com,2023:veraison/ear',
      submodules: new Map([['p', { status: 'none', policyIds: ['a', 'b'] }]]),
    },
    'with claims that JSON cannot say': {
      ...EAR,
      submodules: new Map([['p', { status: 'none', policyIds: [], attesterClaims: new Map([['a', NONCE]]) }]]),
    },
  }
  for (const [what, ear] of Object.entries(wrong)) {
    test(what, async () => assert.rejects(makeEar(ear, signer, 'jwt'), TypeError))
  }
})

test('the key of a submodule is the one that was put in', async () => {
  for (const form of FORMS) {
    const ear = await checkEar(await makeEar(EAR, signer, form), check)
    const key = ear.submodules.get('platform')?.attestedKey
    assert.ok(key && equalBytes(key, signer.publicKey.spki))
    assert.equal(ear.submodules.get('workload')?.attestedKey, undefined)
  }
})

function vector(claims: Readonly<Record<string, CborValue>>): CborMap {
  return new Map(Object.entries(claims))
}

function changed(
  good: Readonly<Record<string, CborValue>>,
  changes: Readonly<Record<string, CborValue | undefined>>,
): CborMap {
  const map = new Map<string, CborValue>(Object.entries(good))
  for (const [name, value] of Object.entries(changes)) value === undefined ? map.delete(name) : map.set(name, value)
  return map
}

function mapOf(value: CborValue): CborMap {
  assert.ok(value instanceof Map)
  return value
}
