import { Failing, outcomeOf } from './fuzzer.js'
import { gist, type Target } from './target.js'

/** Leaves out of an input what its failure does not need.
 *  @param tries at most */
export async function minimised(target: Target, input: Uint8Array, error: Error, tries = 2000): Promise<Uint8Array> {
  const wanted = gist(error)
  let left = tries
  const fails = async (candidate: Uint8Array) => {
    left--
    try {
      await outcomeOf(target, candidate)
      return false
    } catch (failing) {
      return failing instanceof Failing && gist(failing.failure.error) === wanted
    }
  }
  let best = input
  if (target.smaller) {
    for (let candidates = target.smaller(best); ; candidates = target.smaller(best)) {
      let smaller: Uint8Array | undefined
      for (const candidate of candidates) if (!smaller && left > 0 && (await fails(candidate))) smaller = candidate
      if (!smaller) return best
      best = smaller
    }
  }
  for (let size = Math.ceil(best.length / 2); size >= 1 && left > 0; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let at = 0; at < best.length && left > 0; ) {
      const candidate = Uint8Array.from([...best.subarray(0, at), ...best.subarray(at + size)])
      if (await fails(candidate)) best = candidate
      else at += size
    }
  }
  // What does not matter becomes zero.
  for (let at = 0; at < best.length && left > 0; at++) {
    if (best[at] === 0) continue
    const candidate = Uint8Array.from(best)
    candidate[at] = 0
    if (await fails(candidate)) best = candidate
  }
  return best
}
