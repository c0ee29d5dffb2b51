import { parseArgs } from 'node:util'
import { makeRoot } from '../test/support/pki.js'
import { Pair } from './pair.js'
import { type Measure, type Sample, type Scenario, type Setup, scenarios } from './scenarios.js'
import type { Credentials } from './stacks.js'
import { median, spread } from './statistics.js'

/*
 * Measures against a reference in the same run, turn and turn about: what slows the machine down hits both. Absolute
 * numbers say little on a shared machine, so read the ratios.
 */

const USAGE = `npm run bench -- [--rounds N] [--seconds S] [name …]

  --rounds N    measurements of each side (7)
  --seconds S   how long each takes, about (1)
  --native      ours with the native helper too, beside ours without it (npm run native build)
  --json        one line of JSON per measure
  names         ${scenarios(1)
    .map(({ name }) => name)
    .join(' ')}; all unless said`

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      rounds: { type: 'string', default: '7' },
      seconds: { type: 'string', default: '1' },
      native: { type: 'boolean', default: false },
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
  if (!values.json)
    console.log(`Node ${process.versions.node}, OpenSSL ${process.versions.openssl}\n${heading(values.native)}`)
  for (const scenario of all.filter(({ name }) => positionals.length === 0 || positionals.includes(name))) {
    const samples = await compare(scenario, credentials, Number(values.rounds), values.native)
    for (const measure of scenario.measures) {
      const result = resultOf(scenario, measure, samples)
      console.log(values.json ? JSON.stringify(result) : row(scenario, measure, result))
    }
  }
}

/** The samples of all rounds. */
interface Samples {
  readonly subject: readonly Sample[]
  readonly reference: readonly Sample[]
  /** Of the subject with the native helper; empty if that was not measured. */
  readonly native: readonly Sample[]
}

/** The values of all rounds. */
interface Result {
  readonly name: string
  readonly part: string
  readonly unit: string
  readonly subject: readonly number[]
  readonly reference: readonly number[]
  readonly native: readonly number[]
}

function resultOf({ name }: Scenario, { part, unit, value }: Measure, samples: Samples): Result {
  const { subject, reference, native } = samples
  return { name, part, unit, subject: subject.map(value), reference: reference.map(value), native: native.map(value) }
}

/** Each side in turn; who begins changes from round to round. */
async function compare(
  scenario: Scenario,
  credentials: Credentials,
  rounds: number,
  withNative: boolean,
): Promise<Samples> {
  const { subject, reference } = scenario
  const setups = [subject, reference, ...(withNative ? [{ ...subject, isNative: true }] : [])]
  const sides = setups.map(setup => ({ setup, samples: [] as Sample[] }))
  // Memory that was taken once is not given back, so there every round has processes of its own.
  const isFresh = scenario.work.kind === 'idle'
  const pairs = isFresh ? [] : await Promise.all(sides.map(({ setup }) => Pair.start(setup, credentials)))
  try {
    for (const pair of pairs) await pair.measure(scenario.warmUp)
    for (let round = 0; round < rounds; round++) {
      const turns = [...sides.entries()]
      for (const [index, { setup, samples }] of round % 2 === 0 ? turns : turns.reverse()) {
        samples.push(await measure(scenario, pairs[index], setup, credentials))
      }
    }
  } finally {
    for (const pair of pairs) pair.stop()
  }
  const [ours = [], theirs = [], native = []] = sides.map(({ samples }) => samples)
  return { subject: ours, reference: theirs, native }
}

async function measure(
  { work, warmUp }: Scenario,
  running: Pair | undefined,
  setup: Setup,
  credentials: Credentials,
): Promise<Sample> {
  const pair = running ?? (await Pair.start(setup, credentials))
  try {
    if (!running) await pair.measure(warmUp)
    return await pair.measure(work)
  } finally {
    if (!running) pair.stop()
  }
}

function makeCredentials(): Credentials {
  const ca = makeRoot({ name: 'Benchmark CA' })
  const leaf = ca.issue({ subject: 'localhost', dnsNames: ['localhost'] })
  return { ca: ca.pem, cert: leaf.pem, key: leaf.keyPem }
}

function heading(withNative: boolean): string {
  return columns(['', 'subject', '', 'reference', '', '', ...(withNative ? ['native', ''] : []), 'goal', 'unit'])
}

function row(
  { name, subject: { isAttested } }: Scenario,
  { part, verdict, goal }: Measure,
  { unit, subject, reference, native }: Result,
): string {
  const names = isAttested ? ['attested', 'plain'] : ['ours', 'node']
  const value = (values: readonly number[]) => `${number(median(values))} ±${Math.round(spread(values) * 100)}%`
  const judged = (values: readonly number[]) => verdict(median(values), median(reference))
  return columns([
    part === '' ? name : `  ${part}`,
    value(subject),
    names[0] ?? '',
    value(reference),
    names[1] ?? '',
    judged(subject),
    ...(native.length > 0 ? [value(native), judged(native)] : []),
    goal,
    unit,
  ])
}

/** Numbers stand to the right, above each other. */
function columns(cells: readonly string[]): string {
  const widths = [14, 14, 9, 14, 6, 9, ...(cells.length > 8 ? [14, 9] : []), 8, 0]
  return cells
    .map((cell, index) => {
      const width = widths[index] ?? 0
      return [1, 3].includes(index) || (index === 6 && cells.length > 8) ? cell.padStart(width) : cell.padEnd(width)
    })
    .join(' ')
    .trimEnd()
}

function number(value: number): string {
  return value.toLocaleString('en', { maximumFractionDigits: value < 10 ? 2 : 0 })
}

await main()
