import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Answer, Command } from './end.js'
import type { Sample, Setup, Work } from './scenarios.js'
import type { Credentials } from './stacks.js'

/** A server's and a client's process, ready to be measured. */
export class Pair {
  readonly #server: End
  readonly #client: End

  private constructor(server: End, client: End) {
    this.#server = server
    this.#client = client
  }

  static async start(setup: Setup, credentials: Credentials): Promise<Pair> {
    const server = new End(setup)
    const client = new End(setup)
    const { port, attestation } = await server.tell({ say: 'serve', setup, credentials })
    await client.tell({ say: 'dial', setup, credentials, port, attestation })
    return new Pair(server, client)
  }

  async measure(work: Work): Promise<Sample> {
    const usage = { say: 'usage', collects: work.kind === 'idle' } as const
    const serverBefore = await this.#server.tell(usage)
    const clientBefore = await this.#client.tell(usage)
    const start = performance.now()
    const clientAfter = await this.#client.tell({ say: 'work', work })
    const seconds = (performance.now() - start) / 1000
    const serverAfter = await this.#server.tell(usage)
    await this.#client.tell({ say: 'rest' })
    return {
      count: clientAfter.count,
      seconds,
      clientCpuSeconds: clientAfter.cpuSeconds - clientBefore.cpuSeconds,
      serverCpuSeconds: serverAfter.cpuSeconds - serverBefore.cpuSeconds,
      bytes: serverAfter.bytes - serverBefore.bytes,
      times: clientAfter.times,
    }
  }

  stop(): void {
    this.#server.stop()
    this.#client.stop()
  }
}

/** A process of `end.ts`. */
class End {
  readonly #process: ChildProcess

  constructor({ isNative }: Setup) {
    this.#process = fork(fileURLToPath(new URL('end.js', import.meta.url)), {
      execArgv: ['--expose-gc', '--enable-source-maps'],
      env: { ...process.env, ATTESTED_TLS_NATIVE: isNative ? 'require' : 'off' },
    })
  }

  /** @throws Error if the process ends instead of answering; it has said why on its standard error */
  async tell(command: Command): Promise<Answer> {
    const ended = new AbortController()
    const answer = once(this.#process, 'message', { signal: ended.signal })
    const onExit = () => ended.abort(new Error(`a benchmark process ended while it was to ${command.say}`))
    this.#process.once('exit', onExit)
    this.#process.send(command)
    try {
      const [message] = await answer
      return message
    } finally {
      this.#process.off('exit', onExit)
    }
  }

  stop(): void {
    this.#process.kill()
  }
}
