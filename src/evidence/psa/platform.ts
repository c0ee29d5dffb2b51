import { type CoseMessage, decodeCbor, MessageError, mac0From, sign1From, Tagged } from '../../rats/index.js'
import type { Platform } from '../format.js'
import { decodePsaClaims, factsOfPsa, PSA_PROFILE, type PsaClaims } from './claims.js'
import { allowableLifecycles, psaLifecycles } from './lifecycle.js'
import { checkArmToken } from './origin.js'

/** A PSA token: signed, or with a MAC by a key that the Verifier has too. */
export interface PsaToken {
  readonly message: CoseMessage
  readonly claims: PsaClaims
}

/** Arm PSA: devices whose Root of Trust signs an EAT about them (RFC 9783). A token is believed by the key that is
 *  registered for its Instance ID, or by the certificate that comes in its header (x5chain, RFC 9360 §2). */
export const psaPlatform: Platform<PsaToken> = {
  kind: 'psa',
  profile: PSA_PROFILE,
  isSimulated: false,
  policyTerms: {
    // A measurement that a set does not name keeps a platform out of it, and every platform has names of its own.
    requiredMeasurements: [],
    lifecycles: allowableLifecycles(psaLifecycles),
    claims: [
      'profile',
      'instance-id',
      'implementation-id',
      'client-id',
      'certification-reference',
      'signer-id',
      'verification-service',
    ],
  },

  decode(bytes) {
    const message = messageOf(bytes)
    return { message, claims: decodePsaClaims(message.payload) }
  },

  checkOrigin({ message, claims }, inputs) {
    return checkArmToken('psa', message, claims.instanceId, inputs)
  },

  challengeOf: ({ claims }) => claims.nonce,

  factsOf: ({ claims }) => factsOfPsa(claims),
}

/** The COSE message that a token is. RFC 9783 §5.1: it is tagged, and no CWT. */
function messageOf(bytes: Uint8Array): CoseMessage {
  const outer = decodeCbor(bytes, 'tolerant')
  if (outer instanceof Tagged && outer.tag === MAC0) return mac0From(outer)
  if (outer instanceof Tagged && outer.tag === SIGN1) return sign1From(outer)
  throw new MessageError('ERR_RATS_MALFORMED', 'a PSA token is a COSE_Sign1 or a COSE_Mac0, tagged as such')
}

const MAC0 = 17
const SIGN1 = 18
