import { type DatagramOptions, DtlsConnection } from '#src/dtls/index.js'
import type { ClientConfig, ConnectionEvent, Established, ServerConfig } from '#src/handshake/index.js'
import { clientConfig, type Side, serverConfig } from './pair.js'

/*
 * A client and a server, a network between them that does what networks do, and a clock that nobody waits for:
 *
 *     const pair = makeDatagramPair({ network: { seed: 7, loss: 0.3 } })
 *     await pair.run()
 *     pair.client.established
 */

/** What becomes of datagrams. All of it is drawn from the seed, so that a run can be repeated. */
export interface NetworkOptions {
  readonly seed?: number
  /** Shares of datagrams, from 0 to 1. */
  readonly loss?: number
  readonly duplication?: number
  /** How many are held back long enough for others to overtake them. */
  readonly reordering?: number
  readonly corruption?: number
  /** Longer datagrams disappear. */
  readonly mtu?: number
  /** ms, each way. */
  readonly delay?: number
  /** The last word: what is carried instead of a datagram. */
  readonly intercept?: (datagram: Uint8Array, from: Side, count: number) => readonly Uint8Array[]
}

export interface DatagramPairOptions {
  readonly client?: Partial<ClientConfig>
  readonly server?: Partial<ServerConfig>
  readonly clientDatagrams?: DatagramOptions
  readonly serverDatagrams?: DatagramOptions
  readonly network?: NetworkOptions
}

/** Numbers from 0 to 1 that only look random (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** One end of a pair, with all that its connection has told. */
export class DatagramEnd {
  readonly side: Side
  readonly connection: DtlsConnection
  readonly events: ConnectionEvent[] = []
  /** Every datagram that it has sent, before the network had a hand in it. */
  readonly sent: { readonly at: number; readonly datagram: Uint8Array }[] = []

  constructor(side: Side, connection: DtlsConnection) {
    this.side = side
    this.connection = connection
  }

  /** What the handshake came to. @throws Error if it is not complete */
  get established(): Established {
    const { established } = this.connection
    if (!established) throw new Error(`the ${this.side} is not established: ${this.error?.message ?? 'no error'}`)
    return established
  }

  get error(): Error | undefined {
    return this.events.flatMap(event => (event.type === 'error' ? [event.error] : []))[0]
  }

  get messages(): readonly string[] {
    return this.events.flatMap(event => (event.type === 'data' ? [Buffer.from(event.data).toString()] : []))
  }

  get sessions(): readonly Uint8Array[] {
    return this.events.flatMap(event => (event.type === 'session' ? [event.session] : []))
  }

  get hasEnded(): boolean {
    return this.events.some(({ type }) => type === 'end')
  }
}

/** A client and a server that have not started yet; `pair.ts` says what they are by default. */
export function makeDatagramPair(options: DatagramPairOptions = {}): DatagramPair {
  return new DatagramPair(
    new DtlsConnection('client', clientConfig(options.client), options.clientDatagrams),
    new DtlsConnection('server', serverConfig(options.server), options.serverDatagrams),
    options.network,
  )
}

/** A pair whose handshake is complete. @throws Error if it failed */
export async function connectedDatagramPair(options: DatagramPairOptions = {}): Promise<DatagramPair> {
  const pair = makeDatagramPair(options)
  await pair.run()
  const error = pair.client.error ?? pair.server.error
  if (error) throw error
  if (pair.client.connection.state !== 'open' || pair.server.connection.state !== 'open') {
    throw new Error('the handshake is not complete')
  }
  return pair
}

export class DatagramPair {
  readonly client: DatagramEnd
  readonly server: DatagramEnd
  /** ms */
  now = 0
  network: NetworkOptions
  readonly #random: () => number
  #events: { readonly at: number; readonly run: () => void }[] = []
  readonly #settled = new Set<DatagramEnd>()
  readonly #watched = new WeakSet<Promise<void>>()
  readonly #counts = { client: 0, server: 0 }

  constructor(client: DtlsConnection, server: DtlsConnection, network: NetworkOptions = {}) {
    this.client = new DatagramEnd('client', client)
    this.server = new DatagramEnd('server', server)
    this.network = network
    this.#random = seededRandom(network.seed ?? 1)
  }

  /** Starts the client and goes on until nothing more happens.
   *  @param limit ms after which something is wrong */
  async run(limit = 3_600_000): Promise<void> {
    this.client.connection.start(this.now)
    await this.settle(limit)
  }

  /** Goes on until nothing more happens. */
  async settle(limit = 3_600_000): Promise<void> {
    const until = this.now + limit
    for (let steps = 0; ; steps++) {
      if (steps > 100_000) throw new Error('the two never come to rest')
      this.#drain()
      await this.#resume()
      this.#drain()
      const next = Math.min(
        ...this.#events.map(({ at }) => at),
        ...[this.client, this.server].map(({ connection }) => connection.deadline ?? Number.POSITIVE_INFINITY),
      )
      if (next === Number.POSITIVE_INFINITY) return
      if (next > until) throw new Error(`something is still to happen after ${limit} ms`)
      this.now = Math.max(this.now, next)
      const due = this.#events.filter(({ at }) => at <= this.now)
      this.#events = this.#events.filter(({ at }) => at > this.now)
      for (const { run } of due) run()
      for (const { connection } of [this.client, this.server]) {
        if ((connection.deadline ?? Number.POSITIVE_INFINITY) <= this.now) connection.expire(this.now)
      }
    }
  }

  /** Has something happen later. @param delay ms */
  after(delay: number, run: () => void): void {
    this.#events.push({ at: this.now + delay, run })
  }

  /** Sends application data of one side. */
  write(side: Side, text: string): void {
    this[side].connection.write(Buffer.from(text), this.now)
  }

  /** Carries a datagram, or whatever becomes of it. */
  carry(datagram: Uint8Array, from: Side): void {
    const { loss = 0, duplication = 0, reordering = 0, corruption = 0, mtu, delay = 10, intercept } = this.network
    if (mtu !== undefined && datagram.length > mtu) return
    const copies = intercept ? intercept(datagram, from, this.#counts[from]++) : [datagram]
    for (const copy of copies) {
      if (this.#random() < loss) continue
      const times = this.#random() < duplication ? 2 : 1
      for (let i = 0; i < times; i++) {
        const bytes = Uint8Array.from(copy)
        if (this.#random() < corruption) bytes[Math.floor(this.#random() * bytes.length)] ^= 1 + this.#random() * 254
        const late = this.#random() < reordering ? this.#random() * 5 * delay : 0
        this.after(delay + late, () =>
          this[from === 'client' ? 'server' : 'client'].connection.receive(bytes, this.now),
        )
      }
    }
  }

  #drain(): void {
    for (const end of [this.client, this.server]) {
      for (const datagram of end.connection.takeOutput()) {
        end.sent.push({ at: this.now, datagram })
        this.carry(datagram, end.side)
      }
      for (let event = end.connection.nextEvent(); event; event = end.connection.nextEvent()) end.events.push(event)
    }
  }

  /** Lets those go on for whom the world has answered. */
  async #resume(): Promise<void> {
    for (;;) {
      const waiting = [this.client, this.server].filter(({ connection }) => connection.pause ?? connection.background)
      if (waiting.length === 0) return
      for (const end of waiting) {
        for (const promise of [end.connection.pause, end.connection.background]) {
          if (!promise || this.#watched.has(promise)) continue
          this.#watched.add(promise)
          promise.then(() => this.#settled.add(end))
        }
      }
      for (let i = 0; i < 3 && this.#settled.size === 0; i++) await new Promise(resolve => setImmediate(resolve))
      if (this.#settled.size === 0) return
      const settled = [...this.#settled]
      this.#settled.clear()
      for (const { connection } of settled) connection.resume(this.now)
      this.#drain()
    }
  }
}
