import { equalBytes, hex } from '../bytes/index.js'
import { equalSecrets } from '../crypto/index.js'
import type { IdentityKey } from '../rats/index.js'
import { type Finding, failed, passed } from './finding.js'

/** Compares the challenge inside signed Evidence with the one that was given out: whole, and every byte.
 *  @param expected at least 8 bytes; null where nobody asked, and any will do: then nothing is proved about its age
 *  @throws RangeError if it is shorter: nothing is proved by an empty challenge */
export function checkChallenge(found: Uint8Array, expected: Uint8Array | null): Finding {
  if (!expected) {
    const actual = `${found.length} bytes, ${shortHex(found)}`
    return passed({ name: 'challenge', expected: 'any: nobody asked', actual, source: 'no session' })
  }
  if (expected.length < MIN_CHALLENGE_LENGTH) {
    throw new RangeError(`a challenge has at least ${MIN_CHALLENGE_LENGTH} bytes, not ${expected.length}`)
  }
  const subject = {
    name: 'challenge',
    expected: `${expected.length} bytes, ${shortHex(expected)}`,
    actual: `${found.length} bytes, ${shortHex(found)}`,
    source: 'the challenge of this session',
  }
  if (equalSecrets(found, expected)) return passed(subject)
  const remedy =
    'have the peer attest anew; if it stays so, the Evidence was made for another session, and somebody replays it'
  return failed(subject, remedy, 'instance-identity')
}

/** A challenge that is shorter could be guessed (RFC 9711 §4.1). */
export const MIN_CHALLENGE_LENGTH = 8

/** Compares the key that Evidence speaks for with the one that it has to speak for.
 *  @param attested SubjectPublicKeyInfo, or null where the Evidence speaks for no key
 *  @param expected null where the key is to be taken out of the Evidence: any will do, but none will not */
export function checkAttestedKey(attested: Uint8Array | null, expected: IdentityKey | null): Finding {
  const subject = {
    name: 'key-binding',
    expected: expected ? `the key ${shortHex(expected.spki.subarray(-8))}` : 'a key that the Evidence speaks for',
    actual: attested ? `the key ${shortHex(attested.subarray(-8))}` : 'no key',
    source: 'the key of this connection',
  }
  if (attested && (!expected || equalBytes(attested, expected.spki))) return passed(subject)
  const remedy = attested
    ? 'let the peer use the key that its attester vouches for; otherwise somebody relays the Evidence of another machine'
    : 'have the peer send Evidence that speaks for its key, such as a key attestation bundle'
  return failed(subject, remedy, 'instance-identity')
}

/** Enough of a byte string for a person to tell two apart. */
export function shortHex(bytes: Uint8Array): string {
  return bytes.length === 0 ? 'none' : bytes.length <= 8 ? hex(bytes) : `${hex(bytes.subarray(0, 8))}…`
}
