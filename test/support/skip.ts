import { accessSync, constants, existsSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The root of the repository. Tests run from build/test/support/. */
export const repositoryRoot = dirname(dirname(dirname(dirname(fileURLToPath(import.meta.url)))))

/** Options for a test or a suite that needs what not every machine has:
 *
 *      test('decrypts a capture', optional('tshark', hasProgram('tshark'), 'apt install tshark'), () => …)
 *
 *  Where it is absent the test is skipped aloud, saying what to do. Where nothing may be skipped (CI, or
 *  ATTESTED_TLS_NO_SKIP set) its absence is a failure of the whole file. */
export function optional(name: string, isPresent: boolean, remedy: string): { readonly skip: string | false } {
  if (isPresent) return { skip: false }
  const sentence = `${name} is not here: ${remedy}`
  if (mayNotSkip()) throw new Error(`${sentence}. Nothing may be skipped where CI or ATTESTED_TLS_NO_SKIP is set.`)
  return { skip: sentence }
}

/** Whether what is absent is a failure. */
export function mayNotSkip(): boolean {
  return [process.env.CI, process.env.ATTESTED_TLS_NO_SKIP].some(
    value => value !== undefined && !/^(|0|false)$/.test(value),
  )
}

/** Whether a program is on the path. */
export function hasProgram(name: string): boolean {
  return (process.env.PATH ?? '').split(delimiter).some(folder => folder !== '' && isExecutable(join(folder, name)))
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** The folder of recorded evidence and other foreign test vectors: ATTESTED_TLS_VECTORS, or `shared/vectors` beside
 *  the repository. undefined where neither exists. */
export const vectorsFolder: string | undefined = [
  process.env.ATTESTED_TLS_VECTORS ?? '',
  join(dirname(repositoryRoot), 'shared', 'vectors'),
].find(folder => folder !== '' && existsSync(folder))

/** Options for a test that needs the foreign vectors. */
export function needsVectors(): { readonly skip: string | false } {
  return optional('the folder of vectors', vectorsFolder !== undefined, 'set ATTESTED_TLS_VECTORS to where it is')
}
