import { DtlsConnection } from '#src/dtls/index.js'
import type { ClientConfig, ServerConfig } from '#src/handshake/index.js'
import { TlsConnection } from '#src/tls/index.js'

/** What a pair runs over: a byte stream, or datagrams. */
export type Transport = 'tls' | 'dtls'

/** What a pair uses of a connection, whichever its transport. */
export type Engine = Pick<
  TlsConnection,
  | 'side'
  | 'state'
  | 'established'
  | 'pause'
  | 'background'
  | 'isWritable'
  | 'signal'
  | 'start'
  | 'receive'
  | 'receiveEnd'
  | 'resume'
  | 'write'
  | 'close'
  | 'fail'
  | 'takeOutput'
  | 'nextEvent'
  | 'exportKeyingMaterial'
  | 'exportHandshakeKeyingMaterial'
> & {
  /** ms until the connection does something by itself; undefined: it does not. */
  readonly dueIn: number | undefined
  /** Lets time pass. @param ms no more than `dueIn` */
  pass(ms: number): void
}

export type SideConfig =
  | { readonly side: 'client'; readonly config: ClientConfig }
  | { readonly side: 'server'; readonly config: ServerConfig }

export function engineOf(transport: Transport, side: SideConfig): Engine {
  return transport === 'tls' ? overStream(side) : new OverDatagrams(side)
}

function overStream({ side, config }: SideConfig): Engine {
  const connection = side === 'client' ? new TlsConnection(side, config) : new TlsConnection(side, config)
  return Object.assign(connection, { dueIn: undefined, pass: () => undefined })
}

/** A connection over datagrams on a clock that moves when nothing else does. */
class OverDatagrams implements Engine {
  readonly #connection: DtlsConnection
  #now = 0

  constructor({ side, config }: SideConfig) {
    this.#connection = side === 'client' ? new DtlsConnection(side, config) : new DtlsConnection(side, config)
  }

  get side() {
    return this.#connection.side
  }

  get state() {
    return this.#connection.state
  }

  get established() {
    return this.#connection.established
  }

  get pause() {
    return this.#connection.pause
  }

  get background() {
    return this.#connection.background
  }

  get isWritable() {
    return this.#connection.isWritable
  }

  get signal() {
    return this.#connection.signal
  }

  /** A server waits for the first datagram. */
  start(): void {
    if (this.side === 'client') this.#connection.start(this.#now)
  }

  receive(datagram: Uint8Array): void {
    this.#connection.receive(datagram, this.#now)
  }

  /** Datagrams have no end. */
  receiveEnd(): void {}

  resume(): void {
    this.#connection.resume(this.#now)
  }

  write(data: Uint8Array): void {
    this.#connection.write(data, this.#now)
  }

  close(): void {
    this.#connection.close()
  }

  fail(error: Error): void {
    this.#connection.fail(error)
  }

  takeOutput() {
    return this.#connection.takeOutput()
  }

  nextEvent() {
    return this.#connection.nextEvent()
  }

  exportKeyingMaterial(label: string, context: Uint8Array, length: number): Uint8Array {
    return this.#connection.exportKeyingMaterial(label, context, length)
  }

  exportHandshakeKeyingMaterial(label: string, context: Uint8Array, length: number): Uint8Array {
    return this.#connection.exportHandshakeKeyingMaterial(label, context, length)
  }

  get dueIn(): number | undefined {
    const { deadline } = this.#connection
    return deadline === undefined || this.state === 'closed' ? undefined : Math.max(0, deadline - this.#now)
  }

  pass(ms: number): void {
    const isDue = this.dueIn === ms
    this.#now += ms
    if (isDue) this.#connection.expire(this.#now)
  }
}
