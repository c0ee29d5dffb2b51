import { scenarioNamed } from './scenarios.js'

/* One scenario, in a process of its own: what another one holds is not counted. */

const [name = '', scale = '1', minutes = 'Infinity'] = process.argv.slice(2)
const until = performance.now() + Number(minutes) * 60_000
const findings = await scenarioNamed(name).run(Number(scale), {
  tell: progress => process.send?.({ progress }),
  hasTime: () => performance.now() < until,
})
process.send?.({ findings }, () => process.exit())
