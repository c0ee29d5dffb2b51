import type { Entropy } from '../crypto/index.js'
import type { ExtensionValue } from './extension-table.js'

/** Values that mean nothing (RFC 8701), so that peers do not forget how to ignore what they do not know. */
export interface Grease {
  readonly cipherSuite: number
  readonly version: number
  readonly group: number
  readonly scheme: number
  readonly extensions: readonly ExtensionValue[]
}

/** New values: the same for all of a handshake. */
export function grease(entropy: Entropy): Grease {
  const [a = 0, b = 0, c = 0, d = 0, e = 0] = entropy.bytes(5)
  return {
    cipherSuite: reserved(a),
    version: reserved(b),
    group: reserved(c),
    scheme: reserved(d),
    // RFC 8701 §3.1: two, of which one is not empty.
    extensions: [
      { type: reserved(e), data: new Uint8Array(0) },
      { type: reserved(e + 1), data: Uint8Array.of(0) },
    ],
  }
}

/** One of the sixteen of RFC 8701 §2: 0x0a0a, 0x1a1a … 0xfafa. */
export function reserved(random: number): number {
  return ((random & 0x0f) * 0x10 + 0x0a) * 0x0101
}
