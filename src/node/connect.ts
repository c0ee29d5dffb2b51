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
    else if (typeof arg === 'object' && arg !== null) options = { ...options, ...(arg as ConnectOptions) }
    else if (typeof arg === 'number' || (i === 0 && /^\d+$/.test(String(arg))))
      options = { ...options, port: Number(arg) }
    else if (typeof arg === 'string') options = { ...options, ...(i === 0 ? { path: arg } : { host: arg }) }
  }
  return { options, listener }
}

/** A connection of the network. */
function transportOf(options: ConnectOptions): Socket {
  const { port, path, host, lookup, family, localAddress, localPort, keepAlive, keepAliveInitialDelay } = options
  if (port === undefined && !path) throw new MisuseError('`connect` needs a `port`, a `path` or a `socket`')
  const given = { port, host, lookup, family, localAddress, localPort, keepAlive, keepAliveInitialDelay }
  const where = path ? { path } : Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
  // The fields come from options of the same names and types.
  return netConnect({
    noDelay: options.noDelay ?? true,
    ...options.net,
    ...where,
  } as NetConnectOpts)
}
