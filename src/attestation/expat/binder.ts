import { type HashName, hash } from '../../crypto/index.js'
import type { Established } from '../../handshake/index.js'

/** Label of the exporter under the binder (draft-fossati-seat-expat-03 §5). The draft names it in two ways; this is the one
 *  that its implementations have. */
const LABEL = 'Attestation'

/** The binder of draft-fossati-seat-expat-03: Hash(SubjectPublicKeyInfo || TLS-Exporter("Attestation", context, 32)), with the
 *  hash of the cipher suite. It is under the key of the authenticator and the secrets of the connection, and says nothing of
 *  roles.
 *  @param context certificate_request_context   @returns Hash.length bytes */
export function expatBinder(
  { exporter, suite }: Pick<Established, 'exporter' | 'suite'>,
  spki: Uint8Array,
  context: Uint8Array,
): Uint8Array {
  return hash(suite.hash, spki, exporter.derive(LABEL, context, 32))
}

/** The binder as a type of Evidence has room for it: as it is, or hashed once more to the size that the type fixes.
 *  @param length undefined where any will do   @returns null for a size that no hash has */
export function fitted(binder: Uint8Array, length: number | undefined): Uint8Array | null {
  if (length === undefined || length === binder.length) return binder
  const name = HASHES.get(length)
  return name ? hash(name, binder) : null
}
const HASHES: ReadonlyMap<number, HashName> = new Map([
  [32, 'sha256'],
  [48, 'sha384'],
  [64, 'sha512'],
])
