import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { hash } from '#src/crypto/index.js'
import {
  type CborValue,
  type Cmw,
  type CmwCollection,
  checkKat,
  coseKeyOf,
  decodeCab,
  decodeCmw,
  decodeKat,
  decodeParsecCca,
  decodeParsecTpm,
  encodeCbor,
  encodeCmw,
  isBoundTo,
  isBoundToRealm,
  KAT_COLLECTION_TYPE,
  KAT_MEDIA_TYPE,
  MessageError,
  makeCab,
  makeKat,
  makeSign1,
  platformNonceFor,
  typeOfCmw,
} from '#src/rats/index.js'
import { bytesOf, freshSigner, messageError } from './support.js'

const NONCE = new Uint8Array(32).fill(9)
const kak = freshSigner()
const identity = freshSigner('Ed25519').publicKey
const kat = await makeKat({ nonce: NONCE, identityKey: identity, attestationKey: kak.key })
const pat = bytesOf('8443a10126a0410041ff')

/** draft-bft-rats-kat-06: the kak-pub of its example, and the nonce of the PAT beside it. */
const EXAMPLE_KAK = bytesOf(`a4 01 02 20 01 21 5820 f0fffa7ba35e76e44ca1f5446d327c8382a5a40e5f29745df948346c7c88a5d3
  22 5820 7cb4c4873cbb6f097562f61d5280768cd2cfe35fba97e997280dbaaae3af92fe`)
const EXAMPLE_PLATFORM_NONCE = bytesOf('5ca3750daf829c30c20797eddb7949b1fd028c5408f2dd8650ad732327e3fb64')
const EXAMPLE_NONCE = bytesOf('b91b03129222973c214e42bf31d6872a3ef2dbdda401fbd1f725d48d6bf9c817')
const EXAMPLE_CNF = bytesOf(`a4 01 02 20 01 21 5820 d7cc072de2205bdc1537a543d53c60a6acb62eccd890c7fa27c9e354089bbe13
  22 5820 f95e1d4b851a2cc80fff87d8e23f22afb725d535e515d020731e79a3b4e47120`)

describe('the example of draft-bft-rats-kat-06', () => {
  const payload = bytesOf(`a3 0a 5820 ${hex(EXAMPLE_NONCE)} 08 a1 01 ${hex(EXAMPLE_CNF)} 1909c4 ${hex(EXAMPLE_KAK)}`)
  const message = encodeCbor([bytesOf('a10126'), new Map(), payload, new Uint8Array(64).fill(0x56)])

  test('is read, and its platform attestation stands behind it', () => {
    const read = decodeKat(message)
    assert.deepEqual(read.nonce, EXAMPLE_NONCE)
    assert.deepEqual(read.attestationKeyBytes, EXAMPLE_KAK)
    assert.deepEqual(encodeCbor(coseKeyOf(read.identityKey)), EXAMPLE_CNF)
    assert.ok(isBoundTo(read, EXAMPLE_PLATFORM_NONCE))
    assert.equal(hex(platformNonceFor(read.attestationKey)), hex(EXAMPLE_PLATFORM_NONCE))
  })

  test('is not signed, since its signature is filler', () => {
    assert.throws(() => checkKat(decodeKat(message)), messageError('ERR_RATS_SIGNATURE'))
  })
})

describe('a KAT', () => {
  test('says which key it speaks for, and is signed by the key that it shows', () => {
    const read = decodeKat(kat)
    assert.equal(kat[0], 0x84)
    assert.deepEqual(read.nonce, NONCE)
    assert.deepEqual(read.identityKey.spki, identity.spki)
    assert.deepEqual(read.attestationKey.spki, kak.publicKey.spki)
    assert.doesNotThrow(() => checkKat(read, { algorithms: ['ES256'] }))
    assert.throws(() => checkKat(read, { algorithms: ['ES384'] }), messageError('ERR_RATS_ALGORITHM'))
  })

  test('is bound to a platform by the hash of its key, with the function that the size of the nonce tells', () => {
    const read = decodeKat(kat)
    for (const name of ['sha256', 'sha384', 'sha512'] as const) {
      const nonce = platformNonceFor(kak.publicKey, name)
      assert.ok(isBoundTo(read, nonce))
      assert.ok(
        !isBoundTo(
          read,
          nonce.map((byte, i) => (i === 0 ? byte ^ 1 : byte)),
        ),
      )
      assert.ok(!isBoundTo(read, nonce.subarray(0, 20)))
    }
    assert.ok(!isBoundTo(read, platformNonceFor(identity)), 'the key that it speaks for is not the one that is bound')
    assert.ok(!isBoundTo(read, hash('sha256', kat)), 'nor is it the token')
    assert.ok(!isBoundTo(read, new Uint8Array(0)))
  })

  test('is bound by the key as it was sent, in whatever order its numbers are', async () => {
    const keyInOrder = [...coseKeyOf(kak.publicKey)]
    const [kty, crv, x, y] = keyInOrder.map(([label, value]) => hex(encodeCbor(label)) + hex(encodeCbor(value)))
    const disordered = bytesOf(`a4 ${y} ${x} ${crv} ${kty}`)
    const payload = bytesOf(`a3 0a 5820 ${hex(NONCE)} 08 a1 01 ${hex(EXAMPLE_CNF)} 1909c4 ${hex(disordered)}`)
    const read = decodeKat(await makeSign1(payload, kak))
    assert.doesNotThrow(() => checkKat(read))
    assert.ok(isBoundTo(read, hash('sha256', disordered)))
    assert.ok(!isBoundTo(read, platformNonceFor(kak.publicKey)))
  })

  test('is not signed by another key than the one that it shows', async () => {
    const message = await signed(freshSigner().key.publicKey)
    assert.throws(() => checkKat(decodeKat(message)), messageError('ERR_RATS_SIGNATURE'))
  })

  const key = coseKeyOf(kak.publicKey)
  const good: readonly (readonly [number, CborValue])[] = [
    [8, new Map([[1, coseKeyOf(identity)]])],
    [10, NONCE],
    [2500, key],
  ]
  const without = (label: number) => good.filter(([other]) => other !== label)
  const refused: Readonly<Record<string, readonly (readonly [number, CborValue])[]>> = {
    'without a nonce': without(10),
    'without a confirmation': without(8),
    'without its own key': without(2500),
    'with a nonce of 7 bytes': [...without(10), [10, NONCE.subarray(0, 7)]],
    'with a nonce of 65 bytes': [...without(10), [10, new Uint8Array(65)]],
    'with a list of nonces': [...without(10), [10, [NONCE, NONCE]]],
    'that names a key without showing it': [...without(8), [8, new Map([[3, NONCE]])]],
    'whose own key is wrapped in bytes': [...without(2500), [2500, encodeCbor(key)]],
  }
  for (const [what, claims] of Object.entries(refused)) {
    test(`is not read ${what}`, async () => {
      const message = await makeSign1(encodeCbor(new Map(claims)), kak)
      assert.throws(() => decodeKat(message), MessageError)
    })
  }

  test('is read with claims that are not known, which mean nothing', async () => {
    const claims = [...good, [265, 'tag:a,1:b'] as const]
    const message = await makeSign1(encodeCbor(new Map(claims)), kak)
    assert.doesNotThrow(() => checkKat(decodeKat(message)))
  })

  test('is not made with a nonce that it could not hold', async () => {
    for (const size of [0, 7, 65, 255]) {
      const made = makeKat({ nonce: new Uint8Array(size), identityKey: identity, attestationKey: kak.key })
      await assert.rejects(made, TypeError)
    }
  })

  test('is none when it is cut anywhere', () => {
    for (let end = 0; end < kat.length; end++) assert.throws(() => decodeKat(kat.subarray(0, end)), MessageError)
  })

  async function signed(shown: typeof identity): Promise<Uint8Array> {
    const claims = new Map([...without(2500), [2500, coseKeyOf(shown)] as const])
    return makeSign1(encodeCbor(claims), kak)
  }
})

describe('a combined attestation bundle', () => {
  test('is read as it was made, in both encodings', () => {
    const cab = makeCab(kat, pat, 'application/eat+cwt; eat_profile="tag:a,1:b"')
    for (const form of ['cbor', 'json'] as const) {
      const read = decodeCab(decodeCmw(encodeCmw(cab, form)))
      assert.deepEqual(read.kat, decodeKat(kat))
      assert.deepEqual(read.pat, cab.entries.get('pat'))
    }
  })

  test('is known by its media type', () => {
    assert.equal(typeOfCmw(makeCab(kat, pat)), KAT_MEDIA_TYPE)
    assert.equal(KAT_MEDIA_TYPE, 'application/cmw+cbor; cmwc_t="tag:ietf.org,2024-02-29:rats/kat"')
  })

  test('may name the type of its tokens by number', () => {
    assert.doesNotThrow(() => decodeCab(bundle({ kat: record(263, kat), pat: record(10003, pat) })))
  })

  const refused: Readonly<Record<string, Cmw>> = {
    'a record': record(263, kat),
    'a collection of no type': bundle({ kat: record(263, kat), pat: record(263, pat) }, null),
    'a collection of another type': bundle({ kat: record(263, kat), pat: record(263, pat) }, 'tag:a,1:b'),
    'without a KAT': bundle({ pat: record(263, pat) }),
    'without a PAT': bundle({ kat: record(263, kat) }),
    'with a third token': bundle({ kat: record(263, kat), pat: record(263, pat), more: record(263, pat) }),
    'with a collection for a PAT': bundle({ kat: record(263, kat), pat: bundle({ pat: record(263, pat) }) }),
    'with a KAT in JSON': bundle({ kat: record(264, kat), pat: record(263, pat) }),
    'with a KAT that is none': bundle({ kat: record(263, pat), pat: record(263, pat) }),
  }
  for (const [what, cmw] of Object.entries(refused)) {
    test(`is not ${what}`, () => assert.throws(() => decodeCab(cmw), MessageError))
  }
})

describe("Parsec's bundle for Arm CCA", () => {
  const katBytes =
    bytesOf(`d90259a20a48000102030405060708a101a4010220012158209bffdba675332c9bbb5de2b2da09f818474a989ac20023f8
    28c1620ba80f61d8225820c839c27230df019840d3a45c96186f8d07193ebc43a841e0dde2c463f64c4a15`)
  const realmChallenge = bytesOf(`72a257931ce1c5fe2b537e3f50212f91ae52957d402a3b29ec540efa4ecbd1a4
    60a78c68acf3a63970c0130339cbfe58d9e3dbb3ce11093460c752fc890ab021`)
  const token = bytesOf('d9018fa119acca4100')
  const evidence = (kat: Uint8Array, pat: Uint8Array) => bytesOf(`a2 63 6b6174 ${hex(kat)} 63 706174 ${hex(pat)}`)

  test('is bound to the realm by the hash of its key attestation as it was sent', () => {
    const read = decodeParsecCca(evidence(katBytes, token))
    assert.deepEqual(read.nonce, bytesOf('0001020304050607'))
    assert.deepEqual(read.katBytes, katBytes)
    assert.deepEqual(read.pat, token)
    assert.equal(read.identityKey.kind, 'p256')
    assert.ok(isBoundToRealm(read, realmChallenge))
    assert.ok(!isBoundToRealm(read, new Uint8Array(64)))
  })

  test('is not read with other tags, or without one of its halves', () => {
    for (const bytes of [
      evidence(katBytes.subarray(3), token),
      evidence(katBytes, token.subarray(3)),
      evidence(token, katBytes),
      bytesOf(`a1 63 6b6174 ${hex(katBytes)}`),
      bytesOf(`a1 63 706174 ${hex(token)}`),
    ]) {
      assert.throws(() => decodeParsecCca(bytes), MessageError)
    }
  })
})

describe("Parsec's bundle for TPM 2.0", () => {
  const keyId = new Uint8Array(33).fill(1)
  const half = (more: Readonly<Record<string, CborValue>>) => {
    return new Map<string, CborValue>(Object.entries({ tpmVer: '2.0', kid: keyId, sig: NONCE, ...more }))
  }
  const good = { kat: half({ certInfo: NONCE, pubArea: NONCE }), pat: half({ attestInfo: NONCE }) }
  const encoded = (halves: Readonly<Record<string, CborValue>>) => encodeCbor(new Map(Object.entries(halves)))

  test('is read into the structures of the TPM', () => {
    const read = decodeParsecTpm(encoded(good))
    assert.deepEqual(read.kat, { keyId, signature: NONCE, certInfo: NONCE, publicArea: NONCE })
    assert.deepEqual(read.pat, { keyId, signature: NONCE, attestInfo: NONCE })
  })

  test('is not read if its halves name different keys, another TPM, or lack a part', () => {
    for (const pat of [
      half({ attestInfo: NONCE, kid: new Uint8Array(33) }),
      half({ attestInfo: NONCE, tpmVer: '1.2' }),
      half({}),
      half({ attestInfo: new Uint8Array(0) }),
      null,
    ]) {
      assert.throws(() => decodeParsecTpm(encoded({ ...good, pat })), MessageError)
    }
    assert.throws(() => decodeParsecTpm(encoded({ kat: good.kat })), MessageError)
  })
})

function record(type: number, value: Uint8Array): Cmw {
  return { kind: 'record', type, value }
}

function bundle(entries: Readonly<Record<string, Cmw>>, type: string | null = KAT_COLLECTION_TYPE): CmwCollection {
  return { kind: 'collection', ...(type !== null && { type }), entries: new Map(Object.entries(entries)) }
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}
