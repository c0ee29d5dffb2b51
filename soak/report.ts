import { cpus, totalmem, type } from 'node:os'
import type { Finding, Scenario } from './scenario.js'

/** What a scenario came to. */
export interface Outcome {
  readonly scenario: Scenario
  readonly findings: readonly Finding[]
  /** Why there are none. */
  readonly failure: string | undefined
  readonly seconds: number
}

/** All of it in Markdown, with the machine that it was measured on. */
export function report(outcomes: readonly Outcome[], scale: number): string {
  const [cpu] = cpus()
  const machine = `${cpus().length} × ${cpu?.model.trim() ?? 'unknown processor'}, ${Math.round(totalmem() / 2 ** 30)} GB, ${type()}`
  return [
    '# What was measured',
    '',
    `\`npm run soak${scale === 1 ? '' : ` -- --scale ${scale}`}\` on ${machine}; Node ${process.versions.node}, OpenSSL ${process.versions.openssl}. Both ends of`,
    'the connections share the machine. Times are those of a machine that did other things beside.',
    ...outcomes.flatMap(section),
    '',
  ].join('\n')
}

function section({ scenario, findings, failure, seconds }: Outcome): readonly string[] {
  return [
    '',
    `## ${scenario.name}`,
    '',
    `${scenario.invariant}. It took ${Math.round(seconds)} s.`,
    '',
    ...(failure ? [`**${failure}**`] : []),
    '| | measured | allowed |',
    '|---|--:|--:|',
    ...findings.map(
      ({ what, value, limit, holds }) => `| ${what} | ${holds ? value : `**${value}**`} | ${limit || '—'} |`,
    ),
  ]
}
