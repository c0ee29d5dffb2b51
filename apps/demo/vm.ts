// The server of the demonstration, in a process of its own: a service in a simulated confidential VM.
import { generateKeyPairSync } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import { attestedSocketOf, createHttpsServer, createVerifier, signingKey } from 'attested-tls'
import { measured, SimulatedAttester, SimulatedRoot } from 'attested-tls/attester'
import { type Assignment, RESULTS_VERIFIER, type Report } from './ipc.js'

process.once('message', (assignment: Assignment) => serve(assignment))
// Without the main process there is nobody to serve.
process.once('disconnect', () => process.exit())

function serve({ workload, resultsKey }: Assignment): void {
  const root = SimulatedRoot.create({ now: Date.now() })
  let received = 0
  const server = createHttpsServer(
    {
      attestation: {
        profile: 'draft08',
        // They are attested, and have no certificate besides.
        peerCredentials: ['attestation-only'],
        // The key of the service is born here; the platform's Evidence speaks for it.
        identityKey: signingKey(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey),
        attester: new SimulatedAttester({
          platform: root.issue('confidential VM'),
          components: [measured('workload', Buffer.from(workload), '1.4.2')],
        }),
        // Clients bring results of a Verifier that we know: nothing is appraised here.
        verifier: createVerifier({
          policy: { version: 1, name: 'results of the fleet' },
          issuers: [{ identity: RESULTS_VERIFIER, keys: [resultsKey] }],
          dangerouslyTrustSimulatedPlatforms: true,
          warn: () => {},
        }),
      },
    },
    (request, response) => {
      const { attestation, bytesRead } = attestedSocketOf(request) ?? {}
      received += bytesRead ?? 0
      const client = attestation?.peer.negotiated?.model
      response.end(
        `Hello. I see a client that is ${attestation?.isAttested ? 'attested' : 'NOT attested'} (${client}).\n`,
      )
    },
  )
  server.on('tlsClientError', (error: Error & { code?: string }) => {
    tell({ type: 'refused', code: error.code ?? error.name, message: error.message })
  })
  server.listen(0, '127.0.0.1', () => {
    const { port } = server.address() as AddressInfo
    tell({ type: 'listening', port, platformRoot: root.pem })
  })
  process.once('message', () => {
    server.closeAllConnections()
    server.close(() => {
      tell({ type: 'closing', received })
      process.disconnect()
    })
  })
}

function tell(report: Report): void {
  process.send?.(report)
}
