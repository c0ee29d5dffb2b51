import { X509Certificate } from 'node:crypto'
import { hex } from '#src/bytes/index.js'
import {
  type Certificate,
  certificatesIn,
  checkChain,
  checkHost,
  crlsIn,
  parseCertificate,
  parseCrl,
  TrustAnchors,
} from '#src/x509/index.js'
import { makeCrl, makeRoot } from '../../test/support/pki.js'
import type { Target } from '../target.js'
import { Violation } from '../target.js'
import { decoder } from './decoder.js'

const AT = Date.UTC(2026, 5, 1)
const root = makeRoot({ name: 'Root', key: 'ed25519' })
const middle = root.issue({
  subject: 'Middle',
  isCa: true,
  key: 'p256',
  nameConstraints: { permitted: { dnsNames: ['example.com'] }, excluded: { dnsNames: ['bad.example.com'] } },
})
const leaves = [
  middle.issue({ subject: 'leaf', dnsNames: ['a.example.com'] }),
  middle.issue({ subject: 'leaf', dnsNames: ['a.example.com', '*.example.com'], key: 'ed25519' }),
  middle.issue({ subject: 'leaf', ipAddresses: ['192.0.2.1', '2001:db8::1'], extendedKeyUsage: ['serverAuth'] }),
  root.issue({ subject: 'rsa', dnsNames: ['rsa.example.com'], key: 'rsa2048' }),
]
const certificates = [root, middle, ...leaves].map(({ certificate }) => certificate)
const crls = [
  makeCrl(root),
  makeCrl(middle, { revoked: [Uint8Array.of(1), Uint8Array.of(2, 3)] }),
  makeCrl(root, { nextUpdate: null }),
]

const LAZY = [
  'publicKey',
  'subjectAltNames',
  'basicConstraints',
  'keyUsage',
  'extendedKeyUsage',
  'nameConstraints',
] as const

/** Certificates and what stands around them. */
export const x509Targets: readonly Target[] = [
  decoder({
    name: 'certificate',
    weight: 4,
    form: 'der',
    seeds: () => certificates,
    decode: readWhole,
    check: compareWithOpenSsl,
    describe: certificate => (readByNode(certificate.der) ? 'by OpenSSL too' : 'not by OpenSSL'),
  }),
  decoder({
    name: 'chain',
    form: 'der',
    seeds: () => certificates,
    decode(bytes) {
      const path = checkChain({
        chain: [bytes, ...[root, middle].map(({ certificate }) => certificate)],
        anchors: TrustAnchors.from([root.certificate]),
        at: AT,
        purpose: 'serverAuth',
      })
      const [leaf] = path
      if (leaf) checkHost(leaf, 'a.example.com')
      return path
    },
    check([leaf], bytes) {
      // What is trusted is what was signed: not another bit of it may differ.
      if (!leaf || !certificates.some(known => Buffer.from(known).equals(bytes))) {
        throw new Violation('a certificate that nobody has issued is trusted')
      }
    },
  }),
  decoder({
    name: 'crl',
    weight: 4,
    form: 'der',
    seeds: () => crls,
    decode: parseCrl,
    describe: ({ size }) => String(Math.min(3, size)),
  }),
  decoder({
    name: 'pem',
    form: 'text',
    seeds: () => [Buffer.from(root.pem + middle.pem), Buffer.from(leaves[0]?.pem ?? '')],
    decode: bytes => {
      const text = Buffer.from(bytes).toString('latin1')
      return [...certificatesIn(text), ...crlsIn(text)]
    },
    describe: found => String(found.length),
  }),
]

/** What is read when it is asked for is asked for. */
function readWhole(bytes: Uint8Array): Certificate {
  const certificate = parseCertificate(bytes)
  for (const name of LAZY) void certificate[name]
  return certificate
}

/** What both read, both read alike. That OpenSSL cannot read what is taken here is no fault: names are not looked into
 *  here before they are compared, nor keys before they are used. */
function compareWithOpenSsl(certificate: Certificate): void {
  const theirs = readByNode(certificate.der)
  if (!theirs) return
  const seen = [
    [hex(certificate.serialNumber).replace(/^(00)+(?=.)/, ''), theirs.serialNumber.toLowerCase()],
    [certificate.notBefore, Date.parse(theirs.validFrom)],
    [certificate.notAfter, Date.parse(theirs.validTo)],
  ]
  const differences = seen.filter(([our, their]) => our !== their)
  if (differences.length > 0) throw new Violation(`OpenSSL reads something else: ${differences.flat().join(', ')}`)
}

function readByNode(bytes: Uint8Array): X509Certificate | undefined {
  try {
    return new X509Certificate(bytes)
  } catch {
    return undefined
  }
}
