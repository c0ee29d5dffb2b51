import { createVerifier, type ServerOptions } from 'attested-tls'
import { measured, SimulatedAttester, SimulatedRoot } from 'attested-tls/attester'

/** Attestation as it is measured: the server's Evidence, appraised inside the client. */
export interface AttestationSetup {
  /** PEM. */
  readonly root: string
  readonly workload: string
}

/** What is measured beside it needs no second attestation. */
const draft08 = { profile: 'draft08', acceptDraft08Risks: ['relay', 'replay'], warn: () => {} } as const

/** The attestation options of a server, and what its clients have to know. */
export function attestingServer(): {
  readonly options: ServerOptions['attestation']
  readonly setup: AttestationSetup
} {
  const root = SimulatedRoot.create({ now: Date.now() })
  const workload = measured('workload', Buffer.from('benchmark'))
  const attester = new SimulatedAttester({ platform: root.issue('benchmark'), components: [workload] })
  return {
    options: { ...draft08, attester },
    setup: { root: root.pem, workload: Buffer.from(workload.measurement).toString('hex') },
  }
}

/** The attestation options of its clients. */
export function demandingClient({ root, workload }: AttestationSetup): ServerOptions['attestation'] {
  const verifier = createVerifier({
    policy: { version: 1, platforms: [{ kind: 'simulated', measurements: [{ values: { workload } }] }] },
    roots: { simulated: [root] },
    dangerouslyTrustSimulatedPlatforms: true,
    warn: () => {},
  })
  return { ...draft08, verifier }
}
