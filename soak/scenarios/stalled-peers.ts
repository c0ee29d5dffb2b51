import { once } from 'node:events'
import { type AttestedSocket, connect, createServer } from 'attested-tls'
import { clientOptions, portOf, serverOptions } from '../ends.js'
import { Growth, inUse, pause } from '../growth.js'
import { atMost, exactly, type Finding, type Scenario, scaled } from '../scenario.js'

/** Peers that are past the handshake, and then do not play their part. */
export const stalledPeers: Scenario = {
  name: 'stalled-peers',
  invariant:
    'Peers that never read, never write, write to who does not read, or ask for new keys without end cost no more than ' +
    'high-water marks allow, and idle time tells of them',
  async run(scale, { tell }) {
    const count = scaled(500, scale, 20)
    const server = createServer(serverOptions)
    const port = await portOf(server)
    const growth = await Growth.watching([process, server])
    const findings: Finding[] = []
    await stall('warm-up', pair => write(pair.server))
    findings.length = 0
    await growth.begin()
    await stall('never reading', pair => write(pair.server))
    await stall('never writing', () => {})
    await stall('writing to who does not read', pair => write(pair.client))
    await stall('asking for new keys', pair => askForKeys(pair.client))
    findings.push(...(await growth.findings()))
    server.close()
    return findings

    async function stall(what: string, misbehave: (pair: Pair) => void): Promise<void> {
      const before = inUse()
      const pairs: Pair[] = []
      while (pairs.length < count) pairs.push(await open())
      for (const pair of pairs) misbehave(pair)
      // Until nothing moves any more.
      let moved = -1
      for (let now = 0; now !== moved; now = movedBy(pairs)) {
        moved = now
        await pause(200)
      }
      const perPair = (inUse() - before) / count
      const timedOut = await Promise.all(
        pairs.map(async ({ server: socket }) => {
          socket.setTimeout(500)
          await once(socket, 'timeout')
          socket.destroy()
          return 1
        }),
      )
      for (const { client } of pairs) client.destroy()
      findings.push(
        atMost(`${what}: memory per connection, both ends`, perPair / 1000, 700, 'kB'),
        exactly(`${what}: connections told of by idle time`, timedOut.length, count),
      )
      tell(`${count} peers: ${what}`)
    }

    /** Neither end reads. */
    async function open(): Promise<Pair> {
      const accepted = once(server, 'secureConnection')
      const client = connect({ ...clientOptions, port })
      await once(client, 'secureConnect')
      const [peer] = (await accepted) as [AttestedSocket]
      for (const socket of [client, peer]) socket.pause().on('error', () => socket.destroy())
      return { client, server: peer }
    }
  },
}

interface Pair {
  readonly client: AttestedSocket
  readonly server: AttestedSocket
}

function movedBy(pairs: readonly Pair[]): number {
  return pairs.reduce((sum, { client, server }) => sum + client.bytesWritten + server.bytesWritten, 0)
}

const CHUNK = Buffer.alloc(65_536)

/** Writes for as long as there is room, and again when there is. */
function write(socket: AttestedSocket): void {
  const more = () => {
    while (!socket.destroyed && socket.write(CHUNK));
  }
  socket.on('drain', more)
  more()
}

/** Each request may be answered once, and only when something was said since. */
function askForKeys(socket: AttestedSocket): void {
  for (let i = 0; i < 25; i++) socket.updateKeys(true)
}
