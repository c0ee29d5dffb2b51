import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { describe, test } from 'node:test'
import { issueCertificate, SimulatedAmd, SimulatedSnpAttester, SimulatedTpm } from '#src/attester/index.js'
import { hex } from '#src/bytes/index.js'
import { type PublicKey, signingKey } from '#src/crypto/index.js'
import { contentsOfCorim, openCorim, PlatformRoots } from '#src/evidence/index.js'
import {
  type CborValue,
  encodeCbor,
  MessageError,
  makeSignedCorim,
  messageSigner,
  PARSEC_TPM_MEDIA_TYPE,
  Tagged,
} from '#src/rats/index.js'
import { endorsementsOfCorims, policyOfCorims, rootsOfCorims } from '#src/verifier/index.js'
import { CertificateError } from '#src/x509/index.js'
import { appraise, failures, NOON, newKey, verifierOf } from '../support/simulated.js'

const DAY = 86_400_000
const PROFILES = {
  psa: 'tag:arm.com,2025:psa#1.0.0',
  platform: 'tag:arm.com,2025:cca_platform#1.0.0',
  realm: 'tag:arm.com,2025:cca_realm#1.0.0',
  snp: 'tag:amd.com,2024:snp-corim-profile',
} as const

const implementation = new Uint8Array(32).fill(5)
const instance = Uint8Array.of(1, ...new Uint8Array(32).fill(6))
const signerId = new Uint8Array(32).fill(7)
const bytes = (value: Uint8Array) => new Tagged(560, value)
type Members = ReadonlyMap<number, CborValue>

function map(entries: readonly (readonly [number, CborValue])[]): Members {
  return new Map(entries)
}

function manifest(profile: string, triples: Members, id = 'a manifest'): Uint8Array {
  const comid = map([
    [1, map([[0, 'a module']])],
    [4, triples],
  ])
  return encodeCbor(
    new Tagged(
      501,
      map([
        [0, id],
        [1, [new Tagged(506, encodeCbor(comid))]],
        [3, profile],
      ]),
    ),
  )
}

function classOf(classId: CborValue, rest: readonly (readonly [number, CborValue])[] = []): Members {
  return map([[0, map([[0, classId]])], ...rest])
}

function component(key: string, digest: number, changes: readonly (readonly [number, CborValue])[] = []): Members {
  const values = map([
    [2, [[1, new Uint8Array(32).fill(digest)]]],
    [11, `c${digest}`],
    [13, [bytes(signerId)]],
    ...changes,
  ])
  return map([
    [0, key],
    [1, values],
  ])
}

function field(key: number, values: readonly (readonly [number, CborValue])[]): Members {
  return map([
    [0, key],
    [1, map(values)],
  ])
}

function contentsOf(profile: string, triples: Members, id?: string) {
  return contentsOfCorim(openCorim(manifest(profile, triples, id), { at: NOON, dangerouslyAllowUnsigned: true }))
}

function pemOf({ spki }: PublicKey): string {
  return `-----BEGIN PUBLIC KEY-----\n${Buffer.from(spki).toString('base64')}\n-----END PUBLIC KEY-----\n`
}

function forbids(profile: string, triples: Members, complaint: RegExp): void {
  assert.throws(
    () => contentsOf(profile, triples),
    (error: unknown) =>
      error instanceof MessageError && /^ERR_RATS_CLAIM/.test(error.code) && complaint.test(error.message),
  )
}

describe('a manifest', () => {
  const good = manifest(
    PROFILES.psa,
    map([[0, [[classOf(bytes(implementation)), [component('psa.software-component', 1)]]]]]),
  )

  test('is believed unsigned only where that is said', () => {
    assert.throws(() => openCorim(good, { at: NOON }), { code: 'ERR_RATS_SIGNATURE' })
    assert.equal(openCorim(good, { at: NOON, dangerouslyAllowUnsigned: true }).id, 'a manifest')
  })

  test('is believed by one of several keys, and by no other', async () => {
    const [first, second] = [newKey(), newKey()]
    const signed = await makeSignedCorim(good, messageSigner(second), { name: 'a maker' })
    const keys = [first.publicKey, second.publicKey]
    assert.equal(openCorim(signed, { at: NOON, keys }).id, 'a manifest')
    assert.throws(() => openCorim(signed, { at: NOON, keys: [first.publicKey] }), { code: 'ERR_RATS_SIGNATURE' })
    assert.throws(() => openCorim(signed, { at: NOON }), { code: 'ERR_RATS_SIGNATURE' })
  })

  test('is believed by certificates that lead to a root', async () => {
    const [ca, leaf] = [1, 2].map(() => generateKeyPairSync('ec', { namedCurve: 'P-256' }))
    assert.ok(ca && leaf)
    const validity = { notBefore: NOON - DAY, notAfter: NOON + DAY }
    const root = issueCertificate(
      { subject: 'R', issuer: 'R', publicKey: ca.publicKey, isCa: true, ...validity },
      ca.privateKey,
    )
    const own = issueCertificate(
      { subject: 'S', issuer: 'R', publicKey: leaf.publicKey, isCa: false, ...validity },
      ca.privateKey,
    )
    const signed = await makeSignedCorim(good, messageSigner(signingKey(leaf.privateKey)), { name: 'S', chain: [own] })
    const roots = new PlatformRoots([root])
    assert.equal(openCorim(signed, { at: NOON, roots }).id, 'a manifest')
    assert.throws(() => openCorim(signed, { at: NOON + 2 * DAY, roots }), CertificateError)
    assert.throws(() => openCorim(signed, { at: NOON, roots: new PlatformRoots([]) }), CertificateError)
    const forged = await makeSignedCorim(good, messageSigner(newKey()), { name: 'S', chain: [own] })
    assert.throws(() => openCorim(forged, { at: NOON, roots }), { code: 'ERR_RATS_SIGNATURE' })
  })

  test('of no profile, or of one that is not known, says nothing that anybody understands', () => {
    assert.throws(() => contentsOf('tag:example.org,2026:mine', map([[0, []]])), { code: 'ERR_RATS_CLAIM' })
    const triples = map([[0, [[classOf(bytes(implementation)), [component('psa.software-component', 1)]]]]])
    assert.throws(() => contentsOf('tag:example.org,2026:mine', triples), { code: 'ERR_RATS_PROFILE' })
  })

  test('of a profile whose name is no name is refused in a sentence that people can read', () => {
    const triples = map([[0, [[classOf(bytes(implementation)), [component('psa.software-component', 1)]]]]])
    assert.throws(
      () => contentsOf(`tag:\u001b[2J\u202e`, triples),
      ({ message }: Error) => /profile tag:\?\[2J\?,/.test(message) && message.length < 200,
    )
  })

  test('is refused where it speaks of what no platform tells', () => {
    const environment = classOf(bytes(implementation), [[2, bytes(implementation)]])
    forbids(PROFILES.psa, map([[0, [[environment, [component('psa.software-component', 1)]]]]]), /group/)
    const key = new Tagged(554, pemOf(newKey().publicKey))
    forbids(PROFILES.psa, map([[2, [[classOf(bytes(implementation)), [key]]]]]), /identity keys/)
  })
})

for (const [profile, kind, key] of [
  [PROFILES.psa, 'psa', 'psa.software-component'],
  [PROFILES.platform, 'cca-platform', 'cca.software-component'],
] as const) {
  describe(`a manifest of ${kind}`, () => {
    const own = newKey().publicKey
    const reference = [classOf(bytes(implementation)), [component(key, 1), component(key, 2)]]
    const anchor = [classOf(bytes(implementation), [[1, new Tagged(550, instance)]]), [new Tagged(554, pemOf(own))]]

    test('becomes measurements, claims and the key of an instance', () => {
      const contents = contentsOf(
        profile,
        map([
          [0, [reference]],
          [3, [anchor]],
        ]),
      )
      const [found] = contents.references
      assert.equal(found?.kind, kind)
      assert.deepEqual(
        [...(found?.measurements ?? [])],
        [
          ['c1', ['01'.repeat(32)]],
          ['c2', ['02'.repeat(32)]],
        ],
      )
      assert.deepEqual(Object.fromEntries(found?.claims ?? []), {
        'implementation-id': hex(implementation),
        'signer-id': hex(signerId),
      })
      const endorsements = endorsementsOfCorims([contents])
      assert.deepEqual(endorsements.instanceKeys.keyOf(kind, instance)?.spki, own.spki)
      assert.equal(endorsements.instanceKeys.keyOf(kind === 'psa' ? 'cca-platform' : 'psa', instance), undefined)
    })

    test('allows each of several states, and asks the same of all', () => {
      const other = [classOf(bytes(implementation)), [component(key, 3)]]
      const both = contentsOf(profile, map([[0, [reference, other]]]))
      const policy = policyOfCorims([both], { name: 'fleet' })
      assert.equal(policy.platforms.get(kind)?.measurementSets?.length, 2)
      assert.equal(policy.name, 'fleet')
      const another = contentsOf(profile, map([[0, [[classOf(bytes(instance.subarray(1))), [component(key, 4)]]]]]))
      assert.throws(() => policyOfCorims([both, another]), { code: 'ERR_RATS_INCONSISTENT' })
    })

    test('numbers components of one name, as a token does', () => {
      const twice = contentsOf(
        profile,
        map([[0, [[classOf(bytes(implementation)), [component(key, 1), component(key, 1)]]]]]),
      )
      assert.deepEqual([...(twice.references[0]?.measurements.keys() ?? [])], ['c1', 'c1-2'])
    })

    test('asks for no signer where there are several', () => {
      const other = component(key, 2, [[13, [bytes(new Uint8Array(32))]]])
      const { references } = contentsOf(
        profile,
        map([[0, [[classOf(bytes(implementation)), [component(key, 1), other]]]]]),
      )
      assert.ok(!references[0]?.claims.has('signer-id'))
    })

    test('is refused where its profile forbids what it says', () => {
      const triple = (environment: CborValue, measurement: CborValue) => map([[0, [[environment, [measurement]]]]])
      const good = classOf(bytes(implementation))
      forbids(profile, triple(classOf(new Tagged(37, new Uint8Array(16))), component(key, 1)), /class/)
      forbids(profile, triple(classOf(bytes(new Uint8Array(31))), component(key, 1)), /class/)
      forbids(
        profile,
        triple(map([[1, bytes(implementation)]]), component(key, 1)),
        /class of an environment is missing/,
      )
      forbids(
        profile,
        triple(classOf(bytes(implementation), [[1, new Tagged(550, instance)]]), component(key, 1)),
        /instance/,
      )
      forbids(profile, triple(good, component('else', 1)), /not of a/)
      forbids(profile, triple(good, component(key, 1, [[13, [bytes(signerId), bytes(signerId)]]])), /one signer/)
      forbids(profile, triple(good, component(key, 1, [[13, [bytes(new Uint8Array(24))]]])), /one signer/)
      forbids(
        profile,
        triple(
          good,
          map([
            [0, key],
            [
              1,
              map([
                [11, 'BL'],
                [13, [bytes(signerId)]],
              ]),
            ],
          ]),
        ),
        /no digest/,
      )
      const anchorOf = (environment: CborValue, keys: readonly CborValue[]) => map([[3, [[environment, keys]]]])
      const pem = new Tagged(554, pemOf(own))
      const named = (id: CborValue) => classOf(bytes(implementation), [[1, id]])
      forbids(profile, anchorOf(good, [pem]), /instance of an environment is missing/)
      forbids(profile, anchorOf(named(bytes(instance)), [pem]), /tagged 550/)
      forbids(profile, anchorOf(named(new Tagged(550, new Uint8Array(33))), [pem]), /RAND/)
      forbids(profile, anchorOf(named(new Tagged(550, instance)), [pem, pem]), /one key/)
      forbids(profile, anchorOf(named(new Tagged(550, instance)), [new Tagged(555, 'x')]), /one key/)
      forbids(profile, anchorOf(named(new Tagged(550, instance)), [new Tagged(554, 'x')]), /cannot be read/)
    })
  })
}

describe('a manifest of an older profile of Arm', () => {
  const environment = classOf(new Tagged(600, implementation))
  const name = (changes: readonly (readonly [number, CborValue])[] = []) =>
    new Tagged(601, map([[1, 'BL'], [4, '2.1.0'], [5, signerId], ...changes]))
  const older = (key: CborValue, digest = 1) =>
    map([
      [0, key],
      [1, map([[2, [[1, new Uint8Array(32).fill(digest)]]]])],
    ])

  for (const [profile, kind] of [
    ['http://arm.com/psa/iot/1', 'psa'],
    ['http://arm.com/cca/ssd/1', 'cca-platform'],
  ] as const) {
    test(`names components by type, version and signer (${kind})`, () => {
      const own = newKey().publicKey
      const named = classOf(new Tagged(600, implementation), [[1, new Tagged(550, instance)]])
      const anchor = [named, [new Tagged(554, pemOf(own))]]
      const contents = contentsOf(
        profile,
        map([
          [0, [[environment, [older(name())]]]],
          [3, [anchor]],
        ]),
      )
      const [found] = contents.references
      assert.equal(found?.kind, kind)
      assert.deepEqual([...(found?.measurements ?? [])], [['BL', ['01'.repeat(32)]]])
      assert.equal(found?.claims.get('signer-id'), hex(signerId))
      assert.deepEqual(contents.instanceKeys[0]?.key.spki, own.spki)
    })

    test(`is refused where it says what it must not (${kind})`, () => {
      const triple = (where: Members, measurement: CborValue) => map([[0, [[where, [measurement]]]]])
      forbids(profile, triple(classOf(bytes(implementation)), older(name())), /tagged 600/)
      forbids(profile, triple(environment, older('psa.software-component')), /not of a software component/)
      forbids(profile, triple(environment, older(name([[5, new Uint8Array(20)]]))), /one signer/)
      forbids(profile, triple(environment, older(new Tagged(601, map([[1, 'BL']])))), /signer/)
    })
  }

  test('has a configuration without mask', () => {
    const configuration = map([
      [0, new Tagged(602, 'cfg')],
      [1, map([[4, bytes(Uint8Array.of(1))]])],
    ])
    const { references } = contentsOf(
      'http://arm.com/cca/ssd/1',
      map([[0, [[environment, [older(name()), configuration]]]]]),
    )
    assert.equal(references[0]?.claims.get('config'), '01')
  })
})

describe('a manifest of a CCA platform', () => {
  const environment = classOf(bytes(implementation))
  const software = component('cca.software-component', 1)
  const configuration = (values: readonly (readonly [number, CborValue])[]) =>
    map([
      [0, 'cca.platform-config'],
      [1, map(values)],
    ])
  const value = bytes(Uint8Array.of(1, 2, 3))

  test('may ask for a configuration, of which all bits are compared', () => {
    const config = configuration([
      [4, value],
      [5, Uint8Array.of(0xff, 0, 0)],
    ])
    const { references } = contentsOf(PROFILES.platform, map([[0, [[environment, [software, config]]]]]))
    assert.equal(references[0]?.claims.get('config'), '010203')
  })

  test('has one configuration, with a mask', () => {
    const whole = configuration([
      [4, value],
      [5, Uint8Array.of(0xff, 0, 0)],
    ])
    const triples = (measurements: readonly CborValue[]) => map([[0, [[environment, measurements]]]])
    forbids(PROFILES.platform, triples([software, configuration([[4, value]])]), /no mask/)
    forbids(PROFILES.platform, triples([software, configuration([[11, 'x']])]), /no raw value/)
    forbids(PROFILES.platform, triples([whole, whole]), /two configurations/)
  })
})

describe('a manifest of CCA realms', () => {
  const rim = new Uint8Array(32).fill(4)
  const environment = classOf(bytes(rim))
  const register = (name: string) =>
    map([
      [0, `cca.${name}`],
      [1, map([[2, [[1, rim]]]])],
    ])
  const all = ['rim', 'rem0', 'rem1', 'rem2', 'rem3'].map(register)
  const personalization = map([
    [0, 'cca.rpv'],
    [1, map([[4, bytes(new Uint8Array(64))]])],
  ])

  test('becomes the registers of the realm, and its personalization value', () => {
    const contents = contentsOf(PROFILES.realm, map([[0, [[environment, [personalization, ...all]]]]]))
    const reference = policyOfCorims([contents]).platforms.get('cca-realm')
    assert.equal(reference?.measurementSets?.[0]?.values.size, 5)
    assert.deepEqual(reference?.claims.get('personalization-value'), ['00'.repeat(64)])
  })

  test('is refused where its profile forbids what it says, or where it says too little', () => {
    const triples = (measurements: readonly CborValue[]) => map([[0, [[environment, measurements]]]])
    forbids(PROFILES.realm, triples([register('rem0')]), /no initial measurement/)
    forbids(PROFILES.realm, triples([...all, register('rim')]), /twice/)
    forbids(PROFILES.realm, triples([...all, personalization, personalization]), /twice/)
    forbids(PROFILES.realm, triples([...all, register('rem4')]), /none that there is/)
    forbids(PROFILES.realm, map([[3, [[environment, [new Tagged(554, 'x')]]]]]), /no trust anchors/)
    assert.throws(() => policyOfCorims([contentsOf(PROFILES.realm, triples([register('rim')]))]), {
      code: 'ERR_POLICY',
    })
  })
})

describe('a manifest of SEV-SNP', () => {
  const amd = new SimulatedAmd({ now: NOON })
  const launch = new Uint8Array(48).fill(8)
  const snpClass = new Tagged(111, Buffer.from('2b060104019c780301', 'hex'))
  const environment = classOf(snpClass, [[1, bytes(launch)]])
  const tcb = new Tagged(552, 0x0102_0000_0000_0000n + 0x0304n)
  const fields = [
    field(1, [[1, new Tagged(553, 2)]]),
    field(5, [[4, bytes(Uint8Array.of(0, 0, 0, 1))]]),
    field(642, [[4, bytes(new Uint8Array(32))]]),
    field(640, [[4, bytes(new Uint8Array(64))]]),
    field(641, [[2, [[7, launch]]]]),
    field(647, [[1, tcb]]),
    field(3968, [[1, tcb]]),
  ]
  const root = [
    map([
      [
        0,
        map([
          [1, 'Advanced Micro Devices'],
          [2, 'ARK-Milan'],
        ]),
      ],
    ]),
    [new Tagged(555, amd.rootPem)],
  ]
  const contents = contentsOf(
    PROFILES.snp,
    map([
      [0, [[environment, fields]]],
      [3, [root]],
    ]),
  )

  test('becomes a launch measurement, claims, and minimums part by part', () => {
    const [reference] = contents.references
    assert.deepEqual([...(reference?.measurements ?? [])], [['launch', [hex(launch)]]])
    assert.deepEqual(Object.fromEntries(reference?.claims ?? []), { 'host-data': '00'.repeat(32), vmpl: 1 })
    assert.deepEqual(Object.fromEntries(reference?.minimumVersions ?? []), {
      'guest-svn': 2,
      bootloader: 4,
      tee: 3,
      snp: 2,
      microcode: 1,
      'launch-bootloader': 4,
      'launch-tee': 3,
      'launch-snp': 2,
      'launch-microcode': 1,
    })
  })

  test('is all that a Verifier needs', async () => {
    const verifier = verifierOf({ policy: policyOfCorims([contents]), roots: rootsOfCorims([contents]) })
    const levels = { bootloader: 4, tee: 3, snp: 2, microcode: 1 }
    const run = async (tcb: object, report: object) => {
      const attester = new SimulatedSnpAttester(amd.platform({ tcb: { ...levels, ...tcb } }), {
        measurement: launch,
        guestSvn: 2,
        vmpl: 1,
        ...report,
      })
      return failures(await appraise({ attester, verifier }))
    }
    assert.deepEqual(await run({}, {}), [])
    assert.deepEqual(await run({ microcode: 200, snp: 3 }, { guestSvn: 3 }), [])
    // Both the reported TCB and that of the launch.
    assert.deepEqual(await run({ tee: 2, microcode: 255 }, {}), ['version', 'version'])
    assert.deepEqual(await run({}, { guestSvn: 1 }), ['version'])
    assert.deepEqual(await run({}, { vmpl: 0 }), ['claim'])
    assert.deepEqual(await run({}, { measurement: new Uint8Array(48) }), ['measurement'])
  })

  test('reads a TCB as the processor has it, if it says which', () => {
    const turin = [...fields.slice(4, 6), field(648, [[4, bytes(Uint8Array.of(0x1a))]])]
    const tcb = field(647, [[1, new Tagged(552, 0x5100_0000_0401_0101n)]])
    const { references } = contentsOf(
      PROFILES.snp,
      map([[0, [[environment, [tcb, ...turin.filter((_, i) => i !== 1)]]]]]),
    )
    assert.deepEqual(Object.fromEntries(references[0]?.minimumVersions ?? []), {
      fmc: 1,
      bootloader: 1,
      tee: 1,
      snp: 4,
      microcode: 0x51,
    })
    forbids(PROFILES.snp, map([[0, [[environment, [tcb]]]]]), /no TCB of such a processor/)
  })

  test('is refused where its profile forbids what it says', () => {
    const triples = (measurements: readonly CborValue[], where: CborValue = environment) =>
      map([[0, [[where, measurements]]]])
    forbids(PROFILES.snp, triples(fields, classOf(bytes(launch))), /none of SEV-SNP/)
    forbids(PROFILES.snp, triples([map([[1, map([[1, tcb]])]])]), /by number/)
    forbids(
      PROFILES.snp,
      triples([
        map([
          [0, snpClass],
          [1, map([[1, tcb]])],
        ]),
      ]),
      /by number/,
    )
    forbids(PROFILES.snp, triples([...fields, field(641, [[2, [[7, launch]]]])]), /twice/)
    forbids(PROFILES.snp, triples([field(641, [[2, [[7, new Uint8Array(48)]]]])]), /another launch/)
    forbids(PROFILES.snp, triples([field(5, [[4, bytes(Uint8Array.of(1))]])], classOf(snpClass)), /4 bytes/)
    forbids(
      PROFILES.snp,
      triples([field(642, [[4, bytes(new Uint8Array(32))]])], classOf(snpClass)),
      /no launch measurement/,
    )
    forbids(PROFILES.snp, triples([field(1, [[1, new Tagged(552, 2)]])]), /least one/)
    forbids(PROFILES.snp, triples([field(647, [[11, 'x']])]), /no security version/)
    const anchors = (name: Members, key: CborValue) => map([[3, [[map([[0, name]]), [key]]]]])
    const pem = new Tagged(555, amd.rootPem)
    forbids(PROFILES.snp, anchors(map([[2, 'ARK-Milan']]), pem), /vendor/)
    forbids(PROFILES.snp, anchors(map([[1, 'Advanced Micro Devices']]), pem), /line/)
    forbids(
      PROFILES.snp,
      anchors(
        map([
          [1, 'Advanced Micro Devices'],
          [2, 'ARK-Milan'],
        ]),
        new Tagged(554, 'x'),
      ),
      /one certificate/,
    )
  })
})

describe('a manifest of TPMs with Parsec', () => {
  const profile = 'tag:github.com/parallaxsecond,2023-03-03:tpm'
  const key = newKey()
  const tpm = new SimulatedTpm({
    platform: { key, chain: [] },
    selections: [{ bank: 'sha256', registers: [0, 1, 7] }],
  })
  tpm.extend(7, new Uint8Array(4))
  const environment = classOf(new Tagged(37, new Uint8Array(16)))
  const values = tpm.values.get('sha256') ?? new Map<number, Uint8Array>()
  const registers = [...values].map(([register, value]) => field(register, [[2, [[1, value]]]]))
  const named = classOf(new Tagged(37, new Uint8Array(16)), [[1, bytes(tpm.keyId)]])
  const anchor = [named, [new Tagged(554, pemOf(key.publicKey))]]

  test('is all that a Verifier needs', async () => {
    const contents = contentsOf(
      profile,
      map([
        [0, [[environment, registers.toReversed()]]],
        [3, [anchor]],
      ]),
    )
    const verifier = verifierOf({ policy: policyOfCorims([contents]), endorsements: endorsementsOfCorims([contents]) })
    const result = await appraise({ attester: tpm, verifier, type: PARSEC_TPM_MEDIA_TYPE })
    assert.deepEqual(failures(result), [])
    assert.ok(result.isAccepted, result.problem)
    tpm.extend(7, new Uint8Array(5))
    const other = await appraise({ attester: tpm, verifier, type: PARSEC_TPM_MEDIA_TYPE })
    assert.deepEqual(failures(other), ['measurement'])
  })

  test('has a state for each bank that all PCRs have a digest of', () => {
    const both = (register: number) =>
      field(register, [
        [
          2,
          [
            [1, new Uint8Array(32)],
            [7, new Uint8Array(48)],
          ],
        ],
      ])
    const [one, two] = [both(0), both(2)]
    const only = field(3, [[2, [[7, new Uint8Array(48)]]]])
    const names = (measurements: readonly CborValue[]) =>
      contentsOf(profile, map([[0, [[environment, measurements]]]])).references.map(
        ({ measurements: found }) => [...found.keys()][0],
      )
    assert.deepEqual(names([one, two]), ['sha256:0,2', 'sha384:0,2'])
    assert.deepEqual(names([one, two, only]), ['sha384:0,2,3'])
  })

  test('is refused where its profile forbids what it says', () => {
    const triples = (measurements: readonly CborValue[], where: Members = environment) =>
      map([[0, [[where, measurements]]]])
    forbids(profile, triples(registers, classOf(bytes(implementation))), /16 bytes tagged 37/)
    forbids(profile, triples(registers, named), /not for an instance/)
    forbids(
      profile,
      triples([
        map([
          [0, 'pcr0'],
          [1, map([[2, [[1, implementation]]]])],
        ]),
      ]),
      /by number/,
    )
    forbids(profile, triples([field(24, [[2, [[1, implementation]]]])]), /by number/)
    forbids(profile, triples([field(0, [[11, 'x']])]), /no digest/)
    forbids(profile, triples([...registers, ...registers]), /twice/)
    forbids(profile, triples([field(0, [[2, [[12, new Uint8Array(64)]]]])]), /no bank/)
    forbids(profile, map([[3, [[environment, anchor[1] ?? null]]]]), /instance of an environment is missing/)
  })
})
