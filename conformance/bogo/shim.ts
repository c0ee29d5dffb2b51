import { systemEntropy } from 'attested-tls/crypto'
import { type Session, TicketIssuer } from 'attested-tls/handshake'
import { checkSupported } from './config.js'
import { exchange } from './exchange.js'
import { parseCommandLine, Unimplemented } from './flags.js'

/** What a run of the shim came to. */
export interface Result {
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs one test: the shim's `main`. */
export async function runShim(args: readonly string[]): Promise<Result> {
  try {
    const { initial, resume, retry } = parseCommandLine(args)
    if (initial.has('-is-handshaker-supported')) return { exitCode: 0, stdout: 'No\n', stderr: '' }
    const started = Date.now()
    let delay = 0
    const shared = {
      now: () => started + delay,
      tickets: new TicketIssuer(systemEntropy, { lifetimeSeconds: 172_800 }),
    }
    let session: Session | undefined
    for (let i = 0; i <= (initial.number('-resume-count') ?? 0); i++) {
      const flags = i === 0 ? initial : resume
      checkSupported(flags)
      session = (await exchange(flags, retry, shared, i > 0, session)).session
      delay += 1000 * (flags.number('-resumption-delay') ?? 0)
    }
    return { exitCode: 0, stdout: '', stderr: '' }
  } catch (error) {
    return { exitCode: error instanceof Unimplemented ? 89 : 1, stdout: '', stderr: describe(error) }
  }
}

/** The code and the sentence of an error: what ErrorMap of `config.json` looks for. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return `${error}\n`
  const code = 'code' in error ? `${error.code}: ` : ''
  const known = code !== '' || error.name !== 'Error'
  return `${code}${error.name}: ${error.message}\n${known ? '' : `${error.stack}\n`}`
}
