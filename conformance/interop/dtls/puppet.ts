import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { type End, type Facts, News } from './end.js'

/** A peer's program, moved by lines on its standard input; README.md has the language. */
export class Puppet implements End {
  readonly news = new News()
  readonly #process: ChildProcessWithoutNullStreams

  constructor(program: string, args: readonly string[]) {
    this.#process = spawn(program, args)
    this.#process.stdin.on('error', () => {})
    createInterface(this.#process.stdout).on('line', line => this.#read(line))
    createInterface(this.#process.stderr).on('line', line => this.news.history.push(`(${line})`))
    this.#process.on('error', error => this.news.tell('failed', error))
  }

  #read(line: string): void {
    const space = line.indexOf(' ')
    const kind = space < 0 ? line : line.slice(0, space)
    const rest = space < 0 ? '' : line.slice(space + 1)
    if (kind === 'message') this.news.tell(kind, Buffer.from(rest, 'hex'))
    else if (kind === 'connected') this.news.tell(kind, JSON.parse(rest))
    else this.news.tell(kind, rest)
  }

  /** Server: the port it listens on. */
  listening = async () => Number(await this.news.next<string>('listening'))
  connected = () => this.news.next<Facts>('connected')
  message = () => this.news.next<Uint8Array>('message')
  closed = () => this.news.next<void>('closed')
  session = () => this.news.next<void>('session')
  failed = () => this.news.next<string>('failed')
  connect = () => this.#say('connect')
  send = (message: Uint8Array) => this.#say(`send ${Buffer.from(message).toString('hex')}`)
  updateKeys = (both: boolean) => this.#say(`update ${both ? 'both' : 'own'}`)
  close = () => this.#say('close')

  async stop(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.pid === undefined) return
    const exited = once(this.#process, 'exit')
    this.#process.kill('SIGKILL')
    await exited
  }

  #say(line: string): void {
    this.#process.stdin.write(`${line}\n`)
  }
}
