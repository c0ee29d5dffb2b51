import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { type AttestedSocket, connect, createServer } from 'attested-tls'
import { clientOptions, closed, portOf, serverOptions } from '../ends.js'
import { Growth } from '../growth.js'
import { done, exactly, type Scenario, scaled, told } from '../scenario.js'

/** Much data, both ways at once. */
export const data: Scenario = {
  name: 'data',
  invariant:
    '100 GB in one process, two connections at a time, both ways, new keys every 256 MB: every byte right, no growth',
  async run(scale, course) {
    const server = createServer(serverOptions)
    const port = await portOf(server)
    const growth = await Growth.watching([process, server])
    const rounds = scaled(20, scale)
    await pour(server, port, KEY_LIFETIME, () => {})
    await growth.begin()
    let moved = 0
    let wrong = 0
    const start = performance.now()
    for (let round = 0; round < rounds && course.hasTime(); round++) {
      wrong += await pour(server, port, ROUND, bytes => {
        moved += bytes
      })
      course.tell(`${moved / 1e9} GB`)
    }
    const seconds = (performance.now() - start) / 1000
    const findings = await growth.findings()
    server.close()
    return [
      done('gigabytes', moved / 1e9, (rounds * ROUND * CONNECTIONS * 2) / 1e9, course),
      exactly('bytes that were wrong, or out of place', wrong, 0),
      told('rate', moved / 1e6 / seconds, 'MB/s'),
      ...findings,
    ]
  },
}

const CONNECTIONS = 2
/** Bytes each way on each connection before there are others. */
const ROUND = 1.25e9
const KEY_LIFETIME = 256e6
/** What is sent, again and again. Its length has no factor in common with that of a record. */
const PATTERN = randomBytes(1_000_003)
const WRITE = 65_536
/** The pattern, and its beginning once more, so that every write is a part of it. */
const SOURCE = Buffer.concat([PATTERN, PATTERN.subarray(0, WRITE)])

type Server = ReturnType<typeof createServer>

/** @returns how many bytes arrived that were not those that were sent */
async function pour(server: Server, port: number, bytes: number, arrived: (bytes: number) => void): Promise<number> {
  const pairs: [AttestedSocket, AttestedSocket][] = []
  while (pairs.length < CONNECTIONS) {
    const accepted = once(server, 'secureConnection')
    const client = connect({ ...clientOptions, port })
    await once(client, 'secureConnect')
    const [peer] = (await accepted) as [AttestedSocket]
    pairs.push([client, peer])
  }
  const sockets = pairs.flat()
  const [counts] = await Promise.all([
    Promise.all(sockets.map(socket => receive(socket, bytes, arrived))),
    Promise.all(sockets.map(socket => send(socket, bytes))),
  ])
  for (const [client] of pairs) await closed(client)
  return counts.reduce((sum, wrong) => sum + wrong, 0)
}

async function send(socket: AttestedSocket, bytes: number): Promise<void> {
  let untilNewKeys = KEY_LIFETIME
  for (let sent = 0; sent < bytes; ) {
    const at = sent % PATTERN.length
    const length = Math.min(WRITE, bytes - sent)
    sent += length
    untilNewKeys -= length
    if (!socket.write(SOURCE.subarray(at, at + length))) await once(socket, 'drain')
    if (untilNewKeys <= 0) {
      socket.updateKeys()
      untilNewKeys = KEY_LIFETIME
    }
  }
}

/** @returns how many bytes were wrong, when all have come */
function receive(socket: AttestedSocket, bytes: number, arrived: (bytes: number) => void): Promise<number> {
  return new Promise((resolve, reject) => {
    let received = 0
    let wrong = 0
    socket.on('error', reject)
    socket.on('close', () => reject(new Error(`the connection was closed after ${received} bytes`)))
    socket.on('data', (chunk: Buffer) => {
      for (let at = 0; at < chunk.length; ) {
        const from = (received + at) % PATTERN.length
        const length = Math.min(chunk.length - at, PATTERN.length - from)
        if (PATTERN.compare(chunk, at, at + length, from, from + length) !== 0) wrong += length
        at += length
      }
      received += chunk.length
      arrived(chunk.length)
      if (received >= bytes) resolve(wrong)
    })
  })
}
