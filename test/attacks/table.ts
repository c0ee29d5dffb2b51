import { isDeepStrictEqual } from 'node:util'
import type { Transport } from '../attestation/engine.js'
import type { Outcome } from './outcome.js'
import type { Attempt, Row } from './row.js'
import { PROFILES, type ProfileName } from './stage.js'

/** An attempt and what came of it; an error if it made no sense. */
export interface Played {
  readonly attempt: Attempt
  readonly seen: Outcome | Error
}

export function isAsDue({ attempt, seen }: Played): boolean {
  return isDeepStrictEqual(seen, attempt.due)
}

/** One line: attacks of one row and variant that came to the same. */
export interface Line {
  readonly row: number
  readonly attack: string
  readonly profiles: readonly ProfileName[]
  readonly over: readonly Transport[]
  readonly due: string
  readonly seen: string
  readonly by: string
  readonly alert: string
  readonly code: string
  readonly isAsDue: boolean
}

/** What was played, with what came to the same in one line. */
export function linesOf(played: readonly Played[]): readonly Line[] {
  const lines = new Map<string, Line>()
  for (const one of played) {
    const { row, variant, profile, transport, due } = one.attempt
    const { seen } = one
    const line: Line = {
      row: row.row,
      attack: variant.name ? `${row.attack}: ${variant.name}` : row.attack,
      profiles: [profile],
      over: [transport],
      due: letterOf(due),
      seen: seen instanceof Error ? `! ${seen.message.split('\n')[0]}` : letterOf(seen),
      by: 'by' in seen ? seen.by : '',
      alert: 'alert' in seen ? seen.alert : '',
      code: 'code' in seen && typeof seen.code === 'string' ? seen.code : '',
      isAsDue: isAsDue(one),
    }
    const id = JSON.stringify({ ...line, profiles: 0, over: 0 })
    const same = lines.get(id)
    lines.set(id, same ? { ...line, profiles: union(same.profiles, profile), over: union(same.over, transport) } : line)
  }
  return [...lines.values()]
}

/** R: refused. L: lost. C: refused as a configuration. W and a level: it works. N and a level: no effect. B: bounded. */
export function letterOf(outcome: Outcome): string {
  switch (outcome.is) {
    case 'refused':
      return 'R'
    case 'lost':
      return 'L'
    case 'not set up':
      return 'C'
    case 'works':
      return `W${outcome.level}`
    case 'harmless':
      return `N${outcome.level}`
    case 'bounded':
      return 'B'
  }
}

/** What a profile makes of a row: a letter, or several where its variants differ. */
export function cellOf(row: Row, profile: ProfileName, played: readonly Played[]): string {
  const letters = new Set(
    played
      .filter(({ attempt }) => attempt.row === row && attempt.profile === profile)
      .map(one => (isAsDue(one) ? letterOf(one.attempt.due) : '✗')),
  )
  return letters.size === 0 ? '—' : [...letters].sort().join(' ')
}

/** The table of rows and profiles, and the one of all that was tried. */
export function markdown(rows: readonly Row[], played: readonly Played[]): string {
  const overview = [
    ['row', 'attack', ...PROFILES],
    ...rows.map(row => [String(row.row), row.attack, ...PROFILES.map(profile => cellOf(row, profile, played))]),
  ]
  const reasons = rows.flatMap(({ row, notTried = {} }) => {
    const whys = [...new Set(Object.values(notTried))]
    const placesOf = (why: string) =>
      Object.entries(notTried).flatMap(([place, other]) => (other === why ? [place] : []))
    return whys.map(why => `- ${row}, ${placesOf(why).join(' ')}: ${why}.`)
  })
  const all = [
    ['row', 'attack', 'under', 'over', 'due', 'seen', 'by', 'alert', 'code'],
    ...linesOf(played).map(line => [
      String(line.row),
      line.attack,
      line.profiles.join(' '),
      line.over.join(' '),
      line.due,
      line.seen,
      line.by,
      line.alert,
      line.code,
    ]),
  ]
  return [
    '# What comes of the attacks',
    '',
    'Written by `node scripts/run.mjs attacks --markdown`; a test compares it with what comes of them. [README.md](README.md) says how they are played.',
    '',
    'AO is `draft08` with Evidence alone, CA with Evidence beside X.509, PP with results beside X.509; EX is `expat`, H1 `hardened`. All are played over TLS and over DTLS.',
    '',
    '- **R**: refused; **L**: the connection never comes about, and its deadline ends it; **C**: refused as a configuration.',
    '- **W** and a number: it works, as is known, and the connection reports this binding level.',
    '- **N**: it has no effect, and the connection reports this level; **B**: it costs no more than what was set.',
    '- —: not tried, for the reason below. Several letters: the variants differ.',
    '',
    ...tableOf(overview),
    '',
    '## Not tried, and why',
    '',
    ...reasons,
    '',
    '## Each of them',
    '',
    ...tableOf(all),
  ].join('\n')
}

function tableOf([head = [], ...rows]: readonly (readonly string[])[]): readonly string[] {
  const line = (cells: readonly string[]) => `| ${cells.map(cell => cell.replaceAll('|', '\\|')).join(' | ')} |`
  return [line(head), `|${head.map(() => '---|').join('')}`, ...rows.map(line)]
}

function union<T>(list: readonly T[], one: T): readonly T[] {
  return list.includes(one) ? list : [...list, one]
}
