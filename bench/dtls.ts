import { type ChildProcess, fork, spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { connect, type DtlsSocket } from 'attested-tls/dtls'
import { AddressCheck, DtlsConnection } from 'attested-tls/engine/dtls'
import { connectedDatagramPair } from '../test/support/datagram-pair.js'
import { clientConfig, serverConfig } from '../test/support/pair.js'
import { makeRoot } from '../test/support/pki.js'
import type { Answer, Command } from './dtls-server.js'
import { median, spread } from './statistics.js'

/*
 * DTLS: a server's processor time for handshakes and datagrams, beside that of pion/dtls under the same client, turn and turn
 * about; memory of associations; what a ClientHello with a false address costs. It reads /proc, so it wants Linux.
 */

const USAGE = `npm run bench -- dtls [--rounds N] [--handshakes N] [--datagrams N] [--associations N] [--hellos N] [what …]

  what              handshakes datagrams records associations hellos; all unless said
  pion/dtls is met where its program is: npm run interop:dtls -- --build pion`

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '5' },
    handshakes: { type: 'string', default: '500' },
    datagrams: { type: 'string', default: '20000' },
    associations: { type: 'string', default: '10000' },
    hellos: { type: 'string', default: '100000' },
    help: { type: 'boolean', default: false },
  },
})
const count = (name: 'rounds' | 'handshakes' | 'datagrams' | 'associations' | 'hellos') => Number(values[name])

const ca = makeRoot({ name: 'Benchmark CA' })
const leaf = ca.issue({ subject: 'localhost', dnsNames: ['localhost'] })

/** Each measurement, and how it is said. */
const measurements: Readonly<Record<string, () => Promise<void>>> = {
  handshakes: () =>
    beside('handshakes per CPU second of the server', async port => {
      for (let i = 0; i < count('handshakes'); i++) await handshake(port)
      return count('handshakes')
    }),
  datagrams: () =>
    beside('datagrams of 1,200 octets, opened and sealed, per CPU second of the server', async port => {
      const socket = await dial(port)
      const message = Buffer.alloc(Math.min(1150, socket.maxMessageLength), 'x')
      const echoed = await exchange(socket, message, count('datagrams'))
      await hangUp(socket)
      return echoed
    }),
  records,
  associations,
  hellos,
}

/** A server to be measured. */
interface Subject {
  readonly name: string
  readonly port: number
  readonly pid: number
  stop(): void
}

/** Prints what the work comes to for our server and for pion's. @param work @returns how many were done */
async function beside(what: string, work: (port: number) => Promise<number>): Promise<void> {
  const subjects = [await ourSubject(), await pionSubject()].filter(subject => subject !== undefined)
  const rates = subjects.map(() => [] as number[])
  try {
    // JavaScript has to be compiled first.
    for (const { port } of subjects) for (let i = 0; i < WARM_UP; i++) await work(port)
    for (let round = 0; round < count('rounds'); round++) {
      for (const [index, { port, pid }] of subjects.entries()) {
        const before = cpuSeconds(pid)
        const done = await work(port)
        rates[index]?.push(done / (cpuSeconds(pid) - before))
      }
    }
  } finally {
    for (const subject of subjects) subject.stop()
  }
  const told = subjects.map(({ name }, index) => {
    const of = rates[index] ?? []
    return `${name} ${number(median(of))} ±${Math.round(spread(of) * 100)}%`
  })
  const [ours, theirs] = rates.map(median)
  if (ours !== undefined && theirs !== undefined) told.push(`${(ours / theirs).toFixed(2)}×`)
  console.log(`${what}: ${told.join(', ')}`)
}

/** Rounds before anything is measured. */
const WARM_UP = 4

/** Records of 1,200 octets in memory: our engine without sockets. */
async function records(): Promise<void> {
  const { client, server } = await connectedDatagramPair()
  const data = new Uint8Array(client.connection.maxData)
  const round = (n: number) => {
    const start = process.cpuUsage()
    const datagrams: Uint8Array[] = []
    for (let i = 0; i < n; i++) {
      client.connection.write(data, 0)
      datagrams.push(...client.connection.takeOutput())
    }
    const between = process.cpuUsage()
    for (const datagram of datagrams) {
      server.connection.receive(datagram, 0)
      while (server.connection.nextEvent());
    }
    return { sealed: n / secondsFrom(start, between), opened: n / secondsFrom(between, process.cpuUsage()) }
  }
  const n = Math.min(count('datagrams'), 20_000)
  round(n)
  const rounds = Array.from({ length: count('rounds') }, () => round(n))
  const sealed = median(rounds.map(it => it.sealed))
  const opened = median(rounds.map(it => it.opened))
  console.log(`records of 1,200 octets in memory, per CPU second: ${number(sealed)} sealed, ${number(opened)} opened`)
}

function secondsFrom(from: NodeJS.CpuUsage, to: NodeJS.CpuUsage): number {
  return (to.user + to.system - from.user - from.system) / 1e6
}

/** Memory of a server with many clients on its one port. */
async function associations(): Promise<void> {
  const total = count('associations')
  const subject = await ourSubject()
  const sockets: DtlsSocket[] = []
  try {
    // What the first ones bring along is not theirs alone.
    for (let i = 0; i < 200; i++) sockets.push(await dial(subject.port))
    const before = await subject.usage()
    const start = performance.now()
    const cpu = cpuSeconds(subject.pid)
    const dialer = async () => {
      while (sockets.length < total + 200) {
        const dialed = dial(subject.port)
        const place = sockets.length
        sockets.length++
        sockets[place] = await dialed
      }
    }
    await Promise.all(Array.from({ length: 8 }, dialer))
    const seconds = (performance.now() - start) / 1000
    const after = await subject.usage()
    const each = (key: 'heap' | 'external' | 'rss') => number((after[key] - before[key]) / total)
    console.log(
      `${number(after.associations)} associations on one port: ${each('heap')} octets of heap and ${each('external')} beside it ` +
        `for each, ${each('rss')} of the process; made in ${number(seconds)} s, ${number(cpuSeconds(subject.pid) - cpu)} CPU s of the server`,
    )
  } finally {
    for (const socket of sockets) socket.destroy()
    subject.stop()
  }
}

/** What it costs to answer a ClientHello from an address that may be false, and what of it is kept. */
async function hellos(): Promise<void> {
  const client = new DtlsConnection('client', clientConfig())
  client.start(0)
  const [hello] = client.takeOutput()
  if (!hello) throw new Error('a client says hello')
  const { cipherSuites, groups, prefersOwnOrder, entropy } = serverConfig()
  const check = new AddressCheck({ cipherSuites, groups, prefersOwnOrder }, entropy)
  const address = new Uint8Array(6)
  const view = new DataView(address.buffer)
  let octets = 0
  const flood = (n: number) => {
    for (let i = 0; i < n; i++) {
      view.setUint32(0, i)
      const admission = check.admit(hello, address, 0)
      if (admission.type === 'reply') octets += admission.datagram.length
    }
  }
  flood(count('hellos'))
  const before = settledHeap()
  octets = 0
  const start = process.cpuUsage()
  flood(count('hellos'))
  const each = (1e6 * secondsFrom(start, process.cpuUsage())) / count('hellos')
  const kept = settledHeap() - before
  console.log(
    `hellos from false addresses: ${each.toFixed(1)} µs each, ${hello.length} octets in, ` +
      `${number(octets / count('hellos'))} out; after ${number(count('hellos'))} of them ${number(kept)} octets more are in use`,
  )
  await floodPort(hello)
}

/** The same over a port, where a connection would show. */
async function floodPort(hello: Uint8Array): Promise<void> {
  const subject = await ourSubject()
  const socket = createSocket('udp4')
  try {
    socket.bind(0, '127.0.0.1')
    await once(socket, 'listening')
    const flood = async (n: number) => {
      for (let sent = 0; sent < n; ) {
        for (let i = 0; i < 16; i++) socket.send(hello, subject.port, '127.0.0.1')
        sent += 16
        await once(socket, 'message')
      }
    }
    await flood(4000)
    const before = await subject.usage()
    const cpu = cpuSeconds(subject.pid)
    await flood(count('hellos') / 4)
    const seconds = cpuSeconds(subject.pid) - cpu
    const after = await subject.usage()
    console.log(
      `the same over a port: ${((1e6 * seconds) / (count('hellos') / 4)).toFixed(1)} µs of the server each; ` +
        `${after.associations} associations, ${number(after.heap - before.heap)} octets more of heap`,
    )
  } finally {
    socket.close()
    subject.stop()
  }
}

function settledHeap(): number {
  for (let i = 0; i < 3; i++) globalThis.gc?.()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

// Clients.

async function dial(port: number): Promise<DtlsSocket> {
  const socket = connect({ host: '127.0.0.1', port, servername: 'localhost', ca: ca.pem })
  await once(socket, 'secureConnect')
  return socket
}

async function handshake(port: number): Promise<void> {
  await hangUp(await dial(port))
}

async function hangUp(socket: DtlsSocket): Promise<void> {
  const closed = once(socket, 'close')
  socket.close()
  await closed
}

/** Keeps some messages under way; what is lost is made up for. @returns how many came back */
function exchange(socket: DtlsSocket, message: Uint8Array, total: number): Promise<number> {
  return new Promise(resolve => {
    let back = 0
    let backBefore = 0
    const fill = () => {
      for (let i = 0; i < UNDER_WAY; i++) socket.send(message)
    }
    const watch = setInterval(() => {
      if (back === backBefore) fill()
      backBefore = back
    }, STALLED)
    socket.on('message', () => {
      back++
      if (back < total) {
        socket.send(message)
        return
      }
      clearInterval(watch)
      socket.removeAllListeners('message')
      resolve(back)
    })
    fill()
  })
}

const UNDER_WAY = 32
/** ms */
const STALLED = 100

// Servers.

async function ourSubject(): Promise<Subject & { usage(): Promise<Answer> }> {
  const child = fork(fileURLToPath(new URL('dtls-server.js', import.meta.url)), { execArgv: ['--expose-gc'] })
  const { port } = await tell(child, { say: 'serve', key: leaf.keyPem, cert: leaf.pem, maxConnections: 100_000 })
  return {
    name: 'ours',
    port,
    pid: child.pid ?? 0,
    usage: () => tell(child, { say: 'usage' }),
    stop: () => child.kill(),
  }
}

async function tell(child: ChildProcess, command: Command): Promise<Answer> {
  const answer = once(child, 'message')
  child.send(command)
  const [message] = await answer
  return message
}

/** undefined where its program has not been built. */
async function pionSubject(): Promise<Subject | undefined> {
  const program = fileURLToPath(new URL('../peers/pion/release/peer', import.meta.url))
  if (!existsSync(program)) return undefined
  const folder = mkdtempSync(join(tmpdir(), 'attested-tls-bench-'))
  const files = { cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem') }
  writeFileSync(files.cert, leaf.pem)
  writeFileSync(files.key, leaf.keyPem)
  const child = spawn(program, ['-role', 'server', '-echo', '-cert', files.cert, '-key', files.key])
  const [line] = await once(createInterface(child.stdout), 'line')
  rmSync(folder, { recursive: true })
  return { name: 'pion', port: Number(String(line).split(' ')[1]), pid: child.pid ?? 0, stop: () => child.kill() }
}

/** Processor time of a process so far, of all its threads. */
function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) / TICKS
}

/** Of Linux, per second, as programs see them. */
const TICKS = 100

function number(value: number): string {
  return value.toLocaleString('en', { maximumFractionDigits: value < 10 ? 2 : 0 })
}

async function main(): Promise<void> {
  const unknown = positionals.find(name => !Object.hasOwn(measurements, name))
  if (values.help || unknown !== undefined) {
    console.log(unknown === undefined ? USAGE : `There is no measurement "${unknown}".\n\n${USAGE}`)
    process.exitCode = values.help ? 0 : 2
    return
  }
  console.log(`Node ${process.versions.node}, OpenSSL ${process.versions.openssl}`)
  for (const [name, measure] of Object.entries(measurements)) {
    if (positionals.length === 0 || positionals.includes(name)) await measure()
  }
}

await main()
