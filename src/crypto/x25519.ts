import { createPublicKey, diffieHellman, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { plain } from './plain.js'

/** What makes the keys of X25519 (RFC 7748). */
export interface X25519Maker {
  generate(): X25519Key
}

/** An ephemeral key: it is used once. */
export interface X25519Key {
  /** 32 bytes. */
  readonly publicKey: Uint8Array
  /** @param peer 32 bytes   @returns 32 bytes; null if the peer's key has small order   @throws Error the second time */
  agree(peer: Uint8Array): Uint8Array | null
}

/** By node:crypto. */
export const nodeX25519: X25519Maker = { generate: () => new NodeX25519Key() }

class NodeX25519Key implements X25519Key {
  readonly publicKey: Uint8Array
  #privateKey: KeyObject | undefined

  constructor() {
    // The public key is encoded inside the generating job: exporting a fresh X25519 key as JWK afterwards can hang
    // Node 20 for good (a garbage collection inside the export waits for the lock that the export holds).
    const { publicKey, privateKey } = generate()
    this.#privateKey = privateKey
    this.publicKey = Buffer.from(publicKey.x, 'base64url')
  }

  agree(peer: Uint8Array): Uint8Array | null {
    const privateKey = this.#privateKey
    this.#privateKey = undefined
    if (!privateKey) throw usedTwice()
    // JWK is the encoding that every supported Node imports fast.
    const x = Buffer.from(peer.buffer, peer.byteOffset, peer.length).toString('base64url')
    const publicKey = createPublicKey({ key: { kty: 'OKP', crv: 'X25519', x }, format: 'jwk' })
    try {
      return plain(diffieHellman({ privateKey, publicKey }))
    } catch {
      // OpenSSL refuses points of small order itself.
      return null
    }
  }
}

/** A key that is ephemeral serves one key exchange (RFC 8446 §4.2.8). */
export function usedTwice(): Error {
  return new Error('an ephemeral key is used a second time')
}

interface JwkPair {
  publicKey: { x: string }
  privateKey: KeyObject
}

/** @types/node does not know that a JWK comes back when only the public key's encoding is asked for. */
const generate = (): JwkPair =>
  (generateKeyPairSync as unknown as (type: string, options: object) => JwkPair)('x25519', JWK_PUBLIC)
const JWK_PUBLIC = { publicKeyEncoding: { format: 'jwk' } }
