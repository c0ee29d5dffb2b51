import { hex } from '../../bytes/index.js'
import type { Cmw, IdentityKey } from '../../rats/index.js'
import { AttestationError } from '../errors.js'
import type { FullQuoteLimits, Quotes } from '../quotes.js'
import { type BatchPath, BatchTree } from './batch.js'

/** One piece of Evidence for many connections, for platforms that make a few a second. It is no weaker: each connection is
 *  shown that its own challenge is under the signature. But each waits for the others. */
export interface BatchOptions {
  /** How long a batch waits for members, in ms, from the first on. Default: 100. */
  readonly window?: number
  /** How many members it has at most; with these it waits no longer. While the one before is being made, those who come
   *  when it is full are refused. Default: 256; at most 65536. */
  readonly members?: number
}

/** The options with every default filled in. */
export type FullBatchOptions = Required<BatchOptions>

/** What a member of a batch asks for. */
export interface BatchRequest {
  /** Media type of the Evidence. */
  readonly type: string
  readonly key: IdentityKey
  /** RD0 or RD, 64 bytes. */
  readonly reportData: Uint8Array
  /** How many bytes of a challenge the type has room for; 64 unless given. */
  readonly length: number | undefined
  readonly signal: AbortSignal
}

/** What a member of a batch gets. */
export interface BatchEvidence {
  readonly evidence: Cmw
  readonly path: BatchPath
}

/** How batches at one Attester are made. */
export interface BatchTerms {
  readonly options: FullBatchOptions
  readonly quotes: FullQuoteLimits
  readonly timer: (ms: number, fire: () => void) => () => void
}

/** The batches at one Attester, for all connections that have it made Evidence: one line for each type and key. */
export class Batches {
  static readonly #all = new WeakMap<Quotes, Batches>()
  readonly #turns: Quotes
  readonly #lines = new Map<string, Line>()

  private constructor(turns: Quotes) {
    this.#turns = turns
  }

  static of(turns: Quotes): Batches {
    let batches = Batches.#all.get(turns)
    if (!batches) {
      batches = new Batches(turns)
      Batches.#all.set(turns, batches)
    }
    return batches
  }

  /** How many members wait for a batch to be closed. */
  get waiting(): number {
    return [...this.#lines.values()].reduce((sum, { waiting }) => sum + waiting, 0)
  }

  /** Joins the next batch.
   *  @throws AttestationError if there is no room in it; the reason of the request's signal; what the Attester throws, as for
   *  all members of that batch and for no others */
  evidence(request: BatchRequest, terms: BatchTerms): Promise<BatchEvidence> {
    const { type, key, length } = request
    const id = `${hex(key.id)} ${length} ${type}`
    let line = this.#lines.get(id)
    if (!line) {
      line = new Line(this.#turns, { type, key, length }, () => this.#lines.delete(id))
      this.#lines.set(id, line)
    }
    return line.join(request, terms)
  }
}

/** Batches of one kind: one collects members while the one before is being made. */
class Line {
  readonly #turns: Quotes
  readonly #kind: Pick<BatchRequest, 'type' | 'key' | 'length'>
  readonly #onIdle: () => void
  #open: Batch | undefined
  #isBusy = false

  constructor(turns: Quotes, kind: Pick<BatchRequest, 'type' | 'key' | 'length'>, onIdle: () => void) {
    this.#turns = turns
    this.#kind = kind
    this.#onIdle = onIdle
  }

  get waiting(): number {
    return this.#open?.members.size ?? 0
  }

  async join({ reportData, signal }: BatchRequest, terms: BatchTerms): Promise<BatchEvidence> {
    signal.throwIfAborted()
    const batch = this.#open ?? this.#begin(terms)
    if (batch.members.size >= terms.options.members) {
      const sentence = `the Attester has too much to do: a batch of ${batch.members.size} waits for the one before`
      throw new AttestationError('ERR_ATTESTATION_ATTESTER_BUSY', 'internal_error', sentence)
    }
    return new Promise((resolve, reject) => {
      const member: Member = { reportData, resolve, reject, forget: () => signal.removeEventListener('abort', leave) }
      const leave = () => {
        batch.members.delete(member)
        reject(signal.reason)
        if (batch.members.size === 0) this.#abandon(batch, signal.reason)
      }
      signal.addEventListener('abort', leave, { once: true })
      batch.members.add(member)
      if (batch.members.size >= terms.options.members) this.#close(batch)
    })
  }

  #begin(terms: BatchTerms): Batch {
    const batch: Batch = {
      terms,
      members: new Set(),
      isDue: false,
      abort: new AbortController(),
      cancel: terms.timer(terms.options.window, () => this.#close(batch)),
    }
    this.#open = batch
    return batch
  }

  /** Nobody waits for it any more. */
  #abandon(batch: Batch, reason: unknown): void {
    batch.cancel()
    batch.abort.abort(reason)
    if (this.#open !== batch) return
    this.#open = undefined
    this.#rest()
  }

  #close(batch: Batch): void {
    batch.cancel()
    batch.isDue = true
    this.#goOn()
  }

  #goOn(): void {
    const batch = this.#open
    if (!batch?.isDue || this.#isBusy) return
    this.#open = undefined
    this.#isBusy = true
    this.#make(batch).finally(() => {
      this.#isBusy = false
      this.#goOn()
      this.#rest()
    })
  }

  #rest(): void {
    if (!this.#open && !this.#isBusy) this.#onIdle()
  }

  async #make(batch: Batch): Promise<void> {
    const members = [...batch.members]
    const tree = new BatchTree(members.map(({ reportData }) => reportData))
    const { type, key, length } = this.#kind
    const challenge = tree.challenge.subarray(0, length ?? tree.challenge.length)
    const { quotes } = batch.terms
    try {
      const evidence = await this.#turns.evidence({ type, challenge, key, signal: batch.abort.signal }, quotes)
      for (const [index, member] of members.entries()) member.resolve({ evidence, path: tree.path(index) })
    } catch (error) {
      for (const member of members) member.reject(error)
    } finally {
      for (const member of members) member.forget()
    }
  }
}

interface Batch {
  readonly terms: BatchTerms
  /** Those that still wait, in the order in which they came. */
  readonly members: Set<Member>
  /** Whether its time is up, or it is full. */
  isDue: boolean
  readonly abort: AbortController
  readonly cancel: () => void
}

interface Member {
  readonly reportData: Uint8Array
  readonly resolve: (evidence: BatchEvidence) => void
  readonly reject: (reason: unknown) => void
  readonly forget: () => void
}
