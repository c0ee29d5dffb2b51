import { once } from 'node:events'
import type { AddressInfo, Server } from 'node:net'
import { type AttestedSocket, type ConnectOptions, createVerifier, type ServerOptions } from 'attested-tls'
import { measured, SimulatedAttester, SimulatedRoot } from 'attested-tls/attester'
import { makeRoot } from '../test/support/pki.js'

/** The authority of a run, a server and a client. */
const ca = makeRoot({ name: 'Soak CA' })
const server = ca.issue({ subject: 'localhost', dnsNames: ['localhost'] })
const client = ca.issue({ subject: 'client', extendedKeyUsage: ['clientAuth'] })

/** ms: how long anything may take where it matters what is left of connections, and not how busy the machine is. */
export const PATIENCE = 600_000

/** The options of a server. */
export const serverOptions = { cert: server.pem, key: server.keyPem }
/** Those of a client that shows no certificate, and of one that does. */
export const clientOptions = { ca: ca.pem, servername: 'localhost', host: '127.0.0.1' }
export const mutualClientOptions = { ...clientOptions, cert: client.pem, key: client.keyPem }
/** Those of a server that asks for one. */
export const mutualServerOptions = { ...serverOptions, ca: ca.pem, requestCert: true }

/** Options of a server that attests to its clients, and of these. */
export function attested(profile: 'draft08' | 'hardened'): {
  readonly server: ServerOptions['attestation']
  readonly client: ConnectOptions['attestation']
} {
  const root = SimulatedRoot.create({ now: Date.now() })
  const workload = measured('workload', Buffer.from('soak'))
  const attester = new SimulatedAttester({ platform: root.issue('soak'), components: [workload] })
  const verifier = createVerifier({
    policy: {
      version: 1,
      platforms: [
        {
          kind: 'simulated',
          measurements: [{ values: { workload: Buffer.from(workload.measurement).toString('hex') } }],
        },
      ],
    },
    roots: { simulated: [root.pem] },
    dangerouslyTrustSimulatedPlatforms: true,
    sessionLifetime: PATIENCE,
    warn: () => {},
  })
  const timeouts = { attester: PATIENCE, verifier: PATIENCE, peer: PATIENCE, renewal: PATIENCE }
  const common = {
    timeouts,
    ...(profile === 'hardened' ? { profile } : { profile, acceptDraft08Risks: ['relay'] as const, warn: () => {} }),
  }
  return { server: { ...common, attester }, client: { ...common, verifier } }
}

/** Listens on a free port of the loopback interface. */
export async function portOf(server: Server): Promise<number> {
  server.listen({ port: 0, host: '127.0.0.1', backlog: 1024 })
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

/** Ends a connection that has been read to its end. */
export async function closed(socket: AttestedSocket): Promise<void> {
  const isClosed = once(socket, 'close')
  socket.resume().end()
  await isClosed
}

/** Runs so many lanes at once, until all of so many things have been done. */
export async function inLanes(lanes: number, count: number, work: (index: number) => Promise<void>): Promise<void> {
  let begun = 0
  await Promise.all(
    Array.from({ length: Math.min(lanes, count) }, async () => {
      while (begun < count) await work(begun++)
    }),
  )
}
