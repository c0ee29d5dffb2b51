/** A plain view of a Buffer of Node's, whose `slice` does not mean what others' does: it makes no copy, so that who wipes the whole
 *  would wipe the part. What is secret leaves this room as such. */
export function plain({ buffer, byteOffset, length }: Uint8Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, length)
}
