import { AttestationError, CertificateError, MisuseError } from 'attested-tls'
import { PolicyError } from 'attested-tls/verifier'
import { CommanderError } from 'commander'

/** What the program ends with. */
export const ExitCode = {
  ok: 0,
  /** What it was told makes no sense: options, files, policies. */
  usage: 1,
  /** The peer was looked into, and is not good enough. */
  refused: 2,
  /** The peer could not be looked into: collateral or a policy is missing, or somebody did not answer. */
  notAppraised: 3,
  /** There is no connection. */
  transport: 4,
} as const
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode]

/** Something that the user has to put right. */
export class UsageError extends Error {}

/** Whose fault an error is, as a number. */
export function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof CommanderError) return error.exitCode === 0 ? ExitCode.ok : ExitCode.usage
  if (error instanceof AttestationError) return NOT_APPRAISED.has(error.code) ? ExitCode.notAppraised : ExitCode.refused
  if (error instanceof CertificateError) return ExitCode.refused
  const isUsage = [UsageError, MisuseError, PolicyError, RangeError].some(kind => error instanceof kind)
  return isUsage ? ExitCode.usage : ExitCode.transport
}

const NOT_APPRAISED: ReadonlySet<unknown> = new Set([
  'ERR_ATTESTATION_NOT_APPRAISED',
  'ERR_ATTESTATION_TIMEOUT',
  'ERR_ATTESTATION_VERIFIER_FAILED',
])
