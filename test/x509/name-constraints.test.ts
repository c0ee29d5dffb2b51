import assert from 'node:assert/strict'
import test, { describe } from 'node:test'
import { AsnConvert } from '@peculiar/asn1-schema'
import { Name } from '@peculiar/asn1-x509'
import { type CertificateError, checkChain, TrustAnchors } from '#src/x509/index.js'
import {
  generateKeys,
  type Issued,
  makeRoot,
  oidBytes,
  type PkiOptions,
  type PkiSubtrees,
  tlv,
} from '../support/pki.js'

const root = makeRoot({ name: 'Root' })
const keys = generateKeys('p256')
const anchors = TrustAnchors.from([root.certificate])

describe('a DNS name', () => {
  test('has to lie in a permitted domain', () => {
    const within = under({ permitted: { dnsNames: ['a.example', 'b.example'] } })
    for (const name of ['a.example', 'x.a.example', 'X.A.Example', '*.a.example', 'b.example'])
      within.takes({ dnsNames: [name] })
    for (const name of ['example', 'xa.example', 'a.example.org', '*.example', 'a b.a.example', ''])
      within.refuses({ dnsNames: [name] })
    within.refuses({ dnsNames: ['a.example', 'c.example'] })
  })

  test('must not lie in an excluded domain', () => {
    const within = under({ excluded: { dnsNames: ['bad.example'] } })
    within.takes({ dnsNames: ['good.example', '*.good.example'] })
    for (const name of ['bad.example', 'x.bad.example', 'BAD.EXAMPLE', 'bad.example.', '*.bad.example'])
      within.refuses({ dnsNames: [name] })
  })

  test('with a wildcard must not stand for an excluded one', () => {
    under({ excluded: { dnsNames: ['bad.example'] } }).refuses({ dnsNames: ['*.example'] })
    under({ excluded: { dnsNames: ['x.bad.example'] } }).takes({ dnsNames: ['*.example'] })
  })

  test('is below a base that begins with a dot', () => {
    const within = under({ permitted: { dnsNames: ['.a.example'] } })
    within.takes({ dnsNames: ['x.a.example'] })
    within.refuses({ dnsNames: ['a.example'] })
  })

  test('is excluded by an empty base, whichever it is', () => {
    under({ excluded: { dnsNames: [''] } }).refuses({ dnsNames: ['a.example'] })
    under({ permitted: { dnsNames: [''] } }).takes({ dnsNames: ['a.example'] })
  })
})

describe('an IP address', () => {
  test('has to lie in a permitted block and in no excluded one', () => {
    const within = under({
      permitted: { ipAddresses: ['10.0.0.0/8', '2001:db8::/32'] },
      excluded: { ipAddresses: ['10.1.0.0/16'] },
    })
    for (const address of ['10.0.0.1', '10.255.0.1', '2001:db8::5']) within.takes({ ipAddresses: [address] })
    for (const address of ['11.0.0.1', '10.1.2.3', '2001:db9::5', '::ffff:10.0.0.1'])
      within.refuses({ ipAddresses: [address] })
  })

  test('of one family does not pass by blocks of the other', () => {
    under({ permitted: { ipAddresses: ['10.0.0.0/8'] } }).refuses({ ipAddresses: ['2001:db8::5'] })
  })
})

describe('a mail address', () => {
  test('is a mailbox, at a host, or in a domain', () => {
    const within = under({ permitted: { emails: ['a@one.example', 'two.example', '.three.example'] } })
    for (const email of ['a@one.example', 'a@ONE.example', 'x@two.example', 'x@y.three.example'])
      within.takes({ emails: [email] })
    for (const email of [
      'b@one.example',
      'A@one.example',
      'x@y.two.example',
      'x@three.example',
      'two.example',
      '@two.example',
    ]) {
      within.refuses({ emails: [email] })
    }
    under({ excluded: { emails: ['two.example'] } }).refuses({ emails: ['x@two.example'] })
  })

  test('in the subject counts where there is none in subjectAltName', () => {
    const emailAddress = tlv(
      0x30,
      tlv(0x31, tlv(0x30, oidBytes('1.2.840.113549.1.9.1'), tlv(0x16, text('x@bad.example')))),
    )
    const within = under({ excluded: { emails: ['bad.example'] } })
    within.refuses({ alter: withSubject(emailAddress) })
    within.takes({ emails: ['x@good.example'], alter: withSubject(emailAddress) })
  })
})

describe('a URI', () => {
  test('is judged by its host', () => {
    const within = under({ permitted: { uris: ['a.example', '.b.example'] } })
    for (const uri of ['https://a.example/x', 'spiffe://u@A.example:80', 'https://x.b.example?y'])
      within.takes({ uris: [uri] })
    for (const uri of [
      'https://x.a.example',
      'https://b.example',
      'https://evil.example#a.example',
      'https://a.example@evil.example',
    ]) {
      within.refuses({ uris: [uri] })
    }
  })

  test('without a host name is refused where URIs are constrained', () => {
    for (const uri of ['urn:a', 'https://10.0.0.1/', 'https://[::1]/', 'https:///x', 'a.example']) {
      under({ permitted: { uris: ['a.example'] } }).refuses({ uris: [uri] })
      under({ excluded: { uris: ['a.example'] } }).refuses({ uris: [uri] })
    }
  })
})

describe('a directory name', () => {
  const works = [
    ['C', 'DE'],
    ['O', 'Works'],
  ] as const
  test('of the subject has to begin with a permitted name', () => {
    const within = under({ permitted: { directoryNames: [works] } })
    within.takes({ subject: [...works, ['CN', 'x']] })
    within.takes({
      subject: [
        ['C', 'DE'],
        ['O', ' works'],
        ['CN', 'x'],
      ],
    })
    within.refuses({
      subject: [
        ['O', 'Works'],
        ['C', 'DE'],
      ],
    })
    within.refuses({ subject: [['C', 'DE']] })
    within.takes({ subject: [], dnsNames: ['a.example'] })
  })

  test('in subjectAltName counts like that of the subject', () => {
    under({ excluded: { directoryNames: [works] } }).refuses({
      subject: 'x',
      directoryNames: [[...works, ['CN', 'y']]],
    })
    under({ excluded: { directoryNames: [works] } }).takes({ subject: 'x', directoryNames: ['y'] })
  })
})

describe('constraints', () => {
  test('on forms that cannot be compared refuse certificates with such names, and no others', () => {
    const within = under({ excluded: { registeredIds: ['1.2.3'] } })
    within.refuses({ registeredIds: ['1.2.4'] })
    within.takes({ dnsNames: ['a.example'] })
  })

  test('of the root and of those further up bind too, each for itself', () => {
    const top = makeRoot({ name: 'Top', nameConstraints: { permitted: { dnsNames: ['example'] } } })
    const next = top.issue({
      subject: 'Next',
      isCa: true,
      nameConstraints: { excluded: { dnsNames: ['bad.example'] } },
    })
    const last = next.issue({
      subject: 'Last',
      isCa: true,
      nameConstraints: { permitted: { dnsNames: ['org', 'a.example', 'bad.example'] } },
    })
    const trusted = TrustAnchors.from([top.certificate])
    const ask = (name: string) => codeOf([last.issue({ subject: 'x', keys, dnsNames: [name] }), last, next], trusted)
    assert.equal(ask('a.example'), undefined)
    for (const name of ['a.org', 'bad.example', 'b.example']) assert.equal(ask(name), 'ERR_X509_NAME_CONSTRAINTS')
  })

  test('bind the names of authorities, but not of self-issued ones', () => {
    const permitted = { directoryNames: [[['O', 'Works']]] as const }
    const top = makeRoot({ name: 'Top', nameConstraints: { permitted } })
    const trusted = TrustAnchors.from([top.certificate])
    const rolled = top.issue({ subject: 'Top', isCa: true })
    assert.equal(codeOf([rolled.issue({ subject: [['O', 'Works']], keys }), rolled], trusted), undefined)
    const other = top.issue({ subject: 'Other', isCa: true })
    const end = other.issue({ subject: [['O', 'Works']], keys })
    assert.equal(codeOf([end, other], trusted), 'ERR_X509_NAME_CONSTRAINTS')
  })

  test('ask for only so many comparisons', () => {
    const names = Array.from({ length: 1000 }, (_, i) => `n${i}.example`)
    const issuer = root.issue({
      subject: 'CA',
      isCa: true,
      nameConstraints: { excluded: { dnsNames: names.map(name => `x.${name}`) } },
    })
    const end = issuer.issue({ subject: 'x', keys, dnsNames: names })
    const start = performance.now()
    assert.equal(codeOf([end, issuer]), 'ERR_X509_SEARCH_LIMIT')
    assert.ok(performance.now() - start < 500)
  })
})

/** A CA with constraints, asked whether it could issue certificates. */
function under(nameConstraints: { permitted?: PkiSubtrees; excluded?: PkiSubtrees }) {
  const issuer = root.issue({ subject: 'Constrained', isCa: true, keys, nameConstraints })
  const ask = (options: PkiOptions & { subject?: Parameters<Issued['issue']>[0]['subject'] }) =>
    codeOf([issuer.issue({ subject: [], keys, ...options }), issuer])
  type Options = Parameters<typeof ask>[0]
  return {
    takes: (options: Options) => assert.equal(ask(options), undefined, JSON.stringify(options)),
    refuses: (options: Options) => assert.equal(ask(options), 'ERR_X509_NAME_CONSTRAINTS', JSON.stringify(options)),
  }
}

function codeOf(chain: readonly Issued[], trusted = anchors): string | undefined {
  try {
    checkChain({ chain: chain.map(({ certificate }) => certificate), anchors: trusted, at: Date.UTC(2026, 0) })
    return undefined
  } catch (error) {
    return (error as CertificateError).code
  }
}

function text(value: string): Uint8Array {
  return new TextEncoder().encode(value)
}

function withSubject(name: Uint8Array): NonNullable<PkiOptions['alter']> {
  return tbs => {
    tbs.subject = AsnConvert.parse(name, Name)
  }
}
