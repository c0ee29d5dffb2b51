import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import test, { describe } from 'node:test'
import { OctetString } from '@peculiar/asn1-schema'
import { Extension, Extensions } from '@peculiar/asn1-x509'
import fc from 'fast-check'
import { hex } from '#src/bytes/index.js'
import {
  CertificateError,
  checkChain,
  describeName,
  KeyUsage,
  parseCertificate,
  TrustAnchors,
} from '#src/x509/index.js'
import { generateKeys, makeRoot, oidBytes, type PkiOptions, tlv } from '../support/pki.js'

const AT = Date.UTC(2026, 0, 1)
const root = makeRoot({
  name: [
    ['C', 'DE'],
    ['O', 'Works'],
    ['CN', 'Root'],
  ],
  pathLength: 3,
  nameConstraints: { permitted: { dnsNames: ['example'] }, excluded: { ipAddresses: ['10.0.0.0/8'] } },
})
const rich = root.issue({
  subject: [
    ['C', 'DE'],
    ['CN', 'rich'],
  ],
  dnsNames: ['a.example', '*.b.example'],
  ipAddresses: ['192.0.2.1', '2001:db8::1'],
  emails: ['a@mail.example'],
  uris: ['https://a.example/x'],
  directoryNames: ['someone'],
  registeredIds: ['1.2.3'],
  extendedKeyUsage: ['serverAuth', '1.2.3.4'],
  keyUsage: ['digitalSignature', 'keyAgreement'],
})

describe('a certificate', () => {
  const certificate = parseCertificate(rich.certificate)

  test('says what its maker put in', () => {
    assert.equal(certificate.version, 3)
    assert.equal(describeName(certificate.subject), 'CN=rich, C=DE')
    assert.equal(describeName(certificate.issuer), 'CN=Root, O=Works, C=DE')
    assert.equal(certificate.subject.attribute('2.5.4.3'), 'rich')
    assert.equal(certificate.notBefore, Date.UTC(2020, 0, 1))
    assert.equal(certificate.notAfter, Date.UTC(2049, 11, 31, 23, 59, 59))
    const names = certificate.subjectAltNames
    assert.deepEqual(names.dnsNames, ['a.example', '*.b.example'])
    assert.deepEqual(names.ipAddresses.map(hex), ['c0000201', '20010db8000000000000000000000001'])
    assert.deepEqual(names.emails, ['a@mail.example'])
    assert.deepEqual(names.uris, ['https://a.example/x'])
    assert.deepEqual(names.directoryNames.map(describeName), ['CN=someone'])
    assert.deepEqual([...names.otherForms], [8])
    assert.deepEqual([...(certificate.extendedKeyUsage ?? [])], ['1.3.6.1.5.5.7.3.1', '1.2.3.4'])
    assert.equal(certificate.keyUsage, KeyUsage.digitalSignature | KeyUsage.keyAgreement)
    assert.equal(certificate.basicConstraints, undefined)
    assert.equal(certificate.authorityKeyIdentifier, parseCertificate(root.certificate).subjectKeyIdentifier)
    assert.deepEqual(parseCertificate(root.certificate).basicConstraints, { isCa: true, pathLength: 3 })
  })

  test('is read as OpenSSL reads it', () => {
    const other = new X509Certificate(rich.certificate)
    assert.equal(hex(certificate.serialNumber).toUpperCase(), other.serialNumber)
    assert.equal(certificate.notAfter, Date.parse(other.validTo))
    assert.equal(certificate.fingerprint.toUpperCase(), other.fingerprint256.replaceAll(':', ''))
    assert.deepEqual(Buffer.from(certificate.publicKey.spki), other.publicKey.export({ format: 'der', type: 'spki' }))
  })

  test('is a copy: what becomes of the bytes it was read from does not matter', () => {
    const bytes = Uint8Array.from(root.issue({ subject: 'copied', dnsNames: ['c.example'] }).certificate)
    const copied = parseCertificate(bytes)
    bytes.fill(0)
    assert.equal(copied.der[0], 0x30)
    assert.equal(hex(copied.der), hex(parseCertificate(copied.der).der))
  })

  test('that is read again is the same object', () => {
    assert.equal(parseCertificate(Uint8Array.from(rich.certificate)), certificate)
  })

  test('that has been read is forgotten when thousands came after it', () => {
    for (let i = 0; i < 1100; i++) {
      const other = Uint8Array.from(rich.certificate)
      new DataView(other.buffer).setUint32(other.length - 4, i)
      parseCertificate(other)
    }
    assert.notEqual(parseCertificate(rich.certificate), certificate)
  })
})

describe('what is no certificate', () => {
  test('is refused at whichever byte it is cut off', () => {
    for (const { certificate } of [rich, root]) {
      for (let length = 0; length < certificate.length; length++) malformed(certificate.subarray(0, length))
    }
  })

  test('is one with bytes after it', () => {
    malformed(Uint8Array.from([...rich.certificate, 0]))
  })

  test('is more than 64 KiB', () => {
    refused(new Uint8Array(65_537), 'ERR_X509_TOO_LARGE')
  })

  test('throws nothing but CertificateError, however its bytes were changed', () => {
    const anchors = TrustAnchors.from([root.certificate])
    const change = fc.record({
      at: fc.nat(),
      byte: fc.nat(255),
      remove: fc.nat(3),
      insert: fc.uint8Array({ maxLength: 4 }),
    })
    fc.assert(
      fc.property(fc.constantFrom(rich, root), fc.array(change, { minLength: 1, maxLength: 4 }), (base, changes) => {
        let bytes = [...base.certificate]
        for (const { at, byte, remove, insert } of changes) {
          const i = at % bytes.length
          bytes[i] = byte
          bytes = [...bytes.slice(0, i + 1), ...insert, ...bytes.slice(i + 1 + remove)]
        }
        const der = Uint8Array.from(bytes)
        try {
          checkChain({ chain: [der, root.certificate], anchors, at: AT, purpose: 'serverAuth' })
        } catch (error) {
          assert.ok(error instanceof CertificateError, String(error))
          assert.match(error.code, /^ERR_X509_[A-Z_]+$/)
        }
      }),
      { numRuns: 2000 },
    )
  })

  test('is never good with one bit changed', () => {
    const anchors = TrustAnchors.from([root.certificate])
    const plain = root.issue({ subject: 'plain', dnsNames: ['a.example'] }).certificate
    checkChain({ chain: [plain], anchors, at: AT })
    for (let i = 0; i < plain.length; i++) {
      const der = Uint8Array.from(plain)
      der[i] = (der[i] as number) ^ (1 << (i % 8))
      assert.throws(() => checkChain({ chain: [der], anchors, at: AT }), CertificateError, `byte ${i}`)
    }
  })
})

describe('strict reading', () => {
  test('refuses an extension that comes twice', () => {
    const extension = { oid: '1.2.3.4', value: tlv(0x05) }
    malformed(issue({ extraExtensions: [extension, extension] }))
  })

  test('refuses malformed values of the extensions it knows, critical or not', () => {
    const cases: readonly (readonly [oid: string, value: Uint8Array])[] = [
      ['2.5.29.19', tlv(0x30, tlv(0x01, Uint8Array.of(1)))],
      ['2.5.29.19', tlv(0x30, tlv(0x01, Uint8Array.of(0xff)), tlv(0x02, Uint8Array.of(0xff)))],
      ['2.5.29.19', tlv(0x30, tlv(0x02, Uint8Array.of(0, 1)))],
      ['2.5.29.19', Uint8Array.of(0x30, 0x81, 0x03, 0x01, 0x01, 0xff)],
      ['2.5.29.19', Uint8Array.of(0x30, 0x80, 0x00, 0x00)],
      ['2.5.29.17', tlv(0x30, tlv(0x87, Uint8Array.of(1, 2, 3)))],
      ['2.5.29.17', tlv(0x30, tlv(0x82, Uint8Array.of(0xff)))],
      ['2.5.29.17', tlv(0x30, tlv(0x0c, Uint8Array.of(0x61)))],
      ['2.5.29.17', tlv(0x30, tlv(0x89))],
      ['2.5.29.37', tlv(0x30)],
      ['2.5.29.37', tlv(0x30, tlv(0x06))],
      ['2.5.29.37', tlv(0x30, tlv(0x06, Uint8Array.of(0x80, 0x01)))],
      ['2.5.29.37', tlv(0x30, tlv(0x06, Uint8Array.of(0x81)))],
      ['2.5.29.14', tlv(0x05)],
      ['2.5.29.30', tlv(0x30, tlv(0xa0, tlv(0x30, tlv(0x82), tlv(0x80, Uint8Array.of(1)))))],
      ['2.5.29.30', tlv(0x30, tlv(0xa0, tlv(0x30, tlv(0x87, Uint8Array.of(10, 0, 0, 0, 255, 0, 255, 0)))))],
      ['2.5.29.30', tlv(0x30, tlv(0xa0, tlv(0x30, tlv(0x87, Uint8Array.of(10, 0, 0, 0)))))],
    ]
    for (const [oid, value] of cases) malformed(issue({ keyUsage: null, alter: replace(oid, value) }), oid + hex(value))
    for (const value of [tlv(0x03), tlv(0x03, Uint8Array.of(8, 0)), tlv(0x03, Uint8Array.of(1, 1)), tlv(0x04)]) {
      malformed(issue({ alter: replace('2.5.29.15', value) }), hex(value))
    }
  })

  test('refuses more names, purposes, constraints and extensions than anybody needs', () => {
    const many = (count: number, part: Uint8Array) => tlv(0x30, ...Array.from({ length: count }, () => part))
    refused(issue({ alter: replace('2.5.29.17', many(1025, tlv(0x82, Uint8Array.of(0x61)))) }), 'ERR_X509_TOO_LARGE')
    refused(issue({ alter: replace('2.5.29.37', many(65, oidBytes('1.2.3'))) }), 'ERR_X509_TOO_LARGE')
    const subtree = tlv(0x30, tlv(0x82, Uint8Array.of(0x61)))
    const subtrees = tlv(0x30, tlv(0xa1, ...Array.from({ length: 1025 }, () => subtree)))
    refused(issue({ alter: replace('2.5.29.30', subtrees) }), 'ERR_X509_TOO_LARGE')
    const extraExtensions = Array.from({ length: 65 }, (_, i) => ({ oid: `1.2.3.${i}`, value: tlv(0x05) }))
    refused(issue({ extraExtensions }), 'ERR_X509_TOO_LARGE')
    const subject = Array.from({ length: 65 }, () => ['CN', 'x'] as const)
    refused(root.issue({ subject }).certificate, 'ERR_X509_TOO_LARGE')
  })

  test('refuses a serial number of 22 bytes and one with superfluous bytes', () => {
    malformed(issue({ serialNumber: new Uint8Array(22).fill(1) }))
    malformed(issue({ serialNumber: Uint8Array.of(0, 1) }))
    assert.equal(parseCertificate(issue({ serialNumber: Uint8Array.of(0) })).serialNumber.length, 1)
  })

  test('refuses versions that there are not, and extensions in version 1', () => {
    malformed(issue({ alter: tbs => Object.assign(tbs, { version: 3 }) }))
    malformed(issue({ alter: tbs => Object.assign(tbs, { version: 0 }) }))
  })

  test('refuses two signature algorithms', () => {
    const other = root.issue({ subject: 'x' }).certificate
    // The last of the two is that of the certificate itself: ecdsa-with-SHA256 becomes ecdsa-with-SHA384.
    const at = Buffer.from(other).lastIndexOf(Buffer.from(oidBytes('1.2.840.10045.4.3.2')))
    malformed(Uint8Array.from(other, (byte, i) => (i === at + 9 ? 3 : byte)))
  })

  test('reads arcs of any size in OIDs', () => {
    const uuid = Uint8Array.of(
      0x69,
      0x83,
      0xc4,
      0xdc,
      0xa0,
      0xc3,
      0xb9,
      0xe8,
      0x87,
      0xb5,
      0xc4,
      0xdc,
      0xa0,
      0xc3,
      0xb9,
      0xe8,
      0x87,
      0x35,
    )
    const { extendedKeyUsage } = parseCertificate(issue({ alter: replace('2.5.29.37', tlv(0x30, tlv(0x06, uuid))) }))
    const [oid = ''] = extendedKeyUsage ?? []
    let arc = 0n
    for (const byte of uuid.subarray(1)) arc = arc * 128n + BigInt(byte & 0x7f)
    assert.equal(oid, `2.25.${arc}`)
  })
})

describe('names', () => {
  test('are equal in spite of letter case, spaces and string types', () => {
    const a = parseCertificate(root.issue({ subject: 'Attested  Works' }).certificate).subject
    const b = parseCertificate(root.issue({ subject: ' ATTESTED works ' }).certificate).subject
    const c = parseCertificate(root.issue({ subject: 'AttestedWorks' }).certificate).subject
    assert.ok(a.equals(b))
    assert.ok(!a.equals(c))
  })

  test('that differ only in how they are cut into attributes are not equal', () => {
    const one = parseCertificate(root.issue({ subject: [['CN', 'a\n2.5.4.3="b"']] }).certificate).subject
    const two = parseCertificate(
      root.issue({
        subject: [
          ['CN', 'a'],
          ['CN', 'b'],
        ],
      }).certificate,
    ).subject
    assert.ok(!one.equals(two))
  })

  test('that are empty say so', () => {
    assert.equal(describeName(parseCertificate(root.issue({ subject: [] }).certificate).subject), '(no name)')
  })
})

function issue(options: Partial<PkiOptions>): Uint8Array {
  return root.issue({ subject: 'x', keys, ...options }).certificate
}
const keys = generateKeys('p256')

/** Puts a value into an extension, or adds the extension. */
function replace(oid: string, value: Uint8Array): NonNullable<PkiOptions['alter']> {
  return tbs => {
    const others = tbs.extensions?.filter(({ extnID }) => extnID !== oid) ?? []
    tbs.extensions = new Extensions([...others, new Extension({ extnID: oid, extnValue: new OctetString(value) })])
  }
}

function malformed(der: Uint8Array, message?: string): void {
  refused(der, 'ERR_X509_MALFORMED', message)
}

function refused(der: Uint8Array, code: string, message?: string): void {
  assert.throws(() => parseCertificate(der), { name: 'CertificateError', code, reason: 'bad_certificate' }, message)
}
