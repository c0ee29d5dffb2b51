import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createHmac, generateKeyPairSync, hkdfSync } from 'node:crypto'
import test, { describe } from 'node:test'
import fc from 'fast-check'
import { hex } from '#src/bytes/index.js'
import {
  AeadKey,
  aeadAlgorithms,
  answerKeyShare,
  equalSecrets,
  fingerprint,
  generateKeyShare,
  hash,
  hkdfExtract,
  KeyExchangeError,
  MacKey,
  mlKem768,
  mlKem1024,
  NamedGroup,
  PublicKey,
  SignatureScheme,
  schemeRow,
  schemesFor,
  signingKey,
  systemEntropy,
} from '#src/crypto/index.js'
import { generateKeys } from '../support/pki.js'

const bytes = (text: string) => Uint8Array.from(Buffer.from(text, 'hex'))

test('a fingerprint is the SHA-256 in hex', () => {
  const data = Uint8Array.of(1, 2, 3)
  assert.equal(fingerprint(data), hex(hash('sha256', data)))
})

describe('HKDF', () => {
  // RFC 5869 §A.1, §A.2 and §A.3.
  const rows = [
    {
      ikm: '0b'.repeat(22),
      salt: '000102030405060708090a0b0c',
      info: 'f0f1f2f3f4f5f6f7f8f9',
      prk: '077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5',
      okm: '3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865',
    },
    {
      ikm: '0b'.repeat(22),
      salt: '',
      info: '',
      prk: '19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04',
      okm: '8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8',
    },
  ]
  for (const [i, { ikm, salt, info, prk, okm }] of rows.entries()) {
    test(`gives the known answers of RFC 5869, case ${i}`, () => {
      const extracted = hkdfExtract('sha256', bytes(salt), bytes(ikm))
      assert.equal(hex(extracted), prk)
      assert.equal(hex(new MacKey('sha256', extracted).expand(bytes(info), 42)), okm)
    })
  }

  test('gives what node:crypto gives, for any lengths', () => {
    const hashes = fc.constantFrom('sha256', 'sha384', 'sha512' as const)
    fc.assert(
      fc.property(
        hashes,
        fc.uint8Array({ minLength: 1, maxLength: 80 }),
        fc.uint8Array({ minLength: 1, maxLength: 80 }),
        fc.uint8Array({ maxLength: 80 }),
        fc.integer({ min: 1, max: 300 }),
        (name, ikm, salt, info, length) => {
          const own = new MacKey(name, hkdfExtract(name, salt, ikm)).expand(info, length)
          assert.deepEqual(Buffer.from(own), Buffer.from(hkdfSync(name, ikm, salt, info, length)))
        },
      ),
      { numRuns: 100 },
    )
  })

  test('takes what is missing for zeros', () => {
    const zeros = new Uint8Array(48)
    assert.deepEqual(hkdfExtract('sha384', null, null), hkdfExtract('sha384', zeros, zeros))
    assert.deepEqual(
      Buffer.from(hkdfExtract('sha384', null, zeros)),
      createHmac('sha384', zeros).update(zeros).digest(),
    )
  })

  test('does not give more than it has', () => {
    const key = new MacKey('sha256', bytes('01'))
    assert.equal(key.expand(bytes(''), 255 * 32).length, 8160)
    assert.throws(() => key.expand(bytes(''), 255 * 32 + 1), RangeError)
  })

  test('gives out copies of its key', () => {
    const key = new MacKey('sha256', bytes('0102'))
    key.export().fill(0)
    assert.equal(hex(key.export()), '0102')
  })
})

describe('an AEAD', () => {
  // McGrew and Viega, test cases 4 and 16 (with their AAD); RFC 8439 §2.8.2.
  const gcmPlain =
    'd9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39'
  const gcmAad = 'feedfacedeadbeeffeedfacedeadbeefabaddad2'
  const rows = [
    {
      algorithm: aeadAlgorithms.aes128gcm,
      key: 'feffe9928665731c6d6a8f9467308308',
      nonce: 'cafebabefacedbaddecaf888',
      aad: gcmAad,
      plain: gcmPlain,
      sealed:
        '42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e0915bc94fbc3221a5db94fae95ae7121a47',
    },
    {
      algorithm: aeadAlgorithms.aes256gcm,
      key: 'feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308',
      nonce: 'cafebabefacedbaddecaf888',
      aad: gcmAad,
      plain: gcmPlain,
      sealed:
        '522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f66276fc6ece0f4e1768cddf8853bb2d551b',
    },
    {
      algorithm: aeadAlgorithms.chacha20poly1305,
      key: '808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f',
      nonce: '070000004041424344454647',
      aad: '50515253c0c1c2c3c4c5c6c7',
      plain: hex(
        Buffer.from(
          "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.",
        ),
      ),
      sealed:
        'd31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc3ff4def08e4b7a9de576d26586cec64b61161ae10b594f09e26a7e902ecbd0600691',
    },
  ]
  for (const { algorithm, key, nonce, aad, plain, sealed } of rows) {
    const aead = new AeadKey(algorithm, bytes(key))

    test(`${algorithm.name} gives its known answer, in place too`, () => {
      const buffer = new Uint8Array(bytes(sealed).length + 2)
      buffer.set(bytes(plain), 1)
      aead.seal(bytes(nonce), bytes(aad), buffer.subarray(1, 1 + bytes(plain).length), buffer, 1)
      assert.equal(hex(buffer), `00${sealed}00`)
      assert.equal(hex(aead.open(bytes(nonce), bytes(aad), bytes(sealed)) ?? bytes('')), plain)
    })

    test(`${algorithm.name} opens nothing that was changed`, () => {
      for (let i = 0; i < bytes(sealed).length; i++) {
        const changed = bytes(sealed)
        changed[i] = (changed[i] ?? 0) ^ 1
        assert.equal(aead.open(bytes(nonce), bytes(aad), changed), null)
        assert.equal(aead.open(bytes(nonce), bytes(aad), bytes(sealed).subarray(0, i)), null)
      }
      assert.equal(aead.open(bytes(nonce), bytes(`${aad}00`), bytes(sealed)), null)
    })
  }
})

describe('what comes of secrets', () => {
  test('is plain bytes, whose slice is a copy', () => {
    const mac = new MacKey('sha256', new Uint8Array(32)).mac(new Uint8Array(3))
    const opened = (() => {
      const aead = new AeadKey(aeadAlgorithms.aes128gcm, new Uint8Array(16))
      const sealed = new Uint8Array(3 + 16)
      aead.seal(new Uint8Array(12), new Uint8Array(0), new Uint8Array(3), sealed, 0)
      return aead.open(new Uint8Array(12), new Uint8Array(0), sealed)
    })()
    const agreed = Object.values(NamedGroup).flatMap(group => {
      const share = generateKeyShare(group)
      const { keyExchange, secret } = answerKeyShare(group, share.keyExchange)
      return [secret, share.complete(keyExchange)]
    })
    for (const bytes of [mac, opened, ...agreed]) assert.equal(Object.getPrototypeOf(bytes), Uint8Array.prototype)
  })
})

describe('key exchange', () => {
  for (const [name, group] of Object.entries(NamedGroup)) {
    test(`${name} gives both sides one secret, a new one each time`, () => {
      const [first, second] = [0, 1].map(() => {
        const share = generateKeyShare(group)
        assert.equal(share.group, group)
        const answer = answerKeyShare(group, share.keyExchange)
        const secret = share.complete(answer.keyExchange)
        assert.equal(hex(secret), hex(answer.secret))
        return hex(secret)
      })
      assert.notEqual(first, second)
    })

    test(`${name} refuses shares that are none`, () => {
      const { keyExchange } = generateKeyShare(group)
      const { length } = keyExchange
      for (const wrong of [
        new Uint8Array(0),
        new Uint8Array(length),
        new Uint8Array(length).fill(0xff),
        keyExchange.subarray(1),
        Uint8Array.of(...keyExchange, 0),
      ]) {
        // An x25519 share is any 32 bytes but those of small order.
        const isOne = group === NamedGroup.x25519 && wrong.length === 32 && wrong[0] === 0xff
        // A KEM takes any ciphertext of the right length, and a key whose coefficients are all zero.
        const isCiphertext = group === NamedGroup.MLKEM1024 && wrong.length === length
        if (!isOne && !isCiphertext) assert.throws(() => generateKeyShare(group).complete(wrong), KeyExchangeError)
        if (!isOne && !(isCiphertext && wrong[0] === 0))
          assert.throws(() => answerKeyShare(group, wrong), KeyExchangeError)
      }
    })
  }

  test('x25519 refuses every point of small order', () => {
    // The u-coordinates of order 1, 2, 4 and 8, and what is the same modulo 2^255 - 19.
    for (const point of [
      '0000000000000000000000000000000000000000000000000000000000000000',
      '0100000000000000000000000000000000000000000000000000000000000000',
      'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
      '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
      'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
      'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
      'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
    ]) {
      assert.throws(() => generateKeyShare(NamedGroup.x25519).complete(bytes(point)), KeyExchangeError)
    }
  })

  test('x25519 uses a key once', () => {
    for (const answer of [generateKeyShare(NamedGroup.x25519).keyExchange, new Uint8Array(32)]) {
      const share = generateKeyShare(NamedGroup.x25519)
      if (answer.some(byte => byte !== 0)) share.complete(answer)
      else assert.throws(() => share.complete(answer), KeyExchangeError)
      assert.throws(() => share.complete(answer), /second time/)
    }
  })

  test('P-256 takes neither compressed nor hybrid points', () => {
    const { keyExchange } = generateKeyShare(NamedGroup.secp256r1)
    const parity = (keyExchange[64] ?? 0) & 1
    const hybrid = Uint8Array.from(keyExchange)
    hybrid[0] = 6 + parity
    const compressed = Uint8Array.of(2 + parity, ...keyExchange.subarray(1, 33))
    for (const point of [hybrid, compressed]) {
      assert.throws(() => answerKeyShare(NamedGroup.secp256r1, point), KeyExchangeError)
    }
  })

  test('is not made of a group that there is not', () => {
    assert.throws(() => generateKeyShare(0x0a0a as NamedGroup), RangeError)
  })

  test('the two halves of X25519MLKEM768 stand in the order of draft-ietf-tls-ecdhe-mlkem §4', () => {
    const share = generateKeyShare(NamedGroup.X25519MLKEM768)
    assert.equal(share.keyExchange.length, 1184 + 32)
    const answer = answerKeyShare(NamedGroup.X25519MLKEM768, share.keyExchange)
    assert.equal(answer.keyExchange.length, 1088 + 32)
    assert.equal(answer.secret.length, 64)
    // Another x25519 half changes only the second half of the secret.
    const mixed = Buffer.concat([answer.keyExchange.subarray(0, 1088), generateKeyShare(NamedGroup.x25519).keyExchange])
    const secret = share.complete(mixed)
    assert.deepEqual(Buffer.from(secret).subarray(0, 32), Buffer.from(answer.secret).subarray(0, 32))
    assert.notDeepEqual(Buffer.from(secret).subarray(32), Buffer.from(answer.secret).subarray(32))
  })
})

for (const [name, kem] of [
  ['ML-KEM-768', mlKem768],
  ['ML-KEM-1024', mlKem1024],
] as const) {
  describe(name, () => {
    test('rejects implicitly: a wrong ciphertext gives another secret, not an error', () => {
      const { encapsulationKey, decapsulate } = kem.generate()
      const { ciphertext, sharedSecret } = kem.encapsulate(encapsulationKey) ?? assert.fail()
      assert.equal(hex(decapsulate(ciphertext)), hex(sharedSecret))
      const changed = Uint8Array.from(ciphertext)
      changed[0] = (changed[0] ?? 0) ^ 1
      assert.equal(decapsulate(changed).length, 32)
      assert.notEqual(hex(decapsulate(changed)), hex(sharedSecret))
    })

    test('checks the encapsulation key (FIPS 203 §7.2)', () => {
      // Coefficients of 2^12 - 1 are not reduced modulo 3329.
      assert.equal(kem.encapsulate(new Uint8Array(kem.encapsulationKeyLength).fill(0xff)), null)
      assert.equal(kem.encapsulate(new Uint8Array(kem.encapsulationKeyLength - 1)), null)
    })
  })
}

describe('signatures', () => {
  const data = Buffer.from('what is signed')
  for (const kind of ['p256', 'p384', 'p521', 'ed25519', 'ed448', 'rsa2048', 'rsa-pss2048'] as const) {
    const keys = generateKeys(kind)
    const key = signingKey(keys.privateKey)

    test(`of ${kind} keys are made and checked with each of their schemes`, async () => {
      assert.ok(key.schemes.length > 0)
      for (const scheme of key.schemes) {
        const row = schemeRow(scheme) ?? assert.fail()
        assert.equal(row.keyKind, key.publicKey.kind)
        const signature = await key.sign(scheme, data)
        assert.ok(key.publicKey.verify(row.algorithm, data, signature))
        assert.ok(!key.publicKey.verify(row.algorithm, Buffer.from('something else'), signature))
        assert.ok(!key.publicKey.verify(row.algorithm, data, signature.subarray(1)))
        assert.ok(!key.publicKey.verify(row.algorithm, data, new Uint8Array(0)))
      }
    })

    test(`of ${kind} keys are not made with the schemes of others`, () => {
      for (const scheme of Object.values(SignatureScheme)) {
        if (!key.schemes.includes(scheme)) assert.throws(() => key.sign(scheme, data))
      }
    })

    test(`keys of ${kind} go out and come in as SubjectPublicKeyInfo, PEM and PKCS #8`, () => {
      const again = PublicKey.fromSpki(key.publicKey.spki)
      assert.equal(again.kind, key.publicKey.kind)
      assert.equal(hex(again.spki), hex(keys.publicKey.export({ format: 'der', type: 'spki' })))
      const pem = keys.privateKey.export({ format: 'pem', type: 'pkcs8' })
      const der = keys.privateKey.export({ format: 'der', type: 'pkcs8' })
      assert.equal(hex(signingKey(pem.toString()).publicKey.spki), hex(again.spki))
      assert.equal(hex(signingKey(Uint8Array.from(der)).publicKey.spki), hex(again.spki))
      assert.throws(() => signingKey(keys.publicKey), /private/)
    })
  }

  test('of encrypted keys need the passphrase', () => {
    const { privateKey } = generateKeys('p256')
    const pem = privateKey
      .export({ format: 'pem', type: 'pkcs8', cipher: 'aes-256-cbc', passphrase: 'open' })
      .toString()
    assert.equal(signingKey(pem, 'open').schemes.length, 1)
    assert.throws(() => signingKey(pem, 'wrong'))
  })

  test('are not made with keys that TLS 1.3 does not have', () => {
    assert.throws(() => signingKey(generateKeys('secp256k1').privateKey), /cannot sign/)
    assert.throws(() => signingKey(generateKeyPairSync('x25519').privateKey), /cannot sign/)
  })

  test('RSASSA-PKCS1-v1_5 is for certificates only', () => {
    assert.ok(!schemesFor('rsa').some(scheme => schemeRow(scheme)?.isForCertificatesOnly))
    assert.ok(schemeRow(SignatureScheme.rsa_pkcs1_sha256)?.isForCertificatesOnly)
    assert.equal(schemeRow(0x0a0a), undefined)
  })

  test('RSA keys sign only with the hashes that their length and their parameters allow', async () => {
    const short = signingKey(generateKeys('rsa1024').privateKey)
    assert.ok(!short.schemes.includes(SignatureScheme.rsa_pss_rsae_sha512))
    for (const scheme of short.schemes) await short.sign(scheme, data)
    const { privateKey } = generateKeyPairSync('rsa-pss', {
      modulusLength: 2048,
      hashAlgorithm: 'sha384',
      mgf1HashAlgorithm: 'sha384',
    })
    assert.deepEqual(signingKey(privateKey).schemes, [SignatureScheme.rsa_pss_pss_sha384])
  })
})

describe('randomness', () => {
  test('of any length never comes twice', () => {
    const seen = new Set<string>()
    for (let i = 0; i < 2000; i++) seen.add(hex(systemEntropy.bytes(16)))
    assert.equal(seen.size, 2000)
    for (const length of [0, 1, 4095, 4096, 4097, 10_000]) assert.equal(systemEntropy.bytes(length).length, length)
  })

  test('is in a buffer of its own', () => {
    const [a, b] = [systemEntropy.bytes(8), systemEntropy.bytes(8)]
    assert.notEqual(a.buffer, b.buffer)
  })
})

test('secrets are compared whole', () => {
  assert.ok(equalSecrets(bytes('0102'), bytes('0102')))
  assert.ok(!equalSecrets(bytes('0102'), bytes('0103')))
  assert.ok(!equalSecrets(bytes('0102'), bytes('01')))
})

test('hashes are those of their names', () => {
  assert.equal(hex(hash('sha256')), 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855')
  assert.equal(hex(hash('sha512', bytes('61'), bytes('6263'))).slice(0, 16), 'ddaf35a193617aba')
})

test('x25519 shares are made without the call that hangs Node 20', { timeout: 60_000 }, async () => {
  // In a process of its own: what is looked for stops every thread, so only another process can tell.
  const script = `
    import { generateKeyShare, NamedGroup } from '#src/crypto/index.js'
    for (let i = 0; i < 30000; i++) generateKeyShare(NamedGroup.x25519)
    process.stdout.write('done')
  `
  const child = spawn(process.execPath, ['--max-semi-space-size=1', '--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const watchdog = setTimeout(() => child.kill('SIGKILL'), 50_000)
  let output = ''
  child.stdout.on('data', (text: Buffer) => {
    output += text.toString()
  })
  await new Promise(resolve => child.once('close', resolve))
  clearTimeout(watchdog)
  assert.equal(output, 'done')
})
