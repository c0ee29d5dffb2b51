import { EMPTY, equalBytes } from '../../bytes/index.js'
import { PublicKey } from '../../crypto/index.js'
import { appraiseReport } from '../appraise-platform.js'
import { checkAttestedKey, checkChallenge } from '../checks.js'
import { vectorOf } from '../finding.js'
import type { EvidenceFormat } from '../format.js'
import { recordOf, wellFormed } from '../message.js'
import { nitroPlatform } from './platform.js'

/** The media type of a Nitro attestation document; there is no registered one. */
export const NITRO_MEDIA_TYPE = 'application/vnd.attested-tls.nitro-attestation+cose'

/** A Nitro attestation document: `nonce` is the challenge, `public_key` the SubjectPublicKeyInfo of the key that it
 *  speaks for. */
export const nitroFormat: EvidenceFormat = {
  name: 'AWS Nitro attestation document',
  kinds: [nitroPlatform.kind],
  mediaTypes: [NITRO_MEDIA_TYPE],
  challengeLength: undefined,
  speaksForKey: true,

  appraise(message, inputs) {
    const { value } = recordOf(message, 'a Nitro attestation document')
    const report = wellFormed(() => nitroPlatform.decode(value))
    const attestedKey = keyIn(report.publicKey ?? EMPTY)
    const appraised = appraiseReport(nitroPlatform, report, inputs, found => [
      checkChallenge(found, inputs.challenge),
      checkAttestedKey(attestedKey, inputs.key),
    ])
    const { environment, challenge, isGenuine, isSimulated, findings } = appraised
    return {
      checks: findings.map(({ check }) => check),
      environments: { [nitroPlatform.kind]: { ...environment, vector: vectorOf(findings) } },
      attestedKey: isGenuine ? attestedKey : null,
      challenge: isGenuine ? challenge : null,
      isSimulated,
    }
  },
}

/** `public_key`, if it is a key in the one form that it can be compared in: the enclave may put anything there. */
function keyIn(bytes: Uint8Array): Uint8Array | null {
  try {
    const { spki } = PublicKey.fromSpki(bytes)
    return equalBytes(spki, bytes) ? bytes : null
  } catch {
    return null
  }
}
