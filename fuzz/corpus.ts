import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/* The corpus: for each target some inputs, the shortest that was seen for each thing that the target can say. All of them
 * were made of inputs that this package made itself. A file holds those of the targets whose names begin alike, one a
 * line: the target, a tab, base64. One file has those that something was found by; it is not written anew. */

const FOLDER = fileURLToPath(new URL('../../fuzz/corpus/', import.meta.url))

/** The inputs of a target; none if there are none yet. */
export function readCorpus(target: string): readonly Uint8Array[] {
  return [...linesOf(fileOf(target)), ...linesOf(FOUND)].flatMap(([name, input]) =>
    name === target ? [Uint8Array.from(Buffer.from(input, 'base64'))] : [],
  )
}

/** Writes the inputs of a target in the place of those that there were: the shortest, and not so many that they become a
 *  burden. */
export function writeCorpus(target: string, inputs: Iterable<Uint8Array>): void {
  mkdirSync(FOLDER, { recursive: true })
  const kept = new Set<string>()
  let size = 0
  for (const input of [...inputs].sort((a, b) => a.length - b.length)) {
    const text = Buffer.from(input).toString('base64')
    size += text.length
    if (kept.size === MOST_INPUTS || size > MOST_CHARACTERS) break
    kept.add(text)
  }
  const others = linesOf(fileOf(target)).filter(([name]) => name !== target)
  const lines = [...others, ...[...kept].map(input => [target, input] as const)].map(
    ([name, input]) => `${name}\t${input}`,
  )
  writeFileSync(fileOf(target), `${lines.sort().join('\n')}\n`)
}

/** The targets that there is a corpus of. */
export function targetsWithCorpus(): readonly string[] {
  const files = existsSync(FOLDER) ? readdirSync(FOLDER) : []
  return [...new Set(files.flatMap(file => linesOf(`${FOLDER}${file}`).map(([name]) => name)))].sort()
}

function linesOf(path: string): readonly (readonly [name: string, input: string])[] {
  if (!existsSync(path)) return []
  return readFileSync(path, 'utf8')
    .trim()
    .split('\n')
    .map(line => {
      const [name = '', input = ''] = line.split('\t')
      return [name, input]
    })
}

function fileOf(target: string): string {
  return `${FOLDER}${target.split(':')[0]}.txt`
}

const FOUND = `${FOLDER}found.txt`
const MOST_INPUTS = 32
const MOST_CHARACTERS = 6_000
