import { type Attestation, type AttestationOptions, createAttestation } from '../attestation/index.js'
import { timer } from './timer.js'

/** Attestation with the clock and the timers of this process. The same options give the same object: it remembers
 *  across connections what must not be used twice.
 *  @param hasCertificate whether there is an X.509 credential of ours */
export function attestationOf(
  options: AttestationOptions | undefined,
  side: 'client' | 'server',
  hasCertificate: boolean,
): Attestation | undefined {
  if (!options) return undefined
  const known = attestations.get(options) ?? new Map<string, Attestation>()
  attestations.set(options, known)
  const key = `${side} ${hasCertificate}`
  const attestation =
    known.get(key) ?? createAttestation(options, side, { now: () => Date.now(), timer, hasCertificate, warn })
  known.set(key, attestation)
  return attestation
}
const attestations = new WeakMap<AttestationOptions, Map<string, Attestation>>()

/** Once for each sentence: options are often read anew for every connection. */
function warn(sentence: string): void {
  if (warned.has(sentence)) return
  warned.add(sentence)
  process.emitWarning(sentence, { type: 'SecurityWarning', code: 'ATTESTED_TLS_DRAFT08' })
}
const warned = new Set<string>()
