/** What the application has written and the transport has not taken yet. It goes out in batches, so that a large write
 *  is never sealed as a whole, and small ones share records and system calls. */
export class WriteQueue {
  /** Seals and sends. @returns whether the transport takes more */
  readonly #send: (batch: readonly Uint8Array[]) => boolean
  #chunks: readonly Uint8Array[] = []
  #at = 0
  #offset = 0
  #done: ((error?: Error | null) => void) | undefined
  #isOpen = false
  #isChoked = false

  constructor(send: (batch: readonly Uint8Array[]) => boolean) {
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
  #next(): readonly Uint8Array[] {
    const batch: Uint8Array[] = []
    let room = BATCH
    for (let chunk = this.#chunks[this.#at]; chunk && room > 0; chunk = this.#chunks[this.#at]) {
      const part = this.#take(chunk, room)
      room -= part.length
      if (part.length > 0) batch.push(part)
    }
    return batch
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
