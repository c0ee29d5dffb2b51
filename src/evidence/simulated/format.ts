import { appraiseReport } from '../appraise-platform.js'
import { checkAttestedKey, checkChallenge } from '../checks.js'
import { vectorOf } from '../finding.js'
import type { EvidenceFormat } from '../format.js'
import { recordOf, wellFormed } from '../message.js'
import { SIMULATED_PROFILE } from './claims.js'
import { simulatedPlatform } from './platform.js'

/** The media type of a simulated platform's token that stands alone. */
export const SIMULATED_MEDIA_TYPE = `application/eat+cwt; eat_profile="${SIMULATED_PROFILE}"`

/** A simulated platform's token that stands alone: `eat_nonce` is the challenge, `cnf` the key that it speaks for. */
export const simulatedToken: EvidenceFormat = {
  name: 'token of a simulated platform',
  kinds: [simulatedPlatform.kind],
  mediaTypes: [SIMULATED_MEDIA_TYPE],
  // As with PSA tokens: 32, 48 or 64 bytes, of which one has to be fixed.
  challengeLength: 32,
  speaksForKey: true,

  appraise(message, inputs) {
    const { value } = recordOf(message, 'the token')
    const report = wellFormed(() => simulatedPlatform.decode(value))
    const attestedKey = report.claims.key?.spki ?? null
    const appraised = appraiseReport(simulatedPlatform, report, inputs, found => [
      checkChallenge(found, inputs.challenge),
      checkAttestedKey(attestedKey, inputs.key),
    ])
    const { environment, challenge, isGenuine, isSimulated, findings } = appraised
    return {
      checks: findings.map(({ check }) => check),
      environments: { [simulatedPlatform.kind]: { ...environment, vector: vectorOf(findings) } },
      attestedKey: isGenuine ? attestedKey : null,
      challenge: isGenuine ? challenge : null,
      isSimulated,
    }
  },
}
