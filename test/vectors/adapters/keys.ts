import { createPublicKey } from 'node:crypto'
import { PublicKey } from '#src/crypto/index.js'

/** A public key of a vector: SubjectPublicKeyInfo, in PEM or DER. */
export function keyFrom(bytes: Uint8Array): PublicKey {
  const text = Buffer.from(bytes).toString('latin1')
  if (!text.includes('-----BEGIN')) return PublicKey.fromSpki(bytes)
  return new PublicKey(createPublicKey(text))
}
