import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { evidenceFormats, formatNamed, speaksForKey } from '#src/evidence/index.js'
import { repositoryFiles } from '../support/repository.js'

/** The rows of the table in docs/binding.md: media type, and where the key stands. */
function documentedRows(): readonly (readonly [mediaType: string, key: string])[] {
  const page = repositoryFiles('docs').find(({ path }) => path === 'docs/binding.md')
  const rows = page?.text.split('\n## ')[0]?.matchAll(/^\|[^|]*\| `([^`]+)`[^|]*\|[^|]*\|[^|]*\| ([^|]*) \|/gm) ?? []
  return [...rows].map(([, mediaType = '', key = '']) => [mediaType, key])
}

describe('the formats of Evidence', () => {
  test('stand in the table of bindings, each once', () => {
    const documented = documentedRows().map(([mediaType]) => mediaType)
    const known = evidenceFormats.map(({ mediaTypes: [first] }) => first)
    assert.deepEqual([...documented].sort(), [...known].sort())
  })

  test('speak for a key where the table of bindings says where it stands', () => {
    for (const [mediaType, key] of documentedRows()) {
      assert.equal(speaksForKey(mediaType), !key.startsWith('nowhere'), mediaType)
    }
  })

  test('are found by media type, however it is spelled', () => {
    const [format] = evidenceFormats
    const [type = ''] = format?.mediaTypes ?? []
    assert.equal(formatNamed(type.replace('application', 'APPLICATION')), format)
    assert.equal(formatNamed('application/unknown'), undefined)
  })

  test('that are not known speak for no key', () => {
    assert.equal(speaksForKey('application/unknown'), false)
  })
})
