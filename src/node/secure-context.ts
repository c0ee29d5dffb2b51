import { constants } from 'node:crypto'
import { rootCertificates } from 'node:tls'
import { equalBytes } from '../bytes/index.js'
import type { SigningKey } from '../crypto/index.js'
import {
  type CertificateCompression,
  CertificateType,
  type Credential,
  type CredentialQuery,
  extensionValue,
  MisuseError,
  statusRequest,
} from '../handshake/index.js'
import type { PaddingRule } from '../tls/index.js'
import { type Crl, parseCertificate, TrustAnchors } from '../x509/index.js'
import { cipherSuitesOf, compressionsOf, groupsOf, keyShareGroupsOf, signatureSchemesOf } from './names.js'
import type { SecureContextOptions } from './options.js'
import { certificatesOf, crlsOf, listOf, privateKeyOf, publicKeyIn } from './pem.js'

/** Checks options once, for many connections. @throws MisuseError for what cannot be, is not safe, or is not done here */
export function createSecureContext(options: SecureContextOptions = {}): SecureContext {
  return new SecureContext(options)
}

/** What we are, whom we trust, and how connections are protected. */
export class SecureContext {
  readonly identities: readonly Identity[]
  readonly acceptedRawPublicKeys: readonly Uint8Array[]
  /** DER names of the authorities that were configured; empty if it is those that Node brings. */
  readonly authorities: readonly Uint8Array[]
  /** Revocation lists; undefined if revocation is not checked. */
  readonly crls: readonly Crl[] | undefined
  readonly cipherSuites: readonly number[]
  readonly groups: readonly number[]
  readonly keyShareGroups: readonly number[]
  readonly signatureSchemes: readonly number[]
  readonly certificateSchemes: readonly number[]
  /** Certificate types that we can present (RFC 7250), in order of preference. */
  readonly certificateTypes: readonly number[]
  readonly honorsOwnOrder: boolean
  readonly recordSizeLimit: number | undefined
  readonly recordPadding: PaddingRule | undefined
  readonly maxCertificateLength: number
  readonly certificateCompression: readonly CertificateCompression[]
  readonly sendsGrease: boolean
  readonly #anchors: TrustAnchors | undefined

  constructor(options: SecureContextOptions) {
    refuseUnsupported(options)
    const schemes = signatureSchemesOf(options.sigalgs)
    this.cipherSuites = cipherSuitesOf(options.ciphers)
    this.groups = groupsOf(options.groups ?? options.ecdhCurve)
    this.keyShareGroups = keyShareGroupsOf(this.groups)
    this.signatureSchemes = schemes.handshake
    this.certificateSchemes = schemes.certificates
    this.honorsOwnOrder = options.honorCipherOrder ?? true
    this.identities = identitiesOf(options)
    this.certificateTypes = certificateTypesOf(options.presentRawPublicKey, this.identities)
    this.acceptedRawPublicKeys = (options.acceptRawPublicKeys ?? []).map(publicKeyIn)
    this.#anchors = options.ca === undefined ? undefined : TrustAnchors.from(listOf(options.ca).flatMap(certificatesOf))
    this.authorities = this.#anchors?.certificates.map(({ subject }) => subject.der) ?? []
    this.crls = options.crl === undefined ? undefined : listOf(options.crl).flatMap(crlsOf)
    this.recordSizeLimit = checkedRecordSizeLimit(options.recordSizeLimit)
    this.recordPadding = paddingRule(options.recordPadding)
    this.maxCertificateLength = options.maxCertificateLength ?? 262_144
    this.certificateCompression = compressionsOf(options.certificateCompression)
    this.sendsGrease = options.grease ?? false
  }

  /** Whether there is an X.509 credential to present. */
  get hasCertificate(): boolean {
    return this.identities.some(({ chain }) => chain.length > 0)
  }

  /** The certificates that end chains. */
  get anchors(): TrustAnchors {
    return this.#anchors ?? systemAnchors()
  }

  /** Our credential for a peer; null if there is none that it takes. */
  identityFor(query: CredentialQuery): Identity | null {
    const takes = (scheme: number) => query.signatureSchemes.includes(scheme)
    const isRaw = query.certificateType === CertificateType.RawPublicKey
    const fitting = this.identities.filter(({ key, chain }) => key.schemes.some(takes) && (isRaw || chain.length > 0))
    const named = fitting.find(({ issuer }) => query.authorities.some(name => issuer && equalBytes(name, issuer)))
    return named ?? fitting[0] ?? null
  }
}

/** A key of ours with its certificate chain. */
export class Identity {
  readonly key: SigningKey
  /** DER, end entity first; empty for a key that is presented only as a raw public key. */
  readonly chain: readonly Uint8Array[]
  /** DER name of who issued the last certificate of the chain. */
  readonly issuer: Uint8Array | undefined
  readonly #ocspResponse: Uint8Array | undefined

  constructor(key: SigningKey, chain: readonly Uint8Array[], ocspResponse: Uint8Array | undefined) {
    this.key = key
    this.chain = chain
    const last = chain.at(-1)
    this.issuer = last && parseCertificate(last).issuer.der
    this.#ocspResponse = ocspResponse
  }

  /** As the handshake presents it. @param ocspResponse stapled instead of that of the options */
  credential(certificateType: number, ocspResponse = this.#ocspResponse): Credential {
    if (certificateType === CertificateType.RawPublicKey) {
      return { certificateType, entries: [{ data: this.key.publicKey.spki, extensions: [] }], key: this.key }
    }
    const staple = ocspResponse
      ? [extensionValue(statusRequest.certificate, { statusType: 1, response: ocspResponse })]
      : []
    const entries = this.chain.map((data, i) => ({ data, extensions: i === 0 ? staple : [] }))
    return { certificateType: CertificateType.X509, entries, key: this.key }
  }
}

/** Pairs chains with keys by the public key. */
function identitiesOf(options: SecureContextOptions): readonly Identity[] {
  const keys = listOf(options.key).map(option => privateKeyOf(option, options.passphrase))
  const chains = listOf(options.cert).map(certificatesOf)
  const identities = chains.map(chain => {
    const [leaf] = chain
    const spki = leaf && parseCertificate(leaf).spki
    const key = keys.find(candidate => spki && equalBytes(candidate.publicKey.spki, spki))
    if (!key) {
      const reason = keys.length === 0 ? 'there is no `key` for' : 'none of the private keys belongs to'
      throw new MisuseError(`${reason} the certificate in \`cert\``, 'ERR_TLS_KEY_MISMATCH')
    }
    return new Identity(key, chain, options.ocspResponse)
  })
  const unused = keys.filter(key => !identities.some(identity => identity.key === key))
  if (unused.length > 0 && !options.presentRawPublicKey) {
    throw new MisuseError('a private key in `key` has no certificate in `cert`', 'ERR_TLS_KEY_MISMATCH')
  }
  return [...identities, ...unused.map(key => new Identity(key, [], undefined))]
}

function certificateTypesOf(
  presentRawPublicKey: boolean | 'only' | undefined,
  identities: readonly Identity[],
): readonly number[] {
  if (!presentRawPublicKey) return [CertificateType.X509]
  if (identities.length === 0) {
    throw new MisuseError('`presentRawPublicKey` needs a `key`', 'ERR_TLS_KEY_MISMATCH')
  }
  const hasCertificate = identities.some(({ chain }) => chain.length > 0)
  return presentRawPublicKey === 'only' || !hasCertificate
    ? [CertificateType.RawPublicKey]
    : [CertificateType.RawPublicKey, CertificateType.X509]
}

/** What node:tls takes and we do not: said at once, not found out later. */
function refuseUnsupported(options: SecureContextOptions): void {
  if (options.pfx !== undefined) {
    throw new MisuseError(
      '`pfx` is not read: turn it into PEM with `openssl pkcs12 -in file.pfx -nodes`, and give `cert` and `key`',
      'ERR_TLS_PFX_UNSUPPORTED',
    )
  }
  refuseVersion('maxVersion', options.maxVersion, ['TLSv1.3'])
  // TLS 1.3 is what a lower bound below it asks for too.
  refuseVersion('minVersion', options.minVersion, ['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3'])
  const method = options.secureProtocol
  if (method !== undefined && !/^(TLS|TLSv1_3|SSLv23)(_client|_server)?_method$/.test(method)) {
    throw new MisuseError(
      `\`secureProtocol\` is ${method}, but only TLSv1.3 is spoken`,
      'ERR_TLS_PROTOCOL_VERSION_UNSUPPORTED',
    )
  }
  if ((options.secureOptions ?? 0) & constants.SSL_OP_NO_TLSv1_3) {
    throw new MisuseError(
      '`secureOptions` forbids TLSv1.3, and nothing else is spoken',
      'ERR_TLS_PROTOCOL_VERSION_UNSUPPORTED',
    )
  }
}

function refuseVersion(name: string, version: string | undefined, accepted: readonly string[]): void {
  if (version === undefined || accepted.includes(version)) return
  throw new MisuseError(
    `\`${name}\` is ${JSON.stringify(version)}, but only TLSv1.3 is spoken`,
    'ERR_TLS_PROTOCOL_VERSION_UNSUPPORTED',
  )
}

function checkedRecordSizeLimit(limit: number | undefined): number | undefined {
  if (limit === undefined || (Number.isInteger(limit) && limit >= 64 && limit <= 16_385)) return limit
  throw new MisuseError(`\`recordSizeLimit\` is 64..16385, not ${limit}`)
}

function paddingRule(padding: number | PaddingRule | undefined): PaddingRule | undefined {
  if (typeof padding !== 'number') return padding
  if (!Number.isInteger(padding) || padding < 1)
    throw new MisuseError(`\`recordPadding\` is a block size, not ${padding}`)
  // The content type is padded along with the content: a whole block is a whole block on the wire.
  return length => (padding - ((length + 1) % padding)) % padding
}

/** Parsed when they are first needed: there are more than a hundred. */
function systemAnchors(): TrustAnchors {
  roots ??= TrustAnchors.from(rootCertificates)
  return roots
}
let roots: TrustAnchors | undefined
