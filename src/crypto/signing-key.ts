import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'
import { hashLength } from './hash.js'
import { kindOf, PublicKey, signWith } from './signature.js'
import { schemeRow, schemesFor } from './signature-scheme.js'

/** A private key that signs handshakes. Its bytes stay where they are: a file, a TPM, an HSM, another process. */
export interface SigningKey {
  readonly publicKey: PublicKey
  /** SignatureScheme code points (RFC 8446 §4.2.3) that it signs with, in order of preference. */
  readonly schemes: readonly number[]
  /** Whether it always signs at once: then nobody prepares for having to call it off. */
  readonly isLocal?: boolean
  /** Signs `data` (not a digest). A key at hand answers at once, a remote one with a promise.
   *  @param signal fires when the answer is no longer wanted */
  sign(scheme: number, data: Uint8Array, signal?: AbortSignal): Uint8Array | Promise<Uint8Array>
}

/** A signing key whose private half is in this process.
 *  @param key a KeyObject, PEM text, or PKCS#8 DER
 *  @throws Error if it is not a private key, or of a kind that TLS 1.3 does not sign with */
export function signingKey(key: KeyObject | string | Uint8Array, passphrase?: string): SigningKey {
  return new LocalSigningKey(privateKeyOf(key, passphrase))
}

class LocalSigningKey implements SigningKey {
  readonly isLocal = true
  readonly publicKey: PublicKey
  readonly schemes: readonly number[]
  readonly #key: KeyObject

  constructor(key: KeyObject) {
    this.#key = key
    this.publicKey = new PublicKey(createPublicKey(key))
    this.schemes = schemesFor(kindOf(key)).filter(scheme => hasRoomFor(key, scheme))
    if (this.schemes.length === 0) {
      throw new Error(`a key of type ${key.asymmetricKeyType} cannot sign a TLS 1.3 handshake`)
    }
  }

  sign(scheme: number, data: Uint8Array): Uint8Array {
    const row = schemeRow(scheme)
    if (!row || !this.schemes.includes(scheme)) throw new Error('the key does not sign with the scheme asked for')
    return signWith(row.algorithm, this.#key, data)
  }
}

/** Whether an RSA key is long enough for the hash of a scheme, and its own parameters (RFC 4055 §1.2) allow it. */
function hasRoomFor(key: KeyObject, scheme: number): boolean {
  const algorithm = schemeRow(scheme)?.algorithm
  const details = key.asymmetricKeyDetails
  if (algorithm?.kind !== 'rsa-pss' || !details) return true
  const length = hashLength[algorithm.hash]
  const { modulusLength = 0, hashAlgorithm, mgf1HashAlgorithm, saltLength = 0 } = details
  // RFC 8017 §9.1.1: the hash, a salt of the same length and two bytes more.
  const isLongEnough = Math.ceil((modulusLength - 1) / 8) >= 2 * length + 2
  const isAllowed =
    hashAlgorithm === undefined ||
    (hashAlgorithm === algorithm.hash && mgf1HashAlgorithm === algorithm.hash && saltLength <= length)
  return isLongEnough && isAllowed
}

function privateKeyOf(key: KeyObject | string | Uint8Array, passphrase: string | undefined): KeyObject {
  if (typeof key === 'string') return createPrivateKey({ key, format: 'pem', passphrase })
  if (key instanceof Uint8Array) {
    return createPrivateKey({ key: Buffer.from(key), format: 'der', type: 'pkcs8', passphrase })
  }
  if (key.type !== 'private') throw new Error(`a private key is needed, not a ${key.type} one`)
  return key
}
