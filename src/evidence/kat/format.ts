import {
  type Cab,
  type CmwRecord,
  checkKat,
  decodeCab,
  isBoundTo,
  KAT_MEDIA_TYPE,
  type Kat,
  MessageError,
  mediaTypeOf,
  parseMediaType,
  sameMediaType,
} from '../../rats/index.js'
import type { RegisteredPlatform } from '../appraise-platform.js'
import { checkAttestedKey, checkChallenge, shortHex } from '../checks.js'
import { allPassed, type Finding, failed, passed, vectorOf } from '../finding.js'
import { type EvidenceFormat, MalformedEvidence } from '../format.js'
import { wellFormed } from '../message.js'
import { platforms } from '../platforms.js'
import { profileOf } from './profile.js'

/** A combined attestation bundle (draft-bft-rats-kat-06): the platform's token (PAT) seals a key attestation key (KAK)
 *  by having its hash as `eat_nonce`; the KAK signs the token (KAT) that has the challenge and the attested key. Any
 *  platform whose reports are EATs can stand behind it. */
export const keyAttestationBundle: EvidenceFormat = {
  name: 'key attestation bundle',
  kinds: platforms.flatMap(({ kind, profile }) => (profile === undefined ? [] : [kind])),
  mediaTypes: [KAT_MEDIA_TYPE],
  challengeLength: undefined,
  speaksForKey: true,

  appraise(message, inputs) {
    const { kat, pat } = wellFormed(() => decodeCab(message))
    const platform = platformOf(pat)
    const katFindings = [
      checkKatSignature(kat),
      checkChallenge(kat.nonce, inputs.challenge),
      checkAttestedKey(kat.identityKey.spki, inputs.key),
    ]
    const report = wellFormed(() => platform.appraise(pat.value, inputs, nonce => [checkSeal(kat, nonce)]))
    const findings = [...katFindings, ...report.findings]
    const isVouchedFor = report.isGenuine && allPassed(findings, ['kat-signature', 'kat-binding'])
    return {
      checks: findings.map(({ check }) => check),
      environments: { [platform.kind]: { vector: vectorOf(findings), claims: report.environment.claims } },
      attestedKey: isVouchedFor ? kat.identityKey.spki : null,
      challenge: isVouchedFor ? kat.nonce : null,
      isSimulated: report.isSimulated,
    }
  },
}

function checkKatSignature(kat: Kat): Finding {
  const subject = {
    name: 'kat-signature',
    expected: 'a signature by its kak-pub',
    source: 'draft-bft-rats-kat-06 §3.1',
  }
  try {
    checkKat(kat)
    return passed({ ...subject, actual: 'a signature by its kak-pub' })
  } catch (error) {
    if (!(error instanceof MessageError)) throw error
    const remedy = 'the token was changed on its way, or forged: do not trust the sender'
    return failed({ ...subject, actual: error.message }, remedy, 'instance-identity')
  }
}

/** The only thing that ties the two tokens together: without it anybody could put a KAT of his own beside a PAT. */
function checkSeal(kat: Kat, platformNonce: Uint8Array): Finding {
  const subject = {
    name: 'kat-binding',
    expected: 'platform nonce = hash of kak-pub',
    source: 'draft-bft-rats-kat-06 §3.3',
  }
  if (isBoundTo(kat, platformNonce)) return passed({ ...subject, actual: 'platform nonce = hash of kak-pub' })
  const remedy = 'the platform token belongs to another key: somebody put together what does not belong together'
  return failed({ ...subject, actual: `platform nonce ${shortHex(platformNonce)}` }, remedy, 'instance-identity')
}

/** The platform behind a PAT: by the profile that the token claims. The type of the record may say it too, but must
 *  not say another (RFC 9782 §3). */
function platformOf(pat: Cab['pat']): RegisteredPlatform {
  const profile = wellFormed(() => profileOf(pat.value))
  const platform = platforms.find(row => row.profile !== undefined && row.profile === profile)
  if (!platform) throw new MalformedEvidence('the platform token is of a profile that is not known here')
  if (!wellFormed(() => isTypeFor(pat.type, platform))) {
    throw new MalformedEvidence('the type of the platform token names another profile than its eat_profile claim')
  }
  return platform
}

function isTypeFor(type: CmwRecord['type'], { profile }: RegisteredPlatform): boolean {
  const text = typeof type === 'number' ? mediaTypeOf(type) : type
  if (text === undefined) return false
  if (text === `${EAT_CWT}; eat_profile="${profile}"`) return true
  if (sameMediaType(text, EAT_CWT)) return true
  const { name, parameters } = parseMediaType(text)
  return name === EAT_CWT && parameters.get('eat_profile') === profile
}

const EAT_CWT = 'application/eat+cwt'
