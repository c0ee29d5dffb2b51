import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import { hasProgram, optional, repositoryRoot } from './skip.js'

/** For tests of the native helper, which has to be compiled. */
export const withCompiler = optional('a C compiler', hasProgram('cc'), 'apt install gcc')

/** The command line. */
export const program = join(repositoryRoot, 'build', 'apps', 'cli', 'main.js')

/** A folder that goes when the tests of this file are over. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'attested-tls-native-'))
  after(() => rmSync(folder, { recursive: true }))
  return folder
}

/** Builds the native helper into a folder, as people do. @returns its file */
export function builtHelper(folder: string): string {
  const file = join(folder, 'helper.node')
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, 'native', 'build', '--output', file], {
    encoding: 'utf8',
  })
  assert.equal(status, 0, `${stdout}${stderr}`)
  // Nothing to be warned of in something that is to be trusted.
  assert.equal(stderr, '')
  return file
}
