import { createServer, type DtlsServer } from 'attested-tls/dtls'

/** What the server is told: to serve, or to say what it has used. */
export type Command =
  | { readonly say: 'serve'; readonly key: string; readonly cert: string; readonly maxConnections: number }
  | { readonly say: 'usage' }

/** What it answers. */
export interface Answer {
  readonly port: number
  /** Bytes in use after a collection, on the heap and beside it, and of the process. */
  readonly heap: number
  readonly external: number
  readonly rss: number
  readonly associations: number
}

// A DTLS server in a process of its own, which sends back what comes.
let server: DtlsServer | undefined
process.on('message', (command: Command) => {
  if (command.say === 'usage') {
    answer()
    return
  }
  const { key, cert, maxConnections } = command
  server = createServer({ key, cert, maxConnections, idleTimeout: 2 ** 31 }, socket => {
    socket.on('message', message => socket.send(message))
    socket.on('error', () => {})
  })
  server.on('clientError', () => {})
  server.listen(0, '127.0.0.1', answer)
})
process.once('disconnect', () => process.exit())

function answer(): void {
  for (let i = 0; i < 3; i++) globalThis.gc?.()
  const { heapUsed, external, arrayBuffers, rss } = process.memoryUsage()
  const said: Answer = {
    port: server?.address().port ?? 0,
    heap: heapUsed,
    external: external + arrayBuffers,
    rss,
    associations: server?.connectionCount ?? 0,
  }
  process.send?.(said)
}
