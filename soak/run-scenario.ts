import type { Finding } from './scenario.js'
import { scenarioNamed } from './scenarios.js'

/* One scenario, in a process of its own: what another one holds is not counted. */

/** What the process tells when it is done. */
export interface Found {
  readonly findings: readonly Finding[]
  /** How long it had a processor. */
  readonly processorSeconds: number
}

const [name = '', scale = '1', minutes = 'Infinity'] = process.argv.slice(2)
const until = performance.now() + Number(minutes) * 60_000
const findings = await scenarioNamed(name).run(Number(scale), {
  tell: progress => process.send?.({ progress }),
  hasTime: () => performance.now() < until,
})
const { user, system } = process.cpuUsage()
const found: Found = { findings, processorSeconds: (user + system) / 1e6 }
process.send?.(found, () => process.exit())
