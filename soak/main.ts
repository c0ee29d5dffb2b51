import { fork } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { type Outcome, withOutcome } from './report.js'
import type { Found } from './run-scenario.js'
import type { Scenario } from './scenario.js'
import { scenarioNamed, scenarios } from './scenarios.js'

/* Does the same for long, or with many, and measures whether what has to hold does. The exit code says so too. */

const USAGE = `npm run soak -- [--scale F] [--write FILE] [name …]

  --scale F      multiplies all sizes (1): 0.01 takes some minutes
  --minutes M    ends what can be ended early after so many minutes each, and says how far it came
  --write FILE   writes what was measured into a report, with the machine's description, in place of what it says of the
                 same scenarios
  names          ${scenarios.map(({ name }) => name).join(' ')}; all unless said`

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      scale: { type: 'string', default: '1' },
      minutes: { type: 'string', default: 'Infinity' },
      write: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    console.log(USAGE)
    return 0
  }
  const scale = Number(values.scale)
  if (!(scale > 0)) throw new Error(`a scale is a positive number, not ${values.scale}`)
  const chosen = positionals.length === 0 ? scenarios : positionals.map(scenarioNamed)
  const outcomes: Outcome[] = []
  for (const scenario of chosen) {
    console.log(`\n${scenario.name}: ${scenario.invariant}`)
    const outcome = await measured(scenario, scale, values.minutes)
    outcomes.push(outcome)
    for (const { what, value, limit, holds } of outcome.findings) {
      console.log(`  ${holds ? ' ' : '✗'} ${what.padEnd(42)} ${value.padStart(16)}  ${limit}`)
    }
    if (outcome.failure) console.log(`  ✗ ${outcome.failure}`)
    console.log(`    ${Math.round(outcome.seconds)} s, ${Math.round(outcome.processorSeconds)} s of a processor`)
    // What has been measured by now is kept, should the rest not come to its end.
    if (values.write) write(values.write, outcome)
  }
  return outcomes.every(({ findings, failure }) => !failure && findings.every(({ holds }) => holds)) ? 0 : 1
}

function write(file: string, outcome: Outcome): void {
  const names = scenarios.map(({ name }) => name)
  writeFileSync(file, withOutcome(existsSync(file) ? readFileSync(file, 'utf8') : '', outcome, names))
}

/** Runs a scenario in a process of its own. */
async function measured(scenario: Scenario, scale: number, minutes: string): Promise<Outcome> {
  const start = performance.now()
  const child = fork(new URL('run-scenario.js', import.meta.url), [scenario.name, String(scale), minutes], {
    execArgv: ['--expose-gc', '--enable-source-maps'],
  })
  const came = await new Promise<Pick<Outcome, 'findings' | 'failure' | 'processorSeconds'>>(resolve => {
    let found: Found | undefined
    child.on('message', (message: { readonly progress: string } | Found) => {
      if ('progress' in message) console.log(`    ${message.progress}`)
      else found = message
    })
    child.on('exit', code => {
      if (found) resolve({ ...found, failure: undefined })
      else resolve({ findings: [], failure: `its process ended with ${code}, and found nothing`, processorSeconds: 0 })
    })
  })
  return { scenario, scale, ...came, seconds: (performance.now() - start) / 1000 }
}

try {
  process.exitCode = await main()
} catch (error) {
  console.error(error instanceof Error ? `${error.message}\n\n${USAGE}` : error)
  process.exitCode = 2
}
