import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { BatchTree, challengeByPath } from '#src/attestation/hardened/batch.js'
import { BATCH_COLLECTION, batchMessage, openEvidence } from '#src/attestation/hardened/batch-message.js'
import { type BatchEvidence, Batches, type BatchRequest } from '#src/attestation/hardened/batches.js'
import { AttestationError } from '#src/attestation/index.js'
import { Quotes } from '#src/attestation/quotes.js'
import { concat, utf8 } from '#src/bytes/index.js'
import { hash } from '#src/crypto/index.js'
import { type Attester, type Cmw, decodeCmw, type EvidenceRequest, encodeCmw } from '#src/rats/index.js'
import { alertOf } from '../../support/pair.js'
import { attesterOf, someKey } from '../../support/simulated.js'
import { alterProof, assertRefused } from '../hostile.js'
import { SlowAttester, turns } from '../slow-attester.js'
import { bareKeys, connect, ManualTimers, type Side, TEST_EVIDENCE } from '../support.js'
import { assertOpen, hardenedEnd, recordingAttester } from './support.js'

const rd = (i: number) => hash('sha512', utf8(`member ${i}`))
const evidence: Cmw = { kind: 'record', type: TEST_EVIDENCE, value: Uint8Array.of(1) }

function codeOf(error: unknown): string | undefined {
  return error instanceof AttestationError ? error.code : undefined
}

/** A line at an Attester that answers when it is told to. */
function line({ window = 100, members = 4 } = {}) {
  const attester = new SlowAttester()
  const { timer, ...timers } = new ManualTimers()
  const batches = Batches.of(Quotes.of(attester))
  const terms = { options: { window, members }, quotes: { concurrent: 8, waiting: 8 }, timer }
  const outcomes: unknown[] = []
  const join = (i: number, more: Partial<BatchRequest> = {}) => {
    const signal = new AbortController().signal
    const request = { type: TEST_EVIDENCE, key: someKey, reportData: rd(i), length: undefined, signal, ...more }
    const outcome = batches.evidence(request, terms)
    outcome.then(
      made => {
        outcomes[i] = made
      },
      error => {
        outcomes[i] = error
      },
    )
    return outcome
  }
  const fire = async () => {
    for (const [pass] of [...timers.pending]) {
      timers.pending.delete(pass)
      pass()
    }
    await turns()
  }
  return { attester, batches, timers, join, fire, outcomes }
}

/** Whether what a member got proves it to be one, under the challenge that was asked for. */
function assertMember(made: unknown, i: number, { challenge }: EvidenceRequest): void {
  assert.ok(made && typeof made === 'object' && 'path' in made, String(made))
  assert.deepEqual(challengeByPath(rd(i), (made as BatchEvidence).path), challenge)
}

describe('a batch', () => {
  test('is closed when its time is up, and each member gets its own way to the root', async () => {
    const { attester, timers, join, fire, outcomes, batches } = line()
    for (let i = 0; i < 3; i++) join(i)
    await turns()
    assert.deepEqual([...timers.pending.values()], [100])
    assert.equal(attester.pending.length, 0)
    assert.equal(batches.waiting, 3)
    await fire()
    const [quote] = attester.pending
    assert.equal(attester.pending.length, 1)
    assert.ok(quote)
    await quote.settle()
    for (let i = 0; i < 3; i++) assertMember(outcomes[i], i, quote.request)
    assert.equal(batches.waiting, 0)
  })

  test('is closed at once when it is full', async () => {
    const { attester, timers, join } = line({ members: 2 })
    join(0)
    join(1)
    await turns()
    assert.equal(attester.pending.length, 1)
    assert.equal(timers.pending.size, 0)
  })

  test('waits for the one before, and refuses those for whom there is no room', async () => {
    const { attester, join, outcomes } = line({ members: 2 })
    for (let i = 0; i < 5; i++) join(i)
    await turns()
    assert.equal(attester.pending.length, 1)
    assert.equal(codeOf(outcomes[4]), 'ERR_ATTESTATION_ATTESTER_BUSY')
    assert.deepEqual(Object.keys(outcomes), ['4'])
    await attester.pending[0]?.settle()
    assert.equal(attester.pending.length, 2)
    await attester.pending[1]?.settle()
    for (let i = 0; i < 4; i++) {
      const { request } = attester.pending[i < 2 ? 0 : 1] ?? {}
      assert.ok(request)
      assertMember(outcomes[i], i, request)
    }
  })

  test('that comes to nothing takes its members with it, and nobody else', async () => {
    const { attester, join, outcomes } = line({ members: 2 })
    for (let i = 0; i < 4; i++) join(i)
    await turns()
    const broken = new Error('the device has a hiccup')
    await attester.pending[0]?.settle(broken)
    assert.equal(outcomes[0], broken)
    assert.equal(outcomes[1], broken)
    await attester.pending[1]?.settle()
    for (const i of [2, 3]) assert.ok(!(outcomes[i] instanceof Error))
  })

  test('goes on without members that have left, and is not made for nobody', async () => {
    const { attester, timers, join, fire, outcomes, batches } = line()
    const leaving = new AbortController()
    join(0, { signal: leaving.signal })
    join(1)
    await turns()
    leaving.abort(new Error('gone'))
    await turns()
    assert.match(String(outcomes[0]), /gone/)
    await fire()
    const [quote] = attester.pending
    assert.ok(quote)
    await quote.settle()
    assertMember(outcomes[1], 1, quote.request)

    const alone = new AbortController()
    join(2, { signal: alone.signal })
    await turns()
    alone.abort(new Error('gone too'))
    await turns()
    assert.equal(timers.pending.size, 0)
    assert.equal(attester.pending.length, 1)
    assert.equal(batches.waiting, 0)
    await assert.rejects(join(3, { signal: alone.signal }), /gone too/)
  })

  test('tells the Attester when nobody waits any more', async () => {
    const { attester, join } = line({ members: 2 })
    const leaving = new AbortController()
    join(0, { signal: leaving.signal })
    join(1, { signal: leaving.signal })
    await turns()
    assert.equal(attester.pending[0]?.request.signal.aborted, false)
    leaving.abort(new Error('gone'))
    assert.equal(attester.pending[0]?.request.signal.aborted, true)
  })

  test('is of one type and one key', async () => {
    const { attester, join } = line({ members: 2 })
    join(0)
    join(1, { key: { ...someKey, id: new Uint8Array(32).fill(1) } })
    join(2, { type: 'application/other' })
    join(3, { length: 32 })
    await turns()
    assert.equal(attester.pending.length, 0)
    join(4, { length: 32 })
    await turns()
    assert.equal(attester.pending.length, 1)
    assert.equal(attester.pending[0]?.request.challenge.length, 32)
  })
})

describe('the message of a batch', () => {
  const tree = new BatchTree([rd(0), rd(1), rd(2)])
  const path = tree.path(1)
  const parts = (message: Cmw) => {
    assert.ok(message.kind === 'collection')
    return new Map(message.entries)
  }
  const pathBytes = (() => {
    const found = parts(batchMessage(evidence, path)).get('path')
    assert.ok(found?.kind === 'record')
    return found.value
  })()
  const withPath = (value: Uint8Array, more: object = {}) => {
    const entries = parts(batchMessage(evidence, path))
    entries.set('path', { kind: 'record', type: 'application/vnd.attested-tls.batch-path', value, ...more })
    return { kind: 'collection', type: BATCH_COLLECTION, entries } as const
  }

  test('says on the wire what the text says, and means the Evidence in it', () => {
    assert.equal(Buffer.from(pathBytes.subarray(0, 10)).toString('hex'), '00000003000000010080')
    assert.deepEqual(pathBytes.subarray(10), concat(...path.siblings))
    const message = decodeCmw(encodeCmw(batchMessage(evidence, path)))
    const opened = openEvidence(message, rd(1), undefined)
    assert.deepEqual(opened.evidence, evidence)
    assert.deepEqual(opened.challenge, tree.challenge)
    assert.deepEqual(openEvidence(message, rd(1), 32).challenge, tree.challenge.subarray(0, 32))
  })

  test('means another challenge to everybody else', () => {
    const message = batchMessage(evidence, path)
    for (const other of [rd(0), rd(2), new Uint8Array(64)]) {
      assert.notDeepEqual(openEvidence(message, other, undefined).challenge, tree.challenge)
    }
  })

  test('leaves Evidence be that is for one connection alone', () => {
    for (const message of [evidence, { kind: 'collection', entries: new Map([['evidence', evidence]]) } as const]) {
      assert.deepEqual(openEvidence(message, rd(1), 48), { evidence: message, challenge: rd(1).subarray(0, 48) })
    }
  })

  const changed = (at: number, byte: number) => pathBytes.with(at, byte)
  const wrong: readonly [name: string, message: Cmw][] = [
    ['an empty tree', withPath(changed(3, 0))],
    ['a tree of another shape', withPath(changed(3, 9))],
    ['a tree of more members than there are', withPath(changed(0, 1))],
    ['a member behind the last', withPath(changed(7, 3))],
    ['a member far behind the last', withPath(changed(4, 0xff))],
    [
      'a neighbour too many',
      withPath(concat(pathBytes.subarray(0, 8), Uint8Array.of(0, 192), pathBytes.subarray(10), rd(9))),
    ],
    [
      'a neighbour too few',
      withPath(concat(pathBytes.subarray(0, 8), Uint8Array.of(0, 64), pathBytes.subarray(10, 74))),
    ],
    ['half a neighbour', withPath(concat(pathBytes.subarray(0, 8), Uint8Array.of(0, 96), pathBytes.subarray(10, 106)))],
    ['bytes behind the path', withPath(concat(pathBytes, Uint8Array.of(0)))],
    ['a path that is cut', withPath(pathBytes.subarray(0, -1))],
    ['a path of another type', withPath(pathBytes, { type: 'application/octet-stream' })],
    ['a path that is no Evidence', withPath(pathBytes, { indicators: 8 })],
    ['a path that is a collection', batchMessage(evidence, path)],
  ]
  for (const [name, message] of wrong) {
    test(`is refused with ${name}`, () => {
      const entries = parts(message)
      if (name.endsWith('a collection')) entries.set('path', batchMessage(evidence, path))
      const hostile: Cmw = { kind: 'collection', type: BATCH_COLLECTION, entries }
      assert.throws(() => openEvidence(hostile, rd(1), undefined), {
        code: 'ERR_ATTESTATION_MALFORMED',
        alert: 42,
      })
    })
  }
  for (const label of ['evidence', 'path']) {
    test(`is refused without ${label}, and with a third part`, () => {
      const entries = parts(batchMessage(evidence, path))
      entries.set('more', evidence)
      const more: Cmw = { kind: 'collection', type: BATCH_COLLECTION, entries: new Map(entries) }
      entries.delete(label)
      const other: Cmw = { kind: 'collection', type: BATCH_COLLECTION, entries }
      for (const message of [more, other]) {
        assert.throws(() => openEvidence(message, rd(1), undefined), { code: 'ERR_ATTESTATION_MALFORMED' })
      }
    })
  }
})

describe('one piece of Evidence for many connections', () => {
  for (const side of ['server', 'client'] as const) {
    test(`is made once for the handshakes and once for what comes after them, where the ${side} attests`, async () => {
      const { attester, asked } = recordingAttester()
      const count = 7
      const ends = Array.from({ length: count }, () => {
        const end = (own: Side) =>
          hardenedEnd(own, side, own === side ? { attestation: { attester, batch: { members: count } } } : {})
        return connect(end('client'), end('server'))
      })
      const pairs = await Promise.all(ends)
      const peer = side === 'client' ? 'server' : 'client'
      for (const pair of pairs) {
        assertOpen(pair)
        assert.equal(pair[peer].status?.bindingLevel, 3)
      }
      assert.equal(asked.length, 2)
      // Each has seen the same Evidence with a path of its own.
      const digests = pairs.map(pair => Buffer.from(pair[peer].status?.evidenceDigest ?? []).toString('hex'))
      assert.equal(new Set(digests).size, count)
    })
  }

  test('in compound mode is made for either key', async () => {
    const { attester, asked } = recordingAttester()
    const pairs = await Promise.all(
      [1, 2, 3].map(() =>
        connect(
          hardenedEnd('client', 'server'),
          hardenedEnd('server', 'server', {
            attestation: { attester, identityKey: bareKeys.server, batch: { members: 3 } },
          }),
        ),
      ),
    )
    pairs.forEach(assertOpen)
    assert.equal(asked.length, 2)
    assert.notDeepEqual(asked[0]?.key.spki, asked[1]?.key.spki)
  })

  test('is not given to a peer that does not know of it', async () => {
    const { attester, asked } = recordingAttester()
    const old = hardenedEnd('client', 'server', {
      alterPlug: plug => ({
        ...plug,
        *offer(hs) {
          const offer = yield* plug.offer(hs)
          // hardened_attestation: a vector of versions, then the flags.
          const extensions = offer.extensions.map(value =>
            value.type === 0xffa1
              ? { ...value, data: value.data.map((byte, i) => (i === 2 ? byte & ~8 : byte)) }
              : value,
          )
          return { ...offer, extensions }
        },
      }),
    })
    const batches = Batches.of(Quotes.of(attester))
    const join = batches.evidence.bind(batches)
    let joined = 0
    batches.evidence = (request, terms) => {
      joined++
      return join(request, terms)
    }
    const server = hardenedEnd('server', 'server', { attestation: { attester, batch: { members: 1 } } })
    assertOpen(await connect(old, server))
    assert.deepEqual([asked.length, joined], [2, 0])
    assertOpen(await connect(hardenedEnd('client', 'server'), server))
    assert.deepEqual([asked.length, joined], [4, 2])
  })

  test('fails the connections that were to have it, and the next ones get on', async () => {
    const attester = attesterOf()
    const make = attester.evidence.bind(attester)
    let isBroken = true
    attester.evidence = request => (isBroken ? Promise.reject(new Error('no device')) : make(request))
    const server = hardenedEnd('server', 'server', { attestation: { attester, batch: { members: 2 } } })
    const two = () => Promise.all([1, 2].map(() => connect(hardenedEnd('client', 'server'), server)))
    for (const pair of await two()) {
      assert.equal(codeOf(pair.server.error), 'ERR_ATTESTATION_ATTESTER_FAILED')
      assert.equal(alertOf(pair.server.error), 'internal_error')
      assert.equal(pair.client.data + pair.server.data, '')
    }
    isBroken = false
    for (const pair of await two()) assertOpen(pair)
  })

  /** Both batches of a connection, of which one is tampered with. */
  async function tampered(
    round: number,
    change: (made: BatchEvidence, request: BatchRequest) => Promise<BatchEvidence>,
  ) {
    const attester = attesterOf()
    const batches = Batches.of(Quotes.of(attester))
    const honest = batches.evidence.bind(batches)
    let count = 0
    batches.evidence = async (request, terms) => {
      const made = await honest(request, terms)
      return count++ === round ? change(made, request) : made
    }
    const server = hardenedEnd('server', 'server', { attestation: { attester, batch: { members: 1 } } })
    return connect(hardenedEnd('client', 'server'), server)
  }

  const evidenceOver = (attester: Attester, { type, key, length, signal }: BatchRequest, challenge: Uint8Array) =>
    attester.evidence({ type, key, challenge: challenge.subarray(0, length), signal })
  const attacks: readonly [name: string, change: Parameters<typeof tampered>[1], code: string][] = [
    [
      'with the path of another member',
      async ({ path }, request) => {
        const tree = new BatchTree([rd(0), rd(1)])
        return {
          evidence: await evidenceOver(attesterOf(), request, tree.challenge),
          path: { ...path, ...tree.path(1) },
        }
      },
      'ERR_ATTESTATION_REFUSED',
    ],
    [
      'over the challenge itself, as though it were a batch',
      async ({ path }, request) => ({ evidence: await evidenceOver(attesterOf(), request, request.reportData), path }),
      'ERR_ATTESTATION_REFUSED',
    ],
    [
      'with a path that leads nowhere',
      async made => ({ ...made, path: { ...made.path, siblings: [rd(0)] } }),
      'ERR_ATTESTATION_MALFORMED',
    ],
  ]
  for (const round of [0, 1]) {
    for (const [name, change, code] of attacks) {
      test(`is refused ${name}, ${round === 0 ? 'in the handshake' : 'after it'}`, async () => {
        const pair = await tampered(round, change)
        assert.equal(codeOf(pair.client.error), code, pair.client.error?.message)
        assert.equal(pair.client.data + pair.server.data, '')
        assert.equal(pair.client.status?.isAttested, false)
      })
    }
  }

  for (const [profile, code] of [
    ['draft08', 'ERR_ATTESTATION_WRONG_TYPE'],
    ['hardened', 'ERR_ATTESTATION_WRONG_TYPE'],
  ] as const) {
    test(`is no Evidence of the type agreed on: a batch ${profile === 'draft08' ? 'under draft08' : 'in a batch'}`, async () => {
      const wrap = (data: Uint8Array) => {
        const { path } = { path: new BatchTree([rd(0)]).path(0) }
        const inner = batchMessage(decodeCmw(data), path)
        return encodeCmw(profile === 'draft08' ? inner : batchMessage(inner, path))
      }
      const end = (side: Side) => {
        const { attestation, ...others } = hardenedEnd(side, 'server')
        const { profile: _, ...options } = attestation ?? {}
        return { ...others, attestation: profile === 'draft08' ? options : { ...options, profile } }
      }
      const alterPlug = alterProof(credential => ({
        ...credential,
        entries: credential.entries.map((entry, i) => ({
          ...entry,
          extensions: entry.extensions.map(value =>
            i === 0 && value.type === 60 ? { ...value, data: wrap(value.data) } : value,
          ),
        })),
      }))
      assertRefused(await connect(end('client'), { ...end('server'), alterPlug }), 'client', code, 42)
    })
  }
})
