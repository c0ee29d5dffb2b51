import { peers } from './peers.js'
import type { Result } from './run.js'
import { scenarios } from './scenarios.js'

/** The results as the page that stands in the repository. */
export function report(results: readonly Result[]): string {
  const met = peers.filter(({ name }) => results.some(({ peer }) => peer === name))
  const lines = [
    '# DTLS 1.3 beside others: results',
    '',
    `Of ${new Date().toISOString().slice(0, 10)}, by \`npm run interop:dtls -- --write\`, Node ${process.versions.node}.`,
    '',
    '| peer | what it is |',
    '|---|---|',
    ...met.map(({ name, version, language }) => `| ${name} | ${version}, ${language} |`),
    '',
    'Each cell has our client with the peer’s server, then our server with the peer’s client: ✓ passed, ✗ failed,',
    '◦ a fault of the peer that is known, – the peer cannot do it.',
    '',
    `| | ${met.map(({ name }) => name).join(' | ')} |`,
    `|---|${met.map(() => '---|').join('')}`,
    ...scenarios.map(({ name }) => {
      const cells = met.map(peer =>
        (['client', 'server'] as const)
          .map(role => results.find(it => it.peer === peer.name && it.scenario === name && it.role === role))
          .map(result => (result ? SIGNS[result.outcome] : ''))
          .join(' ')
          .trim(),
      )
      return `| ${name} | ${cells.join(' | ')} |`
    }),
  ]
  const notes = results.filter(({ outcome, reason }) => outcome !== 'passed' && reason)
  const sentences = new Set(
    notes.map(({ peer, scenario, role, outcome, reason }) =>
      outcome === 'skipped' ? `- ${peer}: ${reason}.` : `- ${peer}, ${scenario}, we are the ${role}: ${reason}`,
    ),
  )
  if (sentences.size > 0) lines.push('', '## Why not', '', ...sentences)
  return `${lines.join('\n')}\n`
}

const SIGNS = { passed: '✓', failed: '✗', known: '◦', skipped: '–' }
