import { connect, type Socket } from 'node:net'
import type { ConnectionEvent, TlsConnection } from 'attested-tls/engine'
import type { Flags } from './flags.js'

/** A connection to the runner, and the engine that speaks over it. */
export class Wire {
  readonly #socket: Socket
  readonly #chunks: AsyncIterator<Buffer>
  readonly #connection: TlsConnection

  constructor(socket: Socket, connection: TlsConnection) {
    this.#socket = socket
    this.#chunks = chunksOf(socket)
    this.#connection = connection
  }

  /** Connects to the runner, and says which test we are. */
  static async open(flags: Flags): Promise<Socket> {
    const socket = connect({
      host: flags.has('-ipv6') ? '::1' : '127.0.0.1',
      port: flags.number('-port') ?? 0,
      noDelay: true,
      allowHalfOpen: true,
    })
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve)
      socket.once('error', reject)
    })
    const id = Buffer.alloc(8)
    id.writeBigUInt64LE(BigInt(flags.text('-shim-id') ?? 0))
    socket.write(id)
    return socket
  }

  /** Starts the handshake, up to where it waits for the peer. */
  async start(): Promise<void> {
    this.#connection.start()
    while (this.#connection.pause) {
      await this.#connection.pause
      this.#connection.resume()
    }
  }

  /** The next event of the connection; undefined when it is over. */
  async next(): Promise<ConnectionEvent | undefined> {
    for (;;) {
      this.flush()
      const event = this.#connection.nextEvent()
      if (event) return event
      if (this.#connection.state === 'closed') return undefined
      if (this.#connection.pause) {
        await this.#connection.pause
        this.#connection.resume()
        continue
      }
      const chunk = await this.#read()
      if (chunk) this.#connection.receive(chunk)
      else if (this.#connection.isReadable) this.#connection.receiveEnd()
      else return undefined
    }
  }

  /** Sends what the engine has to send. */
  flush(): void {
    for (const bytes of this.#connection.takeOutput()) this.#socket.write(bytes)
  }

  /** Says that no more comes, and waits for the runner to say so too. */
  async close(): Promise<void> {
    this.flush()
    this.#socket.end()
    while (await this.#read());
    this.#socket.destroy()
  }

  /** A reset is an end like any other: the runner closes as soon as it has what it wants. */
  async #read(): Promise<Uint8Array | undefined> {
    try {
      const { value, done } = await this.#chunks.next()
      return done ? undefined : value
    } catch {
      return undefined
    }
  }
}

async function* chunksOf(socket: Socket): AsyncGenerator<Buffer> {
  yield* socket
}
