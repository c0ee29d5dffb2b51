import { encode, opaque, struct, uint16 } from '../bytes/index.js'
import { type HashName, hash, hashLength, hkdfExtract, MacKey } from '../crypto/index.js'
import type { ExternalPsk } from './config.js'
import { expandLabel } from './key-schedule.js'
import { type Protocol, tls13 } from './protocol.js'

/** ImportedIdentity (RFC 9258 §4.1). */
const ImportedIdentity = struct({
  externalIdentity: opaque(1, 0xffff),
  context: opaque(0, 0xffff),
  targetProtocol: uint16,
  targetKdf: uint16,
})

/** A pre-shared key as it was agreed on, to be imported. */
export interface ImportablePsk {
  readonly identity: Uint8Array
  readonly key: Uint8Array
  /** The hash function that came with it; SHA-256 where none did (RFC 9258 §4.1). */
  readonly hash: HashName
  /** What both sides know of the use, so that no two uses share a key; may be empty (RFC 9258 §4.1). */
  readonly context: Uint8Array
}

/** Imports a pre-shared key (RFC 9258 §5.1): one key for each hash function of TLS 1.3, none of which can be mistaken for
 *  another, nor for the key itself. */
export function importedPsks(psk: ImportablePsk, protocol: Protocol = tls13): readonly ExternalPsk[] {
  const extracted = new MacKey(psk.hash, hkdfExtract(psk.hash, null, psk.key))
  return TARGETS.map(([target, targetKdf]) => {
    const identity = encode(ImportedIdentity, {
      externalIdentity: psk.identity,
      context: psk.context,
      targetProtocol: protocol.version,
      targetKdf,
    })
    const digest = hash(psk.hash, identity)
    const key = expandLabel(protocol.labelPrefix, extracted, 'derived psk', digest, hashLength[target])
    return { identity, key, hash: target, isImported: true }
  })
}

/** KDF identifiers (RFC 9258 §9). */
const TARGETS = [
  ['sha256', 1],
  ['sha384', 2],
] as const
