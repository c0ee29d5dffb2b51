import type * as net from 'node:net'
import type { Duplex } from 'node:stream'
import * as nodeTls from 'node:tls'
import * as attestedTls from 'attested-tls'

/** The two stacks, through the one API that both have. */
export type StackName = 'ours' | 'node'

/** What the benchmarks use of a connection. */
export interface Connection extends Duplex {
  isSessionReused(): boolean
}

/** What the benchmarks use of a server. */
export type Server = net.Server

/** Certificates and keys in PEM. */
export interface Credentials {
  readonly ca: string
  readonly cert: string
  readonly key: string
}

/** Same certificate, group and cipher suite on both sides of every comparison. */
const PARAMETERS = {
  minVersion: 'TLSv1.3',
  maxVersion: 'TLSv1.3',
  ciphers: 'TLS_AES_128_GCM_SHA256',
  ecdhCurve: 'X25519',
} as const

/** Listens with one of the stacks; the attestation options are for ours alone. */
export function serve(
  stack: StackName,
  credentials: Credentials,
  options: { readonly requestCert: boolean; readonly attestation: attestedTls.ServerOptions['attestation'] },
  listener: (connection: Connection) => void,
): Server {
  const { requestCert, attestation } = options
  const common = { ...PARAMETERS, ...credentials, requestCert, rejectUnauthorized: requestCert }
  if (stack === 'node') return nodeTls.createServer(common, listener)
  return attestedTls.createServer({ ...common, ...(attestation && { attestation }) }, listener)
}

/** A function that opens connections with one of the stacks. What can be prepared once is. */
export function dialer(
  stack: StackName,
  credentials: Credentials,
  port: number,
  options: { readonly presentsCert: boolean; readonly attestation: attestedTls.ConnectOptions['attestation'] },
): (session?: Buffer) => Connection {
  const { ca, cert, key } = credentials
  const context = { ...PARAMETERS, ca, ...(options.presentsCert && { cert, key }) }
  const target = { host: '127.0.0.1', port, servername: 'localhost' }
  if (stack === 'node') {
    const secureContext = nodeTls.createSecureContext(context)
    return session => nodeTls.connect({ ...target, secureContext, ...(session && { session }) })
  }
  const secureContext = attestedTls.createSecureContext(context)
  const { attestation } = options
  return session =>
    attestedTls.connect({ ...target, secureContext, ...(attestation && { attestation }), ...(session && { session }) })
}
