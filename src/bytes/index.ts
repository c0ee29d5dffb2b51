export { adjoined, concat, EMPTY, equalBytes, hex, join, utf8 } from './bytes.js'
export {
  type Codec,
  checked,
  decode,
  empty,
  encode,
  fixed,
  mapped,
  opaque,
  rest,
  struct,
  type TypeOf,
  uint8,
  uint16,
  uint24,
  uint32,
  uint64,
  vector,
} from './codec.js'
export { madeOutside } from './outside-memory.js'
export { DecodeError, Reader } from './reader.js'
export { Writer, written } from './writer.js'
