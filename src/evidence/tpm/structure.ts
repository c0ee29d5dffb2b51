import { DecodeError, Reader } from '../../bytes/index.js'
import { MessageError } from '../../rats/index.js'

/** Reads a structure of a TPM (TPM 2.0 Library, Part 2), whose integers are big-endian, from its first byte to its last.
 *  @param what for the sentence: `TPMS_ATTEST`
 *  @throws MessageError if it ends too early or too late, or where `read` does */
export function readStructure<T>(bytes: Uint8Array, what: string, read: (reader: Reader) => T): T {
  try {
    const reader = new Reader(bytes)
    const value = read(reader)
    reader.end()
    return value
  } catch (error) {
    if (error instanceof DecodeError) throw malformed(`${what}: ${error.message}`)
    throw error
  }
}

/** A TPM2B: its length in two bytes, and its bytes. A view into the input, not a copy. */
export function sized(reader: Reader): Uint8Array {
  return reader.bytes(reader.uint16())
}

/** A structure that has not the form of its type. */
export function malformed(sentence: string): MessageError {
  return new MessageError('ERR_RATS_MALFORMED', sentence)
}
