import { asArray, asBytes, CoseHeader, type CoseMessage, decodeSign1, isSignedBy } from '../../rats/index.js'
import type { Platform } from '../format.js'
import { checkOriginChain, signatureFinding } from '../origin.js'
import {
  decodeSimulatedClaims,
  factsOfSimulated,
  Lifecycle,
  SIMULATED_PROFILE,
  type SimulatedClaims,
} from './claims.js'

/** A simulated platform's token: a COSE_Sign1 whose header has the chain of the platform key (RFC 9360 §2). */
export interface SimulatedReport {
  readonly message: CoseMessage
  /** DER, the platform key's certificate first. */
  readonly chain: readonly Uint8Array[]
  readonly claims: SimulatedClaims
}

/** The platform that every build has: software that plays a TEE and says so. It proves nothing about the machine it
 *  runs on, so that a Verifier believes it only when told to by `dangerouslyTrustSimulatedPlatforms`. */
export const simulatedPlatform: Platform<SimulatedReport> = {
  kind: 'simulated',
  profile: SIMULATED_PROFILE,
  isSimulated: true,
  policyTerms: {
    requiredMeasurements: ['workload'],
    lifecycles: Object.keys(Lifecycle),
    claims: ['instance-id', 'implementation-id'],
  },

  decode(report) {
    const message = decodeSign1(report, 'deterministic')
    const chain = message.unprotectedHeader.get(CoseHeader.x5chain)
    const certificates = Array.isArray(chain) ? asArray(chain, 'x5chain', 2, 8) : [chain]
    return {
      message,
      chain: certificates.map(certificate => asBytes(certificate, 'a certificate in x5chain', 1, 4096)),
      claims: decodeSimulatedClaims(message.payload),
    }
  },

  checkOrigin({ message, chain }, { roots, at }) {
    const { finding, trusted } = checkOriginChain('simulated', chain, roots.of('simulated'), at)
    if (!trusted) return { findings: [finding], isSimulated: true }
    const isGood = isSignedBy(message, trusted.publicKey, { algorithms: ['ES256'] })
    return { findings: [finding, signatureFinding(isGood, trusted.subject)], isSimulated: true }
  },

  challengeOf: ({ claims }) => claims.nonce,

  factsOf: ({ claims }) => factsOfSimulated(claims),
}
