import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { connect, createServer } from 'attested-tls/dtls'
import { DtlsConnection } from 'attested-tls/engine/dtls'
import { clientConfig } from '../../test/support/pair.js'
import { clientOptions, inLanes, serverOptions } from '../ends.js'
import { Growth, inUse, pause } from '../growth.js'
import { atMost, exactly, type Finding, type Scenario, scaled } from '../scenario.js'
import { echo } from './datagrams.js'

/** Peers that prove their address over UDP, and then do not go on. */
export const stalledDatagrams: Scenario = {
  name: 'stalled-datagrams',
  invariant:
    'Peers over UDP that say hello with a cookie and nothing more are forgotten when the time for a handshake is up, and ' +
    'keep nobody else from being served',
  async run(scale, { tell }) {
    const server = createServer({ ...serverOptions, handshakeTimeout: TIMEOUT }, socket =>
      socket.on('message', message => socket.send(message)),
    )
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address()
    const growth = await Growth.watching([process, server])
    const count = scaled(1000, scale, 50)
    const findings: Finding[] = []
    await stall('warm-up')
    findings.length = 0
    await growth.begin()
    await stall('silent after the second hello')
    findings.push(...(await growth.findings()))
    server.close()
    return findings

    async function stall(what: string): Promise<void> {
      const before = inUse()
      let refused = 0
      const refuse = () => refused++
      server.on('clientError', refuse)
      const peers: Socket[] = []
      // As many at a time as fit into the buffer of one socket.
      await inLanes(20, count, async () => void peers.push(await beginHandshake(port)))
      await reached(() => server.connectionCount + refused >= count)
      const perPeer = (inUse() - before) / count
      await inLanes(2, 10, () => echo(connect({ ...clientOptions, port })))
      await reached(() => server.connectionCount === 0)
      for (const peer of peers) peer.close()
      server.off('clientError', refuse)
      findings.push(
        exactly(`${what}: peers that were refused`, refused, count),
        exactly(`${what}: associations left`, server.connectionCount, 0),
        atMost(`${what}: memory per peer`, perPeer / 1000, 100, 'kB'),
      )
      tell(`${count} peers: ${what}`)
    }
  },
}

/** ms */
const TIMEOUT = 2000

async function reached(isSo: () => boolean): Promise<void> {
  const until = performance.now() + TIMEOUT + 10_000
  while (!isSo() && performance.now() < until) await pause(20)
}

/** Sends a ClientHello, and the second one that the server asks for. */
async function beginHandshake(port: number): Promise<Socket> {
  const socket = createSocket('udp4')
  socket.on('error', () => {})
  socket.connect(port, '127.0.0.1')
  await once(socket, 'connect')
  const connection = new DtlsConnection('client', clientConfig())
  connection.start(0)
  const say = () => {
    for (const datagram of connection.takeOutput()) socket.send(datagram)
  }
  const answered = once(socket, 'message')
  say()
  // What was lost is sent again, as by anybody.
  const repeat = setInterval(() => {
    connection.expire(connection.deadline ?? 0)
    say()
  }, 500)
  const [retry] = await answered.finally(() => clearInterval(repeat))
  connection.receive(retry, 0)
  say()
  return socket
}
