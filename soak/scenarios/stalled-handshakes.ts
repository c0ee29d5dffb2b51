import { once } from 'node:events'
import type { Socket } from 'node:net'
import { createServer as netServer } from 'node:net'
import { type AttestedServer, connect, createServer } from 'attested-tls'
import { clientOptions, closed, inLanes, portOf, serverOptions } from '../ends.js'
import { Growth, inUse, pause } from '../growth.js'
import { captureHello, dialMany } from '../raw.js'
import { atMost, exactly, type Finding, type Scenario, scaled } from '../scenario.js'

/** Peers that begin a handshake and do not go on. */
export const stalledHandshakes: Scenario = {
  name: 'stalled-handshakes',
  invariant:
    'Peers that say nothing, drip their hello, end in the middle of it, or stop before their Finished are gone when the ' +
    'time for a handshake is up, and keep nobody else from being served',
  async run(scale, { tell }) {
    const hello = await captureHello()
    const server = createServer({ ...serverOptions, handshakeTimeout: TIMEOUT }, socket => socket.pipe(socket))
    const port = await portOf(server)
    const growth = await Growth.watching([process, server])
    const count = scaled(1000, scale, 50)
    const findings: Finding[] = []
    await stall('warm-up', () => {})
    findings.length = 0
    await growth.begin()
    await stall('silent', () => {})
    await stall('dripping', socket => drip(socket, hello))
    await stall('ending in the hello', socket => socket.end(hello.subarray(0, hello.length / 2)))
    await stall('stopping after the hello', socket => socket.write(hello))
    await stall('not reading after the hello', socket => socket.pause().write(hello))
    findings.push(...(await silentServer(scale)), ...(await growth.findings()))
    server.close()
    return findings

    async function stall(what: string, begin: (socket: Socket) => void): Promise<void> {
      const before = inUse()
      let refused = 0
      const refuse = () => refused++
      server.on('tlsClientError', refuse)
      const start = performance.now()
      const sockets = await dialMany(port, count)
      for (const socket of sockets) begin(socket)
      const opened = performance.now() - start
      const perPeer = (inUse() - before) / count
      findings.push(exactly(`${what}: others that were not served`, await welcome(port), 0))
      // From the last one that was opened on.
      while ((await connections(server)) > 0 && performance.now() - start < opened + LIMIT) await pause(20)
      const left = await connections(server)
      for (const socket of sockets) socket.destroy()
      server.off('tlsClientError', refuse)
      findings.push(
        exactly(`${what}: peers that were refused`, refused, count),
        exactly(`${what}: connections of the server left`, left, 0),
        atMost(`${what}: memory per peer`, perPeer / 1000, 64, 'kB'),
      )
      tell(`${count} peers: ${what}`)
    }
  },
}

/** ms: others have it too, and the machine may be busy. */
const TIMEOUT = 5000
/** Until the last is gone: the time for a handshake, that for the alert to be read, and what a busy machine takes. */
const LIMIT = TIMEOUT + 1000 + 30_000

/** Others want to be served meanwhile. @returns how many are not */
async function welcome(port: number): Promise<number> {
  let failed = 0
  await inLanes(2, 10, async () => {
    const socket = connect({ ...clientOptions, port })
    try {
      await once(socket, 'secureConnect')
      socket.write('ping')
      await once(socket, 'data')
      await closed(socket)
    } catch {
      failed++
    }
  })
  return failed
}

/** Byte by byte, for as long as somebody listens. */
function drip(socket: Socket, hello: Buffer): void {
  let at = 0
  const timer = setInterval(() => {
    if (socket.destroyed || at === hello.length) clearInterval(timer)
    else socket.write(hello.subarray(at, ++at))
  }, 500)
  socket.resume().once('end', () => clearInterval(timer))
  socket.once('close', () => clearInterval(timer))
}

/** A server that accepts and says nothing: clients have their deadline too. */
async function silentServer(scale: number): Promise<readonly Finding[]> {
  const server = netServer(socket => socket.on('error', () => {}).resume())
  const port = await portOf(server)
  const count = scaled(200, scale, 20)
  let timedOut = 0
  await Promise.all(
    Array.from({ length: count }, async () => {
      const socket = connect({ ...clientOptions, port, handshakeTimeout: TIMEOUT })
      const [error] = await once(socket, 'error')
      if (error.code === 'ERR_TLS_HANDSHAKE_TIMEOUT') timedOut++
    }),
  )
  server.close()
  return [exactly('clients of a silent server that gave up', timedOut, count)]
}

function connections(server: AttestedServer): Promise<number> {
  return new Promise((resolve, reject) =>
    server.getConnections((error, count) => (error ? reject(error) : resolve(count))),
  )
}
