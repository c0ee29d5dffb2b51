import { readFileSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { Worker } from 'node:worker_threads'
import { processorTime } from './processor-time.js'
import type { Job, Note } from './worker.js'

/* Feeds everything that takes bytes from strangers with bytes that are almost right, and looks whether what has to be true
 * is. What fails is made smaller, told, and written to a file that --replay takes. */

const USAGE = `npm run fuzz -- [options]

  --target NAME   only targets whose name begins so
  --time S        seconds of processor time in all (60)
  --seed N        of the run (1): the same gives the same inputs
  --replay FILE   runs the input in that file on --target
  --write-corpus  adds what was found to fuzz/corpus
  --list          says what targets there are`

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      target: { type: 'string', default: '' },
      time: { type: 'string', default: '60' },
      seed: { type: 'string', default: '1' },
      replay: { type: 'string' },
      'write-corpus': { type: 'boolean', default: false },
      list: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    console.log(USAGE)
    return 0
  }
  return run({
    target: values.target,
    seconds: Number(values.time),
    seed: Number(values.seed),
    replay: values.replay === undefined ? undefined : readInput(values.replay),
    isListing: values.list,
    writesCorpus: values['write-corpus'],
  })
}

/** The input in a file: its bytes, or those that its text says in hex. */
function readInput(path: string): Uint8Array {
  const bytes = readFileSync(path)
  const text = bytes.toString('latin1').trim()
  return Uint8Array.from(/^([0-9a-f]{2})+$/i.test(text) ? Buffer.from(text, 'hex') : bytes)
}

/** Does the work in a thread of its own, so that what hangs, or takes all memory, can be told.
 *  @returns the exit code */
function run(job: Job): Promise<number> {
  const worker = new Worker(new URL('worker.js', import.meta.url), {
    workerData: job,
    resourceLimits: { maxOldGenerationSizeMb: MAX_MEGABYTES },
  })
  return new Promise(resolve => {
    let failures = 0
    let current = 'nothing yet'
    let heard = { at: performance.now(), processorTime: processorTime() }
    const watchdog = setInterval(() => {
      const [passed, used] = [performance.now() - heard.at, processorTime() - heard.processorTime]
      if (passed < PATIENCE && used < HANGS_AFTER) return
      console.log(`✗ hangs: ${current}`)
      failures++
      clearInterval(watchdog)
      void worker.terminate()
    }, 1000)
    worker.on('message', (note: Note) => {
      heard = { at: performance.now(), processorTime: processorTime() }
      if (note.current) current = note.current
      if (note.say) console.log(note.say)
      if (note.failure) {
        failures++
        const { target, input, text } = note.failure
        const file = `fuzz-failure-${target.replace(/[^a-z0-9]+/gi, '-')}-${failures}.hex`
        writeFileSync(file, `${Buffer.from(input).toString('hex')}\n`)
        console.log(`✗ ${target}: ${text}\n  again: npm run fuzz -- --target '${target}' --replay ${file}`)
      }
    })
    worker.on('error', error => {
      failures++
      console.log(`✗ at ${current}: ${error.stack}`)
    })
    worker.on('exit', () => {
      clearInterval(watchdog)
      resolve(failures === 0 ? 0 : 1)
    })
  })
}

/** ms of processor time without a word from the worker, which says something every second; and ms in all, since a busy
 *  machine may let it wait for long. */
const HANGS_AFTER = 60_000
const PATIENCE = 600_000
const MAX_MEGABYTES = 1024

try {
  process.exitCode = await main()
} catch (error) {
  console.error(error instanceof Error ? `${error.message}\n\n${USAGE}` : error)
  process.exitCode = 2
}
