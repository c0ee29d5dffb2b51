import { constants, createHash, generateKeyPairSync, type KeyObject, sign as signBytes } from 'node:crypto'
import { AsnConvert, OctetString } from '@peculiar/asn1-schema'
import {
  AlgorithmIdentifier,
  AttributeTypeAndValue,
  AttributeValue,
  BasicConstraints,
  Certificate,
  ExtendedKeyUsage,
  Extension,
  Extensions,
  GeneralName,
  GeneralSubtree,
  GeneralSubtrees,
  KeyUsage,
  KeyUsageFlags,
  Name,
  NameConstraints,
  RelativeDistinguishedName,
  SubjectAlternativeName,
  SubjectPublicKeyInfo,
  TBSCertificate,
  Validity,
} from '@peculiar/asn1-x509'

/** The kinds of key that certificates are made for. RSA keys take a tenth of a second and more: share them by `keys`. */
export type PkiKey =
  | 'p256'
  | 'p384'
  | 'p521'
  | 'ed25519'
  | 'ed448'
  | 'rsa1024'
  | 'rsa2048'
  | 'rsa3072'
  | 'rsa-pss2048'
  | 'secp256k1'

export interface KeyPair {
  readonly publicKey: KeyObject
  readonly privateKey: KeyObject
}

/** A common name, or the whole name in the order of its encoding: `[['C', 'DE'], ['O', 'Works'], ['CN', 'a']]`. */
export type PkiName = string | readonly (readonly [type: keyof typeof ATTRIBUTES, value: string])[]

export type PkiHash = 'md5' | 'sha1' | 'sha256' | 'sha384' | 'sha512'
export type PkiKeyUsage = keyof typeof KeyUsageFlags
/** A short name, or an OID in dots. */
export type PkiPurpose = 'serverAuth' | 'clientAuth' | 'any' | `${number}.${string}`

/** Subtrees of a name constraints extension: domains, address blocks (`10.0.0.0/8`), mail hosts, URI hosts, names. */
export interface PkiSubtrees {
  readonly dnsNames?: readonly string[]
  readonly ipAddresses?: readonly string[]
  readonly emails?: readonly string[]
  readonly uris?: readonly string[]
  readonly directoryNames?: readonly PkiName[]
  readonly registeredIds?: readonly string[]
}

/** What a certificate is to say. What is left out has a default that makes a valid one. */
export interface PkiOptions {
  /** The kind of a new key; p256 if neither this nor `keys` is given. */
  readonly key?: PkiKey
  /** A key pair that is there already: for cross-certificates, and to save the time of making one. */
  readonly keys?: KeyPair
  readonly dnsNames?: readonly string[]
  /** As text; `extraExtensions` takes what no text can say. */
  readonly ipAddresses?: readonly string[]
  readonly uris?: readonly string[]
  readonly emails?: readonly string[]
  readonly directoryNames?: readonly PkiName[]
  readonly registeredIds?: readonly string[]
  readonly isCa?: boolean
  readonly pathLength?: number
  /** null: no such extension. Default: keyCertSign and cRLSign for a CA, digitalSignature for the others. */
  readonly keyUsage?: readonly PkiKeyUsage[] | null
  /** Default: no such extension. */
  readonly extendedKeyUsage?: readonly PkiPurpose[]
  readonly nameConstraints?: { readonly permitted?: PkiSubtrees; readonly excluded?: PkiSubtrees }
  /** Default: 2020-01-01 to 2049-12-31, so that a test needs neither the real time nor care about it. */
  readonly notBefore?: Date | string
  readonly notAfter?: Date | string
  readonly extraExtensions?: readonly {
    readonly oid: string
    readonly critical?: boolean
    readonly value: Uint8Array
  }[]
  /** How the issuer signs. Default: the hash that fits the curve, SHA-256 with RSA. */
  readonly signatureHash?: PkiHash
  /** RSASSA-PSS instead of PKCS#1 v1.5; the salt is as long as the hash. */
  readonly isPss?: boolean
  /** Content of the INTEGER. Default: a new number. */
  readonly serialNumber?: Uint8Array
  /** The last word on what is signed. */
  readonly alter?: (tbs: TBSCertificate) => void
}

export interface RootOptions extends PkiOptions {
  readonly name: PkiName
}

export interface IssueOptions extends PkiOptions {
  readonly subject: PkiName
}

/** A certificate with its key. It can issue others, whether it is allowed to or not. */
export interface Issued extends KeyPair {
  /** DER. */
  readonly certificate: Uint8Array
  /** The certificate in PEM. */
  readonly pem: string
  /** The private key in PEM, PKCS#8. */
  readonly keyPem: string
  issue(options: IssueOptions): Issued
}

/** A new root CA. `root.issue({ subject, dnsNames })` makes a server certificate, with `isCa: true` a further CA. */
export function makeRoot(options: RootOptions): Issued {
  const keys = options.keys ?? generateKeys(options.key ?? 'p256')
  const name = nameOf(options.name)
  return issued({ isCa: true, ...options }, name, keys, { name, keys })
}

/** A certificate that is signed with its own key and is no CA. */
export function makeSelfSigned(options: IssueOptions): Issued {
  return makeRoot({ isCa: false, ...options, name: options.subject })
}

/** A new key pair. */
export function generateKeys(kind: PkiKey): KeyPair {
  switch (kind) {
    case 'p256':
      return generateKeyPairSync('ec', { namedCurve: 'P-256' })
    case 'p384':
      return generateKeyPairSync('ec', { namedCurve: 'P-384' })
    case 'p521':
      return generateKeyPairSync('ec', { namedCurve: 'P-521' })
    case 'secp256k1':
      return generateKeyPairSync('ec', { namedCurve: 'secp256k1' })
    case 'ed25519':
      return generateKeyPairSync('ed25519')
    case 'ed448':
      return generateKeyPairSync('ed448')
    case 'rsa1024':
      return generateKeyPairSync('rsa', { modulusLength: 1024 })
    case 'rsa2048':
      return generateKeyPairSync('rsa', { modulusLength: 2048 })
    case 'rsa3072':
      return generateKeyPairSync('rsa', { modulusLength: 3072 })
    case 'rsa-pss2048':
      return generateKeyPairSync('rsa-pss', { modulusLength: 2048 })
  }
}

/** What a CRL is to say. */
export interface CrlOptions {
  /** Serial numbers as the certificates have them: content of the INTEGER. */
  readonly revoked?: readonly Uint8Array[]
  /** Default: 2020-01-01. */
  readonly thisUpdate?: Date
  /** Default: 2049-12-31; null: it does not say. */
  readonly nextUpdate?: Date | null
  readonly extensions?: NonNullable<PkiOptions['extraExtensions']>
  /** Extensions of each entry. */
  readonly entryExtensions?: NonNullable<PkiOptions['extraExtensions']>
  /** Who signs, if not the issuer. */
  readonly signer?: KeyPair
}

/** A certificate revocation list by a CA, in DER. */
export function makeCrl(issuer: Issued, options: CrlOptions = {}): Uint8Array {
  const { revoked = [], thisUpdate = new Date('2020-01-01T00:00:00Z'), extensions = [], entryExtensions = [] } = options
  const nextUpdate = options.nextUpdate === undefined ? new Date('2049-12-31T23:59:59Z') : options.nextUpdate
  const signature = signatureAlgorithm((options.signer ?? issuer).privateKey, {})
  const algorithm = new Uint8Array(AsnConvert.serialize(signature.identifier))
  const { subject } = AsnConvert.parse(issuer.certificate, Certificate).tbsCertificate
  const list = (rows: CrlOptions['extensions'] = []) =>
    rows.length === 0 ? [] : [tlv(0x30, ...rows.map(row => new Uint8Array(AsnConvert.serialize(extensionOf(row)))))]
  const entries = revoked.map(serialNumber =>
    tlv(0x30, tlv(0x02, serialNumber), utcTime(thisUpdate), ...list(entryExtensions)),
  )
  const tbs = tlv(
    0x30,
    tlv(0x02, Uint8Array.of(1)),
    algorithm,
    new Uint8Array(AsnConvert.serialize(subject)),
    utcTime(thisUpdate),
    ...(nextUpdate ? [utcTime(nextUpdate)] : []),
    ...(entries.length > 0 ? [tlv(0x30, ...entries)] : []),
    ...list(extensions).map(all => tlv(0xa0, all)),
  )
  return tlv(0x30, tbs, algorithm, tlv(0x03, Uint8Array.of(0), signature.sign(tbs)))
}

function extensionOf({ oid, critical = false, value }: NonNullable<PkiOptions['extraExtensions']>[number]): Extension {
  return new Extension({ extnID: oid, critical, extnValue: new OctetString(value) })
}

function utcTime(date: Date): Uint8Array {
  const text = date.toISOString().replace(/[-:T]/g, '').replace(/\.\d+/, '')
  return tlv(0x17, new TextEncoder().encode(text.slice(2)))
}

interface Issuer {
  readonly name: Name
  readonly keys: KeyPair
}

function issued(options: PkiOptions, subject: Name, keys: KeyPair, issuer: Issuer): Issued {
  const certificate = makeCertificate(options, subject, keys, issuer)
  return {
    ...keys,
    certificate,
    pem: pemOf('CERTIFICATE', certificate),
    keyPem: keys.privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(),
    issue(next) {
      const nextKeys = next.keys ?? generateKeys(next.key ?? 'p256')
      return issued(next, nameOf(next.subject), nextKeys, { name: subject, keys })
    },
  }
}

function makeCertificate(options: PkiOptions, subject: Name, keys: KeyPair, issuer: Issuer): Uint8Array {
  const signature = signatureAlgorithm(issuer.keys.privateKey, options)
  const extensions = [...keyIdentifiers(keys, issuer.keys), ...extensionsOf(options)]
  const tbs = new TBSCertificate({
    version: 2,
    serialNumber: arrayBuffer(options.serialNumber ?? nextSerialNumber()),
    signature: signature.identifier,
    issuer: issuer.name,
    validity: new Validity({
      notBefore: new Date(options.notBefore ?? '2020-01-01T00:00:00Z'),
      notAfter: new Date(options.notAfter ?? '2049-12-31T23:59:59Z'),
    }),
    subject,
    subjectPublicKeyInfo: AsnConvert.parse(spkiOf(keys), SubjectPublicKeyInfo),
  })
  tbs.extensions = new Extensions(extensions)
  options.alter?.(tbs)
  const tbsBytes = new Uint8Array(AsnConvert.serialize(tbs))
  const certificate = new Certificate({
    tbsCertificate: tbs,
    tbsCertificateRaw: arrayBuffer(tbsBytes),
    signatureAlgorithm: signature.identifier,
    signatureValue: arrayBuffer(signature.sign(tbsBytes)),
  })
  return new Uint8Array(AsnConvert.serialize(certificate))
}

function spkiOf({ publicKey }: KeyPair): Uint8Array {
  return publicKey.export({ format: 'der', type: 'spki' })
}

/** RFC 5280 §4.2.1.1 and RFC 5280 §4.2.1.2: OpenSSL's strict mode wants them. */
function keyIdentifiers(subject: KeyPair, issuer: KeyPair): Extension[] {
  const identify = (keys: KeyPair) => createHash('sha1').update(spkiOf(keys)).digest()
  return [
    new Extension({ extnID: '2.5.29.14', extnValue: new OctetString(tlv(0x04, identify(subject))) }),
    new Extension({ extnID: '2.5.29.35', extnValue: new OctetString(tlv(0x30, tlv(0x80, identify(issuer)))) }),
  ]
}

function extensionsOf(options: PkiOptions): Extension[] {
  const { isCa = false, pathLength, extendedKeyUsage, nameConstraints } = options
  const list: Extension[] = []
  const add = (extnID: string, critical: boolean, value: Uint8Array | ArrayBuffer) =>
    list.push(new Extension({ extnID, critical, extnValue: new OctetString(new Uint8Array(value)) }))
  if (isCa) {
    add('2.5.29.19', true, AsnConvert.serialize(new BasicConstraints({ cA: true, pathLenConstraint: pathLength })))
  }
  const keyUsage =
    options.keyUsage === undefined
      ? ((isCa ? ['keyCertSign', 'cRLSign'] : ['digitalSignature']) satisfies PkiKeyUsage[])
      : options.keyUsage
  if (keyUsage) {
    let flags = 0
    for (const usage of keyUsage) flags |= KeyUsageFlags[usage]
    add('2.5.29.15', true, AsnConvert.serialize(new KeyUsage(flags)))
  }
  if (extendedKeyUsage) {
    const oids = extendedKeyUsage.map(purpose => PURPOSES[purpose] ?? purpose)
    add('2.5.29.37', false, AsnConvert.serialize(new ExtendedKeyUsage(oids)))
  }
  const names = generalNames(options)
  if (names.length > 0) add('2.5.29.17', false, AsnConvert.serialize(new SubjectAlternativeName(names)))
  if (nameConstraints) {
    const { permitted, excluded } = nameConstraints
    const value = new NameConstraints({
      ...(permitted && { permittedSubtrees: subtrees(permitted) }),
      ...(excluded && { excludedSubtrees: subtrees(excluded) }),
    })
    add('2.5.29.30', true, AsnConvert.serialize(value))
  }
  for (const { oid, critical = false, value } of options.extraExtensions ?? []) add(oid, critical, value)
  return list
}

function generalNames(names: PkiSubtrees): GeneralName[] {
  return [
    ...(names.dnsNames ?? []).map(dNSName => new GeneralName({ dNSName })),
    ...(names.ipAddresses ?? []).map(iPAddress => new GeneralName({ iPAddress })),
    ...(names.uris ?? []).map(uniformResourceIdentifier => new GeneralName({ uniformResourceIdentifier })),
    ...(names.emails ?? []).map(rfc822Name => new GeneralName({ rfc822Name })),
    ...(names.directoryNames ?? []).map(name => new GeneralName({ directoryName: nameOf(name) })),
    ...(names.registeredIds ?? []).map(registeredID => new GeneralName({ registeredID })),
  ]
}

function subtrees(names: PkiSubtrees): GeneralSubtrees {
  return new GeneralSubtrees(generalNames(names).map(base => new GeneralSubtree({ base })))
}

function nameOf(name: PkiName): Name {
  const attributes = typeof name === 'string' ? ([['CN', name]] as const) : name
  return new Name(
    attributes.map(([type, value]) => {
      const text =
        type === 'C' ? { printableString: value } : type === 'DC' ? { ia5String: value } : { utf8String: value }
      return new RelativeDistinguishedName([
        new AttributeTypeAndValue({ type: ATTRIBUTES[type], value: new AttributeValue(text) }),
      ])
    }),
  )
}

const ATTRIBUTES = {
  CN: '2.5.4.3',
  C: '2.5.4.6',
  L: '2.5.4.7',
  ST: '2.5.4.8',
  O: '2.5.4.10',
  OU: '2.5.4.11',
  DC: '0.9.2342.19200300.100.1.25',
} as const

const PURPOSES: Readonly<Record<string, string>> = {
  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
  any: '2.5.29.37.0',
}

interface CertificateSignature {
  readonly identifier: AlgorithmIdentifier
  sign(data: Uint8Array): Uint8Array
}

function signatureAlgorithm(key: KeyObject, options: PkiOptions): CertificateSignature {
  const curve = key.asymmetricKeyDetails?.namedCurve ?? ''
  const hash = options.signatureHash ?? CURVE_HASHES[curve] ?? 'sha256'
  switch (key.asymmetricKeyType) {
    case 'ed25519':
      return { identifier: identifier('1.3.101.112'), sign: data => signBytes(null, data, key) }
    case 'ed448':
      return { identifier: identifier('1.3.101.113'), sign: data => signBytes(null, data, key) }
    case 'ec':
      return { identifier: identifier(known(ECDSA[hash], hash)), sign: data => signBytes(hash, data, key) }
    case 'rsa':
      if (options.isPss) return pss(key, hash)
      return { identifier: identifier(known(RSA[hash], hash), NULL), sign: data => signBytes(hash, data, key) }
    case 'rsa-pss':
      return pss(key, hash)
    default:
      throw new Error(`certificates are not signed with keys of type ${key.asymmetricKeyType}`)
  }
}

function pss(key: KeyObject, hash: PkiHash): CertificateSignature {
  const saltLength = createHash(hash).digest().length
  const hashIdentifier = tlv(0x30, oidBytes(known(HASHES[hash], hash)), NULL)
  const mask = tlv(0x30, oidBytes('1.2.840.113549.1.1.8'), hashIdentifier)
  const parameters = tlv(
    0x30,
    tlv(0xa0, hashIdentifier),
    tlv(0xa1, mask),
    tlv(0xa2, tlv(0x02, Uint8Array.of(saltLength))),
  )
  const padding = constants.RSA_PKCS1_PSS_PADDING
  return {
    identifier: identifier('1.2.840.113549.1.1.10', parameters),
    sign: data => signBytes(hash, data, { key, padding, saltLength }),
  }
}

const CURVE_HASHES: Readonly<Record<string, PkiHash>> = { secp384r1: 'sha384', secp521r1: 'sha512' }

const ECDSA: Readonly<Partial<Record<PkiHash, string>>> = {
  sha1: '1.2.840.10045.4.1',
  sha256: '1.2.840.10045.4.3.2',
  sha384: '1.2.840.10045.4.3.3',
  sha512: '1.2.840.10045.4.3.4',
}

const RSA: Readonly<Record<PkiHash, string>> = {
  md5: '1.2.840.113549.1.1.4',
  sha1: '1.2.840.113549.1.1.5',
  sha256: '1.2.840.113549.1.1.11',
  sha384: '1.2.840.113549.1.1.12',
  sha512: '1.2.840.113549.1.1.13',
}

const HASHES: Readonly<Partial<Record<PkiHash, string>>> = {
  sha1: '1.3.14.3.2.26',
  sha256: '2.16.840.1.101.3.4.2.1',
  sha384: '2.16.840.1.101.3.4.2.2',
  sha512: '2.16.840.1.101.3.4.2.3',
}

const NULL = Uint8Array.of(0x05, 0x00)

function identifier(algorithm: string, parameters?: Uint8Array): AlgorithmIdentifier {
  return new AlgorithmIdentifier(parameters ? { algorithm, parameters: arrayBuffer(parameters) } : { algorithm })
}

function known(oid: string | undefined, hash: PkiHash): string {
  if (!oid) throw new Error(`there is no such signature with ${hash}`)
  return oid
}

/** One value in DER: for extensions and other parts that a test writes itself.
 *  @param tag the identifier octet   @param parts the content, one after the other, shorter than 2^24 bytes */
export function tlv(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const content = Uint8Array.from(parts.flatMap(part => [...part]))
  const n = content.length
  const length =
    n < 0x80
      ? [n]
      : n < 0x100
        ? [0x81, n]
        : n < 0x10000
          ? [0x82, n >> 8, n & 255]
          : [0x83, n >> 16, (n >> 8) & 255, n & 255]
  return Uint8Array.from([tag, ...length, ...content])
}

/** An OBJECT IDENTIFIER in DER. */
export function oidBytes(oid: string): Uint8Array {
  const [first = 0, second = 0, ...rest] = oid.split('.').map(Number)
  const bytes: number[] = []
  for (const arc of [first * 40 + second, ...rest]) {
    const septets = [arc % 128]
    for (let left = Math.floor(arc / 128); left > 0; left = Math.floor(left / 128)) septets.unshift((left % 128) | 0x80)
    bytes.push(...septets)
  }
  return tlv(0x06, Uint8Array.from(bytes))
}

/** PEM (RFC 7468) of some bytes. */
export function pemOf(label: string, bytes: Uint8Array): string {
  const lines =
    Buffer.from(bytes)
      .toString('base64')
      .match(/.{1,64}/g) ?? []
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`
}

let serial = 0

/** Numbers need only differ between the certificates of one test run. */
function nextSerialNumber(): Uint8Array {
  serial++
  return Uint8Array.of(0x40, serial >>> 16, serial >>> 8, serial)
}

function arrayBuffer(bytes: Uint8Array): ArrayBuffer {
  return Uint8Array.from(bytes).buffer
}
