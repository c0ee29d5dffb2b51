import { Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import { ExitCode, exitCodeOf, UsageError } from './exit-code.js'
import { get } from './get.js'
import { codeOf, inspect, messageOf } from './inspect.js'
import { buildNative, nativeStatus, removeNative } from './native.js'
import { checkPolicy } from './policy.js'
import { targetOf, urlOf } from './target.js'

/** Runs the program. @param args those behind its name   @returns what it ends with */
export async function run(args: readonly string[]): Promise<ExitCode> {
  let exitCode: ExitCode = ExitCode.ok
  const done = (code: ExitCode) => {
    exitCode = code
  }
  try {
    await program(done).parseAsync([...args], { from: 'user' })
    return exitCode
  } catch (error) {
    // Commander has said what it does not like.
    if (!(error instanceof CommanderError)) process.stderr.write(complaintOf(error))
    return exitCodeOf(error)
  }
}

function complaintOf(error: unknown): string {
  return error instanceof UsageError ? `${error.message}\n` : `${messageOf(error)} (${codeOf(error)})\n`
}

function program(done: (code: ExitCode) => void): Command {
  const root = new Command('attested-tls')
    .description('TLS 1.3 with remote attestation: looks at peers, and fetches from them')
    .addHelpText('after', EXIT_CODES)
    .exitOverride()
  peer(root.command('inspect').argument('<host[:port]>', 'whom to connect to; port 443 unless given', targetOf))
    .description('shows the certificate, what was agreed on, the Evidence and what a policy makes of it')
    .option('--json', 'for programs')
    .action(async (target, options) => done(await inspect(target, options)))
  peer(root.command('get').argument('<url>', 'what to fetch', urlOf))
    .description('fetches from a server that the policy lets through')
    .action(async (url, options) => done(await get(url, options)))
  root
    .command('policy')
    .description('about policies')
    .command('check')
    .argument('<file>', 'the policy')
    .description('says whether a policy is one, and where it is not')
    .option('--json', 'for programs')
    .action((file, options) => done(checkPolicy(file, options)))
  native(root.command('native').description('the optional native helper, for records and handshakes'), done)
  return root
}

const EXIT_CODES = `
Exit codes: 0 fine; 1 it was called wrongly, or the policy is none; 2 the peer is refused;
3 it could not be appraised, or there was no policy to do so by; 4 there is no connection.`

function native(command: Command, done: (code: ExitCode) => void): void {
  command
    .command('status', { isDefault: true })
    .description('says what does the work here, and why')
    .action(() => done(nativeStatus()))
  command
    .command('build')
    .description('compiles it from the C source in the package, and tries it')
    .option('--output <file>', 'where to; inside the package unless given')
    .action(options => done(buildNative(options)))
  command
    .command('remove')
    .description('takes it away')
    .action(() => done(removeNative()))
}

/** The options that say how to connect, and to whom. */
function peer(command: Command): Command {
  return command
    .option('--policy <file>', 'what the peer may run: it has to attest, and is appraised by it')
    .addOption(
      new Option('--profile <name>', 'how attestation is bound to the connection; hardened unless said').choices([
        'hardened',
        'draft08',
      ]),
    )
    .option(
      '--accept-draft08-risks <risks>',
      'the weaknesses of draft08 that you accept (acceptDraft08Risks): relay, replay, diversion',
      listed,
    )
    .option('--credential <kinds>', 'what the peer may authenticate with: x509, attestation-only', kinds, ['x509'])
    .option('--root <kind=file>', 'roots of a kind of platform, instead of the vendor’s; may be repeated', collected)
    .option(
      '--expect-key <sha256>',
      'SHA-256 of the key that the peer may have, in hex (expectedIdentity.keyIds); may be repeated',
      keyIds,
    )
    .option('--ca <file>', 'certificates to trust, instead of those that Node brings')
    .option('--servername <name>', 'the name that the certificate has to be for')
    .option('--insecure', 'take any certificate')
    .option('--pcs [url]', 'fetch collateral from Intel’s PCS, or from a PCCS')
    .option(
      '--certificate-evidence <seconds>',
      'take Evidence in a certificate that is no older: it proves little',
      wholeNumber,
    )
    .option('--trust-simulated', 'take SIMULATED platforms for real ones: they prove nothing')
    .option('--timeout <ms>', 'how long the handshake may take', wholeNumber, 30_000)
}

function wholeNumber(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError('It has to be a whole number above 0.')
  return Number(text)
}

function kinds(text: string): readonly string[] {
  const list = listed(text)
  if (!list.every(kind => kind === 'x509' || kind === 'attestation-only')) {
    throw new InvalidArgumentError('It is x509, attestation-only, or both with a comma between.')
  }
  return list
}

function listed(text: string): readonly string[] {
  return text.split(',')
}

function keyIds(text: string, before: readonly Uint8Array[] = []): readonly Uint8Array[] {
  const hex = text.replaceAll(':', '')
  if (!/^[\da-f]{64}$/i.test(hex)) throw new InvalidArgumentError('It is 32 bytes in hex.')
  return [...before, Buffer.from(hex, 'hex')]
}

function collected(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, text]
}
