import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, test } from 'node:test'
import { concat, hex, utf8 } from '#src/bytes/index.js'
import {
  decodeCcel,
  decodeDstackLog,
  decodeTcgLog,
  findUnexplainedRtmr,
  type LoggedEvent,
  replayLog,
  startOfTpm,
  tdxPlatform,
} from '#src/evidence/index.js'
import { measurements, platform } from '../support/intel.js'

const EV_NO_ACTION = 3
const EV_IPL = 0x0d

const sha1 = (data: Uint8Array) => new Uint8Array(createHash('sha1').update(data).digest())
const sha384 = (data: Uint8Array) => new Uint8Array(createHash('sha384').update(data).digest())

function uint16(value: number): Uint8Array {
  return Uint8Array.of(value & 0xff, value >> 8)
}

function uint32(value: number): Uint8Array {
  return concat(uint16(value & 0xffff), uint16(value >>> 16))
}

/** TCG_PCR_EVENT. */
function oldEvent(register: number, type: number, digest: Uint8Array, data: Uint8Array): Uint8Array {
  return concat(uint32(register), uint32(type), digest, uint32(data.length), data)
}

/** TCG_PCR_EVENT2 with digests by algorithm. */
function event(
  register: number,
  type: number,
  digests: readonly (readonly [number, Uint8Array])[],
  data = utf8('what was measured'),
): Uint8Array {
  const list = digests.flatMap(([algorithm, digest]) => [uint16(algorithm), digest])
  return concat(uint32(register), uint32(type), uint32(digests.length), ...list, uint32(data.length), data)
}

/** The first event of a log with those hashes. */
function specId(hashes: readonly (readonly [number, number])[]): Uint8Array {
  const list = hashes.flatMap(([algorithm, length]) => [uint16(algorithm), uint16(length)])
  const data = concat(
    utf8('Spec ID Event03\0'),
    uint32(0),
    Uint8Array.of(0, 2, 0, 2),
    uint32(hashes.length),
    ...list,
    Uint8Array.of(0),
  )
  return oldEvent(0, EV_NO_ACTION, new Uint8Array(20), data)
}

const SHA384 = 0x0c
const SM3 = 0x12
const a = sha384(utf8('a'))
const b = sha384(utf8('b'))
const log = concat(
  specId([[SHA384, 48]]),
  event(1, EV_IPL, [[SHA384, a]]),
  event(3, EV_IPL, [[SHA384, b]]),
  event(1, EV_IPL, [[SHA384, b]]),
)

describe('an event log of firmware', () => {
  test('comes to the hash over all digests of a register, one after the other', () => {
    const registers = replayLog(decodeTcgLog(log), 'sha384')
    const first = sha384(concat(new Uint8Array(48), a))
    assert.deepEqual([...registers.keys()], [1, 3])
    assert.equal(hex(registers.get(1) ?? new Uint8Array(0)), hex(sha384(concat(first, b))))
  })

  test('ends with its bytes, or where nothing was written yet', () => {
    for (const rest of [new Uint8Array(0), new Uint8Array(64), new Uint8Array(64).fill(0xff)]) {
      assert.equal(decodeTcgLog(concat(log, rest)).length, 4)
    }
  })

  test('may have digests of hashes that are not known here', () => {
    const both = concat(
      specId([
        [SHA384, 48],
        [SM3, 32],
      ]),
      event(1, EV_IPL, [
        [SM3, new Uint8Array(32)],
        [SHA384, a],
      ]),
    )
    assert.deepEqual([...(decodeTcgLog(both)[1]?.digests.keys() ?? [])], ['sha384'])
  })

  test('may be of the older form, with SHA-1 alone', () => {
    const digest = sha1(utf8('a'))
    const events = decodeTcgLog(oldEvent(4, EV_IPL, digest, utf8('loader')))
    assert.equal(
      hex(replayLog(events, 'sha1').get(4) ?? new Uint8Array(0)),
      hex(sha1(concat(new Uint8Array(20), digest))),
    )
  })

  test('tells the locality that the TPM was started from', () => {
    const locality = concat(utf8('StartupLocality\0'), Uint8Array.of(3))
    const started = concat(
      specId([[SHA384, 48]]),
      event(0, EV_NO_ACTION, [[SHA384, new Uint8Array(48)]], locality),
      event(0, EV_IPL, [[SHA384, a]]),
    )
    const events = decodeTcgLog(started)
    const start = concat(new Uint8Array(47), Uint8Array.of(3))
    assert.deepEqual(startOfTpm(events, 48), new Map([[0, start]]))
    assert.equal(
      hex(replayLog(events, 'sha384', startOfTpm(events, 48)).get(0) ?? new Uint8Array(0)),
      hex(sha384(concat(start, a))),
    )
    assert.equal(startOfTpm(decodeTcgLog(log), 48).size, 0)
  })

  const malformed: readonly (readonly [string, Uint8Array])[] = [
    ['that is empty', new Uint8Array(0)],
    ['that breaks off in an event', log.subarray(0, log.length - 1)],
    ['with a digest of a hash that it does not name', concat(specId([[SHA384, 48]]), event(1, EV_IPL, [[SM3, a]]))],
    [
      'with two digests of one hash',
      concat(
        specId([
          [SHA384, 48],
          [SM3, 48],
        ]),
        event(1, EV_IPL, [
          [SHA384, a],
          [SHA384, b],
        ]),
      ),
    ],
    ['whose hash has another length', concat(specId([[SHA384, 47]]), event(1, EV_IPL, []))],
    ['without any hash', specId([])],
    [
      'that claims more than there is',
      concat(log, uint32(1), uint32(1), uint32(1), uint16(SHA384), a, uint32(0xffffffff)),
    ],
    ['that is larger than memory for it', new Uint8Array((4 << 20) + 1)],
  ]
  for (const [what, bytes] of malformed) {
    test(`is refused ${what}`, () => assert.throws(() => decodeTcgLog(bytes), { code: 'ERR_RATS_MALFORMED' }))
  }

  test('does not explain a register in a hash that it lacks', () => {
    assert.throws(() => replayLog(decodeTcgLog(log), 'sha256'), RangeError)
  })
})

describe('the log of a TD', () => {
  const rtmr = (...digests: readonly Uint8Array[]) =>
    digests.reduce((held, digest) => sha384(concat(held, digest)), new Uint8Array(48))
  const tdWith = (rtmrs: readonly Uint8Array[]) =>
    tdxPlatform.decode(platform.tdxQuote({ ...measurements, rtmrs })).body
  const body = tdWith([rtmr(a, b), new Uint8Array(48), rtmr(b), new Uint8Array(48)])

  test('explains RTMRs, whose numbers are one less than in it', () => {
    assert.deepEqual([...new Set(decodeCcel(log).map(({ register }) => register))], [0, 2])
    assert.equal(findUnexplainedRtmr(decodeCcel(log), body), undefined)
  })

  test('does not explain an RTMR that holds something else', () => {
    assert.equal(findUnexplainedRtmr(decodeCcel(log), tdWith([rtmr(a, b)])), 2)
    const swapped = concat(specId([[SHA384, 48]]), event(1, EV_IPL, [[SHA384, b]]), event(1, EV_IPL, [[SHA384, a]]))
    assert.equal(findUnexplainedRtmr(decodeCcel(swapped), body), 0)
  })

  test('does not explain a register that no TD has', () => {
    const events: readonly LoggedEvent[] = [{ register: 4, type: EV_IPL, digests: new Map([['sha384', a]]), data: a }]
    assert.equal(findUnexplainedRtmr(events, body), 4)
  })

  describe('of dstack', () => {
    const type = 0x08000001
    const payload = utf8('zfs')
    const digest = sha384(concat(uint32(type), utf8(':storage-fs:'), payload))
    const entry = { imr: 3, event_type: type, digest: hex(digest), event: 'storage-fs', event_payload: hex(payload) }

    test('names what was added to RTMR3, and its digest belongs to it', () => {
      const events = decodeDstackLog(JSON.stringify([entry]))
      assert.deepEqual(
        events.map(({ name, register }) => [name, register]),
        [['storage-fs', 3]],
      )
      assert.equal(findUnexplainedRtmr(events, tdWith([a, a, a, rtmr(digest)])), undefined)
    })

    test('is refused with another digest, another name or another payload in RTMR3', () => {
      for (const change of [
        { digest: hex(a) },
        { event: 'compose-hash' },
        { event_payload: '00' },
        { event_type: 1 },
      ]) {
        assert.throws(() => decodeDstackLog(JSON.stringify([{ ...entry, ...change }])), {
          code: 'ERR_RATS_INCONSISTENT',
        })
      }
    })

    test('is refused with what is no digest or no register', () => {
      for (const change of [{ digest: '00' }, { digest: 'xyz' }, { imr: 4 }, { imr: -1 }, { event: 1 }]) {
        assert.throws(() => decodeDstackLog(JSON.stringify([{ ...entry, ...change }])), { code: 'ERR_RATS_JSON' })
      }
    })
  })
})
