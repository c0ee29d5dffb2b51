import { parentPort, workerData } from 'node:worker_threads'
import { readCorpus, writeCorpus } from './corpus.js'
import { Failing, Fuzzer, outcomeOf } from './fuzzer.js'
import { minimised } from './minimise.js'
import { processorTime } from './processor-time.js'
import { gist, type Target } from './target.js'
import { targetsNamed } from './targets.js'

/** What is to be done. */
export interface Job {
  /** The beginning of names of targets. */
  readonly target: string
  readonly seconds: number
  readonly seed: number
  readonly replay: Uint8Array | undefined
  readonly isListing: boolean
  readonly writesCorpus: boolean
}

/** What there is to tell. */
export interface Note {
  /** What is being done now, for the case that it never ends. */
  readonly current?: string
  readonly say?: string
  readonly failure?: { readonly target: string; readonly input: Uint8Array; readonly text: string }
}

const job: Job = workerData

/** All targets in turn, a little of each, until the time is up. */
async function fuzz(targets: readonly Target[]): Promise<void> {
  const fuzzers: Fuzzer[] = []
  for (const target of targets) {
    tell({ current: `the corpus of ${target.name}` })
    const fuzzer = await guarded(target, () => Fuzzer.over(target, job.seed, readCorpus(target.name)))
    if (fuzzer) fuzzers.push(fuzzer)
  }
  const until = processorTime() + job.seconds * 1000
  while (processorTime() < until) {
    for (const fuzzer of fuzzers) {
      const end = processorTime() + TURN * (fuzzer.target.weight ?? 1)
      for (let told = Number.NEGATIVE_INFINITY; processorTime() < end; ) {
        if (performance.now() > told + 1000) {
          told = performance.now()
          tell({ current: `${fuzzer.target.name}, seed ${job.seed}, after ${fuzzer.runs} runs` })
        }
        await guarded(fuzzer.target, () => fuzzer.step())
      }
    }
  }
  let runs = 0
  for (const fuzzer of fuzzers) {
    runs += fuzzer.runs
    tell({
      say: `${fuzzer.target.name.padEnd(52)} ${String(fuzzer.runs).padStart(9)} runs  ${fuzzer.corpus.size} outcomes`,
    })
    if (job.writesCorpus) writeCorpus(fuzzer.target.name, fuzzer.corpus.values())
  }
  const seconds = Math.round(processorTime() / 1000)
  tell({ say: `${runs} runs of ${fuzzers.length} targets in ${seconds} s of processor time` })
}

/** ms of processor time that each target has in turn, times its weight. */
const TURN = 200

const told = new Set<string>()
/** Kinds of failure of one target that are told. */
const MOST_TOLD = 8
/** Tells of a failure, once for each kind, and goes on. */
async function guarded<T>(target: Target, work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work()
  } catch (thrown) {
    if (!(thrown instanceof Failing)) throw thrown
    const { input, error } = thrown.failure
    const kind = `${target.name} ${gist(error)}`
    const count = [...told].filter(known => known.startsWith(`${target.name} `)).length
    if (!told.has(kind) && count < MOST_TOLD) {
      told.add(kind)
      tell({ current: `making an input of ${target.name} smaller` })
      const small = await minimised(target, input, error)
      tell({ failure: { target: target.name, input: small, text: error.stack ?? error.message } })
    }
    return undefined
  }
}

async function replay(target: Target, input: Uint8Array): Promise<void> {
  tell({ current: target.name })
  await guarded(target, async () => tell({ say: `${target.name}: ${await outcomeOf(target, input)}` }))
}

function tell(note: Note): void {
  parentPort?.postMessage(note)
}

process.on('unhandledRejection', reason => {
  throw reason
})
const targets = targetsNamed(job.target)
if (job.isListing) for (const { name } of targets) tell({ say: name })
else if (job.replay) for (const target of targets) await replay(target, job.replay)
else await fuzz(targets)
