import { concat, encode, uint32, uint64, utf8 } from '../../bytes/index.js'
import { hash } from '../../crypto/index.js'

/*
 * One piece of Evidence for many connections: a Merkle tree over their RDs. H is SHA-512.
 *
 *   leaf      = H(0x00 || uint32 index || RD)
 *   node      = H(0x01 || left || right)       a node without a neighbour rises as it is
 *   challenge = H("ATLS-H1 batch" || 0x00 || uint64 size || root)
 *
 * The size is under the challenge and the index under the leaf, so that a path says one thing only.
 */

/** The way from one leaf to the root. */
export interface BatchPath {
  readonly index: number
  /** How many leaves there are. */
  readonly size: number
  /** The neighbours on the way up, 64 bytes each. */
  readonly siblings: readonly Uint8Array[]
}

/** A tree over the RDs of a batch. */
export class BatchTree {
  readonly #levels: readonly (readonly Uint8Array[])[]
  readonly #size: number

  /** @param reportData 64 bytes each, at least one */
  constructor(reportData: readonly Uint8Array[]) {
    if (reportData.length === 0) throw new RangeError('a batch has at least one member')
    this.#size = reportData.length
    const levels: (readonly Uint8Array[])[] = [reportData.map((rd, index) => batchLeaf(index, rd))]
    for (let level = levels[0] ?? []; level.length > 1; ) {
      level = pairs(level)
      levels.push(level)
    }
    this.#levels = levels
  }

  /** What the Evidence has to hold. 64 bytes */
  get challenge(): Uint8Array {
    const root = this.#levels.at(-1)?.[0]
    if (!root) throw new RangeError('a batch has at least one member')
    return batchChallenge(this.#size, root)
  }

  /** What proves that a member is one. @throws RangeError */
  path(index: number): BatchPath {
    if (!(index >= 0 && index < this.#size)) throw new RangeError(`a batch of ${this.#size} has no member ${index}`)
    const siblings: Uint8Array[] = []
    let at = index
    for (const level of this.#levels) {
      const sibling = level[at ^ 1]
      if (sibling) siblings.push(sibling)
      at >>>= 1
    }
    return { index, size: this.#size, siblings }
  }
}

/** The challenge of the batch that `rd` is a member of by its path: what the Evidence has to hold.
 *  @returns 64 bytes; null if the path is none */
export function challengeByPath(rd: Uint8Array, { index, size, siblings }: BatchPath): Uint8Array | null {
  if (!Number.isSafeInteger(size) || !Number.isSafeInteger(index) || size > MAX_MEMBERS || index < 0 || index >= size) {
    return null
  }
  let node = batchLeaf(index, rd)
  let used = 0
  let at = index
  for (let width = size; width > 1; width = Math.ceil(width / 2)) {
    const neighbour = at % 2 === 1 ? at - 1 : at + 1
    if (neighbour < width) {
      const sibling = siblings[used++]
      if (sibling?.length !== 64) return null
      node = at % 2 === 1 ? batchNode(sibling, node) : batchNode(node, sibling)
    }
    at = Math.floor(at / 2)
  }
  return used === siblings.length ? batchChallenge(size, node) : null
}
/** More than one piece of Evidence is ever for. */
export const MAX_MEMBERS = 2 ** 16

/** A leaf. @returns 64 bytes */
function batchLeaf(index: number, rd: Uint8Array): Uint8Array {
  return hash('sha512', LEAF, encode(uint32, index), rd)
}
const LEAF = Uint8Array.of(0)

/** A node above two others. @returns 64 bytes */
function batchNode(left: Uint8Array, right: Uint8Array): Uint8Array {
  return hash('sha512', NODE, left, right)
}
const NODE = Uint8Array.of(1)

/** What the Evidence of a batch has to hold. @returns 64 bytes */
function batchChallenge(size: number, root: Uint8Array): Uint8Array {
  return hash('sha512', concat(BATCH_DOMAIN, encode(uint64, BigInt(size))), root)
}
const BATCH_DOMAIN = utf8('ATLS-H1 batch\0')

function pairs(level: readonly Uint8Array[]): readonly Uint8Array[] {
  const above: Uint8Array[] = []
  for (let i = 0; i < level.length; i += 2) {
    const [left, right] = level.slice(i, i + 2)
    if (left) above.push(right ? batchNode(left, right) : left)
  }
  return above
}
