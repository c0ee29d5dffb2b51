import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { describe } from 'node:test'
import { AlertDescription } from '#src/handshake/index.js'
import { repositoryFiles } from './support/repository.js'
import { repositoryRoot } from './support/skip.js'

describe('docs/errors.md', () => {
  const used = new Set(
    repositoryFiles('src').flatMap(({ text }) => text.match(/(?<=')ERR_[A-Z0-9_]+(?=')|ERR_X509_\w+(?=:)/g) ?? []),
  )
  const text = readFileSync(join(repositoryRoot, 'docs', 'errors.md'), 'utf8')
  const listed = [...text.matchAll(/^\| `(ERR_\w+)` \|/gm)].map(([, code = '']) => code)

  test('lists every code that the sources use', () => {
    assert.deepEqual(
      [...used].filter(code => !listed.includes(code)),
      [],
    )
  })

  test('lists no code that they do not use, and none twice', () => {
    assert.deepEqual(
      listed.filter((code, index) => !used.has(code) || listed.indexOf(code) !== index),
      [],
    )
  })

  test('lists none that could be taken for that of an alert', () => {
    const ofAlerts = Object.keys(AlertDescription).map(name => `ERR_TLS_${name.toUpperCase()}`)
    assert.deepEqual(
      listed.filter(code => ofAlerts.includes(code) || code.startsWith('ERR_TLS_ALERT_')),
      [],
    )
  })
})
