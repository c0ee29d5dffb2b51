import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { Policy, type PolicyDocument, PolicyError, remarksOn } from '#src/verifier/index.js'

const digest = 'ab'.repeat(32)

const complete: PolicyDocument = {
  version: 1,
  name: 'shop',
  platforms: [
    {
      kind: 'simulated',
      measurements: [
        { name: 'old', values: { workload: digest } },
        { name: 'new', values: { workload: [digest, 'cd'.repeat(48)], firmware: 'EF'.repeat(64) } },
      ],
      allowDebug: true,
      lifecycle: ['secured', 'non-psa-rot-debug'],
      claims: { 'instance-id': ['01', '02'], 'implementation-id': 'aa' },
    },
  ],
  clockLeewaySeconds: 5,
  acceptedTiers: ['affirming', 'warning'],
  resultMaxAgeSeconds: 10,
  resultLifetimeSeconds: 20,
}

describe('a policy', () => {
  test('is read with all of its members', () => {
    const policy = Policy.from(complete, 'shop.json')
    assert.equal(policy.name, 'shop')
    assert.equal(policy.source, 'shop.json')
    assert.equal(policy.clockLeewaySeconds, 5)
    assert.deepEqual([...policy.acceptedTiers], ['affirming', 'warning'])
    assert.equal(policy.resultMaxAgeSeconds, 10)
    assert.equal(policy.resultLifetimeSeconds, 20)
    const reference = policy.platforms.get('simulated')
    assert.ok(reference)
    assert.equal(reference.source, 'shop.json: platforms[0]')
    assert.equal(reference.allowsDebug, true)
    assert.deepEqual(reference.lifecycles, ['secured', 'non-psa-rot-debug'])
    assert.deepEqual(reference.claims.get('instance-id'), ['01', '02'])
    assert.deepEqual(
      reference.measurementSets?.map(({ name }) => name),
      ['old', 'new'],
    )
    assert.deepEqual(reference.measurementSets?.[1]?.values.get('firmware'), ['ef'.repeat(64)])
  })

  test('is strict where it says nothing', () => {
    const policy = Policy.from({
      version: 1,
      platforms: [{ kind: 'simulated', measurements: [{ values: { workload: digest } }] }],
    })
    const reference = policy.platforms.get('simulated')
    assert.equal(reference?.allowsDebug, false)
    assert.deepEqual(reference?.lifecycles, ['secured'])
    assert.deepEqual([...policy.acceptedTiers], ['affirming'])
    assert.equal(policy.clockLeewaySeconds, 60)
    assert.equal(policy.resultMaxAgeSeconds, 86_400)
    assert.equal(policy.resultLifetimeSeconds, 3600)
    assert.equal(policy.referenceValues({ trustsSimulatedPlatforms: false }).trustsSimulatedPlatforms, false)
  })

  test('accepts any measurement only when that is said in so many words', () => {
    const policy = Policy.from({
      version: 1,
      platforms: [{ kind: 'simulated', dangerouslyAcceptAnyMeasurement: true }],
    })
    assert.equal(policy.platforms.get('simulated')?.measurementSets, null)
  })
})

describe('the digest of a policy', () => {
  test('does not depend on spelling, order and names', () => {
    const [platform] = complete.platforms ?? []
    assert.ok(platform)
    const [old, next] = platform.measurements ?? []
    assert.ok(old && next)
    const other: PolicyDocument = {
      acceptedTiers: ['warning', 'affirming'],
      resultLifetimeSeconds: 20,
      resultMaxAgeSeconds: 10,
      clockLeewaySeconds: 5,
      platforms: [
        {
          claims: { 'implementation-id': ['aa'], 'instance-id': ['02', '01'] },
          lifecycle: ['non-psa-rot-debug', 'secured'],
          allowDebug: true,
          measurements: [
            { values: { firmware: ['ef'.repeat(64)], workload: ['CD'.repeat(48), digest] } },
            { values: old.values },
          ],
          kind: 'simulated',
        },
      ],
      name: 'another name',
      version: 1,
    }
    assert.equal(Policy.from(other).digest, Policy.from(complete).digest)
  })

  test('of a policy that lists no platform is none: that would refuse everybody, and looks like a mistake', () => {
    assert.throws(() => Policy.from({ ...complete, platforms: [] }), { code: 'ERR_POLICY', message: /is empty/ })
  })

  test('changes with everything that a verdict depends on', () => {
    const [platform] = complete.platforms ?? []
    assert.ok(platform)
    const with_ = (changes: Partial<typeof platform>) => ({ ...complete, platforms: [{ ...platform, ...changes }] })
    const { platforms: _, ...withoutPlatforms } = complete
    const documents: readonly PolicyDocument[] = [
      complete,
      { ...complete, clockLeewaySeconds: 6 },
      { ...complete, acceptedTiers: ['affirming'] },
      { ...complete, resultMaxAgeSeconds: 11 },
      { ...complete, resultLifetimeSeconds: 21 },
      withoutPlatforms,
      with_({ allowDebug: false }),
      with_({ lifecycle: ['secured'] }),
      with_({ claims: {} }),
      with_({ measurements: platform.measurements?.slice(1) ?? [] }),
    ]
    assert.equal(new Set(documents.map(document => Policy.from(document).digest)).size, documents.length)
  })
})

describe('several policies', () => {
  const one = Policy.from(
    { version: 1, name: 'a', platforms: [{ kind: 'simulated', measurements: [{ values: { workload: digest } }] }] },
    'a.json',
  )
  const other = Policy.from(
    {
      version: 1,
      name: 'b',
      platforms: [
        { kind: 'simulated', measurements: [{ values: { workload: 'cd'.repeat(32) } }] },
        { kind: 'sev-snp', measurements: [{ values: { launch: 'ef'.repeat(48) } }] },
      ],
      clockLeewaySeconds: 5,
      acceptedTiers: ['affirming', 'warning'],
      resultLifetimeSeconds: 9,
    },
    'b.json',
  )

  test('allow together what one of them allows, and are as strict as the strictest in all else', () => {
    const both = Policy.combine([one, other])
    assert.deepEqual([...both.platforms.keys()], ['simulated', 'sev-snp'])
    assert.deepEqual(
      both.platforms.get('simulated')?.measurementSets?.map(({ values }) => values.get('workload')),
      [[digest], ['cd'.repeat(32)]],
    )
    assert.deepEqual([...both.acceptedTiers], ['affirming'])
    assert.equal(both.clockLeewaySeconds, 5)
    assert.equal(both.resultLifetimeSeconds, 9)
    assert.equal(both.resultMaxAgeSeconds, 86_400)
    assert.equal(both.name, 'a + b')
    assert.equal(both.source, 'a.json + b.json')
    assert.equal(both.digest, Policy.combine([other, one]).digest)
    assert.equal(Policy.combine([one]).digest, one.digest)
  })

  const changes: readonly (readonly [string, object])[] = [
    ['allowDebug', { allowDebug: true }],
    ['lifecycle', { lifecycle: ['secured', 'decommissioned'] }],
    ['claims', { claims: { 'instance-id': '01' } }],
    ['dangerouslyAcceptAnyMeasurement', { measurements: undefined, dangerouslyAcceptAnyMeasurement: true }],
  ]
  for (const [what, change] of changes) {
    test(`cannot be combined when they differ about a platform in ${what}`, () => {
      const [platform] = complete.platforms ?? []
      assert.ok(platform)
      const { measurements } = platform
      const differing = Policy.from({
        version: 1,
        platforms: [{ kind: 'simulated', ...(measurements && { measurements }), ...change }],
      })
      assert.throws(() => Policy.combine([one, differing]), new RegExp(`simulated than a\\.json.*: ${what} differs`))
    })
  }

  test('are at least one', () => assert.throws(() => Policy.combine([]), RangeError))
})

/** What a policy with one platform says about it: the rest of the document is in order. */
function withPlatform(text: string): string {
  return `{\n  "version": 1,\n  "platforms": [\n    ${text}\n  ]\n}`
}

describe('a document that is no policy is refused with line and column', () => {
  const cases: readonly (readonly [string, string, string])[] = [
    ['is empty', '', '1:1: this is not JSON'],
    ['is not JSON', '{\n  "version": 1,\n}', '3:1: this is not JSON'],
    [
      'has a control character between values',
      '{"version":\u001b1}',
      "1:12: this is not JSON: Unexpected character '\\u001b' found.",
    ],
    ['has a comment', '// x\n{"version":1}', '1:1: this is not JSON'],
    ['has a control character in a string', '{"version":1,"name":"a\u0001"}', '1:1: this is not JSON'],
    ['is an array', '[]', '1:1: has to be an object, not an array'],
    ['has no version', '{}', '1:1: a policy begins with "version": 1'],
    ['is of another version', '{"version": 2}', '1:13: version has to be a whole number from 1 to 1, not 2'],
    ['has a version that is text', '{"version": "1"}', '1:13: version has to be a number, not a string'],
    ['says a thing twice', '{"version": 1,\n"name": "a",\n"name": "b"}', '3:1: name stands there twice'],
    ['has an unknown member', '{"version": 1,\n "platform": []}', '2:14: platform is not a member that is known here'],
    ['has a name that is too long', `{"version":1,"name":"${'x'.repeat(65)}"}`, '1:21: name has to be 1 to 64'],
    ['has a leeway beyond all clocks', '{"version":1,"clockLeewaySeconds":601}', '1:35: clockLeewaySeconds has to be'],
    ['accepts no verdict', '{"version":1,"acceptedTiers":[]}', '1:30: acceptedTiers has to hold affirming'],
    [
      'accepts what nobody can act on',
      '{"version":1,"acceptedTiers":["affirming","none"]}',
      '1:43: acceptedTiers[1] is "none", but only affirming and warning',
    ],
    ['names no kind', withPlatform('{ "allowDebug": false }'), '4:5: platforms[0] has no kind: one of '],
    [
      'names an unknown kind',
      withPlatform('{ "kind": "toaster" }'),
      '4:15: platforms[0].kind is "toaster", which is not a kind of platform here',
    ],
    ['pins nothing', withPlatform('{ "kind": "simulated" }'), '4:5: platforms[0] '],
    [
      'pins an empty list of sets',
      withPlatform('{ "kind": "simulated", "measurements": [] }'),
      '4:44: platforms[0].measurements ',
    ],
    [
      'pins too little to mean anything',
      withPlatform(`{ "kind": "simulated", "measurements": [{ "values": { "firmware": "${digest}" } }] }`),
      '4:57: platforms[0].measurements[0].values does not pin workload, without which it says too little',
    ],
    [
      'pins half a digest',
      withPlatform('{ "kind": "simulated", "measurements": [{ "values": { "workload": "abcd" } }] }'),
      '4:71: platforms[0].measurements[0].values.workload has 4 hexadecimal digits',
    ],
    [
      'pins what is not hexadecimal',
      withPlatform('{ "kind": "simulated", "measurements": [{ "values": { "workload": "xyz" } }] }'),
      '4:71: platforms[0].measurements[0].values.workload has to be hexadecimal digits only',
    ],
    [
      'pins no value at all',
      withPlatform('{ "kind": "simulated", "measurements": [{ "values": { "workload": [] } }] }'),
      '4:71: platforms[0].measurements[0].values.workload is an empty array',
    ],
    [
      'both pins and does not',
      withPlatform(
        `{ "kind": "simulated", "dangerouslyAcceptAnyMeasurement": true, "measurements": [{ "values": { "workload": "${digest}" } }] }`,
      ),
      '4:',
    ],
    [
      'allows no lifecycle',
      withPlatform('{ "kind": "simulated", "dangerouslyAcceptAnyMeasurement": true, "lifecycle": [] }'),
      '4:82: platforms[0].lifecycle allows no state',
    ],
    [
      'allows an unknown lifecycle',
      withPlatform('{ "kind": "simulated", "dangerouslyAcceptAnyMeasurement": true, "lifecycle": ["happy"] }'),
      '4:83: platforms[0].lifecycle[0] is "happy", which is none of',
    ],
    [
      'asks for an unknown claim',
      withPlatform('{ "kind": "simulated", "dangerouslyAcceptAnyMeasurement": true, "claims": { "colour": "red" } }'),
      '4:91: platforms[0].claims.colour is not a claim of platforms of kind simulated',
    ],
    [
      'asks for a claim that is no value',
      withPlatform(
        '{ "kind": "simulated", "dangerouslyAcceptAnyMeasurement": true, "claims": { "instance-id": null } }',
      ),
      '4:96: platforms[0].claims.instance-id has to be a string, a number, true or false, not null',
    ],
    [
      'sets the version of what has none',
      withPlatform('{ "kind": "simulated", "dangerouslyAcceptAnyMeasurement": true, "minimumVersions": { "snp": 1 } }'),
      '4:97: platforms[0].minimumVersions.snp is not a component',
    ],
    [
      'sets a TCB status where nobody rates',
      withPlatform('{ "kind": "simulated", "dangerouslyAcceptAnyMeasurement": true, "tcb": {} }'),
      '4:76: platforms[0].tcb cannot be asked for',
    ],
    [
      'names a kind twice',
      withPlatform(
        '{ "kind": "simulated", "dangerouslyAcceptAnyMeasurement": true },\n    { "kind": "simulated", "dangerouslyAcceptAnyMeasurement": true }',
      ),
      '5:5: platforms[1] is a second entry for simulated',
    ],
  ]
  for (const [what, text, message] of cases) {
    test(what, () => {
      assert.throws(
        () => Policy.parse(text, 'shop.json'),
        (error: unknown) => {
          assert.ok(error instanceof PolicyError)
          assert.equal(error.code, 'ERR_POLICY')
          assert.ok(error.message.startsWith(`shop.json:${message}`), error.message)
          return true
        },
      )
    })
  }

  test('is nested too deeply', () => {
    const text = `${'['.repeat(200_000)}${']'.repeat(200_000)}`
    assert.throws(() => Policy.parse(text), PolicyError)
  })

  test('is too long', () => {
    assert.throws(() => Policy.parse(' '.repeat(1_048_577)), PolicyError)
  })
})

test('any text is a policy, or is refused with a place in it', () => {
  const text = JSON.stringify(complete, null, 1)
  fc.assert(
    fc.property(fc.nat(text.length), fc.nat(20), fc.string({ maxLength: 4 }), (at, length, inserted) => {
      const changed = text.slice(0, at) + inserted + text.slice(at + length)
      try {
        Policy.parse(changed)
      } catch (error) {
        assert.ok(error instanceof PolicyError)
        assert.ok(error.line >= 1 && error.line <= changed.split('\n').length + 1)
        assert.ok(error.column >= 1)
      }
    }),
    { numRuns: 300 },
  )
})

describe('what a policy leaves open is remarked on:', () => {
  const measurements = [{ values: { launch: 'ab'.repeat(48) } }]
  const remarks = (document: Omit<PolicyDocument, 'version'>) => remarksOn(Policy.from({ version: 1, ...document }))

  test('nothing, where nothing is', () => {
    const minimumVersions = { snp: 20 }
    assert.deepEqual(remarks({ platforms: [{ kind: 'sev-snp', measurements, minimumVersions }] }), [])
  })

  test('old firmware, where no vendor rates it', () => {
    const [remark, ...more] = remarks({ platforms: [{ kind: 'sev-snp', measurements }] })
    assert.match(remark ?? '', /^sev-snp: minimumVersions says nothing, .* there are .*microcode/)
    assert.deepEqual(more, [])
    const tdx = {
      mrtd: 'ab'.repeat(48),
      rtmr0: 'ab'.repeat(48),
      rtmr1: 'ab'.repeat(48),
      rtmr2: 'ab'.repeat(48),
      rtmr3: 'ab'.repeat(48),
    }
    assert.deepEqual(remarks({ platforms: [{ kind: 'tdx', measurements: [{ values: tdx }] }] }), [])
  })

  test('any software, debuggers, warnings and no platform at all', () => {
    const platforms = [{ kind: 'simulated', dangerouslyAcceptAnyMeasurement: true, allowDebug: true }]
    assert.deepEqual(remarks({ platforms, acceptedTiers: ['affirming', 'warning'] }), [
      'simulated: any software will do',
      'simulated: a debugger may look in',
      'a verdict of warning is accepted',
    ])
    assert.deepEqual(remarks({}), ['no platform is named, so all Evidence is refused'])
  })
})
