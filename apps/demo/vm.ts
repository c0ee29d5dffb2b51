// The server of the demonstration, in a process of its own: a service in a simulated confidential VM.
import { createHash, createPrivateKey, createPublicKey } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import { attestedSocketOf, createHttpsServer, createVerifier, type ServerOptions, signingKey } from 'attested-tls'
import { measured, SimulatedAttester, SimulatedRoot } from 'attested-tls/attester'
import { selfSigned } from './certificate.js'
import { type Assignment, type Fleet, RESULTS_VERIFIER, type Report } from './ipc.js'

process.once('message', (assignment: Assignment) => serve(assignment))
// Without the main process there is nobody to serve.
process.once('disconnect', () => process.exit())

function serve({ workload, fleet }: Assignment): void {
  const root = SimulatedRoot.create({ now: Date.now() })
  const attester = new SimulatedAttester({
    platform: root.issue('confidential VM'),
    components: [measured('workload', Buffer.from(workload), '1.4.2')],
  })
  // The key of the service is born here; the platform's Evidence speaks for it.
  const { key, cert } = selfSigned('payment service')
  const options: ServerOptions = fleet
    ? withoutCertificate(attester, key, fleet)
    : { key, cert, attestation: { attester } }
  let received = 0
  const server = createHttpsServer(options, (request, response) => {
    const { attestation, bytesRead } = attestedSocketOf(request) ?? {}
    received += bytesRead ?? 0
    const { model } = attestation?.peer.negotiated ?? {}
    response.end(
      `Hello. ${attestation?.isAttested ? `I know you: you are attested (${model}).` : 'I ask nobody who they are.'}\n`,
    )
  })
  server.on('tlsClientError', (error: Error & { code?: string }) => {
    tell({ type: 'refused', code: error.code ?? error.name, message: error.message })
  })
  server.listen(0, '127.0.0.1', () => {
    const { port } = server.address() as AddressInfo
    const spki = createPublicKey(key).export({ format: 'der', type: 'spki' })
    const keyId = createHash('sha256').update(spki).digest('hex')
    tell({ type: 'listening', port, platformRoot: root.pem, certificate: fleet ? null : cert, keyId })
  })
  process.once('message', () => {
    server.closeAllConnections()
    server.close(() => {
      tell({ type: 'closing', received })
      process.disconnect()
    })
  })
}

/** Under `draft08`: Evidence in place of a certificate, and clients bring results of a Verifier that we know. */
function withoutCertificate(attester: SimulatedAttester, key: string, fleet: Fleet): ServerOptions {
  return {
    attestation: {
      profile: 'draft08',
      acceptDraft08Risks: ['relay', 'replay', 'diversion'],
      warn: () => {},
      attester,
      identityKey: signingKey(createPrivateKey(key)),
      verifier: createVerifier({
        policy: { version: 1, name: 'results of the fleet' },
        issuers: [{ identity: RESULTS_VERIFIER, keys: [fleet.resultsKey] }],
        dangerouslyTrustSimulatedPlatforms: true,
        warn: () => {},
      }),
      peerCredentials: ['attestation-only'],
      // Without a certificate it is by their keys that they are known.
      expectedIdentity: { keyIds: [Buffer.from(fleet.keyId, 'hex')] },
    },
  }
}

function tell(report: Report): void {
  process.send?.(report)
}
