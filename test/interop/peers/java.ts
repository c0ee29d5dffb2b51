import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import type { Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { type Stage, Talk } from '../support.js'
import { built, compiled, NO_PSK, peerOf } from './own.js'

/** Java's JSSE. */
export const java = peerOf({
  name: 'Java JSSE',
  start: startJob,
  needs: [built('the Java peer', compiled('java', 'Peer.class'), 'apt install default-jdk-headless')],
  version: ['java', '-version'],
  pattern: /version "([^"]+)"/,
  cannot: {
    ...NO_PSK,
    'key exchange X25519MLKEM768': 'Java has it from version 27 on',
    'early data': 'the library has none',
    'certificate compression': 'the library has none',
  },
})

/** Java takes seconds to start: one process does all jobs but those that want another setting. */
const machines = new Map<string, Machine>()

function startJob(stage: Stage, args: readonly string[]): Talk {
  const at = args.indexOf('-key-update')
  const setting = at < 0 ? '' : (args[at + 1] ?? '')
  const machine = machines.get(setting) ?? new Machine(setting === '' ? [] : [setting])
  machines.set(setting, machine)
  return machine.start(stage, args)
}

class Machine {
  readonly #process: ChildProcessWithoutNullStreams
  readonly #jobs = new Map<string, Talk>()
  #count = 0

  constructor(args: readonly string[]) {
    this.#process = spawn('java', [
      '-XX:TieredStopAtLevel=1',
      '-XX:+UseSerialGC',
      '-cp',
      compiled('java'),
      'Peer',
      ...args,
    ])
    const { stdin, stdout, stderr } = this.#process
    createInterface(stdout).on('line', line => this.#tell(line))
    stderr.setEncoding('utf8').on('data', (text: string) => this.#toAll(job => job.hear(text)))
    this.#process.on('exit', code => this.#toAll(job => job.end(code)))
    // It is there as long as this process is, and does not keep it; pipes are sockets.
    this.#process.unref()
    for (const pipe of [stdin, stdout, stderr]) (pipe as unknown as Socket).unref()
    process.once('exit', () => this.#process.kill('SIGKILL'))
  }

  start(stage: Stage, args: readonly string[]): Talk {
    const number = String(++this.#count)
    const job = new Talk()
    this.#jobs.set(number, job)
    stage.after(() => this.#jobs.delete(number))
    this.#process.stdin.write(`${[number, ...args].join('\t')}\n`)
    return job
  }

  #tell(line: string): void {
    const [, number = '', sentence = ''] = /^(\d+) (.*)/.exec(line) ?? []
    const job = this.#jobs.get(number)
    job?.hear(`${sentence}\n`)
    if (sentence === 'done') job?.end(0)
    if (sentence.startsWith('failed')) job?.end(1)
  }

  #toAll(tell: (job: Talk) => void): void {
    for (const job of this.#jobs.values()) tell(job)
  }
}
