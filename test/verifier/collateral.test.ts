import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { describe, test } from 'node:test'
import { SimulatedIntelAttester } from '#src/attester/index.js'
import { concat, hex, utf8 } from '#src/bytes/index.js'
import { systemEntropy } from '#src/crypto/index.js'
import { type EndorsementNeed, FixedEndorsements, tdxPlatform } from '#src/evidence/index.js'
import {
  CollateralCache,
  type CollateralStore,
  combinedEndorsements,
  embeddedVerifier,
  PcsEndorsements,
  type PcsOptions,
  Policy,
} from '#src/verifier/index.js'
import { collateral, DAY, intel, measurements, NOON, platform } from '../support/intel.js'
import { appraise, failures, patient } from '../support/simulated.js'

const never = new AbortController().signal
const need: EndorsementNeed = { kind: 'thing', parameters: { name: 'a' } }

/** A service whose answers a test gives, and a clock that it sets. */
class Service {
  readonly asked: string[] = []
  readonly warnings: string[] = []
  now = NOON
  /** What the next requests get: good from and until, relative to noon in days. */
  answer: () => Promise<readonly [from: number, until: number]> = async () => [-1, 30]

  cache(
    options: { readonly store?: CollateralStore; readonly mostItems?: number; readonly mostRequests?: number } = {},
  ) {
    return new CollateralCache({
      load: async ({ parameters }) => {
        this.asked.push(parameters.name ?? '')
        return utf8(JSON.stringify(await this.answer()))
      },
      read: (_, answer) => {
        const [from, until] = JSON.parse(new TextDecoder().decode(answer))
        return { issuedAt: NOON + from * DAY, nextUpdate: NOON + until * DAY }
      },
      now: () => this.now,
      timeout: () => never,
      warn: sentence => this.warnings.push(sentence),
      ...options,
    })
  }

  /** Asks once more. */
  async ask(cache: ReturnType<Service['cache']>, wanted = need): Promise<void> {
    await cache.prepare(wanted, this.now, never)
  }
}

/** Lets what was begun beside the work come to its end. */
async function settle(): Promise<void> {
  await new Promise(resolve => setImmediate(resolve))
}

describe('a cache of collateral', () => {
  test('asks once, and has nothing to wait for afterwards', async () => {
    const service = new Service()
    const cache = service.cache()
    await service.ask(cache)
    assert.equal(cache.prepare(need, NOON, never), undefined)
    assert.equal(cache.held(need)?.nextUpdate, NOON + 30 * DAY)
    assert.deepEqual(service.asked, ['a'])
  })

  test('makes one request for all who wait for one thing', async () => {
    const service = new Service()
    const cache = service.cache()
    await Promise.all(Array.from({ length: 20 }, () => service.ask(cache)))
    assert.deepEqual(service.asked, ['a'])
  })

  test('lets one go who does not want to wait, and the others wait on', async () => {
    const service = new Service()
    let give: (dates: readonly [number, number]) => void = () => undefined
    service.answer = () => new Promise(resolve => (give = resolve))
    const cache = service.cache()
    const impatient = new AbortController()
    const first = cache.prepare(need, NOON, impatient.signal)
    const second = cache.prepare(need, NOON, never)
    impatient.abort(new Error('too slow'))
    await assert.rejects(first ?? Promise.resolve(), /too slow/)
    give([-1, 30])
    await second
    assert.ok(cache.held(need))
  })

  test('listens once to a signal that many wait with, and no longer than they wait', async () => {
    const service = new Service()
    const cache = service.cache()
    const shared = new AbortController()
    const needs = Array.from({ length: 20 }, (_, index) => ({ kind: 'thing', parameters: { name: String(index) } }))
    const all = Promise.allSettled(needs.map(each => cache.prepare(each, NOON, shared.signal)))
    assert.equal(getEventListeners(shared.signal, 'abort').length, 1)
    await all
    assert.equal(getEventListeners(shared.signal, 'abort').length, 0)
    service.answer = () => new Promise(() => undefined)
    const more = needs.map(({ kind, parameters }) => ({ kind, parameters: { name: `more ${parameters.name}` } }))
    const left = Promise.allSettled(more.map(each => cache.prepare(each, NOON, shared.signal)))
    shared.abort(new Error('the process ends'))
    assert.deepEqual(new Set((await left).map(({ status }) => status)), new Set(['rejected']))
  })

  test('uses an item until it ends, and asks anew then', async () => {
    const service = new Service()
    const cache = service.cache()
    await service.ask(cache)
    service.now = NOON + 31 * DAY
    service.answer = async () => [30, 60]
    await service.ask(cache)
    assert.equal(cache.held(need)?.nextUpdate, NOON + 60 * DAY)
  })

  test('looks for a newer one beside the work in the last quarter', async () => {
    const service = new Service()
    const cache = service.cache()
    await service.ask(cache)
    service.now = NOON + 25 * DAY
    service.answer = async () => [24, 54]
    assert.equal(cache.prepare(need, service.now, never), undefined)
    await settle()
    assert.equal(cache.held(need)?.nextUpdate, NOON + 54 * DAY)
  })

  test('does not ask with every connection where there is nothing newer yet', async () => {
    const service = new Service()
    const cache = service.cache()
    await service.ask(cache)
    service.now = NOON + 25 * DAY
    for (let i = 0; i < 5; i++) {
      cache.prepare(need, service.now, never)
      await settle()
    }
    assert.equal(service.asked.length, 2)
    service.now += 3_600_001
    cache.prepare(need, service.now, never)
    await settle()
    assert.equal(service.asked.length, 3)
  })

  test('leaves a service that fails alone, for longer every time, and says so', async () => {
    const service = new Service()
    service.answer = () => Promise.reject(new Error('down'))
    const cache = service.cache()
    const failedAt: number[] = []
    for (let second = 0; second < 20; second++) {
      service.now = NOON + second * 1000
      const before = service.asked.length
      await service.ask(cache)
      if (service.asked.length > before) failedAt.push(second)
    }
    assert.deepEqual(failedAt, [0, 1, 3, 7, 15])
    assert.match(service.warnings[0] ?? '', /thing name=a was not to be had: down/)
  })

  test('keeps what it holds while the service fails, and says how long that lasts', async () => {
    const service = new Service()
    const cache = service.cache()
    await service.ask(cache)
    service.now = NOON + 25 * DAY
    service.answer = () => Promise.reject(new Error('down'))
    assert.equal(cache.prepare(need, service.now, never), undefined)
    await settle()
    assert.ok(cache.held(need))
    assert.match(service.warnings[0] ?? '', /is good until 2026-07-01/)
  })

  test('does not take an older item for a newer one', async () => {
    const service = new Service()
    const cache = service.cache()
    await service.ask(cache)
    service.now = NOON + 25 * DAY
    service.answer = async () => [-2, 29]
    cache.prepare(need, service.now, never)
    await settle()
    assert.equal(cache.held(need)?.nextUpdate, NOON + 30 * DAY)
  })

  test('does not hammer a service whose answers are too old', async () => {
    const service = new Service()
    service.answer = async () => [-30, -1]
    const cache = service.cache()
    await service.ask(cache)
    await service.ask(cache)
    assert.equal(service.asked.length, 1)
  })

  test('holds no more than it was told to, and makes no more requests at a time', async () => {
    const service = new Service()
    const cache = service.cache({ mostItems: 3, mostRequests: 2 })
    const needs = Array.from({ length: 10 }, (_, i) => ({ kind: 'thing', parameters: { name: String(i) } }))
    await Promise.all(needs.map(one => service.ask(cache, one)))
    assert.equal(service.asked.length, 2)
    for (const one of needs) await service.ask(cache, one)
    assert.equal(cache.status.length, 3)
  })

  test('starts with what was stored, if that is good', async () => {
    const stored = new Map<string, Uint8Array>()
    const store: CollateralStore = {
      read: async name => stored.get(name),
      write: async (name, bytes) => void stored.set(name, bytes),
    }
    const first = new Service()
    await first.ask(first.cache({ store }))
    const second = new Service()
    const cache = second.cache({ store })
    await second.ask(cache)
    assert.ok(cache.held(need))
    assert.deepEqual(second.asked, [])
    const third = new Service()
    stored.set('thing name=a', utf8('garbage'))
    await third.ask(third.cache({ store }))
    assert.deepEqual(third.asked, ['a'])
    assert.match(third.warnings[0] ?? '', /cannot be read where it was stored/)
  })
})

/** A PCS in a function: its answers by path, as Intel's gives them. */
function fakePcs(changes: Readonly<Record<string, Response>> = {}) {
  const asked: string[] = []
  const chain = (pem: unknown) => encodeURIComponent(String(pem))
  const answers: Readonly<Record<string, () => Response>> = {
    'https://pcs.test/tdx/certification/v4/tcb?fmspc=53494D554C41': () =>
      new Response(collateral.tdx.tcbInfo, {
        headers: { 'TCB-Info-Issuer-Chain': chain(collateral.tdx.tcbInfoIssuerChain) },
      }),
    'https://pcs.test/tdx/certification/v4/qe/identity': () =>
      new Response(collateral.tdx.qeIdentity, {
        headers: { 'SGX-Enclave-Identity-Issuer-Chain': chain(collateral.tdx.qeIdentityIssuerChain) },
      }),
    'https://pcs.test/sgx/certification/v4/pckcrl?ca=platform&encoding=der': () => new Response(collateral.tdx.pckCrl),
    // As a PCCS answers.
    'https://pcs.test/root.crl': () => new Response(hex(collateral.tdx.rootCrl)),
  }
  const fetch: PcsOptions['fetch'] = async url => {
    asked.push(url)
    return changes[url]?.clone() ?? answers[url]?.() ?? new Response('no such thing', { status: 404 })
  }
  return { fetch, asked }
}

function pcsWith(fetch: PcsOptions['fetch'], warnings: string[] = []): PcsEndorsements {
  return new PcsEndorsements({
    fetch,
    now: () => NOON,
    timeout: () => never,
    url: 'https://pcs.test/',
    rootCrlUrl: 'https://pcs.test/root.crl',
    warn: sentence => warnings.push(sentence),
  })
}

const needs = tdxPlatform.needs?.(tdxPlatform.decode(platform.tdxQuote(measurements))) ?? []

describe('collateral from a PCS', () => {
  const attester = new SimulatedIntelAttester(platform, { tee: 'tdx', report: measurements })
  const verifierWith = (endorsements: PcsEndorsements) =>
    embeddedVerifier({
      policy: Policy.from({ version: 1, platforms: [{ kind: 'tdx', dangerouslyAcceptAnyMeasurement: true }] }),
      now: () => NOON,
      entropy: systemEntropy,
      roots: { tdx: [intel.rootPem] },
      endorsements,
      dangerouslyTrustSimulatedPlatforms: true,
      warn: () => undefined,
    })

  test('is fetched for the first quote, and at hand for the next', async () => {
    const { fetch, asked } = fakePcs()
    const source = pcsWith(fetch)
    const verifier = verifierWith(source)
    assert.deepEqual(failures(await appraise({ attester, verifier })), [])
    assert.deepEqual(failures(await appraise({ attester, verifier })), [])
    assert.equal(asked.length, 4)
    assert.ok(!(source.gather(needs, { at: NOON, signal: patient }) instanceof Promise))
    assert.equal(source.status.length, 4)
  })

  const broken: readonly (readonly [string, Readonly<Record<string, Response>>, RegExp])[] = [
    [
      'no TCB info for the platform',
      { 'https://pcs.test/tdx/certification/v4/tcb?fmspc=53494D554C41': new Response('', { status: 404 }) },
      /answers 404/,
    ],
    [
      'no issuer chain',
      { 'https://pcs.test/tdx/certification/v4/tcb?fmspc=53494D554C41': new Response(collateral.tdx.tcbInfo) },
      /no issuer chain/,
    ],
    ['a CRL that is none', { 'https://pcs.test/root.crl': new Response('<html>') }, /neither in DER nor in hex/],
    [
      'more than anybody needs',
      { 'https://pcs.test/root.crl': new Response(new Uint8Array((8 << 20) + 1)) },
      /more than 8388608 bytes/,
    ],
  ]
  for (const [what, changes, warning] of broken) {
    test(`that answers with ${what} leaves the quote unappraised`, async () => {
      const warnings: string[] = []
      const result = await appraise({ attester, verifier: verifierWith(pcsWith(fakePcs(changes).fetch, warnings)) })
      assert.deepEqual([result.status, result.problemCode], ['none', 'ERR_ENDORSEMENT_MISSING'])
      assert.match(warnings.join(), warning)
    })
  }

  test('is not asked for what no quote could need', async () => {
    const { fetch, asked } = fakePcs()
    const strange: readonly EndorsementNeed[] = [
      { kind: 'dcap-tcb-info', parameters: { tee: 'tdx', fmspc: '../../secret' } },
      { kind: 'dcap-pck-crl', parameters: { ca: 'other' } },
      { kind: 'something-else', parameters: {} },
    ]
    await pcsWith(fetch).gather(strange, { at: NOON, signal: patient })
    assert.deepEqual(asked, [])
  })

  test('goes together with other sources', async () => {
    const keys = new FixedEndorsements()
    const both = combinedEndorsements([keys, pcsWith(fakePcs().fetch)])
    const endorsements = await both.gather(needs, { at: NOON, signal: patient })
    assert.ok(endorsements.dcap?.tcbInfo('tdx', '53494d554c41'))
    assert.equal(endorsements.instanceKeys.keyOf('psa', concat(new Uint8Array(33))), undefined)
    assert.equal(combinedEndorsements([keys]).gather([], { at: NOON, signal: patient }) instanceof Promise, false)
  })
})
