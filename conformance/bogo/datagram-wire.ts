import type { Socket } from 'node:net'
import type { ConnectionEvent } from 'attested-tls/engine'
import type { DtlsConnection } from 'attested-tls/engine/dtls'
import type { Flags } from './flags.js'

/** A connection of DTLS with the face of one of TLS, and the wire that it speaks over: datagrams in packets of the
 *  runner's, and a clock that the runner turns. */
export class DatagramWire {
  readonly #socket: Socket
  readonly #bytes: AsyncIterator<Buffer>
  readonly #connection: DtlsConnection
  #unread: Buffer = Buffer.alloc(0)
  /** ms */
  #now = 0

  constructor(socket: Socket, connection: DtlsConnection) {
    this.#socket = socket
    this.#bytes = socket[Symbol.asyncIterator]()
    this.#connection = connection
  }

  get now(): number {
    return this.#now
  }

  async start(): Promise<void> {
    this.#connection.start(this.#now)
    await this.#settle()
  }

  /** The next event of the connection; undefined when it is over. */
  async next(): Promise<ConnectionEvent | undefined> {
    for (;;) {
      this.flush()
      const event = this.#connection.nextEvent()
      if (event) return event
      if (this.#connection.state === 'closed') return undefined
      if (!(await this.#readPacket())) return undefined
      await this.#settle()
    }
  }

  /** Sends what the engine has to send. */
  flush(): void {
    for (const datagram of this.#connection.takeOutput()) {
      const header = Buffer.alloc(5)
      header.write('P')
      header.writeUInt32BE(datagram.length, 1)
      this.#socket.write(Buffer.concat([header, datagram]))
    }
  }

  /** Says that no more comes, and waits for the runner to say so too. */
  async close(): Promise<void> {
    this.flush()
    this.#socket.end()
    while (await this.#more());
    this.#socket.destroy()
  }

  async #settle(): Promise<void> {
    while (this.#connection.pause) {
      await this.#connection.pause
      this.#connection.resume(this.#now)
    }
  }

  /** Does what the runner says. @returns whether it says anything */
  async #readPacket(): Promise<boolean> {
    const type = String(await this.#take(1))
    if (type === '') return false
    if (type === 'P') {
      const length = (await this.#take(4)).readUInt32BE()
      const datagram = await this.#take(length)
      this.#connection.receive(datagram, this.#now)
    } else if (type === 'T') {
      this.#now += Number((await this.#take(8)).readBigUInt64BE()) / 1e6
      this.#socket.write('t')
      for (let i = 0; i < 2 && (this.#connection.deadline ?? Number.POSITIVE_INFINITY) <= this.#now; i++) {
        this.#connection.expire(this.#now)
      }
    } else if (type === 'M' || type === 'U') {
      await this.#take(4)
    } else if (type === 'E') {
      await this.#take(8)
    } else {
      throw new Error(`the runner sends a packet of type ${type}`)
    }
    return true
  }

  /** @returns so many bytes; fewer at the end */
  async #take(length: number): Promise<Buffer> {
    while (this.#unread.length < length && (await this.#more()));
    const taken = this.#unread.subarray(0, length)
    this.#unread = this.#unread.subarray(length)
    return taken
  }

  async #more(): Promise<boolean> {
    try {
      const { value, done } = await this.#bytes.next()
      if (done) return false
      this.#unread = Buffer.concat([this.#unread, value])
      return true
    } catch {
      return false
    }
  }
}

/** What `exchange` asks of a connection, answered by one of DTLS. */
export function overDatagrams(flags: Flags, make: (options: object) => DtlsConnection) {
  const mtu = flags.number('-mtu')
  const connection = make({
    retransmitAfter: flags.number('-initial-timeout-duration-ms') ?? 400,
    ...(mtu !== undefined && { mtu }),
    ...(mtu === undefined && { mtu: 1400 }),
  })
  let wire: DatagramWire | undefined
  const now = () => wire?.now ?? 0
  const face = {
    earlyData: undefined,
    writeEarlyData: (): number => 0,
    fail: (error: Error) => connection.fail(error),
    close: () => connection.close(),
    exportKeyingMaterial: (label: string, context: Uint8Array, length: number) =>
      connection.exportKeyingMaterial(label, context, length),
    write: (data: Uint8Array) => connection.write(data, now()),
    updateKeys: (isRequest: boolean) => connection.updateKeys(isRequest, now()),
  }
  return {
    face,
    open(socket: Socket) {
      wire = new DatagramWire(socket, connection)
      return wire
    },
  }
}
