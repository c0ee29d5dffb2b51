// Runs the vectors of a checkout of Wycheproof through what is exported of the room crypto. See README.md.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { arch, platform } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { type Check, checks, type Group, type Vector } from './checks.js'

const PAGE = resolve(
  dirname(fileURLToPath(import.meta.url)),
  '..',
  '..',
  '..',
  'conformance',
  'wycheproof',
  'results.md',
)

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: { write: { type: 'boolean', default: false } },
})
const folder = join(resolve(process.env.INIT_CWD ?? '.', positionals[0] ?? ''), 'testvectors_v1')
if (positionals.length !== 1 || !existsSync(folder)) {
  process.stderr.write('usage: npm run wycheproof -- <checkout of Wycheproof> [--write]\n')
  process.exit(2)
}

const failures: string[] = []
const rows: string[] = []
let total = 0
for (const file of readdirSync(folder).sort()) {
  const check = checks.find(one => one.file.test(file))
  if (check) rows.push(rowOf(file, check))
}
const summary = `${total} vectors, ${failures.length} not as expected`
process.stdout.write(`${rows.join('\n')}\n\n${failures.map(line => `${line}\n`).join('')}${summary}\n`)
if (options.write) writeFileSync(PAGE, page())
process.exit(failures.length === 0 ? 0 : 1)

function rowOf(file: string, check: Check): string {
  // The files have this form.
  const { testGroups } = JSON.parse(readFileSync(join(folder, file), 'utf8')) as { testGroups: readonly Group[] }
  let taken = 0
  let refused = 0
  let omitted = 0
  for (const group of testGroups) {
    if (check.omits?.(group) !== undefined) {
      omitted += group.tests.length
      continue
    }
    for (const vector of group.tests) {
      const isTaken = isTakenBy(check, vector, group)
      const isWanted = check.wants ? check.wants(vector) : wantedBy(vector)
      if (isWanted !== undefined && isTaken !== isWanted) {
        failures.push(`${file} ${vector.tcId} (${vector.flags?.join(', ')}): ${isTaken ? 'taken' : 'refused'}`)
      }
      if (isTaken) taken++
      else refused++
    }
  }
  total += taken + refused
  return `| ${file.replace('_test.json', '')} | ${check.title} | ${taken} | ${refused} | ${omitted || ''} |`
}

/** What cannot be done is refused: a key that is none, a length that is too long. */
function isTakenBy(check: Check, vector: Vector, group: Group): boolean {
  try {
    return check.takes(vector, group)
  } catch (error) {
    if (vector.result === 'valid') throw error
    return false
  }
}

/** undefined: either will do. */
function wantedBy({ result }: Vector): boolean | undefined {
  return result === 'acceptable' ? undefined : result === 'valid'
}

function page(): string {
  return `# Wycheproof: results

${new Date().toISOString().slice(0, 10)}, Node ${process.versions.node} (OpenSSL ${process.versions.openssl}) on ${platform()} ${arch()}: **${summary}**.
Written by \`npm run wycheproof -- <checkout> --write\`; [README.md](README.md) says what is checked.

| file | what | taken | refused | left out |
|---|---|---|---|---|
${rows.join('\n')}
`
}
