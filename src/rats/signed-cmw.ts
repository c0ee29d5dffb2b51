import { utf8 } from '../bytes/index.js'
import type { PublicKey } from '../crypto/index.js'
import { type Cmw, decodeCmw, encodeCmw } from './cmw.js'
import { CoseHeader, checkSign1, decodeSign1, makeSign1 } from './cose.js'
import { checkJws, decodeJws, makeJws } from './jws.js'
import { sameMediaType } from './media-type.js'
import { MessageError } from './message-error.js'
import type { MessageSigner } from './message-signer.js'

/** Checks a signed CMW (RFC 9999 §4): `application/cmw+cose`, or `application/cmw+jws` in compact or flattened form.
 *  @param algorithms JOSE names of those that will do; absent, every one that is known here
 *  @throws MessageError ERR_RATS_CONTENT_TYPE if the protected header does not say that a CMW is in it,
 *    ERR_RATS_PAYLOAD if none is, and as `checkSign1` and `checkJws` do */
export async function checkSignedCmw(bytes: Uint8Array, key: PublicKey, algorithms?: readonly string[]): Promise<Cmw> {
  return isCose(bytes) ? checkCoseCmw(bytes, key, algorithms) : checkJwsCmw(bytes, key, algorithms)
}

/** Checks a CMW that is signed with COSE. See `checkSignedCmw`. */
export function checkCoseCmw(bytes: Uint8Array, key: PublicKey, algorithms?: readonly string[]): Cmw {
  const message = decodeSign1(bytes)
  const type = message.protectedHeader.get(CoseHeader.contentType)
  const isType = typeof type === 'string' || typeof type === 'number'
  if (!isType || !sameMediaType(type, 'application/cmw+cbor')) throw wrongType('application/cmw+cbor')
  checkSign1(message, key, { ...(algorithms && { algorithms }) })
  return payloadOf(message.payload, 'cbor')
}

/** Signs a CMW with COSE, in its CBOR form. */
export function makeCoseCmw(cmw: Cmw, signer: MessageSigner): Promise<Uint8Array> {
  const protectedHeader = new Map([[CoseHeader.contentType, 'application/cmw+cbor']])
  return makeSign1(encodeCmw(cmw, 'cbor'), signer, { protectedHeader })
}

/** Signs a CMW with JWS, compact, in its JSON form. */
export async function makeJwsCmw(cmw: Cmw, signer: MessageSigner): Promise<Uint8Array> {
  return utf8(await makeJws(encodeCmw(cmw, 'json'), signer, new Map([['cty', 'application/cmw+json']])))
}

async function checkJwsCmw(bytes: Uint8Array, key: PublicKey, algorithms?: readonly string[]): Promise<Cmw> {
  const message = decodeJws(bytes)
  const type = message.header.get('cty')
  if (typeof type !== 'string' || !sameMediaType(type, 'application/cmw+json')) throw wrongType('application/cmw+json')
  await checkJws(message, key, algorithms)
  return payloadOf(message.payload, 'json')
}

/** A COSE_Sign1 is tagged (18, or 61 for a CWT) or an array of four; a JWS is text. */
function isCose(bytes: Uint8Array): boolean {
  return (bytes[0] ?? 0) >= 0x80
}

function payloadOf(payload: Uint8Array, form: 'cbor' | 'json'): Cmw {
  try {
    return decodeCmw(payload, form)
  } catch (error) {
    if (error instanceof MessageError) throw new MessageError('ERR_RATS_PAYLOAD', `the content: ${error.message}`)
    throw error
  }
}

function wrongType(wanted: string): MessageError {
  return new MessageError('ERR_RATS_CONTENT_TYPE', `the protected header does not say that the content is ${wanted}`)
}
