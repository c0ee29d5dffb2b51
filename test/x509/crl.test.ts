import assert from 'node:assert/strict'
import test, { describe } from 'node:test'
import fc from 'fast-check'
import {
  CertificateError,
  type ChainCheck,
  checkChain,
  parseCertificate,
  parseCrl,
  TrustAnchors,
} from '#src/x509/index.js'
import { type CrlOptions, generateKeys, type Issued, makeCrl, makeRoot, tlv } from '../support/pki.js'

const AT = Date.UTC(2026, 0, 1)
const root = makeRoot({ name: 'Root' })
const middle = root.issue({ subject: 'Middle', isCa: true })
const leaf = middle.issue({ subject: 'leaf' })
const rootCrl = crl(root)
const serialOf = ({ certificate }: Issued) => parseCertificate(certificate).serialNumber

describe('a CRL', () => {
  test('says what is revoked and when it was made', () => {
    const list = crl(middle, { revoked: [serialOf(leaf), Uint8Array.of(0)] })
    assert.equal(list.size, 2)
    assert.ok(list.isRevoked(serialOf(leaf)) && list.isRevoked(Uint8Array.of(0)))
    assert.ok(!list.isRevoked(Uint8Array.of(1)))
    assert.equal(list.thisUpdate, Date.UTC(2020, 0, 1))
    assert.equal(list.nextUpdate, Date.UTC(2049, 11, 31, 23, 59, 59))
    assert.equal(crl(middle, { nextUpdate: null }).nextUpdate, undefined)
  })

  test('revokes the certificate it names, in the middle of a path too', () => {
    accepts([rootCrl, crl(middle)])
    refuses([rootCrl, crl(middle, { revoked: [serialOf(leaf)] })], 'ERR_X509_REVOKED', 'certificate_revoked')
    refuses([crl(root, { revoked: [serialOf(middle)] }), crl(middle)], 'ERR_X509_REVOKED', 'certificate_revoked')
  })

  test('is asked for each time, for a chain that was good before too', () => {
    accepts([rootCrl, crl(middle)])
    refuses([rootCrl, crl(middle, { revoked: [serialOf(leaf)] })], 'ERR_X509_REVOKED', 'certificate_revoked')
  })

  test('says nothing about certificates of another issuer with the same number', () => {
    accepts([crl(root, { revoked: [serialOf(leaf)] }), crl(middle)])
  })

  test('is missed where it is missing, unless only given ones are asked', () => {
    refuses([rootCrl], 'ERR_X509_REVOCATION_UNKNOWN', 'certificate_unknown')
    refuses([], 'ERR_X509_REVOCATION_UNKNOWN', 'certificate_unknown')
    accepts([rootCrl], { crlCoverage: 'given' })
    accepts([], { crlCoverage: 'given' })
    const revoked = crl(root, { revoked: [serialOf(middle)] })
    refuses([revoked], 'ERR_X509_REVOKED', 'certificate_revoked', { crlCoverage: 'given' })
  })

  test('that is out of date, or from the future, does not count', () => {
    for (const crlCoverage of ['every', 'given'] as const) {
      const old = crl(middle, { nextUpdate: new Date('2025-12-31T00:00:00Z') })
      refuses([rootCrl, old], 'ERR_X509_REVOCATION_UNKNOWN', 'certificate_unknown', { crlCoverage })
      const coming = crl(middle, { thisUpdate: new Date('2026-01-02T00:00:00Z') })
      refuses([rootCrl, coming], 'ERR_X509_REVOCATION_UNKNOWN', 'certificate_unknown', { crlCoverage })
    }
  })

  test('that another has signed does not count', () => {
    refuses([rootCrl, crl(middle, { signer: generateKeys('p256') })], 'ERR_X509_SIGNATURE', 'bad_certificate')
  })

  test('needs an issuer with cRLSign, if it has keyUsage', () => {
    const issuer = root.issue({ subject: 'No lists', isCa: true, keyUsage: ['keyCertSign'] })
    const chain = [issuer.issue({ subject: 'x' }), issuer]
    refuses([rootCrl, crl(issuer)], 'ERR_X509_KEY_USAGE', 'unsupported_certificate', {}, chain)
  })

  test('can be checked by itself', () => {
    const list = crl(middle)
    list.check(parseCertificate(middle.certificate), AT)
    assert.throws(() => list.check(parseCertificate(root.certificate), AT), { code: 'ERR_X509_REVOCATION_UNKNOWN' })
    assert.throws(() => list.check(parseCertificate(middle.certificate), AT, [0x0401]), {
      code: 'ERR_X509_SIGNATURE_ALGORITHM',
    })
  })

  test('about one kind of certificates covers that kind only', () => {
    const point = (number: number) => [
      { oid: '2.5.29.28', critical: true, value: tlv(0x30, tlv(0x80 | number, Uint8Array.of(0xff))) },
    ]
    assert.equal(crl(middle, { extensions: point(1) }).scope, 'user')
    accepts([rootCrl, crl(middle, { extensions: point(1) })])
    refuses([rootCrl, crl(middle, { extensions: point(2) })], 'ERR_X509_REVOCATION_UNKNOWN', 'certificate_unknown')
    for (const number of [4, 5]) unusable({ extensions: point(number) })
  })

  test('with a critical extension that is not known, or a delta, is refused', () => {
    const extension = (oid: string) => [{ oid, critical: true, value: tlv(0x02, Uint8Array.of(1)) }]
    unusable({ extensions: extension('1.2.3.4') })
    unusable({ extensions: extension('2.5.29.27') })
    const revoked = [Uint8Array.of(1)]
    unusable({ revoked, entryExtensions: [{ oid: '2.5.29.29', critical: true, value: tlv(0x30) }] })
    const reason = [{ oid: '2.5.29.21', critical: false, value: tlv(0x0a, Uint8Array.of(1)) }]
    assert.equal(crl(root, { revoked, entryExtensions: reason }).size, 1)
  })

  test('is refused at whichever byte it is cut off, and when it is a certificate', () => {
    const der = makeCrl(root, { revoked: [Uint8Array.of(1)] })
    for (let length = 0; length < der.length; length++) {
      assert.throws(() => parseCrl(der.subarray(0, length)), { code: 'ERR_X509_MALFORMED' })
    }
    assert.throws(() => parseCrl(root.certificate), { code: 'ERR_X509_MALFORMED' })
    assert.throws(() => parseCrl(new Uint8Array(8 * 1024 * 1024 + 1)), { code: 'ERR_X509_TOO_LARGE' })
  })

  test('throws nothing but CertificateError, however its bytes were changed', () => {
    const der = makeCrl(root, { revoked: [Uint8Array.of(1), Uint8Array.of(2)] })
    const issuer = parseCertificate(root.certificate)
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(der.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }), changes => {
        const changed = Uint8Array.from(der)
        for (const [at, byte] of changes) changed[at] = byte
        try {
          parseCrl(changed).check(issuer, AT)
        } catch (error) {
          assert.ok(error instanceof CertificateError, String(error))
        }
      }),
      { numRuns: 1000 },
    )
  })

  test('of a hundred thousand entries is read in time that grows with its length', () => {
    const entry = (i: number) => tlv(0x30, tlv(0x02, Uint8Array.of(1, i >> 16, i >> 8, i)), tlv(0x17, DATE))
    const small = bigCrl(Array.from({ length: 1000 }, (_, i) => entry(i)))
    const large = bigCrl(Array.from({ length: 100_000 }, (_, i) => entry(i)))
    parseCrl(small)
    const start = performance.now()
    assert.equal(parseCrl(large).size, 100_000)
    assert.ok(performance.now() - start < 3000)
  })
})

const DATE = new TextEncoder().encode('200101000000Z')

/** With a signature that is none: only reading is asked for. */
function bigCrl(entries: readonly Uint8Array[]): Uint8Array {
  const algorithm = tlv(0x30, Uint8Array.of(0x06, 0x03, 0x2b, 0x65, 0x70))
  const list = sequence(entries)
  return sequence([
    sequence([tlv(0x02, Uint8Array.of(1)), algorithm, tlv(0x30), tlv(0x17, DATE), list]),
    algorithm,
    tlv(0x03, Uint8Array.of(0)),
  ])
}

function sequence(parts: readonly Uint8Array[]): Uint8Array {
  const content = Buffer.concat(parts)
  if (content.length < 0x10000) return tlv(0x30, content)
  return Buffer.concat([Uint8Array.of(0x30, 0x83, content.length >> 16, content.length >> 8, content.length), content])
}

function crl(issuer: Issued, options: CrlOptions = {}) {
  return parseCrl(makeCrl(issuer, options))
}

function unusable(options: CrlOptions): void {
  assert.throws(() => crl(root, options), { code: 'ERR_X509_CRITICAL_EXTENSION', reason: 'unsupported_certificate' })
}

function accepts(
  crls: ChainCheck['crls'],
  options: Partial<ChainCheck> = {},
  chain: readonly Issued[] = [leaf, middle],
): void {
  const anchors = TrustAnchors.from([root.certificate])
  checkChain({ chain: chain.map(({ certificate }) => certificate), anchors, at: AT, crls, ...options })
}

function refuses(
  crls: ChainCheck['crls'],
  code: string,
  reason: string,
  options: Partial<ChainCheck> = {},
  chain: readonly Issued[] = [leaf, middle],
): void {
  assert.throws(() => accepts(crls, options, chain), { name: 'CertificateError', code, reason })
}
