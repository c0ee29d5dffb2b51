/** One end of a connection, ours or a peer's, that does what it is told. */
export interface End {
  /** Client: begins a connection; the commands that follow are for it. */
  connect(): void
  /** The next connection that is past its handshake. @throws Error if there is none in time */
  connected(): Promise<Facts>
  send(message: Uint8Array): void
  /** The next message that has come. @throws Error if none comes in time */
  message(): Promise<Uint8Array>
  /** Replaces its keys. @param both whether the other end is to do so too */
  updateKeys(both: boolean): void
  close(): void
  /** Waits until the other end has closed. */
  closed(): Promise<void>
  /** What went wrong. @throws Error if nothing does in time */
  failed(): Promise<string>
  /** Client: waits for a session that can be resumed. */
  session(): Promise<void>
  stop(): Promise<void>
}

/** What an end knows of its connection. */
export interface Facts {
  // Each is undefined where the end cannot tell.
  /** 32 bytes for EXPORTER-interop, in hex. */
  readonly exporter?: string
  readonly isDtls13?: boolean
  readonly alpn?: string
  /** How many certificates the other end has shown. */
  readonly certificates?: number
}

/** What happens at an end, by kind, until somebody asks for it. */
export class News {
  readonly #waiting = new Map<string, unknown[]>()
  readonly #wanted = new Map<string, ((value: unknown) => void)[]>()
  /** All that has happened, for whoever looks into a failure. */
  readonly history: string[] = []

  tell(kind: string, value: unknown): void {
    this.history.push(`${kind} ${String(value).slice(0, 200)}`)
    const want = this.#wanted.get(kind)?.shift()
    if (want) want(value)
    else this.#waiting.set(kind, [...(this.#waiting.get(kind) ?? []), value])
  }

  /** @throws Error if it does not happen in time */
  next<T>(kind: string): Promise<T> {
    const queue = this.#waiting.get(kind) ?? []
    // Each kind has one type of value, which those who tell and those who ask agree on.
    if (queue.length > 0) return Promise.resolve(queue.shift() as T)
    return new Promise((resolve, reject) => {
      const giveUp = setTimeout(() => reject(new Error(`nothing was ${kind}`)), PATIENCE)
      const wanted = this.#wanted.get(kind) ?? []
      wanted.push(value => {
        clearTimeout(giveUp)
        resolve(value as T)
      })
      this.#wanted.set(kind, wanted)
    })
  }
}

/** ms */
const PATIENCE = 20_000
