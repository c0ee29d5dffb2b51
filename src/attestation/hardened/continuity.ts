import { equalBytes } from '../../bytes/index.js'
import type { AttestationResult, Tier } from '../../rats/index.js'
import { AttestationError } from '../errors.js'

/** Whether a verdict is about the same environment as the one before on the same connection, and finds it no worse: the
 *  same parts, with the same claims but for those that pass, of no lower tier. A connection does not move to another platform or another state;
 *  what has been updated connects anew.
 *  @throws AttestationError */
export function checkContinuity(before: AttestationResult, now: AttestationResult): void {
  if (before.isSimulated !== now.isSimulated) throw broken(now, 'is simulated where it was not, or the other way round')
  if (rank(now.status) < rank(before.status)) throw broken(now, `is ${now.status}, and was ${before.status}`)
  const names = new Set([...Object.keys(before.submodules), ...Object.keys(now.submodules)])
  for (const name of names) {
    const [old, current] = [before.submodules[name], now.submodules[name]]
    if (!old || !current) throw broken(now, `has ${name} ${old ? 'no longer' : 'all at once'}`)
    if (rank(current.status) < rank(old.status)) throw broken(now, `has a lower tier of ${name}`)
    const passing = new Set(current.passingClaims)
    const claims = new Set([...Object.keys(old.claims), ...Object.keys(current.claims)])
    for (const claim of claims) {
      if (passing.has(claim) || isSame(old.claims[claim], current.claims[claim])) continue
      throw broken(now, `makes another claim ${claim} of ${name}`)
    }
  }
}

/** Whether both verdicts speak for the same key, as far as they speak for one. @throws AttestationError */
export function checkSameKey(before: AttestationResult, now: AttestationResult): void {
  const [old, current] = [before.attestedKey, now.attestedKey]
  if (old === current || (old && current && equalBytes(old, current))) return
  throw broken(now, 'speaks for another key')
}

const TIERS: readonly Tier[] = ['none', 'contraindicated', 'warning', 'affirming']

function rank(tier: Tier): number {
  return TIERS.indexOf(tier)
}

/** Claims are plain values, made by one piece of code: the same ones are written the same. */
function isSame(a: unknown, b: unknown): boolean {
  return textOf(a) === textOf(b)
}

function textOf(claim: unknown): string {
  return JSON.stringify(claim, (_key, value: unknown) => (typeof value === 'bigint' ? String(value) : value)) ?? ''
}

function broken(result: AttestationResult, sentence: string): AttestationError {
  return new AttestationError(
    'ERR_ATTESTATION_CONTINUITY',
    'access_denied',
    `the peer is not what it was before on this connection: its Evidence ${sentence}`,
    { result },
  )
}
