import { mutate } from './mutate.js'
import { Random } from './random.js'
import type { Target } from './target.js'

/** An input that shows that something is wrong. */
export interface Failure {
  readonly target: string
  readonly input: Uint8Array
  readonly error: Error
}

/** Feeds one target. What says something new is kept, and changed further: a sentence that was never said is code that
 *  was never come to. */
export class Fuzzer {
  readonly target: Target
  readonly #random: Random
  readonly #pool: Uint8Array[]
  /** What was said, and by which input first: the shortest is kept. */
  readonly #said = new Map<string, Uint8Array>()
  runs = 0

  private constructor(target: Target, seed: number, pool: Uint8Array[]) {
    this.target = target
    this.#random = new Random(seed)
    this.#pool = pool
  }

  /** @param corpus inputs besides those that the target brings
   *  @throws Failing if one of them fails already */
  static async over(target: Target, seed: number, corpus: readonly Uint8Array[] = []): Promise<Fuzzer> {
    const seeds = await target.seeds()
    const fuzzer = new Fuzzer(target, seed, [...seeds, ...corpus])
    for (const input of [...seeds, ...corpus, new Uint8Array(0)]) await fuzzer.#run(input)
    return fuzzer
  }

  /** One input for everything that was ever said, the shortest that was seen. */
  get corpus(): ReadonlyMap<string, Uint8Array> {
    return this.#said
  }

  /** Makes an input, and runs it. @throws Failing */
  async step(): Promise<void> {
    const random = this.#random
    const { target } = this
    const old = random.pick(this.#pool)
    const input = target.mutate ? target.mutate(old, random) : mutate(target.form, old, random, this.#pool)
    if (await this.#run(input)) this.#pool.push(input)
  }

  /** @returns whether it said something new */
  async #run(input: Uint8Array): Promise<boolean> {
    this.runs++
    const said = await outcomeOf(this.target, input)
    const known = this.#said.get(said)
    if (!known || input.length < known.length) this.#said.set(said, input)
    return !known
  }
}

/** An input failed. */
export class Failing extends Error {
  readonly failure: Failure

  constructor(failure: Failure) {
    super(`${failure.target}: ${failure.error.message}`)
    this.failure = failure
  }
}

/** Runs an input. @returns what came of it @throws Failing */
export async function outcomeOf(target: Target, input: Uint8Array): Promise<string> {
  // A copy: who keeps what it was given would see it change, and who changes it would be seen here.
  const copy = Uint8Array.from(input)
  const start = process.cpuUsage()
  let said: string
  try {
    said = await target.run(copy)
  } catch (thrown) {
    const error = thrown instanceof Error ? thrown : new Error(`not an error was thrown: ${String(thrown)}`)
    throw new Failing({ target: target.name, input, error })
  }
  if (!Buffer.from(copy).equals(input)) {
    throw new Failing({ target: target.name, input, error: new Error('the input was changed') })
  }
  const { user } = process.cpuUsage(start)
  if (user > MAX_MICROSECONDS) {
    const error = new Error(`an input of ${input.length} bytes took ${Math.round(user / 1000)} ms`)
    throw new Failing({ target: target.name, input, error })
  }
  return said
}

/** Processor time that one input may take. What hangs is found by the watchdog. */
const MAX_MICROSECONDS = 2_000_000
