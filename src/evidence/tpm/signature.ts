import { concat, type Reader } from '../../bytes/index.js'
import type { PublicKey, SignatureAlgorithm } from '../../crypto/index.js'
import type { RegisterHash } from '../event-log/log.js'
import { TpmAlgorithm, tpmHashes } from './algorithm.js'
import { padded } from './public-area.js'
import { malformed, readStructure, sized } from './structure.js'

/** TPMT_SIGNATURE (TPM 2.0 Library, Part 2, 11.3.4). */
export type TpmSignature =
  | { readonly scheme: 'rsassa' | 'rsapss'; readonly hash: RegisterHash; readonly signature: Uint8Array }
  | { readonly scheme: 'ecdsa'; readonly hash: RegisterHash; readonly r: Uint8Array; readonly s: Uint8Array }

/** Reads a TPMT_SIGNATURE. @throws MessageError */
export function decodeSignature(bytes: Uint8Array): TpmSignature {
  return readStructure(bytes, 'TPMT_SIGNATURE', readSignature)
}

/** Reads one that is followed by something else. @throws MessageError or DecodeError */
export function readSignature(reader: Reader): TpmSignature {
  const scheme = SCHEMES.get(reader.uint16())
  const hash = tpmHashes.get(reader.uint16())
  if (!scheme || !hash) throw malformed('a signature of a TPM is of a scheme that is not known here')
  if (scheme === 'ecdsa') return { scheme, hash, r: sized(reader), s: sized(reader) }
  return { scheme, hash, signature: sized(reader) }
}

const SCHEMES: ReadonlyMap<number, TpmSignature['scheme']> = new Map([
  [TpmAlgorithm.rsassa, 'rsassa'],
  [TpmAlgorithm.rsapss, 'rsapss'],
  [TpmAlgorithm.ecdsa, 'ecdsa'],
])

/** Whether a TPM signed `data` with the key. Whether the hash is good enough is another question. */
export function isSignedByTpm(signature: TpmSignature, key: PublicKey, data: Uint8Array): boolean {
  const { scheme, hash } = signature
  if (scheme === 'ecdsa') {
    const size = COORDINATE_SIZES[key.kind]
    if (size === undefined || signature.r.length > size || signature.s.length > size) return false
    const raw = concat(padded(signature.r, size), padded(signature.s, size))
    return key.verify({ kind: 'ecdsa', hash, encoding: 'raw' }, data, raw)
  }
  const algorithm = rsaAlgorithmOf(scheme, hash)
  return algorithm !== undefined && key.verify(algorithm, data, signature.signature)
}

const COORDINATE_SIZES: Readonly<Partial<Record<PublicKey['kind'], number>>> = { p256: 32, p384: 48, p521: 66 }

function rsaAlgorithmOf(scheme: 'rsassa' | 'rsapss', hash: RegisterHash): SignatureAlgorithm | undefined {
  if (scheme === 'rsassa') return { kind: 'rsa-pkcs1', hash }
  // Nothing signs with RSASSA-PSS and SHA-1 that has not RSASSA-PKCS1-v1_5 as well.
  return hash === 'sha1' ? undefined : { kind: 'rsa-pss', hash, salt: 'any length' }
}
