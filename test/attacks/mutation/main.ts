import { spawn } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { env, execPath } from 'node:process'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { catalogue } from '../catalogue.js'
import { type Mutant, mutants, placesOf } from './mutants.js'

/*
 * `npm run attacks -- --mutants`: switches off one check after the other, and plays the attacks that have to notice. A
 * check that none of them notices is dead, or nobody has thought of the attack that it is there for.
 */

/** ms that attacks may take; a machine at rest needs a few thousand. */
const PATIENCE = 60_000

const { values: options } = parseArgs({
  options: {
    /** Plays every row against every mutant, and says which notice. Takes its time. */
    all: { type: 'boolean', default: false },
    markdown: { type: 'boolean', default: false },
    /** Only those whose check has this in its name. */
    only: { type: 'string', default: '' },
  },
})

interface Verdict {
  readonly mutant: Mutant
  /** Rows of which at least one attack came to something else than is due. */
  readonly noticed: readonly number[]
  readonly missed: readonly number[]
}

const chosen = mutants.filter(({ check }) => check.includes(options.only))
const verdicts: Verdict[] = []
const waiting = [...chosen]
await Promise.all(Array.from({ length: availableParallelism() }, work))
verdicts.sort((a, b) => mutants.indexOf(a.mutant) - mutants.indexOf(b.mutant))
if (options.markdown) process.stdout.write(markdown())
const dead = verdicts.filter(({ missed }) => missed.length > 0)
if (dead.length > 0) process.exitCode = 1
if (!options.markdown) {
  process.stdout.write(
    `\n${verdicts.length - dead.length} checks are missed when they are gone, ${dead.length} are not\n`,
  )
}

async function work(): Promise<void> {
  for (let mutant = waiting.shift(); mutant; mutant = waiting.shift()) {
    const verdict = await verdictOn(mutant)
    verdicts.push(verdict)
    if (!options.markdown) process.stdout.write(text(verdict))
  }
}

async function verdictOn(mutant: Mutant): Promise<Verdict> {
  const count = placesOf(mutant)
  if (count !== 1)
    throw new Error(`${mutant.file} has ${count} places that read ${JSON.stringify(mutant.from)}: mend mutants.ts`)
  const rows = options.all ? catalogue.map(({ row }) => row) : mutant.rows
  const noticed = await play(mutant, rows)
  return { mutant, noticed, missed: mutant.rows.filter(row => !noticed.includes(row)) }
}

/** Plays rows in a process of their own, against the mutant. @returns those that notice */
function play(mutant: Mutant, rows: readonly number[]): Promise<readonly number[]> {
  const path = (name: string) => fileURLToPath(new URL(name, import.meta.url))
  const selection = rows.flatMap(row => ['--row', String(row)])
  const child = spawn(
    execPath,
    [
      '--max-old-space-size=512',
      '--import',
      new URL('register.js', import.meta.url).href,
      path('../main.js'),
      '--json',
      '--over',
      mutant.over ?? 'tls',
      ...selection,
    ],
    { env: { ...env, ATTACKS_MUTANT: String(mutants.indexOf(mutant)) }, stdio: ['ignore', 'pipe', 'pipe'] },
  )
  // A check without which an attack goes on for ever, or until memory is out, is missed, too.
  const timer = setTimeout(() => child.kill('SIGKILL'), PATIENCE)
  let output = ''
  let complaints = ''
  child.stdout.setEncoding('utf8').on('data', (part: string) => {
    output += part
  })
  child.stderr.setEncoding('utf8').on('data', (part: string) => {
    complaints += part
  })
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (_code, signal) => {
      clearTimeout(timer)
      if (signal) {
        resolve(rows)
        return
      }
      try {
        const wrong = JSON.parse(output) as readonly { readonly row: number }[]
        resolve([...new Set(wrong.map(({ row }) => row))])
      } catch (cause) {
        reject(new Error(`the attacks on "${mutant.check}" came to no end:\n${complaints}`, { cause }))
      }
    })
  })
}

function text({ mutant, noticed, missed }: Verdict): string {
  const rows = noticed.length === 0 ? 'nobody' : `rows ${noticed.join(' ')}`
  const not = missed.length === 0 ? '' : `, but not ${missed.join(' ')}`
  return `${missed.length === 0 ? ' ' : '✗'} ${mutant.check}\n      ${mutant.file}: ${rows}${not}\n`
}

function markdown(): string {
  const lines = verdicts.map(
    ({ mutant, noticed }) => `| ${mutant.check} | \`${mutant.file.replace(/js$/, 'ts')}\` | ${noticed.join(' ')} |`,
  )
  return ['| check | in | rows that notice |', '|---|---|---|', ...lines, ''].join('\n')
}
