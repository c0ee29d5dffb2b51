import { type ServerOptions as HttpOptions, Server as HttpServer, type RequestListener } from 'node:http'
import type { Duplex } from 'node:stream'
import { Acceptor } from './acceptor.js'
import type { SecureContextOptions, ServerOptions, TicketOptions } from './options.js'
import type { SecureContext } from './secure-context.js'
import { AttestedSocket } from './socket.js'

/** What `createHttpsServer` takes. */
export type HttpsServerOptions = HttpOptions & ServerOptions

/** HTTP/1.1 over TLS 1.3, as `https.createServer` makes it. `request.socket` is an `AttestedSocket`, although its type
 *  says otherwise. @throws MisuseError for options that cannot be */
export function createHttpsServer(options: HttpsServerOptions = {}, listener?: RequestListener): AttestedHttpsServer {
  return new AttestedHttpsServer(options, listener)
}

/** An `http.Server` whose connections are TLS 1.3, with the face of `https.Server`. */
export class AttestedHttpsServer extends HttpServer {
  readonly #acceptor: Acceptor

  constructor(options: HttpsServerOptions, listener?: RequestListener) {
    super(options, listener)
    // http.Server speaks HTTP on each 'connection'; here it does so on each one that is secure.
    const speakHttp = this.listeners('connection')
    this.removeAllListeners('connection')
    const withHttp =
      options.ALPNProtocols || options.ALPNCallback ? options : { ...options, ALPNProtocols: ['http/1.1'] }
    this.#acceptor = new Acceptor(this, { ...withHttp, allowHalfOpen: true }, socket => {
      this.emit('secureConnection', socket)
      for (const speak of speakHttp) speak.call(this, socket)
    })
    // As node:https does: who handles 'clientError' hears of failed handshakes too.
    this.on('tlsClientError', (error: Error, socket: AttestedSocket) => this.emit('clientError', error, socket))
    this.on('connection', (transport: Duplex) => this.#acceptor.accept(transport))
  }

  /** The ticket keys: 48 bytes each, one after the other. Whoever has them can read sessions. */
  getTicketKeys(): Buffer {
    return this.#acceptor.ticketKeys
  }

  /** Replaces the ticket keys: the first seals from now on, all of them open. @throws MisuseError */
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

/** The connection of a request, with its `attestation`. */
export function attestedSocketOf(request: { readonly socket: unknown }): AttestedSocket | undefined {
  return request.socket instanceof AttestedSocket ? request.socket : undefined
}
