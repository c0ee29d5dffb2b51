import { EMPTY } from '../bytes/index.js'
import { equalSecrets, type HashName, MacKey, type PublicKey } from '../crypto/index.js'
import { type CborMap, type CborRules, type CborValue, decodeCbor, encodeCbor, Tagged } from './cbor.js'
import { MessageError } from './message-error.js'
import { goesWith, type MessageSigner, messageAlgorithms } from './message-signer.js'

/** A COSE message with one signature or MAC (RFC 9052 §4.2, RFC 9052 §6.2), not yet checked. */
export interface CoseMessage {
  readonly kind: 'Sign1' | 'Mac0'
  /** How it was tagged: as a CWT (61, RFC 8392 §6) with the tag of its kind in it, with that tag alone, or not at all. */
  readonly tagging: 'cwt' | 'cose' | 'none'
  /** The protected header as it was sent. */
  readonly protectedBytes: Uint8Array
  readonly protectedHeader: CborMap
  readonly unprotectedHeader: CborMap
  readonly payload: Uint8Array
  /** The signature or the authentication tag. */
  readonly proof: Uint8Array
}

/** Header parameters (RFC 9052 §3.1, RFC 9360 §2, RFC 9597 §2). */
export const CoseHeader = {
  algorithm: 1,
  critical: 2,
  contentType: 3,
  keyId: 4,
  x5chain: 33,
} as const

/** Reads a COSE_Sign1: tagged as a CWT, tagged 18, or untagged.
 *  @param rules for the headers and the message around them; the payload is not looked into
 *  @throws MessageError if it is none, has no payload in it, or has a header that RFC 9052 §3 forbids */
export function decodeSign1(bytes: Uint8Array, rules: CborRules = 'tolerant'): CoseMessage {
  return messageOf('Sign1', decodeCbor(bytes, rules), rules)
}

/** Reads a COSE_Mac0: tagged as a CWT, tagged 17, or untagged. Like `decodeSign1` in all else. */
export function decodeMac0(bytes: Uint8Array, rules: CborRules = 'tolerant'): CoseMessage {
  return messageOf('Mac0', decodeCbor(bytes, rules), rules)
}

/** A COSE_Sign1 that is a part of a CBOR value, such as a tagged token in a collection. @throws MessageError */
export function sign1From(value: CborValue, rules: CborRules = 'tolerant'): CoseMessage {
  return messageOf('Sign1', value, rules)
}

/** The same for a COSE_Mac0. @throws MessageError */
export function mac0From(value: CborValue, rules: CborRules = 'tolerant'): CoseMessage {
  return messageOf('Mac0', value, rules)
}

/** How strictly a COSE message is checked. */
export interface CoseCheck {
  /** JOSE names of the algorithms that will do; absent, all of `messageAlgorithms`. */
  readonly algorithms?: readonly string[]
  /** Bytes that both sides know and that are under the signature too (RFC 9052 §4.3). */
  readonly externalData?: Uint8Array
  /** Labels of critical header parameters (RFC 9052 §3.1) that the caller sees to itself. */
  readonly understood?: readonly (number | string)[]
}

/** Checks the signature of a COSE_Sign1.
 *  @throws MessageError ERR_RATS_ALGORITHM if the protected header names no algorithm that will do for the key,
 *    ERR_RATS_SIGNATURE if it was not made over this message with this key */
export function checkSign1(message: CoseMessage, key: PublicKey, options: CoseCheck = {}): void {
  const number = algorithmOf(message, options)
  const row = messageAlgorithms.find(row => row.numbers.includes(number) && goesWith(row, key))
  if (!row || (options.algorithms && !options.algorithms.includes(row.name ?? ''))) {
    throw new MessageError(
      'ERR_RATS_ALGORITHM',
      `the algorithm ${number} will not do with this key of kind ${key.kind}`,
    )
  }
  const data = toBeSigned('Signature1', message.protectedBytes, options.externalData, message.payload)
  if (!key.verify(row.algorithm, data, message.proof)) {
    throw new MessageError('ERR_RATS_SIGNATURE', 'the signature was not made over this message with this key')
  }
}

/** Whether `checkSign1` would pass: for callers that report rather than refuse. */
export function isSignedBy(message: CoseMessage, key: PublicKey, options: CoseCheck = {}): boolean {
  try {
    checkSign1(message, key, options)
    return true
  } catch (error) {
    if (error instanceof MessageError) return false
    throw error
  }
}

/** Checks the authentication tag of a COSE_Mac0 with HMAC 256/256, 384/384 or 512/512 (RFC 9053 §3.1).
 *  @param secret the symmetric key
 *  @throws MessageError as `checkSign1` does */
export function checkMac0(message: CoseMessage, secret: Uint8Array, options: Omit<CoseCheck, 'algorithms'> = {}): void {
  const hash = MAC_HASHES.get(algorithmOf(message, options))
  if (!hash) throw new MessageError('ERR_RATS_ALGORITHM', 'the algorithm is none of HMAC 256/256, 384/384, 512/512')
  const data = toBeSigned('MAC0', message.protectedBytes, options.externalData, message.payload)
  if (!equalSecrets(new MacKey(hash, secret).mac(data), message.proof)) {
    throw new MessageError('ERR_RATS_SIGNATURE', 'the authentication tag was not made over this message with this key')
  }
}

/** What a COSE message is made with, besides its payload. */
export interface CoseOptions {
  /** Header parameters besides `alg`, which is always protected. */
  readonly protectedHeader?: CborMap
  readonly unprotectedHeader?: CborMap
  /** How it is tagged; `cose` unless said otherwise. */
  readonly tagging?: CoseMessage['tagging']
  readonly externalData?: Uint8Array
  readonly signal?: AbortSignal
}

/** Makes a COSE_Sign1, encoded. */
export async function makeSign1(
  payload: Uint8Array,
  signer: MessageSigner,
  options: CoseOptions = {},
): Promise<Uint8Array> {
  const protectedBytes = protectedWith(signer.algorithm.numbers[0], options)
  const data = toBeSigned('Signature1', protectedBytes, options.externalData, payload)
  const signature = await signer.sign(data, options.signal)
  return assembled('Sign1', protectedBytes, payload, signature, options)
}

/** Makes a COSE_Mac0, encoded, with HMAC and the hash's whole output. */
export function makeMac0(payload: Uint8Array, key: MacKey, options: CoseOptions = {}): Uint8Array {
  const [number] = [...MAC_HASHES].find(([, hash]) => hash === key.hash) ?? []
  const protectedBytes = protectedWith(number, options)
  const tag = key.mac(toBeSigned('MAC0', protectedBytes, options.externalData, payload))
  return assembled('Mac0', protectedBytes, payload, tag, options)
}

const MAC_HASHES: ReadonlyMap<number, HashName> = new Map([
  [5, 'sha256'],
  [6, 'sha384'],
  [7, 'sha512'],
])
const TAGS = { Sign1: 18, Mac0: 17 } as const
const CWT_TAG = 61

function messageOf(kind: CoseMessage['kind'], outer: CborValue, rules: CborRules): CoseMessage {
  const isCwt = outer instanceof Tagged && outer.tag === CWT_TAG
  const inner = isCwt ? outer.value : outer
  const isTagged = inner instanceof Tagged && inner.tag === TAGS[kind]
  // RFC 8392 §6: the CWT tag stands in front of a tagged COSE message only.
  if (isCwt && !isTagged) throw malformed(`the CWT tag is not followed by the tag of COSE_${kind}`)
  const parts = isTagged ? inner.value : inner
  if (!Array.isArray(parts) || parts.length !== 4) throw malformed(`a COSE_${kind} is an array of four`)
  const [protectedBytes, unprotectedHeader, payload, proof]: readonly CborValue[] = parts
  if (!(protectedBytes instanceof Uint8Array)) throw malformed('the protected header is not a byte string')
  if (!(unprotectedHeader instanceof Map)) throw malformed('the unprotected header is not a map')
  if (!(payload instanceof Uint8Array)) throw malformed('the payload is not a byte string')
  if (!(proof instanceof Uint8Array)) throw malformed('the signature or authentication tag is not a byte string')
  const protectedHeader = protectedBytes.length === 0 ? new Map() : decodeCbor(protectedBytes, rules)
  if (!(protectedHeader instanceof Map)) throw malformed('the protected header is not a map')
  // RFC 9052 §3: the labels of both maps together are unique.
  for (const label of unprotectedHeader.keys()) {
    if (protectedHeader.has(label)) throw malformed('a header parameter is both protected and unprotected')
  }
  if (unprotectedHeader.has(CoseHeader.critical)) throw malformed('the crit parameter is not protected')
  const tagging = isCwt ? 'cwt' : isTagged ? 'cose' : 'none'
  return { kind, tagging, protectedBytes, protectedHeader, unprotectedHeader, payload, proof }
}

/** The protected algorithm. An unprotected one could be changed by anyone, so it counts for nothing. */
function algorithmOf({ protectedHeader }: CoseMessage, { understood = [] }: CoseCheck): number {
  checkCritical(protectedHeader, understood)
  const algorithm = protectedHeader.get(CoseHeader.algorithm)
  if (algorithm === undefined) throw new MessageError('ERR_RATS_ALGORITHM', 'the protected header names no algorithm')
  if (typeof algorithm === 'number') return algorithm
  throw new MessageError('ERR_RATS_ALGORITHM', 'the algorithm is none that is known here')
}

/** RFC 9052 §3.1: whoever does not understand a critical parameter must not take the message. */
function checkCritical(protectedHeader: CborMap, understood: readonly (number | string)[]): void {
  const critical = protectedHeader.get(CoseHeader.critical)
  if (critical === undefined) return
  if (!Array.isArray(critical) || critical.length === 0) throw malformed('the crit parameter is not a list of labels')
  for (const label of critical) {
    if (!protectedHeader.has(label)) throw malformed('the crit parameter names a parameter that is not protected')
    if (!UNDERSTOOD.has(label) && !understood.includes(label)) {
      throw malformed('the crit parameter names a parameter that is not understood here')
    }
  }
}

const UNDERSTOOD: ReadonlySet<number | string> = new Set<number | string>([
  CoseHeader.algorithm,
  CoseHeader.critical,
  CoseHeader.contentType,
  CoseHeader.keyId,
])

/** Sig_structure (RFC 9052 §4.4) and MAC_structure (RFC 9052 §6.3). */
function toBeSigned(
  context: string,
  protectedBytes: Uint8Array,
  external: Uint8Array = EMPTY,
  payload: Uint8Array,
): Uint8Array {
  return encodeCbor([context, isEmptyMap(protectedBytes) ? EMPTY : protectedBytes, external, payload])
}

function isEmptyMap(protectedBytes: Uint8Array): boolean {
  return protectedBytes.length === 1 && protectedBytes[0] === 0xa0
}

function protectedWith(algorithm: number | undefined, { protectedHeader, unprotectedHeader }: CoseOptions): Uint8Array {
  if (algorithm === undefined) throw new TypeError('COSE has no number for the algorithm of the key')
  const header = new Map([...(protectedHeader ?? []), [CoseHeader.algorithm, algorithm]])
  for (const label of unprotectedHeader?.keys() ?? []) {
    if (header.has(label)) throw new TypeError('a header parameter is both protected and unprotected')
  }
  return encodeCbor(header)
}

function assembled(
  kind: CoseMessage['kind'],
  protectedBytes: Uint8Array,
  payload: Uint8Array,
  proof: Uint8Array,
  { unprotectedHeader = new Map(), tagging = 'cose' }: CoseOptions,
): Uint8Array {
  const parts = [protectedBytes, unprotectedHeader, payload, proof]
  if (tagging === 'none') return encodeCbor(parts)
  const tagged = new Tagged(TAGS[kind], parts)
  return encodeCbor(tagging === 'cwt' ? new Tagged(CWT_TAG, tagged) : tagged)
}

function malformed(sentence: string): MessageError {
  return new MessageError('ERR_RATS_MALFORMED', sentence)
}
