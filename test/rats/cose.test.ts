import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { MacKey, PublicKey, signingKey } from '#src/crypto/index.js'
import {
  type CborValue,
  CoseHeader,
  checkJws,
  checkMac0,
  checkSign1,
  coseKeyOf,
  decodeCbor,
  decodeJws,
  decodeMac0,
  decodeSign1,
  encodeCbor,
  isSignedBy,
  MessageError,
  makeMac0,
  makeSign1,
  messageSigner,
  publicKeyOfCoseKey,
  sign1From,
  Tagged,
} from '#src/rats/index.js'
import { bytesOf, freshSigner, keyKinds, messageError, p256 } from './support.js'

/** RFC 9783 Appendix A: a PSA token with a signature, and one with a MAC. */
const PSA_SIGN1 = bytesOf(`
  d28443a10126a0590100a8190100582101020202020202020202020202020202020202020202020202020202020202020219095c58200000
  0000000000000000000000000000000000000000000000000000000000000a58200101010101010101010101010101010101010101010101
  01010101010101010119095a1a7fffffff19095b19300019010978217461673a7073616365727469666965642e6f72672c323032333a7073
  612374666d19010c48000000000000000019095f81a305582004040404040404040404040404040404040404040404040404040404040404
  040258200303030303030303030303030303030303030303030303030303030303030303016450526f545840786e937a4c42667af3847399
  319ca95c7e7dbabdc9b50fdb8de3f6bff4ab82ff80c42140e2a488000219e3e10663193da69c75f52b798ea10b2f7041a90e8e5a`)
const PSA_KEY = p256('Tl4iCZ47zrRbRG0TVf0dw7VFlHtv18HInYhnmMNybo8', 'gNcLhAslaqw0pi7eEEM2TwRAlfADR0uR4Bggkq-xPy4')
const PSA_MAC0 = bytesOf(`
  d18443a10105a0590100a8190100582101c557bd4fadc83f756fca2cd5ea2dcc8b82159bb4e7453d6a744d4eecd6d0ac6019095c58200000
  0000000000000000000000000000000000000000000000000000000000000a58200101010101010101010101010101010101010101010101
  01010101010101010119095a1a7fffffff19095b19300019010978217461673a7073616365727469666965642e6f72672c323032333a7073
  612374666d19010c48000000000000000019095f81a305582004040404040404040404040404040404040404040404040404040404040404
  040258200303030303030303030303030303030303030303030303030303030303030303016450526f545820cf88d330e7a5366a95cf744a
  4dbf0d50304d405edd8b2530e243eddbd3177820`)
const PSA_SECRET = Buffer.from(
  '3gOLNKyhJXaMXjNXq40Gs2e5qw1-i-Ek7cpH_gM6W7epPTB_8imqNv8kbBKVlk-s9xq3qm7E_WECt7OYMlWtkg',
  'base64url',
)

const PAYLOAD = bytesOf('a10a480001020304050607')

describe('the PSA token of RFC 9783', () => {
  test('is signed with the published key', () => {
    const message = decodeSign1(PSA_SIGN1)
    assert.equal(message.tagging, 'cose')
    assert.doesNotThrow(() => checkSign1(message, PSA_KEY))
    assert.ok(isSignedBy(message, PSA_KEY, { algorithms: ['ES256'] }))
  })

  test('is authenticated with the published key', () => {
    assert.doesNotThrow(() => checkMac0(decodeMac0(PSA_MAC0), PSA_SECRET))
    assert.throws(() => checkMac0(decodeMac0(PSA_MAC0), new Uint8Array(64)), messageError('ERR_RATS_SIGNATURE'))
  })

  test('is not taken when any of its bits is another', () => {
    for (let i = 0; i < PSA_SIGN1.length; i++) {
      const bytes = Uint8Array.from(PSA_SIGN1)
      bytes[i] = (bytes[i] ?? 0) ^ (1 << (i % 8))
      assert.throws(() => checkSign1(decodeSign1(bytes), PSA_KEY), MessageError, `byte ${i}`)
    }
  })

  test('is not taken when it is cut anywhere', () => {
    for (let end = 0; end < PSA_SIGN1.length; end++) {
      assert.throws(() => decodeSign1(PSA_SIGN1.subarray(0, end)), messageError('ERR_RATS_CBOR'))
      if (end < PSA_MAC0.length)
        assert.throws(() => decodeMac0(PSA_MAC0.subarray(0, end)), messageError('ERR_RATS_CBOR'))
    }
  })
})

describe('a COSE_Sign1', () => {
  for (const kind of Object.keys(keyKinds)) {
    test(`made with ${kind} is checked with its key, and with no other`, async () => {
      const signer = freshSigner(kind)
      const message = decodeSign1(await makeSign1(PAYLOAD, signer))
      assert.doesNotThrow(() => checkSign1(message, signer.publicKey))
      assert.throws(() => checkSign1(message, freshSigner(kind).publicKey), messageError('ERR_RATS_SIGNATURE'))
      assert.ok(!isSignedBy({ ...message, payload: bytesOf('a0') }, signer.publicKey))
      assert.ok(!isSignedBy({ ...message, proof: message.proof.subarray(1) }, signer.publicKey))
    })
  }

  test('is tagged as asked for, and read in every tagging', async () => {
    const signer = freshSigner()
    for (const [tagging, start] of [
      ['cwt', 'd83dd284'],
      ['cose', 'd284'],
      ['none', '84'],
    ] as const) {
      const bytes = await makeSign1(PAYLOAD, signer, { tagging })
      assert.deepEqual(bytes.subarray(0, start.length / 2), bytesOf(start))
      const message = decodeSign1(bytes)
      assert.equal(message.tagging, tagging)
      assert.ok(isSignedBy(message, signer.publicKey))
    }
  })

  test('holds the headers that were asked for, and data that only both sides know', async () => {
    const signer = freshSigner()
    const externalData = bytesOf('0102')
    const bytes = await makeSign1(PAYLOAD, signer, {
      protectedHeader: new Map<number, CborValue>([[CoseHeader.contentType, 'application/x']]),
      unprotectedHeader: new Map<number, CborValue>([[CoseHeader.keyId, bytesOf('ff')]]),
      externalData,
    })
    const message = decodeSign1(bytes)
    assert.equal(message.protectedHeader.get(CoseHeader.contentType), 'application/x')
    assert.deepEqual(message.unprotectedHeader.get(CoseHeader.keyId), bytesOf('ff'))
    assert.ok(isSignedBy(message, signer.publicKey, { externalData }))
    assert.ok(!isSignedBy(message, signer.publicKey))
  })

  test('is not taken without a protected algorithm', () => {
    const unprotected = sign1({ protectedHeader: [], unprotectedHeader: [[1, -7]] })
    for (const message of [unprotected, sign1({ protectedHeader: [] })]) {
      assert.throws(() => checkSign1(message, PSA_KEY), messageError('ERR_RATS_ALGORITHM'))
    }
  })

  test('is not taken with an algorithm that is unknown, not on the list, or for another key', () => {
    for (const algorithm of [5, -257, -65535, 0, 'ES256', null]) {
      const message = sign1({ protectedHeader: [[1, algorithm]] })
      assert.throws(() => checkSign1(message, PSA_KEY), messageError('ERR_RATS_ALGORITHM'), String(algorithm))
    }
    const es256 = decodeSign1(PSA_SIGN1)
    assert.throws(() => checkSign1(es256, PSA_KEY, { algorithms: ['ES384'] }), messageError('ERR_RATS_ALGORITHM'))
    for (const kind of ['P-384', 'Ed25519', 'RSA']) {
      assert.throws(() => checkSign1(es256, freshSigner(kind).publicKey), messageError('ERR_RATS_ALGORITHM'))
    }
  })

  test('is not taken with a critical parameter that is not understood', async () => {
    const signer = freshSigner()
    const made = async (critical: CborValue, more: readonly [number | string, CborValue][] = []) =>
      decodeSign1(
        await makeSign1(PAYLOAD, signer, { protectedHeader: new Map([[CoseHeader.critical, critical], ...more]) }),
      )
    assert.ok(isSignedBy(await made([1]), signer.publicKey))
    const own = await made(['own'], [['own', 1]])
    assert.throws(() => checkSign1(own, signer.publicKey), messageError('ERR_RATS_MALFORMED'))
    assert.ok(isSignedBy(own, signer.publicKey, { understood: ['own'] }))
    for (const critical of [[], 1, [3], [new Uint8Array(0)]]) {
      const message = await made(critical)
      assert.throws(() => checkSign1(message, signer.publicKey), messageError('ERR_RATS_MALFORMED'))
    }
  })

  const parts: readonly CborValue[] = [bytesOf('a10126'), new Map(), PAYLOAD, new Uint8Array(64)]
  const malformed: Readonly<Record<string, CborValue>> = {
    'no array': new Map(),
    'an array of three': parts.slice(0, 3),
    'an array of five': [...parts, 0],
    'a COSE_Mac0': new Tagged(17, parts),
    'a CWT whose COSE message is untagged': new Tagged(61, parts),
    'a CWT in a CWT': new Tagged(61, new Tagged(61, new Tagged(18, parts))),
    'tagged twice': new Tagged(18, new Tagged(18, parts)),
    'with a protected header that is a map': parts.with(0, new Map()),
    'with a protected header that holds no map': parts.with(0, bytesOf('01')),
    'with a protected header that names a parameter twice': parts.with(0, bytesOf('a201260126')),
    'with an unprotected header that is bytes': parts.with(1, bytesOf('a0')),
    'with a payload that is elsewhere': parts.with(2, null),
    'with a payload that is text': parts.with(2, 'x'),
    'with a signature that is null': parts.with(3, null),
    'with a parameter in both headers': parts.with(1, new Map([[1, -7]])),
    'with an unprotected crit': parts.with(1, new Map([[2, [1]]])),
  }
  for (const [what, value] of Object.entries(malformed)) {
    test(`is not ${what}`, () => assert.throws(() => decodeSign1(encodeCbor(value)), MessageError))
  }

  test('is read as a part of another message', () => {
    const outer = decodeCbor(encodeCbor([new Tagged(399, decodeCbor(PSA_SIGN1, 'tolerant'))]))
    assert.ok(Array.isArray(outer) && outer[0] instanceof Tagged)
    assert.deepEqual(sign1From(outer[0].value), decodeSign1(PSA_SIGN1))
    assert.throws(() => sign1From(outer[0]), messageError('ERR_RATS_MALFORMED'))
  })

  test('is neither made nor taken with an RSA key below 2048 bits', async () => {
    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 1024 })
    assert.throws(() => messageSigner(signingKey(privateKey)), TypeError)
    const message = sign1({ protectedHeader: [[1, -37]] })
    assert.throws(() => checkSign1(message, new PublicKey(publicKey)), messageError('ERR_RATS_ALGORITHM'))
    const text = `${Buffer.from('{"alg":"PS256"}').toString('base64url')}.e30.AA`
    await assert.rejects(checkJws(decodeJws(text), new PublicKey(publicKey)), messageError('ERR_RATS_ALGORITHM'))
  })

  test('is not made with a parameter in both headers', async () => {
    const header = new Map([[CoseHeader.keyId, PAYLOAD]])
    const both = { protectedHeader: header, unprotectedHeader: header }
    await assert.rejects(makeSign1(PAYLOAD, freshSigner(), both), TypeError)
  })

  test('is made with a payload of any size', async () => {
    const signer = freshSigner()
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ size: 'medium' }), async payload => {
        const message = decodeSign1(await makeSign1(payload, signer), 'deterministic')
        assert.deepEqual(message.payload, payload)
        assert.ok(isSignedBy(message, signer.publicKey))
      }),
      { numRuns: 20 },
    )
  })
})

describe('a COSE_Mac0', () => {
  for (const hash of ['sha256', 'sha384', 'sha512'] as const) {
    test(`made with ${hash} is checked with its key, and with no other`, () => {
      const secret = new Uint8Array(32).fill(7)
      const message = decodeMac0(makeMac0(PAYLOAD, new MacKey(hash, secret)))
      assert.doesNotThrow(() => checkMac0(message, secret))
      assert.throws(() => checkMac0(message, secret.subarray(1)), messageError('ERR_RATS_SIGNATURE'))
      const short = { ...message, proof: message.proof.subarray(0, 8) }
      assert.throws(() => checkMac0(short, secret), messageError('ERR_RATS_SIGNATURE'))
    })
  }

  test('is not taken with a signature algorithm, nor a signature with a MAC', () => {
    const mac = { ...decodeMac0(PSA_MAC0), protectedHeader: new Map([[1, -7]]) }
    assert.throws(() => checkMac0(mac, PSA_SECRET), messageError('ERR_RATS_ALGORITHM'))
    assert.throws(() => decodeSign1(PSA_MAC0), messageError('ERR_RATS_MALFORMED'))
  })
})

describe('a COSE_Key', () => {
  for (const kind of Object.keys(keyKinds)) {
    test(`of ${kind} stands for its public key`, () => {
      const { publicKey } = freshSigner(kind)
      const map = coseKeyOf(publicKey)
      assert.deepEqual(publicKeyOfCoseKey(map).spki, publicKey.spki)
      const decoded = decodeCbor(encodeCbor(map))
      assert.ok(decoded instanceof Map)
      assert.deepEqual(coseKeyOf(publicKeyOfCoseKey(decoded)), map)
    })
  }

  const good = new Map<number, CborValue>(coseKeyOf(PSA_KEY) as Map<number, CborValue>)
  const changed = (...changes: readonly [number, CborValue | undefined][]) => {
    const map = new Map(good)
    for (const [label, value] of changes) value === undefined ? map.delete(label) : map.set(label, value)
    return map
  }
  const x = good.get(-2) as Uint8Array
  const refused: Readonly<Record<string, Map<number, CborValue>>> = {
    'without a type': changed([1, undefined]),
    'of a symmetric key': changed([1, 4]),
    'of a curve of another type': changed([1, 1]),
    'without a curve': changed([-1, undefined]),
    'of an unknown curve': changed([-1, 8]),
    'whose x is too short': changed([-2, x.subarray(1)]),
    'whose x is too long': changed([-2, Uint8Array.of(0, ...x)]),
    'that is no point of its curve': changed([-2, new Uint8Array(32).fill(1)]),
    'whose point is compressed': changed([-3, true]),
    'without a y': changed([-3, undefined]),
    'with a private part': changed([-4, x]),
    'for another algorithm': changed([3, -35]),
    'for making signatures only': changed([4, [1]]),
  }
  for (const [what, map] of Object.entries(refused)) {
    test(`is not taken ${what}`, () => assert.throws(() => publicKeyOfCoseKey(map), MessageError))
  }

  test('may say that it is for checking signatures with its algorithm', () => {
    assert.deepEqual(publicKeyOfCoseKey(changed([3, -7], [4, [2]])).spki, PSA_KEY.spki)
    assert.deepEqual(publicKeyOfCoseKey(changed([3, -9])).spki, PSA_KEY.spki)
  })

  test('is not made of a key that COSE has no form for', () => {
    const x25519 = PublicKey.fromSpki(bytesOf(`302a300506032b656e032100${'09'.repeat(32)}`))
    assert.throws(() => coseKeyOf(x25519), TypeError)
  })
})

function sign1(headers: {
  readonly protectedHeader: readonly (readonly [number, CborValue])[]
  readonly unprotectedHeader?: readonly (readonly [number, CborValue])[]
}) {
  const { protectedHeader, unprotectedHeader = [] } = headers
  const value = [encodeCbor(new Map(protectedHeader)), new Map(unprotectedHeader), PAYLOAD, new Uint8Array(64)]
  return decodeSign1(encodeCbor(value))
}
