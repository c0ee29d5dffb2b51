import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { describe, test } from 'node:test'
import { compactVerify } from 'jose'
import { checkJws, decodeJws, MessageError, makeJws } from '#src/rats/index.js'
import { freshSigner, keyKinds, messageError, textBytes } from './support.js'

const PAYLOAD = textBytes('{"a":1}')
const signer = freshSigner()
const token = await makeJws(PAYLOAD, signer, new Map([['typ', 'JWT']]))
const [head = '', payload = '', signature = ''] = token.split('.')

describe('a JWS', () => {
  for (const kind of Object.keys(keyKinds).filter(kind => kind !== 'Ed448')) {
    test(`made with ${kind} is checked with its key, here and elsewhere, and with no other`, async () => {
      const own = freshSigner(kind)
      const made = await makeJws(PAYLOAD, own)
      await checkJws(decodeJws(made), own.publicKey)
      assert.deepEqual((await compactVerify(made, own.publicKey.jwk)).payload, PAYLOAD)
      await assert.rejects(checkJws(decodeJws(made), freshSigner(kind).publicKey), messageError('ERR_RATS_SIGNATURE'))
    })
  }

  test('has no name for Ed448', async () => {
    await assert.rejects(makeJws(PAYLOAD, freshSigner('Ed448')), TypeError)
  })

  test('is read from text, from bytes, and from flattened JSON', async () => {
    const flattened = JSON.stringify({ protected: head, header: { kid: 'a' }, payload, signature })
    for (const form of [token, textBytes(token), flattened, textBytes(flattened)]) {
      const message = decodeJws(form)
      assert.deepEqual(message.payload, PAYLOAD)
      assert.equal(message.header.get('typ'), 'JWT')
      await checkJws(message, signer.publicKey, ['ES256'])
    }
  })

  test('is not taken when any of its characters is another', async () => {
    for (let i = 0; i < token.length; i++) {
      const other = token[i] === 'A' ? 'B' : 'A'
      const changed = token.slice(0, i) + other + token.slice(i + 1)
      await assert.rejects(async () => checkJws(decodeJws(changed), signer.publicKey), MessageError, `character ${i}`)
    }
  })

  test('is not taken when it is cut anywhere', async () => {
    for (let end = 0; end < token.length; end++) {
      await assert.rejects(async () => checkJws(decodeJws(token.slice(0, end)), signer.publicKey), MessageError)
    }
  })

  test('is not taken unsigned, or with a MAC over the public key', async () => {
    const none = `${base64url('{"alg":"none"}')}.${payload}.`
    await assert.rejects(checkJws(decodeJws(none), signer.publicKey), messageError('ERR_RATS_ALGORITHM'))
    const input = `${base64url('{"alg":"HS256"}')}.${payload}`
    const mac = createHmac('sha256', signer.publicKey.spki).update(input).digest('base64url')
    await assert.rejects(checkJws(decodeJws(`${input}.${mac}`), signer.publicKey), messageError('ERR_RATS_ALGORITHM'))
  })

  test('is not taken with an algorithm that is absent, not on the list, or for another key', async () => {
    for (const header of [
      '{}',
      '{"alg":1}',
      '{"alg":"RS256"}',
      '{"alg":"es256"}',
      '{"alg":["ES256"]}',
      '{"alg":"ES384"}',
    ]) {
      const message = decodeJws(`${base64url(header)}.${payload}.${signature}`)
      await assert.rejects(checkJws(message, signer.publicKey), messageError('ERR_RATS_ALGORITHM'), header)
    }
    await assert.rejects(checkJws(decodeJws(token), signer.publicKey, ['PS256']), messageError('ERR_RATS_ALGORITHM'))
    await assert.rejects(checkJws(decodeJws(token), freshSigner('P-384').publicKey), messageError('ERR_RATS_ALGORITHM'))
  })

  test('is not believed about the key that signed it', async () => {
    const thief = freshSigner()
    const header = new Map([['jwk', new Map(Object.entries({ ...thief.publicKey.jwk } as Record<string, string>))]])
    const stolen = await makeJws(PAYLOAD, thief, header)
    await assert.rejects(checkJws(decodeJws(stolen), signer.publicKey), messageError('ERR_RATS_SIGNATURE'))
  })

  const malformed: Readonly<Record<string, string>> = {
    'of two parts': `${head}.${payload}`,
    'of four parts': `.${token}`,
    'of five parts, as a JWE is': `${token}.a.b`,
    'with padding': `${head}=.${payload}.${signature}`,
    'with white space': `${head}.${payload} .${signature}`,
    'with a line end': `${token}\n`,
    'with a header that is no object': `${base64url('[]')}.${payload}.${signature}`,
    'with a header that is no JSON': `${base64url('{')}.${payload}.${signature}`,
    'with a header that names a member twice': `${base64url('{"alg":"none","alg":"ES256"}')}.${payload}.${signature}`,
    'with a critical extension': `${base64url('{"alg":"ES256","crit":["exp"],"exp":1}')}.${payload}.${signature}`,
    'with a payload that is not encoded': `${base64url('{"alg":"ES256","b64":false}')}.${payload}.${signature}`,
    'in general JSON': JSON.stringify({ payload, signatures: [{ protected: head, signature }] }),
    'in general and flattened JSON': JSON.stringify({ protected: head, payload, signature, signatures: [] }),
    'in flattened JSON without a protected header': JSON.stringify({ header: { alg: 'ES256' }, payload, signature }),
    'in flattened JSON with an unprotected algorithm': JSON.stringify({
      protected: base64url('{}'),
      header: { alg: 'ES256' },
      payload,
      signature,
    }),
    'in flattened JSON with a parameter in both headers': JSON.stringify({
      protected: head,
      header: { typ: 'x' },
      payload,
      signature,
    }),
    'in flattened JSON with a header that is no object': JSON.stringify({
      protected: head,
      header: 1,
      payload,
      signature,
    }),
    'in flattened JSON with a member twice': `{"payload":"e30",${JSON.stringify({ protected: head, payload, signature }).slice(1)}`,
  }
  for (const [what, text] of Object.entries(malformed)) {
    test(`is not read ${what}`, () => assert.throws(() => decodeJws(text), MessageError))
  }
})

function base64url(text: string): string {
  return Buffer.from(text).toString('base64url')
}
