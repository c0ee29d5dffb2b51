/** Bytes that hold whatever the memory held before: all of them have to be written, or wiped, before anybody sees them.
 *  For large buffers in the path of bulk data, where zeros cost as much as a fifth of the encryption. */
export function uninitialized(length: number): Uint8Array {
  const { buffer } = Buffer.allocUnsafeSlow(length)
  return new Uint8Array(buffer)
}
