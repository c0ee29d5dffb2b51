import assert from 'node:assert/strict'
import test, { describe } from 'node:test'
import { Acknowledgements } from '#src/dtls/acknowledgement.js'

/*
 * When an ACK is due (RFC 9147 §7.1).
 */

const INTERVAL = 400

/** How long an ACK is waited for after so many records. @param epochOf the epoch of each */
function delayAfter(count: number, epochOf: (index: number) => number): number | undefined {
  const acknowledgements = new Acknowledgements()
  for (let i = 0; i < count; i++) {
    acknowledgements.add({ epoch: epochOf(i), sequenceNumber: i }, true)
    acknowledgements.schedule(0, INTERVAL)
  }
  return acknowledgements.due
}

describe('an ACK is due', () => {
  test('a quarter of the interval after the first record that was not in one', () => {
    assert.equal(
      delayAfter(1, () => 3),
      INTERVAL / 4,
    )
    assert.equal(
      delayAfter(31, () => 3),
      INTERVAL / 4,
    )
  })

  test('sooner after as many records of a flight as one names, since the peer may wait for it', () => {
    assert.equal(
      delayAfter(32, () => 3),
      INTERVAL / 16,
    )
    assert.equal(
      delayAfter(100, () => 3),
      INTERVAL / 16,
    )
  })

  test('no sooner after any number of key_updates, each of which is a flight of its own', () => {
    assert.equal(
      delayAfter(1000, i => 3 + i),
      INTERVAL / 4,
    )
  })
})
