import { parseArgs } from 'node:util'
import { makeRoot } from '../test/support/pki.js'
import { Pair } from './pair.js'
import { type Scenario, type Setup, scenarios } from './scenarios.js'
import type { Credentials } from './stacks.js'
import { median, spread } from './statistics.js'

/*
 * Measures against a reference in the same run, turn and turn about: what slows the machine down hits both. Absolute
 * numbers say little on a shared machine, so read the ratios.
 */

const USAGE = `npm run bench -- [--rounds N] [--seconds S] [name …]

  --rounds N    measurements of each side (7)
  --seconds S   how long each takes, about (1)
  --json        one line of JSON per comparison
  names         ${scenarios(1)
    .map(({ name }) => name)
    .join(' ')}; all unless said`

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      rounds: { type: 'string', default: '7' },
      seconds: { type: 'string', default: '1' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  const all = scenarios(Number(values.seconds))
  const unknown = positionals.find(name => !all.some(scenario => scenario.name === name))
  if (values.help || unknown !== undefined) {
    console.log(unknown === undefined ? USAGE : `There is no comparison "${unknown}".\n\n${USAGE}`)
    process.exitCode = values.help ? 0 : 2
    return
  }
  const credentials = makeCredentials()
  if (!values.json) console.log(`Node ${process.versions.node}, OpenSSL ${process.versions.openssl}\n${heading()}`)
  for (const scenario of all.filter(({ name }) => positionals.length === 0 || positionals.includes(name))) {
    const result = await compare(scenario, credentials, Number(values.rounds))
    console.log(values.json ? JSON.stringify(result) : row(scenario, result))
  }
}

/** The values of all rounds. */
interface Result {
  readonly name: string
  readonly unit: string
  readonly subject: readonly number[]
  readonly reference: readonly number[]
}

/** Each side in turn; who begins changes from round to round. */
async function compare(scenario: Scenario, credentials: Credentials, rounds: number): Promise<Result> {
  const sides = [
    { setup: scenario.subject, values: [] as number[] },
    { setup: scenario.reference, values: [] as number[] },
  ] as const
  // Memory that was taken once is not given back, so there every round has processes of its own.
  const isFresh = scenario.work.kind === 'idle'
  const pairs = isFresh ? [] : await Promise.all(sides.map(({ setup }) => Pair.start(setup, credentials)))
  try {
    for (const pair of pairs) await pair.measure(scenario.warmUp)
    for (let round = 0; round < rounds; round++) {
      for (const index of round % 2 === 0 ? [0, 1] : [1, 0]) {
        const side = sides[index]
        if (!side) continue
        const value = await measure(scenario, pairs[index], side.setup, credentials)
        side.values.push(value)
      }
    }
  } finally {
    for (const pair of pairs) pair.stop()
  }
  const [subject, reference] = sides
  return { name: scenario.name, unit: scenario.unit, subject: subject.values, reference: reference.values }
}

async function measure(
  { work, warmUp, value }: Scenario,
  running: Pair | undefined,
  setup: Setup,
  credentials: Credentials,
): Promise<number> {
  const pair = running ?? (await Pair.start(setup, credentials))
  try {
    if (!running) await pair.measure(warmUp)
    return value(await pair.measure(work))
  } finally {
    if (!running) pair.stop()
  }
}

function makeCredentials(): Credentials {
  const ca = makeRoot({ name: 'Benchmark CA' })
  const leaf = ca.issue({ subject: 'localhost', dnsNames: ['localhost'] })
  return { ca: ca.pem, cert: leaf.pem, key: leaf.keyPem }
}

function heading(): string {
  return columns(['', 'subject', '', 'reference', '', '', 'goal', 'unit'])
}

function row({ name, verdict, goal, subject: { isAttested } }: Scenario, { unit, subject, reference }: Result): string {
  const names = isAttested ? ['attested', 'plain'] : ['ours', 'node']
  const cells = [subject, reference].flatMap(values => [
    `${number(median(values))} ±${Math.round(spread(values) * 100)}%`,
  ])
  return columns([
    name,
    cells[0] ?? '',
    names[0] ?? '',
    cells[1] ?? '',
    names[1] ?? '',
    verdict(median(subject), median(reference)),
    goal,
    unit,
  ])
}

function columns(cells: readonly string[]): string {
  const widths = [10, 14, 9, 14, 6, 10, 8, 0]
  return cells
    .map((cell, index) =>
      index % 2 === 1 && index < 4 ? cell.padStart(widths[index] ?? 0) : cell.padEnd(widths[index] ?? 0),
    )
    .join(' ')
    .trimEnd()
}

function number(value: number): string {
  return value.toLocaleString('en', { maximumFractionDigits: value < 10 ? 2 : 0 })
}

await main()
