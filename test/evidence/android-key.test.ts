import assert from 'node:assert/strict'
import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { describe, test } from 'node:test'
import { SimulatedAndroidDevice, type SimulatedKeyDescription } from '#src/attester/index.js'
import { hex, utf8 } from '#src/bytes/index.js'
import { hash } from '#src/crypto/index.js'
import { ANDROID_KEY_MEDIA_TYPE, androidKeyPlatform, type FixedEndorsementsOptions } from '#src/evidence/index.js'
import { MessageError } from '#src/rats/index.js'
import { Policy, type PolicyDocument, PolicyError } from '#src/verifier/index.js'
import { appraise, challenge, failuresOf, inputsOf, record, refusesNoise } from '../support/evidence.js'
import { NOON } from '../support/simulated.js'

const device = new SimulatedAndroidDevice({ now: NOON })
const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const signer = new Uint8Array(32).fill(4)
const description: SimulatedKeyDescription = { challenge, app: { package: 'com.example.shop', signer } }
const platforms: NonNullable<PolicyDocument['platforms']> = [
  {
    kind: 'android-key',
    measurements: [{ values: { 'app-signer': hex(signer) } }],
    claims: { 'verified-boot-state': 'verified', package: 'com.example.shop' },
    minimumVersions: { 'os-patch-level': 202601 },
  },
]
const spki = new Uint8Array(keys.publicKey.export({ format: 'der', type: 'spki' }))
const key = { spki, id: hash('sha256', spki) }
const inputs = inputsOf({ platforms, roots: { 'android-key': [device.rootPem] } }, { key })

function messageOf(changes: Partial<SimulatedKeyDescription> = {}, publicKey: KeyObject = keys.publicKey) {
  return record(ANDROID_KEY_MEDIA_TYPE, device.chain(publicKey, { ...description, ...changes }))
}

function withEndorsements(endorsements: FixedEndorsementsOptions, rootPem = device.rootPem) {
  return inputsOf({ platforms, roots: { 'android-key': [rootPem] }, endorsements }, { key })
}

describe('an attested key of an Android device', () => {
  test('makes every check, and speaks for itself', () => {
    const { checks, attestedKey, challenge: found, isSimulated } = appraise(messageOf(), inputs)
    assert.deepEqual(
      checks.map(({ name, passed }) => [name, passed]),
      [
        ['chain', true],
        ['key-description', true],
        ['security-level', true],
        ['key-origin', true],
        ['challenge', true],
        ['key-binding', true],
        ['simulated', true],
        ['measurement', true],
        ['debug', true],
        ['version', true],
        ['claim', true],
        ['claim', true],
      ],
    )
    assert.deepEqual(attestedKey, spki)
    assert.deepEqual(found, challenge)
    assert.equal(isSimulated, true)
  })

  test('is read whatever the order of its tags', () => {
    const { description: read } = androidKeyPlatform.decode(
      device.chain(keys.publicKey, { ...description, isOrdered: false }),
    )
    assert.equal(read.hardwareEnforced.areTagsOrdered, false)
    assert.equal(read.softwareEnforced.areTagsOrdered, true)
    assert.equal(read.hardwareEnforced.keySize, 256)
    assert.equal(read.hardwareEnforced.osPatchLevel, 202611)
    assert.deepEqual(failuresOf(messageOf({ isOrdered: false }), inputs), [])
  })

  test('is believed under another certificate of the same root key', () => {
    const later = device.rootCertificate({ notBefore: NOON + 86_400_000, notAfter: NOON + 2 * 86_400_000 })
    const pem = `-----BEGIN CERTIFICATE-----\n${Buffer.from(later).toString('base64')}\n-----END CERTIFICATE-----\n`
    assert.deepEqual(failuresOf(messageOf(), withEndorsements({}, pem)), [])
    // With the root that is not valid yet at the end of the chain there is none that is.
    const chain = record(ANDROID_KEY_MEDIA_TYPE, device.chain(keys.publicKey, description, later))
    assert.deepEqual(failuresOf(chain, withEndorsements({}, pem)), ['chain'])
  })

  test('has a policy that pins the boot, or the app and the state of the boot', () => {
    const policyOf = (platform: Partial<NonNullable<PolicyDocument['platforms']>[number]>) =>
      Policy.from({ version: 1, platforms: [{ kind: 'android-key', ...platform }] })
    const values = { 'app-signer': hex(signer) }
    assert.throws(() => policyOf({ measurements: [{ values }] }), PolicyError)
    policyOf({ measurements: [{ values: { ...values, 'verified-boot-hash': '00'.repeat(32) } }] })
  })
})

describe('an attested key of an Android device is refused', () => {
  const cases: readonly (readonly [string, readonly string[], Partial<SimulatedKeyDescription>])[] = [
    ['for another challenge', ['challenge'], { challenge: new Uint8Array(32) }],
    ['when software described it', ['security-level'], { securityLevel: 'software' }],
    ['when it was imported', ['key-origin'], { origin: 2 }],
    ['with an unlocked boot loader', ['debug'], { isLocked: false }],
    ['with a system that nobody has signed', ['debug', 'claim'], { verifiedBootState: 2 }],
    ['for another app', ['measurement'], { app: { package: 'com.example.shop', signer: new Uint8Array(32) } }],
    ['for another package of the same maker', ['claim'], { app: { package: 'com.example.game', signer } }],
    ['with a system that is not patched', ['version'], { patchLevel: 202512 }],
  ]
  for (const [what, expected, changes] of cases) {
    test(what, () => assert.deepEqual(failuresOf(messageOf(changes), inputs), expected))
  }

  test('when it is another key', () => {
    const other = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    assert.deepEqual(failuresOf(messageOf({}, other.publicKey), inputs), ['key-binding'])
  })

  test('under another root', () => {
    const other = new SimulatedAndroidDevice({ now: NOON })
    const { checks, attestedKey } = appraise(messageOf(), withEndorsements({}, other.rootPem))
    assert.deepEqual(
      checks.filter(({ passed }) => !passed).map(({ name }) => name),
      ['chain'],
    )
    assert.equal(attestedKey, null)
  })

  test('when a certificate of its chain is revoked', () => {
    const { chain } = androidKeyPlatform.decode(device.chain(keys.publicKey, description))
    const { path } = inputs.roots.of('android-key').check(chain, NOON)
    const serial = hex(path[1]?.serialNumber ?? new Uint8Array(0)).replace(/^0+/, '')
    const revoked = withEndorsements({ androidKey: { revokedSerialNumbers: new Set([serial]) } })
    assert.deepEqual(failuresOf(messageOf(), revoked), ['revocation'])
    const none = withEndorsements({ androidKey: { revokedSerialNumbers: new Set(['1234']) } })
    assert.deepEqual(failuresOf(messageOf(), none), [])
  })

  test('by a device whose attestation key is no CA, unless that is configured', () => {
    const sloppy = new SimulatedAndroidDevice({ now: NOON, isAttestationKeyCa: false })
    const message = record(ANDROID_KEY_MEDIA_TYPE, sloppy.chain(keys.publicKey, description))
    const { checks } = appraise(message, withEndorsements({}, sloppy.rootPem))
    assert.equal(checks.find(({ passed }) => !passed)?.code, 'ERR_X509_NOT_A_CA')
    const lenient = withEndorsements({ androidKey: { acceptsUnmarkedCas: true } }, sloppy.rootPem)
    assert.deepEqual(failuresOf(message, lenient), [])
  })

  test('when a key of the keystore has certified it, however lenient the Verifier is', () => {
    const own = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const forged = record(ANDROID_KEY_MEDIA_TYPE, device.forgedChain(keys.publicKey, description, own))
    assert.deepEqual(failuresOf(forged, inputs), ['chain'])
    const lenient = withEndorsements({ androidKey: { acceptsUnmarkedCas: true } })
    assert.deepEqual(failuresOf(forged, lenient), ['key-description'])
    assert.equal(appraise(forged, lenient).attestedKey, null)
  })
})

describe('a hostile chain of an Android key', () => {
  test('is not accepted when it is noise', () => refusesNoise(ANDROID_KEY_MEDIA_TYPE, inputs))

  test('is malformed without a description, or with too many certificates', () => {
    const chain = new TextDecoder().decode(device.chain(keys.publicKey, description))
    const [, ...others] = chain.split(/(?=-----BEGIN)/)
    assert.throws(() => androidKeyPlatform.decode(utf8(others.join(''))), MessageError)
    assert.throws(() => androidKeyPlatform.decode(utf8(chain.repeat(3))), MessageError)
    assert.throws(() => androidKeyPlatform.decode(utf8('')), MessageError)
  })

  test('is not accepted, however a certificate of it is changed', () => {
    const text = new TextDecoder().decode(device.chain(keys.publicKey, description))
    const [leaf = '', attestation = '', root = ''] = text.split(/(?=-----BEGIN)/)
    const lines = leaf.split('\n')
    for (let i = 1; i < lines.length - 2; i++) {
      const changed = lines.map((line, at) => (at === i ? line.replace(/^./, c => (c === 'A' ? 'B' : 'A')) : line))
      const message = record(ANDROID_KEY_MEDIA_TYPE, utf8(changed.join('\n') + attestation + root))
      let failures: readonly string[] = ['malformed']
      try {
        failures = failuresOf(message, inputs)
      } catch (error) {
        assert.equal((error as { code?: unknown }).code, 'ERR_EVIDENCE_MALFORMED')
      }
      assert.notDeepEqual(failures, [], `line ${i}`)
    }
  })
})
