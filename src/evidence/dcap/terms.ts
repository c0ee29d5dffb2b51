import type { PolicyTerms } from '../format.js'
import { tcbStatuses } from './tcb-status.js'

/** What policies can say about how Intel rates a platform. */
export const dcapStatuses: NonNullable<PolicyTerms['tcbStatuses']> = {
  known: tcbStatuses.filter(status => status !== 'Revoked'),
  // SWHardeningNeeded asks the software for measures that only its makers can judge; it is what most of Intel's
  // platforms come to at best.
  usual: ['UpToDate', 'SWHardeningNeeded'],
}

/** Claims that PCK certificate and collateral give, in the words of policies. */
export const dcapClaims: readonly string[] = ['fmspc', 'ppid', 'platform-instance-id']

/** Claims that change with the collateral: each appraisal judges them anew. */
export const dcapPassingClaims: readonly string[] = [
  'tcb-status',
  'tcb-date',
  'tcb-advisories',
  'tcb-evaluation-data-number',
]

/** Components whose version a policy can set a minimum for, with SGX as with TDX. */
export const dcapVersions: readonly string[] = ['pce', 'qe', 'tcb-evaluation-data-number']

/** The versions of those components. @param claims of the origin */
export function dcapVersionsOf(
  qeSvn: number,
  claims: Readonly<Record<string, unknown>> = {},
): readonly (readonly [string, number])[] {
  const versions: [string, unknown][] = [
    ['qe', qeSvn],
    ['pce', claims['pce-svn']],
    ['tcb-evaluation-data-number', claims['tcb-evaluation-data-number']],
  ]
  return versions.flatMap(([name, value]) => (typeof value === 'number' ? [[name, value] as const] : []))
}
