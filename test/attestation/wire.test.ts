import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { CredentialKind, EvidenceTypes } from '#src/attestation/evidence-type.js'
import { attestationExtensions } from '#src/attestation/extensions.js'
import { defaultCodePoints } from '#src/attestation/index.js'
import { type Codec, DecodeError, decode, encode, utf8 } from '#src/bytes/index.js'

/** Hex with a comment per field. */
function hex(...fields: readonly (readonly [hex: string, meaning: string])[]): Uint8Array {
  return Uint8Array.from(Buffer.from(fields.map(([digits]) => digits.replaceAll(' ', '')).join(''), 'hex'))
}

const { ATTESTATION, CERT_ATTESTATION } = CredentialKind
const { evidenceRequest, evidenceProposal, resultsRequest, resultsProposal, attestationEvidence } =
  attestationExtensions(defaultCodePoints)

const NONCE_8 = ['01 02 03 04 05 06 07 08', 'nonce'] as const
const nonce8 = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)
/** Two entries: application/eat+cwt by its number, then a media type by name. */
const TWO_TYPES = [
  ['14', 'supported_evidence_types: 20 octets'],
  ['00', 'credential_kind ATTESTATION'],
  ['00', 'type_encoding CONTENT_FORMAT'],
  ['01 07', 'content_format 263'],
  ['01', 'credential_kind CERT_ATTESTATION'],
  ['01', 'type_encoding MEDIA_TYPE'],
  ['00 0c', 'media_type: 12 octets'],
  ['74 65 78 74 2f 65 78 61 6d 70 6c 65', '"text/example"'],
] as const
const twoTypes = [
  { credentialKind: ATTESTATION, type: 263 },
  { credentialKind: CERT_ATTESTATION, type: 'text/example' },
]

/** What each structure of §2 is, octet by octet. */
const vectors: readonly { name: string; codec: Codec<unknown>; value: unknown; bytes: Uint8Array }[] = [
  {
    name: 'evidence_request in ClientHello',
    codec: evidenceRequest.client_hello.codec,
    value: { supportedEvidenceTypes: twoTypes, nonce: nonce8 },
    bytes: hex(...TWO_TYPES, ['08', 'nonce: 8 octets'], NONCE_8),
  },
  {
    name: 'evidence_request in EncryptedExtensions, by number',
    codec: evidenceRequest.encrypted_extensions.codec,
    value: { credentialKind: CERT_ATTESTATION, type: 10003 },
    bytes: hex(['01', 'CERT_ATTESTATION'], ['00', 'CONTENT_FORMAT'], ['27 13', 'content_format 10003']),
  },
  {
    name: 'evidence_request in EncryptedExtensions, by name',
    codec: evidenceRequest.encrypted_extensions.codec,
    value: { credentialKind: ATTESTATION, type: 'a/b; c="d"' },
    bytes: hex(
      ['00', 'ATTESTATION'],
      ['01', 'MEDIA_TYPE'],
      ['00 0a', 'media_type: 10 octets'],
      ['61 2f 62 3b 20 63 3d 22 64 22', 'a/b; c="d"'],
    ),
  },
  {
    name: 'evidence_proposal in ClientHello',
    codec: evidenceProposal.client_hello.codec,
    value: twoTypes,
    bytes: hex(...TWO_TYPES),
  },
  {
    name: 'evidence_proposal in EncryptedExtensions',
    codec: evidenceProposal.encrypted_extensions.codec,
    value: { selectedEvidenceType: { credentialKind: ATTESTATION, type: 263 }, nonce: nonce8 },
    bytes: hex(
      ['00', 'ATTESTATION'],
      ['00', 'CONTENT_FORMAT'],
      ['01 07', 'content_format 263'],
      ['08', 'nonce: 8 octets'],
      NONCE_8,
    ),
  },
  ...[resultsRequest, resultsProposal].flatMap(({ row, client_hello, encrypted_extensions }) => [
    {
      name: `${row.name} in ClientHello`,
      codec: client_hello.codec,
      value: [utf8('v1'), new Uint8Array(0)],
      bytes: hex(
        ['06', 'trusted_verifiers: 6 octets'],
        ['00 02', 'verifier_identity: 2 octets'],
        ['76 31', '"v1"'],
        ['00 00', 'verifier_identity: empty'],
      ),
    },
    {
      name: `${row.name} in EncryptedExtensions`,
      codec: encrypted_extensions.codec,
      value: utf8('v1'),
      bytes: hex(['00 02', 'verifier_identity: 2 octets'], ['76 31', '"v1"']),
    },
  ]),
]

describe('the structures of draft-fossati-tls-attestation-08 on the wire', () => {
  for (const { name, codec, value, bytes } of vectors) {
    test(`${name} is written octet by octet as the text says`, () => {
      assert.deepEqual(encode(codec, value), bytes)
    })
    test(`${name} is read back`, () => {
      assert.deepEqual(decode(codec, bytes), value)
    })
    test(`${name} does not decode when it is cut anywhere, or followed by anything`, () => {
      for (let length = 0; length < bytes.length; length++) {
        assert.throws(() => decode(codec, bytes.subarray(0, length)), DecodeError)
      }
      assert.throws(() => decode(codec, Uint8Array.of(...bytes, 0)), DecodeError)
    })
  }

  test('attestation_evidence is the CMW itself, and never empty', () => {
    const { codec } = attestationEvidence.certificate
    assert.deepEqual(encode(codec, Uint8Array.of(0x82, 1)), Uint8Array.of(0x82, 1))
    assert.throws(() => decode(codec, new Uint8Array(0)), DecodeError)
  })

  test('D-1: both enumerations take one octet', () => {
    const [kind, encoding] = encode(evidenceRequest.encrypted_extensions.codec, {
      credentialKind: CERT_ATTESTATION,
      type: 'a/b',
    })
    assert.deepEqual([kind, encoding], [1, 1])
  })

  test('D-2: each of the four stands in ClientHello and EncryptedExtensions, and nowhere else', () => {
    for (const { row } of [evidenceRequest, evidenceProposal, resultsRequest, resultsProposal]) {
      assert.deepEqual(Object.keys(row.slots), ['client_hello', 'encrypted_extensions'])
    }
  })

  test('D-3: a list holds 255 octets and not one more', () => {
    const entry = (length: number) => ({ credentialKind: ATTESTATION, type: 'a'.repeat(length - 4) })
    assert.equal(encode(EvidenceTypes, [entry(200), entry(55)]).length, 256)
    assert.throws(() => encode(EvidenceTypes, [entry(200), entry(56)]), RangeError)
  })

  test('an empty list, a short nonce and two equal entries do not decode', () => {
    const { codec } = evidenceRequest.client_hello
    const entry = ['00 00 01 07', 'ATTESTATION, CONTENT_FORMAT 263'] as const
    assert.throws(() => decode(codec, hex(['00', 'no types'], ['08', '8 octets'], NONCE_8)), DecodeError)
    assert.throws(
      () => decode(codec, hex(['04', '4 octets'], entry, ['07', '7'], ['01020304050607', 'nonce'])),
      DecodeError,
    )
    assert.throws(() => decode(codec, hex(['08', '8 octets'], entry, entry, ['08', '8 octets'], NONCE_8)), DecodeError)
    const twice = hex(['06', '6 octets'], ['00 01 61', '"a"'], ['00 01 61', '"a"'])
    assert.throws(() => decode(resultsRequest.client_hello.codec, twice), DecodeError)
    assert.throws(() => decode(resultsRequest.client_hello.codec, hex(['00', 'none'])), DecodeError)
  })

  test('a media type is printable ASCII, and not empty', () => {
    const { codec } = evidenceRequest.encrypted_extensions
    for (const bytes of ['00 01 00 00', '00 01 00 01 1f', '00 01 00 02 61 80']) {
      assert.throws(() => decode(codec, hex([bytes, ''])), DecodeError)
    }
  })

  test('D-4: an unknown credential_kind in a list is passed over', () => {
    const list = hex(['08', '8 octets'], ['02 00 01 07', 'kind 2'], ['00 00 01 08', 'ATTESTATION, 264'])
    assert.deepEqual(decode(EvidenceTypes, list), [{ credentialKind: ATTESTATION, type: 264 }])
  })

  test('D-4: from an unknown type_encoding on a list is passed over, for nobody knows how long it is', () => {
    const list = hex(['09', '9 octets'], ['00 00 01 08', 'ATTESTATION, 264'], ['00 07 ff ff ff', 'encoding 7'])
    assert.deepEqual(decode(EvidenceTypes, list), [{ credentialKind: ATTESTATION, type: 264 }])
  })

  test('D-4: an unknown value is fatal where one value stands', () => {
    const { codec } = evidenceRequest.encrypted_extensions
    assert.throws(() => decode(codec, hex(['02 00 01 07', 'kind 2'])), DecodeError)
    assert.throws(() => decode(codec, hex(['00 02 01 07', 'encoding 2'])), DecodeError)
  })

  test('every list that fits comes back as it was', () => {
    const type = fc.oneof(fc.integer({ min: 0, max: 0xffff }), fc.stringMatching(/^[ -~]{1,40}$/))
    const entry = fc.record(
      { credentialKind: fc.constantFrom(ATTESTATION, CERT_ATTESTATION), type },
      { noNullPrototype: true },
    )
    const list = fc.uniqueArray(entry, {
      minLength: 1,
      maxLength: 5,
      selector: ({ credentialKind, type }) => `${credentialKind} ${typeof type} ${type}`,
    })
    fc.assert(
      fc.property(list, types => {
        assert.deepEqual(decode(EvidenceTypes, encode(EvidenceTypes, types)), types)
      }),
    )
  })

  test('no bytes make the codecs throw anything but a DecodeError', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), bytes => {
        for (const { codec } of vectors) {
          try {
            decode(codec, bytes)
          } catch (error) {
            assert.ok(error instanceof DecodeError)
          }
        }
      }),
    )
  })
})
