import { on, once } from 'node:events'
import { connect, createServer, type DtlsSocket } from 'attested-tls/dtls'
import { clientOptions, inLanes, PATIENCE, serverOptions } from '../ends.js'
import { Growth } from '../growth.js'
import { exactly, type Scenario, scaled } from '../scenario.js'

/** Connections over UDP, one after the other. */
export const datagrams: Scenario = {
  name: 'datagrams',
  invariant: '20,000 DTLS connections in one process leave no memory, handle, listener or association',
  async run(scale, { tell }) {
    const signal = new AbortController().signal
    const server = createServer({ ...serverOptions, handshakeTimeout: PATIENCE }, socket =>
      socket.on('message', message => socket.send(message)),
    )
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const growth = await Growth.watching([signal, process, server])
    let done = 0
    let failed = 0
    const { port } = server.address()
    const shakeHands = async () => {
      try {
        await echo(connect({ ...clientOptions, port, signal, handshakeTimeout: PATIENCE }))
      } catch (error) {
        failed++
        tell(`a handshake failed: ${String(error)}`)
      }
      if (++done % 5000 === 0) tell(`${done} connections`)
    }
    const count = scaled(20_000, scale, 200)
    await inLanes(4, Math.max(500, count / 10), shakeHands)
    await growth.begin()
    done = 0
    await inLanes(4, count, shakeHands)
    const findings = await growth.findings()
    const left = server.connectionCount
    server.close()
    return [
      exactly('connections', done, count),
      exactly('failures', failed, 0),
      exactly('associations left', left, 0),
      ...findings,
    ]
  },
}

/** Completes a handshake, has something echoed, and closes. */
export async function echo(socket: DtlsSocket): Promise<void> {
  await once(socket, 'secureConnect')
  await echoed(socket)
  socket.close()
  if (!socket.destroyed) await once(socket, 'close')
}

/** Has something echoed. UDP may lose what is sent, so it is sent until it is back. */
export async function echoed(socket: DtlsSocket): Promise<void> {
  // The echo of what was sent twice may come back twice, and answers nothing that is asked later.
  const ping = String(pings++)
  const ask = () => {
    if (!socket.destroyed) socket.send(ping)
  }
  ask()
  const repeat = setInterval(ask, 200)
  try {
    for await (const [answer] of on(socket, 'message', { close: ['close'] })) if (String(answer) === ping) return
  } finally {
    clearInterval(repeat)
  }
  throw new Error('the connection was closed before anything was echoed')
}
let pings = 0
