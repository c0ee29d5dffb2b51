import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { SimulatedCcaMachine, type SimulatedCcaOptions } from '#src/attester/index.js'
import { hex } from '#src/bytes/index.js'
import {
  CCA_MEDIA_TYPE,
  ccaRealm,
  decodeCcaEnvelope,
  decodeCcaToken,
  encodeKeyClaims,
  encodeRealmKey,
  MissingEndorsement,
  reportDataFor,
} from '#src/evidence/index.js'
import { type CborValue, decodeCbor, encodeCbor, MessageError, PARSEC_CCA_MEDIA_TYPE, Tagged } from '#src/rats/index.js'
import {
  acceptsNothingElse,
  appraise,
  challenge,
  failuresOf,
  inputsOf,
  longChallenge,
  record,
  refusesNoise,
  type Setup,
} from '../support/evidence.js'
import { newKey, patient, root, someKey } from '../support/simulated.js'

const firmware = {
  type: 'RMM',
  measurement: new Uint8Array(32).fill(1),
  version: '1.0',
  signerId: new Uint8Array(32).fill(2),
  description: 'sha-256',
}
const options: SimulatedCcaOptions = {
  platform: { key: newKey(), chain: [] },
  components: [firmware],
  initialMeasurement: new Uint8Array(48).fill(3),
}
const machine = new SimulatedCcaMachine(options)
const certified = new SimulatedCcaMachine({ ...options, platform: root.issue('cca platform') })
const rem = '00'.repeat(48)
const platformPolicy = { kind: 'cca-platform', measurements: [{ values: { RMM: '01'.repeat(32) } }] }
const realmPolicy = {
  kind: 'cca-realm',
  measurements: [{ values: { rim: '03'.repeat(48), rem0: rem, rem1: rem, rem2: rem, rem3: rem } }],
}
const setup: Setup = {
  platforms: [platformPolicy, realmPolicy],
  roots: { 'cca-platform': [root.pem] },
  endorsements: { instanceKeys: [{ kind: 'cca-platform', id: machine.instanceId, key: machine.publicKey }] },
}
const bare = inputsOf(setup, { challenge: longChallenge })
const inputs = inputsOf(setup)
const token = await machine.token(longChallenge)
const request = { type: PARSEC_CCA_MEDIA_TYPE, challenge, key: someKey, signal: patient }
const bundle = await machine.evidence(request)

describe('a CCA token', () => {
  test('makes every check of platform and realm', () => {
    const { checks, environments } = appraise(record(CCA_MEDIA_TYPE, token), bare)
    assert.deepEqual(
      checks.map(({ name, passed }) => [name, passed]),
      [
        ['signature', true],
        ['realm-binding', true],
        ['measurement', true],
        ['debug', true],
        ['lifecycle', true],
        ['realm-signature', true],
        ['challenge', true],
        ['measurement', true],
        ['debug', true],
      ],
    )
    assert.deepEqual(Object.keys(environments), ['cca-platform', 'cca-realm'])
    assert.equal(environments['cca-realm']?.claims.rim, '03'.repeat(48))
    assert.equal(environments['cca-platform']?.claims['instance-id'], hex(machine.instanceId))
  })

  test('is believed by the certificate in its header, which says that it is SIMULATED', async () => {
    const message = record(CCA_MEDIA_TYPE, await certified.token(longChallenge))
    assert.deepEqual(failuresOf(message, bare), [])
    assert.equal(appraise(message, bare).isSimulated, true)
  })

  test('comes in three forms', async () => {
    const legacy = await new SimulatedCcaMachine({ ...options, form: 'legacy' }).token(longChallenge)
    assert.deepEqual(decodeCcaEnvelope(legacy).isWrapped, false)
    assert.equal(decodeCcaToken(legacy).realm.claims.keyBytes.length, 97)
    const { value } = decodeCbor(token) as Tagged // it begins with tag 907
    const between = encodeCbor(new Tagged(399, value))
    for (const form of [legacy, between, token]) {
      assert.deepEqual(failuresOf(record(CCA_MEDIA_TYPE, form), bare), [])
    }
  })

  test('of the newest profile has the hash of the realm’s key in a claim of its own', async () => {
    const platform = { profile: 'tag:arm.com,2026:cca_platform#2.0.0' } as const
    const realm = { profile: 'tag:arm.com,2026:realm#2.0.0', mecPolicy: 'private', lfaPolicy: 'disallow' } as const
    const message = record(CCA_MEDIA_TYPE, await machine.token(longChallenge, { platform, realm }))
    assert.deepEqual(failuresOf(message, bare), [])
    assert.equal(appraise(message, bare).environments['cca-realm']?.claims['mec-policy'], 'private')
  })

  test('is not appraised where its platform is not known', () => {
    assert.throws(
      () => appraise(record(CCA_MEDIA_TYPE, token), inputsOf({ ...setup, endorsements: {} })),
      MissingEndorsement,
    )
  })
})

describe('a CCA token is refused', () => {
  test('for another challenge, or one that is filled up with zeros', async () => {
    assert.deepEqual(failuresOf(record(CCA_MEDIA_TYPE, token), inputs), ['challenge'])
    const padded = new Uint8Array(64)
    padded.set(challenge)
    assert.deepEqual(failuresOf(record(CCA_MEDIA_TYPE, await machine.token(padded)), inputs), ['challenge'])
  })

  test('with the realm token of another machine beside a genuine platform token', async () => {
    const genuine = entriesOf(token)
    const foreign = entriesOf(await new SimulatedCcaMachine(options).token(longChallenge))
    const mixed = encodeCbor(
      new Tagged(
        907,
        new Map([
          [PLATFORM, genuine.get(PLATFORM) ?? null],
          [REALM, foreign.get(REALM) ?? null],
        ]),
      ),
    )
    const appraisal = appraise(record(CCA_MEDIA_TYPE, mixed), bare)
    assert.deepEqual(failuresOf(record(CCA_MEDIA_TYPE, mixed), bare), ['realm-binding'])
    assert.equal(appraisal.challenge, null)
    assert.deepEqual(appraisal.environments['cca-realm']?.claims, {})
  })

  test('with a platform that nobody vouches for, in both of its halves', async () => {
    const thief = new SimulatedCcaMachine({ ...options, platform: { key: newKey(), chain: [] } })
    const forged = await thief.token(longChallenge, { platform: { instanceId: machine.instanceId } })
    const { environments, challenge: found } = appraise(record(CCA_MEDIA_TYPE, forged), bare)
    assert.deepEqual(failuresOf(record(CCA_MEDIA_TYPE, forged), bare), ['signature'])
    assert.deepEqual(
      Object.values(environments).map(({ claims }) => claims),
      [{}, {}],
    )
    assert.equal(found, null)
    const { findings } = ccaRealm.checkOrigin(decodeCcaToken(forged), bare)
    assert.deepEqual(
      findings.filter(({ check }) => !check.passed).map(({ check }) => check.name),
      ['signature'],
    )
  })

  const cases: readonly (readonly [string, readonly string[], Parameters<typeof machine.token>[1]])[] = [
    ['with another image', ['measurement'], { realm: { initialMeasurement: new Uint8Array(48) } }],
    [
      'with something measured at run time',
      ['measurement'],
      { realm: { extensibleMeasurements: [new Uint8Array(48).fill(1), ...Array(3).fill(new Uint8Array(48))] } },
    ],
    ['with other firmware', ['measurement'], { platform: { components: [{ ...firmware, type: 'RMX' }] } }],
    ['with a platform open to a debugger', ['debug', 'lifecycle'], { platform: { lifecycle: 0x4000 } }],
    ['with the hash of another key', ['realm-binding'], { platform: { binder: new Uint8Array(32) } }],
    ['with the hash of the key by another function', ['realm-binding'], { realm: { keyHash: 'sha384' } }],
  ]
  for (const [what, expected, changes] of cases) {
    test(what, async () => {
      assert.deepEqual(failuresOf(record(CCA_MEDIA_TYPE, await machine.token(longChallenge, changes)), bare), expected)
    })
  }

  test('where the policy speaks of one half only', () => {
    for (const one of [platformPolicy, realmPolicy]) {
      const message = record(CCA_MEDIA_TYPE, token)
      const half = inputsOf({ ...setup, platforms: [one] }, { challenge: longChallenge })
      assert.deepEqual(failuresOf(message, half), ['platform'])
    }
  })

  test('with a third token, in forms that are mixed, or in records of another type', () => {
    const entries = entriesOf(token)
    const [platform, realm] = [entries.get(PLATFORM) ?? null, entries.get(REALM) ?? null]
    const [, bytes = null] = realm as readonly CborValue[] // a record
    const collections: CborValue[] = [
      new Map([...entries, [0xace2, platform]]),
      new Map([...entries, [REALM, bytes]]),
      new Map([...entries, [REALM, [264, bytes]]]),
      new Map([[PLATFORM, platform]]),
      [platform, realm],
    ]
    for (const collection of collections) {
      for (const tag of [399, 907]) {
        assert.throws(() => decodeCcaToken(encodeCbor(new Tagged(tag, collection))), MessageError)
      }
    }
    assert.throws(() => decodeCcaToken(encodeCbor(new Tagged(900, new Map(entries)))), MessageError)
  })
})

describe('Parsec’s bundle for CCA', () => {
  test('speaks for the key', () => {
    assert.deepEqual(failuresOf(bundle, inputs), [])
    assert.deepEqual(appraise(bundle, inputs).attestedKey, someKey.spki)
    assert.deepEqual(appraise(bundle, inputs).challenge, challenge)
  })

  test('is refused for another key or another challenge', () => {
    const other = newKey().publicKey
    assert.deepEqual(failuresOf(bundle, { ...inputs, key: { spki: other.spki, id: new Uint8Array(32) } }), [
      'key-binding',
    ])
    assert.deepEqual(failuresOf(bundle, { ...inputs, challenge: new Uint8Array(32) }), ['challenge'])
  })

  test('is refused with a key attestation that its token is not bound to', async () => {
    const { publicKey } = newKey()
    const kat = encodeKeyClaims({ nonce: challenge, key: publicKey })
    const pat = await machine.token(reportDataFor(encodeKeyClaims({ nonce: new Uint8Array(32), key: publicKey })))
    const forged = encodeCbor(
      new Map<string, CborValue>([
        ['kat', decodeCbor(kat)],
        ['pat', decodeCbor(pat)],
      ]),
    )
    const withKey = { ...inputs, key: { spki: publicKey.spki, id: new Uint8Array(32) } }
    const appraisal = appraise(record(PARSEC_CCA_MEDIA_TYPE, forged), withKey)
    assert.deepEqual(failuresOf(record(PARSEC_CCA_MEDIA_TYPE, forged), withKey), ['kat-binding'])
    assert.equal(appraisal.attestedKey, null)
    assert.equal(appraisal.challenge, null)
  })
})

describe('a hostile CCA token', () => {
  test('is not accepted, however it is made of a good one', async () => {
    assert.ok(bundle.kind === 'record')
    acceptsNothingElse(CCA_MEDIA_TYPE, token, bare)
    acceptsNothingElse(PARSEC_CCA_MEDIA_TYPE, bundle.value, inputs)
  })

  test('is not accepted when it is noise', () => {
    refusesNoise(CCA_MEDIA_TYPE, bare)
    refusesNoise(PARSEC_CCA_MEDIA_TYPE, inputs)
  })

  test('cannot bring a key that is a point beside its curve', () => {
    const key = newKey().publicKey
    assert.equal(encodeRealmKey(key, 'tag:arm.com,2023:realm#1.0.0')[0], 0xa4)
    const point = new Uint8Array(97).fill(1)
    point[0] = 4
    const payload = decodeCbor(decodeCcaToken(token).realm.message.payload) as ReadonlyMap<number, CborValue> // claims
    const changed = encodeCbor(new Map([...payload, [44237, point]]))
    const envelope = entriesOf(token)
    const [type = null, bytes] = envelope.get(REALM) as readonly CborValue[] // a record
    const { value } = decodeCbor(bytes as Uint8Array) as Tagged // a COSE_Sign1
    const [header = null, unprotected = null, , signature = null] = value as readonly CborValue[]
    const realm = encodeCbor(new Tagged(18, [header, unprotected, changed, signature]))
    const forged = encodeCbor(new Tagged(907, new Map([...envelope, [REALM, [type, realm]]])))
    assert.throws(() => decodeCcaToken(forged), MessageError)
  })
})

const PLATFORM = 0xacca
const REALM = 0xacd1

function entriesOf(bytes: Uint8Array): ReadonlyMap<number, CborValue> {
  const { value } = decodeCbor(bytes) as Tagged // the tag of the collection
  return value as ReadonlyMap<number, CborValue> // two numbered entries
}
