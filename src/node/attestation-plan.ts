import { type Attestation, type AttestationOptions, createAttestation } from '../attestation/index.js'

/** Attestation with the clock and the timers of this process.
 *  @param hasCertificate whether there is an X.509 credential of ours */
export function attestationOf(
  options: AttestationOptions | undefined,
  side: 'client' | 'server',
  hasCertificate: boolean,
): Attestation | undefined {
  return options && createAttestation(options, side, { now: Date.now, timer, hasCertificate })
}

function timer(ms: number, fire: () => void): () => void {
  const timeout = setTimeout(fire, ms)
  return () => clearTimeout(timeout)
}
