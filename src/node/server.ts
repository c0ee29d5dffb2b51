import { Server as NetServer } from 'node:net'
import type { Duplex } from 'node:stream'
import { Acceptor } from './acceptor.js'
import type { SecureContextOptions, ServerOptions, TicketOptions } from './options.js'
import type { SecureContext } from './secure-context.js'
import type { AttestedSocket } from './socket.js'

/** A TLS 1.3 server, as `tls.createServer` makes one. @param listener for 'secureConnection'
 *  @throws MisuseError for options that cannot be */
export function createServer(options: ServerOptions = {}, listener?: (socket: AttestedSocket) => void): AttestedServer {
  return new AttestedServer(options, listener)
}

/** Accepts TLS 1.3 connections, with the face of `tls.Server`. A client that is refused, or that does not finish its
 *  handshake, is told of by 'tlsClientError', once; one that passed, by 'secureConnection'.
 *
 *  Events beyond those of net.Server: 'secureConnection', 'tlsClientError', 'keylog', 'OCSPRequest'. Tickets hold the
 *  whole session, so there are no 'newSession' and 'resumeSession': what servers share is their ticket keys. */
export class AttestedServer extends NetServer {
  readonly #acceptor: Acceptor

  constructor(options: ServerOptions, listener?: (socket: AttestedSocket) => void) {
    super({ ...options, noDelay: options.noDelay ?? true, pauseOnConnect: false })
    this.#acceptor = new Acceptor(this, options, socket => this.emit('secureConnection', socket))
    if (listener) this.on('secureConnection', listener)
    this.on('connection', (transport: Duplex) => this.#acceptor.accept(transport))
  }

  /** The ticket keys: 48 bytes each, one after the other. Whoever has them can read sessions. */
  getTicketKeys(): Buffer {
    return this.#acceptor.ticketKeys
  }

  /** Replaces the ticket keys: the first seals from now on, all of them open. Servers that share them resume each
   *  other's sessions. @throws MisuseError */
  setTicketKeys(keys: Uint8Array): void {
    this.#acceptor.ticketKeys = keys
  }

  /** A context for a host name; `*` stands for one label. */
  addContext(hostname: string, context: SecureContext | SecureContextOptions): void {
    this.#acceptor.addContext(hostname, context)
  }

  /** Replaces certificates and trust for the connections that come. @throws MisuseError */
  setSecureContext(options: SecureContextOptions & TicketOptions): void {
    this.#acceptor.replaceContext(options)
  }
}
