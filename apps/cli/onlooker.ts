import { randomBytes } from 'node:crypto'
import { evidenceFormats } from 'attested-tls/evidence'
import { type AttestationResult, contentFormatOf, KAT_MEDIA_TYPE, type Verifier } from 'attested-tls/rats'
import type { PeerOptions, ProfileName } from './relying-party.js'

/** A Verifier that has Evidence shown to it and gives no verdict: for who has no policy.
 *  @param types media types of the Evidence to ask for */
export function onlooker(types: readonly string[]): Verifier {
  return {
    identity: new TextEncoder().encode('onlooker'),
    resultIdentities: [],
    evidenceTypes: types,
    policyDigest: 'none',
    challengeLength: type => evidenceFormats.find(({ mediaTypes }) => mediaTypes.includes(type))?.challengeLength,
    speaksForKey: type =>
      evidenceFormats.some(({ mediaTypes, ...format }) => mediaTypes.includes(type) && format.speaksForKey),
    checkResults: async () => noVerdict(),
    newSession: async () => ({
      nonce: Uint8Array.from(randomBytes(32)),
      appraise: async () => noVerdict(),
    }),
  }
}

function noVerdict(): AttestationResult {
  const now = Math.floor(Date.now() / 1000)
  return {
    status: 'none',
    isAccepted: false,
    problem: 'there is no policy to appraise it by; give --policy',
    problemCode: 'ERR_VERIFIER_FAILED',
    submodules: {},
    attestedKey: null,
    challenge: null,
    issuedAt: now,
    expiresAt: now,
    checks: [],
    isSimulated: false,
    token: null,
  }
}

/** All types of Evidence that a profile can rest on, in lists that fit into a ClientHello. */
export function listsOfTypes(profile: ProfileName, { credential }: PeerOptions): readonly (readonly string[])[] {
  const usable = evidenceFormats
    .filter(({ challengeLength }) => profile === 'draft08' || (challengeLength ?? MIN_HARDENED) >= MIN_HARDENED)
    .flatMap(({ mediaTypes }) => mediaTypes.slice(0, 1))
    .filter(type => profile === 'draft08' || type !== KAT_MEDIA_TYPE)
  const lists: string[][] = []
  let room = 0
  for (const type of usable) {
    const length = credential.length * (contentFormatOf(type) === undefined ? 4 + type.length : 4)
    if (length > room || lists.length === 0) {
      lists.push([])
      room = MOST_BYTES
    }
    lists.at(-1)?.push(type)
    room -= length
  }
  return lists
}
const MIN_HARDENED = 32
/** What `evidence_request` has room for. */
const MOST_BYTES = 255
