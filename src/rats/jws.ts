import { errors, flattenedVerify } from 'jose'
import { utf8 } from '../bytes/index.js'
import type { PublicKey } from '../crypto/index.js'
import { fromBase64url, toBase64url } from './base64url.js'
import type { CborMap, CborValue } from './cbor.js'
import { decodeJson, encodeJson } from './json.js'
import { MessageError } from './message-error.js'
import { goesWith, type MessageSigner, messageAlgorithms } from './message-signer.js'

/** A JWS (RFC 7515), not yet checked. */
export interface JwsMessage {
  /** The protected header. What it says about keys (`jwk`, `jku`, `x5c`) says nothing about whom to trust. */
  readonly header: CborMap
  readonly payload: Uint8Array
  /** As sent, in base64url. */
  readonly parts: { readonly protected: string; readonly payload: string; readonly signature: string }
}

/** Reads a JWS in compact serialisation, or in flattened JSON (RFC 7515 §7.2.2).
 *  @throws MessageError if it is none, or asks with `crit` for what is not understood here */
export function decodeJws(bytes: string | Uint8Array): JwsMessage {
  const parts = partsOf(bytes)
  const header = headerOf(bytesOf(parts.protected, 'protected header'))
  bytesOf(parts.signature, 'signature')
  return { header, payload: bytesOf(parts.payload, 'payload'), parts }
}

/** Checks the signature of a JWS.
 *  @param algorithms names that will do; absent, all of `messageAlgorithms`
 *  @throws MessageError ERR_RATS_ALGORITHM if the protected header names no algorithm that will do for the key (`none`
 *    and the MACs never do), ERR_RATS_SIGNATURE if it was not made over this message with this key */
export async function checkJws(message: JwsMessage, key: PublicKey, algorithms?: readonly string[]): Promise<void> {
  const name = message.header.get('alg')
  if (name === undefined) throw new MessageError('ERR_RATS_ALGORITHM', 'the protected header names no algorithm')
  const row = messageAlgorithms.find(row => row.name !== undefined && row.name === name)
  if (!row?.name || (algorithms && !algorithms.includes(row.name))) {
    throw new MessageError('ERR_RATS_ALGORITHM', 'the algorithm in the protected header is not on the list')
  }
  if (!goesWith(row, key)) {
    throw new MessageError(
      'ERR_RATS_ALGORITHM',
      `the algorithm ${row.name} does not go with this key of kind ${key.kind}`,
    )
  }
  try {
    await flattenedVerify(message.parts, key.jwk, { algorithms: [row.name] })
  } catch (error) {
    if (error instanceof errors.JOSEError) {
      throw new MessageError('ERR_RATS_SIGNATURE', 'the signature was not made over this message with this key')
    }
    throw error
  }
}

/** Makes a JWS in compact serialisation.
 *  @param header parameters besides `alg` */
export async function makeJws(
  payload: Uint8Array,
  signer: MessageSigner,
  header: CborMap = new Map(),
  signal?: AbortSignal,
): Promise<string> {
  if (signer.algorithm.name === undefined) throw new TypeError('JOSE has no name for the algorithm of the key')
  const protectedHeader = new Map<number | string, CborValue>([['alg', signer.algorithm.name], ...header])
  const input = `${toBase64url(utf8(encodeJson(protectedHeader)))}.${toBase64url(payload)}`
  const signature = await signer.sign(utf8(input), signal)
  return `${input}.${toBase64url(signature)}`
}

function partsOf(bytes: string | Uint8Array): JwsMessage['parts'] {
  const first = typeof bytes === 'string' ? bytes.charCodeAt(0) : bytes[0]
  if (first === 0x7b) return flattened(decodeJson(bytes))
  if (bytes.length > MAX_LENGTH) throw malformed(`a JWS is longer than ${MAX_LENGTH} bytes`)
  const text = typeof bytes === 'string' ? bytes : new TextDecoder('latin1').decode(bytes)
  const [head, payload, signature, ...more] = text.split('.')
  if (head === undefined || payload === undefined || signature === undefined || more.length > 0) {
    throw malformed('a JWS in compact serialisation has three parts')
  }
  return { protected: head, payload, signature }
}

const MAX_LENGTH = 1 << 20

function flattened(value: CborValue): JwsMessage['parts'] {
  const map = value instanceof Map ? value : new Map<string, CborValue>()
  const [head, payload, signature] = ['protected', 'payload', 'signature'].map(name => map.get(name))
  if (typeof head !== 'string' || typeof payload !== 'string' || typeof signature !== 'string') {
    throw malformed('a JWS in flattened JSON has the members protected, payload and signature')
  }
  // RFC 7515 §7.2.2: `signatures` belongs to the general serialisation, and must not stand beside.
  if (map.has('signatures')) throw malformed('a JWS is both in flattened and in general JSON')
  const shared = map.get('header') ?? new Map()
  if (!(shared instanceof Map)) throw malformed('the unprotected header is not an object')
  // RFC 7515 §7.2.1: the names of both headers are disjoint; and what is not protected could be changed by anyone.
  const own = headerOf(bytesOf(head, 'protected header'))
  for (const name of shared.keys()) {
    if (own.has(name) || name === 'alg' || name === 'crit' || name === 'b64') {
      throw malformed('the unprotected header holds what only the protected one may hold')
    }
  }
  return { protected: head, payload, signature }
}

function headerOf(bytes: Uint8Array): CborMap {
  const header = decodeJson(bytes)
  if (!(header instanceof Map)) throw malformed('the protected header is not an object')
  // RFC 7515 §4.1.11: none of the extensions that crit could name is understood here; b64 would change the payload.
  if (header.has('crit') || header.has('b64')) throw malformed('the protected header asks for an extension of JWS')
  return header
}

function bytesOf(text: string, what: string): Uint8Array {
  const bytes = fromBase64url(text)
  if (!bytes) throw malformed(`the ${what} is not base64url without padding`)
  return bytes
}

function malformed(sentence: string): MessageError {
  return new MessageError('ERR_RATS_MALFORMED', sentence)
}
