import { concat, hex, utf8 } from '../../bytes/index.js'
import { hash } from '../../crypto/index.js'
import {
  type DcapEndorsements,
  type DcapItem,
  dcapEndorsementsOf,
  type EndorsementNeed,
  type EndorsementSource,
  type Endorsements,
  FixedEndorsements,
  INTEL_ROOT_CRL_URL,
  type InstanceKeys,
  pcsRequest,
  readPcsAnswer,
} from '../../evidence/index.js'
import { boundedBody } from './body.js'
import { CollateralCache, type CollateralStore } from './cache.js'

/** Where Intel's collateral is fetched, and by what. */
export interface PcsOptions {
  /** The global one, or one like it. */
  readonly fetch: (url: string, options: { readonly signal: AbortSignal }) => Promise<Response>
  /** Milliseconds since 1970: `Date.now`. */
  readonly now: () => number
  /** A signal that fires after so many ms: `AbortSignal.timeout`. */
  readonly timeout: (ms: number) => AbortSignal
  /** Intel's PCS unless said; or a PCCS, such as `https://localhost:8081`. */
  readonly url?: string
  /** Intel's unless said; a PCCS has it at `/sgx/certification/v4/rootcacrl`. */
  readonly rootCrlUrl?: string
  /** Keeps answers beyond the life of the process. */
  readonly store?: CollateralStore
  /** How long the service may take to answer, in ms; 10 000 unless said. */
  readonly requestTimeout?: number
  /** Is told of a service that does not answer well. */
  readonly warn?: (sentence: string) => void
}

/** Collateral for SGX and TDX from Intel's PCS or a PCCS, fetched when a quote needs it and kept while it is good. Such
 *  sources are the only part of a Verifier that touches the network. */
export class PcsEndorsements implements EndorsementSource {
  /** Which service it is asks for nothing that Intel has not signed: it has no part in any verdict. */
  readonly digest = hex(hash('sha256', utf8('collateral of Intel’s')))
  readonly #cache: CollateralCache<DcapItem>
  readonly #endorsements: Endorsements & { readonly dcap: DcapEndorsements }

  constructor(options: PcsOptions) {
    const { now, timeout, store, requestTimeout, warn } = options
    this.#cache = new CollateralCache({
      load: (need, signal) => load(need, options, signal),
      read: (need, answer) => readPcsAnswer(need, decodeAnswer(answer)),
      now,
      timeout,
      store,
      requestTimeout,
      warn,
    })
    this.#endorsements = {
      instanceKeys: NO_KEYS,
      dcap: dcapEndorsementsOf(need => this.#cache.held(need)),
    }
  }

  /** What is held, and until when. */
  get status(): CollateralCache<DcapItem>['status'] {
    return this.#cache.status
  }

  gather(
    needs: readonly EndorsementNeed[],
    { at, signal }: { readonly at: number; readonly signal: AbortSignal },
  ): Endorsements | Promise<Endorsements> {
    const waits = needs.filter(isKnown).flatMap(need => this.#cache.prepare(need, at, signal) ?? [])
    if (waits.length === 0) return this.#endorsements
    return Promise.all(waits).then(() => this.#endorsements)
  }
}

const NO_KEYS: InstanceKeys = new FixedEndorsements().instanceKeys

function isKnown(need: EndorsementNeed): boolean {
  return need.kind === 'dcap-root-crl' || pcsRequest(need) !== undefined
}

async function load(need: EndorsementNeed, options: PcsOptions, signal: AbortSignal): Promise<Uint8Array> {
  const request = pcsRequest(need)
  const base = (options.url ?? INTEL_PCS_URL).replace(/\/+$/, '')
  const url = request ? base + request.path : (options.rootCrlUrl ?? INTEL_ROOT_CRL_URL)
  const response = await options.fetch(url, { signal })
  if (!response.ok) throw new Error(`${url} answers ${response.status}`)
  const chain = request?.issuerChainHeaders.map(name => response.headers.get(name)).find(value => value !== null)
  return encodeAnswer(await boundedBody(response, url), chain ?? undefined)
}

const INTEL_PCS_URL = 'https://api.trustedservices.intel.com'

/** An answer as it is stored: its header in a first line, then its body. */
function encodeAnswer(body: Uint8Array, issuerChain: string | undefined): Uint8Array {
  return concat(utf8(`${issuerChain ?? ''}\n`), body)
}

function decodeAnswer(answer: Uint8Array): { readonly body: Uint8Array; readonly issuerChain: string | undefined } {
  const end = answer.indexOf(LINE_FEED)
  if (end < 0) throw new Error('the answer that was stored has no first line')
  const header = new TextDecoder().decode(answer.subarray(0, end))
  return { body: answer.subarray(end + 1), issuerChain: header === '' ? undefined : header }
}

const LINE_FEED = 0x0a

/** Several sources as one: of each kind of collateral the first that has it. */
export function combinedEndorsements(sources: readonly EndorsementSource[]): EndorsementSource {
  return {
    digest: hex(hash('sha256', utf8(sources.map(({ digest }) => digest).join()))),
    gather(needs, options) {
      const gathered = sources.map(source => source.gather(needs, options))
      const ready = gathered.filter((one): one is Endorsements => !(one instanceof Promise))
      return ready.length === gathered.length ? merged(ready) : Promise.all(gathered).then(merged)
    },
  }
}

function merged(all: readonly Endorsements[]): Endorsements {
  const found = new Map<string, unknown>()
  for (const [name, value] of all.flatMap(one => Object.entries(one))) {
    if (value !== undefined && !found.has(name)) found.set(name, value)
  }
  const instanceKeys: InstanceKeys = {
    keyOf(kind, id) {
      for (const one of all) {
        const key = one.instanceKeys.keyOf(kind, id)
        if (key) return key
      }
      return undefined
    },
    secretOf(kind, id) {
      for (const one of all) {
        const secret = one.instanceKeys.secretOf?.(kind, id)
        if (secret) return secret
      }
      return undefined
    },
  }
  // Each member is one of Endorsements, of its type.
  return { ...(Object.fromEntries(found) as Partial<Endorsements>), instanceKeys }
}
