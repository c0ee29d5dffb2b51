import type { EventEmitter } from 'node:events'
import type { Duplex } from 'node:stream'
import { cryptoImplementation } from '../crypto/index.js'
import type { SecureContextOptions, ServerOptions, TicketOptions } from './options.js'
import type { SecureContext } from './secure-context.js'
import { ServerPlan } from './server-plan.js'
import { AttestedSocket } from './socket.js'

/** What the servers of this room have in common: it turns what is accepted into TLS connections. */
export class Acceptor {
  readonly #plan: ServerPlan<AttestedSocket>
  readonly #server: EventEmitter
  readonly #options: ServerOptions
  readonly #welcome: (socket: AttestedSocket) => void

  /** @param server whose events tell of the connections   @param welcome takes each one that is secure
   *  @throws MisuseError */
  constructor(server: EventEmitter, options: ServerOptions, welcome: (socket: AttestedSocket) => void) {
    this.#server = server
    this.#options = options
    this.#welcome = welcome
    cryptoImplementation() // throws if it is not to be had
    this.#plan = new ServerPlan(options, server)
  }

  /** Begins TLS on a stream. */
  accept(transport: Duplex): AttestedSocket {
    const server = this.#server
    const { allowHalfOpen, highWaterMark } = this.#options
    const socket = new AttestedSocket(transport, this.#plan, {
      ...(allowHalfOpen === undefined ? {} : { allowHalfOpen }),
      ...(highWaterMark === undefined ? {} : { highWaterMark }),
    })
    const refuse = (error: Error) => server.emit('tlsClientError', error, socket)
    socket.on('error', refuse)
    if (server.listenerCount('keylog') > 0) {
      socket.on('keylog', (line: Buffer) => server.emit('keylog', line, socket))
    }
    if (server.listenerCount('earlyData') > 0) {
      socket.on('earlyData', (data: Buffer) => server.emit('earlyData', data, socket))
    }
    socket.once('secure', () => {
      // From here on errors are the application's, as with node:tls.
      socket.off('error', refuse)
      this.#welcome(socket)
    })
    return socket
  }

  get ticketKeys(): Buffer {
    return Buffer.from(this.#plan.tickets.keys)
  }

  set ticketKeys(material: Uint8Array) {
    this.#plan.tickets.keys = material
  }

  addContext(hostname: string, context: SecureContext | SecureContextOptions): void {
    this.#plan.addContext(hostname, context)
  }

  replaceContext(options: SecureContextOptions & TicketOptions): void {
    this.#plan.replaceContext(options)
  }
}
