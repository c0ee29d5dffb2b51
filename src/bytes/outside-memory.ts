/*
 * Bytes lie outside V8's heap. They are freed when the collector finds the small object that stands for them, and the
 * collection of young objects would do for that, in a millisecond. But V8 starts it when young objects fill their
 * space, whatever bytes hang on them, and meanwhile counts the bytes towards a collection of everything. A bulk
 * transfer makes many bytes and few objects, and so spends as much time on marking a heap in which nothing has changed
 * as on cryptography. Objects in proportion to the bytes mend that.
 */

/** To be called when so many bytes were made outside the heap, and will soon be of no use to anybody: it has them
 *  collected in time. */
export function madeOutside(length: number): void {
  outstanding += length
  if (outstanding < ENOUGH) return
  // Half as many bytes on the heap, at eight for each element.
  garbage = new Array(Math.min(outstanding, AT_ONCE) >>> 4)
  outstanding = 0
}

const ENOUGH = 8192
/** Larger arrays do not lie with the young objects. */
const AT_ONCE = 131_072
let outstanding = 0
/** Held, so that the compiler does not find out that nobody wants it. */
export let garbage: readonly unknown[] = []
