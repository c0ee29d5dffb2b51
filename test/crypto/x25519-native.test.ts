import assert from 'node:assert/strict'
import { createPrivateKey } from 'node:crypto'
import { createRequire } from 'node:module'
import test, { describe } from 'node:test'
import { hex } from '#src/bytes/index.js'
import { chooseImplementation } from '#src/crypto/implementation.js'
import type { NativeHelper } from '#src/crypto/native-helper.js'
import { nodeX25519 } from '#src/crypto/x25519.js'
import { builtHelper, temporaryFolder, withCompiler } from '../support/native.js'
import { makeRoot } from '../support/pki.js'

/*
 * X25519 of the optional native helper, beside node:crypto's and by RFC 7748.
 */

const root = makeRoot({ name: 'anybody' })
const bytes = (text: string) => new Uint8Array(Buffer.from(text, 'hex'))

describe('X25519 of the native helper', withCompiler, () => {
  if (withCompiler.skip) return
  const file = builtHelper(temporaryFolder())
  const helper: NativeHelper = createRequire(import.meta.url)(file)
  const { x25519 } = chooseImplementation(file)

  test('comes to the secret of RFC 7748 §6.1', () => {
    const bob = '5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb'
    const bobsPublic = 'de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f'
    const alicesPublic = '8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a'
    helper.scratch.set(bytes(bob + bobsPublic + alicesPublic))
    assert.equal(helper.agree(), true)
    assert.equal(
      hex(helper.scratch.subarray(0, 32)),
      '4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742',
    )
    // Nothing of the keys is left.
    assert.ok(helper.scratch.subarray(32).every(byte => byte === 0))
    helper.scratch.fill(0)
  })

  test('agrees with node:crypto, each time on something else', () => {
    const secrets = Array.from({ length: 200 }, () => {
      const [ours, theirs] = [x25519.generate(), nodeX25519.generate()]
      const secret = hex(ours.agree(theirs.publicKey) ?? new Uint8Array(0))
      assert.equal(hex(theirs.agree(ours.publicKey) ?? new Uint8Array(0)), secret)
      return secret
    })
    assert.equal(new Set(secrets).size, secrets.length)
    assert.ok(helper.scratch.subarray(0, 32).every(byte => byte === 0))
  })

  test('refuses points of small order, and is none the worse for it', () => {
    const low = [
      '00'.repeat(32),
      `01${'00'.repeat(31)}`,
      'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
      'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
    ]
    for (const point of low) assert.equal(x25519.generate().agree(bytes(point)), null)
    // Nor is Node, which takes what is left in OpenSSL's queue of errors for its own.
    assert.equal(createPrivateKey(root.keyPem).type, 'private')
    const [one, other] = [x25519.generate(), x25519.generate()]
    assert.deepEqual(one.agree(other.publicKey), other.agree(one.publicKey))
  })

  test('uses a key once', () => {
    for (const peer of [nodeX25519.generate().publicKey, new Uint8Array(32)]) {
      const key = x25519.generate()
      key.agree(peer)
      assert.throws(() => key.agree(peer), /second time/)
    }
  })
})
