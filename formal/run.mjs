#!/usr/bin/env node
// `npm run formal`: has ProVerif look at the models, and compares what it finds with what is written in variants.mjs.
import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { env, exit, stderr, stdout } from 'node:process'
import { parseArgs } from 'node:util'
import { modelOf, PROPERTIES } from './model.mjs'
import { variants } from './variants.mjs'

const { values: options } = parseArgs({
  options: {
    /** The slow ones as well. */
    all: { type: 'boolean', default: false },
    /** Some, by name. */
    only: { type: 'string', multiple: true, default: [] },
    /** Writes the models there, and leaves them. */
    write: { type: 'string' },
    /** The program. */
    proverif: { type: 'string', default: 'proverif' },
  },
})

const chosen = variants.filter(({ name, isSlow }) =>
  options.only.length > 0 ? options.only.includes(name) : options.all || !isSlow,
)
if (options.write !== undefined) {
  for (const { name, model } of chosen) writeFileSync(join(options.write, `${name}.pv`), modelOf(model))
  exit(0)
}
if (spawnSync(options.proverif, ['-help']).error) {
  stderr.write('There is no ProVerif here, so that no model was looked at: formal/README.md says where to get it.\n')
  exit(env.ATTESTED_TLS_NO_SKIP === '1' ? 1 : 0)
}

const folder = mkdtempSync(join(tmpdir(), 'formal-'))
let wrong = 0
try {
  stdout.write(`${'variant'.padEnd(32)} ${PROPERTIES.map(name => name.padEnd(12)).join(' ')}  s\n`)
  for (const { name, model, holds } of chosen) {
    const file = join(folder, `${name}.pv`)
    writeFileSync(file, modelOf(model))
    const began = Date.now()
    const found = holdsIn(await proverif(file))
    const seconds = ((Date.now() - began) / 1000).toFixed(1)
    if (found !== holds) wrong++
    const cells = PROPERTIES.map((_, i) =>
      `${found[i] ?? '?'}${found[i] === holds[i] ? '' : ` (${holds[i]} expected)`}`.padEnd(12),
    )
    stdout.write(`${name.padEnd(32)} ${cells.join(' ')}  ${seconds}\n`)
  }
} finally {
  rmSync(folder, { recursive: true })
}
stdout.write(wrong === 0 ? 'All is as expected.\n' : `${wrong} of ${chosen.length} are not as expected.\n`)
exit(wrong === 0 ? 0 : 1)

/** What ProVerif says of a file. @returns {Promise<string>} */
function proverif(file) {
  return new Promise((resolve, reject) => {
    const child = spawn(options.proverif, [file], { stdio: ['ignore', 'pipe', 'inherit'] })
    let output = ''
    child.stdout.setEncoding('utf8').on('data', part => {
      output += part
    })
    child.on('error', reject)
    child.on('close', code =>
      code === 0 ? resolve(output) : reject(new Error(`ProVerif ended with ${code} on ${file}`)),
    )
  })
}

/** The summary at the end of ProVerif's output, as `holds` has it: the first query has to be false, or nothing is said. */
function holdsIn(output) {
  const summary = output.slice(output.lastIndexOf('Verification summary'))
  const [reachable, ...answers] = summary.match(/^Query .* (is true|is false|cannot be proved)\.$/gm) ?? []
  if (!reachable?.endsWith('is false.')) return 'unreachable'
  return answers.map(answer => (answer.endsWith('is true.') ? '+' : answer.endsWith('is false.') ? '-' : '?')).join('')
}
