import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import type { AddressInfo, Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ca, identityOf, writeIdentity } from './identities.js'

/** PEM of both ends, as options of ours. */
export const pem = {
  ca: ca.pem,
  server: identityOf('p256', 'server').pem,
  client: identityOf('p256', 'client').pem,
}

/** What brings its own end, such as a test. */
export interface Stage {
  after(clean: () => void): void
}

/** A new folder, which goes with the test. @returns the path of a file in it */
export function newFolder(t: Stage): (name: string) => string {
  const folder = mkdtempSync(join(tmpdir(), 'attested-tls-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return name => join(folder, name)
}

/** A folder with the same in files, for programs; it goes with the test. */
export function folderWithCertificates(t: Stage): (name: string) => string {
  const path = newFolder(t)
  writeFileSync(path('ca.pem'), ca.pem)
  writeIdentity(path('server.pem'), 'p256', 'server')
  writeIdentity(path('client.pem'), 'p256', 'client')
  return path
}

/** What somebody says while it is at work, and waiting for it. */
export class Talk {
  /** What was said so far. */
  said = ''
  /** How it ended; undefined before it has. */
  exitCode: number | null | undefined
  #onNews = () => {}

  hear(text: string): void {
    this.said += text
    this.#onNews()
  }

  end(exitCode: number | null): void {
    this.exitCode = exitCode
    this.#onNews()
  }

  /** Waits until it has said something that fits. @throws Error with all that it said, if that does not happen */
  says(pattern: RegExp): Promise<RegExpExecArray> {
    return this.until(`to say ${pattern.source.slice(0, 100)}`, () => pattern.exec(this.said))
  }

  /** Waits until it has ended. @returns its exit code */
  async ends(): Promise<number | null> {
    await this.until('to end', () => (this.exitCode === undefined ? null : true))
    return this.exitCode ?? null
  }

  protected until<T>(what: string, look: () => T | null): Promise<T> {
    return new Promise((resolve, reject) => {
      const giveUp = (why: string) => {
        clearTimeout(deadline)
        reject(new Error(`the program was ${what}, but ${why}:\n${this.said.slice(0, 10_000)}`))
      }
      const deadline = setTimeout(() => giveUp('did not in time'), PATIENCE)
      this.#onNews = () => {
        const found = look()
        if (found !== null) {
          clearTimeout(deadline)
          resolve(found)
        } else if (this.exitCode !== undefined) {
          giveUp('ended')
        }
      }
      this.#onNews()
    })
  }
}

/** Another's program while it runs: what it says on either of its outputs. */
export class Program extends Talk {
  readonly process: ChildProcessWithoutNullStreams
  /** What was said on its standard output. */
  printed = ''

  constructor(t: Stage, name: string, args: readonly string[]) {
    super()
    this.process = spawn(name, args)
    t.after(() => this.process.kill('SIGKILL'))
    // It may end before it has read everything.
    this.process.stdin.on('error', () => {})
    for (const output of [this.process.stdout, this.process.stderr]) {
      output.setEncoding('utf8').on('data', (text: string) => {
        if (output === this.process.stdout) this.printed += text
        this.hear(text)
      })
    }
    this.process.on('close', code => this.end(code))
  }

  /** Waits until there is on its standard output exactly this text. @throws Error if it is another, or less */
  async prints(text: string): Promise<void> {
    await this.until(`to print ${text.length} characters`, () => this.printed.length >= text.length || null)
    if (this.printed !== text) throw new Error(`the program has printed something else:\n${this.said.slice(0, 2000)}`)
  }
}

/** ms */
const PATIENCE = 60_000

/** Listens on a free port of loopback, until the end of the test. */
export async function portOf(t: Stage, listening: Server): Promise<number> {
  t.after(() => listening.close())
  listening.listen(0, '127.0.0.1')
  await once(listening, 'listening')
  // A TCP server's address is an AddressInfo.
  return (listening.address() as AddressInfo).port
}
