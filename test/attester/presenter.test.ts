import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { presenter } from '#src/attester/index.js'
import { utf8 } from '#src/bytes/index.js'
import type { Verifier } from '#src/rats/index.js'
import { attesterOf, identityOf, NOON, newKey, patient, someKey, verifierOf } from '../support/simulated.js'

const identity = utf8('issuer')

/** A Verifier that issues, its clock, and how often it was asked. */
function issuer(options: Parameters<typeof verifierOf>[0] = {}) {
  const clock = { now: NOON }
  const inner = verifierOf({ signingKey: newKey(), identity, now: () => clock.now, ...options })
  const seen = { sessions: 0, signal: patient }
  const verifier: Verifier = {
    identity: inner.identity,
    evidenceTypes: inner.evidenceTypes,
    policyDigest: inner.policyDigest,
    challengeLength: type => inner.challengeLength(type),
    checkResults: submission => inner.checkResults(submission),
    newSession: options => {
      seen.sessions++
      seen.signal = options.signal
      return inner.newSession(options)
    },
  }
  return { clock, seen, verifier }
}

describe('a presenter', () => {
  test('presents results that the Verifier accepts for the key', async () => {
    const { verifier, clock } = issuer()
    const own = presenter({ attester: attesterOf(), verifiers: [verifier], now: () => clock.now })
    assert.deepEqual(own.verifiers, [identity])
    const message = await own.results({ verifier: identity, key: someKey, signal: patient })
    const result = await verifier.checkResults({ message, verifier: identity, key: someKey, signal: patient })
    assert.equal(result.isAccepted, true)
  })

  test('asks once for however many connections, and keeps the result while it is fresh', async () => {
    const { verifier, clock, seen } = issuer()
    const own = presenter({ attester: attesterOf(), verifiers: [verifier], now: () => clock.now })
    const request = { verifier: identity, key: someKey, signal: patient }
    const all = await Promise.all(Array.from({ length: 10 }, () => own.results(request)))
    clock.now += 2_000_000
    all.push(await own.results(request))
    assert.equal(new Set(all).size, 1)
    assert.equal(seen.sessions, 1)
  })

  test('asks for every key of its own', async () => {
    const { verifier, clock, seen } = issuer()
    const own = presenter({ attester: attesterOf(), verifiers: [verifier], now: () => clock.now })
    for (const key of [someKey, identityOf(newKey())]) await own.results({ verifier: identity, key, signal: patient })
    assert.equal(seen.sessions, 2)
  })

  test('fetches the next result before the last one ends, without making anybody wait', async () => {
    const { verifier, clock, seen } = issuer()
    const own = presenter({ attester: attesterOf(), verifiers: [verifier], now: () => clock.now })
    const request = { verifier: identity, key: someKey, signal: patient }
    const first = await own.results(request)
    // A result lives an hour; in the last fifth of it the next is fetched.
    clock.now = NOON + 3_000_000
    assert.equal(await own.results(request), first)
    assert.equal(seen.sessions, 2)
    await settled(async () => (await own.results(request)) !== first)
    assert.equal(seen.sessions, 2)
  })

  test('goes on with the last result while the Verifier cannot be reached, and no longer', async () => {
    const { verifier, clock } = issuer()
    let isReachable = true
    const unreliable: Verifier = {
      ...verifier,
      newSession: options => (isReachable ? verifier.newSession(options) : Promise.reject(new Error('no route'))),
    }
    const own = presenter({ attester: attesterOf(), verifiers: [unreliable], now: () => clock.now })
    const request = { verifier: identity, key: someKey, signal: patient }
    const first = await own.results(request)
    isReachable = false
    clock.now = NOON + 3_500_000
    assert.equal(await own.results(request), first)
    clock.now = NOON + 3_600_000
    await assert.rejects(own.results(request), /no route/)
    isReachable = true
    assert.notEqual(await own.results(request), first)
  })

  test('keeps a result no longer than it was told to', async () => {
    const { verifier, clock, seen } = issuer()
    const attester = attesterOf()
    const own = presenter({ attester, verifiers: [verifier], now: () => clock.now, maxAgeSeconds: 10 })
    const request = { verifier: identity, key: someKey, signal: patient }
    await own.results(request)
    clock.now += 10_000
    await own.results(request)
    assert.equal(seen.sessions, 2)
  })

  test('lets one go without calling off what others wait for, and calls it off when all have gone', async () => {
    const reason = new Error('the connection is over')
    const opened = deferred<void>()
    let fired: unknown
    const { verifier } = issuer()
    const slow: Verifier = {
      ...verifier,
      newSession: ({ signal }) =>
        new Promise((_, reject) => {
          signal.addEventListener('abort', () => {
            fired = signal.reason
            reject(signal.reason)
          })
          opened.resolve()
        }),
    }
    const own = presenter({ attester: attesterOf(), verifiers: [slow], now: () => NOON })
    const [a, b] = [new AbortController(), new AbortController()]
    const first = own.results({ verifier: identity, key: someKey, signal: a.signal })
    const second = own.results({ verifier: identity, key: someKey, signal: b.signal })
    await opened.promise
    a.abort(reason)
    await assert.rejects(first, reason)
    assert.equal(fired, undefined)
    b.abort(reason)
    await assert.rejects(second, reason)
    assert.equal(fired, reason)
  })

  test('does not join what has just been called off', async () => {
    const { verifier, seen } = issuer()
    const own = presenter({ attester: attesterOf(), verifiers: [verifier], now: () => NOON })
    const controller = new AbortController()
    const first = own.results({ verifier: identity, key: someKey, signal: controller.signal })
    controller.abort(new Error('over'))
    const second = own.results({ verifier: identity, key: someKey, signal: patient })
    await assert.rejects(first, /over/)
    await second
    assert.equal(seen.sessions, 2)
  })

  test('says what is at hand: what was fetched before anybody asked, while it is fresh', async () => {
    const { verifier, clock, seen } = issuer()
    const own = presenter({ attester: attesterOf(), verifiers: [verifier], now: () => clock.now })
    assert.equal(own.isAtHand(identity), false)
    assert.equal(seen.sessions, 0)
    await own.prefetch(someKey)
    assert.equal(seen.sessions, 1)
    assert.equal(own.isAtHand(identity), true)
    assert.equal(own.isAtHand(identity, someKey), true)
    assert.equal(own.isAtHand(utf8('other')), false)
    await own.results({ verifier: identity, key: someKey, signal: patient })
    assert.equal(seen.sessions, 1)
  })

  test('fetches what is not at hand for the next who asks', async () => {
    const { verifier, clock, seen } = issuer()
    const own = presenter({ attester: attesterOf(), verifiers: [verifier], now: () => clock.now })
    assert.equal(own.isAtHand(identity, someKey), false)
    await settled(async () => own.isAtHand(identity, someKey))
    assert.equal(seen.sessions, 1)
    clock.now += 3_600_000
    assert.equal(own.isAtHand(identity, someKey), false)
    await settled(async () => own.isAtHand(identity, someKey))
    assert.equal(seen.sessions, 2)
  })

  test('does not try again at once what failed while nobody waited', async () => {
    const { verifier, clock } = issuer()
    let attempts = 0
    const unreachable: Verifier = {
      ...verifier,
      newSession: () => {
        attempts++
        return Promise.reject(new Error('no route'))
      },
    }
    const own = presenter({ attester: attesterOf(), verifiers: [unreachable], now: () => clock.now })
    const ask = async () => {
      for (let turn = 0; turn < 10; turn++) {
        assert.equal(own.isAtHand(identity, someKey), false)
        await new Promise(resolve => setImmediate(resolve))
      }
    }
    await ask()
    assert.equal(attempts, 1)
    clock.now += 10_000
    await ask()
    assert.equal(attempts, 2)
    await assert.rejects(own.results({ verifier: identity, key: someKey, signal: patient }), /no route/)
    assert.equal(attempts, 3)
  })

  test('says what stands in the way of fetching results before anybody asks', async () => {
    const { verifier } = issuer()
    const own = presenter({ attester: attesterOf({ isDebuggable: true }), verifiers: [verifier], now: () => NOON })
    await assert.rejects(own.prefetch(someKey), { code: 'ERR_RESULT_REFUSED' })
    assert.equal(own.isAtHand(identity), false)
    const signal = AbortSignal.abort(new Error('over'))
    await assert.rejects(own.prefetch(someKey, { signal }), /over/)
  })

  test('has nothing to present when its Evidence is refused, and says why', async () => {
    const { verifier } = issuer()
    const own = presenter({ attester: attesterOf({ isDebuggable: true }), verifiers: [verifier], now: () => NOON })
    await assert.rejects(own.results({ verifier: identity, key: someKey, signal: patient }), {
      code: 'ERR_RESULT_REFUSED',
      message: /debug is debug on, but should be debug off/,
    })
  })

  test('has nothing to present when the Verifier issues nothing, or could not appraise', async () => {
    const silent = verifierOf({ identity })
    const failing = verifierOf({
      identity,
      endorsements: { digest: '', gather: () => Promise.reject(new Error('down')) },
    })
    const picky = { ...issuer().verifier, evidenceTypes: ['application/x-other'] }
    for (const verifier of [silent, failing, picky]) {
      const own = presenter({ attester: attesterOf(), verifiers: [verifier], now: () => NOON })
      await assert.rejects(own.results({ verifier: identity, key: someKey, signal: patient }), {
        code: 'ERR_RESULT_UNAVAILABLE',
      })
    }
  })

  test('presents results of its own Verifiers only, and has at least one', async () => {
    const { verifier } = issuer()
    const own = presenter({ attester: attesterOf(), verifiers: [verifier], now: () => NOON })
    await assert.rejects(own.results({ verifier: utf8('other'), key: someKey, signal: patient }), RangeError)
    assert.throws(() => presenter({ attester: attesterOf(), verifiers: [], now: () => NOON }), RangeError)
    assert.throws(
      () => presenter({ attester: attesterOf(), verifiers: [verifier, verifier], now: () => NOON }),
      RangeError,
    )
  })
})

/** Waits for what other promises bring about, turn by turn. */
async function settled(isSo: () => Promise<boolean>): Promise<void> {
  for (let turn = 0; turn < 1000; turn++) {
    if (await isSo()) return
    await new Promise(resolve => setImmediate(resolve))
  }
  assert.fail('it never came about')
}

function deferred<T>() {
  let resolve: (value: T) => void = () => undefined
  const promise = new Promise<T>(settle => {
    resolve = settle
  })
  return { promise, resolve }
}
