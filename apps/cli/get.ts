import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { get as request } from 'node:https'
import { pipeline } from 'node:stream/promises'
import { AttestedAgent, attestedSocketOf } from 'attested-tls'
import { ExitCode } from './exit-code.js'
import { connectOptionsOf, type PeerOptions } from './relying-party.js'

/** Gets a page over a connection that the policy has let through, and writes it to standard output; what the server
 *  has proved goes to standard error. */
export async function get(url: URL, options: PeerOptions): Promise<ExitCode> {
  const agent = new AttestedAgent(connectOptionsOf(options, { evidence: null }))
  try {
    const [response] = (await once(request(url, { agent }), 'response')) as [IncomingMessage]
    const { attestation } = attestedSocketOf(response) ?? {}
    if (attestation) {
      const simulated = attestation.isSimulated ? ', SIMULATED' : ''
      process.stderr.write(
        `attested: ${attestation.isAttested}, binding level ${attestation.bindingLevel}${simulated}\n`,
      )
    }
    process.stderr.write(`${response.statusCode} ${response.statusMessage}\n`)
    await pipeline(response, process.stdout, { end: false })
    return ExitCode.ok
  } finally {
    agent.destroy()
  }
}
