import { type EventEmitter, getEventListeners } from 'node:events'
import { atMost, exactly, type Finding } from './scenario.js'

/** What this process holds, after a collection of garbage. */
interface Holdings {
  /** Bytes of objects, and of buffers outside the heap. */
  readonly heap: number
  readonly buffers: number
  readonly resident: number
  readonly resources: number
}

/** Watches what a process holds while it repeats itself. */
export class Growth {
  readonly #emitters: readonly (EventEmitter | EventTarget)[]
  readonly #resourcesAtFirst: number
  readonly #listenersAtFirst: number
  #first: Holdings | undefined
  readonly #warnings: string[] = []

  private constructor(emitters: readonly (EventEmitter | EventTarget)[]) {
    this.#emitters = emitters
    // Node warns of listeners that gather.
    process.on('warning', warning => this.#warnings.push(warning.name))
    this.#resourcesAtFirst = resources()
    this.#listenersAtFirst = this.#listeners()
  }

  /** @param emitters that outlive what is repeated, and may not gather listeners */
  static async watching(emitters: readonly (EventEmitter | EventTarget)[]): Promise<Growth> {
    // What was opened in preparation may still be closing, or about to acknowledge.
    await pause(500)
    return new Growth(emitters)
  }

  /** What is compiled and cached once is there by now: from here on there is to be no growth. */
  async begin(): Promise<void> {
    await settled(this.#resourcesAtFirst)
    this.#first = holdings()
  }

  /** What has grown since, when all that was opened has been closed. */
  async findings(): Promise<readonly Finding[]> {
    await settled(this.#resourcesAtFirst)
    const last = holdings()
    const first = this.#first ?? last
    return [
      atMost('growth of the heap', (last.heap - first.heap) / MB, HEAP_LIMIT, 'MB'),
      atMost('growth of buffers', (last.buffers - first.buffers) / MB, HEAP_LIMIT, 'MB'),
      atMost('growth of resident memory', (last.resident - first.resident) / MB, RESIDENT_LIMIT, 'MB'),
      exactly('handles and timers left', last.resources - this.#resourcesAtFirst, 0),
      exactly('listeners left', this.#listeners() - this.#listenersAtFirst, 0),
      exactly('warnings of Node', this.#warnings.length, 0),
    ]
  }

  #listeners(): number {
    return this.#emitters.reduce((sum, emitter) => sum + listenersOf(emitter), 0)
  }
}

const MB = 1e6
/** The heap is not the same twice, but for the same work it does not become larger. */
const HEAP_LIMIT = 3
/** What was taken from the system is not always given back. A leak outside the heap, such as of keys, is more. */
const RESIDENT_LIMIT = 64

/** The most that some memory took, in bytes. */
export class Peak {
  readonly #timer: NodeJS.Timeout
  #most = 0

  constructor(sample: () => number = () => process.memoryUsage().heapUsed + process.memoryUsage().external) {
    const take = () => {
      this.#most = Math.max(this.#most, sample())
    }
    take()
    this.#timer = setInterval(take, 50)
    this.#timer.unref()
  }

  stop(): number {
    clearInterval(this.#timer)
    return this.#most
  }
}

/** Bytes of objects and buffers that are in use. */
export function inUse(): number {
  const { heap, buffers } = holdings()
  return heap + buffers
}

function holdings(): Holdings {
  // Twice: what finalizers let go of is collected in the second.
  globalThis.gc?.()
  globalThis.gc?.()
  const { heapUsed, external, rss } = process.memoryUsage()
  return { heap: heapUsed, buffers: external, resident: rss, resources: resources() }
}

/** Sockets, and timers that keep the process alive. */
export function resources(): number {
  return process
    .getActiveResourcesInfo()
    .filter(name => name === 'TCPSocketWrap' || name === 'UDPWrap' || name === 'Timeout').length
}

/** Waits until what is closing has closed, and no longer than it should take. */
async function settled(count: number): Promise<void> {
  const until = performance.now() + 10_000
  while (resources() > count && performance.now() < until) await pause(20)
  await pause(100)
}

/** @param ms */
export function pause(ms: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, ms))
}

function listenersOf(emitter: EventEmitter | EventTarget): number {
  if (emitter instanceof EventTarget) return getEventListeners(emitter, 'abort').length
  return emitter.eventNames().reduce((sum, name) => sum + emitter.listenerCount(name), 0)
}
