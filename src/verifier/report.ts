import { hex } from '../bytes/index.js'
import type { AttestationResult, Check } from '../rats/index.js'

/** An Attestation Result as a table for people: the verdict, every check, the vectors.
 *  @param options.colour whether to mark passed and failed with ANSI colours; no unless said */
export function report(result: AttestationResult, options: { readonly colour?: boolean } = {}): string {
  const paint = options.colour ? (text: string, code: number) => `\x1b[${code}m${text}\x1b[0m` : (text: string) => text
  const verdict = result.isAccepted ? paint('accepted', GREEN) : paint('refused', RED)
  const lines = [`${verdict}: ${plain(sentence(result))}`, '']
  lines.push(...table(result.checks, check => (check.passed ? paint('yes', GREEN) : paint('NO ', RED))))
  for (const check of result.checks) {
    if (check.passed || check.remedy === undefined) continue
    lines.push('', `${check.name} (${plain(check.source)}): ${plain(check.remedy)}`)
  }
  for (const [name, { status, vector }] of Object.entries(result.submodules)) {
    const claims = Object.entries(vector).map(([claim, value]) => `${claim} ${value}`)
    lines.push('', `${plain(name)}: ${status}${claims.length > 0 ? ` (${claims.join(', ')})` : ''}`)
  }
  if (result.attestedKey) lines.push(`attested key: ${hex(result.attestedKey.subarray(-8))} (its last 8 bytes)`)
  lines.push(
    `issued ${isoTime(result.issuedAt)}, ${result.expiresAt === null ? 'no end set' : `holds until ${isoTime(result.expiresAt)}`}`,
  )
  return `${lines.join('\n')}\n`
}

/** An Attestation Result in one sentence, for errors and logs. */
export function sentence(result: AttestationResult): string {
  const kinds = Object.keys(result.submodules).map(plain).join(', ')
  const simulated = result.isSimulated ? ' (SIMULATED)' : ''
  if (result.isAccepted) return `the verdict on ${kinds}${simulated} is ${result.status}`
  if (result.problem !== undefined) return plain(`the appraisal could not be done: ${result.problem}`)
  const check = result.checks.find(({ passed }) => !passed)
  if (!check) return `the verdict on ${kinds}${simulated} is ${result.status}`
  return plain(`${check.name} is ${check.actual}, but should be ${check.expected} (${check.source})`)
}

const GREEN = 32
const RED = 31

function table(checks: readonly Check[], mark: (check: Check) => string): string[] {
  const rows = checks.map(check => [check.name, check.expected, check.actual].map(cell => cut(plain(cell))))
  const header = ['check', 'expected', 'found']
  const widths = header.map((title, i) => Math.max(title.length, ...rows.map(row => row[i]?.length ?? 0)))
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join('  ')
      .trimEnd()
  return [`ok   ${line(header)}`, ...checks.map((check, i) => `${mark(check)}  ${line(rows[i] ?? [])}`)]
}

function cut(cell: string): string {
  return cell.length > MAX_CELL ? `${cell.slice(0, MAX_CELL - 1)}…` : cell
}

const MAX_CELL = 60

/** What a peer wrote must not steer the terminal it is shown on. */
function plain(text: string): string {
  return text.replace(/[^\x20-\x7e…§–—äöüÄÖÜß]/g, '?')
}

function isoTime(seconds: number): string {
  return new Date(seconds * 1000).toISOString().replace('.000Z', 'Z')
}
