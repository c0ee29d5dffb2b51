import { CertificateError } from '../x509/index.js'
import { Assertion, type Finding, failed, passed } from './finding.js'
import type { PlatformRoots, PresentedChain, RootOptions, TrustedChain } from './platform-roots.js'

/** A chain that a report came with, checked: the finding, and what the signature can be checked with if it held. */
export interface CheckedChain {
  readonly finding: Finding
  readonly trusted: TrustedChain | null
}

/** Checks the chain of certificates that a report came with, the signer's first.
 *  @param kind the kind of platform that the roots are for, for the sentences
 *  @param at milliseconds since 1970 */
export function checkOriginChain(
  kind: string,
  chain: PresentedChain,
  roots: PlatformRoots,
  at: number,
  options: RootOptions = {},
): CheckedChain {
  const subject = {
    name: 'chain',
    expected: `up to a root for ${kind}`,
    source: `the roots configured for ${kind}`,
  }
  try {
    const trusted = roots.check(chain, at, options)
    return { finding: passed({ ...subject, actual: trusted.root }), trusted }
  } catch (error) {
    if (!(error instanceof CertificateError)) throw error
    const isUnknown = error.reason === 'unknown_ca'
    const value = isUnknown ? Assertion.unrecognised : Assertion.cryptographicFailure
    const remedy = REMEDIES[error.reason] ?? 'find out who made this chain: it is not what the vendor issues'
    const { sentence: actual, code } = error
    return { finding: failed({ ...subject, actual, code }, remedy, 'instance-identity', value), trusted: null }
  }
}

/** What to do about a chain, by the reason it was refused for. */
export const REMEDIES: Readonly<Record<string, string>> = {
  unknown_ca: 'if platforms of this maker are to be trusted, configure the root of their certificates',
  certificate_expired: 'compare the clocks of both machines; if they are right, have the platform certified anew',
  certificate_revoked: 'take the platform out of service: its vendor has revoked it',
}

/** The finding about a report's signature. */
export function signatureFinding(isGood: boolean, signer: string): Finding {
  const subject = {
    name: 'signature',
    expected: `a signature by ${signer}`,
    actual: isGood ? `a signature by ${signer}` : 'a signature that this key did not make over this report',
    source: 'the certificate of the platform key',
  }
  if (isGood) return passed(subject, 'instance-identity')
  return failed(subject, 'the report was changed on its way, or forged: do not trust the sender', 'instance-identity')
}
