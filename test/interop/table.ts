// Runs every case with every peer that is here, and writes what became of it to conformance/interop/tls/results.md:
// npm run interop -- --table
import { writeFileSync } from 'node:fs'
import { arch, platform } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { repositoryRoot } from '../support/skip.js'
import { type Case, cases } from './cases.js'
import { meetClient, meetServer } from './meeting.js'
import { limitOf, type Peer } from './peer.js'
import { peers } from './peers/index.js'

const { values: options } = parseArgs({
  options: {
    /** Only this one, and nothing is written. */
    peer: { type: 'string' },
    case: { type: 'string' },
  },
})
const isPartial = options.peer !== undefined || options.case !== undefined

/** What became of one case: a tick, a cross, or the number of the reason why it cannot be. */
type Cell = '✔' | '✖' | number

const reasons: string[] = []
const failures: string[] = []
const rows = new Map<string, Cell[]>(cases.map(({ name }) => [name, []]))
const columns: { readonly name: string; readonly version: string }[] = []

for (const peer of peers.filter(isHere)) {
  const version = peer.version()
  for (const [role, run] of rolesOf(peer)) {
    columns.push({ name: `${peer.name} ${role}`, version: `${peer.name} ${version}` })
    for (const one of cases.filter(({ name }) => name.startsWith(options.case ?? ''))) {
      const cell = await run(one)
      rows.get(one.name)?.push(cell)
      process.stdout.write(`${cell} ${peer.name} as a ${role}: ${one.name}\n`)
    }
  }
}
process.stdout.write(`\n${failures.map(failure => `${failure}\n`).join('\n')}\n`)
const cells = [...rows.values()].flat()
const passed = cells.filter(cell => cell === '✔').length
process.stdout.write(`${passed} passed, ${failures.length} failed\n`)
if (!isPartial) writeFileSync(join(repositoryRoot, 'conformance', 'interop', 'tls', 'results.md'), page())
process.exit(failures.length === 0 ? 0 : 1)

function isHere({ name, needs }: Peer): boolean {
  if (!name.toLowerCase().startsWith((options.peer ?? '').toLowerCase())) return false
  const absent = needs.find(({ isPresent }) => !isPresent)
  if (absent) process.stdout.write(`${name} is left out: ${absent.name} is not here: ${absent.remedy}\n`)
  return !absent
}

function rolesOf({ name, client, server }: Peer): readonly (readonly [string, (one: Case) => Promise<Cell>])[] {
  return [
    ...(client
      ? [['client', (one: Case) => cellOf(name, limitOf(client, one), one, t => meetClient(t, client, one))] as const]
      : []),
    ...(server
      ? [['server', (one: Case) => cellOf(name, limitOf(server, one), one, t => meetServer(t, server, one))] as const]
      : []),
  ]
}

async function cellOf(
  peer: string,
  limit: string | undefined,
  { name }: Case,
  meet: (stage: { after(clean: () => void): void }) => Promise<void>,
): Promise<Cell> {
  if (limit !== undefined) {
    if (!reasons.includes(limit)) reasons.push(limit)
    return reasons.indexOf(limit) + 1
  }
  const cleaners: (() => void)[] = []
  try {
    await meet({ after: clean => cleaners.push(clean) })
    return '✔'
  } catch (error) {
    failures.push(`${peer}, ${name}: ${error instanceof Error ? error.stack : String(error)}`)
    return '✖'
  } finally {
    for (const clean of cleaners.reverse()) clean()
  }
}

function page(): string {
  const line = (...texts: readonly string[]) => `| ${texts.join(' | ')} |`
  const shown = (cell: Cell) => (typeof cell === 'number' ? `– ${cell}` : cell)
  return [
    '# TLS: results',
    '',
    `${new Date().toISOString().slice(0, 10)}, Node ${process.versions.node} on ${platform()} ${arch()}: ${passed} passed, ${failures.length} failed.`,
    'Written by `npm run interop -- --table`; [README.md](README.md) says what is done.',
    '',
    ...[...new Set(columns.map(({ version }) => version))].map(version => `- ${version}`),
    '',
    line('', ...columns.map(({ name }) => name)),
    line(...['', ...columns].map(() => '---')),
    ...[...rows].map(([name, row]) => line(name, ...row.map(shown))),
    '',
    '## What cannot be, and why',
    '',
    ...reasons.map((reason, i) => `${i + 1}. ${reason}`),
    '',
  ].join('\n')
}
