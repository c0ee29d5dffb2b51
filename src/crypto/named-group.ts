import { createECDH, type ECDH } from 'node:crypto'
import { concat } from '../bytes/index.js'
import { chosenImplementation } from './implementation.js'
import { mlKem768, mlKem1024 } from './ml-kem.js'
import { plain } from './plain.js'

/** NamedGroup (RFC 8446 §4.2.7; X25519MLKEM768 of draft-ietf-tls-ecdhe-mlkem §4; MLKEM1024 of
 *  draft-ietf-tls-mlkem §4). */
export const NamedGroup = {
  secp256r1: 0x0017,
  secp384r1: 0x0018,
  secp521r1: 0x0019,
  x25519: 0x001d,
  X25519MLKEM768: 0x11ec,
  MLKEM1024: 0x0202,
} as const
export type NamedGroup = (typeof NamedGroup)[keyof typeof NamedGroup]

/** The client's half of a key exchange: sent as KeyShareEntry, completed with the server's. */
export interface KeyShare {
  readonly group: NamedGroup
  /** `key_exchange` of the KeyShareEntry. */
  readonly keyExchange: Uint8Array
  /** The (EC)DHE secret. Called once: an ephemeral key serves one key exchange.
   *  @throws KeyExchangeError if the peer's share is not a valid one of the group */
  complete(peer: Uint8Array): Uint8Array
}

/** A peer's key share that is not a valid element of its group. */
export class KeyExchangeError extends Error {
  readonly code = 'ERR_TLS_KEY_SHARE'
}

/** What the engine asks of randomness: everything that has to be unpredictable comes through here. */
export interface Entropy {
  /** `length` unpredictable bytes, in a buffer of their own. */
  bytes(length: number): Uint8Array
  /** A fresh ephemeral key: never the same twice. */
  keyShare(group: NamedGroup): KeyShare
  /** Answers a client's share: our share, and the (EC)DHE secret. @throws KeyExchangeError */
  answerKeyShare(group: NamedGroup, peer: Uint8Array): { keyExchange: Uint8Array; secret: Uint8Array }
}

/** A new key share of a group. */
export function generateKeyShare(group: NamedGroup): KeyShare {
  switch (group) {
    case NamedGroup.x25519:
      return new X25519Share()
    case NamedGroup.X25519MLKEM768:
      return new HybridShare()
    case NamedGroup.MLKEM1024:
      return new KemShare()
    default:
      return new EcShare(group)
  }
}

/** The server's half of a key exchange. For a Diffie-Hellman group it is the same as the client's; a KEM answers
 *  with a ciphertext. */
export function answerKeyShare(group: NamedGroup, peer: Uint8Array): { keyExchange: Uint8Array; secret: Uint8Array } {
  if (group === NamedGroup.X25519MLKEM768) return answerHybrid(peer)
  if (group === NamedGroup.MLKEM1024) return answerKem(peer)
  const share = generateKeyShare(group)
  return { keyExchange: share.keyExchange, secret: share.complete(peer) }
}

class X25519Share implements KeyShare {
  readonly group = NamedGroup.x25519
  readonly keyExchange: Uint8Array
  readonly #key = chosenImplementation().x25519.generate()

  constructor() {
    this.keyExchange = this.#key.publicKey
  }

  complete(peer: Uint8Array): Uint8Array {
    if (peer.length !== 32) throw new KeyExchangeError(`an x25519 share has 32 bytes, not ${peer.length}`)
    const secret = this.#key.agree(peer)
    // RFC 7748 §6.1 with RFC 8446 §7.4.2: the all-zero secret MUST be refused.
    if (!secret || isZero(secret)) throw new KeyExchangeError('the x25519 share has small order')
    return secret
  }
}

/** In the same time, whatever it is. */
function isZero(secret: Uint8Array): boolean {
  let bits = 0
  for (const byte of secret) bits |= byte
  return bits === 0
}

class EcShare implements KeyShare {
  readonly group: NamedGroup
  readonly keyExchange: Uint8Array
  readonly #ecdh: ECDH

  constructor(group: NamedGroup) {
    const curve = EC_GROUPS[group]
    if (!curve) throw new RangeError(`no key shares are made of group ${group}`)
    this.group = group
    this.#ecdh = createECDH(curve.name)
    this.keyExchange = this.#ecdh.generateKeys()
  }

  complete(peer: Uint8Array): Uint8Array {
    const curve = EC_GROUPS[this.group]
    // RFC 8446 §4.2.8.2: uncompressed points only. OpenSSL would also take compressed and hybrid ones.
    if (!curve || peer.length !== curve.length || peer[0] !== 4) {
      throw new KeyExchangeError(`the ${curve?.title} share is not an uncompressed point`)
    }
    try {
      return plain(this.#ecdh.computeSecret(peer))
    } catch {
      throw new KeyExchangeError(`the ${curve.title} share is not a point of the curve`)
    }
  }
}

const EC_GROUPS: Readonly<Record<number, { name: string; title: string; length: number }>> = {
  [NamedGroup.secp256r1]: { name: 'prime256v1', title: 'secp256r1', length: 65 },
  [NamedGroup.secp384r1]: { name: 'secp384r1', title: 'secp384r1', length: 97 },
  [NamedGroup.secp521r1]: { name: 'secp521r1', title: 'secp521r1', length: 133 },
}

/** MLKEM1024 (draft-ietf-tls-mlkem §4): the KEM alone. */
class KemShare implements KeyShare {
  readonly group = NamedGroup.MLKEM1024
  readonly keyExchange: Uint8Array
  readonly #kem = mlKem1024.generate()

  constructor() {
    this.keyExchange = this.#kem.encapsulationKey
  }

  complete(peer: Uint8Array): Uint8Array {
    if (peer.length === mlKem1024.ciphertextLength) return this.#kem.decapsulate(peer)
    throw new KeyExchangeError(`an MLKEM1024 answer has ${mlKem1024.ciphertextLength} bytes, not ${peer.length}`)
  }
}

function answerKem(peer: Uint8Array): { keyExchange: Uint8Array; secret: Uint8Array } {
  const length = mlKem1024.encapsulationKeyLength
  if (peer.length !== length) throw new KeyExchangeError(`an MLKEM1024 share has ${length} bytes, not ${peer.length}`)
  const kem = mlKem1024.encapsulate(peer)
  if (!kem) throw new KeyExchangeError('the ML-KEM-1024 encapsulation key is not valid')
  return { keyExchange: kem.ciphertext, secret: kem.sharedSecret }
}

/** X25519MLKEM768 (draft-ietf-tls-ecdhe-mlkem §4): the ML-KEM half stands first in shares and in the secret. */
class HybridShare implements KeyShare {
  readonly group = NamedGroup.X25519MLKEM768
  readonly keyExchange: Uint8Array
  readonly #kem = mlKem768.generate()
  readonly #x25519 = new X25519Share()

  constructor() {
    this.keyExchange = Buffer.concat([this.#kem.encapsulationKey, this.#x25519.keyExchange])
  }

  complete(peer: Uint8Array): Uint8Array {
    if (peer.length !== mlKem768.ciphertextLength + 32) {
      throw new KeyExchangeError(`an X25519MLKEM768 answer has ${mlKem768.ciphertextLength + 32} bytes`)
    }
    return concat(
      this.#kem.decapsulate(peer.subarray(0, mlKem768.ciphertextLength)),
      this.#x25519.complete(peer.subarray(mlKem768.ciphertextLength)),
    )
  }
}

function answerHybrid(peer: Uint8Array): { keyExchange: Uint8Array; secret: Uint8Array } {
  const length = mlKem768.encapsulationKeyLength
  if (peer.length !== length + 32) {
    throw new KeyExchangeError(`an X25519MLKEM768 share has ${length + 32} bytes, not ${peer.length}`)
  }
  const kem = mlKem768.encapsulate(peer.subarray(0, length))
  if (!kem) throw new KeyExchangeError('the ML-KEM-768 encapsulation key is not valid')
  const x25519 = new X25519Share()
  const secret = x25519.complete(peer.subarray(length))
  return {
    keyExchange: Buffer.concat([kem.ciphertext, x25519.keyExchange]),
    secret: concat(kem.sharedSecret, secret),
  }
}
