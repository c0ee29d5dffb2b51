import { hex, utf8 } from '../../bytes/index.js'
import { hash } from '../../crypto/index.js'
import {
  type EndorsementNeed,
  type EndorsementSource,
  type Endorsements,
  FixedEndorsements,
  type KdsItem,
  kdsEndorsementsOf,
  kdsPath,
  readKdsAnswer,
  type SnpEndorsements,
} from '../../evidence/index.js'
import { boundedBody } from './body.js'
import { CollateralCache, type CollateralStore } from './cache.js'

/** Where AMD's certificates are fetched, and by what. */
export interface KdsOptions {
  /** The global one, or one like it. */
  readonly fetch: (url: string, options: { readonly signal: AbortSignal }) => Promise<Response>
  /** Milliseconds since 1970: `Date.now`. */
  readonly now: () => number
  /** A signal that fires after so many ms: `AbortSignal.timeout`. */
  readonly timeout: (ms: number) => AbortSignal
  /** AMD's unless said; or a cache of one's own that answers like it. */
  readonly url?: string
  /** Keeps answers beyond the life of the process. */
  readonly store?: CollateralStore
  /** How long the service may take to answer, in ms; 10 000 unless said. */
  readonly requestTimeout?: number
  /** Is told of a service that does not answer well. */
  readonly warn?: (sentence: string) => void
}

/** Certificates and revocation lists for SEV-SNP from AMD's key distribution service (KDS), fetched when a report needs
 *  them and kept while they are good. A platform's own certificate is asked for where its host does not give it; the
 *  revocation list always, and without it nothing is appraised. AMD answers a few requests a minute: hosts that
 *  give certificates, a `store`, or a cache of one's own keep below that. */
export class KdsEndorsements implements EndorsementSource {
  /** Which service it is asks for nothing that AMD has not signed: it has no part in any verdict. */
  readonly digest = hex(hash('sha256', utf8('certificates of AMD’s')))
  readonly #cache: CollateralCache<KdsItem>
  readonly #endorsements: Endorsements & { readonly sevSnp: SnpEndorsements }

  constructor(options: KdsOptions) {
    const { now, timeout, store, requestTimeout, warn } = options
    this.#cache = new CollateralCache({
      load: (need, signal) => load(need, options, signal),
      read: readKdsAnswer,
      now,
      timeout,
      store,
      requestTimeout,
      warn,
    })
    this.#endorsements = {
      instanceKeys: new FixedEndorsements().instanceKeys,
      sevSnp: kdsEndorsementsOf(need => this.#cache.held(need)),
    }
  }

  /** What is held, and until when. */
  get status(): CollateralCache<KdsItem>['status'] {
    return this.#cache.status
  }

  gather(
    needs: readonly EndorsementNeed[],
    { at, signal }: { readonly at: number; readonly signal: AbortSignal },
  ): Endorsements | Promise<Endorsements> {
    const known = needs.filter(need => kdsPath(need) !== undefined)
    const waits = known.flatMap(need => this.#cache.prepare(need, at, signal) ?? [])
    if (waits.length === 0) return this.#endorsements
    return Promise.all(waits).then(() => this.#endorsements)
  }
}

async function load(need: EndorsementNeed, options: KdsOptions, signal: AbortSignal): Promise<Uint8Array> {
  const url = (options.url ?? AMD_KDS_URL).replace(/\/+$/, '') + (kdsPath(need) ?? '')
  const response = await options.fetch(url, { signal })
  if (!response.ok) throw new Error(`${url} answers ${response.status}`)
  return boundedBody(response, url)
}

const AMD_KDS_URL = 'https://kdsintf.amd.com'
