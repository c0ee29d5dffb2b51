import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'

/** What becomes of a datagram on its way: how often it arrives, and whether the next one overtakes it. */
export type Fate = (index: number) => { readonly copies: number; readonly isOvertaken?: boolean }

/** The way between a client and a server, which looks at what passes, loses it, and changes the client's address. */
export class Path {
  readonly client = new Seen()
  readonly server = new Seen()
  readonly #fate: Fate
  readonly #inside = createSocket('udp4')
  #outside: Socket | undefined
  #clientPort = 0

  private constructor(fate: Fate) {
    this.#fate = fate
  }

  static async open(serverPort: number, fate: Fate = () => ({ copies: 1 })): Promise<Path> {
    const path = new Path(fate)
    const inside = path.#inside
    inside.bind(0, '127.0.0.1')
    await once(inside, 'listening')
    const forward = path.#carrier(path.client, datagram => path.#outside?.send(datagram, serverPort, '127.0.0.1'))
    inside.on('message', (datagram, from) => {
      path.#clientPort = from.port
      forward(datagram)
    })
    await path.rebind()
    return path
  }

  /** Where the client is to connect to. */
  get port(): number {
    return this.#inside.address().port
  }

  /** The server sees the client at another port from here on, and does not reach it at the old one. */
  async rebind(): Promise<void> {
    this.#outside?.close()
    const outside = createSocket('udp4')
    const back = this.#carrier(this.server, datagram => this.#inside.send(datagram, this.#clientPort, '127.0.0.1'))
    outside.on('message', back)
    outside.bind(0, '127.0.0.1')
    await once(outside, 'listening')
    this.#outside = outside
  }

  close(): void {
    this.#inside.close()
    this.#outside?.close()
  }

  #carrier(seen: Seen, send: (datagram: Uint8Array) => void): (datagram: Uint8Array) => void {
    let index = 0
    let late: Uint8Array | undefined
    return datagram => {
      seen.look(datagram)
      const { copies, isOvertaken } = this.#fate(index++)
      if (isOvertaken) {
        late = datagram
        return
      }
      for (let i = 0; i < copies; i++) send(datagram)
      if (late) send(late)
      late = undefined
    }
  }
}

/** What anybody on the path can see of what one end sends. */
class Seen {
  datagrams = 0
  /** Bytes of the largest datagram. */
  largest = 0
  /** How many HelloRetryRequests. */
  retries = 0
  /** Whether a protected record has carried a connection ID. */
  hasConnectionId = false
  /** The low bits of the epochs (RFC 9147 §4). */
  readonly epochs = new Set<number>()

  look(datagram: Uint8Array): void {
    this.datagrams++
    this.largest = Math.max(this.largest, datagram.length)
    const first = datagram[0] ?? 0
    if ((first & 0b1110_0000) === 0b0010_0000) {
      this.epochs.add(first & 0b11)
      if (first & 0b1_0000) this.hasConnectionId = true
    } else if (Buffer.from(datagram).includes(RETRY)) {
      this.retries++
    }
  }
}

/** The first bytes of the random of a HelloRetryRequest (RFC 8446 §4.1.3). */
const RETRY = Buffer.from('cf21ad74e59a6111be1d8c021e65b891', 'hex')
