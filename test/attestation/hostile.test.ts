import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { defaultCodePoints } from '#src/attestation/index.js'
import { concat, decode, EMPTY, utf8 } from '#src/bytes/index.js'
import {
  AlertDescription,
  CertificateType,
  ClientHello,
  type Credential,
  encodeMessage,
  HandshakeType,
  type PlugOffer,
  until,
} from '#src/handshake/index.js'
import { encodeCmw } from '#src/rats/index.js'
import { alterAnswer, alterOffer, alterProof, assertRefused, withData, withEntryExtensions } from './hostile.js'
import {
  bareKeys,
  connect,
  type EndOptions,
  FakeAttester,
  FakePresenter,
  FakeVerifier,
  type Pair,
  type Side,
  TEST_EVIDENCE,
} from './support.js'

const { evidence_request, evidence_proposal, results_request, results_proposal, attestation_evidence, attestation } =
  defaultCodePoints
const { illegal_parameter, decode_error, unsupported_extension, bad_certificate, unexpected_message } = AlertDescription

/** The Relying Party and the Attester of a one-way attestation, by which side attests. */
type Direction = { readonly attester: EndOptions; readonly relyingParty: EndOptions }

const alone = (side: Side): Direction => ({
  attester: { attestation: { attester: new FakeAttester(), identityKey: bareKeys[side] }, hasCertificate: false },
  relyingParty: { attestation: { verifier: new FakeVerifier(), peerCredentials: ['attestation-only'] } },
})
const beside = (): Direction => ({
  attester: { attestation: { attester: new FakeAttester() }, hasCertificate: true },
  relyingParty: { attestation: { verifier: new FakeVerifier() } },
})
const passport = (): Direction => ({
  attester: { attestation: { presenter: new FakePresenter() }, hasCertificate: true },
  relyingParty: { attestation: { verifier: new FakeVerifier() } },
})

const BOTH = ['x509', 'attestation-only'] as const

/** Connects the two so that `side` attests. */
function attestTo(side: Side, { attester, relyingParty }: Direction): Promise<Pair> {
  return side === 'client' ? connect(attester, relyingParty) : connect(relyingParty, attester)
}

const other = (side: Side): Side => (side === 'client' ? 'server' : 'client')
const cmw = encodeCmw({ kind: 'record', type: TEST_EVIDENCE, value: utf8('{}') })

describe('a peer whose Certificate is not what was agreed on is refused with bad_certificate (R-B1)', () => {
  const wrong: Readonly<Record<string, (credential: Credential) => Credential>> = {
    'Evidence of another type': credential =>
      withEntryExtensions(
        {
          ...credential,
          entries: [{ data: encodeCmw({ kind: 'record', type: 263, value: utf8('x') }), extensions: [] }],
        },
        [],
      ),
    'results in place of Evidence': credential => ({
      ...credential,
      entries: [
        { data: encodeCmw({ kind: 'record', type: TEST_EVIDENCE, value: utf8('x'), indicators: 8 }), extensions: [] },
      ],
    }),
    'a second entry': credential => ({
      ...credential,
      entries: [...credential.entries, ...credential.entries],
    }),
  }
  for (const side of ['client', 'server'] as const) {
    for (const [name, change] of Object.entries(wrong)) {
      test(`${side}: ${name}`, async () => {
        const { attester, relyingParty } = alone(side)
        const pair = await attestTo(side, { attester: { ...attester, alterPlug: alterProof(change) }, relyingParty })
        assertRefused(pair, other(side), 'ERR_ATTESTATION_WRONG_TYPE', bad_certificate)
      })
    }

    test(`${side}: what is no CMW`, async () => {
      const { attester, relyingParty } = alone(side)
      const alterPlug = alterProof(credential => ({ ...credential, entries: [{ data: utf8('no'), extensions: [] }] }))
      const pair = await attestTo(side, { attester: { ...attester, alterPlug }, relyingParty })
      assertRefused(pair, other(side), 'ERR_ATTESTATION_MALFORMED', bad_certificate)
    })

    test(`${side}: a CMW that is cut at any byte`, async () => {
      const whole = encodeCmw({ kind: 'record', type: TEST_EVIDENCE, value: utf8('{"a":1}') })
      for (let length = 1; length < whole.length; length++) {
        const { attester, relyingParty } = alone(side)
        const alterPlug = alterProof(credential => ({
          ...credential,
          entries: [{ data: whole.subarray(0, length), extensions: [] }],
        }))
        const pair = await attestTo(side, { attester: { ...attester, alterPlug }, relyingParty })
        assertRefused(pair, other(side), 'ERR_ATTESTATION_MALFORMED', bad_certificate)
      }
    })

    test(`${side}: X.509 without the Evidence that was to stand beside it`, async () => {
      const { attester, relyingParty } = beside()
      const alterPlug = alterProof(credential => ({
        ...credential,
        entries: credential.entries.map(({ data }) => ({ data, extensions: [] })),
      }))
      const pair = await attestTo(side, { attester: { ...attester, alterPlug }, relyingParty })
      assertRefused(pair, other(side), 'ERR_ATTESTATION_WRONG_TYPE', bad_certificate)
    })
  }
})

describe('results', () => {
  for (const side of ['client', 'server'] as const) {
    test(`of a ${side} that are marked as Evidence are bad_certificate (R-B1)`, async () => {
      const { attester, relyingParty } = passport()
      const evidence = encodeCmw({ kind: 'record', type: 264, value: utf8('x'), indicators: 4 })
      const alterPlug = alterProof(credential => withDataInEntry(credential, evidence))
      const pair = await attestTo(side, { attester: { ...attester, alterPlug }, relyingParty })
      assertRefused(pair, other(side), 'ERR_ATTESTATION_WRONG_TYPE', bad_certificate)
    })
  }
})

/** Changes what stands beside the certificate. */
function withDataInEntry(credential: Credential, data: Uint8Array): Credential {
  const [leaf, ...issuers] = credential.entries
  assert.ok(leaf)
  return { ...credential, entries: [withData(leaf, attestation_evidence, () => data), ...issuers] }
}

describe('attestation_evidence', () => {
  const extension = { type: attestation_evidence, data: cmw }

  for (const side of ['client', 'server'] as const) {
    test(`of a ${side} is unsupported_extension where nothing was agreed on (D-6)`, async () => {
      const { attester } = beside()
      const pair = await attestTo(side, {
        attester: {
          ...attester,
          alterPlug: plug => ({
            ...alterProof(credential => withEntryExtensions(credential, [extension]))(plug),
            answer: () => until(NO_ANSWER),
          }),
        },
        relyingParty: {
          attestation: { verifier: new FakeVerifier(), require: 'optional', models: ['passport'] },
          server: { clientAuthentication: 'required' },
        },
      })
      assertRefused(pair, other(side), 'ERR_ATTESTATION_NEGOTIATION', unsupported_extension)
    })

    test(`of a ${side} is unsupported_extension on a plain connection too`, async () => {
      const { attester } = beside()
      const alterPlug = alterProof(credential => withEntryExtensions(credential, [extension]))
      const attesting: EndOptions = { ...attester, alterPlug }
      const plain: EndOptions = { server: { clientAuthentication: 'required' } }
      const pair = await attestTo(side, { attester: attesting, relyingParty: plain })
      assertRefused(pair, other(side), 'ERR_TLS_UNSUPPORTED_EXTENSION', unsupported_extension)
    })

    test(`of a ${side} is decode_error where it stands twice`, async () => {
      const { attester, relyingParty } = beside()
      const alterPlug = alterProof(credential => withEntryExtensions(credential, [extension]))
      const pair = await attestTo(side, { attester: { ...attester, alterPlug }, relyingParty })
      assertRefused(pair, other(side), 'ERR_TLS_DECODE', decode_error)
    })

    test(`of a ${side} is unsupported_extension beside Evidence that stands alone`, async () => {
      const { attester, relyingParty } = alone(side)
      const alterPlug = alterProof(credential => withEntryExtensions(credential, [extension]))
      const pair = await attestTo(side, { attester: { ...attester, alterPlug }, relyingParty })
      assertRefused(pair, other(side), 'ERR_ATTESTATION_NEGOTIATION', unsupported_extension)
    })

    test(`of a ${side} is illegal_parameter in the second entry`, async () => {
      const { attester, relyingParty } = beside()
      const alterPlug = alterProof(credential => {
        const [leaf] = credential.entries
        assert.ok(leaf)
        return withEntryExtensions({ ...credential, entries: [leaf, { ...leaf, extensions: [] }] }, [extension], 1)
      })
      const pair = await attestTo(side, { attester: { ...attester, alterPlug }, relyingParty })
      assertRefused(pair, other(side), 'ERR_ATTESTATION_NEGOTIATION', illegal_parameter)
    })
  }

  test('means something else in ClientHello and is ignored there (D-6)', async () => {
    const alterPlug = alterOffer(offer => ({
      ...offer,
      extensions: [...offer.extensions, { type: attestation_evidence, data: Uint8Array.of(2, 0, 1) }],
    }))
    const { attester, relyingParty } = beside()
    const { client, server } = await connect({ ...relyingParty, alterPlug }, attester)
    assert.equal(server.error, undefined)
    assert.equal(client.status?.isAttested, true)
  })

  test('is unsupported_extension in EncryptedExtensions', async () => {
    const { attester, relyingParty } = beside()
    const alterPlug = alterAnswer(answer => ({ ...answer, extensions: [...answer.extensions, extension] }))
    const pair = await connect(relyingParty, { ...attester, alterPlug })
    assertRefused(pair, 'client', 'ERR_TLS_UNSUPPORTED_EXTENSION', unsupported_extension)
  })
})

describe('an answer in EncryptedExtensions', () => {
  const offered = Uint8Array.of(0, 1, 0, TEST_EVIDENCE.length, ...utf8(TEST_EVIDENCE))

  const refusals: readonly {
    readonly name: string
    readonly client: EndOptions
    readonly server: EndOptions
    readonly data: (data: Uint8Array) => Uint8Array
    readonly type: number
    readonly alert: number
  }[] = [
    {
      name: 'R-C6: that selects a type that was not offered is illegal_parameter',
      client: beside().relyingParty,
      server: beside().attester,
      type: evidence_request,
      data: () => Uint8Array.of(1, 0, 1, 7),
      alert: illegal_parameter,
    },
    {
      name: 'R-C6: that selects another credential_kind than was offered is illegal_parameter',
      client: { attestation: { verifier: new FakeVerifier(), peerCredentials: ['x509'] } },
      server: beside().attester,
      type: evidence_request,
      data: () => offered,
      alert: illegal_parameter,
    },
    {
      name: 'R-C6: that is a list is decode_error',
      client: beside().relyingParty,
      server: beside().attester,
      type: evidence_request,
      data: data => Uint8Array.of(data.length, ...data),
      alert: decode_error,
    },
    {
      name: 'R-C6: that holds two values is decode_error',
      client: beside().relyingParty,
      server: beside().attester,
      type: evidence_request,
      data: data => Uint8Array.of(...data, ...data),
      alert: decode_error,
    },
    {
      name: 'R-C6: that selects a Verifier that was not offered is illegal_parameter',
      client: passport().relyingParty,
      server: passport().attester,
      type: results_request,
      data: () => Uint8Array.of(0, 1, 0x76),
      alert: illegal_parameter,
    },
    {
      name: 'R-C6: that selects Evidence that the client did not propose is illegal_parameter',
      client: beside().attester,
      server: beside().relyingParty,
      type: evidence_proposal,
      data: data => Uint8Array.of(1, 0, 1, 7, ...data.subarray(data.length - 33)),
      alert: illegal_parameter,
    },
    {
      name: 'R-C6: that selects results that the client did not propose is illegal_parameter',
      client: passport().attester,
      server: passport().relyingParty,
      type: results_proposal,
      data: () => Uint8Array.of(0, 1, 0x76),
      alert: illegal_parameter,
    },
    {
      name: 'R-S2: with a nonce of 7 octets is decode_error',
      client: beside().attester,
      server: beside().relyingParty,
      type: evidence_proposal,
      data: data => Uint8Array.of(...data.subarray(0, data.length - 33), 7, 1, 2, 3, 4, 5, 6, 7),
      alert: decode_error,
    },
  ]
  for (const { name, client, server, type, data, alert } of refusals) {
    test(name, async () => {
      const alterPlug = alterAnswer(answer => withData(answer, type, data))
      const pair = await connect(client, { ...server, alterPlug })
      const code = alert === decode_error ? 'ERR_TLS_DECODE' : 'ERR_ATTESTATION_NEGOTIATION'
      assertRefused(pair, 'client', code, alert)
    })
  }

  test('R-C6: to what was not asked is unsupported_extension', async () => {
    for (const type of [evidence_proposal, results_request, results_proposal]) {
      const client: EndOptions = { attestation: { verifier: new FakeVerifier(), models: ['background-check'] } }
      const alterPlug = alterAnswer(answer => ({ ...answer, extensions: [...answer.extensions, { type, data: cmw }] }))
      const pair = await connect(client, { ...beside().attester, alterPlug })
      assertRefused(pair, 'client', 'ERR_TLS_UNSUPPORTED_EXTENSION', unsupported_extension)
    }
  })

  test('D-10: with Evidence and results for one direction is illegal_parameter', async () => {
    const results = { type: results_request, data: Uint8Array.of(0, 13, ...utf8('verifier.test')) }
    const alterPlug = alterAnswer(answer => ({ ...answer, extensions: [...answer.extensions, results] }))
    const pair = await connect(beside().relyingParty, { ...beside().attester, alterPlug })
    assertRefused(pair, 'client', 'ERR_ATTESTATION_NEGOTIATION', illegal_parameter)
  })

  test('R-C7, D-7: that wants the client to attest, without a CertificateRequest, is unexpected_message', async () => {
    const alterPlug = alterAnswer(answer => ({ ...answer, needsCertificateRequest: false }))
    for (const { attester, relyingParty } of [beside(), passport(), alone('client')]) {
      const pair = await connect(attester, { ...relyingParty, alterPlug })
      assertRefused(pair, 'client', 'ERR_TLS_UNEXPECTED_MESSAGE', unexpected_message)
    }
  })

  test('that sends our own nonce back is illegal_parameter', async () => {
    const alterPlug = alterAnswer(answer => {
      const own = answer.extensions.find(({ type }) => type === evidence_proposal)
      assert.ok(own)
      const nonce = client.verifier.nonces[0]
      assert.ok(nonce)
      return withData(answer, evidence_proposal, data => Uint8Array.of(...data.subarray(0, -32), ...nonce))
    })
    const client = { verifier: new FakeVerifier(), attester: new FakeAttester() }
    const server = { verifier: new FakeVerifier(), attester: new FakeAttester() }
    const pair = await connect({ attestation: client, hasCertificate: true }, { attestation: server, alterPlug })
    assertRefused(pair, 'client', 'ERR_ATTESTATION_NEGOTIATION', illegal_parameter)
  })

  test('D-13: that contradicts the certificate type is illegal_parameter', async () => {
    const client: EndOptions = { attestation: { verifier: new FakeVerifier(), peerCredentials: BOTH } }
    const alterPlug = alterAnswer(answer => ({ ...answer, serverCertificateType: attestation }))
    const pair = await connect(client, { ...beside().attester, alterPlug })
    assertRefused(pair, 'client', 'ERR_ATTESTATION_NEGOTIATION', illegal_parameter)
  })

  test('D-13: that chooses the certificate type alone, without an answer, is illegal_parameter', async () => {
    const client: EndOptions = {
      attestation: { verifier: new FakeVerifier(), peerCredentials: BOTH, require: 'optional' },
    }
    const alterPlug = alterAnswer(answer => ({ ...answer, extensions: [], serverCertificateType: attestation }))
    const pair = await connect(client, { ...beside().attester, alterPlug })
    assertRefused(pair, 'client', 'ERR_ATTESTATION_NEGOTIATION', illegal_parameter)
  })

  test('D-13: that has results in a raw public key is illegal_parameter', async () => {
    const { RawPublicKey } = CertificateType
    const client: EndOptions = {
      ...passport().relyingParty,
      alterPlug: alterOffer(offer => ({
        ...offer,
        serverCertificateTypes: [...offer.serverCertificateTypes, RawPublicKey],
      })),
    }
    const alterPlug = alterAnswer(answer => ({ ...answer, serverCertificateType: RawPublicKey }))
    const pair = await connect(client, { ...passport().attester, alterPlug })
    assertRefused(pair, 'client', 'ERR_ATTESTATION_NEGOTIATION', illegal_parameter)
  })

  test('D-13: that has results beside X.509, which the client does not take, is illegal_parameter', async () => {
    const client: EndOptions = {
      attestation: { verifier: new FakeVerifier(), peerCredentials: ['attestation-only'], require: 'optional' },
    }
    const alterPlug = alterAnswer(answer => ({
      ...answer,
      extensions: [{ type: results_request, data: Uint8Array.of(0, 13, ...utf8('verifier.test')) }],
      serverCertificateType: undefined,
    }))
    const server: EndOptions = {
      attestation: {
        presenter: new FakePresenter(),
        identityKey: bareKeys.server,
        ownCredentials: ['attestation-only'],
      },
      alterPlug,
    }
    const pair = await connect(client, server)
    assertRefused(pair, 'client', 'ERR_ATTESTATION_NEGOTIATION', illegal_parameter)
  })

  test('D-13: that wants results beside X.509 from a client whose own stand alone is unsupported_certificate', async () => {
    const client: EndOptions = {
      attestation: { presenter: new FakePresenter(), ownCredentials: ['attestation-only'] },
      hasCertificate: true,
    }
    const server: EndOptions = {
      attestation: { verifier: new FakeVerifier(), peerCredentials: BOTH },
      alterPlug: alterAnswer(answer => ({ ...answer, clientCertificateType: CertificateType.X509 })),
    }
    const pair = await connect(client, server)
    assertRefused(pair, 'client', 'ERR_ATTESTATION_NEGOTIATION', AlertDescription.unsupported_certificate)
  })

  test('is decode_error wherever it is cut', async () => {
    const directions: readonly [number, EndOptions, EndOptions][] = [
      [evidence_request, beside().relyingParty, beside().attester],
      [evidence_proposal, beside().attester, beside().relyingParty],
      [results_request, passport().relyingParty, passport().attester],
      [results_proposal, passport().attester, passport().relyingParty],
    ]
    for (const [type, client, server] of directions) {
      let whole = Number.POSITIVE_INFINITY
      for (let length = 0; length < whole; length++) {
        const alterPlug = alterAnswer(answer =>
          withData(answer, type, data => {
            whole = data.length
            return data.subarray(0, length)
          }),
        )
        const pair = await connect(client, { ...server, alterPlug })
        if (length < whole) assertRefused(pair, 'client', 'ERR_TLS_DECODE', decode_error)
      }
    }
  })
})

describe('an offer in ClientHello', () => {
  const everything = (): EndOptions => ({
    attestation: { verifier: new FakeVerifier(), attester: new FakeAttester(), presenter: new FakePresenter() },
    hasCertificate: true,
  })

  test('is decode_error wherever one of its extensions is cut', async () => {
    for (const type of [evidence_request, evidence_proposal, results_request, results_proposal]) {
      let whole = Number.POSITIVE_INFINITY
      for (let length = 0; length < whole; length++) {
        const alterPlug = alterOffer(offer =>
          withData(offer, type, data => {
            whole = data.length
            return data.subarray(0, length)
          }),
        )
        const pair = await connect({ ...everything(), alterPlug: lenient(alterPlug) }, everything())
        if (length < whole) assertRefused(pair, 'server', 'ERR_TLS_DECODE', decode_error)
      }
    }
  })

  test('is decode_error with the same extension twice', async () => {
    for (const type of [evidence_request, evidence_proposal, results_request, results_proposal]) {
      const pair = await connect({ ...everything(), tamper: bytes => doubled(bytes, type) }, everything())
      assertRefused(pair, 'server', 'ERR_TLS_DECODE', decode_error)
    }
  })

  for (const part of ['nonce', 'list'] as const) {
    test(`R-C4: whose ${part} changes after HelloRetryRequest is illegal_parameter`, async () => {
      let hellos = 0
      const alterPlug = alterOffer((offer): PlugOffer => {
        const changed = withData(offer, evidence_request, data => {
          const copy = Uint8Array.from(data)
          copy[part === 'nonce' ? copy.length - 1 : copy.length - 40] ^= 1
          return copy
        })
        return {
          ...offer,
          get extensions() {
            return hellos++ === 0 ? offer.extensions : changed.extensions
          },
        }
      })
      const client: EndOptions = { ...everything(), client: { keyShareGroups: [0x0017] }, alterPlug }
      const pair = await connect(client, { ...everything(), server: { groups: [0x001d] } })
      assert.equal(hellos, 2)
      assertRefused(pair, 'server', 'ERR_TLS_ILLEGAL_PARAMETER', illegal_parameter)
    })
  }
})

describe('a client that was asked to attest', () => {
  for (const [name, { attester, relyingParty }] of Object.entries({
    'Evidence beside X.509': beside(),
    'Evidence alone': alone('client'),
    results: passport(),
  })) {
    for (const require of ['required', 'optional'] as const) {
      test(`and sends an empty Certificate is refused: ${name}, ${require}`, async () => {
        const server: EndOptions = { attestation: { ...relyingParty.attestation, require } }
        const pair = await connect({ ...attester, alterPlug: alterProof(() => null) }, server)
        assertRefused(pair, 'server', 'ERR_ATTESTATION_PEER_NOT_ATTESTED', AlertDescription.certificate_required)
      })
    }
  }

  test('and sends plain X.509 in place of Evidence that was to stand alone is refused', async () => {
    const { relyingParty } = alone('client')
    const attester: EndOptions = {
      attestation: { attester: new FakeAttester(), identityKey: bareKeys.client, ownCredentials: ['attestation-only'] },
      hasCertificate: true,
      alterPlug: plug => ({
        ...plug,
        prove: (_hs, own) => until(own),
      }),
    }
    const pair = await connect(attester, relyingParty)
    assertRefused(pair, 'server', 'ERR_ATTESTATION_MALFORMED', bad_certificate)
  })
})

describe('one of the four extensions', () => {
  test('is illegal_parameter in a CertificateEntry (D-2)', async () => {
    for (const type of [evidence_request, evidence_proposal, results_request, results_proposal]) {
      const { attester, relyingParty } = beside()
      const alterPlug = alterProof(credential => withEntryExtensions(credential, [{ type, data: EMPTY }]))
      const pair = await connect(relyingParty, { ...attester, alterPlug })
      assertRefused(pair, 'client', 'ERR_TLS_ILLEGAL_PARAMETER', illegal_parameter)
    }
  })
})

describe('whoever proves with another key than the attested one', () => {
  for (const side of ['client', 'server'] as const) {
    test(`as a ${side} fails at CertificateVerify (R-B3)`, async () => {
      const { attester, relyingParty } = alone(side)
      const alterPlug = alterProof(credential => ({ ...credential, key: bareKeys[other(side)] }))
      const pair = await attestTo(side, { attester: { ...attester, alterPlug }, relyingParty })
      assertRefused(pair, other(side), 'ERR_TLS_DECRYPT_ERROR', AlertDescription.decrypt_error)
      assert.equal(pair[other(side)].status?.bindingLevel, 0)
    })
  }
})

const NO_ANSWER = {
  extensions: [],
  needsCertificateRequest: false,
  serverCertificateType: undefined,
  clientCertificateType: undefined,
}

/** A client whose own table does not mind what it sends: it reads its ClientHello back. */
function lenient(
  alter: (plug: Parameters<EndOptions['alterPlug'] & {}>[0]) => ReturnType<EndOptions['alterPlug'] & {}>,
) {
  return (plug: Parameters<typeof alter>[0]) => ({ ...alter(plug), extensions: [] })
}

/** A ClientHello, alone in its record, with an extension twice. */
function doubled(record: Uint8Array, type: number): Uint8Array {
  const hello = decode(ClientHello, record.subarray(9))
  const extensions = hello.extensions.flatMap(value => (value.type === type ? [value, value] : [value]))
  const message = encodeMessage(HandshakeType.client_hello, ClientHello, { ...hello, extensions })
  return concat(Uint8Array.of(22, 3, 1, message.length >>> 8, message.length & 0xff), message)
}
