import assert from 'node:assert/strict'
import test, { describe } from 'node:test'
import fc from 'fast-check'
import { concat } from '#src/bytes/index.js'
import { Acknowledgements, decodeAcknowledgement, encodeAcknowledgement } from '#src/dtls/acknowledgement.js'
import { Datagrams } from '#src/dtls/datagrams.js'
import { type Fragment, readFragments, writeFragment } from '#src/dtls/fragment.js'
import { Outbox } from '#src/dtls/outbox.js'
import { OutgoingEpoch } from '#src/dtls/outgoing-epoch.js'
import { Ranges } from '#src/dtls/ranges.js'
import { Reassembly } from '#src/dtls/reassembly.js'
import { RecordReader } from '#src/dtls/record-reader.js'
import { RetransmissionTimer } from '#src/dtls/retransmission-timer.js'
import { seededRandom } from '../support/datagram-pair.js'

function bytesOf(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => i * 31 + (i >> 8))
}

/** A message in the form of RFC 8446 §4. */
function messageOf(type: number, length: number): Uint8Array {
  const raw = concat(Uint8Array.of(type, length >>> 16, length >>> 8, length), bytesOf(length))
  return raw
}

function fragment(messageSeq: number, offset: number, to: number, length: number, type = 11): Fragment {
  return { type, length, messageSeq, offset, data: bytesOf(length).subarray(offset, to) }
}

function encoded(part: Fragment): Uint8Array {
  const output = new Uint8Array(12 + part.data.length)
  assert.equal(writeFragment(part, output, 0), output.length)
  return output
}

describe('ranges', () => {
  test('agree with a set of numbers', () => {
    const step = fc.record({ isAdded: fc.boolean(), from: fc.nat(60), length: fc.nat(20) })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), fc.array(step, { maxLength: 5 }), (steps, others) => {
        const [a, b] = [steps, others].map(list => {
          const ranges = new Ranges()
          const numbers = new Set<number>()
          for (const { isAdded, from, length } of list) {
            if (isAdded) ranges.add(from, from + length)
            else ranges.remove(from, from + length)
            for (let n = from; n < from + length; n++) isAdded ? numbers.add(n) : numbers.delete(n)
          }
          return { ranges, numbers }
        })
        assert.ok(a && b)
        const missing = Ranges.missing(70, a.ranges, b.ranges).flatMap(({ from, to }) =>
          Array.from({ length: to - from }, (_, i) => from + i),
        )
        const expected = Array.from({ length: 70 }, (_, n) => n).filter(n => !a.numbers.has(n) && !b.numbers.has(n))
        assert.deepEqual(missing, expected)
        assert.equal(
          a.ranges.covers(10),
          [0, 1, 2, 3, 4, 5, 6, 7, 8, 9].every(n => a.numbers.has(n)),
        )
      }),
    )
  })
})

describe('fragments', () => {
  test('are read as they were written, several in one record', () => {
    const parts = [fragment(3, 0, 5, 9), fragment(3, 5, 9, 9), fragment(4, 0, 0, 0, 20)]
    assert.deepEqual(
      readFragments(concat(...parts.map(encoded))).map(part => ({ ...part, data: Uint8Array.from(part.data) })),
      parts.map(part => ({ ...part, data: Uint8Array.from(part.data) })),
    )
  })

  test('are refused where they are cut, or beyond the end of their message', () => {
    const whole = encoded(fragment(0, 0, 9, 9))
    for (let length = 0; length < whole.length; length++) {
      assert.throws(() => readFragments(whole.subarray(0, length)), { code: 'ERR_TLS_DECODE' })
    }
    assert.throws(() => readFragments(encoded({ ...fragment(0, 4, 9, 9), length: 8 })), { code: 'ERR_TLS_DECODE' })
  })
})

describe('reassembly', () => {
  const newReassembly = (capacity = 2 ** 16) => new Reassembly(() => 2 ** 16, capacity)

  test('gives the message back whatever the fragments, their order and their overlaps', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 400 }), fc.integer(), (length, seed) => {
        const random = seededRandom(seed)
        const reassembly = newReassembly()
        for (let i = 0; i < 1000 && reassembly.next === 0; i++) {
          const offset = Math.floor(random() * length)
          const to = Math.min(length, offset + 1 + Math.floor(random() * 60))
          reassembly.add(fragment(0, offset, to, length), 2)
          const message = reassembly.take()
          if (message) assert.deepEqual([...message.raw], [...messageOf(11, length)])
        }
        // Those that chance has left out.
        for (let at = 0; at < length && reassembly.next === 0; at++) reassembly.add(fragment(0, at, at + 1, length), 2)
        const last = reassembly.take()
        if (last) assert.deepEqual([...last.raw], [...messageOf(11, length)])
        assert.equal(reassembly.next, 1)
      }),
    )
  })

  test('keeps a message until those before it are there', () => {
    const reassembly = newReassembly()
    assert.equal(reassembly.add(fragment(1, 0, 4, 4, 15), 2), 'new')
    assert.equal(reassembly.take(), undefined)
    assert.equal(reassembly.add(fragment(0, 0, 4, 4), 2), 'new')
    assert.deepEqual([reassembly.take()?.type, reassembly.take()?.type, reassembly.take()], [11, 15, undefined])
    assert.equal(reassembly.add(fragment(1, 0, 4, 4, 15), 2), 'old')
  })

  test('takes an empty message', () => {
    const reassembly = newReassembly()
    reassembly.add(fragment(0, 0, 0, 0, 5), 2)
    assert.equal(reassembly.take()?.body.length, 0)
  })

  test('holds no more than it may', () => {
    const reassembly = newReassembly(1000)
    assert.equal(reassembly.add(fragment(1, 0, 1, 900), 2), 'new')
    assert.equal(reassembly.add(fragment(2, 0, 1, 900), 2), 'dropped')
    assert.equal(reassembly.add(fragment(16, 0, 1, 1), 2), 'dropped')
    // The next one always has room, or nothing would go on.
    assert.equal(reassembly.add(fragment(0, 0, 1, 2000), 2), 'new')
    assert.throws(() => newReassembly().add(fragment(0, 0, 1, 2 ** 16 + 1), 2), { code: 'ERR_TLS_ILLEGAL_PARAMETER' })
  })

  test('does not hold more than so many pieces', () => {
    const reassembly = newReassembly()
    let dropped = 0
    for (let at = 0; at < 4000; at += 2) {
      if (reassembly.add(fragment(0, at, at + 1, 4000), 2) === 'dropped') dropped++
    }
    assert.equal(dropped, 2000 - 1024)
  })

  test('keeps nothing that came without keys but the next message', () => {
    assert.equal(newReassembly().add(fragment(1, 0, 4, 4), 0), 'dropped')
  })

  test('does not join what came under different keys', () => {
    const reassembly = newReassembly()
    reassembly.add(fragment(0, 0, 2, 4), 0)
    reassembly.changeLevel()
    assert.equal(reassembly.add(fragment(0, 2, 4, 4), 2), 'new')
    assert.equal(reassembly.take(), undefined)
    assert.throws(() => reassembly.changeLevel(), { code: 'ERR_TLS_UNEXPECTED_MESSAGE' })
  })

  test('refuses fragments that contradict each other', () => {
    for (const other of [fragment(0, 2, 4, 5), fragment(0, 2, 4, 4, 12)]) {
      const reassembly = newReassembly()
      reassembly.add(fragment(0, 0, 2, 4), 2)
      assert.throws(() => reassembly.add(other, 2), { code: 'ERR_TLS_ILLEGAL_PARAMETER' })
    }
  })
})

describe('an outbox', () => {
  /** What a datagram says: `[message_seq, from, to]` of each fragment, and the records' numbers. */
  function contents(datagram: Uint8Array) {
    const records = [...new RecordReader().read(datagram, 0)]
    return {
      numbers: records.map(({ number }) => number),
      parts: records.flatMap(({ content }) =>
        readFragments(content).map(({ messageSeq, offset, data }) => [messageSeq, offset, offset + data.length]),
      ),
    }
  }

  function transmit(outbox: Outbox, mtu: number) {
    const datagrams = new Datagrams(mtu)
    outbox.transmit(datagrams)
    const taken = datagrams.take()
    assert.ok(taken.every(({ length }) => length <= mtu))
    return taken.map(contents)
  }

  test('puts short messages into one record, and cuts long ones', () => {
    const outbox = new Outbox()
    const epoch = new OutgoingEpoch(0, undefined)
    outbox.add(messageOf(1, 10), epoch)
    outbox.add(messageOf(2, 20), epoch)
    outbox.add(messageOf(11, 300), epoch)
    const [first, second, third] = transmit(outbox, 200)
    assert.deepEqual(first?.parts, [
      [0, 0, 10],
      [1, 0, 20],
      [2, 0, 121],
    ])
    assert.equal(first?.numbers.length, 1)
    assert.deepEqual(second?.parts, [[2, 121, 296]])
    assert.deepEqual(third?.parts, [[2, 296, 300]])
  })

  test('sends again only what was not acknowledged, in pieces as small as needed', () => {
    const outbox = new Outbox()
    outbox.add(messageOf(11, 1000), new OutgoingEpoch(0, undefined))
    const sent = transmit(outbox, 325)
    assert.equal(sent.length, 4)
    assert.deepEqual(transmit(outbox, 325), [])
    assert.ok(outbox.acknowledge([...(sent[0]?.numbers ?? []), ...(sent[2]?.numbers ?? [])]))
    assert.ok(!outbox.acknowledge(sent[0]?.numbers ?? []))
    outbox.lose()
    assert.deepEqual(
      transmit(outbox, 225).flatMap(({ parts }) => parts),
      [
        [0, 300, 500],
        [0, 500, 600],
        [0, 900, 988],
        [0, 988, 1000],
      ],
    )
    // A late acknowledgement of what was thought lost.
    assert.ok(outbox.acknowledge([...(sent[1]?.numbers ?? []), ...(sent[3]?.numbers ?? [])]))
    assert.ok(outbox.isEmpty)
  })

  test('does not wait for the timer where later records have arrived', () => {
    const outbox = new Outbox()
    outbox.add(messageOf(11, 1000), new OutgoingEpoch(0, undefined))
    const sent = transmit(outbox, 125)
    assert.equal(sent.length, 10)
    outbox.acknowledge(sent[4]?.numbers ?? [])
    assert.deepEqual(
      transmit(outbox, 125).flatMap(({ parts }) => parts),
      [
        [0, 0, 100],
        [0, 100, 200],
      ],
    )
  })

  test('has so many records on their way, and no more', () => {
    const outbox = new Outbox()
    outbox.add(messageOf(11, 10_000), new OutgoingEpoch(0, undefined))
    const first = transmit(outbox, 125)
    assert.equal(first.length, 32)
    outbox.acknowledge(first.slice(0, 10).flatMap(({ numbers }) => numbers))
    assert.equal(transmit(outbox, 125).length, 10)
  })

  test('tells once when a message has arrived', () => {
    const outbox = new Outbox()
    let told = 0
    outbox.add(messageOf(24, 1), new OutgoingEpoch(0, undefined), () => told++)
    const [sent] = transmit(outbox, 200)
    outbox.acknowledge(sent?.numbers ?? [])
    outbox.acknowledgeAll()
    assert.equal(told, 1)
  })

  test('brings every message over, whatever is lost and acknowledged', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(3000), { minLength: 1, maxLength: 6 }), fc.integer(), (lengths, seed) => {
        const random = seededRandom(seed)
        const outbox = new Outbox()
        const reassembly = new Reassembly(() => 2 ** 16, 2 ** 20)
        const epoch = new OutgoingEpoch(0, undefined)
        for (const length of lengths) outbox.add(messageOf(11, length), epoch)
        const taken: Uint8Array[] = []
        for (let round = 0; !outbox.isEmpty; round++) {
          assert.ok(round < 1000)
          const datagrams = new Datagrams(150 + Math.floor(random() * 500))
          outbox.transmit(datagrams)
          for (const datagram of datagrams.take()) {
            if (random() < 0.3) continue
            const [record] = new RecordReader().read(datagram, 0)
            assert.ok(record)
            for (const part of readFragments(record.content)) reassembly.add(part, 2)
            if (random() < 0.7) outbox.acknowledge([record.number])
          }
          for (let message = reassembly.take(); message; message = reassembly.take()) taken.push(message.raw)
          if (random() < 0.5) outbox.lose()
        }
        assert.deepEqual(
          taken.map(({ length }) => length - 4),
          lengths,
        )
      }),
      { numRuns: 50 },
    )
  })
})

describe('acknowledgements', () => {
  test('are sorted, and come back as they were', () => {
    const numbers = [
      { epoch: 3, sequenceNumber: 1 },
      { epoch: 2, sequenceNumber: 7 },
      { epoch: 2, sequenceNumber: 2 ** 40 },
      { epoch: 2, sequenceNumber: 0 },
    ]
    const content = encodeAcknowledgement(numbers)
    assert.equal(content.length, 2 + 4 * 16)
    assert.deepEqual(
      decodeAcknowledgement(content).map(({ epoch, sequenceNumber }) => [epoch, sequenceNumber]),
      [
        [2, 0],
        [2, 7],
        [2, 2 ** 40],
        [3, 1],
      ],
    )
    for (let length = 0; length < content.length; length++) {
      assert.throws(() => decodeAcknowledgement(content.subarray(0, length)), { code: 'ERR_TLS_DECODE' })
    }
  })

  const numbersIn = (contents: readonly Uint8Array[]) =>
    contents.map(content => decodeAcknowledgement(content).map(({ sequenceNumber }) => sequenceNumber))
  const owing = (count: number) => {
    const owed = new Acknowledgements()
    for (let i = 0; i < count; i++) owed.add({ epoch: 2, sequenceNumber: i }, true)
    return owed
  }
  const upTo = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i)

  test('wait for others, and name again what was named before, for an ACK may be lost', () => {
    const owed = owing(1)
    owed.schedule(0, 1000)
    owed.add({ epoch: 2, sequenceNumber: 1 }, true)
    owed.schedule(10, 1000)
    assert.equal(owed.due, 250)
    assert.deepEqual(owed.take(249, 1000), [])
    assert.deepEqual(numbersIn(owed.take(250, 1000)), [[0, 1]])
    owed.schedule(260, 1000)
    assert.equal(owed.due, undefined, 'there is nothing new')
    owed.add({ epoch: 2, sequenceNumber: 3 }, true)
    owed.schedule(300, 1000)
    owed.hurry(310)
    assert.equal(owed.due, 310, 'what is urgent waits for nobody')
    assert.deepEqual(numbersIn(owed.take(310, 1000)), [[0, 1, 3]])
    owed.forget()
    owed.hurry(400)
    assert.equal(owed.due, undefined)
  })

  test('wait as long as the path takes, when that turns out to be another', () => {
    const owed = owing(1)
    owed.schedule(100, 1000)
    owed.adapt(200)
    assert.equal(owed.due, 150)
  })

  test('are those of the newest records, and do not wait long when there are many, for then the peer may wait too', () => {
    const owed = owing(31)
    owed.schedule(0, 1000)
    assert.equal(owed.due, 250)
    for (let i = 31; i < 40; i++) owed.add({ epoch: 2, sequenceNumber: i }, true)
    owed.schedule(10, 1000)
    assert.equal(owed.due, 10 + 1000 / 16)
    assert.deepEqual(numbersIn(owed.take(80, 2000)), [upTo(8, 40)])
  })

  test('go into as many records as they need while the flight goes on, each as long as the path takes', () => {
    const owed = owing(10)
    owed.schedule(0, 1000)
    assert.deepEqual(numbersIn(owed.take(250, 2 + 4 * 16 + 15)), [upTo(0, 2), upTo(2, 6), upTo(6, 10)])
    owed.add({ epoch: 2, sequenceNumber: 10 }, true)
    owed.schedule(300, 1000)
    assert.deepEqual(numbersIn(owed.take(550, 2 + 4 * 16)), [upTo(7, 11)])
    const last = owing(10)
    last.hurry(0)
    assert.deepEqual(numbersIn(last.take(0, 2 + 4 * 16)), [upTo(6, 10)])
  })

  test('become shorter when they do not seem to arrive', () => {
    const owed = owing(20)
    const sizes: number[] = []
    for (let i = 0; i < 4; i++) {
      owed.add({ epoch: 2, sequenceNumber: 20 + i }, i === 0)
      owed.hurry(0)
      sizes.push(...owed.take(0, 1000).map(({ length }) => length))
    }
    assert.deepEqual(
      sizes,
      [21, 22, 23, 14].map(count => 2 + 16 * count),
    )
  })

  test('may be of nothing, where nothing was received that could be read', () => {
    const owed = new Acknowledgements()
    owed.scheduleEmpty(0, 1000)
    assert.equal(owed.due, 250)
    assert.deepEqual(numbersIn(owed.take(250, 1000)), [[]])
    owed.add({ epoch: 0, sequenceNumber: 0 }, true)
    owed.scheduleEmpty(300, 1000)
    assert.equal(owed.due, undefined)
  })
})

describe('a retransmission timer', () => {
  test('waits twice as long each time, up to a minute, and gives up after so many', () => {
    const timer = new RetransmissionTimer(1000, 8)
    timer.start(0)
    const waits: number[] = []
    let now = 0
    while (!timer.isExhausted) {
      const { deadline } = timer
      assert.ok(deadline !== undefined)
      waits.push(deadline - now)
      now = deadline
      timer.backOff(now)
    }
    assert.deepEqual(waits, [1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000, 60000])
    timer.start(now)
    assert.equal(timer.deadline, now + 1000)
    timer.stop()
    assert.equal(timer.deadline, undefined)
    assert.equal(timer.interval, 1000)
  })

  test('takes another time for what is waited for already', () => {
    const timer = new RetransmissionTimer(1000, 8)
    timer.start(0)
    timer.backOff(1000)
    timer.initial = 300
    assert.equal(timer.deadline, 1600)
  })
})
