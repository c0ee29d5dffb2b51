import { once } from 'node:events'
import { connect, createServer } from 'attested-tls'
import { seededRandom } from '../../test/support/datagram-pair.js'
import { clientOptions, closed, inLanes, portOf, serverOptions } from '../ends.js'
import { Growth, Peak } from '../growth.js'
import { captureHello, dial } from '../raw.js'
import { atMost, exactly, type Scenario, scaled, told } from '../scenario.js'

/** Many who send rubbish, and some who do not. */
export const floodOfHellos: Scenario = {
  name: 'flood-of-hellos',
  invariant: 'A server that 50,000 connections send rubbish to, 32 at a time, serves everybody else meanwhile',
  async run(scale, { tell }) {
    const hello = await captureHello()
    const server = createServer(serverOptions, socket => {
      socket.on('error', () => socket.destroy())
      socket.pipe(socket)
    })
    const port = await portOf(server)
    const growth = await Growth.watching([process, server])
    const random = seededRandom(1)
    const count = scaled(50_000, scale, 500)
    await flood(500)
    await growth.begin()
    const peak = new Peak()
    const { served, failed, slowest } = await flood(count)
    const most = peak.stop()
    const findings = await growth.findings()
    server.close()
    return [
      told('connections that sent rubbish', count),
      told('others that were served', served),
      exactly('others that were not', failed, 0),
      atMost('longest that one of them took', slowest, 10_000, 'ms'),
      atMost('most memory on the way', most / 1e6, 256, 'MB'),
      ...findings,
    ]

    async function flood(count: number) {
      let isOver = false
      let served = 0
      let failed = 0
      let slowest = 0
      const others = inLanes(2, Number.POSITIVE_INFINITY, async () => {
        if (isOver) return stop()
        const start = performance.now()
        try {
          const socket = connect({ ...clientOptions, port })
          await once(socket, 'secureConnect')
          socket.write('ping')
          await once(socket, 'data')
          await closed(socket)
          served++
          slowest = Math.max(slowest, performance.now() - start)
        } catch (error) {
          failed++
          tell(`somebody was not served: ${String(error)}`)
        }
      }).catch(reason => {
        if (reason !== STOPPED) throw reason
      })
      let sent = 0
      await inLanes(32, count, async () => {
        const socket = await dial(port)
        socket.end(rubbish(hello, random))
        // What it is told does not matter. It may even have said something that makes sense, and is answered.
        socket.once('data', () => socket.destroy())
        if (!socket.closed) await once(socket.resume(), 'close').catch(() => {})
        if (++sent % 10_000 === 0) tell(`${sent} connections of rubbish`)
      })
      isOver = true
      await others
      return { served, failed, slowest }
    }
  },
}

const STOPPED = new Error('enough')
function stop(): never {
  throw STOPPED
}

/** Bytes that look like something, or not. */
export function rubbish(hello: Uint8Array, random: () => number): Uint8Array {
  const below = (limit: number) => Math.floor(random() * limit)
  const kind = below(5)
  if (kind === 0) return Uint8Array.from({ length: 1 + below(600) }, () => below(256))
  if (kind === 1) return hello.slice(0, 1 + below(hello.length))
  const changed = Uint8Array.from(hello)
  if (kind === 2) {
    for (let i = 1 + below(8); i > 0; i--) changed[below(changed.length)] = below(256)
    return changed
  }
  // Lengths: of the record, of the message, of a list.
  if (kind === 3) {
    changed.set([below(256), below(256)], [3, 7, 41, 43 + below(100)][below(4)])
    return changed
  }
  return Uint8Array.from([...changed.subarray(0, below(changed.length)), ...hello.subarray(below(hello.length))])
}
