import { appraiseReport } from '../appraise-platform.js'
import { checkAttestedKey, checkChallenge } from '../checks.js'
import { vectorOf } from '../finding.js'
import type { EvidenceFormat } from '../format.js'
import { recordOf, wellFormed } from '../message.js'
import { androidKeyPlatform } from './platform.js'

/** The media type of the chain of an attested key, in PEM; nothing is registered for it. */
export const ANDROID_KEY_MEDIA_TYPE = 'application/vnd.attested-tls.android-key'

/** The chain of a key in an Android keystore: the key in the first certificate is the key that it speaks for, and the
 *  challenge is in its description. */
export const androidKeyChain: EvidenceFormat = {
  name: 'Android key attestation',
  kinds: [androidKeyPlatform.kind],
  mediaTypes: [ANDROID_KEY_MEDIA_TYPE],
  challengeLength: undefined,
  speaksForKey: true,

  appraise(message, inputs) {
    const evidence = wellFormed(() => androidKeyPlatform.decode(recordOf(message, 'the chain of a key').value))
    const attestedKey = evidence.leaf.spki
    const appraised = appraiseReport(androidKeyPlatform, evidence, inputs, found => [
      checkChallenge(found, inputs.challenge),
      checkAttestedKey(attestedKey, inputs.key),
    ])
    const { findings, environment, challenge, isGenuine, isSimulated } = appraised
    return {
      checks: findings.map(({ check }) => check),
      environments: { [androidKeyPlatform.kind]: { ...environment, vector: vectorOf(findings) } },
      attestedKey: isGenuine ? attestedKey : null,
      challenge: isGenuine ? challenge : null,
      isSimulated,
    }
  },
}
