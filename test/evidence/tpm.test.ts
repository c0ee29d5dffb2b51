import assert from 'node:assert/strict'
import { createPrivateKey, generateKeyPairSync, sign } from 'node:crypto'
import { describe, test } from 'node:test'
import { SimulatedTpm, type SimulatedTpmChanges } from '#src/attester/index.js'
import { concat, hex, utf8 } from '#src/bytes/index.js'
import { hash, PublicKey } from '#src/crypto/index.js'
import {
  decodeAttest,
  decodePublicArea,
  decodeSignature,
  decodeTpmBundle,
  describeSelections,
  ENACTTRUST_MEDIA_TYPE,
  encodeSelections,
  encodeTpmBundle,
  isSignedByTpm,
  KeyAttribute,
  MalformedEvidence,
  MissingEndorsement,
  pcrDigestOf,
  TPM_MEDIA_TYPE,
  TPM_QUOTE_MEDIA_TYPE,
  type TpmBundle,
} from '#src/evidence/index.js'
import {
  asArray,
  asBytes,
  asMap,
  type CborValue,
  decodeCbor,
  MessageError,
  PARSEC_TPM_MEDIA_TYPE,
} from '#src/rats/index.js'
import { Policy, PolicyError } from '#src/verifier/index.js'
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

const AIK = '2.23.133.8.3'
const tpm = new SimulatedTpm({ platform: { key: newKey(), chain: [] } })
const certified = new SimulatedTpm({ platform: root.issue('tpm', { purposes: [AIK] }) })
for (const one of [tpm, certified]) {
  one.extend(0, utf8('firmware'))
  one.extend(4, utf8('boot loader'))
  one.extend(4, utf8('kernel'))
}
const pcr0 = hex(tpm.values.get('sha256')?.get(0) ?? new Uint8Array(0))
const pcr4 = hex(tpm.values.get('sha256')?.get(4) ?? new Uint8Array(0))
const key = PublicKey.fromSpki(someKey.spki)
const node = new Uint8Array(16).fill(0xe1)
const setup: Setup = {
  platforms: [{ kind: 'tpm', measurements: [{ values: { 'sha256:0': pcr0, 'sha256:4': pcr4 } }] }],
  roots: { tpm: [root.pem] },
  endorsements: {
    instanceKeys: [tpm.name, tpm.keyId, node].map(id => ({ kind: 'tpm', id, key: tpm.publicKey })),
  },
}
const inputs = inputsOf(setup)
const bundle = await tpm.bundle(challenge, key)

describe('a bundle of a TPM', () => {
  test('makes every check of quote, certified key, registers and log', () => {
    const { checks, attestedKey, challenge: found } = appraise(record(TPM_MEDIA_TYPE, bundle), inputs)
    assert.deepEqual(
      checks.map(({ name, passed }) => [name, passed]),
      [
        ['ak-attributes', true],
        ['ak-binding', true],
        ['signature', true],
        ['magic', true],
        ['type', true],
        ['kat-signature', true],
        ['magic', true],
        ['type', true],
        ['key-name', true],
        ['key-attributes', true],
        ['same-session', true],
        ['pcr-digest', true],
        ['event-log', true],
        ['challenge', true],
        ['key-binding', true],
        ['measurement', true],
        ['debug', true],
        ['signature-hash', true],
      ],
    )
    assert.deepEqual(attestedKey, someKey.spki)
    assert.deepEqual(found, challenge)
  })

  test('is believed by the certificate of its attestation key, which says that it is SIMULATED', async () => {
    const message = record(TPM_MEDIA_TYPE, await certified.bundle(challenge, key))
    assert.deepEqual(failuresOf(message, inputs), [])
    assert.equal(appraise(message, inputs).isSimulated, true)
    assert.deepEqual(failuresOf(message, inputsOf({ ...setup, roots: {} })), ['chain'])
  })

  test('is not appraised where its attestation key is neither registered nor certified', async () => {
    const stranger = new SimulatedTpm({ platform: { key: newKey(), chain: [] } })
    const message = record(TPM_MEDIA_TYPE, await stranger.bundle(challenge, key))
    assert.throws(() => appraise(message, inputs), MissingEndorsement)
  })

  test('has a quote of each bank, whose digest is by the hash of the signature', async () => {
    const many = new SimulatedTpm({
      platform: { key: newKey(), chain: [] },
      selections: [
        { bank: 'sha1', registers: [0, 4] },
        { bank: 'sha256', registers: [0, 4] },
        { bank: 'sha384', registers: [0, 4] },
      ],
    })
    many.extend(0, utf8('firmware'))
    const values = {
      'sha384:0': hex(many.values.get('sha384')?.get(0) ?? new Uint8Array(0)),
      'sha256:4': '00'.repeat(32),
    }
    const other = inputsOf({
      ...setup,
      platforms: [{ kind: 'tpm', measurements: [{ values }] }],
      endorsements: { instanceKeys: [{ kind: 'tpm', id: many.name, key: many.publicKey }] },
    })
    assert.deepEqual(failuresOf(record(TPM_MEDIA_TYPE, await many.bundle(challenge, key)), other), [])
  })

  test('can be compared by the digest over its registers, where their values did not come along', async () => {
    const selection = [{ bank: 'sha256', registers: [0, 1, 2, 3, 4, 5, 6, 7] }] as const
    const digest = hex(pcrDigestOf(selection, tpm.values, 'sha256') ?? new Uint8Array(0))
    const values = { [describeSelections(selection)]: digest }
    const byDigest = inputsOf({ ...setup, platforms: [{ kind: 'tpm', measurements: [{ values }] }] })
    const message = record(TPM_MEDIA_TYPE, await tpm.bundle(challenge, key, { withValues: false, withLog: false }))
    assert.deepEqual(failuresOf(message, byDigest), [])
    assert.deepEqual(failuresOf(message, inputs), ['measurement'])
  })

  test('is another format without a certified key, and speaks for none', async () => {
    const quotes = await tpm.bundle(challenge, null)
    assert.deepEqual(failuresOf(record(TPM_QUOTE_MEDIA_TYPE, quotes), inputs), [])
    assert.equal(appraise(record(TPM_QUOTE_MEDIA_TYPE, quotes), inputs).attestedKey, null)
    assert.deepEqual(failuresOf(record(TPM_MEDIA_TYPE, quotes), inputs), ['key-binding'])
    assert.throws(() => appraise(record(TPM_QUOTE_MEDIA_TYPE, bundle), inputs), MalformedEvidence)
  })

  test('is what the attester makes', async () => {
    for (const type of tpm.evidenceTypes) {
      const message = await tpm.evidence({ type, challenge, key: someKey, signal: patient })
      assert.deepEqual(
        failuresOf(message, inputs),
        // Parsec brings no values of PCRs: its policy names the digest.
        type === PARSEC_TPM_MEDIA_TYPE ? ['measurement'] : [],
      )
    }
  })
})

describe('a bundle of a TPM is refused', () => {
  const cases: readonly (readonly [string, readonly string[], SimulatedTpmChanges])[] = [
    ['when somebody had the TPM sign what it did not say', ['magic', 'magic'], { magic: 0xff544348 }],
    [
      'with a key that was not made in it',
      ['key-attributes'],
      { keyAttributes: KeyAttribute.sign | KeyAttribute.fixedTpm },
    ],
    [
      'with a key that cannot sign a handshake',
      ['key-attributes'],
      { keyAttributes: KeyAttribute.restricted | KeyAttribute.sign | 0x32 },
    ],
    ['with a log but no registers to compare it with', ['event-log'], { withValues: false }],
  ]
  for (const [what, expected, changes] of cases) {
    test(what, async () => {
      const message = record(TPM_MEDIA_TYPE, await tpm.bundle(challenge, key, changes))
      assert.deepEqual(failuresOf(message, inputs), expected)
    })
  }

  test('by an attestation key that signs anything', async () => {
    const message = await certified.bundle(challenge, key, { attestationKeyAttributes: KeyAttribute.sign | 0x72 })
    assert.deepEqual(failuresOf(record(TPM_MEDIA_TYPE, message), inputs), ['ak-attributes'])
  })

  test('by a certificate that is not one of an attestation key', async () => {
    const other = new SimulatedTpm({ platform: root.issue('web server', { purposes: ['1.3.6.1.5.5.7.3.1'] }) })
    other.extend(0, utf8('firmware'))
    const message = record(TPM_MEDIA_TYPE, await other.bundle(challenge, key))
    assert.deepEqual(failuresOf(message, inputs), ['ak-certificate'])
    const unsaid = new SimulatedTpm({ platform: root.issue('anything') })
    assert.deepEqual(failuresOf(record(TPM_MEDIA_TYPE, await unsaid.bundle(challenge, key)), inputs), [
      'ak-certificate',
    ])
  })

  test('by the certificate of another key', async () => {
    const parts = partsOf(await certified.bundle(challenge, key))
    const stolen = root.issue('tpm', { purposes: [AIK] }).chain
    assert.deepEqual(failuresOf(record(TPM_MEDIA_TYPE, encodeTpmBundle({ ...parts, chain: stolen })), inputs), [
      'ak-binding',
      'signature',
      'kat-signature',
    ])
  })

  test('for another challenge or another key', () => {
    const message = record(TPM_MEDIA_TYPE, bundle)
    assert.deepEqual(failuresOf(message, { ...inputs, challenge: new Uint8Array(32) }), ['challenge'])
    assert.deepEqual(failuresOf(message, { ...inputs, challenge: challenge.subarray(0, 16) }), ['challenge'])
    const other = { spki: newKey().publicKey.spki, id: new Uint8Array(32) }
    assert.deepEqual(failuresOf(message, { ...inputs, key: other }), ['key-binding'])
  })

  test('when quote and certified key were made for different challenges', async () => {
    const [now, then] = [partsOf(bundle), partsOf(await tpm.bundle(new Uint8Array(32), key))]
    for (const mixed of [
      { ...now, certified: then.certified },
      { ...then, certified: now.certified },
    ]) {
      assert.ok(failuresOf(record(TPM_MEDIA_TYPE, encodeTpmBundle(mixed)), inputs).includes('same-session'))
    }
  })

  test('when a quote stands in place of a certified key, and the other way round', () => {
    const parts = partsOf(bundle)
    const [quote] = parts.quotes
    assert.ok(quote && parts.certified)
    const swapped = encodeTpmBundle({
      ...parts,
      quotes: [parts.certified],
      certified: { ...quote, publicArea: parts.certified.publicArea },
    })
    const failures = failuresOf(record(TPM_MEDIA_TYPE, swapped), inputs)
    assert.deepEqual(failures.filter(name => name === 'type').length, 2)
  })

  test('with the public area of a key that it did not certify', () => {
    const parts = partsOf(bundle)
    const other = partsOf(bundleOfOther)
    assert.ok(parts.certified && other.certified)
    const forged = encodeTpmBundle({
      ...parts,
      certified: { ...parts.certified, publicArea: other.certified.publicArea },
    })
    const spki = decodePublicArea(other.certified.publicArea).key?.spki ?? new Uint8Array(0)
    const appraisal = appraise(record(TPM_MEDIA_TYPE, forged), { ...inputs, key: { spki, id: new Uint8Array(32) } })
    assert.equal(appraisal.attestedKey, null)
    assert.deepEqual(
      appraisal.checks.filter(({ passed }) => !passed).map(({ name }) => name),
      ['key-name'],
    )
  })

  test('with values that it did not quote, or too few of them', () => {
    const parts = partsOf(bundle)
    const sha256 = tpm.values.get('sha256') ?? new Map()
    const changed = new Map([['sha256', new Map([...sha256, [7, new Uint8Array(32).fill(1)]])]] as const)
    const fewer = new Map([['sha256', new Map([...sha256].slice(0, 5))]] as const)
    for (const values of [changed, fewer]) {
      const forged = encodeTpmBundle({ ...parts, values, log: undefined })
      assert.deepEqual(failuresOf(record(TPM_MEDIA_TYPE, forged), inputs), ['pcr-digest'])
    }
  })

  test('with a log that leaves out an event', async () => {
    const parts = partsOf(bundle)
    const shorter = new SimulatedTpm({ platform: { key: newKey(), chain: [] } })
    shorter.extend(0, utf8('firmware'))
    shorter.extend(4, utf8('boot loader'))
    const { log } = partsOf(await shorter.bundle(challenge, key))
    assert.deepEqual(failuresOf(record(TPM_MEDIA_TYPE, encodeTpmBundle({ ...parts, log })), inputs), ['event-log'])
  })

  test('with two quotes of one bank, or with a member that is not known', () => {
    const parts = partsOf(bundle)
    const [quote] = parts.quotes
    assert.ok(quote)
    assert.throws(() => decodeTpmBundle(encodeTpmBundle({ ...parts, quotes: [quote, quote] })), MessageError)
    // The map's head, changed to hold one entry more: 9: null.
    const longer = concat(Uint8Array.of((bundle[0] ?? 0) + 1), bundle.subarray(1), Uint8Array.of(9, 0xf6))
    assert.throws(() => decodeTpmBundle(longer), MessageError)
  })
})

const bundleOfOther = await tpm.bundle(challenge, newKey().publicKey)

describe('a policy for TPMs', () => {
  const policyOf = (values: Record<string, string>) =>
    Policy.from({ version: 1, platforms: [{ kind: 'tpm', measurements: [{ values }] }] })

  test('names registers as tpm2-tools do, and at least two of them', () => {
    const digest = '00'.repeat(32)
    policyOf({ 'sha256:0': digest, 'sha384:7': '00'.repeat(48) })
    policyOf({ 'sha256:0,7': digest })
    policyOf({ 'sha1:0+sha256:7': digest })
    assert.throws(() => policyOf({ 'sha256:7': digest }), PolicyError)
    assert.throws(() => policyOf({ pcr0: digest, pcr7: digest }), PolicyError)
    assert.throws(() => policyOf({ 'sha256:7,0': digest }), PolicyError)
  })

  test('refuses a value of SHA-1, which is too short to mean anything', () => {
    assert.throws(() => policyOf({ 'sha1:0': '00'.repeat(20), 'sha1:7': '00'.repeat(20) }), PolicyError)
  })
})

describe('a signature with SHA-1', () => {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const weakKey = PublicKey.fromSpki(rsa.publicKey.export({ format: 'der', type: 'spki' }))
  const [quote] = partsOf(bundle).quotes
  assert.ok(quote)
  const { attest } = quote
  const raw = sign('sha1', attest, createPrivateKey(rsa.privateKey.export({ format: 'pem', type: 'pkcs8' })))
  // RSASSA with SHA-1, TPM2B.
  const signature = concat(Uint8Array.of(0, 0x14, 0, 0x04, raw.length >> 8, raw.length & 0xff), raw)
  const token = concat(node, Uint8Array.of(0, attest.length), attest, signature)
  const weak = (isAllowed: boolean | undefined) => {
    const digest = decodeAttest(attest).attested
    assert.ok(digest.kind === 'quote')
    const values = { [describeSelections(digest.selections)]: hex(digest.pcrDigest) }
    return inputsOf({
      platforms: [
        {
          kind: 'tpm',
          measurements: [{ values }],
          ...(isAllowed !== undefined && { dangerouslyAllowSha1Signatures: isAllowed }),
        },
      ],
      endorsements: { instanceKeys: [{ kind: 'tpm', id: node, key: weakKey }] },
    })
  }

  test('is refused by its name unless the policy allows it', () => {
    const message = record(ENACTTRUST_MEDIA_TYPE, token)
    assert.deepEqual(failuresOf(message, weak(undefined)), ['signature-hash'])
    assert.deepEqual(failuresOf(message, weak(false)), ['signature-hash'])
    assert.deepEqual(failuresOf(message, weak(true)), [])
  })

  test('cannot be allowed for platforms that never make one', () => {
    const psa = { kind: 'psa', dangerouslyAcceptAnyMeasurement: true, dangerouslyAllowSha1Signatures: true }
    assert.throws(() => Policy.from({ version: 1, platforms: [psa] }), PolicyError)
  })
})

describe('Parsec’s bundle for a TPM, and EnactTrust’s token', () => {
  const selection = [{ bank: 'sha256', registers: [0, 1, 2, 3, 4, 5, 6, 7] }] as const
  const values = {
    [describeSelections(selection)]: hex(pcrDigestOf(selection, tpm.values, 'sha256') ?? new Uint8Array(0)),
  }
  const byDigest = inputsOf({ ...setup, platforms: [{ kind: 'tpm', measurements: [{ values }] }] })

  test('are appraised by the same checks', async () => {
    const parsec = record(PARSEC_TPM_MEDIA_TYPE, await tpm.parsecBundle(challenge, key))
    assert.deepEqual(failuresOf(parsec, byDigest), [])
    assert.deepEqual(appraise(parsec, byDigest).attestedKey, someKey.spki)
    const enactTrust = record(ENACTTRUST_MEDIA_TYPE, await tpm.enactTrustToken(node, challenge))
    assert.deepEqual(failuresOf(enactTrust, byDigest), [])
    assert.equal(appraise(enactTrust, byDigest).attestedKey, null)
  })

  test('are refused without the challenge, as EnactTrust makes them by itself', async () => {
    const enactTrust = record(ENACTTRUST_MEDIA_TYPE, await tpm.enactTrustToken(node, new Uint8Array(0)))
    assert.deepEqual(failuresOf(enactTrust, byDigest), ['challenge'])
  })

  test('are not accepted, however they are changed', async () => {
    acceptsNothingElse(PARSEC_TPM_MEDIA_TYPE, await tpm.parsecBundle(challenge, key), byDigest)
    acceptsNothingElse(ENACTTRUST_MEDIA_TYPE, await tpm.enactTrustToken(node, challenge), byDigest)
  })
})

describe('the structures of a TPM', () => {
  test('are read with short numbers, and with leading zeros', () => {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const known = PublicKey.fromSpki(publicKey.export({ format: 'der', type: 'spki' }))
    const data = utf8('what a TPM says')
    const raw = sign('sha256', data, { key: privateKey, dsaEncoding: 'ieee-p1363' })
    const [r, s] = [raw.subarray(0, 32), raw.subarray(32)]
    const zero = Uint8Array.of(0)
    assert.ok(isSignedByTpm({ scheme: 'ecdsa', hash: 'sha256', r, s }, known, data))
    assert.ok(!isSignedByTpm({ scheme: 'ecdsa', hash: 'sha256', r: concat(zero, r), s }, known, data))
    assert.ok(!isSignedByTpm({ scheme: 'ecdsa', hash: 'sha384', r, s }, known, data))
    assert.ok(!isSignedByTpm({ scheme: 'rsassa', hash: 'sha256', signature: raw }, known, data))
  })

  test('RSASSA-PSS is checked with a salt of any length', () => {
    const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
    const known = PublicKey.fromSpki(publicKey.export({ format: 'der', type: 'spki' }))
    const data = utf8('what a TPM says')
    for (const saltLength of [32, 222]) {
      const signature = sign('sha256', data, { key: privateKey, padding: 6, saltLength })
      assert.ok(isSignedByTpm({ scheme: 'rsapss', hash: 'sha256', signature }, known, data))
    }
  })

  test('a selection is the bits of its registers', () => {
    const selections = [{ bank: 'sha256', registers: [0, 16] }] as const
    assert.equal(hex(encodeSelections(selections)), '00000001000b03010001')
    assert.equal(describeSelections(selections), 'sha256:0,16')
    assert.throws(() => encodeSelections([{ bank: 'sha256', registers: [24] }]), RangeError)
  })

  test('a recorded TPM is read: Name, quote over two registers, certified key', () => {
    // From swtpm 0.7.1 with libtpms 0.9.2: TPM2_Quote of PCR 0 and 16 by an attestation key on P-256.
    const quoted = bytesOf(
      'ff54434780180022000b2bbb57b7c892f70d4ddc58fb8bc4f065e5d75b24fb901cded1c19872a81304cd002078377b525757b494427f' +
        '89014f97d79928f3938d14eb51e20fb5dec9834eb30400000000000001f7000000010000000001201910230016363600000001000b03' +
        '01000100207e1f51ab4c635933987ea8612c3947bdfa70fd279bb0fb8679a531d9d57a8406',
    )
    const { attested, extraData, safe, firmwareVersion } = decodeAttest(quoted)
    assert.ok(attested.kind === 'quote')
    assert.equal(hex(extraData), hex(hash('sha256', utf8('nonce'))))
    assert.equal(safe, 1)
    assert.equal(firmwareVersion, 0x2019102300163636n)
    const pcr16 = bytesOf('9851312028952521510e8eaab5be94e7dc24b5fc292b2e9781173cf11ffa9878')
    const values = new Map([
      [
        'sha256',
        new Map([
          [0, new Uint8Array(32)],
          [16, pcr16],
        ]),
      ],
    ] as const)
    assert.equal(hex(pcrDigestOf(attested.selections, values, 'sha256') ?? new Uint8Array(0)), hex(attested.pcrDigest))
    const area = bytesOf(
      '0023000b00050472000000100018000b000300100020' +
        '90d41050b057133ff5bdeca714d420e8740bdc0afde894213edfae3c4cbfc82d0020' +
        '6b8b266ebe9dd0a24b4be69cf5098399b4057f4a04802573e79bbc605affdbb7',
    )
    const attestationKey = decodePublicArea(area)
    assert.equal(hex(attestationKey.name), '000ba9a17357318ec8da6ab607fb9ef5c1bbd489492a935416a15e37927e63f4cf7b')
    const signature = decodeSignature(
      bytesOf(
        '0018000b00209705209ad243af2b24473ca821798069776672d87083a645aa6b1a2f30eaaeb3' +
          '002009d7921d1f6f9c71c9f40cc152b3a126d18e22f5d0d044ed02c50693bf496967',
      ),
    )
    assert.ok(attestationKey.key)
    assert.ok(isSignedByTpm(signature, attestationKey.key, quoted))
  })

  test('end where they say, and not later', () => {
    const [quote] = partsOf(bundle).quotes
    assert.ok(quote)
    for (const [bytes, decode] of [
      [quote.attest, decodeAttest],
      [quote.signature, decodeSignature],
      [partsOf(bundle).attestationKey, decodePublicArea],
    ] as const) {
      decode(bytes)
      assert.throws(() => decode(concat(bytes, Uint8Array.of(0))), MessageError)
      for (let length = 0; length < bytes.length; length++) {
        assert.throws(() => decode(bytes.subarray(0, length)), MessageError, `${length} bytes`)
      }
    }
  })
})

describe('a hostile bundle of a TPM', () => {
  test('is not accepted, however it is made of a good one', async () => {
    // What the log says besides digests is no part of any register.
    acceptsNothingElse(TPM_MEDIA_TYPE, await tpm.bundle(challenge, key, { withLog: false }), inputs)
  })

  test('is not accepted when it is noise', () => {
    refusesNoise(TPM_MEDIA_TYPE, inputs)
    refusesNoise(PARSEC_TPM_MEDIA_TYPE, inputs)
    refusesNoise(ENACTTRUST_MEDIA_TYPE, inputs)
  })
})

/** The parts of a bundle, to put together another. */
function partsOf(bytes: Uint8Array): TpmBundle {
  const map = asMap(decodeCbor(bytes), 'the bundle')
  const list = (member: number) => (map.has(member) ? asArray(map.get(member), 'a list') : [])
  const structure = (value: CborValue | undefined) => asBytes(value, 'a structure')
  const [attest, signature, publicArea] = list(4)
  return {
    attestationKey: structure(map.get(1)),
    chain: list(2).map(structure),
    quotes: list(3).map(item => {
      const [quoted, signed] = asArray(item, 'a quote')
      return { attest: structure(quoted), signature: structure(signed) }
    }),
    certified: attest
      ? { attest: structure(attest), signature: structure(signature), publicArea: structure(publicArea) }
      : undefined,
    values: decodeTpmBundle(bytes).values,
    log: map.has(6) ? structure(map.get(6)) : undefined,
  }
}

function bytesOf(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'hex'))
}
