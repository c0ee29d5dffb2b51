import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import type { AddressInfo, Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { makeRoot } from '../support/pki.js'

const ca = makeRoot({ name: 'Interop CA' })
const server = ca.issue({ subject: 'localhost', dnsNames: ['localhost'] })
const client = ca.issue({ subject: 'a client', extendedKeyUsage: ['clientAuth'] })

/** PEM of both ends, as options of ours. */
export const pem = {
  ca: ca.pem,
  server: { cert: server.pem, key: server.keyPem },
  client: { cert: client.pem, key: client.keyPem },
}

/** A folder with the same in files, for programs; it goes with the test. */
export function folderWithCertificates(t: TestContext): (name: string) => string {
  const folder = mkdtempSync(join(tmpdir(), 'attested-tls-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const path = (name: string) => join(folder, name)
  writeFileSync(path('ca.pem'), ca.pem)
  writeFileSync(path('server.pem'), server.pem + server.keyPem)
  writeFileSync(path('client.pem'), client.pem + client.keyPem)
  return path
}

/** Another's program while it runs. */
export class Program {
  readonly process: ChildProcessWithoutNullStreams
  /** What it has said so far, on either of its outputs. */
  said = ''
  #onNews = () => {}
  #hasEnded = false

  constructor(t: TestContext, name: string, args: readonly string[]) {
    this.process = spawn(name, args)
    t.after(() => this.process.kill('SIGKILL'))
    // It may end before it has read everything.
    this.process.stdin.on('error', () => {})
    for (const output of [this.process.stdout, this.process.stderr]) {
      output.setEncoding('utf8').on('data', (text: string) => {
        this.said += text
        this.#onNews()
      })
    }
    this.process.on('close', () => {
      this.#hasEnded = true
      this.#onNews()
    })
  }

  /** Waits until it has said something that fits. @throws Error with all that it said, if that does not happen */
  says(pattern: RegExp): Promise<RegExpExecArray> {
    return this.#until(`to say ${pattern}`, () => pattern.exec(this.said))
  }

  /** Waits until it has ended. @returns its exit code */
  async ends(): Promise<number | null> {
    await this.#until('to end', () => this.#hasEnded || null)
    return this.process.exitCode
  }

  #until<T>(what: string, look: () => T | null): Promise<T> {
    return new Promise((resolve, reject) => {
      const giveUp = (why: string) => {
        clearTimeout(deadline)
        reject(new Error(`the program was ${what}, but ${why}:\n${this.said}`))
      }
      const deadline = setTimeout(() => giveUp('did not in time'), PATIENCE)
      this.#onNews = () => {
        const found = look()
        if (found !== null) {
          clearTimeout(deadline)
          resolve(found)
        } else if (this.#hasEnded) {
          giveUp('ended')
        }
      }
      this.#onNews()
    })
  }
}

/** ms */
const PATIENCE = 10_000

/** Listens on a free port of loopback, until the end of the test. */
export async function portOf(t: TestContext, listening: Server): Promise<number> {
  t.after(() => listening.close())
  listening.listen(0, '127.0.0.1')
  await once(listening, 'listening')
  // A TCP server's address is an AddressInfo.
  return (listening.address() as AddressInfo).port
}
