import { createPublicKey } from 'node:crypto'
import { PublicKey } from '#src/crypto/index.js'
import type { Outcome } from '../adapter.js'

/** A public key of a vector: SubjectPublicKeyInfo, in PEM or DER. @throws Error if it is none */
export function keyFrom(bytes: Uint8Array): PublicKey {
  const text = Buffer.from(bytes).toString('latin1')
  return text.includes('-----BEGIN') ? new PublicKey(createPublicKey(text)) : PublicKey.fromSpki(bytes)
}

/** The same; null for what is no key, which nothing can be signed with. */
export function keyOrNone(bytes: Uint8Array): PublicKey | null {
  try {
    return keyFrom(bytes)
  } catch {
    return null
  }
}

/** What comes of Evidence whose key is none. */
export const WITHOUT_KEY: Outcome = {
  outcome: 'reject',
  reasons: ['signature', 'cose_sig', 'platform_sig', 'sig', 'malformed'],
  sentence: 'the key that is registered is none',
}
