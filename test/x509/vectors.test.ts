import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { describe } from 'node:test'
import { decode } from 'cborg'
import { type CertificateError, type Crl, certificatesIn, checkChain, parseCrl, TrustAnchors } from '#src/x509/index.js'
import { needsVectors, vectorsFolder } from '../support/skip.js'

/** What there is of a recorded chain, by the names that the vectors give to their files. */
interface Recorded {
  readonly name: string
  readonly at: number
  readonly chain: readonly Uint8Array[]
  readonly anchors: TrustAnchors
  readonly crls: readonly Crl[] | undefined
}

/** Vectors whose chain is wrong or is not one by RFC 5280, and what we say to it. */
const REFUSED: Readonly<Record<string, string>> = {
  'sev-snp/bad-vcek-trustee-legacy': 'ERR_X509_SIGNATURE',
  'aws-nitro/fake-root-marlin': 'ERR_X509_UNKNOWN_ISSUER',
  'android-key/marlin-software': 'ERR_X509_UNKNOWN_ISSUER',
  'tpm-certify/fido-fake-root': 'ERR_X509_UNKNOWN_ISSUER',
  // Its intermediate has no basicConstraints.
  'android-key/sony-tee-ec-lenient': 'ERR_X509_NOT_A_CA',
  // The anchor on file is a later certificate for the same key.
  'android-key/blueline-tee-ec': 'ERR_X509_NOT_YET_VALID',
}

describe('recorded chains of platforms', needsVectors(), () => {
  const recorded = vectorsFolder === undefined ? [] : formatsIn(vectorsFolder)

  test('are there in numbers', () => {
    assert.ok(recorded.length >= 70, `${recorded.length} chains`)
    for (const name of Object.keys(REFUSED))
      assert.ok(
        recorded.some(row => row.name === name),
        name,
      )
  })

  for (const { name, at, chain, anchors, crls } of recorded) {
    test(`${name}: ${REFUSED[name] ?? 'leads to its root'}`, () => {
      const check = () => checkChain({ chain, anchors, at, crls })
      const code = REFUSED[name]
      if (code !== undefined) {
        assert.throws(check, (error: CertificateError) => error.code === code)
        return
      }
      const path = check()
      assert.ok(path.length >= 2)
      assert.throws(() => checkChain({ chain, anchors: NO_ANCHORS, at }), { code: 'ERR_X509_UNKNOWN_ISSUER' })
      assert.throws(() => checkChain({ chain, anchors, at: Date.UTC(1999, 0) }), { reason: 'certificate_expired' })
    })
  }
})

const NO_ANCHORS = TrustAnchors.from([])

function formatsIn(folder: string): readonly Recorded[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter(entry => entry.isDirectory())
    .flatMap(({ name: format }) =>
      readdirSync(join(folder, format)).flatMap(name => chainsIn(join(folder, format, name), `${format}/${name}`)),
    )
}

function chainsIn(folder: string, name: string): Recorded[] {
  if (!existsSync(join(folder, 'vector.json'))) return []
  // The file says what it is in its schema; what else it may say is not looked at.
  const vector = JSON.parse(readFileSync(join(folder, 'vector.json'), 'utf8')) as {
    readonly verification_time: string
    readonly files: Readonly<Record<string, { readonly path: string } | undefined>>
  }
  const read = (file: string): Uint8Array | undefined => {
    const row = vector.files[file]
    return row && Uint8Array.from(readFileSync(join(folder, row.path)))
  }
  const row = (chain: readonly Uint8Array[], roots: Uint8Array | undefined, crls?: readonly Crl[]): Recorded[] => {
    if (chain.length === 0 || !roots) return []
    return [{ name, at: Date.parse(vector.verification_time), chain, anchors: TrustAnchors.from([roots]), crls }]
  }
  switch (name.split('/')[0]) {
    case 'sev-snp':
    case 'az-snp-vtpm':
      return row(present(read('vek') ?? read('vcek'), read('ask')), read('ark'))
    case 'sgx':
    case 'tdx':
    case 'az-tdx-vtpm': {
      const lists = present(read('root_ca_crl'), read('pck_crl')).map(parseCrl)
      const crls = lists.length > 0 ? lists : undefined
      const inQuote = certificatesIn(latin1(read('quote')))
      const pck = inQuote.length > 0 ? inQuote : certificatesIn(latin1(read('pck_chain')))
      return [
        ...row(pck, read('root'), crls),
        ...row(certificatesIn(latin1(read('tcb_sign_chain'))), read('root'), crls),
      ]
    }
    case 'aws-nitro':
      return row(nitroChain(folder), Uint8Array.from(readFileSync(join(folder, 'root.der'))))
    case 'android-key':
      return row(certificatesIn(latin1(read('chain'))), read('roots'))
    case 'nvidia-gpu':
      return row(certificatesIn(latin1(read('cert_chain'))), read('root'))
    case 'tpm-certify':
      return row(present(read('aik_cert'), read('aik_intermediate')), read('root'))
    case 'tpm-quote':
      return row(present(read('ak_cert'), read('ak_intermediate')), read('ak_root'))
    default:
      return []
  }
}

/** The signer's certificate and the bundle of an attestation document. */
function nitroChain(folder: string): readonly Uint8Array[] {
  const options = { useMaps: true }
  const [, , payload] = decode(readFileSync(join(folder, 'attestation.cbor')), options) as Uint8Array[]
  const document = decode(payload ?? new Uint8Array(), options) as Map<string, unknown>
  return [document.get('certificate') as Uint8Array, ...(document.get('cabundle') as Uint8Array[])]
}

function present(...files: readonly (Uint8Array | undefined)[]): readonly Uint8Array[] {
  return files.filter(file => file !== undefined)
}

function latin1(bytes: Uint8Array | undefined): string {
  return Buffer.from(bytes ?? []).toString('latin1')
}
