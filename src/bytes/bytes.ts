/** Whether two byte strings are equal. Not for secrets: the time tells where they differ. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

/** One byte string after the other, in a buffer of its own. */
export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  return join(parts)
}

/** Any number of byte strings, one after the other, in a buffer of their own. */
export function join(parts: readonly Uint8Array[]): Uint8Array {
  let length = 0
  for (const part of parts) length += part.length
  const joined = new Uint8Array(length)
  let at = 0
  for (const part of parts) {
    joined.set(part, at)
    at += part.length
  }
  return joined
}

/** Two byte strings as one without copying, where the second stands in memory right behind the first; else undefined. */
export function adjoined(a: Uint8Array, b: Uint8Array): Uint8Array | undefined {
  if (a.buffer !== b.buffer || a.byteOffset + a.length !== b.byteOffset) return undefined
  return new Uint8Array(a.buffer, a.byteOffset, a.length + b.length)
}

/** UTF-8 (and so ASCII) text as bytes. */
export function utf8(text: string): Uint8Array {
  return encoder.encode(text)
}

/** Lower-case hex of a byte string, for people and for keys of maps. */
export function hex(bytes: Uint8Array): string {
  // Not by adding to a string: V8 would keep a tree of its parts for as long as it lives, thirty times as large.
  const digits = new Uint8Array(bytes.length * 2)
  let at = 0
  for (const byte of bytes) {
    digits[at++] = DIGITS[byte >> 4] ?? 0
    digits[at++] = DIGITS[byte & 15] ?? 0
  }
  return decoder.decode(digits)
}

/** No bytes. */
export const EMPTY = new Uint8Array(0)
const encoder = new TextEncoder()
const decoder = new TextDecoder()
const DIGITS = encoder.encode('0123456789abcdef')
