import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  type CborValue,
  type Cmw,
  checkCoseCmw,
  checkSignedCmw,
  encodeCmw,
  Indicator,
  makeCoseCmw,
  makeJws,
  makeJwsCmw,
  makeSign1,
} from '#src/rats/index.js'
import { bytesOf, freshSigner, messageError, p256, textBytes } from './support.js'

/** RFC 9999 with the key of the reference library's tests. */
const SIGNED = bytesOf(`
  d2845819a2012603746170706c69636174696f6e2f636d772b63626f72a058dea4685f5f636d77635f74737461673a696574662e6f72672c
  323032343a586a6d75726d75726c657373a2685f5f636d77635f74737461673a696574662e6f72672c323032343a596a706f6c7973636f70
  69638378186170706c69636174696f6e2f6561742d7563732b6a736f6e527b226561745f6e6f6e6365223a202e2e2e7d086c627265747761
  6c6461646f6d8278186170706c69636174696f6e2f6561742d7563732b63626f7242a10a7170686f746f656c656374726f67726170688378
  186170706c69636174696f6e2f6561742d7563732b63626f7243827818035840c274b981723930b3cc14912fe385a9dd2b29425a60afb01e
  bc625444ac05edd74bd7ebc69faa1b961606b58b575bf4ade87e5835d90454c6336a6cead4b3e5c7`)
const KEY = p256('MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4', '4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM')

const CMW: Cmw = { kind: 'record', type: 'application/eat+cwt', value: bytesOf('d284'), indicators: Indicator.evidence }
const signer = freshSigner()

describe('the signed CMW of RFC 9999', () => {
  test('is signed with the published key, and holds collections in collections', async () => {
    const cmw = await checkSignedCmw(SIGNED, KEY)
    assert.ok(cmw.kind === 'collection')
    assert.equal(cmw.type, 'tag:ietf.org,2024:X')
    assert.deepEqual([...cmw.entries.keys()], ['murmurless', 'bretwaldadom', 'photoelectrograph'])
    const inner = cmw.entries.get('murmurless')
    assert.ok(inner?.kind === 'collection')
    const leaf = inner.entries.get('polyscopic')
    assert.ok(leaf?.kind === 'record')
    assert.equal(leaf.indicators, Indicator.attestationResults)
  })

  test('is refused with another last byte', async () => {
    const bytes = Uint8Array.from(SIGNED)
    bytes[bytes.length - 1] = 0xff
    await assert.rejects(checkSignedCmw(bytes, KEY), messageError('ERR_RATS_SIGNATURE'))
  })
})

describe('a signed CMW', () => {
  test('is checked as it was made, in COSE and in JWS', async () => {
    for (const make of [makeCoseCmw, makeJwsCmw]) {
      const bytes = await make(CMW, signer)
      assert.deepEqual(await checkSignedCmw(bytes, signer.publicKey), CMW)
      await assert.rejects(checkSignedCmw(bytes, freshSigner().publicKey), messageError('ERR_RATS_SIGNATURE'))
      await assert.rejects(checkSignedCmw(bytes, signer.publicKey, ['ES384']), messageError('ERR_RATS_ALGORITHM'))
    }
  })

  test('may name its content by the Content-Format', async () => {
    assert.deepEqual(checkCoseCmw(await cose([[3, 273]]), signer.publicKey), CMW)
  })

  test('is refused if it does not say that a CMW is in it', async () => {
    for (const header of [[], [[3, 'application/cmw+json']], [[3, 274]], [[3, bytesOf('00')]]] as const) {
      const bytes = await cose(header)
      assert.throws(() => checkCoseCmw(bytes, signer.publicKey), messageError('ERR_RATS_CONTENT_TYPE'))
    }
    for (const header of [new Map(), new Map([['cty', 'cmw+json']]), new Map([['cty', 'application/cmw+cbor']])]) {
      const bytes = textBytes(await makeJws(encodeCmw(CMW, 'json'), signer, header))
      await assert.rejects(checkSignedCmw(bytes, signer.publicKey), messageError('ERR_RATS_CONTENT_TYPE'))
    }
  })

  test('is refused if its content is no CMW', async () => {
    const bytes = await cose([[3, 'application/cmw+cbor']], bytesOf('ff'))
    assert.throws(() => checkCoseCmw(bytes, signer.publicKey), messageError('ERR_RATS_PAYLOAD'))
    const text = await makeJws(textBytes('{}'), signer, new Map([['cty', 'application/cmw+json']]))
    await assert.rejects(checkSignedCmw(textBytes(text), signer.publicKey), messageError('ERR_RATS_PAYLOAD'))
  })

  test('is refused if its content is in the other encoding', async () => {
    const bytes = await cose([[3, 'application/cmw+cbor']], encodeCmw(CMW, 'json'))
    assert.throws(() => checkCoseCmw(bytes, signer.publicKey), messageError('ERR_RATS_PAYLOAD'))
  })
})

function cose(header: readonly (readonly [number, CborValue])[], payload = encodeCmw(CMW)): Promise<Uint8Array> {
  return makeSign1(payload, signer, { protectedHeader: new Map(header) })
}
