import { DecodeError, Reader } from './reader.js'
import { type Writer, written } from './writer.js'

/** One type of the presentation language (RFC 8446 §3): reading and writing are one definition. */
export interface Codec<T> {
  /** @throws DecodeError */
  read(reader: Reader): T
  write(writer: Writer, value: T): void
}

/** The type of the values of a codec. */
export type TypeOf<C> = C extends Codec<infer T> ? T : never

/** Decodes the whole input. @throws DecodeError also if bytes are left over */
export function decode<T>(codec: Codec<T>, bytes: Uint8Array): T {
  const reader = new Reader(bytes)
  const value = codec.read(reader)
  reader.end()
  return value
}

/** @throws RangeError if a vector is shorter or longer than its type allows */
export function encode<T>(codec: Codec<T>, value: T): Uint8Array {
  return written(writer => codec.write(writer, value))
}

/** `uint8`: one byte. */
export const uint8: Codec<number> = { read: r => r.uint8(), write: (w, v) => w.uint8(v) }
/** `uint16`: two bytes, the higher one first, as in all numbers (RFC 8446 §3.3). */
export const uint16: Codec<number> = { read: r => r.uint16(), write: (w, v) => w.uint16(v) }
/** `uint24`: three bytes. */
export const uint24: Codec<number> = { read: r => r.uint24(), write: (w, v) => w.uint24(v) }
/** `uint32`: four bytes. */
export const uint32: Codec<number> = { read: r => r.uint32(), write: (w, v) => w.uint32(v) }
/** `uint64`: eight bytes, as a bigint. */
export const uint64: Codec<bigint> = { read: r => r.uint64(), write: (w, v) => w.uint64(v) }

/** `opaque name[length]`. */
export function fixed(length: number): Codec<Uint8Array> {
  return {
    read: r => r.bytes(length),
    write(w, value) {
      if (value.length !== length) throw new RangeError(`${length} bytes are needed, not ${value.length}`)
      w.bytes(value)
    },
  }
}

/** `opaque name<min..max>`: bytes, their length before them. */
export function opaque(min: number, max: number): Codec<Uint8Array> {
  const size = lengthSize(max)
  return {
    read(r) {
      return r.bytes(readLength(r, size, min, max))
    },
    write(w, value) {
      w.vector(size, min, max, body => body.bytes(value))
    },
  }
}

/** `T name<min..max>`: the bounds count bytes, not elements. */
export function vector<T>(element: Codec<T>, min: number, max: number): Codec<T[]> {
  const size = lengthSize(max)
  return {
    read(r) {
      const body = new Reader(r.bytes(readLength(r, size, min, max)))
      const values: T[] = []
      while (!body.isAtEnd) values.push(element.read(body))
      return values
    },
    write(w, values) {
      w.vector(size, min, max, body => {
        for (const value of values) element.write(body, value)
      })
    },
  }
}

/** A struct: its fields in wire order. */
export function struct<F extends Record<string, Codec<unknown>>>(fields: F): Codec<{ [K in keyof F]: TypeOf<F[K]> }> {
  const entries = Object.entries(fields)
  type Value = { [K in keyof F]: TypeOf<F[K]> }
  return {
    read(r) {
      const value: Record<string, unknown> = {}
      for (const [name, codec] of entries) value[name] = codec.read(r)
      // The loop above has filled exactly the fields that the type names.
      return value as Value
    },
    write(w, value) {
      for (const [name, codec] of entries) codec.write(w, value[name as keyof F])
    },
  }
}

/** A type that holds nothing: an extension whose presence says all. */
export const empty: Codec<true> = {
  read: () => true,
  write: () => undefined,
}

/** All that is left of the enclosing structure, uninterpreted. */
export const rest: Codec<Uint8Array> = { read: r => r.rest(), write: (w, v) => w.bytes(v) }

/** A codec with a further condition on its values. */
export function checked<T>(codec: Codec<T>, isValid: (value: T) => boolean, complaint: string): Codec<T> {
  return {
    read(r) {
      const value = codec.read(r)
      if (!isValid(value)) throw new DecodeError(complaint)
      return value
    },
    write: codec.write,
  }
}

/** A codec for values of another type than the wire's. */
export function mapped<W, T>(codec: Codec<W>, toValue: (wire: W) => T, toWire: (value: T) => W): Codec<T> {
  return { read: r => toValue(codec.read(r)), write: (w, value) => codec.write(w, toWire(value)) }
}

function lengthSize(max: number): 1 | 2 | 3 {
  return max < 0x100 ? 1 : max < 0x1_0000 ? 2 : 3
}

function readLength(reader: Reader, size: 1 | 2 | 3, min: number, max: number): number {
  const length = size === 1 ? reader.uint8() : size === 2 ? reader.uint16() : reader.uint24()
  if (length < min || length > max) throw new DecodeError(`a vector of ${min}..${max} bytes claims ${length}`)
  return length
}
