/** What the application has written and the transport has not taken yet. It goes out in batches, so that a large write
 *  is never sealed as a whole, and small ones share records and system calls. */
export class WriteQueue {
  /** Seals and sends what is in the buffer, which is used again. @returns whether the transport takes more */
  readonly #send: (batch: Uint8Array) => boolean
  #chunks: readonly Uint8Array[] = []
  #at = 0
  #offset = 0
  #done: ((error?: Error | null) => void) | undefined
  #isOpen = false
  #isChoked = false

  constructor(send: (batch: Uint8Array) => boolean) {
    this.#send = send
  }

  get isEmpty(): boolean {
    return this.#done === undefined
  }

  /** Takes chunks. The one before must be done.   @param done called when the transport has taken them all */
  add(chunks: readonly Uint8Array[], done: (error?: Error | null) => void): void {
    this.#chunks = chunks
    this.#at = 0
    this.#offset = 0
    this.#done = done
    this.#run()
  }

  /** From now on data may leave. */
  open(): void {
    this.#isOpen = true
    this.#run()
  }

  /** The transport takes more. */
  drain(): void {
    this.#isChoked = false
    this.#run()
  }

  /** Drops what is left. */
  drop(error: Error | null): void {
    this.#isOpen = false
    this.#chunks = []
    const done = this.#done
    this.#done = undefined
    done?.(error)
  }

  #run(): void {
    while (this.#isOpen && !this.#isChoked && this.#done) {
      const batch = this.#next()
      if (batch.length > 0) {
        this.#isChoked = !this.#send(batch)
        if (batch.buffer === joined.buffer) batch.fill(0)
      } else {
        const done = this.#done
        this.#done = undefined
        this.#chunks = []
        // Not at once: what is written in the same turn comes together, and shares records and system calls.
        process.nextTick(done)
      }
    }
  }

  /** The next batch; empty at the end. */
  #next(): Uint8Array {
    const first = this.#chunks[this.#at]
    const isAlone =
      first !== undefined && (this.#at + 1 === this.#chunks.length || first.length - this.#offset >= BATCH)
    if (isAlone) return this.#take(first, BATCH)
    let length = 0
    for (let chunk = first; chunk && length < BATCH; chunk = this.#chunks[this.#at]) {
      const part = this.#take(chunk, BATCH - length)
      joined.set(part, length)
      length += part.length
    }
    return joined.subarray(0, length)
  }

  /** What is left of the chunk at hand, as far as there is room for it. */
  #take(chunk: Uint8Array, room: number): Uint8Array {
    const part = chunk.subarray(this.#offset, this.#offset + room)
    this.#offset += part.length
    if (this.#offset === chunk.length) {
      this.#at++
      this.#offset = 0
    }
    return part
  }
}

/** Eight full records: more in one system call gains nothing, and takes memory. */
const BATCH = 131_072

/** Where chunks are joined, for all queues: what is in it is sent at once, and then wiped. */
const joined = new Uint8Array(BATCH)
