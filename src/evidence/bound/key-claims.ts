import { equalBytes } from '../../bytes/index.js'
import { type HashName, hash, hashLength, type PublicKey } from '../../crypto/index.js'
import {
  asBytes,
  asMap,
  asTagged,
  type CborValue,
  confirmedKey,
  coseKeyOf,
  decodeCbor,
  encodeCbor,
  MessageError,
  Tagged,
} from '../../rats/index.js'

/** What a report speaks for where it has one free field only: a challenge, and a key. */
export interface KeyClaims {
  /** 8 to 64 bytes. */
  readonly nonce: Uint8Array
  readonly key: PublicKey
}

/** The claims set that a report's free field has the hash of: `601({10: nonce, 8: {1: COSE_Key}})`, the unsigned key
 *  attestation of Parsec (draft-bft-rats-kat-06 has it signed). Its integrity comes from that hash alone.
 *  @throws RangeError if the nonce is not of 8 to 64 bytes */
export function encodeKeyClaims({ nonce, key }: KeyClaims): Uint8Array {
  if (nonce.length < 8 || nonce.length > 64) throw new RangeError('a nonce is of 8 to 64 bytes')
  const claims = new Map<number, CborValue>([
    [Claim.confirmation, new Map([[COSE_KEY, coseKeyOf(key)]])],
    [Claim.nonce, nonce],
  ])
  return encodeCbor(new Tagged(UCCS, claims))
}

/** Reads the claims set beside a report. @throws CborError or MessageError */
export function decodeKeyClaims(bytes: Uint8Array): KeyClaims {
  const claims = asMap(asTagged(decodeCbor(bytes), 'the key claims', UCCS), 'the key claims')
  if (claims.size !== 2) throw new MessageError('ERR_RATS_CLAIM', 'the key claims are eat_nonce and cnf, nothing else')
  return { nonce: asBytes(claims.get(Claim.nonce), 'eat_nonce', 8, 64), key: confirmedKey(claims) }
}

/** What a report's free field has to hold: the hash of the claims set as it was sent, of the field's size.
 *  @param length 32, 48 or 64 bytes: SHA-256, SHA-384 or SHA-512   @throws RangeError for other sizes */
export function reportDataFor(keyClaims: Uint8Array, length = 64): Uint8Array {
  const name = HASHES.find(each => hashLength[each] === length)
  if (!name) throw new RangeError(`no hash function fills a field of ${length} bytes`)
  return hash(name, keyClaims)
}

/** Whether a report's free field holds the hash of the claims set, and fills it. */
export function isReportDataFor(field: Uint8Array, keyClaims: Uint8Array): boolean {
  return (
    HASHES.some(name => hashLength[name] === field.length) && equalBytes(field, reportDataFor(keyClaims, field.length))
  )
}

const HASHES: readonly HashName[] = ['sha256', 'sha384', 'sha512']
const Claim = { confirmation: 8, nonce: 10 } as const
const COSE_KEY = 1
const UCCS = 601
