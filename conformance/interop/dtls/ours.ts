import { once } from 'node:events'
import {
  connect,
  createServer,
  type DtlsConnectOptions,
  type DtlsServerOptions,
  type DtlsSocket,
} from 'attested-tls/dtls'
import { type End, type Facts, News } from './end.js'

/** Our end: the newest connection of a client or a server. */
class Ours implements End {
  readonly news = new News()
  readonly #dial: ((session: Uint8Array | undefined) => DtlsSocket) | undefined
  readonly #stop: () => Promise<unknown>
  #socket: DtlsSocket | undefined
  #session: Uint8Array | undefined

  constructor(stop: () => Promise<unknown>, dial?: (session: Uint8Array | undefined) => DtlsSocket) {
    this.#stop = stop
    this.#dial = dial
  }

  connect(): void {
    const socket = this.#dial?.(this.#session)
    if (!socket) throw new Error('a server does not connect')
    socket.on('session', session => {
      this.#session = session
      this.news.tell('session', '')
    })
    socket.once('secureConnect', () => this.adopt(socket))
    socket.on('error', error => this.news.tell('failed', error))
    this.#socket = socket
  }

  /** A connection is past its handshake. */
  adopt(socket: DtlsSocket): void {
    this.#socket = socket
    socket.on('message', message => this.news.tell('message', message))
    socket.on('end', () => this.news.tell('closed', ''))
    const facts: Facts = {
      exporter: socket.exportKeyingMaterial(32, 'EXPORTER-interop').toString('hex'),
      isDtls13: socket.getProtocol() === 'DTLSv1.3',
      alpn: socket.alpnProtocol || '',
      certificates: socket.getPeerX509Certificate() ? 1 : 0,
    }
    this.news.tell('connected', facts)
  }

  connected = () => this.news.next<Facts>('connected')
  message = () => this.news.next<Uint8Array>('message')
  closed = () => this.news.next<void>('closed')
  session = () => this.news.next<void>('session')
  failed = async () => String(await this.news.next('failed'))

  send(message: Uint8Array): void {
    this.socket.send(message)
  }

  updateKeys(both: boolean): void {
    this.socket.updateKeys(both)
  }

  close(): void {
    this.socket.close()
  }

  get socket(): DtlsSocket {
    if (!this.#socket) throw new Error('there is no connection')
    return this.#socket
  }

  async stop(): Promise<void> {
    this.#socket?.destroy()
    await this.#stop()
  }
}

/** Our server, on a port of loopback. */
export async function ourServer(options: DtlsServerOptions): Promise<{ readonly end: Ours; readonly port: number }> {
  const server = createServer({ retransmitAfter: 200, ...options })
  const end = new Ours(() => new Promise<void>(resolve => server.close(resolve)))
  server.on('secureConnection', (socket: DtlsSocket) => end.adopt(socket))
  server.on('clientError', (error: Error) => end.news.tell('failed', error))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { end, port: server.address().port }
}

/** Our client of a server on loopback. */
export function ourClient(port: number, options: Omit<DtlsConnectOptions, 'port'>): Ours {
  return new Ours(
    async () => {},
    session =>
      connect({
        host: '127.0.0.1',
        port,
        servername: 'localhost',
        retransmitAfter: 200,
        ...options,
        ...(session && { session }),
      }),
  )
}

export type { Ours }
