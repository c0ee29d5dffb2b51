import { hex } from '../bytes/index.js'
import { hash } from '../crypto/index.js'
import type { Attester, Cmw, IdentityKey, Presenter, Verifier } from '../rats/index.js'
import { sameMediaType } from '../rats/index.js'
import { type CachedResult, ResultCache } from './result-cache.js'

/** What a presenter gets its Attestation Results with. */
export interface PresenterOptions {
  readonly attester: Attester
  /** The Verifiers that issue results, in order of preference: each a service behind the interface, or an embedded one
   *  that was given a key to sign with. */
  readonly verifiers: readonly Verifier[]
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** How old a result may be when it is presented, in seconds, even if it says that it holds longer; as long as it says
   *  unless given. */
  readonly maxAgeSeconds?: number
}

/** No Attestation Result is to be had that is worth presenting. */
export class NoResultError extends Error {
  /** ERR_RESULT_REFUSED: the Verifier appraised the Evidence and does not like it.
   *  ERR_RESULT_UNAVAILABLE: it could not be appraised, or the Verifier issues no results. */
  readonly code: 'ERR_RESULT_REFUSED' | 'ERR_RESULT_UNAVAILABLE'

  constructor(code: NoResultError['code'], sentence: string) {
    super(sentence)
    this.name = 'NoResultError'
    this.code = code
  }
}

/** A presenter that results can be had from before anybody asks for them. */
export interface FetchingPresenter extends Presenter {
  /** Whether results of that Verifier are at hand. Without a key, those about the key are meant that was last asked or
   *  fetched for. What is not at hand is fetched for the next who asks. */
  isAtHand(verifier: Uint8Array, key?: IdentityKey): boolean
  /** Fetches results about a key from every Verifier, so that they are at hand when the first peer asks. Who serves calls
   *  it before it listens: until results are at hand, a server that can produce Evidence too answers with that.
   *  @throws NoResultError if a Verifier gives none; whatever stands in the way of asking it; the signal's reason */
  prefetch(key: Pick<IdentityKey, 'spki'>, options?: { readonly signal?: AbortSignal }): Promise<void>
}

/** A presenter of the passport model (RFC 9334 §5.1): has Evidence about a key appraised by a Verifier, keeps the result
 *  while it is fresh, and fetches the next one before that ends. However many connections ask, one request is made.
 *  @throws RangeError if there is no Verifier, or two have the same identity */
export function presenter(options: PresenterOptions): FetchingPresenter {
  const { attester, verifiers, now, maxAgeSeconds = Number.POSITIVE_INFINITY } = options
  const byIdentity = new Map(verifiers.map(verifier => [hex(verifier.identity), verifier]))
  if (byIdentity.size === 0 || byIdentity.size < verifiers.length) {
    throw new RangeError('a presenter has at least one Verifier, each with an identity of its own')
  }
  const cache = new ResultCache(now)
  let lastKey: IdentityKey | undefined
  const nameOf = ({ identity }: Verifier, { id }: IdentityKey) => `${hex(identity)} ${hex(id)}`
  const fetching = (verifier: Verifier, key: IdentityKey) => (signal: AbortSignal) =>
    fetched({ attester, verifier, key, signal, maxAgeSeconds })
  const resultsOf = (verifier: Verifier, key: IdentityKey, signal: AbortSignal): Promise<Cmw> => {
    lastKey = key
    return cache.get(nameOf(verifier, key), signal, fetching(verifier, key))
  }
  return {
    verifiers: verifiers.map(({ identity }) => identity),
    isAtHand(identity, key = lastKey) {
      const verifier = byIdentity.get(hex(identity))
      return verifier && key ? cache.has(nameOf(verifier, key), fetching(verifier, key)) : false
    },
    results({ verifier: identity, key, signal }) {
      const verifier = byIdentity.get(hex(identity))
      if (!verifier) return Promise.reject(new RangeError('that Verifier is not one of the presenter’s'))
      return resultsOf(verifier, key, signal)
    },
    async prefetch({ spki }, { signal = new AbortController().signal } = {}) {
      const key = { spki, id: hash('sha256', spki) }
      await Promise.all(verifiers.map(verifier => resultsOf(verifier, key, signal)))
    },
  }
}

async function fetched(request: {
  readonly attester: Attester
  readonly verifier: Verifier
  readonly key: IdentityKey
  readonly signal: AbortSignal
  readonly maxAgeSeconds: number
}): Promise<CachedResult> {
  const { attester, verifier, key, signal, maxAgeSeconds } = request
  const session = await verifier.newSession({ signal })
  const type = attester.evidenceTypes.find(
    own =>
      verifier.evidenceTypes.some(known => sameMediaType(known, own)) &&
      (attester.speaksForKey?.(own) ?? true) &&
      (attester.challengeLength(own) ?? session.nonce.length) === session.nonce.length,
  )
  if (type === undefined) {
    throw new NoResultError(
      'ERR_RESULT_UNAVAILABLE',
      'the Verifier can appraise no type of Evidence that the attester can make for its nonce and a key',
    )
  }
  const message = await attester.evidence({ type, challenge: session.nonce, key, signal })
  const result = await session.appraise({ message, challenge: session.nonce, key, signal })
  if (result.problem !== undefined) {
    throw new NoResultError('ERR_RESULT_UNAVAILABLE', `the Verifier could not appraise our Evidence: ${result.problem}`)
  }
  if (!result.isAccepted) {
    const check = result.checks.find(({ passed }) => !passed)
    const why = check ? `${check.name} is ${check.actual}, but should be ${check.expected}` : `status ${result.status}`
    throw new NoResultError('ERR_RESULT_REFUSED', `the Verifier refuses our Evidence: ${why}`)
  }
  if (result.token === null) {
    throw new NoResultError(
      'ERR_RESULT_UNAVAILABLE',
      'the Verifier issues no signed results: it has no key to sign with',
    )
  }
  const end = Math.min(result.expiresAt ?? Number.POSITIVE_INFINITY, result.issuedAt + maxAgeSeconds)
  return { results: result.token satisfies Cmw, freshFrom: result.issuedAt * 1000, freshUntil: end * 1000 }
}
