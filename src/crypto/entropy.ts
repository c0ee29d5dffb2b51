import { randomFillSync } from 'node:crypto'
import { answerKeyShare, type Entropy, generateKeyShare } from './named-group.js'

/** The operating system's randomness. Small draws come from a pool, since the call costs more than the bytes. */
export const systemEntropy: Entropy = {
  bytes(length) {
    if (length > POOL_LENGTH) return randomFillSync(new Uint8Array(length))
    if (used + length > POOL_LENGTH) {
      randomFillSync(pool)
      used = 0
    }
    const bytes = pool.slice(used, used + length)
    // What was handed out must not be found here again.
    pool.fill(0, used, used + length)
    used += length
    return bytes
  },
  keyShare: generateKeyShare,
  answerKeyShare,
}

const POOL_LENGTH = 4096
const pool = new Uint8Array(POOL_LENGTH)
let used = POOL_LENGTH
