import { once } from 'node:events'
import { type AttestedServer, type ConnectOptions, connect, createServer, type ServerOptions } from 'attested-tls'
import {
  attested,
  clientOptions,
  closed,
  inLanes,
  mutualClientOptions,
  mutualServerOptions,
  PATIENCE,
  portOf,
  serverOptions,
} from '../ends.js'
import { Growth } from '../growth.js'
import { done, exactly, type Scenario, scaled } from '../scenario.js'

/** Connections of every kind, one after the other. */
export const handshakes: Scenario = {
  name: 'handshakes',
  invariant:
    '100,000 connections in one process, plain, mutual, resumed and attested, leave no memory, handle or listener',
  async run(scale, course) {
    const { tell } = course
    const signal = new AbortController().signal
    const kinds = await Promise.all(makeKinds().map(kind => listening(kind)))
    const growth = await Growth.watching([signal, process, ...kinds.map(({ server }) => server)])
    const mix = kinds.flatMap(kind => Array.from({ length: kind.weight }, () => kind))
    let complete = 0
    let failed = 0
    const shakeHands = async (index: number) => {
      const kind = mix[index % mix.length]
      if (!kind || !course.hasTime()) return
      try {
        const socket = connect({
          ...kind.client,
          port: kind.port,
          handshakeTimeout: PATIENCE,
          signal,
          ...(kind.session && { session: kind.session }),
        })
        if (kind.isResumed) socket.once('session', session => (kind.session = session))
        await once(socket, 'secureConnect')
        socket.write('ping')
        await once(socket, 'data')
        await closed(socket)
      } catch (error) {
        failed++
        tell(`a handshake (${kind.name}) failed: ${String(error)}`)
      }
      if (++complete % 10_000 === 0) tell(`${complete} connections`)
    }
    const count = scaled(100_000, scale, 200)
    // As many as it takes to fill the memory of nonces, which has room for 1024 of each Verifier, and to have compiled what is
    // compiled for being done often.
    await inLanes(8, Math.max(1000, count / 8), shakeHands)
    await growth.begin()
    complete = 0
    await inLanes(8, count, shakeHands)
    const findings = await growth.findings()
    for (const { server } of kinds) server.close()
    return [done('connections', complete, count, course), exactly('failures', failed, 0), ...findings]
  },
}

interface Kind {
  readonly name: string
  /** How many of twenty connections are of this kind. */
  readonly weight: number
  readonly serverOptions: ServerOptions
  readonly client: ConnectOptions
  readonly isResumed?: boolean
  session?: Buffer
}

function makeKinds(): readonly Kind[] {
  const draft = attested('draft08')
  const hardened = attested('hardened')
  return [
    { name: 'plain', weight: 9, serverOptions, client: clientOptions },
    { name: 'resumed', weight: 5, serverOptions, client: clientOptions, isResumed: true },
    { name: 'mutual', weight: 2, serverOptions: mutualServerOptions, client: mutualClientOptions },
    {
      name: 'attested',
      weight: 2,
      serverOptions: { ...serverOptions, attestation: draft.server },
      client: { ...clientOptions, attestation: draft.client },
    },
    {
      name: 'hardened',
      weight: 2,
      serverOptions: { ...serverOptions, attestation: hardened.server },
      client: { ...clientOptions, attestation: hardened.client },
    },
  ]
}

async function listening(kind: Kind): Promise<Kind & { readonly server: AttestedServer; readonly port: number }> {
  const server = createServer({ ...kind.serverOptions, handshakeTimeout: PATIENCE }, socket => {
    socket.on('error', () => socket.destroy())
    socket.pipe(socket)
  })
  return { ...kind, server, port: await portOf(server) }
}
