import assert from 'node:assert/strict'
import { createPublicKey } from 'node:crypto'
import test, { describe } from 'node:test'
import { rootCertificates } from 'node:tls'
import { SignatureScheme } from '#src/crypto/index.js'
import {
  CertificateError,
  type ChainCheck,
  checkChain,
  describeName,
  modernSchemes,
  TrustAnchors,
} from '#src/x509/index.js'
import { generateKeys, type Issued, makeRoot, makeSelfSigned, type PkiKey, tlv } from '../support/pki.js'

const AT = Date.UTC(2026, 0, 1)
const root = makeRoot({ name: 'Root' })
const middle = root.issue({ subject: 'Middle', isCa: true })
const leaf = middle.issue({ subject: 'leaf', dnsNames: ['a.example'], extendedKeyUsage: ['serverAuth'] })

describe('a chain', () => {
  test('leads over an intermediate to its root', () => {
    const path = check([leaf, middle])
    assert.deepEqual(
      path.map(({ subject }) => describeName(subject)),
      ['CN=leaf', 'CN=Middle', 'CN=Root'],
    )
  })

  test('may be out of order, with its root, with others and with the same certificate twice', () => {
    const other = makeRoot({ name: 'Other' })
    const stranger = other.issue({ subject: 'leaf', dnsNames: ['b.example'] })
    for (const rest of [
      [root, middle],
      [other, stranger, middle],
      [middle, middle, leaf],
      [stranger, root, middle, other],
    ]) {
      assert.equal(check([leaf, ...rest]).length, 3)
    }
  })

  test('needs the intermediate', () => {
    refused([leaf], 'ERR_X509_UNKNOWN_ISSUER', 'unknown_ca')
    refused([leaf, root], 'ERR_X509_UNKNOWN_ISSUER', 'unknown_ca')
  })

  test('does not lead to a root that is not trusted, though it brings it', () => {
    const anchors = anchorsOf(makeRoot({ name: 'Another' }))
    refused([leaf, middle, root], 'ERR_X509_UNKNOWN_ISSUER', 'unknown_ca', { anchors })
  })

  test('does not lead to a root of the same name with another key', () => {
    const anchors = anchorsOf(makeRoot({ name: 'Root' }))
    refused([leaf, middle, root], 'ERR_X509_UNKNOWN_ISSUER', 'unknown_ca', { anchors })
  })

  test('is empty and refused', () => {
    refused([], 'ERR_X509_MALFORMED', 'bad_certificate')
  })

  test('ends at an intermediate that is an anchor', () => {
    assert.equal(check([leaf, middle], { anchors: anchorsOf(middle) }).length, 2)
  })

  test('is one self-signed certificate that is pinned', () => {
    const pinned = makeSelfSigned({ subject: 'pinned', dnsNames: ['a.example'] })
    assert.equal(check([pinned], { anchors: anchorsOf(pinned), purpose: 'serverAuth' }).length, 1)
    refused([pinned], 'ERR_X509_UNKNOWN_ISSUER', 'unknown_ca')
    const old = makeSelfSigned({ subject: 'pinned', dnsNames: ['a.example'] })
    refused([pinned], 'ERR_X509_UNKNOWN_ISSUER', 'unknown_ca', { anchors: anchorsOf(old) })
  })

  test('of a pinned certificate is checked for dates and purpose all the same', () => {
    const pinned = makeSelfSigned({ subject: 'pinned', extendedKeyUsage: ['clientAuth'], notAfter: '2025-01-01' })
    const anchors = anchorsOf(pinned)
    refused([pinned], 'ERR_X509_EXPIRED', 'certificate_expired', { anchors })
    refused([pinned], 'ERR_X509_PURPOSE', 'unsupported_certificate', {
      anchors,
      at: Date.UTC(2024, 0),
      purpose: 'serverAuth',
    })
  })

  test('finds its way around a cross-certificate that has expired, and around one that leads nowhere', () => {
    const elsewhere = makeRoot({ name: 'Elsewhere' })
    const keys = { publicKey: middle.publicKey, privateKey: middle.privateKey }
    const expired = root.issue({ subject: 'Middle', isCa: true, keys, notAfter: '2021-01-01' })
    const nowhere = elsewhere.issue({ subject: 'Middle', isCa: true, keys })
    assert.equal(check([leaf, expired, nowhere, middle]).length, 3)
    refused([leaf, nowhere, expired], 'ERR_X509_EXPIRED', 'certificate_expired')
  })

  test('that goes round in circles comes to an end', () => {
    const a = makeRoot({ name: 'A' })
    const b = makeRoot({ name: 'B' })
    const aByB = b.issue({ subject: 'A', isCa: true, keys: a })
    const bByA = a.issue({ subject: 'B', isCa: true, keys: b })
    const end = a.issue({ subject: 'end' })
    refused([end, aByB, bByA], 'ERR_X509_UNKNOWN_ISSUER', 'unknown_ca')
  })

  test('that offers very many paths is given up', () => {
    const keys = generateKeys('p256')
    // Every layer can be signed by every certificate of the next: 7^4 paths, none of which ends.
    const layers = ['L0', 'L1', 'L2', 'L3'].map((name, i, names) => {
      const issuer = makeRoot({ name: names[i + 1] ?? 'nobody', keys })
      return Array.from({ length: 7 }, () => issuer.issue({ subject: name, isCa: true, keys }))
    })
    const end = makeRoot({ name: 'L0', keys }).issue({ subject: 'end' })
    const start = performance.now()
    refused([end, ...layers.flat()], 'ERR_X509_SEARCH_LIMIT', 'certificate_unknown')
    assert.ok(performance.now() - start < 2000)
  })

  test('with namesakes in numbers runs out of signatures to check', () => {
    const fakes = Array.from({ length: 31 }, () => makeRoot({ name: 'Fake', alter: withoutKeyIdentifiers }))
    const anchors = anchorsOf(
      ...Array.from({ length: 40 }, () => makeRoot({ name: 'Fake', alter: withoutKeyIdentifiers })),
    )
    const end = makeRoot({ name: 'Fake' }).issue({ subject: 'end', alter: withoutKeyIdentifiers })
    refused([end, ...fakes], 'ERR_X509_SEARCH_LIMIT', 'certificate_unknown', { anchors })
  })

  test('is not longer than 32 certificates, and its path not longer than 10', () => {
    refused([leaf, ...Array.from({ length: 32 }, () => middle)], 'ERR_X509_TOO_LARGE', 'bad_certificate')
    let issuer: Issued = root
    const authorities: Issued[] = []
    for (let i = 0; i < 9; i++) {
      issuer = issuer.issue({ subject: `CA ${i}`, isCa: true })
      authorities.push(issuer)
    }
    const long = issuer.issue({ subject: 'end' })
    refused([long, ...authorities], 'ERR_X509_SEARCH_LIMIT', 'certificate_unknown')
    const short = (authorities[7] as Issued).issue({ subject: 'end' })
    assert.equal(check([short, ...authorities.slice(0, 8)]).length, 10)
  })
})

describe('a second check of a chain', () => {
  test('takes a fraction of the time of the first', () => {
    const anchors = anchorsOf(root)
    const chains = Array.from({ length: 40 }, (_, i) =>
      [middle.issue({ subject: `end ${i}` }), middle].map(({ certificate }) => certificate),
    )
    const times = () =>
      median(
        chains.map(chain => {
          const start = performance.now()
          checkChain({ chain, anchors, at: AT })
          return performance.now() - start
        }),
      )
    const first = times()
    const second = times()
    assert.ok(second < first / 2, `${second} ms after ${first} ms`)
  })
})

function median(numbers: readonly number[]): number {
  return [...numbers].sort((a, b) => a - b)[numbers.length >> 1] ?? 0
}

describe('validity', () => {
  const brief = middle.issue({ subject: 'brief', notBefore: '2025-01-01T00:00:00Z', notAfter: '2025-06-30T23:59:59Z' })

  test('includes its first and its last second, and nothing beyond them', () => {
    const first = Date.parse('2025-01-01T00:00:00Z')
    const last = Date.parse('2025-06-30T23:59:59Z')
    for (const at of [first, last]) check([brief, middle], { at })
    refused([brief, middle], 'ERR_X509_NOT_YET_VALID', 'certificate_expired', { at: first - 1 })
    refused([brief, middle], 'ERR_X509_EXPIRED', 'certificate_expired', { at: last + 1 })
    refused([brief, middle], 'ERR_X509_NOT_YET_VALID', 'certificate_expired', { at: Number.NaN })
  })

  test('is asked of a chain that was good before', () => {
    check([brief, middle], { at: Date.parse('2025-02-01') })
    refused([brief, middle], 'ERR_X509_EXPIRED', 'certificate_expired')
  })

  test('is asked of intermediates and of the root', () => {
    const old = root.issue({ subject: 'Old', isCa: true, notAfter: '2024-01-01' })
    refused([old.issue({ subject: 'x' }), old], 'ERR_X509_EXPIRED', 'certificate_expired')
    const oldRoot = makeRoot({ name: 'Old Root', notAfter: '2024-01-01' })
    refused([oldRoot.issue({ subject: 'x' })], 'ERR_X509_EXPIRED', 'certificate_expired', {
      anchors: anchorsOf(oldRoot),
    })
  })
})

describe('a signature', () => {
  test('that does not fit is refused, and is so again the second time', () => {
    const forged = Uint8Array.from(leaf.certificate)
    forged[forged.length - 1] = (forged[forged.length - 1] as number) ^ 1
    for (let i = 0; i < 2; i++) {
      assert.equal(failureOf([forged, middle.certificate]).code, 'ERR_X509_SIGNATURE')
      assert.equal(failureOf([forged, middle.certificate]).reason, 'bad_certificate')
    }
    check([leaf, middle])
  })

  const kinds: readonly (readonly [PkiKey, boolean, number])[] = [
    ['p256', false, SignatureScheme.ecdsa_secp256r1_sha256],
    ['p384', false, SignatureScheme.ecdsa_secp384r1_sha384],
    ['p521', false, SignatureScheme.ecdsa_secp521r1_sha512],
    ['ed25519', false, SignatureScheme.ed25519],
    ['ed448', false, SignatureScheme.ed448],
    ['rsa2048', false, SignatureScheme.rsa_pkcs1_sha256],
    ['rsa2048', true, SignatureScheme.rsa_pss_rsae_sha256],
    ['rsa-pss2048', true, SignatureScheme.rsa_pss_pss_sha256],
  ]
  for (const [kind, isPss, scheme] of kinds) {
    test(`by a key of kind ${kind}${isPss ? ' with PSS' : ''} is taken if its scheme is allowed, and only then`, () => {
      const authority = makeRoot({ name: kind, keys: keysOf(kind) })
      const end = authority.issue({ subject: 'end', isPss })
      const anchors = anchorsOf(authority)
      check([end], { anchors })
      check([end], { anchors, signatureSchemes: [scheme] })
      const signatureSchemes = modernSchemes.filter(other => other !== scheme)
      refused([end], 'ERR_X509_SIGNATURE_ALGORITHM', 'bad_certificate', { anchors, signatureSchemes })
    })
  }

  test('with RSASSA-PSS and SHA-384 is taken, as AMD makes them', () => {
    const authority = makeRoot({ name: 'ARK', keys: keysOf('rsa3072') })
    check([authority.issue({ subject: 'VCEK', isPss: true, signatureHash: 'sha384', key: 'p384' })], {
      anchors: anchorsOf(authority),
    })
  })

  test('with SHA-1 is refused unless asked for by its code point, with MD5 always', () => {
    const authority = makeRoot({ name: 'RSA', keys: keysOf('rsa2048') })
    const anchors = anchorsOf(authority)
    const sha1 = authority.issue({ subject: 'end', signatureHash: 'sha1' })
    refused([sha1], 'ERR_X509_SIGNATURE_ALGORITHM', 'bad_certificate', { anchors })
    check([sha1], { anchors, signatureSchemes: [0x0201] })
    const md5 = authority.issue({ subject: 'end', signatureHash: 'md5' })
    refused([md5], 'ERR_X509_SIGNATURE_ALGORITHM', 'bad_certificate', { anchors, signatureSchemes: [0x0101, 0x0201] })
  })

  test('of a root is not asked for', () => {
    const authority = makeRoot({ name: 'Old RSA', keys: keysOf('rsa2048'), signatureHash: 'sha1' })
    check([authority.issue({ subject: 'end' })], { anchors: anchorsOf(authority) })
  })
})

describe('keys', () => {
  test('that are weak or unknown are refused in the end entity and above', () => {
    for (const kind of ['rsa1024', 'secp256k1'] as const) {
      refused([root.issue({ subject: kind, key: kind })], 'ERR_X509_KEY', 'unsupported_certificate')
      const authority = makeRoot({ name: kind, key: kind })
      refused([authority.issue({ subject: 'end' })], 'ERR_X509_KEY', 'unsupported_certificate', {
        anchors: anchorsOf(authority),
      })
    }
  })

  test('of RSA with an exponent that takes long to check with, or no time at all, are refused', () => {
    const { privateKey, publicKey } = keysOf('rsa2048')
    const jwk = publicKey.export({ format: 'jwk' })
    for (const e of ['AQ', 'AQAAAAE', jwk.n ?? '']) {
      const keys = { privateKey, publicKey: createPublicKey({ key: { ...jwk, e }, format: 'jwk' }) }
      refused([root.issue({ subject: 'odd', keys })], 'ERR_X509_KEY', 'unsupported_certificate')
    }
  })

  test('that no library can read are refused', () => {
    const odd = root.issue({
      subject: 'odd',
      alter: tbs => {
        tbs.subjectPublicKeyInfo.algorithm.algorithm = '1.2.3.4'
      },
    })
    refused([odd], 'ERR_X509_KEY', 'unsupported_certificate')
    const offCurve = root.issue({
      subject: 'off the curve',
      alter: tbs => {
        new Uint8Array(tbs.subjectPublicKeyInfo.subjectPublicKey).fill(1, 1)
      },
    })
    refused([offCurve], 'ERR_X509_KEY', 'unsupported_certificate')
  })
})

describe('an authority', () => {
  test('must say that it is one', () => {
    const noCa = root.issue({ subject: 'No CA' })
    refused([noCa.issue({ subject: 'end' }), noCa], 'ERR_X509_NOT_A_CA', 'bad_certificate')
    const signing = root.issue({ subject: 'No CA either', keyUsage: ['keyCertSign'] })
    refused([signing.issue({ subject: 'end' }), signing], 'ERR_X509_NOT_A_CA', 'bad_certificate')
    const noRoot = makeSelfSigned({ subject: 'No root' })
    refused([noRoot.issue({ subject: 'end' })], 'ERR_X509_NOT_A_CA', 'bad_certificate', { anchors: anchorsOf(noRoot) })
  })

  test('may leave that unsaid, or deny it, where the caller knows of it', () => {
    const noCa = root.issue({ subject: 'No CA', keyUsage: ['digitalSignature'] })
    check([noCa.issue({ subject: 'end' }), noCa], { caMarks: 'ignored' })
    refused([noCa.issue({ subject: 'end' }), noCa], 'ERR_X509_NOT_A_CA', 'bad_certificate', { caMarks: 'required' })
    // All else is looked at as ever.
    const other = makeRoot({ name: 'Other' }).issue({ subject: 'No CA' })
    refused([other.issue({ subject: 'end' }), other], 'ERR_X509_UNKNOWN_ISSUER', 'unknown_ca', { caMarks: 'ignored' })
  })

  test('needs keyCertSign if it has keyUsage', () => {
    const wrong = root.issue({ subject: 'CA', isCa: true, keyUsage: ['digitalSignature', 'cRLSign'] })
    refused([wrong.issue({ subject: 'end' }), wrong], 'ERR_X509_NOT_A_CA', 'bad_certificate')
    const none = root.issue({ subject: 'CA', isCa: true, keyUsage: null })
    check([none.issue({ subject: 'end' }), none])
  })

  test('has no more authorities below it than its path length', () => {
    const zero = root.issue({ subject: 'Zero', isCa: true, pathLength: 0 })
    check([zero.issue({ subject: 'end' }), zero])
    const below = zero.issue({ subject: 'Below', isCa: true })
    refused([below.issue({ subject: 'end' }), below, zero], 'ERR_X509_PATH_LENGTH', 'bad_certificate')
    const one = makeRoot({ name: 'One', pathLength: 1 })
    const next = one.issue({ subject: 'Next', isCa: true })
    const last = next.issue({ subject: 'Last', isCa: true })
    check([next.issue({ subject: 'end' }), next], { anchors: anchorsOf(one) })
    refused([last.issue({ subject: 'end' }), last, next], 'ERR_X509_PATH_LENGTH', 'bad_certificate', {
      anchors: anchorsOf(one),
    })
  })

  test('that is self-issued, as in a change of keys, does not count for the path length', () => {
    const one = makeRoot({ name: 'Roll', pathLength: 0 })
    const rolled = one.issue({ subject: 'Roll', isCa: true })
    assert.equal(check([rolled.issue({ subject: 'end' }), rolled], { anchors: anchorsOf(one) }).length, 3)
  })

  test('may be an anchor of version 1, which cannot say that it is one', () => {
    const old = makeRoot({
      name: 'Version 1',
      alter: tbs => {
        tbs.version = 0
        delete tbs.extensions
      },
    })
    check([old.issue({ subject: 'end' })], { anchors: anchorsOf(old) })
    refused([old.issue({ subject: 'end' }), old], 'ERR_X509_NOT_A_CA', 'bad_certificate')
  })

  test('of version 1 is none in the middle of a chain', () => {
    const old = root.issue({
      subject: 'Version 1',
      alter: tbs => {
        tbs.version = 0
        delete tbs.extensions
      },
    })
    refused([old.issue({ subject: 'end' }), old], 'ERR_X509_NOT_A_CA', 'bad_certificate')
  })
})

describe('purposes', () => {
  test('are those of extKeyUsage, if there is one', () => {
    const both = [middle.issue({ subject: 'any', extendedKeyUsage: ['any'] }), middle.issue({ subject: 'free' })]
    for (const end of both)
      for (const purpose of ['serverAuth', 'clientAuth'] as const) check([end, middle], { purpose })
    check([leaf, middle], { purpose: 'serverAuth' })
    refused([leaf, middle], 'ERR_X509_PURPOSE', 'unsupported_certificate', { purpose: 'clientAuth' })
    const other = middle.issue({ subject: 'mail', extendedKeyUsage: ['1.3.6.1.5.5.7.3.4'] })
    refused([other, middle], 'ERR_X509_PURPOSE', 'unsupported_certificate', { purpose: 'serverAuth' })
    check([other, middle])
  })

  test('of an authority bound those below it', () => {
    const clients = root.issue({ subject: 'Clients', isCa: true, extendedKeyUsage: ['clientAuth'] })
    const end = clients.issue({ subject: 'end' })
    check([end, clients], { purpose: 'clientAuth' })
    refused([end, clients], 'ERR_X509_PURPOSE', 'unsupported_certificate', { purpose: 'serverAuth' })
  })

  test('in TLS need digitalSignature where there is keyUsage', () => {
    const wrong = middle.issue({ subject: 'wrong', keyUsage: ['keyEncipherment'] })
    refused([wrong, middle], 'ERR_X509_KEY_USAGE', 'unsupported_certificate', { purpose: 'serverAuth' })
    check([wrong, middle])
    check([middle.issue({ subject: 'free', keyUsage: null }), middle], { purpose: 'serverAuth' })
  })
})

describe('critical extensions', () => {
  const extension = { oid: '1.2.3.4', critical: true, value: tlv(0x05) }
  test('that are not known are refused in the end entity, above it and in the root', () => {
    refused([root.issue({ subject: 'x', extraExtensions: [extension] })], ...CRITICAL)
    const odd = root.issue({ subject: 'Odd', isCa: true, extraExtensions: [extension] })
    refused([odd.issue({ subject: 'x' }), odd], ...CRITICAL)
    const oddRoot = makeRoot({ name: 'Odd root', extraExtensions: [extension] })
    refused([oddRoot.issue({ subject: 'x' })], ...CRITICAL, { anchors: anchorsOf(oddRoot) })
  })

  test('that ask for a policy are refused, that name policies are not', () => {
    const constraints = { oid: '2.5.29.36', critical: true, value: tlv(0x30, tlv(0x80, Uint8Array.of(0))) }
    refused([root.issue({ subject: 'x', extraExtensions: [constraints] })], ...CRITICAL)
    const policies = { oid: '2.5.29.32', critical: true, value: tlv(0x30) }
    check([root.issue({ subject: 'x', extraExtensions: [policies] })])
  })

  test('that are unknown but not critical do no harm', () => {
    check([root.issue({ subject: 'x', extraExtensions: [{ ...extension, critical: false }] })])
  })
})
const CRITICAL = ['ERR_X509_CRITICAL_EXTENSION', 'unsupported_certificate'] as const

describe('what evidence chains are like', () => {
  test('a serial number of zero and no key identifiers are no fault', () => {
    const end = middle.issue({ subject: 'VCEK', serialNumber: Uint8Array.of(0), alter: withoutKeyIdentifiers })
    assert.equal(check([end, middle]).length, 3)
  })

  test('the same subject and issuer for different keys is no fault', () => {
    const twin = middle.issue({ subject: 'Middle' })
    assert.equal(check([twin, middle]).length, 3)
  })
})

describe('system roots', () => {
  const anchors = TrustAnchors.from(rootCertificates)
  test('can all be read and used', () => {
    assert.equal(anchors.certificates.length, new Set(rootCertificates).size)
    for (const certificate of anchors.certificates) {
      assert.deepEqual(certificate.unknownCriticalExtensions, [])
      assert.ok(certificate.publicKey.kind !== 'other', describeName(certificate.subject))
    }
  })
  test('come as one text, as bytes and as DER too', () => {
    const [first = '', second = ''] = rootCertificates
    assert.equal(TrustAnchors.from([`# two of them\n${first}\n${second}`]).certificates.length, 2)
    assert.equal(TrustAnchors.from([new TextEncoder().encode(first)]).certificates.length, 1)
    assert.equal(TrustAnchors.from([root.certificate, root.pem]).certificates.length, 1)
  })
  test('that are none are refused', () => {
    for (const text of ['', 'nothing', root.keyPem, root.pem.replace('END', 'FIN'), root.pem.replace('M', '?')]) {
      assert.throws(() => TrustAnchors.from([text]), { code: 'ERR_X509_MALFORMED' })
    }
  })
})

describe('sentences', () => {
  test('say what came and what was expected', () => {
    assert.match(failure([leaf]).message, /^CN=leaf is issued by CN=Middle, which is neither trusted nor in the chain;/)
    assert.match(failure([leaf, middle], { at: 0 }).message, /valid from 2020-01-01T00:00:00.000Z; it is 1970-01-01T/)
  })

  test('are not forged by names', () => {
    const evil = root.issue({ subject: 'x\r\nok: all is well, CN=admin\u202e' })
    const { message } = failure([evil], { at: 0 })
    assert.ok(!/[\r\n\u202e]/.test(message))
    assert.ok(message.includes('\\, CN\\=admin'))
  })
})

function keysOf(kind: PkiKey) {
  const held = pairs.get(kind) ?? generateKeys(kind)
  pairs.set(kind, held)
  return held
}
const pairs = new Map<PkiKey, ReturnType<typeof generateKeys>>()

function withoutKeyIdentifiers(tbs: Parameters<NonNullable<Parameters<typeof makeRoot>[0]['alter']>>[0]): void {
  const kept = tbs.extensions?.filter(({ extnID }) => extnID !== '2.5.29.14' && extnID !== '2.5.29.35') ?? []
  tbs.extensions?.splice(0, tbs.extensions.length, ...kept)
}

function anchorsOf(...roots: readonly Issued[]): TrustAnchors {
  return TrustAnchors.from(roots.map(({ certificate }) => certificate))
}

function check(chain: readonly Issued[], options: Partial<ChainCheck> = {}) {
  const ders = chain.map(({ certificate }) => certificate)
  return checkChain({ chain: ders, anchors: anchorsOf(root), at: AT, ...options })
}

function failureOf(chain: readonly Uint8Array[], options: Partial<ChainCheck> = {}): CertificateError {
  try {
    checkChain({ chain, anchors: anchorsOf(root), at: AT, ...options })
  } catch (error) {
    assert.ok(error instanceof CertificateError, String(error))
    return error
  }
  assert.fail('the chain was taken')
}

function failure(chain: readonly Issued[], options: Partial<ChainCheck> = {}): CertificateError {
  return failureOf(
    chain.map(({ certificate }) => certificate),
    options,
  )
}

function refused(chain: readonly Issued[], code: string, reason: string, options: Partial<ChainCheck> = {}): void {
  const error = failure(chain, options)
  assert.deepEqual([error.code, error.reason], [code, reason], error.message)
}
