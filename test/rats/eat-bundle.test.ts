import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { hash } from '#src/crypto/index.js'
import {
  type CborValue,
  decodeEatBundle,
  decodeEatClaims,
  detachedClaims,
  encodeCbor,
  encodeJson,
  MessageError,
  Tagged,
} from '#src/rats/index.js'
import { bytesOf, messageError, textBytes } from './support.js'

const SET = encodeCbor(new Map([[10, bytesOf('0001020304050607')]]))
const TOKEN = bytesOf('d28440a04000')
const JSON_SET = textBytes('{"eat_nonce":"nonce-nonce"}')

describe('a detached EAT bundle', () => {
  test('in CBOR is read with its tag or without', () => {
    for (const tagged of [true, false]) {
      const bundle = decodeEatBundle(inCbor(TOKEN, [['TEE', SET]], tagged), 'cbor')
      assert.deepEqual(bundle.mainToken, { kind: 'token', format: 'cbor', token: TOKEN })
      assert.deepEqual(detachedClaims(bundle, mainClaims(SET)).get('TEE')?.nonces, [bytesOf('0001020304050607')])
    }
    const jwt = decodeEatBundle(inCbor('["JWT","a.b.c"]', [['TEE', SET]]), 'cbor')
    assert.deepEqual(jwt.mainToken, { kind: 'token', format: 'jwt', token: textBytes('a.b.c') })
  })

  test('in JSON is read', () => {
    const set = Buffer.from(JSON_SET).toString('base64url')
    for (const [selector, format] of [
      [['JWT', 'a.b.c'], 'jwt'],
      [['CBOR', '0oRAoEAA'], 'cbor'],
    ] as const) {
      const bundle = decodeEatBundle(textBytes(encodeJson([selector, new Map([['TEE', set]])])), 'json')
      assert.equal(bundle.mainToken.format, format)
      const digest = Buffer.from(hash('sha256', JSON_SET)).toString('base64url')
      const main = decodeEatClaims(`{"submods":{"TEE":["DIGEST",["SHA-256","${digest}"]]}}`, 'json')
      assert.deepEqual(detachedClaims(bundle, main).get('TEE')?.nonces, [textBytes('nonce-nonce')])
    }
  })

  test('is refused if its claims are not those that the main token speaks for', () => {
    const bundle = decodeEatBundle(inCbor(TOKEN, [['TEE', SET]]), 'cbor')
    assert.throws(() => detachedClaims(bundle, mainClaims(JSON_SET)), messageError('ERR_RATS_INCONSISTENT'))
    assert.throws(() => detachedClaims(bundle, mainClaims(SET, 'other')), messageError('ERR_RATS_INCONSISTENT'))
    assert.throws(() => detachedClaims(bundle, mainClaims(SET, 'TEE', -17)), messageError('ERR_RATS_ALGORITHM'))
    assert.throws(
      () => detachedClaims(bundle, decodeEatClaims(bytesOf('a0'), 'cbor')),
      messageError('ERR_RATS_INCONSISTENT'),
    )
  })

  test('is not read with anything in place of its parts', () => {
    for (const bytes of [
      inCbor(TOKEN, []),
      inCbor(TOKEN, [['TEE', new Uint8Array(0)]]),
      inCbor(TOKEN, [['TEE', 'x']]),
      inCbor(1, [['TEE', SET]]),
      inCbor('["BUNDLE","x"]', [['TEE', SET]]),
      inCbor('["UJCS","x"]', [['TEE', SET]]),
      encodeCbor([TOKEN]),
      encodeCbor(new Tagged(601, [TOKEN, new Map([['TEE', SET]])])),
    ]) {
      assert.throws(() => decodeEatBundle(bytes, 'cbor'), MessageError)
    }
    assert.throws(() => decodeEatBundle(textBytes('[["JWT","a"],{"TEE":"e30="}]'), 'json'), MessageError)
  })
})

function inCbor(token: CborValue, sets: readonly (readonly [string, CborValue])[], isTagged = true): Uint8Array {
  const parts = [token, new Map(sets)]
  return encodeCbor(isTagged ? new Tagged(602, parts) : parts)
}

function mainClaims(set: Uint8Array, label = 'TEE', algorithm = -16) {
  return decodeEatClaims(encodeCbor(new Map([[266, new Map([[label, [algorithm, hash('sha256', set)]]])]])), 'cbor')
}
