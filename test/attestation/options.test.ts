import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type AttestationOptions, createAttestation, type Draft08Risk } from '#src/attestation/index.js'
import { MisuseError } from '#src/handshake/index.js'
import { draft08Unless } from '../support/draft08.js'
import { bareKeys, FakeAttester, FakePresenter, FakeVerifier, type Side, TEST_EVIDENCE } from './support.js'

const verifier = new FakeVerifier()
const attester = new FakeAttester()
const identityKey = bareKeys.client

/** What nobody may be told: the options without what `valid` has, and what the complaint says. */
const wrong: readonly [name: string, options: unknown, complaint: RegExp, side?: Side, hasCertificate?: boolean][] = [
  ['an unknown profile', { profile: 'draft07' }, /none of hardened, draft08/],
  [
    'an option that is misspelt',
    { expectedIdentiy: { keyIds: [] } },
    /"expectedIdentiy" is no option: there are profile,/,
  ],
  ['nothing to do', { verifier: undefined }, /needs an attester or a presenter/],
  ['an attester without types', { attester: new FakeAttester({ types: [] }) }, /no Evidence type/],
  ['a presenter without Verifiers', { presenter: new FakePresenter({ verifiers: [] }) }, /no Verifier/],
  ['no key to attest', { attester }, /no key to attest/, 'client', false],
  [
    'X.509 without a certificate',
    { attester, identityKey, ownCredentials: ['x509'] },
    /no certificate/,
    'client',
    false,
  ],
  ['a policy without a Verifier', { verifier: undefined, attester, require: 'required' }, /need a verifier/],
  ['an unknown policy', { require: 'maybe' }, /require is "maybe", which is none of required, optional/],
  ['an unknown credential', { peerCredentials: ['x508'] }, /peerCredentials is "x508"/],
  ['no credential', { peerCredentials: [] }, /peerCredentials is empty/],
  ['a credential twice', { peerCredentials: ['x509', 'x509'] }, /twice/],
  ['an unknown model', { models: ['visa'] }, /models is "visa"/],
  ['models that leave nothing', { verifier: new FakeVerifier({ types: [] }), models: ['background-check'] }, /neither/],
  [
    'Evidence without a key where there is no certificate',
    {
      verifier: new FakeVerifier({ keyless: [TEST_EVIDENCE] }),
      peerCredentials: ['attestation-only'],
      models: ['background-check'],
    },
    /speaks for no key can only come beside X.509/,
  ],
  [
    'an attester without a certificate whose Evidence speaks for no key',
    { verifier: undefined, attester: new FakeAttester({ keyless: [TEST_EVIDENCE] }), identityKey },
    /speaks for no key can only come beside X.509/,
    'client',
    false,
  ],
  ['models that leave an attester nothing', { attester, models: ['passport'] }, /nothing to do for the attester/],
  ['disclosure of a server', { attester, disclosure: {} }, /is for clients/, 'server'],
  [
    'disclosure to attested servers without a Verifier',
    { verifier: undefined, attester, disclosure: { onlyToAttested: true } },
    /needs a verifier/,
  ],
  ['an identity that is nobody’s', { expectedIdentity: {} }, /expects nothing/],
  ['an identity of no key', { expectedIdentity: { keyIds: [] } }, /at least one/],
  ['an identity of a short digest', { expectedIdentity: { keyIds: [new Uint8Array(31)] } }, /32 bytes/],
  ['an identity of no claims', { expectedIdentity: { claims: {} } }, /claims is empty/],
  ['a timeout of nothing', { timeouts: { verifier: 0 } }, /timeouts.verifier/],
  ['a timeout without end', { timeouts: { attester: Number.POSITIVE_INFINITY } }, /timeouts.attester/],
  ['limits of Evidence without an attester', { quotes: {} }, /need an attester/],
  ['batches without an attester', { batch: {} }, /need an attester/],
  ['batches under draft08', { attester, batch: {} }, /are for the profile hardened/],
  ['an age under draft08', { maxConnectionAge: 1 }, /maxConnectionAge and batch are for the profile hardened/],
  ['an admission to Evidence without an attester', { admit: () => true }, /need an attester/],
  ['no turn at the Attester', { attester, quotes: { concurrent: 0 } }, /quotes.concurrent has to be a whole number, 1/],
  ['half a place in the queue', { attester, quotes: { waiting: 0.5 } }, /quotes.waiting has to be a whole number, 0/],
  ['an unknown risk', { acceptDraft08Risks: ['everything'] }, /acceptDraft08Risks is "everything"/],
  ['an unknown code point', { codePoints: { evidence: 1 } }, /codePoints.evidence is none of ours/],
  ['a code point that is no number', { codePoints: { evidence_request: 'x' } }, /whole number/],
  ['a code point out of range', { codePoints: { evidence_request: 0x10000 } }, /0 to 65535/],
  ['a certificate type out of range', { codePoints: { attestation: 256 } }, /0 to 255/],
  ['another certificate type', { codePoints: { attestation: 2 } }, /another certificate type/],
  ['an alert that there is', { codePoints: { unsupported_evidence: 40 } }, /handshake_failure already/],
  ['one number for two alerts', { codePoints: { unsupported_evidence: 225 } }, /two numbers/],
  ['an extension that there is', { codePoints: { evidence_request: 13 } }, /number 13/],
  ['one number for two extensions', { codePoints: { evidence_request: 0xff81 } }, /number 65409/],
]

const create = (options: unknown, side: Side = 'client', hasCertificate = true) =>
  createAttestation(draft08Unless({ verifier, ...(options as Partial<AttestationOptions>) }), side, {
    now: () => 0,
    timer: () => () => undefined,
    hasCertificate,
    warn: () => undefined,
  })

describe('createAttestation refuses', () => {
  for (const [name, options, complaint, side, hasCertificate] of wrong) {
    test(name, () => {
      assert.throws(
        () => create(options, side, hasCertificate),
        (error: unknown) => {
          assert.ok(error instanceof MisuseError)
          assert.equal(error.code, 'ERR_ATTESTATION_CONFIG')
          assert.match(error.message, complaint)
          return true
        },
      )
    })
  }

  test('D-3: lists that do not fit into 255 octets, and says how long they are', () => {
    const types = Array.from({ length: 5 }, (_, i) => `application/vnd.some-long-name.evidence-${i}+cbor`)
    const cases: readonly [unknown, RegExp][] = [
      [
        { verifier: new FakeVerifier({ types }), peerCredentials: ['x509', 'attestation-only'] },
        /evidence_request would take 500 bytes for 10 entries, and has room for 255/,
      ],
      [
        { attester: new FakeAttester({ types: [...types, ...types.map(type => `${type}x`)] }) },
        /evidence_proposal would take 505 bytes/,
      ],
      [
        { verifier: new FakeVerifier({ trusted: ['a'.repeat(200), 'b'.repeat(52)] }) },
        /results_request would take 256 bytes/,
      ],
      [{ presenter: new FakePresenter({ verifiers: ['a'.repeat(254)] }) }, /results_proposal would take 256 bytes/],
      [{ verifier: new FakeVerifier({ trusted: ['a', 'a'] }) }, /results_request would name a Verifier twice/],
      [
        { verifier: new FakeVerifier({ types: ['application/eat+cwt', 'Application/EAT+cwt'] }) },
        /evidence_request would list an Evidence type twice/,
      ],
    ]
    for (const [options, complaint] of cases) {
      assert.throws(() => create(options), complaint)
      // A server sends no lists.
      assert.doesNotThrow(() => create(options, 'server'))
    }
  })

  test('D-3: nothing that just fits', () => {
    assert.doesNotThrow(() => create({ verifier: new FakeVerifier({ trusted: ['a'.repeat(200), 'b'.repeat(51)] }) }))
  })
})

describe('the profile draft08', () => {
  /** What it is told, and what is said to whoever runs it. */
  function asked(options: AttestationOptions, side: Side = 'client', hasCertificate = true): string | undefined {
    let told: string | undefined
    const warn = (sentence: string) => {
      assert.equal(told, undefined, 'said once')
      told = sentence
    }
    createAttestation(options, side, { now: () => 0, timer: () => () => undefined, hasCertificate, warn })
    return told
  }
  const results = new FakeVerifier({ trusted: ['a'] })
  const noResults = new FakeVerifier({ trusted: [] })
  const alone = { peerCredentials: ['attestation-only'] } as const
  const expectedIdentity = { claims: { place: 'lab' } } as const

  const needs: readonly [name: string, options: AttestationOptions, risks: readonly Draft08Risk[], side?: Side][] = [
    ['Evidence beside certificates', { verifier: noResults }, ['relay']],
    ['results that are taken', { verifier: results }, ['relay', 'replay']],
    ['results that may be and are not used', { verifier: results, models: ['background-check'] }, ['relay']],
    ['results that are presented', { presenter: new FakePresenter() }, ['relay', 'replay'], 'server'],
    ['a peer without a certificate', { verifier: noResults, ...alone, expectedIdentity }, ['relay', 'diversion']],
    ['a key without a certificate', { attester, identityKey }, ['relay', 'diversion']],
    ['Evidence of our own beside a certificate', { attester }, ['relay'], 'server'],
    [
      'all of it',
      { verifier: results, ...alone, expectedIdentity, attester, identityKey },
      ['relay', 'replay', 'diversion'],
    ],
  ]
  for (const [name, options, risks, side] of needs) {
    test(`wants what it leaves open to be accepted: ${name}`, () => {
      const draft = { profile: 'draft08', ...options } as const
      const list = risks.map(risk => `'${risk}'`).join(', ')
      assert.throws(() => asked(draft, side), { code: 'ERR_ATTESTATION_CONFIG', message: new RegExp(`\\[${list}\\]`) })
      for (const risk of risks) {
        const acceptDraft08Risks = risks.filter(other => other !== risk)
        // The list is whole, what is said about it is what is missing.
        assert.throws(() => asked({ ...draft, acceptDraft08Risks }, side), {
          message: new RegExp(`\\[${list}\\].*\\(${risk}: [^;]+\\)$`),
        })
      }
      const told = asked({ ...draft, acceptDraft08Risks: risks }, side)
      for (const risk of risks) assert.match(told ?? '', new RegExp(`draft08 is weaker.*${risk}: `))
      const everything = ['relay', 'replay', 'diversion'] as const
      assert.equal(asked({ ...draft, acceptDraft08Risks: everything }, side), told, 'more than there is does no harm')
    })
  }

  test('wants to know who a peer is that has no name, whatever is accepted', () => {
    const options = { profile: 'draft08', verifier, acceptDraft08Risks: ['relay', 'replay', 'diversion'] } as const
    for (const peerCredentials of [['attestation-only'], ['x509', 'attestation-only']] as const) {
      for (const require of ['required', 'optional'] as const) {
        const nameless = { ...options, peerCredentials, require }
        assert.throws(() => asked(nameless), { code: 'ERR_ATTESTATION_CONFIG', message: /give expectedIdentity/ })
        assert.doesNotThrow(() => asked({ ...nameless, expectedIdentity }))
      }
    }
  })

  test('tells the one who asks for it, if that one wants to be told', () => {
    let told = 0
    const warn = () => {
      told++
    }
    const options = { profile: 'draft08', verifier, acceptDraft08Risks: ['relay', 'replay'], warn } as const
    assert.equal(asked(options), undefined)
    assert.equal(told, 1)
  })

  test('has batches of some size, that are closed before nobody waits any more', () => {
    for (const [batch, message] of [
      [{ window: 0 }, /batch.window has to be a positive number/],
      [{ window: 10_000 }, /shorter than timeouts.attester/],
      [{ members: 0 }, /batch.members has to be a whole number, 1/],
      [{ members: 65_537 }, /at most 65536/],
    ] as const) {
      assert.throws(() => asked({ attester, batch }, 'server'), { code: 'ERR_ATTESTATION_CONFIG', message })
    }
  })

  test('has risks of its own: hardened takes none, and says nothing', () => {
    assert.equal(asked({ verifier }), undefined)
    assert.throws(() => asked({ verifier, acceptDraft08Risks: ['relay'] }), { message: /is for the profile draft08/ })
  })
})
