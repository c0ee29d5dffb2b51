import type { EndorsementNeed, EndorsementSource, Endorsements } from '../../evidence/index.js'
import { CollateralCache, type CollateralStore, type DatedItem } from './cache.js'

/** What the source of a vendor's collateral takes from the world, whoever the vendor is. */
export interface ServiceOptions {
  /** The global one, or one like it. */
  readonly fetch: (url: string, options: { readonly signal: AbortSignal }) => Promise<Response>
  /** Milliseconds since 1970: `Date.now`. */
  readonly now: () => number
  /** A signal that fires after so many ms: `AbortSignal.timeout`. */
  readonly timeout: (ms: number) => AbortSignal
  /** Keeps answers beyond the life of the process. */
  readonly store?: CollateralStore
  /** How long the service may take to answer, in ms; 10 000 unless said. */
  readonly requestTimeout?: number
  /** Is told of a service that does not answer well. */
  readonly warn?: (sentence: string) => void
}

/** What tells one vendor's service from another's. */
export interface Service<Item extends DatedItem> {
  readonly digest: string
  /** Whether it has something of that kind. */
  knows(need: EndorsementNeed): boolean
  /** @returns the answer, in a form that `read` reads and that can be stored */
  load(need: EndorsementNeed, signal: AbortSignal): Promise<Uint8Array>
  /** @throws Error if that is no answer to the need */
  read(need: EndorsementNeed, answer: Uint8Array): Item
  /** The Endorsements, out of what is held at the moment. */
  endorsementsOf(held: (need: EndorsementNeed) => Item | undefined): Endorsements
}

/** Endorsements that a service gives, fetched when Evidence needs them and kept while they are good. */
export class ServiceEndorsements<Item extends DatedItem> implements EndorsementSource {
  readonly digest: string
  readonly #service: Service<Item>
  readonly #cache: CollateralCache<Item>
  readonly #endorsements: Endorsements

  constructor({ now, timeout, store, requestTimeout, warn }: ServiceOptions, service: Service<Item>) {
    this.digest = service.digest
    this.#service = service
    this.#cache = new CollateralCache({
      load: (need, signal) => service.load(need, signal),
      read: (need, answer) => service.read(need, answer),
      now,
      timeout,
      store,
      requestTimeout,
      warn,
    })
    this.#endorsements = service.endorsementsOf(need => this.#cache.held(need))
  }

  /** What is held, and until when. */
  get status(): CollateralCache<Item>['status'] {
    return this.#cache.status
  }

  gather(
    needs: readonly EndorsementNeed[],
    { at, signal }: { readonly at: number; readonly signal: AbortSignal },
  ): Endorsements | Promise<Endorsements> {
    const known = needs.filter(need => this.#service.knows(need))
    const waits = known.flatMap(need => this.#cache.prepare(need, at, signal) ?? [])
    if (waits.length === 0) return this.#endorsements
    return Promise.all(waits).then(() => this.#endorsements)
  }
}

/** Asks a service. @throws Error unless it answers well */
export async function answerTo(url: string, { fetch }: ServiceOptions, signal: AbortSignal): Promise<Response> {
  const response = await fetch(url, { signal })
  if (!response.ok) throw new Error(`${url} answers ${response.status}`)
  return response
}
