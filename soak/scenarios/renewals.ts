import { once } from 'node:events'
import { type AttestedSocket, connect, createServer } from 'attested-tls'
import { connect as connectOverUdp, createServer as createServerOverUdp, type DtlsSocket } from 'attested-tls/dtls'
import { attested, closed, mutualClientOptions, mutualServerOptions, PATIENCE, portOf } from '../ends.js'
import { Growth } from '../growth.js'
import { done, exactly, type Scenario, scaled } from '../scenario.js'
import { echoed } from './datagrams.js'

/** Connections under the profile `hardened` whose two ends attest to each other again and again. */
export const renewals: Scenario = {
  name: 'renewals',
  invariant:
    'Two connections under the profile hardened, over TLS and over UDP, whose ends attest to each other, endure 5,000 ' +
    'renewals each, while 5,000 others are made, renewed twice and ended beside them, and nothing grows',
  async run(scale, course) {
    const clock = new ForwardClock()
    const { overTls, overUdp, servers } = await transports()
    // They are open when counting begins and when it ends, so that what they hold themselves is seen if it grows.
    const kept = [await overTls(), await overUdp()]
    const growth = await Growth.watching([process, ...servers])
    let renewed = 0
    let passing = 0
    let failed = 0
    const round = async () => {
      try {
        const others = await Promise.all([overTls(), overUdp()])
        passing += others.length
        for (let i = 0; i < RENEWALS; i++) {
          const pairs = [...kept, ...others]
          clock.forward(RENEWAL_GAP / 2)
          // Over UDP what is echoed may overtake an acceptance, after which the next request has to wait for five seconds.
          await Promise.all(pairs.map(pair => pair.echo()))
          clock.forward(RENEWAL_GAP / 2)
          await Promise.all(pairs.map(pair => pair.renew()))
          renewed++
        }
        await Promise.all(others.map(pair => pair.close()))
      } catch (error) {
        failed++
        course.tell(`a renewal failed: ${String(error)}`)
      }
    }
    // After a failure nothing can be said of the connections that are kept.
    const goesOn = (done: number, count: number) => done < count && failed === 0 && course.hasTime()
    const rounds = scaled(2500, scale, 20)
    // As many as it takes to fill the memory of nonces, which has room for 1024 of each Verifier.
    for (let i = 0; goesOn(i, Math.max(100, rounds / 8)); i++) await round()
    await growth.begin()
    renewed = 0
    passing = 0
    for (let i = 0; goesOn(i, rounds); i++) {
      await round()
      if ((i + 1) % 250 === 0) course.tell(`${renewed} renewals`)
    }
    const findings = await growth.findings()
    const good = kept.filter(({ isAttested }) => isAttested).length
    await Promise.all(kept.map(pair => pair.close()))
    for (const server of servers) server.close()
    return [
      done('renewals of each that is kept', renewed, rounds * RENEWALS, course),
      done('connections beside them', passing, rounds * 2, course),
      exactly('failures', failed, 0),
      exactly('kept connections whose ends are still attested', good, kept.length),
      ...findings,
    ]
  },
}

const RENEWALS = 2
/** ms: nobody has to attest more often than every ten seconds. */
const RENEWAL_GAP = 10_002

type Socket = AttestedSocket | DtlsSocket

/** Both ends of a connection. */
class Pair {
  readonly #client: Socket
  readonly #server: Socket
  /** Ends the connection. */
  readonly close: () => Promise<void>
  /** Has something echoed. */
  readonly echo: () => Promise<unknown>

  constructor(client: Socket, server: Socket, echo: () => Promise<unknown>, close: () => Promise<void>) {
    this.#client = client
    this.#server = server
    this.echo = echo
    this.close = close
  }

  get isAttested(): boolean {
    return [this.#client, this.#server].every(({ attestation }) => attestation?.isAttested)
  }

  async renew(): Promise<void> {
    await Promise.all(
      [this.#client, this.#server].map(async end => {
        const renewed = once(end, 'attestation')
        end.renewAttestation()
        await renewed
      }),
    )
    await this.echo()
  }
}

/** What makes connections over TLS and over UDP. */
async function transports() {
  const both = attested('hardened')
  const attestation = { ...both.server, ...both.client, maxConnectionAge: DAY }
  const serverOptions = { ...mutualServerOptions, attestation, handshakeTimeout: PATIENCE }
  const clientOptions = { ...mutualClientOptions, attestation, handshakeTimeout: PATIENCE }

  const streams = createServer(serverOptions, socket => socket.pipe(socket))
  const port = await portOf(streams)
  async function overTls(): Promise<Pair> {
    const accepted = once(streams, 'secureConnection')
    const client = connect({ ...clientOptions, port })
    await once(client, 'secureConnect')
    const [server] = (await accepted) as [AttestedSocket]
    const echo = () => {
      client.write('ping')
      return once(client, 'data')
    }
    return new Pair(client, server, echo, () => closed(client))
  }

  const datagrams = createServerOverUdp(serverOptions, socket => socket.on('message', message => socket.send(message)))
  datagrams.listen(0, '127.0.0.1')
  await once(datagrams, 'listening')
  async function overUdp(): Promise<Pair> {
    const accepted = once(datagrams, 'secureConnection')
    const client = connectOverUdp({ ...clientOptions, port: datagrams.address().port })
    await once(client, 'secureConnect')
    const [server] = (await accepted) as [DtlsSocket]
    const close = async () => {
      client.close()
      if (!client.destroyed) await once(client, 'close')
    }
    return new Pair(client, server, () => echoed(client), close)
  }
  return { overTls, overUdp, servers: [streams, datagrams] }
}
const DAY = 86_400_000

/** The clock of this process, which can be put forward: what has to wait until some time has passed need not. Timers keep to
 *  the time that passes. It is made before whatever takes `Date.now` along. */
class ForwardClock {
  #ahead = 0

  constructor() {
    const now = Date.now
    Date.now = () => now() + this.#ahead
  }

  /** @param ms */
  forward(ms: number): void {
    this.#ahead += ms
  }
}
