import { type NetConnectOpts, connect as netConnect, type Socket } from 'node:net'
import { cryptoImplementation } from '../crypto/index.js'
import { MisuseError } from '../handshake/index.js'
import { planClient } from './client-plan.js'
import type { ConnectOptions } from './options.js'
import { AttestedSocket } from './socket.js'

/** Connects as a TLS 1.3 client, as `tls.connect` does. The peer is checked before 'secureConnect' and before any
 *  application data leaves.
 *  @param listener for 'secureConnect'   @throws MisuseError for options that cannot be */
export function connect(options: ConnectOptions, listener?: () => void): AttestedSocket
export function connect(port: number, host?: string, options?: ConnectOptions, listener?: () => void): AttestedSocket
export function connect(port: number, options?: ConnectOptions, listener?: () => void): AttestedSocket
export function connect(path: string, options?: ConnectOptions, listener?: () => void): AttestedSocket
export function connect(...args: readonly unknown[]): AttestedSocket {
  const { options, listener } = argumentsOf(args)
  cryptoImplementation() // throws if it is not to be had
  const plan = planClient(options)
  const socket = new AttestedSocket(options.socket ?? transportOf(options), plan, {
    ...(options.allowHalfOpen === undefined ? {} : { allowHalfOpen: options.allowHalfOpen }),
    ...(options.highWaterMark === undefined ? {} : { highWaterMark: options.highWaterMark }),
    ...(options.signal && { signal: options.signal }),
    ...(options.session && { session: options.session }),
    ...(options.replayableEarlyData !== undefined && { earlyData: Buffer.from(options.replayableEarlyData) }),
  })
  if (listener) socket.once('secureConnect', listener)
  if (options.timeout) socket.setTimeout(options.timeout)
  return socket
}

/** The forms of `tls.connect`: what is not an object or a function says where to. */
function argumentsOf(args: readonly unknown[]): {
  readonly options: ConnectOptions
  readonly listener: (() => void) | undefined
} {
  let options: ConnectOptions = {}
  let listener: (() => void) | undefined
  for (const [i, arg] of args.entries()) {
    if (typeof arg === 'function') listener = arg as () => void
    else if (typeof arg === 'object' && arg !== null) options = i === 0 ? arg : { ...options, ...arg }
    else if (typeof arg === 'number' || (i === 0 && /^\d+$/.test(String(arg))))
      options = { ...options, port: Number(arg) }
    else if (typeof arg === 'string') options = { ...options, ...(i === 0 ? { path: arg } : { host: arg }) }
  }
  return { options, listener }
}

/** A connection of the network. */
function transportOf(options: ConnectOptions): Socket {
  const { port, path } = options
  if (port === undefined && !path) throw new MisuseError('`connect` needs a `port`, a `path` or a `socket`')
  const where: Record<string, unknown> = { noDelay: true, ...options.net }
  // What is not given leaves what `net` says.
  for (const name of path ? PATH_OPTIONS : PORT_OPTIONS) if (options[name] !== undefined) where[name] = options[name]
  // The fields come from options of the same names and types.
  return netConnect(where as unknown as NetConnectOpts)
}

const PATH_OPTIONS = ['path', 'noDelay'] as const
const PORT_OPTIONS = [
  'port',
  'host',
  'lookup',
  'family',
  'localAddress',
  'localPort',
  'keepAlive',
  'keepAliveInitialDelay',
  'noDelay',
] as const
