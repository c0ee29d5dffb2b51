import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { createServer } from 'attested-tls'
import { clientOptions, portOf, serverOptions } from '../ends.js'
import { Growth, inUse, pause } from '../growth.js'
import { atMost, exactly, type Scenario, scaled, told } from '../scenario.js'

/** Many connections that are left alone. The clients are in a process of their own: files are counted by process. */
export const idle: Scenario = {
  name: 'idle',
  invariant: '10,000 idle connections are held for a minute, cost little, all answer after it, and leave nothing',
  async run(scale, { tell }) {
    const count = scaled(10_000, scale, 100)
    const server = createServer(serverOptions, socket => {
      socket.on('error', () => socket.destroy())
      socket.pipe(socket)
    })
    const port = await portOf(server)
    const growth = await Growth.watching([process, server])
    const clients = await IdleClients.start(port, clientOptions.ca)
    // What is made once has been made after some of them.
    await clients.tell('open', Math.min(500, count))
    await clients.tell('close')
    await growth.begin()
    const before = { inUse: inUse(), resident: process.memoryUsage.rss() }
    const opened = await clients.tell('open', count)
    const perConnection = (inUse() - before.inUse) / opened
    const residentPerConnection = (process.memoryUsage.rss() - before.resident) / opened
    tell(`${opened} connections are open`)
    await pause(scaled(60_000, Math.min(1, scale * 10)))
    const answered = await clients.tell('ask')
    tell('all have been asked')
    await clients.tell('close')
    const findings = await growth.findings()
    clients.stop()
    server.close()
    return [
      exactly('connections', opened, count),
      exactly('connections that answer after the wait', answered, count),
      atMost('objects and buffers per connection', perConnection / 1000, 16, 'kB'),
      told('resident memory per connection', residentPerConnection / 1000, 'kB'),
      ...findings,
    ]
  },
}

/** The process of `idle-clients.ts`. */
class IdleClients {
  readonly #process: ChildProcess

  private constructor(child: ChildProcess) {
    this.#process = child
  }

  static async start(port: number, ca: string): Promise<IdleClients> {
    const clients = new IdleClients(fork(fileURLToPath(new URL('../idle-clients.js', import.meta.url))))
    clients.#process.send({ port, ca })
    await clients.#answer()
    return clients
  }

  /** @returns how many connections did it */
  tell(command: 'open' | 'ask' | 'close', count = 0): Promise<number> {
    this.#process.send({ command, count })
    return this.#answer()
  }

  async #answer(): Promise<number> {
    const ended = once(this.#process, 'exit').then(() => Promise.reject(new Error('the process of the clients ended')))
    ended.catch(() => {})
    const [answer] = await Promise.race([once(this.#process, 'message'), ended])
    return Number(answer)
  }

  stop(): void {
    this.#process.kill()
  }
}
