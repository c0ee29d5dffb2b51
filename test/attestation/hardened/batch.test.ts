import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import test, { describe } from 'node:test'
import { type BatchPath, BatchTree, challengeByPath } from '#src/attestation/hardened/batch.js'

const sha512 = (...parts: Uint8Array[]) => createHash('sha512').update(Buffer.concat(parts)).digest()
const rds = (size: number) => Array.from({ length: size }, (_, i) => Uint8Array.from(sha512(Buffer.from([i]))))
const u32 = (n: number) => Buffer.from([n >>> 24, (n >>> 16) & 255, (n >>> 8) & 255, n & 255])

function isInBatch(rd: Uint8Array, path: BatchPath, challenge: Uint8Array): boolean {
  const found = challengeByPath(rd, path)
  return found !== null && Buffer.compare(found, challenge) === 0
}

/** The root, straight from the text. */
function textRoot(level: readonly Uint8Array[]): Uint8Array {
  const [only, ...more] = level
  if (only && more.length === 0) return only
  const above: Uint8Array[] = []
  for (let i = 0; i < level.length; i += 2) {
    const [left, right] = [level[i] as Uint8Array, level[i + 1]]
    above.push(right ? sha512(Buffer.from([1]), left, right) : left)
  }
  return textRoot(above)
}

describe('a batch', () => {
  test('has the challenge that the text says, for every size', () => {
    for (let size = 1; size <= 17; size++) {
      const leaves = rds(size).map((rd, i) => sha512(Buffer.from([0]), u32(i), rd))
      const length = Buffer.concat([u32(0), u32(size)])
      const expected = sha512(Buffer.from('ATLS-H1 batch\0'), length, textRoot(leaves))
      assert.deepEqual(Buffer.from(new BatchTree(rds(size)).challenge), expected)
    }
  })

  test('proves each member, and nobody in another place, size or tree', () => {
    for (let size = 1; size <= 17; size++) {
      const members = rds(size)
      const tree = new BatchTree(members)
      for (const [index, rd] of members.entries()) {
        const path = tree.path(index)
        assert.ok(isInBatch(rd, path, tree.challenge))
        assert.ok(!isInBatch(sha512(rd), path, tree.challenge))
        for (const other of [-1, index + 1, size, 0.5]) {
          assert.ok(!isInBatch(rd, { ...path, index: other }, tree.challenge), `${index} as ${other} of ${size}`)
        }
        for (const other of [0, size - 1, size + 1, 2 * size]) {
          assert.ok(!isInBatch(rd, { ...path, size: other }, tree.challenge))
        }
        assert.ok(!isInBatch(rd, { ...path, siblings: [...path.siblings, new Uint8Array(64)] }, tree.challenge))
        assert.ok(size === 1 || !isInBatch(rd, { ...path, siblings: path.siblings.slice(1) }, tree.challenge))
        assert.ok(!isInBatch(rd, path, tree.challenge.subarray(0, 32)))
      }
    }
  })

  test('has a member, and no more than it has', () => {
    assert.throws(() => new BatchTree([]), RangeError)
    assert.throws(() => new BatchTree(rds(3)).path(3), RangeError)
    assert.throws(() => new BatchTree(rds(3)).path(-1), RangeError)
  })
})
