import { once } from 'node:events'
import { createVerifier } from 'attested-tls'
import { createServer, type DtlsServer, type DtlsSocket } from 'attested-tls/dtls'
import { createServer as createCoapServer } from 'coap'
import { AttestedDatagrams } from './datagrams.js'

/** What the service is told. */
export interface ServiceOptions {
  readonly key: string
  readonly cert: string
  /** The certificates of the devices that were made. */
  readonly devices: readonly string[]
  /** What devices have to run: measurements by component. */
  readonly firmware: { readonly name: string; readonly values: Readonly<Record<string, string>> }
  /** Who vouches for devices, in PEM. */
  readonly makersRoot: string
  /** What happens, for people to read. */
  readonly say: (what: string) => void
}

/** A service that manages devices: who attests that it runs the firmware of today gets its configuration, and may report. */
export async function startService({ key, cert, devices, firmware, makersRoot, say }: ServiceOptions) {
  const verifier = createVerifier({
    policy: { version: 1, name: 'devices', platforms: [{ kind: 'psa', measurements: [firmware] }] },
    roots: { psa: [makersRoot] },
    dangerouslyTrustSimulatedPlatforms: true,
    warn: () => {},
  })
  const dtls = createServer({ key, cert, requestCert: true, ca: devices, attestation: { verifier } })
  const peers = new AttestedDatagrams()
  let count = 0
  // Nobody comes this far who has not proved what it runs.
  dtls.on('secureConnection', (socket: DtlsSocket) => peers.add(`device-${++count}`, socket))
  dtls.on('clientError', (error: Error) => say(`refused a device: ${error.message}`))

  const coap = createCoapServer((request, response) => {
    const peer = peers.of(request.rsinfo.address)
    const subject = peer?.getPeerX509Certificate()?.subject ?? 'nobody'
    say(`${request.rsinfo.address} (${subject}): ${request.method} ${request.url} ${request.payload}`)
    if (request.method === 'POST' && request.url === '/enroll') {
      response.code = '2.01'
      response.end(JSON.stringify({ reportEvery: '10 min', firmware: firmware.name }))
    } else if (request.method === 'POST' && request.url === '/readings') {
      response.code = '2.04'
      response.end()
    } else {
      response.code = '4.04'
      response.end()
    }
  })
  coap.listen(peers.socket)
  dtls.listen(0, '127.0.0.1')
  await once(dtls, 'listening')
  return { port: dtls.address().port, peers, stop: () => stop(dtls, coap) }
}

async function stop(dtls: DtlsServer, coap: ReturnType<typeof createCoapServer>): Promise<void> {
  coap.close()
  const closed = once(dtls, 'close')
  dtls.close()
  await closed
}
