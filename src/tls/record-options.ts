import type { PaddingRule } from './record-writer.js'

/** How records are made. */
export interface RecordOptions {
  /** Zeros added to each record, against those who watch lengths; undefined: none. */
  readonly padding?: PaddingRule
  /** After how many records a key is replaced: 2 or more, at most, and by default, what its AEAD allows
   *  (RFC 8446 §5.5). */
  readonly recordsPerKey?: number
  /** The largest content of a record that we send, in bytes: 64..16384, which is also the default. */
  readonly maxContent?: number
}
