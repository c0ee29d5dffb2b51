import assert from 'node:assert/strict'
import test, { describe } from 'node:test'
import { checkHost, parseCertificate } from '#src/x509/index.js'
import { generateKeys, makeRoot, type PkiOptions } from '../support/pki.js'

const root = makeRoot({ name: 'Root' })
const keys = generateKeys('p256')

describe('a host name', () => {
  test('is one of the DNS names, in any letter case, with a final dot or not', () => {
    const options = { dnsNames: ['a.example', 'B.Example.'] }
    for (const name of ['a.example', 'A.EXAMPLE', 'a.example.', 'b.example', 'b.example.']) fits(options, name)
    for (const name of ['example', 'x.a.example', 'a.example.org', 'aa.example', 'a', 'a.example..', ''])
      differs(options, name)
  })

  test('may be an international one: A-labels are what is compared', () => {
    const options = { dnsNames: ['xn--bcher-kva.example', 'xn--strae-oqa.example'] }
    for (const name of ['bücher.example', 'BÜCHER.example', 'xn--bcher-kva.example', 'straße.example'])
      fits(options, name)
    for (const name of ['bucher.example', 'strasse.example', 'bü cher.example']) differs(options, name)
  })

  test('is never the common name', () => {
    differs({ subject: 'a.example' }, 'a.example')
    differs({ subject: 'a.example', ipAddresses: ['192.0.2.1'] }, 'a.example')
  })

  test('that is no host name fits nothing, not even its like in a certificate', () => {
    for (const name of ['*.example', 'a b.example', 'a\0.example', '-a.example', 'a_.exa mple', '1.2.3', '999.1.1.1']) {
      differs({ dnsNames: [name] }, name)
    }
    differs({ dnsNames: [`${'a'.repeat(64)}.example`] }, `${'a'.repeat(64)}.example`)
    differs({ dnsNames: ['a.example\0.b.example'] }, 'a.example')
  })
})

describe('a wildcard', () => {
  test('stands for one whole label on the left', () => {
    const options = { dnsNames: ['*.w.example'] }
    for (const name of ['a.w.example', 'A.W.example.', 'xn--bcher-kva.w.example']) fits(options, name)
    for (const name of ['w.example', 'a.b.w.example', '.w.example', 'aw.example']) differs(options, name)
  })

  test('is nothing inside of a label, further to the right, or twice', () => {
    for (const pattern of [
      'a*.example.org',
      '*a.example.org',
      'x.*.example.org',
      '*.*.example.org',
      '**.example.org',
    ]) {
      for (const name of ['a.example.org', 'ab.example.org', 'x.a.example.org', 'a.a.example.org']) {
        differs({ dnsNames: [pattern] }, name)
      }
    }
  })

  test('does not stand for all of a top-level domain, or for everything', () => {
    differs({ dnsNames: ['*.example'] }, 'a.example')
    differs({ dnsNames: ['*', '*.'] }, 'localhost')
  })
})

describe('an IP address', () => {
  test('is compared byte for byte, however it is written', () => {
    const options = { ipAddresses: ['192.0.2.1', '2001:db8::1'] }
    for (const name of ['192.0.2.1', '2001:db8::1', '[2001:db8::1]', '2001:0DB8:0:0:0:0:0:1', '2001:db8::0.0.0.1']) {
      fits(options, name)
    }
    for (const name of [
      '192.0.2.2',
      '2001:db8::2',
      '::ffff:192.0.2.1',
      '192.0.2',
      '192.0.2.01',
      '2001:db8:::1',
      '::1::',
    ]) {
      differs(options, name)
    }
  })

  test('is no DNS name, and no common name', () => {
    differs({ subject: '192.0.2.1', dnsNames: ['192.0.2.1', '*.0.2.1', '2001:db8::1'] }, '192.0.2.1')
    differs({ dnsNames: ['2001:db8::1'] }, '2001:db8::1')
  })
})

describe('the refusal', () => {
  test('says which names the certificate has', () => {
    const dnsNames = ['a.example', 'b.example', 'c.example', 'd.example', 'e.example', 'f.example']
    assert.match(
      differs({ dnsNames, ipAddresses: ['192.0.2.1'] }, 'x.example'),
      /for a\.example, .*e\.example and 2 more, not for x\.example/,
    )
    assert.match(differs({ ipAddresses: ['2001:db8::1'] }, '::1'), /for 2001:db8:0:0:0:0:0:1, not for the address ::1/)
    assert.match(differs({}, 'x.example'), /for no host at all/)
    assert.ok(!differs({ dnsNames: ['a\r\nb'] }, 'x.example').includes('\n'))
  })
})

function leafOf({ subject = 'leaf', ...options }: PkiOptions & { subject?: string }) {
  return parseCertificate(root.issue({ subject, keys, ...options }).certificate)
}

function fits(options: PkiOptions & { subject?: string }, name: string): void {
  checkHost(leafOf(options), name)
}

/** @returns the sentence */
function differs(options: PkiOptions & { subject?: string }, name: string): string {
  let message = ''
  assert.throws(
    () => checkHost(leafOf(options), name),
    (error: Error & { code?: string; reason?: string }) => {
      message = error.message
      assert.deepEqual([error.code, error.reason], ['ERR_X509_NAME_MISMATCH', 'bad_certificate'])
      return true
    },
    name,
  )
  return message
}
