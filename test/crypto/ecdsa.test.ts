import assert from 'node:assert/strict'
import { createPublicKey, generateKeyPairSync, sign, verify } from 'node:crypto'
import { describe, test } from 'node:test'
import { DecodeError } from '#src/bytes/index.js'
import { PublicKey, rawEcdsaSignature } from '#src/crypto/index.js'

const CURVES = [
  ['P-256', 32],
  ['P-384', 48],
  ['P-521', 66],
] as const

describe('an ECDSA signature', () => {
  for (const [namedCurve, size] of CURVES) {
    test(`on ${namedCurve} is the same as r‖s`, () => {
      const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve })
      // Often enough to meet numbers with leading zeros, and with a leading one bit.
      for (let i = 0; i < 40; i++) {
        const data = Uint8Array.of(i)
        const raw = rawEcdsaSignature(sign('sha256', data, privateKey), size)
        assert.equal(raw.length, 2 * size)
        assert.ok(verify('sha256', data, { key: publicKey, dsaEncoding: 'ieee-p1363' }, raw))
      }
    })
  }

  test('with a short number is filled up with zeros', () => {
    const raw = rawEcdsaSignature(Uint8Array.of(0x30, 7, 2, 1, 5, 2, 2, 0, 0x80), 4)
    assert.deepEqual(raw, Uint8Array.of(0, 0, 0, 5, 0, 0, 0, 0x80))
  })

  test('is not read when it is cut, goes on, or is longer than the curve', () => {
    const der = Uint8Array.of(0x30, 6, 2, 1, 5, 2, 1, 6)
    for (let end = 0; end < der.length; end++) {
      assert.throws(() => rawEcdsaSignature(der.subarray(0, end), 4), DecodeError)
    }
    assert.throws(() => rawEcdsaSignature(Uint8Array.of(...der, 0), 4), DecodeError)
    assert.throws(() => rawEcdsaSignature(Uint8Array.of(0x30, 9, 2, 1, 5, 2, 1, 6, 2, 1, 7), 4), DecodeError)
    assert.throws(() => rawEcdsaSignature(Uint8Array.of(0x30, 8, 2, 3, 5, 5, 5, 2, 1, 6), 2), DecodeError)
    assert.throws(() => rawEcdsaSignature(Uint8Array.of(0x31, ...der.subarray(1)), 4), DecodeError)
  })
})

test('a public key as JWK is the key, and nothing of how it came', () => {
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const key = new PublicKey(publicKey)
  assert.deepEqual(Object.keys(key.jwk).sort(), ['crv', 'kty', 'x', 'y'])
  assert.ok(createPublicKey({ key: { ...key.jwk }, format: 'jwk' }).equals(publicKey))
  assert.equal(key.jwk, key.jwk, 'it is made once, so that others can remember what they made of it')
})
