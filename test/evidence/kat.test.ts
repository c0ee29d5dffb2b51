import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { SimulatedAttester } from '#src/attester/index.js'
import { hex, utf8 } from '#src/bytes/index.js'
import { PublicKey } from '#src/crypto/index.js'
import {
  type AppraisalInputs,
  encodeSimulatedClaims,
  FixedEndorsements,
  formatOf,
  MalformedEvidence,
  MissingEndorsement,
  RootsByKind,
  SIMULATED_MEDIA_TYPE,
} from '#src/evidence/index.js'
import {
  type CborValue,
  type Cmw,
  type CmwRecord,
  CoseHeader,
  decodeCmw,
  decodeSign1,
  encodeCbor,
  encodeCmw,
  KAT_COLLECTION_TYPE,
  KAT_MEDIA_TYPE,
  makeCab,
  makeKat,
  makeSign1,
  messageSigner,
  platformNonceFor,
} from '#src/rats/index.js'
import { Policy } from '#src/verifier/index.js'
import {
  attesterOf,
  document,
  firmware,
  machine,
  NOON,
  newKey,
  patient,
  root,
  someKey,
  workload,
} from '../support/simulated.js'

const challenge = new Uint8Array(32).fill(7)
const inputs: AppraisalInputs = {
  challenge,
  key: someKey,
  roots: new RootsByKind({ simulated: [root.pem] }),
  endorsements: new FixedEndorsements(),
  referenceValues: Policy.from(document).referenceValues({ trustsSimulatedPlatforms: true }),
  at: NOON,
}

const bundle = await attesterOf().evidence({ type: KAT_MEDIA_TYPE, challenge, key: someKey, signal: patient })
const [kat, pat] = ['kat', 'pat'].map(label => entryOf(bundle, label))
assert.ok(kat && pat)

function entryOf(cmw: Cmw, label: string): CmwRecord {
  assert.ok(cmw.kind === 'collection')
  const entry = cmw.entries.get(label)
  assert.ok(entry?.kind === 'record')
  return entry
}

function appraise(message: Cmw, changes: Partial<AppraisalInputs> = {}) {
  const format = formatOf(message)
  assert.ok(format)
  return format.appraise(message, { ...inputs, ...changes })
}

function failuresOf(message: Cmw, changes: Partial<AppraisalInputs> = {}): readonly string[] {
  return appraise(message, changes)
    .checks.filter(({ passed }) => !passed)
    .map(({ name }) => name)
}

describe('a key attestation bundle', () => {
  test('makes every check, and each names its source', () => {
    const { checks } = appraise(bundle)
    assert.deepEqual(
      checks.map(({ name, passed }) => [name, passed]),
      [
        ['kat-signature', true],
        ['challenge', true],
        ['key-binding', true],
        ['chain', true],
        ['signature', true],
        ['kat-binding', true],
        ['simulated', true],
        ['measurement', true],
        ['debug', true],
        ['lifecycle', true],
      ],
    )
    assert.ok(checks.every(({ expected, actual, source }) => expected !== '' && actual !== '' && source !== ''))
  })

  test('is the same bundle in CBOR and in JSON', () => {
    for (const form of ['cbor', 'json'] as const) {
      assert.deepEqual(failuresOf(decodeCmw(encodeCmw(bundle, form))), [])
    }
  })

  test('takes challenges of 8 to 64 bytes', async () => {
    for (const length of [8, 48, 64]) {
      const other = new Uint8Array(length).fill(1)
      const message = await attesterOf().evidence({
        type: KAT_MEDIA_TYPE,
        challenge: other,
        key: someKey,
        signal: patient,
      })
      assert.deepEqual(failuresOf(message, { challenge: other }), [])
    }
  })

  test('does not pass for a challenge that its own begins with, or that begins with its own', () => {
    assert.deepEqual(failuresOf(bundle, { challenge: challenge.subarray(0, 16) }), ['challenge'])
    assert.deepEqual(failuresOf(bundle, { challenge: new Uint8Array(64).fill(7) }), ['challenge'])
  })

  test('takes a short expectation for a mistake of its caller', () => {
    for (const length of [0, 7]) {
      assert.throws(() => appraise(bundle, { challenge: challenge.subarray(0, length) }), RangeError)
    }
  })

  test('is refused with the platform token of another machine beside a forged key token', async () => {
    // The attack that the binding is for: a genuine PAT, and a KAT that the attacker signed for his own key.
    const forged = await makeKat({
      nonce: challenge,
      identityKey: PublicKey.fromSpki(someKey.spki),
      attestationKey: newKey(),
    })
    const message = makeCab(forged, pat.value, SIMULATED_MEDIA_TYPE)
    assert.deepEqual(failuresOf(message), ['kat-binding'])
    assert.equal(appraise(message).attestedKey, null)
    assert.equal(appraise(message).challenge, null)
  })

  test('is refused when its key token says another key attestation key than signed it', async () => {
    const sealed = newKey()
    const cose = decodeSign1(
      await makeKat({ nonce: challenge, identityKey: PublicKey.fromSpki(someKey.spki), attestationKey: sealed }),
    )
    const forged = await makeSign1(cose.payload, messageSigner(newKey()), { tagging: 'none' })
    const nonce = platformNonceFor(sealed.publicKey)
    const token = await platformToken({ nonce })
    assert.deepEqual(failuresOf(makeCab(forged, token, SIMULATED_MEDIA_TYPE)), ['kat-signature'])
  })

  for (const [name, length] of [
    ['sha256', 32],
    ['sha384', 48],
    ['sha512', 64],
  ] as const) {
    test(`is bound by ${name} where the nonce of the platform token has ${length} bytes`, async () => {
      const attestationKey = newKey()
      const identityKey = PublicKey.fromSpki(someKey.spki)
      const token = await platformToken({ nonce: platformNonceFor(attestationKey.publicKey, name) })
      const made = makeCab(await makeKat({ nonce: challenge, identityKey, attestationKey }), token)
      assert.deepEqual(failuresOf(made), [])
    })
  }

  test('takes a platform token whose record says only that it is an EAT', () => {
    assert.deepEqual(failuresOf(makeCab(kat.value, pat.value)), [])
  })

  const malformed: readonly (readonly [string, Cmw])[] = [
    ['is empty', { kind: 'collection', type: KAT_COLLECTION_TYPE, entries: new Map() }],
    ['has no platform token', { kind: 'collection', type: KAT_COLLECTION_TYPE, entries: new Map([['kat', kat]]) }],
    [
      'has a third token',
      {
        kind: 'collection',
        type: KAT_COLLECTION_TYPE,
        entries: new Map([
          ['kat', kat],
          ['pat', pat],
          ['more', pat],
        ]),
      },
    ],
    ['has a collection where a token should be', makeNested()],
    ['has garbage for tokens', makeCab(utf8('x'), utf8('y'))],
    ['has its tokens the wrong way round', makeCab(pat.value, kat.value)],
    [
      'names another profile in the record than in the token',
      makeCab(kat.value, pat.value, 'application/eat+cwt; eat_profile="tag:other"'),
    ],
    ['has a platform token of another media type', makeCab(kat.value, pat.value, 'application/octet-stream')],
    ['has a platform token of a media type that is none', makeCab(kat.value, pat.value, 'nothing')],
    ['has a key token cut short', makeCab(kat.value.subarray(0, -1), pat.value)],
    ['has a platform token cut short', makeCab(kat.value, pat.value.subarray(0, -1))],
  ]
  for (const [what, message] of malformed) {
    test(`is not appraised when it ${what}`, () => {
      assert.throws(() => appraise(message), MalformedEvidence)
    })
  }

  test('is not appraised when its platform token is of an unknown profile', async () => {
    const token = await makeSign1(encodeCbor(new Map([[265, 'tag:example.org,2026:unknown']])), messageSigner(newKey()))
    assert.throws(() => appraise(makeCab(kat.value, token)), MalformedEvidence)
  })
})

function makeNested(): Cmw {
  return {
    kind: 'collection',
    type: KAT_COLLECTION_TYPE,
    entries: new Map<string, Cmw>([
      ['kat', kat as Cmw],
      ['pat', bundle],
    ]),
  }
}

/** A platform token of the machine with claims of the test's choice. */
async function platformToken(claims: { readonly nonce: Uint8Array }): Promise<Uint8Array> {
  const payload = encodeSimulatedClaims({
    nonce: claims.nonce,
    instanceId: Uint8Array.of(1, ...new Uint8Array(32)),
    implementationId: new Uint8Array(32),
    lifecycle: 'secured',
    isDebuggable: false,
    components: [workload, firmware],
  })
  const [certificate] = machine.chain
  assert.ok(certificate)
  return makeSign1(payload, messageSigner(machine.key), {
    unprotectedHeader: new Map([[CoseHeader.x5chain, certificate]]),
  })
}

describe('a key attestation bundle on a PSA platform', () => {
  const device = newKey()
  const instanceId = Uint8Array.of(1, ...new Uint8Array(32).fill(6))
  const endorsements = new FixedEndorsements({
    instanceKeys: [{ kind: 'psa', id: instanceId, key: device.publicKey }],
  })
  const referenceValues = Policy.from({
    version: 1,
    platforms: [{ kind: 'psa', measurements: [{ values: { PRoT: hex(firmware.measurement) } }] }],
  }).referenceValues({ trustsSimulatedPlatforms: false })

  async function psaBundle(nonceFor = (key: PublicKey) => platformNonceFor(key)): Promise<Cmw> {
    const attestationKey = newKey()
    const claims = new Map<number, CborValue>([
      [10, nonceFor(attestationKey.publicKey)],
      [256, instanceId],
      [265, 'tag:psacertified.org,2023:psa#tfm'],
      [2394, -1],
      [2395, 0x3000],
      [2396, new Uint8Array(32)],
      [
        2399,
        [
          new Map<number, CborValue>([
            [1, 'PRoT'],
            [2, firmware.measurement],
            [5, firmware.signerId],
          ]),
        ],
      ],
    ])
    const token = await makeSign1(encodeCbor(claims), messageSigner(device))
    const identityKey = PublicKey.fromSpki(someKey.spki)
    const type = 'application/eat+cwt; eat_profile="tag:psacertified.org,2023:psa#tfm"'
    return makeCab(await makeKat({ nonce: challenge, identityKey, attestationKey }), token, type)
  }

  test('is accepted, and is not simulated', async () => {
    const appraisal = appraise(await psaBundle(), { endorsements, referenceValues })
    assert.deepEqual(
      appraisal.checks.filter(({ passed }) => !passed),
      [],
    )
    assert.equal(appraisal.isSimulated, false)
    assert.deepEqual(Object.keys(appraisal.environments), ['psa'])
    assert.deepEqual(appraisal.attestedKey, someKey.spki)
  })

  test('is refused when the token of the device does not seal the key', async () => {
    const message = await psaBundle(() => challenge)
    assert.deepEqual(failuresOf(message, { endorsements, referenceValues }), ['kat-binding'])
  })

  test('cannot be appraised when nobody has registered the device', async () => {
    const message = await psaBundle()
    assert.throws(() => appraise(message, { referenceValues }), MissingEndorsement)
  })
})

describe('Evidence that was changed', () => {
  const types = [KAT_MEDIA_TYPE, SIMULATED_MEDIA_TYPE]
  for (const type of types) {
    test(`in any byte never passes and never throws anything unforeseen (${type})`, async () => {
      const message = await attesterOf().evidence({ type, challenge, key: someKey, signal: patient })
      const bytes = encodeCmw(message)
      let refused = 0
      fc.assert(
        fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, mask) => {
          const changed = Uint8Array.from(bytes)
          changed[at] = (changed[at] ?? 0) ^ mask
          if (isAccepted(changed)) assert.ok(isTheSame(changed, message), `byte ${at} with ${mask}`)
          else refused++
        }),
        { numRuns: 600 },
      )
      assert.ok(refused > 500)
    })

    test(`by cutting, doubling and moving never passes either (${type})`, async () => {
      const message = await attesterOf().evidence({ type, challenge, key: someKey, signal: patient })
      const bytes = [...encodeCmw(message)]
      fc.assert(
        fc.property(
          fc.nat(bytes.length - 1),
          fc.nat(40),
          fc.array(fc.nat(255), { maxLength: 40 }),
          (at, length, put) => {
            const changed = Uint8Array.from([...bytes.slice(0, at), ...put, ...bytes.slice(at + length)])
            if (isAccepted(changed)) assert.ok(isTheSame(changed, message))
          },
        ),
        { numRuns: 300 },
      )
    })
  }

  test('at every cut of either token is not appraised', () => {
    for (let length = 0; length < kat.value.length; length += 3) {
      assert.throws(() => appraise(makeCab(kat.value.subarray(0, length), pat.value)), MalformedEvidence)
    }
    for (let length = 0; length < pat.value.length; length += 3) {
      assert.throws(() => appraise(makeCab(kat.value, pat.value.subarray(0, length))), MalformedEvidence)
    }
  })
})

/** Whether bytes are Evidence that would be accepted. What cannot be read is not; anything but the errors that say so
 *  ends the test. */
function isAccepted(bytes: Uint8Array): boolean {
  let message: Cmw
  try {
    message = decodeCmw(bytes)
  } catch {
    return false
  }
  const format = formatOf(message)
  if (!format) return false
  try {
    return format.appraise(message, inputs).checks.every(({ passed }) => passed)
  } catch (error) {
    assert.ok(error instanceof MalformedEvidence, String(error))
    return false
  }
}

/** Some bytes of a wrapper mean nothing: the signed tokens are what has to be the same. */
function isTheSame(bytes: Uint8Array, message: Cmw): boolean {
  const signed = (cmw: Cmw): readonly unknown[] =>
    cmw.kind === 'record'
      ? [decodeSign1(cmw.value).payload, decodeSign1(cmw.value).protectedHeader.get(1)]
      : [...cmw.entries.values()].flatMap(signed)
  try {
    assert.deepEqual(signed(decodeCmw(bytes)), signed(message))
    return true
  } catch {
    return false
  }
}

describe('bombs', () => {
  const bombs: readonly (readonly [string, Uint8Array])[] = [
    ['nested arrays', new Uint8Array(60_000).fill(0x81)],
    ['nested tags', new Uint8Array(60_000).fill(0xd2)],
    ['an array of 2^32 items', Uint8Array.of(0x9a, 0xff, 0xff, 0xff, 0xff)],
    ['a string of 2^63 bytes', Uint8Array.of(0x5b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)],
    ['a map of 2^53 entries', Uint8Array.of(0xbb, 0, 0x1f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)],
    ['endless nested arrays', new Uint8Array(60_000).fill(0x9f)],
  ]
  for (const [what, bomb] of bombs) {
    test(`of ${what} are not appraised, at once`, () => {
      assert.throws(() => appraise(makeCab(bomb, pat.value)), MalformedEvidence)
      assert.throws(() => appraise(makeCab(kat.value, bomb)), MalformedEvidence)
      assert.throws(() => appraise({ kind: 'record', type: SIMULATED_MEDIA_TYPE, value: bomb }), MalformedEvidence)
    })
  }

  test('of certificates are not appraised', async () => {
    const payload = decodeSign1(pat.value).payload
    for (const chain of [new Array(9).fill(machine.chain[0]), [], new Uint8Array(5000)]) {
      const value = await makeSign1(payload, messageSigner(machine.key), {
        unprotectedHeader: new Map([[CoseHeader.x5chain, chain]]),
      })
      assert.throws(() => appraise({ kind: 'record', type: SIMULATED_MEDIA_TYPE, value }), MalformedEvidence)
    }
  })
})

describe('the simulated platform', () => {
  const claims = {
    nonce: challenge,
    instanceId: Uint8Array.of(1, ...new Uint8Array(32)),
    implementationId: new Uint8Array(32),
    lifecycle: 'secured',
    isDebuggable: false,
    components: [workload],
  } as const
  const impossible = [
    ['a nonce of 33 bytes', { nonce: new Uint8Array(33) }],
    ['an instance id that is not of type RAND', { instanceId: new Uint8Array(33) }],
    ['no components', { components: [] }],
    ['two components of one type', { components: [workload, workload] }],
    ['a component with a name that is none', { components: [{ ...workload, type: 'a b' }] }],
    ['half a measurement', { components: [{ ...workload, measurement: new Uint8Array(16) }] }],
  ] as const
  for (const [what, change] of impossible) {
    test(`cannot say ${what}`, () => assert.throws(() => encodeSimulatedClaims({ ...claims, ...change }), RangeError))
  }

  test('cannot be made with a component that it could not speak of', () => {
    assert.throws(() => new SimulatedAttester({ platform: machine, components: [] }), RangeError)
  })
})
