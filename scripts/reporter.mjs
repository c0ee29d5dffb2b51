// A reporter for Node's test runner that prints one line per file, whatever failed or was skipped, and the runner's own
// summary. It feeds Node's `spec` reporter only what is worth reading.
import { relative, sep } from 'node:path'
import { spec as Spec } from 'node:test/reporters'

/** @param {AsyncIterable<{ type: string, data: Record<string, unknown> }>} events */
// biome-ignore lint/style/noDefaultExport: the runner asks for one.
export default async function* report(events) {
  const spec = typeof Spec === 'function' ? new Spec() : Spec
  const lines = []
  spec.on('data', chunk => lines.push(chunk))
  /** Tests that have begun, outermost first: their start is held back until they turn out to be worth showing. */
  const open = []
  let file
  const show = event => spec.write(event)
  const closeFile = () => {
    if (file?.passed > 0) lines.push(`✔ ${file.name} (${file.passed} ${file.passed === 1 ? 'test' : 'tests'})\n`)
    file = undefined
  }
  for await (const event of events) {
    const { type, data } = event
    if (type === 'test:start') {
      const name = sourceOf(data.file ?? data.name)
      if (data.nesting === 0 && name !== file?.name) {
        closeFile()
        file = { name, passed: 0 }
      }
      open.push({ event, isShown: false })
    } else if (type === 'test:pass' || type === 'test:fail') {
      const isNoteworthy = type === 'test:fail' || data.skip !== undefined || data.todo !== undefined
      if (isNoteworthy) {
        for (const test of open) {
          if (!test.isShown) show(test.event)
          test.isShown = true
        }
      }
      const test = open.pop()
      if (test?.isShown) show(event)
      else if (file && data.details?.type !== 'suite') file.passed += 1
    } else if (type === 'test:diagnostic') {
      if (data.nesting === 0 && /^(tests|suites|pass|fail|cancelled|skipped|todo|duration_ms) /.test(data.message))
        closeFile()
      show(event)
    } else if (type === 'test:stdout' || type === 'test:stderr') {
      lines.push(data.message)
    }
    yield* lines.splice(0)
  }
  closeFile()
  const ended = new Promise(resolve => spec.once('end', resolve))
  spec.end()
  await ended
  yield* lines.splice(0)
}

/** The source of a compiled test, relative to the root of the repository. */
function sourceOf(file) {
  return relative(process.cwd(), file).replace(`build${sep}`, '').replace(/\.js$/, '.ts')
}
