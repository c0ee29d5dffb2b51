import type { Socket } from 'node:net'
import type { ConnectionEvent } from 'attested-tls/engine'
import type { DtlsConnection } from 'attested-tls/engine/dtls'
import { Unexpected } from './expectations.js'
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
    const type = await this.#take(1)
    const argument = type && (await this.#take(TIMES.has(String(type)) ? 8 : 4))
    if (!argument) return false
    switch (String(type)) {
      case 'P': {
        const datagram = await this.#take(argument.readUInt32BE())
        if (datagram) this.#connection.receive(datagram, this.#now)
        break
      }
      case 'T':
        this.#socket.write('t')
        this.advance(Number(argument.readBigUInt64BE()) / 1e6)
        break
      case 'E':
        this.#expectTimeout(argument.readBigUInt64BE())
        break
      case 'M':
        this.#connection.adapt({ mtu: argument.readUInt32BE() })
        break
      case 'U':
        this.#connection.adapt({ retransmitAfter: argument.readUInt32BE() })
        break
      default:
        throw new Error(`the runner sends a packet of type ${type}`)
    }
    return true
  }

  /** Turns the clock, and does what is due by then. @param by ms */
  advance(by: number): void {
    this.#now += by
    for (;;) {
      const { deadline } = this.#connection
      if (deadline === undefined || deadline > this.#now + TIMER_SLACK) return
      this.#now = Math.max(this.#now, deadline)
      this.#connection.expire(this.#now)
      this.flush()
    }
  }

  /** @param ns until the next deadline, or all ones if there is to be none */
  #expectTimeout(ns: bigint): void {
    const { deadline } = this.#connection
    const expected = ns === NEVER ? undefined : Number(ns) / 1e6
    const found = deadline === undefined ? undefined : Math.max(0, deadline - this.#now)
    if (found === expected) return
    if (found !== undefined && expected !== undefined && Math.abs(found - expected) <= TIMER_SLACK) return
    throw new Unexpected(`the next deadline is in ${found} ms instead of ${expected} ms`)
  }

  /** @returns so many bytes; undefined if there are not as many */
  async #take(length: number): Promise<Buffer | undefined> {
    while (this.#unread.length < length && (await this.#more()));
    if (this.#unread.length < length) return undefined
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

/** Packets with eight bytes behind them; all others have four. */
const TIMES: ReadonlySet<string> = new Set(['T', 'E'])
const NEVER = 2n ** 64n - 1n
/** ms: by how much timers may be early, as BoringSSL's are. */
const TIMER_SLACK = 15
/** Where no flag says otherwise: room for the largest record, for the runner cares for no path then. */
const LARGEST_MTU = 17_000

/** What `exchange` asks of a connection, answered by one of DTLS. */
export function overDatagrams(flags: Flags, make: (options: object) => DtlsConnection) {
  const connection = make({
    retransmitAfter: flags.number('-initial-timeout-duration-ms') ?? 400,
    mtu: flags.number('-mtu') ?? LARGEST_MTU,
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
