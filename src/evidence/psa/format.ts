import { type Cmw, mediaTypeOf, parseMediaType } from '../../rats/index.js'
import { appraiseReport } from '../appraise-platform.js'
import { checkChallenge } from '../checks.js'
import { type EvidenceFormat, MalformedEvidence } from '../format.js'
import { recordOf, wellFormed } from '../message.js'
import { PSA_2_0_0_PROFILE, PSA_LEGACY_PROFILE, PSA_PROFILE, type PsaClaims } from './claims.js'
import { type PsaToken, psaPlatform } from './platform.js'

/** The media type of a PSA token. */
export const PSA_MEDIA_TYPE = `application/eat+cwt; eat_profile="${PSA_PROFILE}"`
/** That of a token of the legacy profile. */
export const PSA_LEGACY_MEDIA_TYPE = 'application/eat+cwt; eat_profile="tag:psacertified.org,2019:psa#legacy"'
/** What Veraison's PSA scheme calls a token of the profile before RFC 9783. */
export const PSA_2_0_0_MEDIA_TYPE = `application/eat-cwt; profile="${PSA_2_0_0_PROFILE}"`
/** What it calls a token of any profile. */
export const PSA_ANY_MEDIA_TYPE = 'application/psa-attestation-token'

/** A PSA token that stands alone: its nonce is the challenge. It speaks for no key, and so is of use beside a
 *  certificate; inside a key attestation bundle it can stand in place of one. */
export const psaToken: EvidenceFormat = {
  name: 'PSA token',
  kinds: [psaPlatform.kind],
  mediaTypes: [PSA_MEDIA_TYPE, PSA_LEGACY_MEDIA_TYPE, PSA_2_0_0_MEDIA_TYPE, PSA_ANY_MEDIA_TYPE],
  // 32, 48 or 64 bytes, of which one has to be fixed.
  challengeLength: 32,
  speaksForKey: false,

  appraise(message, inputs) {
    const token = decoded(message)
    const { findings, environment, challenge, isGenuine, isSimulated } = appraiseReport(
      psaPlatform,
      token,
      inputs,
      found => [checkChallenge(found, inputs.challenge)],
    )
    return {
      checks: findings.map(({ check }) => check),
      environments: { [psaPlatform.kind]: environment },
      attestedKey: null,
      challenge: isGenuine ? challenge : null,
      isSimulated,
    }
  },
}

function decoded(message: Cmw): PsaToken {
  const { value, type } = recordOf(message, 'a PSA token')
  const token = wellFormed(() => psaPlatform.decode(value))
  const named = profileOfType(typeof type === 'number' ? mediaTypeOf(type) : type)
  // RFC 9782 §3: the parameter says what the claim says.
  if (named !== undefined && named !== token.claims.profile) {
    throw new MalformedEvidence('the media type of the token names another profile than the token')
  }
  return token
}

/** The profile that a media type names; undefined where it names none. */
function profileOfType(type: string | undefined): PsaClaims['profile'] | undefined {
  const { parameters } = wellFormed(() => parseMediaType(type ?? PSA_ANY_MEDIA_TYPE))
  return PROFILES.get(parameters.get('eat_profile') ?? parameters.get('profile') ?? '')
}

const PROFILES: ReadonlyMap<string, PsaClaims['profile']> = new Map([
  [PSA_PROFILE, PSA_PROFILE],
  ['tag:psacertified.org,2019:psa#legacy', PSA_LEGACY_PROFILE],
  [PSA_2_0_0_PROFILE, PSA_2_0_0_PROFILE],
])
