/** A timer of this process. It keeps no process alive: what is waited for does, if it is to be kept alive.
 *  @param ms however many   @returns what cancels it */
export function timer(ms: number, fire: () => void): () => void {
  let timeout: NodeJS.Timeout
  const wait = (left: number) => {
    timeout = setTimeout(left > LONGEST ? () => wait(left - LONGEST) : fire, Math.min(left, LONGEST)).unref()
  }
  wait(ms)
  // Node has a list for each duration. That of a timer without a reference is kept until it would have fired, even when
  // it is empty: durations that are drawn anew for each connection would leave as many lists.
  return () => clearTimeout(timeout.ref())
}
/** ms: in Node what takes longer fires at once. */
const LONGEST = 2 ** 31 - 1
