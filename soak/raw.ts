import { once } from 'node:events'
import { type AddressInfo, createServer, connect as netConnect, type Socket } from 'node:net'
import { connect } from 'attested-tls'
import { clientOptions } from './ends.js'

/** The first bytes that a client of ours sends. */
export async function captureHello(): Promise<Buffer> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const accepted = once(server, 'connection')
  const client = connect({ ...clientOptions, port: (server.address() as AddressInfo).port })
  client.on('error', () => {})
  const [socket] = (await accepted) as [Socket]
  const [hello] = await once(socket, 'data')
  client.destroy()
  socket.destroy()
  server.close()
  return hello
}

/** A TCP connection that is told nothing about TLS, and dies without a word. */
export async function dial(port: number): Promise<Socket> {
  const socket = netConnect({ port, host: '127.0.0.1', allowHalfOpen: true })
  socket.on('error', () => {})
  await once(socket, 'connect')
  return socket
}

/** Opens many, not all at once: the queue of connections that wait to be accepted is short. */
export async function dialMany(port: number, count: number): Promise<readonly Socket[]> {
  const sockets: Socket[] = []
  while (sockets.length < count) {
    const more = Math.min(50, count - sockets.length)
    sockets.push(...(await Promise.all(Array.from({ length: more }, () => dial(port)))))
  }
  return sockets
}
