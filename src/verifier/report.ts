import { hex } from '../bytes/index.js'
import type { AttestationResult, Check } from '../rats/index.js'

/** An Attestation Result as a table for people, at most 100 columns wide: the verdict, every check, what to do about
 *  those that failed, the vectors.
 *  @param options.colour whether to mark passed and failed with ANSI colours; no unless said */
export function report(result: AttestationResult, options: { readonly colour?: boolean } = {}): string {
  const paint = options.colour ? (text: string, code: number) => `\x1b[${code}m${text}\x1b[0m` : (text: string) => text
  const verdict = paint(verdictWord(result), result.isAccepted ? GREEN : RED)
  const [first, ...others] = wrapped(plain(sentence(result)), WIDTH - verdictWord(result).length - 2)
  const lines = [`${verdict}: ${first}`, ...others.map(line => `  ${line}`)]
  if (result.isSimulated) lines.push(paint(SIMULATED_LINE, YELLOW))
  if (result.checks.length > 0) {
    lines.push('', ...table(result.checks, check => (check.passed ? paint('yes', GREEN) : paint('NO ', RED))))
  }
  for (const check of result.checks) if (!check.passed) lines.push('', ...failure(check))
  if (Object.keys(result.submodules).length > 0) lines.push('')
  for (const [name, { status, vector }] of Object.entries(result.submodules)) {
    const claims = Object.entries(vector).map(([claim, value]) => `${claim} ${value}`)
    const text = `${plain(name)}: ${status}${claims.length > 0 ? ` (${claims.join(', ')})` : ''}`
    lines.push(...wrapped(text, WIDTH - 2).map((line, i) => (i === 0 ? line : `  ${line}`)))
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
function verdictWord({ isAccepted, problem }: AttestationResult): string {
  if (isAccepted) return 'accepted'
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
  return wrapped(plain(text), WIDTH - LABEL - 2).map((line, i) => `  ${(i === 0 ? label : '').padEnd(LABEL)}${line}`)
}

/** How wide a report is, in characters. */
const WIDTH = 100
/** How wide its labels are, with what stands between them and the text. */
const LABEL = 12

/** Words in lines of so many characters; one that is longer is cut in pieces. */
function wrapped(text: string, width: number): string[] {
  const lines: string[] = []
  const pieces = text.split(' ').flatMap(word => word.match(new RegExp(`.{1,${width}}`, 'g')) ?? [''])
  for (const word of pieces) {
    const line = lines.at(-1)
    if (line !== undefined && line.length + word.length < width) lines[lines.length - 1] = `${line} ${word}`
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
  const header = ['check', 'expected', 'found']
  const names = checks.map(({ name }) => cut(plain(name), LONGEST_NAME))
  const nameWidth = Math.max('check'.length, ...names.map(({ length }) => length))
  // The mark takes five columns, and two stand between one cell and the next.
  const most = Math.floor((WIDTH - 5 - nameWidth - 4) / 2)
  const rows = checks.map(({ expected, actual }, i) => [
    names[i] ?? '',
    ...[expected, actual].map(cell => cut(plain(cell), most)),
  ])
  const widths = header.map((title, i) => Math.max(title.length, ...rows.map(row => row[i]?.length ?? 0)))
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join('  ')
      .trimEnd()
  return [`ok   ${line(header)}`, ...checks.map((check, i) => `${mark(check)}  ${line(rows[i] ?? [])}`)]
}

function cut(cell: string, most: number): string {
  return cell.length > most ? `${cell.slice(0, most - 1)}…` : cell
}

/** No check of ours has a longer name. */
const LONGEST_NAME = 24

/** What a peer wrote must not steer the terminal it is shown on. */
function plain(text: string): string {
  return text.replace(/[^\x20-\x7e…§–—’äöüÄÖÜß]/g, '?')
}

function isoTime(seconds: number): string {
  return new Date(seconds * 1000).toISOString().replace('.000Z', 'Z')
}
