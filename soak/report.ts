import { cpus, totalmem, type } from 'node:os'
import type { Finding, Scenario } from './scenario.js'

/** What a scenario came to. */
export interface Outcome {
  readonly scenario: Scenario
  /** What its sizes were multiplied by. */
  readonly scale: number
  readonly findings: readonly Finding[]
  /** Why there are none. */
  readonly failure: string | undefined
  readonly seconds: number
  /** Of the process that ran it. */
  readonly processorSeconds: number
}

/** A report in Markdown with this outcome in it, in place of an earlier one of the same scenario. What stands above the first
 *  outcome, and the outcomes of others, stay as they are.
 *  @param report an earlier report; empty if there is none   @param order names of all scenarios, as they are to stand */
export function withOutcome(report: string, outcome: Outcome, order: readonly string[]): string {
  const [top = '', ...sections] = report === '' ? [TITLE] : report.split(/^(?=## )/m)
  const name = outcome.scenario.name
  const others = sections.filter(text => nameOf(text) !== name)
  const rank = (text: string) => order.indexOf(nameOf(text))
  return [top, ...[...others, section(outcome)].sort((a, b) => rank(a) - rank(b))]
    .map(text => text.trimEnd())
    .join('\n\n')
    .concat('\n')
}
const TITLE = '# What was measured'

function nameOf(section: string): string {
  return /^## (.*)/.exec(section)?.[1] ?? ''
}

function section({ scenario, scale, findings, failure, seconds, processorSeconds }: Outcome): string {
  const size = scale === 1 ? 'In full size' : `With all sizes multiplied by ${scale}`
  return [
    `## ${scenario.name}`,
    '',
    `${scenario.invariant}.`,
    '',
    ...(failure ? [`**${failure}**`, ''] : []),
    '| | measured | allowed |',
    '|---|--:|--:|',
    ...findings.map(
      ({ what, value, limit, holds }) => `| ${what} | ${holds ? value : `**${value}**`} | ${limit || '—'} |`,
    ),
    '',
    `${size}, in ${Math.round(seconds)} s, of which its process had a processor for ${Math.round(processorSeconds)} s; ${machine()}.`,
  ].join('\n')
}

function machine(): string {
  const [cpu] = cpus()
  const { node, openssl } = process.versions
  const memory = Math.round(totalmem() / 2 ** 30)
  return `${cpus().length} × ${cpu?.model.trim() ?? 'unknown processor'}, ${memory} GB, ${type()}, Node ${node}, OpenSSL ${openssl}`
}
