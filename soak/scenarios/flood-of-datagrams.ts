import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { connect, createServer } from 'attested-tls/dtls'
import { seededRandom } from '../../test/support/datagram-pair.js'
import { clientOptions, serverOptions } from '../ends.js'
import { Growth, Peak, pause } from '../growth.js'
import { atMost, exactly, type Scenario, scaled, told } from '../scenario.js'
import { echo } from './datagrams.js'
import { rubbish } from './flood-of-hellos.js'

/** Rubbish over UDP, from many addresses. */
export const floodOfDatagrams: Scenario = {
  name: 'flood-of-datagrams',
  invariant:
    'A DTLS server that gets 300,000 datagrams of rubbish and hellos without a cookie keeps nothing of them, and serves ' +
    'everybody else meanwhile',
  async run(scale, { tell }) {
    const hello = await captureDatagram()
    const server = createServer(serverOptions, socket => socket.on('message', message => socket.send(message)))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address()
    const growth = await Growth.watching([process, server])
    const count = scaled(300_000, scale, 10_000)
    const random = seededRandom(2)
    await flood(10_000)
    await growth.begin()
    const peak = new Peak()
    const { served, failed, slowest } = await flood(count)
    const most = peak.stop()
    const left = server.connectionCount
    const findings = await growth.findings()
    server.close()
    return [
      told('datagrams that were sent', count),
      told('others that were served', served),
      exactly('others that were not', failed, 0),
      atMost('longest that one of them took', slowest, 20_000, 'ms'),
      exactly('associations left', left, 0),
      atMost('most memory on the way', most / 1e6, 256, 'MB'),
      ...findings,
    ]

    async function flood(count: number) {
      const sources = await Promise.all(Array.from({ length: 64 }, () => openSource(port)))
      let isOver = false
      let served = 0
      let failed = 0
      let slowest = 0
      const others = async () => {
        while (!isOver) {
          const start = performance.now()
          try {
            await echo(connect({ ...clientOptions, port, retransmitAfter: 100 }))
            served++
            slowest = Math.max(slowest, performance.now() - start)
          } catch (error) {
            failed++
            tell(`somebody was not served: ${String(error)}`)
          }
        }
      }
      const lanes = [others(), others()]
      for (let sent = 0; sent < count; sent += BURST) {
        await Promise.all(
          Array.from({ length: BURST }, (_, i) => send(sources[i % sources.length], rubbishFor(hello, random))),
        )
        if (sent > 0 && sent % 100_000 === 0) tell(`${sent} datagrams of rubbish`)
        // The others have their turn.
        await pause(0)
      }
      isOver = true
      await Promise.all(lanes)
      for (const source of sources) source.close()
      return { served, failed, slowest }
    }
  },
}

/** No more than the server takes from its socket in one turn: it is in this process, and what it is never given time to read
 *  says nothing about it. */
const BURST = 25

/** Every other one is a hello that makes sense, and has no cookie. */
function rubbishFor(hello: Uint8Array, random: () => number): Uint8Array {
  return random() < 0.5 ? hello : rubbish(hello, random)
}

function send(socket: Socket | undefined, datagram: Uint8Array): Promise<void> {
  // One that the system has no room for is lost, as others are.
  return new Promise(resolve => (socket ? socket.send(datagram, () => resolve()) : resolve()))
}

async function openSource(port: number): Promise<Socket> {
  const socket = createSocket('udp4')
  socket.on('error', () => {})
  socket.on('message', () => {})
  socket.connect(port, '127.0.0.1')
  await once(socket, 'connect')
  return socket
}

/** The first datagram that a client of ours sends. */
async function captureDatagram(): Promise<Uint8Array> {
  const sink = createSocket('udp4')
  sink.bind(0, '127.0.0.1')
  await once(sink, 'listening')
  const client = connect({ ...clientOptions, port: sink.address().port })
  client.on('error', () => {})
  const [hello] = await once(sink, 'message')
  client.destroy()
  sink.close()
  return hello
}
