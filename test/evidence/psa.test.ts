import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { SimulatedPsaDevice } from '#src/attester/index.js'
import { hex } from '#src/bytes/index.js'
import { MacKey } from '#src/crypto/index.js'
import {
  type ArmComponent,
  decodePsaClaims,
  encodePsaClaims,
  FixedEndorsements,
  MalformedEvidence,
  MissingEndorsement,
  PSA_2_0_0_MEDIA_TYPE,
  PSA_2_0_0_PROFILE,
  PSA_ANY_MEDIA_TYPE,
  PSA_LEGACY_MEDIA_TYPE,
  PSA_LEGACY_PROFILE,
  PSA_MEDIA_TYPE,
  PSA_PROFILE,
  type PsaClaims,
  psaPlatform,
} from '#src/evidence/index.js'
import {
  asMap,
  type CborValue,
  decodeCbor,
  encodeCbor,
  KAT_MEDIA_TYPE,
  MessageError,
  makeMac0,
  makeSign1,
  messageSigner,
} from '#src/rats/index.js'
import {
  acceptsNothingElse,
  appraise,
  challenge,
  failuresOf,
  inputsOf,
  record,
  refusesNoise,
  type Setup,
} from '../support/evidence.js'
import { newKey, patient, root, someKey } from '../support/simulated.js'

const components: readonly ArmComponent[] = [
  component('BL', 1),
  component('PRoT', 2),
  { ...component('App', 3), type: undefined, version: undefined, description: undefined },
]

function component(type: string, byte: number): ArmComponent {
  return {
    type,
    measurement: new Uint8Array(32).fill(byte),
    version: '1.2.3',
    signerId: new Uint8Array(32).fill(0xaa),
    description: 'sha-256',
  }
}

const certified = new SimulatedPsaDevice({ platform: root.issue('psa device'), components })
const registered = new SimulatedPsaDevice({ platform: { key: newKey(), chain: [] }, components })
const values = { BL: '01'.repeat(32), PRoT: '02'.repeat(32), 'component-3': '03'.repeat(32) }
const setup: Setup = {
  platforms: [{ kind: 'psa', measurements: [{ values }] }],
  roots: { psa: [root.pem] },
  endorsements: {
    instanceKeys: [{ kind: 'psa', id: registered.instanceId, key: registered.publicKey }],
  },
}
const inputs = inputsOf(setup)

/** What a token says unless a test says otherwise. */
const claims: PsaClaims = {
  profile: PSA_PROFILE,
  nonce: challenge,
  instanceId: registered.instanceId,
  implementationId: new Uint8Array(32).fill(5),
  clientId: 7,
  lifecycle: 0x3001,
  components,
  bootSeed: new Uint8Array(32).fill(6),
  certificationReference: '1234567890123-12345',
  verificationService: 'https://verifier.example',
}

describe('a PSA token', () => {
  test('is believed by the key that is registered for its instance', async () => {
    const message = record(PSA_MEDIA_TYPE, await registered.token({ nonce: challenge }))
    const { checks, isSimulated, attestedKey, challenge: found } = appraise(message, inputs)
    assert.deepEqual(
      checks.map(({ name, passed }) => [name, passed]),
      [
        ['signature', true],
        ['challenge', true],
        ['measurement', true],
        ['debug', true],
        ['lifecycle', true],
      ],
    )
    assert.equal(isSimulated, false)
    assert.equal(attestedKey, null)
    assert.deepEqual(found, challenge)
  })

  test('is believed by the certificate in its header, which says that it is SIMULATED', async () => {
    const message = record(PSA_MEDIA_TYPE, await certified.token({ nonce: challenge }))
    assert.deepEqual(failuresOf(message, inputs), [])
    assert.equal(appraise(message, inputs).isSimulated, true)
    assert.deepEqual(failuresOf(message, inputsOf({ ...setup, roots: {} })), ['chain'])
  })

  test('is not appraised where neither is known', async () => {
    const stranger = new SimulatedPsaDevice({ platform: { key: newKey(), chain: [] }, components })
    const message = record(PSA_MEDIA_TYPE, await stranger.token({ nonce: challenge }))
    assert.throws(() => appraise(message, inputs), MissingEndorsement)
  })

  test('is the platform token of a key attestation bundle', async () => {
    for (const device of [certified, registered]) {
      const message = await device.evidence({ type: KAT_MEDIA_TYPE, challenge, key: someKey, signal: patient })
      assert.deepEqual(failuresOf(message, inputs), [])
      assert.deepEqual(appraise(message, inputs).attestedKey, someKey.spki)
    }
  })

  test('tells its claims, with the one signer of its software', async () => {
    const message = record(PSA_MEDIA_TYPE, await registered.token(claims))
    const found = appraise(message, inputs).environments.psa?.claims
    assert.equal(found?.['instance-id'], hex(registered.instanceId))
    assert.equal(found?.['implementation-id'], '05'.repeat(32))
    assert.equal(found?.['client-id'], 7)
    assert.equal(found?.lifecycle, 'secured')
    assert.equal(found?.['signer-id'], 'aa'.repeat(32))
    assert.equal(found?.['certification-reference'], '1234567890123-12345')
  })

  test('comes in three profiles, each with media types of its own', async () => {
    const rows = [
      [PSA_PROFILE, [PSA_MEDIA_TYPE, PSA_ANY_MEDIA_TYPE], [PSA_LEGACY_MEDIA_TYPE, PSA_2_0_0_MEDIA_TYPE]],
      [PSA_2_0_0_PROFILE, [PSA_2_0_0_MEDIA_TYPE, PSA_ANY_MEDIA_TYPE], [PSA_MEDIA_TYPE, PSA_LEGACY_MEDIA_TYPE]],
      [PSA_LEGACY_PROFILE, [PSA_LEGACY_MEDIA_TYPE, PSA_ANY_MEDIA_TYPE], [PSA_MEDIA_TYPE, PSA_2_0_0_MEDIA_TYPE]],
    ] as const
    for (const [profile, right, wrong] of rows) {
      const token = await registered.token({ ...claims, profile })
      for (const type of right) assert.deepEqual(failuresOf(record(type, token), inputs), [], `${profile} as ${type}`)
      for (const type of wrong) assert.throws(() => appraise(record(type, token), inputs), MalformedEvidence)
    }
  })

  test('may be called by its Content-Format', async () => {
    assert.deepEqual(failuresOf(record(10003, await registered.token({ nonce: challenge })), inputs), [])
  })
})

describe('a PSA token is refused', () => {
  const cases: readonly (readonly [string, readonly string[], Partial<PsaClaims>])[] = [
    ['for another challenge', ['challenge'], { nonce: new Uint8Array(32) }],
    ['for a challenge that begins with this one', ['challenge'], { nonce: new Uint8Array(64).fill(7) }],
    ['with other software', ['measurement'], { components: [component('BL', 1), component('PRoT', 9)] }],
    ['with more software than is known', ['measurement'], { components: [...components, component('App', 4)] }],
    [
      'with software that hides behind another’s name',
      ['measurement'],
      { components: [...components, component('BL', 4)] },
    ],
    ['with its Root of Trust open to a debugger', ['debug', 'lifecycle'], { lifecycle: 0x5000 }],
    ['in a lifecycle that it does not know itself', ['debug', 'lifecycle'], { lifecycle: 0x0000 }],
    ['when it is decommissioned', ['lifecycle'], { lifecycle: 0x60ff }],
  ]
  for (const [what, expected, changes] of cases) {
    test(what, async () => {
      const token = await registered.token({ nonce: challenge, ...changes })
      assert.deepEqual(failuresOf(record(PSA_MEDIA_TYPE, token), inputs), expected)
    })
  }

  test('by the key of another instance', async () => {
    const thief = new SimulatedPsaDevice({ platform: { key: newKey(), chain: [] }, components })
    const token = await thief.token({ nonce: challenge, instanceId: registered.instanceId })
    const appraisal = appraise(record(PSA_MEDIA_TYPE, token), inputs)
    assert.deepEqual(failuresOf(record(PSA_MEDIA_TYPE, token), inputs), ['signature'])
    assert.equal(appraisal.challenge, null)
    assert.deepEqual(appraisal.environments.psa?.claims, {})
  })

  test('by a certificate where a key is registered for the instance', async () => {
    const token = await certified.token({ nonce: challenge, instanceId: registered.instanceId })
    assert.deepEqual(failuresOf(record(PSA_MEDIA_TYPE, token), inputs), ['signature'])
  })

  test('under a chain of another root', async () => {
    const token = await certified.token({ nonce: challenge })
    const { checks } = appraise(record(PSA_MEDIA_TYPE, token), inputsOf({ ...setup, roots: {} }))
    const failed = checks.find(({ passed }) => !passed)
    assert.equal(failed?.name, 'chain')
    assert.equal(failed?.code, 'ERR_X509_UNKNOWN_ISSUER')
  })
})

describe('a PSA token with an authentication code', () => {
  const secret = new Uint8Array(64).fill(3)
  const token = makeMac0(encodePsaClaims(claims), new MacKey('sha256', secret))
  const id = registered.instanceId
  const withSecret = inputsOf({ ...setup, endorsements: { instanceSecrets: [{ kind: 'psa', id, secret }] } })

  test('is believed by the secret that is registered', () => {
    assert.deepEqual(failuresOf(record(PSA_MEDIA_TYPE, token), withSecret), [])
    const other = makeMac0(encodePsaClaims(claims), new MacKey('sha256', new Uint8Array(64)))
    assert.deepEqual(failuresOf(record(PSA_MEDIA_TYPE, other), withSecret), ['signature'])
  })

  test('is never checked with a public key, nor a signature with a secret', async () => {
    const forged = makeMac0(encodePsaClaims(claims), new MacKey('sha256', registered.publicKey.spki))
    assert.deepEqual(failuresOf(record(PSA_MEDIA_TYPE, forged), inputs), ['proof-kind'])
    const signed = await registered.token({ nonce: challenge })
    assert.deepEqual(failuresOf(record(PSA_MEDIA_TYPE, signed), withSecret), ['proof-kind'])
  })

  test('is not appraised without a secret', () => {
    const without = inputsOf({ ...setup, endorsements: {} })
    assert.throws(() => appraise(record(PSA_MEDIA_TYPE, token), without), MissingEndorsement)
  })

  test('has one secret or one key for an instance, and none that is short', () => {
    const key = registered.publicKey
    const both = { instanceKeys: [{ kind: 'psa', id, key }], instanceSecrets: [{ kind: 'psa', id, secret }] }
    assert.throws(() => new FixedEndorsements(both), TypeError)
    const short = { instanceSecrets: [{ kind: 'psa', id, secret: secret.subarray(0, 31) }] }
    assert.throws(() => new FixedEndorsements(short), TypeError)
  })
})

describe('the claims of a PSA token', () => {
  test('are the same after a round trip, in every profile', () => {
    for (const profile of [PSA_PROFILE, PSA_2_0_0_PROFILE, PSA_LEGACY_PROFILE] as const) {
      assert.deepEqual(decodePsaClaims(encodePsaClaims({ ...claims, profile })), { ...claims, profile })
    }
  })

  test('may say in the legacy profile that nothing was measured', () => {
    const none = { ...claims, profile: PSA_LEGACY_PROFILE, components: [] } as const
    assert.deepEqual(decodePsaClaims(encodePsaClaims(none)), none)
    assert.throws(() => encodePsaClaims({ ...none, profile: PSA_PROFILE }), RangeError)
  })

  const wrong: readonly (readonly [string, Partial<PsaClaims>])[] = [
    ['a nonce of 31 bytes', { nonce: new Uint8Array(31) }],
    ['a nonce of 40 bytes', { nonce: new Uint8Array(40) }],
    ['an instance id of another type', { instanceId: new Uint8Array(33).fill(2) }],
    ['an instance id of 32 bytes', { instanceId: new Uint8Array(32).fill(1) }],
    ['a short implementation id', { implementationId: new Uint8Array(31) }],
    ['the client 0', { clientId: 0 }],
    ['a lifecycle in no range', { lifecycle: 0x7000 }],
    ['a lifecycle beyond 16 bits', { lifecycle: 0x13000 }],
    ['a SHA-1 measurement', { components: [{ ...component('BL', 1), measurement: new Uint8Array(20) }] }],
    ['a boot seed of 7 bytes', { bootSeed: new Uint8Array(7) }],
    ['a certification reference that is none', { certificationReference: 'gold' }],
  ]
  for (const [what, changes] of wrong) {
    test(`cannot be ${what}`, () => {
      assert.throws(() => encodePsaClaims({ ...claims, ...changes }), RangeError)
    })
  }
})

test('a component without a signer is a wrong claim, a token without components lacks one', () => {
  const payload = asMap(decodeCbor(encodePsaClaims(claims)), 'the claims')
  const unsigned = new Map<number, CborValue>([[2, new Uint8Array(32)]])
  const codeOf = (changed: ReadonlyMap<number | string, CborValue>) => {
    try {
      decodePsaClaims(encodeCbor(changed))
      return undefined
    } catch (error) {
      return (error as MessageError).code
    }
  }
  assert.equal(codeOf(new Map([...payload, [2399, [unsigned]]])), 'ERR_RATS_CLAIM')
  assert.equal(codeOf(new Map([...payload].filter(([key]) => key !== 2399))), 'ERR_RATS_CLAIM_MISSING')
  assert.equal(codeOf(new Map([...payload, [10, [challenge, challenge]]])), 'ERR_RATS_CLAIM')
  assert.equal(codeOf(new Map([...payload, [265, 'tag:psacertified.org,2023:psa#other']])), 'ERR_RATS_PROFILE')
})

describe('a hostile PSA token', () => {
  test('is not accepted, however it is made of a good one', async () => {
    acceptsNothingElse(PSA_MEDIA_TYPE, await registered.token({ nonce: challenge }), inputs)
  })

  test('is not accepted when it is noise', () => refusesNoise(PSA_ANY_MEDIA_TYPE, inputs))

  test('has to be tagged as what it is, and no CWT', async () => {
    for (const tagging of ['none', 'cwt'] as const) {
      const token = await makeSign1(encodePsaClaims(claims), messageSigner(newKey()), { tagging })
      assert.throws(() => psaPlatform.decode(token), MessageError)
    }
  })
})
