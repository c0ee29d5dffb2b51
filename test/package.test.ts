import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { describe } from 'node:test'
import { repositoryRoot } from './support/skip.js'

describe('the package', () => {
  const { exports: entries } = JSON.parse(readFileSync(join(repositoryRoot, 'package.json'), 'utf8'))
  const packed = packedFiles()

  for (const [entry, target] of Object.entries(entries)) {
    test(`ships ${entry}, its types and its source`, () => {
      const { types, default: code } = typeof target === 'string' ? { types: target, default: target } : Object(target)
      const source = String(code).replace('./dist/', 'src/').replace(/\.js$/, '.ts')
      for (const file of [types, code, source]) {
        const path = String(file).replace('./', '')
        assert.ok(packed.includes(path), `${path} is not in the package`)
      }
    })

    if (typeof target !== 'string') {
      test(`can be imported as ${entry}`, async () => {
        const module = await import(`attested-tls${entry.slice(1)}`)
        assert.ok(Object.keys(module).length > 0)
      })
    }
  }

  test('ships neither tests nor what only a build needs', () => {
    const shipped = packed.filter(
      path =>
        !/^(dist|src|docs|build\/apps\/cli)\/|^native\/[a-z0-9]+\.[ch]$|^[A-Z]+(\.md)?$|^package\.json$/.test(path),
    )
    assert.deepEqual(shipped, [])
    assert.deepEqual(
      packed.filter(path => /tsbuildinfo|tsconfig|\.test\./.test(path)),
      [],
    )
  })

  test('tells people what it is and what they may do with it', () => {
    for (const file of ['README.md', 'LICENSE', 'SECURITY.md', 'CHANGELOG.md']) assert.ok(packed.includes(file), file)
  })
})

/** What `npm pack` would put into the package. */
function packedFiles(): readonly string[] {
  const args = ['pack', '--dry-run', '--json', '--ignore-scripts']
  const [program, ...prefix] = npmProgram()
  const report = execFileSync(program, [...prefix, ...args], {
    cwd: repositoryRoot,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const parsed: readonly { readonly files: readonly { readonly path: string }[] }[] = Object.values(JSON.parse(report))
  return parsed.flatMap(({ files }) => files.map(({ path }) => path))
}

/** npm as it was started, or as it stands on the path. */
function npmProgram(): readonly [string, ...string[]] {
  const npm = process.env.npm_execpath
  return npm && existsSync(npm) ? [process.execPath, npm] : ['npm']
}
