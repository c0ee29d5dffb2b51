import { equalBytes } from '../bytes/index.js'
import { hash, type PublicKey } from '../crypto/index.js'
import { type CborMap, decodeCbor, encodedAt, Tagged } from './cbor.js'
import { confirmedKey } from './kat.js'
import { MessageError } from './message-error.js'
import { asBytes, asMap, asText } from './value.js'

/** The bundles of Parsec's key attestation as Veraison appraises them: older than draft-bft-rats-kat-06, and each in a
 *  record of its own media type. */
export const PARSEC_CCA_MEDIA_TYPE = 'application/vnd.parallaxsecond.key-attestation.cca'
/** The same for a TPM. */
export const PARSEC_TPM_MEDIA_TYPE = 'application/vnd.parallaxsecond.key-attestation.tpm'

/** Parsec on Arm CCA: an unsigned key attestation, whose hash a CCA token holds as its challenge. */
export interface ParsecCca {
  /** 8 to 64 bytes. */
  readonly nonce: Uint8Array
  readonly identityKey: PublicKey
  /** The key attestation as it was sent, with its tag 601. */
  readonly katBytes: Uint8Array
  /** The CCA token, tagged 399 or 907. */
  readonly pat: Uint8Array
}

/** Reads Parsec's bundle for Arm CCA. @throws MessageError */
export function decodeParsecCca(bytes: Uint8Array): ParsecCca {
  const bundle = bundleOf(bytes)
  const kat = bundle.get('kat')
  if (!(kat instanceof Tagged) || kat.tag !== 601) throw malformed('the kat is no unprotected claims set (tag 601)')
  const pat = bundle.get('pat')
  if (!(pat instanceof Tagged) || (pat.tag !== 399 && pat.tag !== 907)) throw malformed('the pat is no CCA token')
  const claims = asMap(kat.value, 'the claims set of the KAT')
  return {
    nonce: asBytes(claims.get(10), 'the eat_nonce claim', 8, 64),
    identityKey: confirmedKey(claims),
    katBytes: partOf(bytes, 'kat'),
    pat: partOf(bytes, 'pat'),
  }
}

/** Whether the realm token of the CCA token stands behind the key attestation: its challenge is the SHA-512 of it. */
export function isBoundToRealm({ katBytes }: ParsecCca, realmChallenge: Uint8Array): boolean {
  return equalBytes(hash('sha512', katBytes), realmChallenge)
}

/** Parsec on a TPM 2.0: a certified key and a quote, both with the nonce as extra data. All parts are TPM structures,
 *  as they were sent. */
export interface ParsecTpm {
  /** TPM2_Certify of the identity key. */
  readonly kat: {
    /** UEID of the attestation key, 33 bytes. */
    readonly keyId: Uint8Array
    /** TPMT_SIGNATURE. */
    readonly signature: Uint8Array
    /** TPMS_ATTEST. */
    readonly certInfo: Uint8Array
    /** TPMT_PUBLIC of the identity key. */
    readonly publicArea: Uint8Array
  }
  /** TPM2_Quote. */
  readonly pat: { readonly keyId: Uint8Array; readonly signature: Uint8Array; readonly attestInfo: Uint8Array }
}

/** Reads Parsec's bundle for TPM 2.0: the outer form only.
 *  @throws MessageError, also where the two halves name different attestation keys: nothing else links them */
export function decodeParsecTpm(bytes: Uint8Array): ParsecTpm {
  const bundle = bundleOf(bytes)
  const [kat, pat] = ['kat', 'pat'].map(label => asMap(bundle.get(label), `the ${label}`))
  if (!kat || !pat) throw malformed('the bundle lacks one of its halves')
  const found: ParsecTpm = {
    kat: { ...signedPart(kat), certInfo: part(kat, 'certInfo'), publicArea: part(kat, 'pubArea') },
    pat: { ...signedPart(pat), attestInfo: part(pat, 'attestInfo') },
  }
  if (!equalBytes(found.kat.keyId, found.pat.keyId)) throw malformed('kat and pat name different attestation keys')
  return found
}

function bundleOf(bytes: Uint8Array): CborMap {
  return asMap(decodeCbor(bytes, 'tolerant'), 'the bundle')
}

function partOf(bytes: Uint8Array, label: string): Uint8Array {
  const found = encodedAt(bytes, [label])
  if (!found) throw malformed(`the bundle has no ${label}`)
  return found
}

function signedPart(half: CborMap): { keyId: Uint8Array; signature: Uint8Array } {
  if (asText(half.get('tpmVer'), 'the tpmVer') !== '2.0') throw malformed('the bundle is of another TPM than 2.0')
  return { keyId: asBytes(half.get('kid'), 'the kid', 33, 33), signature: part(half, 'sig') }
}

function part(half: CborMap, name: string): Uint8Array {
  return asBytes(half.get(name), `the ${name}`, 1, 4096)
}

function malformed(sentence: string): MessageError {
  return new MessageError('ERR_RATS_MALFORMED', sentence)
}
