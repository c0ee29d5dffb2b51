import { type EarlyDataPolicy, MisuseError, ReplayGuard } from '../handshake/index.js'
import type { ConnectOptions, ServerOptions } from './options.js'

type ServerTerms = Pick<ServerOptions, 'replayableEarlyData' | 'attestation' | 'ticketKeys'>

/** How a server takes early data; undefined if it does not. @throws MisuseError for options that would let in replays */
export function earlyDataPolicyOf(options: ServerTerms): EarlyDataPolicy | undefined {
  const { replayableEarlyData: given } = options
  if (!given) return undefined
  checkEarlyData(options)
  const { admit, maxBytes, ...rest } = given === true ? {} : given
  if (maxBytes !== undefined && !(Number.isInteger(maxBytes) && maxBytes >= 1 && maxBytes < 2 ** 32)) {
    throw new MisuseError(`\`maxBytes\` of \`replayableEarlyData\` is 1 or more, not ${maxBytes}`, 'ERR_TLS_EARLY_DATA')
  }
  const guard = new ReplayGuard(Date.now(), { ...rest, ...(maxBytes !== undefined && { maxBytes }) })
  if (admit) return { maxBytes: guard.maxBytes, maxSkewSeconds: guard.maxSkewSeconds, admit }
  if (options.ticketKeys) throw notShared()
  return guard
}

/** What is remembered here would not be known to the others. */
export function refuseSharedTickets(policy: EarlyDataPolicy | undefined): void {
  if (policy instanceof ReplayGuard) throw notShared()
}

/** Early data comes before anybody has shown Evidence, and a replay of it after it has lapsed.
 *  @throws MisuseError */
export function checkEarlyData({
  replayableEarlyData,
  attestation,
}: Pick<ConnectOptions, 'attestation'> & { readonly replayableEarlyData?: unknown }): void {
  if (!replayableEarlyData || !attestation) return
  throw new MisuseError('`replayableEarlyData` and `attestation` exclude each other', 'ERR_TLS_EARLY_DATA')
}

function notShared(): MisuseError {
  return new MisuseError(
    '`replayableEarlyData` of servers that share ticket keys needs `admit`, since each of them remembers its own clients alone',
    'ERR_TLS_EARLY_DATA',
  )
}
