import assert from 'node:assert/strict'
import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { PublicKey, signingKey } from '#src/crypto/index.js'
import { MessageError, type MessageErrorCode, type MessageSigner, messageSigner } from '#src/rats/index.js'

/** Bytes from hex, in which blanks and line ends do not count. */
export function bytesOf(hex: string): Uint8Array {
  const digits = hex.replace(/\s/g, '')
  assert.match(digits, /^([0-9a-f]{2})*$/i)
  return Uint8Array.from(Buffer.from(digits, 'hex'))
}

/** Text as bytes, for messages in JSON. */
export function textBytes(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}

/** What `assert.throws` and `assert.rejects` are to look for: a MessageError of that code. */
export function messageError(code: MessageErrorCode): (error: unknown) => boolean {
  return error => {
    assert.ok(error instanceof MessageError, `no MessageError: ${error}`)
    assert.equal(error.code, code, error.message)
    return true
  }
}

/** Kinds of keys that sign messages, and how to make one. */
export const keyKinds: Readonly<Record<string, () => KeyObject>> = {
  'P-256': () => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey,
  'P-384': () => generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey,
  'P-521': () => generateKeyPairSync('ec', { namedCurve: 'P-521' }).privateKey,
  Ed25519: () => generateKeyPairSync('ed25519').privateKey,
  Ed448: () => generateKeyPairSync('ed448').privateKey,
  RSA: () => generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey,
}

/** A fresh key that signs messages. */
export function freshSigner(kind: keyof typeof keyKinds = 'P-256'): MessageSigner & { readonly publicKey: PublicKey } {
  const make = keyKinds[kind]
  assert.ok(make)
  const signer = messageSigner(signingKey(make()))
  return { ...signer, publicKey: signer.key.publicKey }
}

/** The public key of a JWK with these coordinates on P-256. */
export function p256(x: string, y: string): PublicKey {
  return PublicKey.fromJwk({ kty: 'EC', crv: 'P-256', x, y })
}
