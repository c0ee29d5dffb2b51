import { once } from 'node:events'
import { type AttestedSocket, connect, createSecureContext, type SecureContext } from 'attested-tls'

/* The clients of the scenario `idle`: they open connections, wait, ask for an echo, and close when they are told. */

type Order =
  | { readonly port: number; readonly ca: string }
  | { readonly command: 'open' | 'ask' | 'close'; readonly count: number }

let target: { readonly port: number; readonly secureContext: SecureContext } | undefined
let sockets: AttestedSocket[] = []

process.on('message', async (order: Order) => {
  if ('port' in order) target = { port: order.port, secureContext: createSecureContext({ ca: order.ca }) }
  else if (order.command === 'open') await open(order.count)
  else if (order.command === 'close') await close()
  process.send?.('command' in order && order.command === 'ask' ? await ask() : sockets.length)
})

async function open(count: number): Promise<void> {
  // Not all at once: the queue of connections that wait to be accepted is short.
  while (sockets.length < count) {
    const more = Math.min(50, count - sockets.length)
    sockets.push(...(await Promise.all(Array.from({ length: more }, openOne))))
  }
}

async function openOne(): Promise<AttestedSocket> {
  if (!target) throw new Error('it is not known where to')
  const socket = connect({ ...target, host: '127.0.0.1', servername: 'localhost' })
  await once(socket, 'secureConnect')
  socket.on('error', () => socket.destroy())
  return socket.resume()
}

/** @returns how many were answered */
async function ask(): Promise<number> {
  const answers = sockets.map(async socket => {
    if (socket.destroyed) return false
    const answer = once(socket, 'data')
    socket.write('ping')
    return (await answer)[0].toString() === 'ping'
  })
  return (await Promise.all(answers)).filter(isRight => isRight).length
}

async function close(): Promise<void> {
  const closing = sockets
  sockets = []
  await Promise.all(
    closing.map(async socket => {
      const isClosed = socket.closed ? undefined : once(socket, 'close')
      socket.end()
      await isClosed
    }),
  )
}
