import { once } from 'node:events'
import type { AddressInfo, Server, Socket } from 'node:net'
import { Duplex } from 'node:stream'
import type { TestContext } from 'node:test'
import { type AttestedSocket, type ConnectOptions, connect, createServer, type ServerOptions } from '#src/node/index.js'
import { makeRoot } from '../support/pki.js'

/** The authority that the tests of this room trust. */
export const root = makeRoot({ name: 'Root of the tests' })
/** A server at localhost and on the loopback addresses. */
export const serverId = root.issue({
  subject: 'localhost',
  dnsNames: ['localhost'],
  ipAddresses: ['127.0.0.1', '::1'],
  extendedKeyUsage: ['serverAuth'],
})
export const clientId = root.issue({ subject: 'a client', extendedKeyUsage: ['clientAuth'] })
export const serverOptions = { cert: serverId.pem, key: serverId.keyPem }
export const clientOptions = { ca: root.pem, servername: 'localhost' }

/** Listens on a free port of the loopback interface, until the test is over. @returns the port */
export async function listen(t: TestContext, server: Server, host = '127.0.0.1'): Promise<number> {
  const connections = new Set<Socket | AttestedSocket>()
  const keep = (socket: Socket | AttestedSocket) => {
    connections.add(socket)
    socket.on('close', () => connections.delete(socket))
  }
  server.on('secureConnection', keep)
  server.on('connection', keep)
  server.listen(0, host)
  await once(server, 'listening')
  t.after(async () => {
    for (const socket of [...connections].reverse()) socket.destroy()
    await new Promise(resolve => server.close(resolve))
  })
  return (server.address() as AddressInfo).port
}

/** A server of ours and a client of ours, both past the handshake. */
export async function pair(
  t: TestContext,
  server: ServerOptions = {},
  client: ConnectOptions = {},
): Promise<{ readonly server: AttestedSocket; readonly client: AttestedSocket }> {
  const listener = createServer({ ...serverOptions, ...server })
  const port = await listen(t, listener)
  const accepted = once(listener, 'secureConnection')
  const socket = connect({ port, host: '127.0.0.1', ...clientOptions, ...client })
  t.after(() => socket.destroy())
  await once(socket, 'secureConnect')
  const [peer] = (await accepted) as [AttestedSocket]
  t.after(() => peer.destroy())
  return { server: peer, client: socket }
}

/** All that comes out of a stream, up to its end. */
export async function readAll(stream: Duplex): Promise<Buffer> {
  // An async iterator would destroy the stream, and with it what is still to be written.
  const chunks: Buffer[] = []
  stream.on('data', (chunk: Buffer) => chunks.push(chunk))
  await once(stream, 'end')
  return Buffer.concat(chunks)
}

/** Two streams, each of which reads what the other writes. */
export function duplexPair(): [Duplex, Duplex] {
  const ends: Duplex[] = []
  const wakes: ((() => void) | undefined)[] = []
  const make = (own: number, other: number) =>
    new Duplex({
      read() {
        const wake = wakes[own]
        wakes[own] = undefined
        wake?.()
      },
      write(chunk, _encoding, callback) {
        if (ends[other]?.push(chunk)) callback()
        else wakes[other] = callback
      },
      final(callback) {
        ends[other]?.push(null)
        callback()
      },
    })
  ends.push(make(0, 1), make(1, 0))
  return ends as [Duplex, Duplex]
}
