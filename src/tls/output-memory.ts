/*
 * Memory of large outputs, used again: the records of a bulk transfer otherwise make the collector run all the time,
 * since what they take is outside its heap and counts all the more. It is shared by all connections, so that one that
 * is idle keeps none.
 */

/** Memory for `length` bytes of output, of which all have to be written. */
export function outputOf(length: number): Uint8Array {
  if (length < SMALL || length > LARGE) return new Uint8Array(length)
  return new Uint8Array(spare.pop() ?? new ArrayBuffer(LARGE), 0, length)
}

/** Gives back what `takeOutput` has given, after it was sent and if nobody looks at it any more: optional, and once. */
export function recycle(output: Uint8Array): void {
  if (isRecyclable(output) && spare.length < MAX_SPARE) spare.push(output.buffer as ArrayBuffer)
}

/** Whether it is worth while to `recycle` an output. */
export function isRecyclable({ buffer }: Uint8Array): boolean {
  return buffer.byteLength === LARGE
}

/** Bytes: eight full records of 16,406 each, and a little. Less than two of them are as well made anew. */
const LARGE = 132_000
const SMALL = 32_000
const MAX_SPARE = 8
const spare: ArrayBuffer[] = []
