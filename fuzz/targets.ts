import { authenticators } from './handshakes/authenticators.js'
import { datagramStreams, forgedDatagrams } from './handshakes/datagrams.js'
import { renewals } from './handshakes/renewals.js'
import { streams } from './handshakes/streams.js'
import type { Target } from './target.js'
import { attestationTargets } from './targets/attestation.js'
import { certificateEvidenceTargets } from './targets/certificate-evidence.js'
import { endorsementTargets } from './targets/endorsements.js'
import { evidenceTargets } from './targets/evidence.js'
import { keyTargets } from './targets/keys.js'
import { ratsTargets } from './targets/rats.js'
import { tlsTargets } from './targets/tls.js'
import { x509Targets } from './targets/x509.js'

/** Everything that takes bytes from strangers. */
export const targets: readonly Target[] = [
  streams,
  datagramStreams,
  forgedDatagrams,
  authenticators,
  renewals,
  ...tlsTargets,
  ...attestationTargets,
  ...keyTargets,
  ...x509Targets,
  ...ratsTargets,
  ...evidenceTargets,
  ...certificateEvidenceTargets,
  ...endorsementTargets,
]

/** Those whose name begins so. @throws RangeError if there is none */
export function targetsNamed(beginning: string): readonly Target[] {
  const found = targets.filter(({ name }) => name.startsWith(beginning))
  if (found.length === 0) throw new RangeError(`no target begins with "${beginning}"`)
  return found
}
