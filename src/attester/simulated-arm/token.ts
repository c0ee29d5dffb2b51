import { concat } from '../../bytes/index.js'
import { hash } from '../../crypto/index.js'
import { CoseHeader, makeSign1, messageSigner } from '../../rats/index.js'
import type { PlatformKey } from '../simulated-root.js'

/** Signs the token of an Arm platform. The chain of its key goes into the header where there is one; without one the
 *  key has to be registered with the Verifier. */
export function signToken(payload: Uint8Array, { key, chain }: PlatformKey): Promise<Uint8Array> {
  const [first] = chain
  if (!first) return makeSign1(payload, messageSigner(key))
  // RFC 9360 §2: one certificate is a byte string, several are an array.
  const x5chain = chain.length === 1 ? first : [...chain]
  return makeSign1(payload, messageSigner(key), { unprotectedHeader: new Map([[CoseHeader.x5chain, x5chain]]) })
}

/** The Instance ID of a platform: type RAND, then a digest of its key (RFC 9783 §4.2.1). */
export function instanceIdOf({ key }: PlatformKey): Uint8Array {
  return concat(Uint8Array.of(1), hash('sha256', key.publicKey.spki))
}
