import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import type { Mutant } from './mutants.js'

/* A loader that changes one place of one compiled file as it is loaded. The product knows nothing of it. */

let mutant: (Pick<Mutant, 'from' | 'to'> & { readonly url: string }) | undefined

export function initialize(one: typeof mutant): void {
  mutant = one
}

interface Loaded {
  readonly format: string
  readonly source: string
  readonly shortCircuit: true
}

export async function load(
  url: string,
  context: unknown,
  nextLoad: (url: string, context: unknown) => Promise<Loaded>,
): Promise<Loaded> {
  if (!mutant || url !== mutant.url) return nextLoad(url, context)
  const source = await readFile(fileURLToPath(url), 'utf8')
  if (!source.includes(mutant.from)) throw new Error(`${url} has nothing to change: ${mutant.from}`)
  return { format: 'module', source: source.replace(mutant.from, () => mutant?.to ?? ''), shortCircuit: true }
}
