import type { PublicKey } from '../../crypto/index.js'
import {
  type Corim,
  checkSignedCorim,
  checkValidity,
  decodeCorim,
  isSignedCorim,
  MessageError,
  readSignedCorim,
  type SignedCorim,
} from '../../rats/index.js'
import type { PlatformRoots } from '../platform-roots.js'

/** Whose manifests are believed. */
export interface CorimTrust {
  /** Milliseconds since 1970. */
  readonly at: number
  /** Keys of those who sign manifests without a certificate; none unless given. */
  readonly keys?: readonly PublicKey[]
  /** Roots that certificates of signers lead to; none unless given. */
  readonly roots?: PlatformRoots
  /** Takes manifests that nobody signed, because of where they come from: a file of one's own. */
  readonly dangerouslyAllowUnsigned?: boolean
}

/** Reads a manifest, signed or not, from somebody who is believed.
 *  @throws MessageError if it has not the form of one, is not signed by any of them, or does not hold at that time
 *  @throws CertificateError if its certificates do not lead to a root */
export function openCorim(bytes: Uint8Array, trust: CorimTrust): Corim {
  const corim = isSignedCorim(bytes) ? checked(readSignedCorim(bytes), trust) : unsigned(bytes, trust)
  checkValidity(corim.validity, trust.at, 'the CoRIM')
  return corim
}

function unsigned(bytes: Uint8Array, { dangerouslyAllowUnsigned = false }: CorimTrust): Corim {
  if (dangerouslyAllowUnsigned) return decodeCorim(bytes)
  throw new MessageError('ERR_RATS_SIGNATURE', 'the CoRIM is not signed, and unsigned ones are not allowed')
}

function checked(signed: SignedCorim, { at, keys = [], roots }: CorimTrust): Corim {
  if (roots && signed.chain.length > 0) return checkSignedCorim(signed, roots.check(signed.chain, at).publicKey, at)
  let failure = new MessageError('ERR_RATS_SIGNATURE', 'there is no key to check the signature over the CoRIM with')
  for (const key of keys) {
    try {
      return checkSignedCorim(signed, key, at)
    } catch (error) {
      if (!(error instanceof MessageError)) throw error
      if (!NOT_THIS_KEY.has(error.code)) throw error
      failure = error
    }
  }
  throw failure
}

const NOT_THIS_KEY: ReadonlySet<string> = new Set(['ERR_RATS_SIGNATURE', 'ERR_RATS_ALGORITHM'])
