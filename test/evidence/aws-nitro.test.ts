import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { SimulatedNitro, SimulatedNitroAttester } from '#src/attester/index.js'
import { hex } from '#src/bytes/index.js'
import {
  appraiseReport,
  FixedEndorsements,
  NITRO_MEDIA_TYPE,
  nitroPlatform,
  type PlatformReference,
  RootsByKind,
} from '#src/evidence/index.js'
import { type CborValue, decodeCbor, encodeCbor, MessageError } from '#src/rats/index.js'
import { Policy, report as reportText } from '#src/verifier/index.js'
import { appraise, failures, identityOf, NOON, newKey, someKey, verifierOf } from '../support/simulated.js'

const DAY = 86_400_000
const nitro = new SimulatedNitro({ now: NOON })
const machine = nitro.platform()
const pcrs = { 0: new Uint8Array(48).fill(1), 1: new Uint8Array(48).fill(2), 2: new Uint8Array(48).fill(3) }
const nonce = new Uint8Array(32).fill(9)
const content = { pcrs, timestamp: NOON, nonce, publicKey: someKey.spki }
const genuine = await machine.document(content)

interface Changes {
  readonly root?: string
  readonly reference?: Partial<PlatformReference>
  readonly at?: number
}

function appraised(document: Uint8Array, changes: Changes = {}) {
  const reference: PlatformReference = {
    source: 'the test',
    measurementSets: [
      { name: 'image', values: new Map(Object.entries(pcrs).map(([i, value]) => [`pcr${i}`, [hex(value)]])) },
    ],
    allowsDebug: false,
    lifecycles: null,
    claims: new Map(),
    minimumVersions: new Map(),
    tcb: null,
    ...changes.reference,
  }
  const inputs = {
    roots: new RootsByKind({ 'aws-nitro': [changes.root ?? nitro.rootPem] }),
    endorsements: new FixedEndorsements(),
    at: changes.at ?? NOON,
    referenceValues: {
      source: 'the test',
      platforms: new Map([['aws-nitro', reference]]),
      trustsSimulatedPlatforms: true,
    },
  }
  return appraiseReport(nitroPlatform, nitroPlatform.decode(document), inputs, () => [])
}

function failed(document: Uint8Array, changes: Changes = {}): readonly string[] {
  return appraised(document, changes).findings.flatMap(({ check }) => (check.passed ? [] : [check.name]))
}

describe('a Nitro document', () => {
  test('is accepted, and says what was put in', () => {
    const { findings, environment, challenge } = appraised(genuine)
    assert.deepEqual(
      findings.filter(({ check }) => !check.passed),
      [],
    )
    assert.equal(environment.claims['module-id'], machine.moduleId)
    assert.equal(environment.claims['public-key'], hex(someKey.spki))
    assert.deepEqual(challenge, nonce)
  })

  test('may be tagged, and may hold what nobody knows yet', async () => {
    assert.deepEqual(failed(Uint8Array.of(0xd2, ...genuine)), [])
    assert.deepEqual(failed(await machine.document(content, { later: 1 })), [])
  })

  test('with one bit changed anywhere is refused or cannot be read', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: genuine.length * 8 - 1 }), bit => {
        const copy = Uint8Array.from(genuine)
        copy[bit >> 3] = (copy[bit >> 3] ?? 0) ^ (1 << (bit & 7))
        try {
          assert.notDeepEqual(failed(copy), [])
        } catch (error) {
          assert.ok(error instanceof MessageError, String(error))
        }
      }),
      { numRuns: 150 },
    )
  })

  test('cut off at any byte cannot be read', () => {
    for (let length = 0; length < genuine.length; length += 5) {
      assert.throws(() => nitroPlatform.decode(genuine.subarray(0, length)), MessageError)
    }
  })

  const unreadable: readonly (readonly [string, Readonly<Record<string, CborValue>>])[] = [
    ['has another digest', { digest: 'SHA256' }],
    ['has no name', { module_id: '' }],
    ['has a time that is none', { timestamp: 0 }],
    ['has no PCRs', { pcrs: new Map() }],
    ['has a PCR with a number that there is not', { pcrs: new Map([[32, new Uint8Array(48)]]) }],
    ['has a PCR of another length', { pcrs: new Map([[0, new Uint8Array(32)]]) }],
    ['has 33 PCRs', { pcrs: new Map(Array.from({ length: 33 }, (_, i) => [i, new Uint8Array(48)])) }],
    ['has no certificate', { certificate: null }],
    ['has a certificate that is too long', { certificate: new Uint8Array(1025) }],
    ['has no bundle', { cabundle: [] }],
    ['has a nonce that is none', { nonce: 'text' }],
    ['has user data that are too long', { user_data: new Uint8Array(1025) }],
  ]
  for (const [what, changes] of unreadable) {
    test(`that ${what} cannot be read`, async () => {
      const document = await machine.document(content, changes)
      assert.throws(() => nitroPlatform.decode(document), MessageError)
    })
  }
})

describe('the origin of a Nitro document', () => {
  test('fails by signature, when it was changed after it was signed', () => {
    const parts = decodeCbor(genuine)
    assert.ok(Array.isArray(parts))
    const [header, unprotected, , proof]: readonly CborValue[] = parts
    const other = decodeCbor(asPayload(parts))
    assert.ok(other instanceof Map)
    const payload = encodeCbor(new Map([...other, ['nonce', new Uint8Array(32)]]))
    assert.deepEqual(failed(encodeCbor([header ?? null, unprotected ?? null, payload, proof ?? null])), ['signature'])
  })

  test('fails by signature, when another machine has signed', async () => {
    const certificate = nitroPlatform.decode(genuine).certificate
    assert.deepEqual(failed(await nitro.platform().document(content, { certificate })), ['signature'])
  })

  test('fails by chain, under another root, and outside the life of its certificates', async () => {
    assert.deepEqual(failed(genuine, { root: new SimulatedNitro({ now: NOON }).rootPem }), ['chain'])
    const shortLived = nitro.platform({ notBefore: NOON - DAY, notAfter: NOON + DAY / 8 })
    const document = await shortLived.document(content)
    assert.deepEqual(failed(document), [])
    for (const at of [NOON - 2 * DAY, NOON + DAY]) assert.deepEqual(failed(document, { at }), ['chain'])
  })

  test('fails by chain, when a certificate between is missing', async () => {
    const [root = new Uint8Array(0)] = nitroPlatform.decode(genuine).caBundle
    assert.deepEqual(failed(await machine.document(content, { cabundle: [root] })), ['chain'])
  })
})

describe('reference values for Nitro', () => {
  test('refuse another image, and an enclave that was started for debugging', async () => {
    for (const index of [0, 1, 2]) {
      const other = { ...pcrs, [index]: new Uint8Array(48).fill(8) }
      assert.deepEqual(failed(await machine.document({ ...content, pcrs: other })), ['measurement'])
    }
    assert.deepEqual(failed(await machine.document({ ...content, pcrs: {} })), ['measurement', 'debug'])
  })

  test('compare the PCRs that say who runs the enclave', async () => {
    const document = await machine.document({ ...content, pcrs: { ...pcrs, 3: new Uint8Array(48).fill(5) } })
    const claims = (value: string) => ({ reference: { claims: new Map([['pcr3', [value]]]) } })
    assert.deepEqual(failed(document, claims('05'.repeat(48))), [])
    assert.deepEqual(failed(document, claims('06'.repeat(48))), ['claim'])
  })
})

describe('the attester of a simulated Nitro enclave', () => {
  const attester = new SimulatedNitroAttester(machine, { pcrs, now: () => NOON })
  const values = Object.fromEntries(Object.entries(pcrs).map(([i, value]) => [`pcr${i}`, hex(value)]))
  const policy = Policy.from({ version: 1, platforms: [{ kind: 'aws-nitro', measurements: [{ values }] }] })
  const options = { policy, roots: { 'aws-nitro': [nitro.rootPem] } }
  const verifier = verifierOf(options)

  test('attests to its key', async () => {
    const result = await appraise({ attester, verifier })
    assert.deepEqual(failures(result), [], reportText(result))
    assert.ok(result.isAccepted)
    assert.ok(result.isSimulated)
    assert.deepEqual(result.attestedKey, someKey.spki)
  })

  test('is refused for another key, for another challenge, and in production', async () => {
    const other = identityOf(newKey())
    assert.deepEqual(failures(await appraise({ attester, verifier, expectedKey: other })), ['key-binding'])
    const old = { kind: 'record', type: NITRO_MEDIA_TYPE, value: genuine } as const
    assert.deepEqual(failures(await appraise({ attester, verifier }, () => old)), ['challenge'])
    const production = verifierOf({ ...options, dangerouslyTrustSimulatedPlatforms: false })
    assert.deepEqual(failures(await appraise({ attester, verifier: production })), ['simulated'])
    assert.deepEqual(failures(await appraise({ attester, verifier: verifierOf({ policy }) })), ['chain'])
  })

  test('speaks for no key with a document that names none', async () => {
    const value = await machine.document({ pcrs, timestamp: NOON, nonce })
    const { signal } = new AbortController()
    const session = await verifier.newSession({ signal })
    const message = { kind: 'record', type: NITRO_MEDIA_TYPE, value } as const
    const result = await session.appraise({ message, challenge: nonce, key: someKey, signal })
    assert.deepEqual(failures(result), ['key-binding'])
    assert.equal(result.attestedKey, null)
  })
})

function asPayload(parts: readonly CborValue[]): Uint8Array {
  const [, , payload] = parts
  assert.ok(payload instanceof Uint8Array)
  return payload
}
