import { type ServerOptions, systemEntropy } from 'attested-tls'
import { measured, SimulatedAttester, SimulatedRoot } from 'attested-tls/attester'
import { embeddedVerifier, Policy } from 'attested-tls/verifier'

/** Attestation as it is measured: the server's Evidence, appraised inside the client. */
export interface AttestationSetup {
  /** PEM. */
  readonly root: string
  readonly workload: string
}

/** The attestation options of a server, and what its clients have to know. */
export function attestingServer(): {
  readonly options: ServerOptions['attestation']
  readonly setup: AttestationSetup
} {
  const root = SimulatedRoot.create({ now: Date.now() })
  const workload = measured('workload', Buffer.from('benchmark'))
  const attester = new SimulatedAttester({ platform: root.issue('benchmark'), components: [workload] })
  return {
    options: { profile: 'draft08', attester },
    setup: { root: root.pem, workload: Buffer.from(workload.measurement).toString('hex') },
  }
}

/** The attestation options of its clients. */
export function demandingClient({ root, workload }: AttestationSetup): ServerOptions['attestation'] {
  const verifier = embeddedVerifier({
    policy: Policy.from({ version: 1, platforms: [{ kind: 'simulated', measurements: [{ values: { workload } }] }] }),
    roots: { simulated: [root] },
    dangerouslyTrustSimulatedPlatforms: true,
    warn: () => {},
    now: Date.now,
    entropy: systemEntropy,
  })
  return { profile: 'draft08', verifier, peerCredentials: ['x509'] }
}
