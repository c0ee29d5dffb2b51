import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { attestationExtensions } from '#src/attestation/extensions.js'
import { type AttestationOptions, defaultCodePoints } from '#src/attestation/index.js'
import { decode, utf8 } from '#src/bytes/index.js'
import { AlertDescription, type ExtensionValue } from '#src/handshake/index.js'
import { type AttestationResult, type CmwForm, decodeCmw, encodeCmw } from '#src/rats/index.js'
import { credentialFor } from '../support/pair.js'
import { alterAnswer, alterOffer, alterProof, assertRefused, withData } from './hostile.js'
import {
  bareKeys,
  connect,
  type EndOptions,
  FakeAttester,
  FakePresenter,
  FakeVerifier,
  FIXED_EVIDENCE,
  TEST_EVIDENCE,
} from './support.js'

/*
 * The obligations (R-…) of draft-fossati-tls-attestation-08 as the digest of it numbers them, and the decisions (D-…)
 * on what it leaves open. Those about malformed and contradicting peers stand with the hostile peers.
 */

const extensions = attestationExtensions(defaultCodePoints)
const {
  evidence_request,
  evidence_proposal,
  results_request,
  results_proposal,
  unsupported_evidence,
  unsupported_verifiers,
} = defaultCodePoints
const BOTH = ['x509', 'attestation-only'] as const

type Options = Omit<AttestationOptions, 'profile'>

/** A server that attests beside its certificate, and a client that has one too. */
const server = (attestation?: Options): EndOptions => ({ ...(attestation && { attestation }) })
const client = (attestation?: Options): EndOptions => ({ ...(attestation && { attestation }), hasCertificate: true })

/** A plug alteration that changes nothing and notes what a client offers. */
function noting(offers: ExtensionValue[][]) {
  return alterOffer(offer => {
    offers.push([...offer.extensions])
    return offer
  })
}

/** What a client offers to a server that knows nothing of attestation. */
async function offerOf(attestation: Options) {
  const offers: ExtensionValue[][] = []
  const options = attestation.verifier ? { require: 'optional' as const, ...attestation } : attestation
  await connect({ ...client(options), alterPlug: noting(offers) }, server())
  const [offer = []] = offers
  const data = (type: number) => offer.find(value => value.type === type)?.data
  const [request, proposal, asked, own] = [evidence_request, evidence_proposal, results_request, results_proposal].map(
    data,
  )
  return {
    evidenceRequest: request && decode(extensions.evidenceRequest.client_hello.codec, request),
    evidenceProposal: proposal && decode(extensions.evidenceProposal.client_hello.codec, proposal),
    resultsRequest: asked && decode(extensions.resultsRequest.client_hello.codec, asked).map(text),
    resultsProposal: own && decode(extensions.resultsProposal.client_hello.codec, own).map(text),
  }
}

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString()

describe('a client', () => {
  test('R-C1: offers Evidence in the order of its preference, the kind of credential first', async () => {
    const { evidenceProposal } = await offerOf({
      attester: new FakeAttester({ types: [TEST_EVIDENCE, 'application/eat+cwt'] }),
      identityKey: bareKeys.client,
      ownCredentials: ['attestation-only', 'x509'],
    })
    assert.deepEqual(evidenceProposal, [
      { credentialKind: 0, type: TEST_EVIDENCE },
      { credentialKind: 0, type: 263 },
      { credentialKind: 1, type: TEST_EVIDENCE },
      { credentialKind: 1, type: 263 },
    ])
  })

  test('R-C1: asks for Evidence in the order of its preference', async () => {
    const { evidenceRequest } = await offerOf({
      verifier: new FakeVerifier({ types: ['application/eat+cwt', TEST_EVIDENCE] }),
      peerCredentials: BOTH,
    })
    assert.deepEqual(
      evidenceRequest?.supportedEvidenceTypes.map(({ credentialKind, type }) => [credentialKind, type]),
      [
        [1, 263],
        [1, TEST_EVIDENCE],
        [0, 263],
        [0, TEST_EVIDENCE],
      ],
    )
  })

  test('neither asks for nor offers what speaks for no key in place of a certificate', async () => {
    const types = [TEST_EVIDENCE, 'application/eat+cwt']
    const keyless = [TEST_EVIDENCE]
    const { evidenceRequest } = await offerOf({
      verifier: new FakeVerifier({ types, keyless }),
      peerCredentials: ['attestation-only', 'x509'],
    })
    assert.deepEqual(evidenceRequest?.supportedEvidenceTypes, [
      { credentialKind: 0, type: 263 },
      { credentialKind: 1, type: TEST_EVIDENCE },
      { credentialKind: 1, type: 263 },
    ])
    const { evidenceProposal } = await offerOf({
      attester: new FakeAttester({ types, keyless }),
      identityKey: bareKeys.client,
      ownCredentials: ['attestation-only', 'x509'],
    })
    assert.deepEqual(evidenceProposal, [
      { credentialKind: 0, type: 263 },
      { credentialKind: 1, type: TEST_EVIDENCE },
      { credentialKind: 1, type: 263 },
    ])
  })

  test('R-C2: leaves out what it is not configured to produce for this server', async () => {
    const attester = new FakeAttester({ types: [TEST_EVIDENCE, 'application/eat+cwt'] })
    const asked: unknown[] = []
    const evidenceTypes = (serverName: string | undefined) => {
      asked.push(serverName)
      return ['APPLICATION/eat+cwt', 'application/unknown']
    }
    const { evidenceProposal } = await offerOf({ attester, disclosure: { evidenceTypes } })
    assert.deepEqual(evidenceProposal, [{ credentialKind: 1, type: 263 }])
    assert.deepEqual(asked, ['localhost'])
  })

  test('R-C2: with no type left leaves out evidence_proposal', async () => {
    const options = { attester: new FakeAttester(), disclosure: { evidenceTypes: () => [] } }
    assert.equal((await offerOf(options)).evidenceProposal, undefined)
  })

  test('R-C3: asks for what its Verifier takes, and for nothing where it takes no Evidence', async () => {
    const some = await offerOf({ verifier: new FakeVerifier() })
    assert.deepEqual(some.evidenceRequest?.supportedEvidenceTypes, [{ credentialKind: 1, type: TEST_EVIDENCE }])
    const none = await offerOf({ verifier: new FakeVerifier({ types: [] }) })
    assert.equal(none.evidenceRequest, undefined)
    assert.deepEqual(none.resultsRequest, ['verifier.test'])
    const passportOnly = await offerOf({ verifier: new FakeVerifier(), models: ['passport'] })
    assert.equal(passportOnly.evidenceRequest, undefined)
    const attesterOnly = await offerOf({ attester: new FakeAttester() })
    assert.equal(attesterOnly.evidenceRequest, undefined)
  })

  test('R-C4: sends the nonce of its Verifier’s session, a new one for each handshake', async () => {
    const verifier = new FakeVerifier()
    const first = await offerOf({ verifier })
    const second = await offerOf({ verifier })
    assert.deepEqual(
      [first, second].map(({ evidenceRequest }) => evidenceRequest?.nonce),
      verifier.nonces,
    )
    assert.notDeepEqual(...(verifier.nonces as [Uint8Array, Uint8Array]))
  })

  for (const length of [8, 255]) {
    test(`R-C4: sends a nonce of ${length} octets`, async () => {
      const verifier = new FakeVerifier({ nonce: () => new Uint8Array(length).fill(length) })
      const { evidenceRequest } = await offerOf({ verifier })
      assert.equal(evidenceRequest?.nonce.length, length)
    })
  }

  const bad: Readonly<Record<string, () => Uint8Array>> = {
    'of 7 octets': () => Uint8Array.of(1, 2, 3, 4, 5, 6, 7),
    'of 256 octets': () => new Uint8Array(256).fill(1),
    'of zeros': () => new Uint8Array(32),
    'that was used before': () => new Uint8Array(32).fill(7),
  }
  for (const [name, nonce] of Object.entries(bad)) {
    test(`R-C4: sends nothing with a nonce ${name}`, async () => {
      const verifier = new FakeVerifier({ nonce })
      const options: EndOptions = { attestation: { verifier, require: 'optional' } }
      if (name === 'that was used before') assert.equal((await connect(options, server())).client.error, undefined)
      const { client: end, server: other } = await connect(options, server())
      assert.equal(codeOf(end.error), 'ERR_ATTESTATION_VERIFIER_FAILED')
      assert.equal(other.isEstablished, false)
    })
  }

  test('R-C4: repeats its offer octet for octet after HelloRetryRequest', async () => {
    const hellos: string[] = []
    const pair = await connect(
      { attestation: { verifier: new FakeVerifier() }, client: { keyShareGroups: [0x0017] } },
      {
        attestation: {
          attester: new FakeAttester(),
          trace: ({ message, fields }) => {
            if (message === 'client_hello') hellos.push(JSON.stringify(fields))
          },
        },
        server: { groups: [0x001d] },
      },
    )
    assert.equal(pair.client.status?.isAttested, true)
    assert.equal(pair.client.connection.established?.isRetried, true)
    assert.equal(hellos.length, 2)
    assert.equal(hellos[0], hellos[1])
  })

  test('R-C5: offers and asks for results in the order of its preference, and leaves out what it has not', async () => {
    const presenter = new FakePresenter({ verifiers: ['one', 'two', 'three'] })
    const verifier = new FakeVerifier({ trusted: ['b', 'a'] })
    const all = await offerOf({ presenter, verifier })
    assert.deepEqual(all.resultsProposal, ['one', 'two', 'three'])
    assert.deepEqual(all.resultsRequest, ['b', 'a'])
    const some = await offerOf({ presenter, disclosure: { verifiers: () => [utf8('three'), utf8('four')] } })
    assert.deepEqual(some.resultsProposal, ['three'])
    assert.equal(some.resultsRequest, undefined)
    const none = await offerOf({ presenter, disclosure: { verifiers: () => [] } })
    assert.equal(none.resultsProposal, undefined)
  })

  test('R-C8: refuses a server that ignores it with unsupported_evidence, unless told otherwise', async () => {
    const pair = await connect(client({ verifier: new FakeVerifier() }), server())
    assertRefused(pair, 'client', 'ERR_ATTESTATION_PEER_NOT_ATTESTED', unsupported_evidence)
  })

  test('R-C8: refuses with unsupported_verifiers where it asks for results only', async () => {
    const pair = await connect(client({ verifier: new FakeVerifier(), models: ['passport'] }), server())
    assertRefused(pair, 'client', 'ERR_ATTESTATION_PEER_NOT_ATTESTED', unsupported_verifiers)
  })

  test('R-C8: goes on where attestation is optional, and says that the server is not attested', async () => {
    const pair = await connect(client({ verifier: new FakeVerifier(), require: 'optional' }), server())
    assert.equal(pair.client.data, 'data of the server')
    assert.equal(pair.client.status?.isAttested, false)
    assert.equal(pair.client.status?.bindingLevel, 0)
    assert.equal(pair.client.status?.peer.reason, 'the server does not attest')
    assert.equal(pair.client.status?.peer.requirement, 'optional')
  })

  test('R-C8: refuses whom it can name: the peer’s alert has its name too', async () => {
    const attesting = server({ attester: new FakeAttester({ types: ['application/eat+cwt'] }) })
    const pair = await connect(client({ verifier: new FakeVerifier() }), attesting)
    assert.equal(codeOf(pair.client.error), 'ERR_TLS_ALERT_UNSUPPORTED_EVIDENCE')
  })
})

describe('a server', () => {
  test('R-S1: that knows nothing of attestation ignores the extensions', async () => {
    const options = { attester: new FakeAttester(), presenter: new FakePresenter() }
    const pair = await connect(client({ ...options, verifier: new FakeVerifier(), require: 'optional' }), server())
    assert.equal(pair.server.error, undefined)
    assert.equal(pair.server.data, 'data of the client')
  })

  test('R-S1: with no Evidence in common fails with unsupported_evidence', async () => {
    const attesting = server({ attester: new FakeAttester({ types: ['application/eat+cwt'] }) })
    for (const require of ['required', 'optional'] as const) {
      const pair = await connect(client({ verifier: new FakeVerifier(), require }), attesting)
      assertRefused(pair, 'server', 'ERR_ATTESTATION_UNSUPPORTED_EVIDENCE', unsupported_evidence)
      assert.match(
        pair.server.error?.message ?? '',
        /asks for .*evidence\+json beside X.509; we can produce .*eat\+cwt/,
      )
    }
  })

  test('R-S1: with no kind of credential in common fails with unsupported_evidence', async () => {
    const attesting = {
      ...server({ attester: new FakeAttester(), identityKey: bareKeys.server }),
      hasCertificate: false,
    }
    const pair = await connect(client({ verifier: new FakeVerifier() }), attesting)
    assertRefused(pair, 'server', 'ERR_ATTESTATION_UNSUPPORTED_EVIDENCE', unsupported_evidence)
  })

  test('does not choose what speaks for no key in place of a certificate, whoever asks for it', async () => {
    const keyless = [TEST_EVIDENCE]
    const attesting = server({ attester: new FakeAttester({ keyless }), ownCredentials: BOTH })
    const both = await connect(
      client({ verifier: new FakeVerifier(), peerCredentials: ['attestation-only', 'x509'] }),
      attesting,
    )
    assert.equal(both.client.status?.peer.negotiated?.credential, 'x509')
    const alone = client({ verifier: new FakeVerifier(), peerCredentials: ['attestation-only'] })
    const pair = await connect(alone, attesting)
    assertRefused(pair, 'server', 'ERR_ATTESTATION_UNSUPPORTED_EVIDENCE', unsupported_evidence)
    const demanding = server({ verifier: new FakeVerifier({ keyless }), peerCredentials: ['attestation-only', 'x509'] })
    const proposing = client({
      attester: new FakeAttester(),
      identityKey: bareKeys.client,
      ownCredentials: ['attestation-only', 'x509'],
    })
    const other = await connect(proposing, demanding)
    assert.equal(other.server.status?.peer.negotiated?.credential, 'x509')
  })

  test('R-S1: with no Verifier in common fails with unsupported_verifiers', async () => {
    const attesting = server({ presenter: new FakePresenter({ verifiers: ['another'] }) })
    const pair = await connect(client({ verifier: new FakeVerifier() }), attesting)
    assertRefused(pair, 'server', 'ERR_ATTESTATION_UNSUPPORTED_VERIFIERS', unsupported_verifiers)
  })

  test('D-4: for which a client lists nothing that is known here fails with unsupported_evidence', async () => {
    const alterPlug = alterOffer(offer =>
      withData(offer, evidence_request, data => Uint8Array.of(4, 7, 0, 1, 7, ...data.subarray(-33))),
    )
    const pair = await connect(
      { ...client({ verifier: new FakeVerifier(), models: ['background-check'] }), alterPlug },
      server({ attester: new FakeAttester() }),
    )
    assertRefused(pair, 'server', 'ERR_ATTESTATION_UNSUPPORTED_EVIDENCE', unsupported_evidence)
    assert.match(pair.server.error?.message ?? '', /asks for nothing that is known here/)
  })

  test('D-8: that attests, but was asked for nothing, goes on', async () => {
    const pair = await connect(client(), server({ attester: new FakeAttester(), presenter: new FakePresenter() }))
    assert.equal(pair.client.data, 'data of the server')
    assert.equal(pair.server.status?.own.isPresented, false)
  })

  test('D-8: that requires attestation fails without a usable proposal', async () => {
    const requiring = (models?: Options['models']) =>
      server({ verifier: new FakeVerifier(), ...(models && { models }) })
    const silent = await connect(client(), requiring())
    assertRefused(silent, 'server', 'ERR_ATTESTATION_PEER_NOT_ATTESTED', unsupported_evidence)
    const silentPassport = await connect(client(), requiring(['passport']))
    assertRefused(silentPassport, 'server', 'ERR_ATTESTATION_PEER_NOT_ATTESTED', unsupported_verifiers)
    const attester = new FakeAttester({ types: ['application/eat+cwt'] })
    const otherType = await connect(client({ attester }), requiring())
    assertRefused(otherType, 'server', 'ERR_ATTESTATION_UNSUPPORTED_EVIDENCE', unsupported_evidence)
    const otherVerifier = await connect(client({ presenter: new FakePresenter({ verifiers: ['x'] }) }), requiring())
    assertRefused(otherVerifier, 'server', 'ERR_ATTESTATION_UNSUPPORTED_VERIFIERS', unsupported_verifiers)
  })

  test('D-8: for which attestation is optional goes on without', async () => {
    const attester = new FakeAttester({ types: ['application/eat+cwt'] })
    for (const offer of [
      client(),
      client({ attester }),
      client({ presenter: new FakePresenter({ verifiers: ['x'] }) }),
    ]) {
      const pair = await connect(offer, server({ verifier: new FakeVerifier(), require: 'optional' }))
      assert.equal(pair.server.data, 'data of the client')
      assert.equal(pair.server.status?.isAttested, false)
      assert.match(pair.server.status?.peer.reason ?? '', /^the client/)
    }
  })

  test('R-S2: asks for one type out of the list, with its Verifier’s nonce and a CertificateRequest', async () => {
    const { extension, needsCertificateRequest, verifier } = await answerTo(
      { attester: new FakeAttester() },
      evidence_proposal,
    )
    assert.ok(extension)
    const { selectedEvidenceType, nonce } = decode(extensions.evidenceProposal.encrypted_extensions.codec, extension)
    assert.deepEqual(selectedEvidenceType, { credentialKind: 1, type: TEST_EVIDENCE })
    assert.deepEqual([nonce], verifier.nonces)
    assert.equal(needsCertificateRequest, true)
  })

  test('R-S2: leaves evidence_proposal out without a common type, and opens no session', async () => {
    const attester = new FakeAttester({ types: ['application/eat+cwt'] })
    const { extension, needsCertificateRequest, verifier } = await answerTo({ attester }, evidence_proposal)
    assert.equal(extension, undefined)
    assert.equal(needsCertificateRequest, false)
    assert.deepEqual(verifier.nonces, [])
  })

  test('R-S3: answers with exactly one value out of the list, and sends that Evidence', async () => {
    const verifier = new FakeVerifier({ types: ['application/eat+cwt', TEST_EVIDENCE] })
    const attester = new FakeAttester({ types: [TEST_EVIDENCE, 'application/eat+jwt'] })
    let answered: Uint8Array | undefined
    const alterPlug = alterAnswer(answer => {
      answered = answer.extensions.find(({ type }) => type === evidence_request)?.data
      return answer
    })
    const pair = await connect(client({ verifier }), { ...server({ attester }), alterPlug })
    assert.equal(pair.client.status?.isAttested, true)
    assert.ok(answered)
    assert.deepEqual(decode(extensions.evidenceRequest.encrypted_extensions.codec, answered), {
      credentialKind: 1,
      type: TEST_EVIDENCE,
    })
    assert.deepEqual(
      attester.asked.map(({ type }) => type),
      [TEST_EVIDENCE],
    )
  })

  test('R-S4: asks for results of one Verifier out of the list, with a CertificateRequest', async () => {
    const presenter = new FakePresenter({ verifiers: ['unknown', 'verifier.test'] })
    const { extension, needsCertificateRequest } = await answerTo({ presenter }, results_proposal)
    assert.ok(extension)
    assert.equal(text(decode(extensions.resultsProposal.encrypted_extensions.codec, extension)), 'verifier.test')
    assert.equal(needsCertificateRequest, true)
  })

  test('R-S4: names the Verifier whose results it presents', async () => {
    const presenter = new FakePresenter({ verifiers: ['first', 'b'] })
    const pair = await connect(client({ verifier: new FakeVerifier({ trusted: ['a', 'b'] }) }), server({ presenter }))
    assert.equal(pair.client.status?.isAttested, true)
    assert.deepEqual(
      presenter.asked.map(({ verifier }) => text(verifier)),
      ['b'],
    )
    assert.deepEqual(pair.client.status?.peer.negotiated?.verifier, utf8('b'))
  })

  for (const prefersOwnOrder of [false, true]) {
    test(`R-S5, D-9: follows ${prefersOwnOrder ? 'its own order where it is told to' : 'the client’s order'}`, async () => {
      const asked = ['application/eat+jwt', 'application/eat+cwt']
      const attester = new FakeAttester({ types: [...asked].reverse() })
      await connect(client({ verifier: new FakeVerifier({ types: asked }) }), server({ attester, prefersOwnOrder }))
      assert.equal(attester.asked[0]?.type, prefersOwnOrder ? asked[1] : asked[0])

      const presenter = new FakePresenter({ verifiers: ['b', 'a'] })
      const verifier = new FakeVerifier({ trusted: ['a', 'b'] })
      await connect(client({ verifier }), server({ presenter, prefersOwnOrder }))
      assert.equal(text(presenter.asked[0]?.verifier ?? utf8('')), prefersOwnOrder ? 'b' : 'a')
    })
  }

  const bothModels = (isAtHand: boolean): Options => ({
    attester: new FakeAttester(),
    presenter: new FakePresenter({ isAtHand }),
  })
  const choices: readonly [name: string, options: Options, model: string][] = [
    ['results where they are at hand', bothModels(true), 'passport'],
    ['Evidence where results would have to be fetched', bothModels(false), 'background-check'],
    [
      'Evidence where it prefers that',
      { ...bothModels(true), models: ['background-check', 'passport'] },
      'background-check',
    ],
    [
      'results where there is nothing else, at hand or not',
      { presenter: new FakePresenter({ isAtHand: false }) },
      'passport',
    ],
  ]
  for (const [name, options, model] of choices) {
    test(`R-S6, D-10: of both models answers one: ${name}`, async () => {
      const pair = await connect(client({ verifier: new FakeVerifier() }), server(options))
      assert.equal(pair.client.error, undefined)
      assert.equal(pair.client.status?.peer.negotiated?.model, model)
    })
  }

  test('R-S6, D-10: of a client’s two models takes results, or what it prefers', async () => {
    for (const models of [undefined, ['background-check', 'passport']] as const) {
      const offering = client({ attester: new FakeAttester(), presenter: new FakePresenter() })
      const pair = await connect(offering, server({ verifier: new FakeVerifier(), ...(models && { models }) }))
      assert.equal(pair.server.status?.isAttested, true)
      assert.equal(pair.server.status?.peer.negotiated?.model, models?.[0] ?? 'passport')
    }
  })
})

/** What a server that takes attestation answers to a client's offer. */
async function answerTo(offer: Options, type: number) {
  const verifier = new FakeVerifier()
  let extension: Uint8Array | undefined
  let needsCertificateRequest: boolean | undefined
  const alterPlug = alterAnswer(answer => {
    extension = answer.extensions.find(value => value.type === type)?.data
    needsCertificateRequest = answer.needsCertificateRequest
    return answer
  })
  await connect(client(offer), { ...server({ verifier, require: 'optional' }), alterPlug })
  return { extension, needsCertificateRequest, verifier }
}

describe('both sides', () => {
  test('R-B1: take media types for equal as RFC 6838 does, and Content-Formats for what they stand for', async () => {
    const spellings: readonly [asked: string, made: string | number][] = [
      [TEST_EVIDENCE, TEST_EVIDENCE.toUpperCase()],
      ['application/x; a=1; b="2"', 'Application/X;B=2;A="1"'],
      ['application/eat+cwt', 263],
      [FIXED_EVIDENCE, 10003],
    ]
    for (const [asked, made] of spellings) {
      const attester = new FakeAttester({ types: [asked] })
      const alterPlug = alterProof(credential => ({
        ...credential,
        entries: credential.entries.map(({ data, extensions: [extension] }) => {
          assert.ok(extension)
          const message = decodeCmw(extension.data)
          assert.equal(message.kind, 'record')
          return { data, extensions: [{ ...extension, data: encodeCmw({ ...message, type: made }) }] }
        }),
      }))
      const verifier = new FakeVerifier({ types: [asked] })
      const pair = await connect(client({ verifier }), { ...server({ attester }), alterPlug })
      assert.equal(pair.client.error, undefined)
      assert.equal(pair.client.status?.isAttested, true)
    }
  })

  for (const form of ['cbor', 'json', 'tag'] as const satisfies readonly CmwForm[]) {
    test(`R-B2: take a CMW in ${form}`, async () => {
      const attester = new FakeAttester({ types: ['application/eat+cwt'] })
      const alterPlug = alterProof(credential => ({
        ...credential,
        entries: credential.entries.map(({ data, extensions: [extension] }) => {
          assert.ok(extension)
          return { data, extensions: [{ ...extension, data: encodeCmw(decodeCmw(extension.data), form) }] }
        }),
      }))
      const verifier = new FakeVerifier({ types: attester.evidenceTypes })
      const pair = await connect(client({ verifier }), { ...server({ attester }), alterPlug })
      assert.equal(pair.client.error, undefined)
      assert.equal(pair.client.status?.isAttested, true)
    })
  }

  for (const form of ['cbor', 'json'] as const) {
    test(`R-B1, R-B2: take a collection for its type, in ${form} too`, async () => {
      const type = 'application/cmw+cbor; cmwc_t="tag:example.com,2026:bundle"'
      const attester = new FakeAttester({ types: [type] })
      attester.evidence = async request => ({
        kind: 'collection',
        type: 'tag:example.com,2026:bundle',
        entries: new Map([['one', await new FakeAttester().evidence(request)]]),
      })
      const alterPlug = alterProof(credential => ({
        ...credential,
        entries: credential.entries.map(({ data, extensions: [extension] }) => {
          assert.ok(extension)
          return { data, extensions: [{ ...extension, data: encodeCmw(decodeCmw(extension.data), form) }] }
        }),
      }))
      const verifier = new FakeVerifier({ types: [type] })
      const pair = await connect(client({ verifier }), { ...server({ attester }), alterPlug })
      assert.equal(pair.client.error, undefined)
      assert.equal(pair.client.status?.isAttested, true)
    })
  }

  test('R-B3: let the key of a certificate stand alone where there is no other', async () => {
    const attesting = server({ attester: new FakeAttester(), ownCredentials: ['attestation-only'] })
    const pair = await connect(
      client({ verifier: new FakeVerifier(), peerCredentials: ['attestation-only'] }),
      attesting,
    )
    assert.equal(pair.client.error, undefined)
    assert.deepEqual(
      pair.client.connection.established?.peer?.publicKey.spki,
      credentialFor('localhost').key.publicKey.spki,
    )
  })

  test('R-B3: refuse an attested key that is none', async () => {
    const alter = (result: AttestationResult) => ({ ...result, attestedKey: Uint8Array.of(0x30, 0) })
    const verifier = new FakeVerifier({ alter })
    const attesting = server({ attester: new FakeAttester(), ownCredentials: ['attestation-only'] })
    const pair = await connect(client({ verifier, peerCredentials: ['attestation-only'] }), attesting)
    assertRefused(pair, 'client', 'ERR_ATTESTATION_KEY_MISMATCH', AlertDescription.bad_certificate)
  })

  test('R-C4, R-S2: do not take the same nonce for both directions', async () => {
    const nonce = () => new Uint8Array(32).fill(9)
    const attester = new FakeAttester()
    const pair = await connect(
      client({ verifier: new FakeVerifier({ nonce }), attester }),
      server({ verifier: new FakeVerifier({ nonce }), attester }),
    )
    assertRefused(pair, 'server', 'ERR_ATTESTATION_VERIFIER_FAILED', AlertDescription.internal_error)
  })

  test('R-B3: take the key out of Evidence that stands alone, and check CertificateVerify with it', async () => {
    const verifier = new FakeVerifier()
    const attesting: EndOptions = {
      attestation: { attester: new FakeAttester(), identityKey: bareKeys.server },
      hasCertificate: false,
    }
    const pair = await connect(client({ verifier, peerCredentials: ['attestation-only'] }), attesting)
    assert.equal(pair.client.error, undefined)
    const { peer } = pair.client.connection.established ?? {}
    assert.deepEqual(peer?.publicKey.spki, bareKeys.server.publicKey.spki)
    assert.deepEqual(peer?.chain, [bareKeys.server.publicKey.spki])
    assert.equal(verifier.appraised[0]?.key, null)
  })

  test('R-B3: ask the Verifier whether Evidence beside X.509 is for the key of the end entity', async () => {
    const verifier = new FakeVerifier()
    await connect(client({ verifier }), server({ attester: new FakeAttester() }))
    assert.deepEqual(verifier.appraised[0]?.key?.spki, credentialFor('localhost').key.publicKey.spki)
  })

  test('D-11: refuse Evidence beside X.509 that is for another key, whatever the Verifier says', async () => {
    const other = bareKeys.client.publicKey.spki
    const verifier = new FakeVerifier({ alter: result => ({ ...result, attestedKey: other }) })
    const pair = await connect(client({ verifier }), server({ attester: new FakeAttester() }))
    assertRefused(pair, 'client', 'ERR_ATTESTATION_KEY_MISMATCH', AlertDescription.bad_certificate)
  })

  test('D-11: take Evidence that has no room for a key where the channel binder ties it to the connection', async () => {
    const pair = await connect(
      client({ verifier: new FakeVerifier() }),
      server({ attester: new FakeAttester({ hasKey: false }) }),
    )
    assert.equal(pair.client.error, undefined)
    assert.equal(pair.client.status?.isAttested, true)
  })

  test('R-B3: refuse Evidence that stands alone, and results of any kind, without a key', async () => {
    const evidence: EndOptions = {
      attestation: { attester: new FakeAttester({ hasKey: false }), identityKey: bareKeys.server },
      hasCertificate: false,
    }
    const verifier = new FakeVerifier()
    const alone = await connect(client({ verifier, peerCredentials: ['attestation-only'] }), evidence)
    assertRefused(alone, 'client', 'ERR_ATTESTATION_KEY_MISMATCH', AlertDescription.bad_certificate)
    const presenter = new FakePresenter({ alter: claims => ({ ...claims, key: '' }) })
    const results = await connect(client({ verifier }), server({ presenter }))
    assertRefused(results, 'client', 'ERR_ATTESTATION_KEY_MISMATCH', AlertDescription.bad_certificate)
  })

  test('R-B4: a client sends nothing until the server was appraised, and no data passes before', async () => {
    let release: () => void = () => undefined
    const verdict = new Promise<void>(resolve => {
      release = resolve
    })
    const genuine = new FakeVerifier()
    let hasStalled = false
    const verifier = new FakeVerifier({
      newSession: async options => {
        const session = await genuine.newSession(options)
        return {
          nonce: session.nonce,
          appraise: async submission => {
            await verdict
            return session.appraise(submission)
          },
        }
      },
    })
    const pair = await connect(client({ verifier }), server({ attester: new FakeAttester() }), waiting => {
      hasStalled = true
      assert.equal(waiting.client.isEstablished, false)
      assert.equal(waiting.server.isEstablished, false)
      assert.equal(waiting.client.messagesSent, 1)
      release()
    })
    assert.equal(hasStalled, true)
    assert.equal(pair.client.data, 'data of the server')
  })

  test('R-B4: a server hands over nothing until the client was appraised', async () => {
    let release: () => void = () => undefined
    const verdict = new Promise<void>(resolve => {
      release = resolve
    })
    const genuine = new FakeVerifier()
    const verifier = new FakeVerifier({
      newSession: async options => {
        const session = await genuine.newSession(options)
        return {
          nonce: session.nonce,
          appraise: async submission => {
            await verdict
            return session.appraise(submission)
          },
        }
      },
    })
    const pair = await connect(client({ attester: new FakeAttester() }), server({ verifier }), waiting => {
      // The client is done and has written already: its data waits with the Certificate that comes before it.
      assert.equal(waiting.client.isEstablished, true)
      assert.equal(waiting.server.data, '')
      assert.equal(waiting.client.data, '')
      release()
    })
    assert.equal(pair.server.data, 'data of the client')
    assert.equal(pair.client.data, 'data of the server')
  })

  test('R-B5: have the nonce itself in Evidence that stands alone', async () => {
    const verifier = new FakeVerifier()
    const attester = new FakeAttester()
    const attesting: EndOptions = { attestation: { attester, identityKey: bareKeys.server }, hasCertificate: false }
    await connect(client({ verifier, peerCredentials: ['attestation-only'] }), attesting)
    assert.deepEqual(attester.asked[0]?.challenge, verifier.nonces[0])
    assert.deepEqual(verifier.appraised[0]?.challenge, verifier.nonces[0])
  })

  test('R-B5: refuse Evidence of an earlier connection', async () => {
    const stale = new FakeAttester({ alter: claims => ({ ...claims, challenge: Buffer.alloc(32, 1).toString('hex') }) })
    const pair = await connect(client({ verifier: new FakeVerifier() }), server({ attester: stale }))
    assertRefused(pair, 'client', 'ERR_ATTESTATION_REFUSED', AlertDescription.access_denied)
    assert.match(pair.client.error?.message ?? '', /challenge: expected .* found 0101/)
  })

  test('R-B6: need no private key: it signs elsewhere, and so does the Attester', async () => {
    const { key } = credentialFor('localhost')
    const signed: number[] = []
    const remote = {
      publicKey: key.publicKey,
      schemes: key.schemes,
      sign: async (scheme: number, data: Uint8Array) => {
        await new Promise(resolve => setImmediate(resolve))
        signed.push(data.length)
        return key.sign(scheme, data)
      },
    }
    const attester = new FakeAttester()
    const serverEnd: EndOptions = {
      attestation: { attester },
      server: { credentials: () => ({ ...credentialFor('localhost'), key: remote }) },
    }
    const pair = await connect(client({ verifier: new FakeVerifier() }), serverEnd)
    assert.equal(pair.client.status?.isAttested, true)
    assert.deepEqual(signed, [64 + 34 + 32])
    assert.equal(attester.asked[0]?.key.id.length, 32)
    assert.deepEqual(attester.asked[0]?.key.spki, key.publicKey.spki)
  })

  test('R-B7: present the same results in any number of handshakes', async () => {
    const presenter = new FakePresenter()
    const cached = presenter.results({
      verifier: utf8('verifier.test'),
      key: ownKey(),
      signal: new AbortController().signal,
    })
    const caching = { verifiers: presenter.verifiers, results: () => cached }
    for (let i = 0; i < 3; i++) {
      const pair = await connect(client({ verifier: new FakeVerifier() }), server({ presenter: caching }))
      assert.equal(pair.client.status?.isAttested, true)
    }
  })
})

function ownKey() {
  const { spki } = credentialFor('localhost').key.publicKey
  return { spki, id: spki.subarray(0, 32) }
}

describe('the channel binder', () => {
  test('R-X1, R-X2: is the same on both sides, made of the nonce, and checked in place of it', async () => {
    const verifier = new FakeVerifier()
    const attester = new FakeAttester()
    const pair = await connect(client({ verifier }), server({ attester }))
    const [nonce] = verifier.nonces
    assert.ok(nonce)
    const challenge = attester.asked[0]?.challenge
    assert.deepEqual(verifier.appraised[0]?.challenge, challenge)
    assert.notDeepEqual(challenge, nonce)
    for (const { connection } of [pair.client, pair.server]) {
      assert.deepEqual(connection.exportHandshakeKeyingMaterial('attestation-binder', nonce, 32), challenge)
    }
  })

  test('R-X2: of a client is made of the server’s nonce', async () => {
    const verifier = new FakeVerifier()
    const attester = new FakeAttester()
    const pair = await connect(client({ attester }), server({ verifier }))
    const [nonce] = verifier.nonces
    assert.ok(nonce)
    const expected = pair.server.connection.exportHandshakeKeyingMaterial('attestation-binder', nonce, 32)
    assert.deepEqual(attester.asked[0]?.challenge, expected)
  })

  test('R-X3, D-12: is as long as the nonce, unless the type of Evidence fixes its length', async () => {
    for (const [type, length] of [
      [TEST_EVIDENCE, 20],
      [FIXED_EVIDENCE, 48],
    ] as const) {
      const verifier = new FakeVerifier({
        types: [type],
        nonce: () => Buffer.from(`${type} of 20 bytes`).subarray(-20),
      })
      const attester = new FakeAttester({ types: [type] })
      const pair = await connect(client({ verifier }), server({ attester }))
      assert.equal(pair.client.status?.isAttested, true)
      assert.equal(attester.asked[0]?.challenge.length, length)
    }
  })
})

describe('results', () => {
  test('D-5, D-13: stand alone where the client lists the certificate type, and there is no X.509', async () => {
    const attesting: EndOptions = {
      attestation: { presenter: new FakePresenter(), identityKey: bareKeys.server },
      hasCertificate: false,
    }
    const pair = await connect(client({ verifier: new FakeVerifier(), peerCredentials: BOTH }), attesting)
    assert.equal(pair.client.error, undefined)
    assert.equal(pair.client.status?.peer.negotiated?.credential, 'attestation-only')
    assert.equal(pair.client.connection.established?.peer?.certificateType, defaultCodePoints.attestation)
  })

  test('D-5: stand beside X.509 where there is some', async () => {
    const attesting = server({ presenter: new FakePresenter(), identityKey: bareKeys.server })
    const pair = await connect(client({ verifier: new FakeVerifier(), peerCredentials: BOTH }), attesting)
    assert.equal(pair.client.status?.peer.negotiated?.credential, 'x509')
    assert.equal(pair.client.status?.isAttested, true)
  })

  test('D-13: cannot stand alone for a client that does not list the certificate type', async () => {
    const attesting: EndOptions = {
      attestation: { presenter: new FakePresenter(), identityKey: bareKeys.server },
      hasCertificate: false,
    }
    const pair = await connect(client({ verifier: new FakeVerifier() }), attesting)
    assertRefused(pair, 'server', 'ERR_ATTESTATION_UNSUPPORTED_VERIFIERS', unsupported_verifiers)
  })

  test('D-13: of a client without a certificate are not asked for beside one', async () => {
    const offering: EndOptions = { attestation: { presenter: new FakePresenter(), identityKey: bareKeys.client } }
    const pair = await connect(offering, server({ verifier: new FakeVerifier() }))
    assertRefused(pair, 'server', 'ERR_ATTESTATION_UNSUPPORTED_VERIFIERS', unsupported_verifiers)
    assert.match(pair.server.error?.message ?? '', /not in the kind of credential that we take: x509/)
    const lax = await connect(offering, server({ verifier: new FakeVerifier(), require: 'optional' }))
    assert.equal(lax.server.data, 'data of the client')
  })

  test('D-13: of a client stand alone where that is what it has', async () => {
    const offering: EndOptions = { attestation: { presenter: new FakePresenter(), identityKey: bareKeys.client } }
    const pair = await connect(offering, server({ verifier: new FakeVerifier(), peerCredentials: BOTH }))
    assert.equal(pair.server.status?.isAttested, true)
    assert.equal(pair.server.status?.peer.negotiated?.credential, 'attestation-only')
  })
})

describe('code points (D-6)', () => {
  test('can be others, if both sides agree on them', async () => {
    const codePoints = { evidence_request: 0xff01, attestation_evidence: 0xff02, unsupported_evidence: 200 }
    const pair = await connect(
      client({ verifier: new FakeVerifier(), codePoints }),
      server({ attester: new FakeAttester(), codePoints }),
    )
    assert.equal(pair.client.status?.isAttested, true)
    const other = server({ attester: new FakeAttester({ types: ['application/eat+cwt'] }), codePoints })
    const refused = await connect(client({ verifier: new FakeVerifier(), codePoints }), other)
    assertRefused(refused, 'server', 'ERR_ATTESTATION_UNSUPPORTED_EVIDENCE', 200)
  })

  test('that differ make both sides strangers', async () => {
    const pair = await connect(
      client({ verifier: new FakeVerifier(), codePoints: { evidence_request: 0xff01 }, models: ['background-check'] }),
      server({ attester: new FakeAttester() }),
    )
    assertRefused(pair, 'client', 'ERR_ATTESTATION_PEER_NOT_ATTESTED', unsupported_evidence)
  })
})

function codeOf(error: Error | undefined): unknown {
  return error && 'code' in error ? error.code : undefined
}
