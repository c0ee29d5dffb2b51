import { once } from 'node:events'
import { type AttestationSetup, attestingServer, demandingClient } from './attestation.js'
import type { Setup, Work } from './scenarios.js'
import { type Connection, type Credentials, dialer, serve } from './stacks.js'

/*
 * One end of the connections that are measured, in a process of its own. The parent says what to do and when; answers
 * have the order of the commands.
 */

/** What the parent says. */
export type Command =
  | { readonly say: 'serve'; readonly setup: Setup; readonly credentials: Credentials }
  | {
      readonly say: 'dial'
      readonly setup: Setup
      readonly credentials: Credentials
      readonly port: number
      readonly attestation: AttestationSetup | null
    }
  | { readonly say: 'work'; readonly work: Work }
  /** Ends the connections that `work` left open. */
  | { readonly say: 'rest' }
  /** @param collects whether garbage is collected first: what was compiled may go with it, and has to be made again */
  | { readonly say: 'usage'; readonly collects: boolean }

/** What an end answers: the port and what clients have to know to `serve`, how much was done to `work`, and its use of the machine to each. */
export interface Answer {
  readonly port: number
  readonly attestation: AttestationSetup | null
  readonly count: number
  readonly cpuSeconds: number
  /** Resident memory. */
  readonly bytes: number
  /** ms, the shortest first. */
  readonly times: readonly number[]
}

let dial: ((session?: Buffer) => Connection) | undefined
const kept: Connection[] = []

async function obey(command: Command): Promise<Partial<Answer>> {
  if (command.say === 'serve') return listen(command)
  if (command.say === 'work') return carryOut(command.work)
  if (command.say === 'rest') {
    for (const connection of kept.splice(0)) connection.destroy()
  } else if (command.say === 'dial') {
    const { setup, credentials, port, attestation } = command
    dial = dialer(setup.stack, credentials, port, {
      presentsCert: setup.isMutual,
      attestation: attestation ? demandingClient(attestation) : undefined,
    })
  }
  return {}
}

async function listen({ setup, credentials }: Command & { say: 'serve' }) {
  const attesting = setup.isAttested ? attestingServer() : undefined
  const options = { requestCert: setup.isMutual, attestation: attesting?.options }
  const server = serve(setup.stack, credentials, options, connection => {
    connection.on('error', () => connection.destroy())
    connection.once('data', (first: Buffer) => serveOne(connection, first))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address !== 'object') throw new Error('the server has no port')
  return { port: address.port, attestation: attesting?.setup ?? null }
}

/** Does what the first bytes of a client ask for: to send so much, to send back what comes, or to drop it. */
function serveOne(connection: Connection, first: Buffer): void {
  const request = /^send (\d+) (\d+)\n$/.exec(first.toString('latin1', 0, 64))
  if (request) {
    pour(connection, Number(request[1]), Number(request[2]))
  } else if (first.length === 1) {
    connection.write(first)
    connection.on('data', (chunk: Buffer) => connection.write(chunk))
  }
}

async function carryOut(work: Work): Promise<Partial<Answer>> {
  if (work.kind === 'handshakes') return { count: await shakeHands(work) }
  if (work.kind === 'bulk') return { count: await transfer(work) }
  if (work.kind === 'first-byte') return timed(work.count, firstByte)
  if (work.kind === 'round-trip') {
    const connection = await open()
    const result = await timed(work.count, () => roundTrip(connection))
    await close(connection)
    return result
  }
  // Not all at once: the queue of connections that wait to be accepted is short.
  while (kept.length < work.connections) {
    kept.push(...(await Promise.all(Array.from({ length: 50 }, () => open()))))
  }
  return { count: kept.length }
}

/** Does something so often, one time after the other. */
async function timed(count: number, work: () => Promise<void>): Promise<Pick<Answer, 'count' | 'times'>> {
  const times: number[] = []
  for (let i = 0; i < count; i++) {
    const start = performance.now()
    await work()
    times.push(performance.now() - start)
  }
  return { count, times: times.sort((a, b) => a - b) }
}

/** From nothing to the first byte of an answer. */
async function firstByte(): Promise<void> {
  const connection = newConnection()
  connection.write(ONE_BYTE)
  await once(connection, 'data')
  connection.destroy()
}

async function roundTrip(connection: Connection): Promise<void> {
  const answer = once(connection, 'data')
  connection.write(ONE_BYTE)
  await answer
}

const ONE_BYTE = Buffer.from('?')

async function shakeHands({ count, concurrency, resumes }: Work & { kind: 'handshakes' }): Promise<number> {
  const session = resumes ? await earnSession() : undefined
  let begun = 0
  const lane = async () => {
    while (begun < count) {
      begun += 1
      const connection = await open(session)
      if (connection.isSessionReused() !== resumes) throw new Error('a session was not resumed, or was without asking')
      await close(connection)
    }
  }
  await Promise.all(Array.from({ length: concurrency }, lane))
  return count
}

async function transfer({ bytes, writeLength, isFromServer }: Work & { kind: 'bulk' }): Promise<number> {
  const connection = await open()
  if (isFromServer) {
    connection.write(`send ${bytes} ${writeLength}\n`)
    await once(connection, 'close')
  } else {
    // The server ends its side when it has read everything.
    const closed = once(connection, 'close')
    await pour(connection, bytes, writeLength)
    await closed
  }
  return bytes
}

/** Writes so many bytes, and ends. */
async function pour(connection: Connection, bytes: number, writeLength: number): Promise<void> {
  const data = Buffer.alloc(writeLength, 'x')
  for (let left = bytes; left > 0; left -= writeLength) {
    if (!connection.write(data)) await once(connection, 'drain')
  }
  connection.end()
}

async function open(session?: Buffer): Promise<Connection> {
  const connection = newConnection(session)
  await once(connection, 'secureConnect')
  return connection
}

function newConnection(session?: Buffer): Connection {
  if (!dial) throw new Error('there is no server to connect to yet')
  // Nothing comes but tickets and the end, and they are seen only by who reads.
  return dial(session).resume()
}

async function close(connection: Connection): Promise<void> {
  connection.end()
  await once(connection, 'close')
}

/** A session to resume. */
async function earnSession(): Promise<Buffer> {
  const connection = newConnection()
  const [[session]] = await Promise.all([once(connection, 'session'), once(connection, 'secureConnect')])
  await close(connection)
  return Buffer.from(session)
}

function usage(): Pick<Answer, 'cpuSeconds' | 'bytes'> {
  const { user, system } = process.cpuUsage()
  return { cpuSeconds: (user + system) / 1e6, bytes: process.memoryUsage.rss() }
}

process.on('message', async (command: Command) => {
  const nothing: Answer = { port: 0, attestation: null, count: 0, cpuSeconds: 0, bytes: 0, times: [] }
  const done = await obey(command)
  if (command.say === 'usage' && command.collects) globalThis.gc?.()
  process.send?.({ ...nothing, ...done, ...usage() })
})
