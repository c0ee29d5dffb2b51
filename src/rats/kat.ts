import { equalBytes } from '../bytes/index.js'
import { type HashName, hash, hashLength, type PublicKey, type SigningKey } from '../crypto/index.js'
import { type CborMap, type CborValue, decodeCbor, encodeCbor, encodedAt } from './cbor.js'
import type { Cmw, CmwCollection, CmwRecord } from './cmw.js'
import { type CoseCheck, type CoseMessage, checkSign1, decodeSign1, makeSign1 } from './cose.js'
import { coseKeyOf, publicKeyOfCoseKey } from './cose-key.js'
import { sameMediaType } from './media-type.js'
import { MessageError } from './message-error.js'
import { messageSigner } from './message-signer.js'
import { asBytes, asMap } from './value.js'

/** What marks a collection as a combined attestation bundle (draft-bft-rats-kat-06 §4). */
export const KAT_COLLECTION_TYPE = 'tag:ietf.org,2024-02-29:rats/kat'

/** The media type that a combined attestation bundle is negotiated by, in canonical spelling. */
export const KAT_MEDIA_TYPE = `application/cmw+cbor; cmwc_t="${KAT_COLLECTION_TYPE}"`

/** A combined attestation bundle (CAB): a key attestation and the platform attestation that it rests on
 *  (draft-bft-rats-kat-06 §4), neither checked yet. */
export interface Cab {
  readonly kat: Kat
  /** An EAT, whichever platform's. Its type may name the profile. */
  readonly pat: CmwRecord
}

/** A key attestation token (KAT): the key attestation key says of a key that it holds it
 *  (draft-bft-rats-kat-06 §3.1). */
export interface Kat {
  /** `eat_nonce`, 8 to 64 bytes: what makes the bundle fresh. */
  readonly nonce: Uint8Array
  /** `cnf`: the identity key, which the token speaks for. */
  readonly identityKey: PublicKey
  /** `kak-pub`: the key attestation key, which signed the token. */
  readonly attestationKey: PublicKey
  /** The COSE_Key of `attestationKey` as it was sent: what the platform attestation has the hash of. */
  readonly attestationKeyBytes: Uint8Array
  readonly message: CoseMessage
}

/** Reads a combined attestation bundle.
 *  @throws MessageError if it is none */
export function decodeCab(cmw: Cmw): Cab {
  if (cmw.kind !== 'collection' || cmw.type !== KAT_COLLECTION_TYPE) {
    throw new MessageError('ERR_RATS_MALFORMED', 'a combined attestation bundle is a collection of its own type')
  }
  const [kat, pat] = ['kat', 'pat'].map(label => tokenIn(cmw, label))
  // A third token would look as if it were attested along with the two, which nothing binds it to.
  if (!kat || !pat || cmw.entries.size !== 2) {
    throw new MessageError('ERR_RATS_MALFORMED', 'a combined attestation bundle holds kat and pat, and nothing else')
  }
  if (!sameMediaType(kat.type, EAT_CWT)) {
    throw new MessageError('ERR_RATS_MALFORMED', 'the kat of a combined attestation bundle is not application/eat+cwt')
  }
  return { kat: decodeKat(kat.value), pat }
}

/** Reads a key attestation token.
 *  @param bytes a COSE_Sign1, tagged or not
 *  @throws MessageError if it is none, or its keys are none */
export function decodeKat(bytes: Uint8Array): Kat {
  const message = decodeSign1(bytes)
  const claims = asMap(decodeCbor(message.payload, 'tolerant'), 'the claims set of the KAT')
  const attestationKeyBytes = encodedAt(message.payload, [Claim.attestationKey])
  const attestationKey = asMap(claims.get(Claim.attestationKey), 'the kak-pub claim')
  if (!attestationKeyBytes) throw new MessageError('ERR_RATS_CLAIM_MISSING', 'the kak-pub claim is missing')
  return {
    nonce: asBytes(claims.get(Claim.nonce), 'the eat_nonce claim', 8, 64),
    identityKey: confirmedKey(claims),
    attestationKey: publicKeyOfCoseKey(attestationKey),
    attestationKeyBytes,
    message,
  }
}

/** Checks that the key attestation key signed the token. That says nothing before `isBoundTo` holds for a platform
 *  attestation that is trusted: anyone can make a key.
 *  @throws MessageError */
export function checkKat(kat: Kat, options: CoseCheck = {}): void {
  checkSign1(kat.message, kat.attestationKey, options)
}

/** Whether a platform attestation with this nonce stands behind the key attestation: the nonce is the hash of the key
 *  attestation key (draft-bft-rats-kat-06 §3.3). The draft names no hash function: the size of the nonce tells. */
export function isBoundTo(kat: Kat, platformNonce: Uint8Array): boolean {
  const name = HASHES.find(name => hashLength[name] === platformNonce.length)
  return name !== undefined && equalBytes(hash(name, kat.attestationKeyBytes), platformNonce)
}

/** The nonce that a platform attestation has to hold for a key attestation key.
 *  @returns 32 bytes for SHA-256, 48 or 64 for the others */
export function platformNonceFor(attestationKey: PublicKey, name: HashName = 'sha256'): Uint8Array {
  return hash(name, encodeCbor(coseKeyOf(attestationKey)))
}

/** Makes a key attestation token, untagged, as the draft shows it.
 *  @param nonce 8 to 64 bytes */
export async function makeKat(kat: {
  readonly nonce: Uint8Array
  readonly identityKey: PublicKey
  readonly attestationKey: SigningKey
  readonly signal?: AbortSignal
}): Promise<Uint8Array> {
  if (kat.nonce.length < 8 || kat.nonce.length > 64) throw new TypeError('the nonce of a KAT is of 8 to 64 bytes')
  const claims = new Map<number, CborValue>([
    [Claim.nonce, kat.nonce],
    [Claim.confirmation, new Map([[COSE_KEY, coseKeyOf(kat.identityKey)]])],
    [Claim.attestationKey, coseKeyOf(kat.attestationKey.publicKey)],
  ])
  const signer = messageSigner(kat.attestationKey)
  return makeSign1(encodeCbor(claims), signer, { tagging: 'none', ...(kat.signal && { signal: kat.signal }) })
}

/** Makes a combined attestation bundle of two tokens.
 *  @param patType media type of the platform attestation, with its profile if need be */
export function makeCab(kat: Uint8Array, pat: Uint8Array, patType: string = EAT_CWT): CmwCollection {
  return {
    kind: 'collection',
    type: KAT_COLLECTION_TYPE,
    entries: new Map([
      ['kat', { kind: 'record', type: EAT_CWT, value: kat }],
      ['pat', { kind: 'record', type: patType, value: pat }],
    ]),
  }
}

/** The key in the `cnf` claim of a token in CBOR (RFC 8747 §3.1): a plain COSE_Key, for the other members name a key
 *  without showing it.
 *  @throws MessageError */
export function confirmedKey(claims: CborMap): PublicKey {
  const confirmation = asMap(claims.get(Claim.confirmation), 'the cnf claim')
  return publicKeyOfCoseKey(asMap(confirmation.get(COSE_KEY), 'the COSE_Key in the cnf claim'))
}

const EAT_CWT = 'application/eat+cwt'
/** CWT claims: eat_nonce (RFC 9711), cnf (RFC 8747), kak-pub (draft-bft-rats-kat-06, unregistered). */
const Claim = { confirmation: 8, nonce: 10, attestationKey: 2500 } as const
const COSE_KEY = 1
const HASHES: readonly HashName[] = ['sha256', 'sha384', 'sha512']

function tokenIn({ entries }: CmwCollection, label: string): CmwRecord | undefined {
  const entry = entries.get(label)
  return entry?.kind === 'record' ? entry : undefined
}
