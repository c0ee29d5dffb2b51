import {
  constants,
  createPublicKey,
  type JsonWebKey,
  type KeyObject,
  type SignKeyObjectInput,
  sign,
  verify,
} from 'node:crypto'
import { versions } from 'node:process'
import type { HashName } from './hash.js'

/** How a signature is made, apart from the key. ECDSA is DER (X.509, TLS) or raw r‖s (COSE, JOSE, quotes). The salt of
 *  RSASSA-PSS is as long as the hash, but in the signatures of some TPMs as long as will fit. */
export type SignatureAlgorithm =
  | { readonly kind: 'ecdsa'; readonly hash: HashName | 'sha1'; readonly encoding: 'der' | 'raw' }
  | { readonly kind: 'eddsa' }
  | { readonly kind: 'rsa-pss'; readonly hash: HashName; readonly salt?: 'any length' }
  | { readonly kind: 'rsa-pkcs1'; readonly hash: HashName | 'sha1' }

/** What kind of key a PublicKey is; for `ec` with its curve. */
export type KeyKind = 'rsa' | 'rsa-pss' | 'p256' | 'p384' | 'p521' | 'ed25519' | 'ed448' | 'other'

/** A public JSON Web Key (RFC 7517). */
export type Jwk = Readonly<JsonWebKey>

/** A public key that signatures are checked with. */
export class PublicKey {
  readonly kind: KeyKind
  /** Modulus length in bits for RSA, undefined otherwise. */
  readonly modulusLength: number | undefined
  /** Of RSA, undefined otherwise. */
  readonly publicExponent: bigint | undefined
  readonly #key: KeyObject
  #spki: Uint8Array | undefined
  #jwk: Jwk | undefined

  constructor(key: KeyObject, spki?: Uint8Array) {
    this.#key = key
    this.#spki = spki
    this.kind = kindOf(key)
    this.modulusLength = key.asymmetricKeyDetails?.modulusLength
    this.publicExponent = key.asymmetricKeyDetails?.publicExponent
  }

  /** Imports a key, or finds it among those imported lately: an import costs as much as checking a signature.
   *  @param der SubjectPublicKeyInfo (RFC 5280 §4.1)   @throws Error if it is none that OpenSSL knows */
  static fromSpki(der: Uint8Array): PublicKey {
    return lately(Buffer.from(der.buffer, der.byteOffset, der.length).toString('latin1'), () => {
      const bytes = Uint8Array.from(der)
      const jwk = IS_JWK_FASTER ? p256JwkOf(bytes) : undefined
      if (jwk) return new PublicKey(createPublicKey({ key: jwk, format: 'jwk' }), bytes)
      return new PublicKey(createPublicKey({ key: Buffer.from(bytes), format: 'der', type: 'spki' }), bytes)
    })
  }

  /** @param text SubjectPublicKeyInfo in PEM (RFC 7468 §13)   @throws Error if it is no such text, or none that OpenSSL
   *    knows */
  static fromPem(text: string): PublicKey {
    // OpenSSL would take private keys and certificates as well.
    if (!/^\s*-----BEGIN PUBLIC KEY-----/.test(text)) throw new TypeError('the text is no public key in PEM')
    return new PublicKey(createPublicKey(text))
  }

  /** @param jwk a public JSON Web Key (RFC 7517)   @throws Error if a member is missing or the point is not on its curve */
  static fromJwk(jwk: Readonly<Record<string, unknown>>): PublicKey {
    const spki = p256SpkiOf(jwk)
    if (spki) return PublicKey.fromSpki(spki)
    return new PublicKey(createPublicKey({ key: { ...jwk }, format: 'jwk' }))
  }

  /** SubjectPublicKeyInfo, DER. */
  get spki(): Uint8Array {
    this.#spki ??= Uint8Array.from(this.#key.export({ format: 'der', type: 'spki' }))
    return this.#spki
  }

  /** The key as a public JSON Web Key (RFC 7517), with nothing but the key itself in it.
   *  @throws Error for `rsa-pss` and `other`, which JWK has no form for */
  get jwk(): Jwk {
    // Exported from a copy: Node 20 can hang when a key comes straight out of its generator.
    this.#jwk ??=
      p256JwkOf(this.spki) ??
      createPublicKey({ key: Buffer.from(this.spki), format: 'der', type: 'spki' }).export({
        format: 'jwk',
      })
    return this.#jwk
  }

  /** Whether `signature` over `data` was made with this key. A signature of another shape is false, never an error. */
  verify(algorithm: SignatureAlgorithm, data: Uint8Array, signature: Uint8Array): boolean {
    if (!fits(algorithm, this.kind)) return false
    try {
      return verify(digestOf(algorithm), data, withOptions(this.#key, algorithm), signature)
    } catch {
      return false
    }
  }
}

/** The key of that name, if it was imported lately. */
function lately(name: string, importKey: () => PublicKey): PublicKey {
  const key = imported.get(name) ?? importKey()
  if (name.length > LONGEST_NAME) return key
  // Deleted and set again it is the youngest.
  imported.delete(name)
  imported.set(name, key)
  if (imported.size > MOST_IMPORTED) {
    for (const oldest of imported.keys()) {
      imported.delete(oldest)
      break
    }
  }
  return key
}

/** Keys by their SubjectPublicKeyInfo, the oldest first. It changes how long an import takes, and never what it gives. */
const imported = new Map<string, PublicKey>()
const MOST_IMPORTED = 256
/** An RSA key of 8192 bits has 1,062 bytes. */
const LONGEST_NAME = 1100

/** The point in the SubjectPublicKeyInfo (RFC 5480 §2) of a P-256 key as a JSON Web Key: OpenSSL 3.0 imports that in half
 *  the time. (P-384 takes four times as long that way.) undefined for other kinds of key and forms of point. */
function p256JwkOf(spki: Uint8Array): { kty: 'EC'; crv: 'P-256'; x: string; y: string } | undefined {
  if (spki.length !== P256_PREFIX.length + 64 || !P256_PREFIX.every((byte, i) => byte === spki[i])) return undefined
  const point = Buffer.from(spki.buffer, spki.byteOffset + P256_PREFIX.length, 64)
  return { kty: 'EC', crv: 'P-256', x: point.toString('base64url', 0, 32), y: point.toString('base64url', 32) }
}

/** The other way round; undefined for other kinds of key, and for what is not quite one. */
function p256SpkiOf({ kty, crv, x, y }: Readonly<Record<string, unknown>>): Uint8Array | undefined {
  if (kty !== 'EC' || crv !== 'P-256' || !isCoordinate(x) || !isCoordinate(y)) return undefined
  return Uint8Array.from(Buffer.concat([P256_PREFIX, Buffer.from(x, 'base64url'), Buffer.from(y, 'base64url')]))
}

/** Whether it is 32 bytes in base64url. */
function isCoordinate(value: unknown): value is string {
  return typeof value === 'string' && /^[A-Za-z0-9_-]{43}$/.test(value)
}

const IS_JWK_FASTER = versions.openssl.startsWith('3.0.')

/** What stands before the coordinates; its last byte says that the point is uncompressed (RFC 5480 §2.2). */
const P256_PREFIX = Buffer.from('3059301306072a8648ce3d020106082a8648ce3d03010703420004', 'hex')

/** Signs with a private key that is at hand as a KeyObject.
 *  @throws Error if the key is of another kind than the algorithm */
export function signWith(algorithm: SignatureAlgorithm, key: KeyObject, data: Uint8Array): Uint8Array {
  return sign(digestOf(algorithm), data, withOptions(key, algorithm))
}

/** The kind of a KeyObject, public or private. */
export function kindOf(key: KeyObject): KeyKind {
  switch (key.asymmetricKeyType) {
    case 'rsa':
      return 'rsa'
    case 'rsa-pss':
      return 'rsa-pss'
    case 'ed25519':
      return 'ed25519'
    case 'ed448':
      return 'ed448'
    case 'ec':
      return CURVES[key.asymmetricKeyDetails?.namedCurve ?? ''] ?? 'other'
    default:
      return 'other'
  }
}

const CURVES: Readonly<Record<string, KeyKind>> = { prime256v1: 'p256', secp384r1: 'p384', secp521r1: 'p521' }

function fits(algorithm: SignatureAlgorithm, kind: KeyKind): boolean {
  switch (algorithm.kind) {
    case 'ecdsa':
      return kind === 'p256' || kind === 'p384' || kind === 'p521'
    case 'eddsa':
      return kind === 'ed25519' || kind === 'ed448'
    case 'rsa-pss':
      return kind === 'rsa' || kind === 'rsa-pss'
    case 'rsa-pkcs1':
      return kind === 'rsa'
  }
}

function digestOf(algorithm: SignatureAlgorithm): string | null {
  return algorithm.kind === 'eddsa' ? null : algorithm.hash
}

/** The key with what node:crypto has to know besides. Where its defaults do, the bare key: Node 24 takes ten microseconds
 *  over one that stands in an object. */
function withOptions(key: KeyObject, algorithm: SignatureAlgorithm): KeyObject | SignKeyObjectInput {
  switch (algorithm.kind) {
    case 'ecdsa':
      return algorithm.encoding === 'raw' ? { key, dsaEncoding: 'ieee-p1363' } : key
    case 'rsa-pss':
      return { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: saltLengthOf(algorithm.salt) }
    case 'rsa-pkcs1':
      return { key, padding: constants.RSA_PKCS1_PADDING }
    case 'eddsa':
      return key
  }
}

function saltLengthOf(salt: 'any length' | undefined): number {
  return salt === undefined ? constants.RSA_PSS_SALTLEN_DIGEST : constants.RSA_PSS_SALTLEN_AUTO
}
