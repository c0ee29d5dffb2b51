import { equalBytes, utf8 } from '../bytes/index.js'
import { type HashName, hash } from '../crypto/index.js'
import { fromBase64url } from './base64url.js'
import { type CborValue, decodeCbor, Tagged } from './cbor.js'
import { decodeEatClaims, type EatClaims, type EatEncoding, type Submodule } from './eat.js'
import { decodeJson } from './json.js'
import { MessageError } from './message-error.js'
import { asArray, asBytes, asMap, asText } from './value.js'

/** A detached EAT bundle (RFC 9711 §5): a signed token, and claims sets whose digests are submodules of it. */
export interface EatBundle {
  readonly encoding: EatEncoding
  /** To be checked as any other token. */
  readonly mainToken: Submodule & { readonly kind: 'token' }
  /** Claims sets as they were sent, by the label of their submodule; at least one. */
  readonly detached: ReadonlyMap<string, Uint8Array>
}

/** Reads a detached EAT bundle: in CBOR with or without tag 602.
 *  @throws MessageError */
export function decodeEatBundle(bytes: Uint8Array, encoding: EatEncoding): EatBundle {
  const outer = encoding === 'cbor' ? decodeCbor(bytes, 'tolerant') : decodeJson(bytes)
  const isTagged = outer instanceof Tagged && outer.tag === BUNDLE_TAG
  const [token, sets] = asArray(isTagged ? outer.value : outer, 'a detached EAT bundle', 2, 2)
  const detached = [...asMap(sets, 'the detached claims sets')].map(([label, set]) => {
    return [asText(label, 'the label of a detached claims set'), detachedSet(set, encoding)] as const
  })
  if (detached.length === 0) throw new MessageError('ERR_RATS_MALFORMED', 'a detached EAT bundle has no claims sets')
  return { encoding, mainToken: mainTokenOf(token, encoding), detached: new Map(detached) }
}

/** The detached claims, each of which is what the main token has the digest of.
 *  @param main claims of the main token, whose signature was checked
 *  @throws MessageError if a digest is missing, of an unknown function, or of other claims */
export function detachedClaims({ encoding, detached }: EatBundle, main: EatClaims): ReadonlyMap<string, EatClaims> {
  const claims = [...detached].map(([label, set]) => {
    const submodule = main.submodules?.get(label)
    if (submodule?.kind !== 'digest') {
      throw new MessageError('ERR_RATS_INCONSISTENT', 'the main token has no digest of a detached claims set')
    }
    const name = HASHES.get(submodule.algorithm)
    if (!name)
      throw new MessageError('ERR_RATS_ALGORITHM', 'the digest of a detached claims set is by an unknown function')
    if (!equalBytes(hash(name, set), submodule.digest)) {
      throw new MessageError(
        'ERR_RATS_INCONSISTENT',
        'a detached claims set is not the one that the main token speaks for',
      )
    }
    return [label, decodeEatClaims(set, encoding)] as const
  })
  return new Map(claims)
}

const BUNDLE_TAG = 602

/** COSE algorithms (RFC 9054 §2.1), by number and by name. */
const HASHES: ReadonlyMap<number | string, HashName> = new Map<number | string, HashName>([
  [-16, 'sha256'],
  [-43, 'sha384'],
  [-44, 'sha512'],
  ['SHA-256', 'sha256'],
  ['SHA-384', 'sha384'],
  ['SHA-512', 'sha512'],
])

function mainTokenOf(value: CborValue | undefined, encoding: EatEncoding): EatBundle['mainToken'] {
  if (encoding === 'cbor' && value instanceof Uint8Array) return { kind: 'token', format: 'cbor', token: value }
  const selector = encoding === 'cbor' ? decodeJson(asText(value, 'the main token')) : value
  const [kind, content] = asArray(selector, 'the main token', 2, 2)
  const text = asText(content, 'the main token')
  if (kind === 'JWT') return { kind: 'token', format: 'jwt', token: utf8(text) }
  // RFC 9711 §5: the main token is signed, so it is neither bare claims nor another bundle.
  if (kind === 'CBOR') return { kind: 'token', format: 'cbor', token: base64urlBytes(text) }
  throw new MessageError('ERR_RATS_MALFORMED', 'the main token of a bundle is a CWT or a JWT')
}

function detachedSet(value: CborValue, encoding: EatEncoding): Uint8Array {
  const what = 'a detached claims set'
  return encoding === 'cbor' ? asBytes(value, what, 1) : base64urlBytes(asText(value, what, 1))
}

function base64urlBytes(text: string): Uint8Array {
  const bytes = fromBase64url(text)
  if (!bytes) throw new MessageError('ERR_RATS_MALFORMED', 'a part of the bundle is not base64url without padding')
  return bytes
}
