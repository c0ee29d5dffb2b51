import { PublicKey } from '../crypto/index.js'
import { fromBase64url, toBase64url } from './base64url.js'
import type { CborMap, CborValue } from './cbor.js'
import { MessageError } from './message-error.js'
import { messageAlgorithms } from './message-signer.js'
import { asBytes, asInteger } from './value.js'

/** The public key that a COSE_Key (RFC 9052 §7, RFC 9053 §7) is: EC2 on P-256, P-384 or P-521, OKP for Ed25519 or
 *  Ed448, or RSA (RFC 8230 §4).
 *  @throws MessageError if it is of another kind, not a point of its curve, holds a private part, or is said to be for
 *    something else than checking signatures */
export function publicKeyOfCoseKey(key: CborMap): PublicKey {
  const type = asInteger(key.get(KeyParameter.kty), 'the kty of a COSE_Key')
  const publicKey = importedKey(type, key)
  checkUse(key, publicKey)
  return publicKey
}

/** The COSE_Key of a public key: its type and its numbers, nothing else, so that equal keys have equal encodings.
 *  @throws TypeError for kinds of keys that COSE has no form for */
export function coseKeyOf(key: PublicKey): CborMap {
  if (key.kind === 'other' || key.kind === 'rsa-pss')
    throw new TypeError(`COSE has no form for a key of kind ${key.kind}`)
  const { kty, crv = '', x, y, n, e } = key.jwk
  if (kty === 'RSA')
    return new Map<number, CborValue>([
      [1, KeyType.rsa],
      [-1, number(n)],
      [-2, number(e)],
    ])
  const curve = CURVES.find(({ name }) => name === crv)
  if (!curve) throw new TypeError(`COSE has no form for a key on ${crv}`)
  const map = new Map<number, CborValue>([
    [1, curve.type],
    [-1, curve.id],
    [-2, number(x)],
  ])
  return curve.type === KeyType.ec2 ? map.set(-3, number(y)) : map
}

const KeyParameter = { kty: 1, alg: 3, keyOps: 4 } as const
const KeyType = { okp: 1, ec2: 2, rsa: 3 } as const
const VERIFY = 2

/** Curves by their id (RFC 9053 §7.1), with the bytes of a coordinate. */
const CURVES = [
  { id: 1, name: 'P-256', type: KeyType.ec2, size: 32 },
  { id: 2, name: 'P-384', type: KeyType.ec2, size: 48 },
  { id: 3, name: 'P-521', type: KeyType.ec2, size: 66 },
  { id: 6, name: 'Ed25519', type: KeyType.okp, size: 32 },
  { id: 7, name: 'Ed448', type: KeyType.okp, size: 57 },
] as const

function importedKey(type: number, key: CborMap): PublicKey {
  if (type === KeyType.rsa) return importedRsa(key)
  const id = asInteger(key.get(-1), 'the crv of a COSE_Key')
  const curve = CURVES.find(row => row.id === id && row.type === type)
  if (!curve) throw malformed('a COSE_Key is of a type or on a curve that is not known here')
  if (key.has(-4)) throw malformed('a COSE_Key that is meant to be public holds a private key')
  const x = toBase64url(asBytes(key.get(-2), 'the x of a COSE_Key', curve.size, curve.size))
  if (curve.type === KeyType.okp) return imported({ kty: 'OKP', crv: curve.name, x })
  if (typeof key.get(-3) === 'boolean') throw malformed('a COSE_Key holds a compressed point, which is not read here')
  const y = toBase64url(asBytes(key.get(-3), 'the y of a COSE_Key', curve.size, curve.size))
  return imported({ kty: 'EC', crv: curve.name, x, y })
}

function importedRsa(key: CborMap): PublicKey {
  if (key.has(-3)) throw malformed('a COSE_Key that is meant to be public holds a private key')
  // 16384 bits, and an exponent that OpenSSL takes: more is a way to keep others busy.
  const n = asBytes(key.get(-1), 'the n of a COSE_Key', 256, 2048)
  const e = asBytes(key.get(-2), 'the e of a COSE_Key', 1, 8)
  return imported({ kty: 'RSA', n: toBase64url(n), e: toBase64url(e) })
}

/** Imports a key, or finds it among those imported lately: a key attestation key comes with every token it signed, and
 *  to import it takes as long as to check its signature. */
function imported(jwk: Readonly<Record<string, string>>): PublicKey {
  const name = Object.values(jwk).join(' ')
  const held = keys.get(name)
  if (held) return held
  let key: PublicKey
  try {
    key = PublicKey.fromJwk(jwk)
  } catch {
    throw malformed('a COSE_Key is no key of its type')
  }
  for (const oldest of keys.keys()) {
    if (keys.size < MOST_KEYS) break
    keys.delete(oldest)
  }
  keys.set(name, key)
  return key
}

/** The one state of this room. It changes how long an answer takes, and never which it is. */
const keys = new Map<string, PublicKey>()
const MOST_KEYS = 1024

/** RFC 9052 §7.1: a key with `alg` or `key_ops` is for nothing else. */
function checkUse(key: CborMap, publicKey: PublicKey): void {
  const algorithm = key.get(KeyParameter.alg)
  const suits = messageAlgorithms.some(({ numbers, keyKind }) => {
    return keyKind === publicKey.kind && numbers.some(number => number === algorithm)
  })
  if (algorithm !== undefined && !suits) throw malformed('a COSE_Key is for an algorithm that does not go with it')
  const operations = key.get(KeyParameter.keyOps)
  if (operations !== undefined && !(Array.isArray(operations) && operations.includes(VERIFY))) {
    throw malformed('a COSE_Key is not for checking signatures')
  }
}

function number(text: string | undefined): Uint8Array {
  const bytes = text === undefined ? undefined : fromBase64url(text)
  if (!bytes) throw new TypeError('a key lacks one of its numbers')
  return bytes
}

function malformed(sentence: string): MessageError {
  return new MessageError('ERR_RATS_MALFORMED', sentence)
}
