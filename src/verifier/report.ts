import { hex } from '../bytes/index.js'
import type { AttestationResult, Check } from '../rats/index.js'

/** An Attestation Result as a table for people, at most 100 columns wide: the verdict, every check, what to do about
 *  those that failed, the vectors.
 *  @param options.colour whether to mark passed and failed with ANSI colours; no unless said */
export function report(result: AttestationResult, options: { readonly colour?: boolean } = {}): string {
  const paint = options.colour ? (text: string, code: number) => `\x1b[${code}m${text}\x1b[0m` : (text: string) => text
  const verdict = result.isAccepted ? paint('accepted', GREEN) : paint(verdictWord(result), RED)
  const lines = [`${verdict}: ${plain(sentence(result))}`]
  if (result.isSimulated) lines.push(paint(SIMULATED_LINE, YELLOW))
  if (result.checks.length > 0) {
    lines.push('', ...table(result.checks, check => (check.passed ? paint('yes', GREEN) : paint('NO ', RED))))
  }
  for (const check of result.checks) if (!check.passed) lines.push('', ...failure(check))
  if (Object.keys(result.submodules).length > 0) lines.push('')
  for (const [name, { status, vector }] of Object.entries(result.submodules)) {
    const claims = Object.entries(vector).map(([claim, value]) => `${claim} ${value}`)
    lines.push(`${plain(name)}: ${status}${claims.length > 0 ? ` (${claims.join(', ')})` : ''}`)
  }
  if (result.attestedKey) lines.push(`attested key: …${hex(result.attestedKey.subarray(-8))}`)
  if (result.isAccepted) {
    const end = result.expiresAt === null ? 'no end set' : `holds until ${isoTime(result.expiresAt)}`
    lines.push(`issued ${isoTime(result.issuedAt)}, ${end}`)
  }
  return `${lines.join('\n')}\n`
}

const SIMULATED_LINE = 'SIMULATED: this comes from software that plays a TEE, and proves nothing about the machine'

/** What was found bad and what nobody could look into are two things, and read so from the first word on. */
function verdictWord({ problem }: AttestationResult): string {
  return problem === undefined ? 'refused' : 'not appraised'
}

function failure({ name, expected, actual, source, remedy }: Check): string[] {
  return [
    `${name} failed`,
    ...labelled('expected', expected),
    ...labelled('found', actual),
    ...labelled('says', source),
    ...(remedy === undefined ? [] : labelled('what to do', remedy)),
  ]
}

function labelled(label: string, text: string): string[] {
  return wrapped(plain(text)).map((line, i) => `  ${(i === 0 ? label : '').padEnd(12)}${line}`)
}

/** Words in lines of at most 86 characters. */
function wrapped(text: string): string[] {
  const lines: string[] = []
  for (const word of text.split(' ')) {
    const line = lines.at(-1)
    if (line !== undefined && line.length + word.length < 86) lines[lines.length - 1] = `${line} ${word}`
    else lines.push(word)
  }
  return lines
}

/** An Attestation Result in one sentence, for errors and logs. */
export function sentence(result: AttestationResult): string {
  const kinds = Object.keys(result.submodules).map(plain).join(', ')
  const simulated = result.isSimulated ? ' (SIMULATED)' : ''
  if (result.isAccepted) return `the verdict on ${kinds}${simulated} is ${result.status}`
  if (result.problem !== undefined) return plain(`the appraisal could not be done: ${result.problem}`)
  const failures = result.checks.filter(({ passed }) => !passed)
  const [check] = failures
  if (!check) return `the verdict on ${kinds}${simulated} is ${result.status}, which the policy does not accept`
  const others = failures.length > 1 ? `; ${failures.length - 1} more of the checks failed` : ''
  return plain(`${check.name} is ${check.actual}, but should be ${check.expected} (${check.source})${others}`)
}

const GREEN = 32
const RED = 31
const YELLOW = 33

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

/** Three columns of which the first is short fit into 100 characters. */
const MAX_CELL = 39

/** What a peer wrote must not steer the terminal it is shown on. */
function plain(text: string): string {
  return text.replace(/[^\x20-\x7e…§–—’äöüÄÖÜß]/g, '?')
}

function isoTime(seconds: number): string {
  return new Date(seconds * 1000).toISOString().replace('.000Z', 'Z')
}
