import { constants, type KeyObject, randomBytes, sign } from 'node:crypto'
import { AsnConvert, OctetString } from '@peculiar/asn1-schema'
import {
  AlgorithmIdentifier,
  AttributeTypeAndValue,
  AttributeValue,
  BasicConstraints,
  Certificate,
  CertificateList,
  Extension,
  Extensions,
  KeyUsage,
  KeyUsageFlags,
  Name,
  RelativeDistinguishedName,
  RevokedCertificate,
  SubjectPublicKeyInfo,
  TBSCertificate,
  TBSCertList,
  Time,
  Validity,
  Version,
} from '@peculiar/asn1-x509'

/** What a certificate of a platform's hierarchy is to say. */
export interface CertificateContent {
  /** Common name of its subject. */
  readonly subject: string
  readonly publicKey: KeyObject
  /** Common name of its issuer. */
  readonly issuer: string
  readonly isCa: boolean
  /** Content of an INTEGER; at random unless said. AMD gives all keys that sign reports the same: 0. */
  readonly serialNumber?: Uint8Array
  /** Milliseconds since 1970. */
  readonly notBefore: number
  readonly notAfter: number
  /** Extensions besides basic constraints and key usage. */
  readonly extensions?: readonly { readonly oid: string; readonly value: Uint8Array; readonly isCritical?: boolean }[]
}

/** Makes an X.509 certificate (RFC 5280 §4.1) for the hierarchy of a simulated platform.
 *  @param issuerKey a private key on P-256 or P-384, or of RSA, which signs with RSASSA-PSS
 *  @returns DER */
export function issueCertificate(content: CertificateContent, issuerKey: KeyObject): Uint8Array {
  const algorithm = algorithmOf(issuerKey)
  const spki = content.publicKey.export({ format: 'der', type: 'spki' })
  const usage = content.isCa ? KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign : KeyUsageFlags.digitalSignature
  const tbsCertificate = new TBSCertificate({
    version: Version.v3,
    serialNumber: content.serialNumber ? Uint8Array.from(content.serialNumber).buffer : serialNumber(),
    signature: algorithm,
    issuer: nameOf(content.issuer),
    subject: nameOf(content.subject),
    validity: new Validity({ notBefore: new Date(content.notBefore), notAfter: new Date(content.notAfter) }),
    subjectPublicKeyInfo: AsnConvert.parse(spki, SubjectPublicKeyInfo),
    extensions: new Extensions([
      extension(BASIC_CONSTRAINTS, AsnConvert.serialize(new BasicConstraints({ cA: content.isCa })), true),
      extension(KEY_USAGE, AsnConvert.serialize(new KeyUsage(usage)), true),
      ...(content.extensions ?? []).map(({ oid, value, isCritical }) => extension(oid, value, isCritical ?? false)),
    ]),
  })
  const signature = signatureOver(AsnConvert.serialize(tbsCertificate), issuerKey)
  const certificate = new Certificate({
    tbsCertificate,
    signatureAlgorithm: algorithm,
    signatureValue: signature,
  })
  return new Uint8Array(AsnConvert.serialize(certificate))
}

/** What a revocation list of a platform's hierarchy is to say. */
export interface CrlContent {
  /** Common name of its issuer. */
  readonly issuer: string
  /** Milliseconds since 1970. */
  readonly thisUpdate: number
  readonly nextUpdate: number
  /** Of the certificates that are revoked: contents of INTEGERs. */
  readonly serialNumbers: readonly Uint8Array[]
}

/** Makes a revocation list (RFC 5280 §5.1) for the hierarchy of a simulated platform.
 *  @param issuerKey as for `issueCertificate`
 *  @returns DER */
export function issueCrl(content: CrlContent, issuerKey: KeyObject): Uint8Array {
  const signature = algorithmOf(issuerKey)
  const thisUpdate = new Time(new Date(content.thisUpdate))
  const tbsCertList = new TBSCertList({
    version: Version.v2,
    signature,
    issuer: nameOf(content.issuer),
    thisUpdate,
    nextUpdate: new Time(new Date(content.nextUpdate)),
  })
  if (content.serialNumbers.length > 0) {
    tbsCertList.revokedCertificates = content.serialNumbers.map(
      serial => new RevokedCertificate({ userCertificate: Uint8Array.from(serial).buffer, revocationDate: thisUpdate }),
    )
  }
  const list = new CertificateList({
    tbsCertList,
    signatureAlgorithm: signature,
    signature: signatureOver(AsnConvert.serialize(tbsCertList), issuerKey),
  })
  return new Uint8Array(AsnConvert.serialize(list))
}

function algorithmOf(issuerKey: KeyObject): AlgorithmIdentifier {
  if (issuerKey.asymmetricKeyType === 'rsa') {
    return new AlgorithmIdentifier({ algorithm: RSASSA_PSS, parameters: Uint8Array.from(PSS_WITH_SHA384).buffer })
  }
  return new AlgorithmIdentifier({ algorithm: isP384(issuerKey) ? ECDSA_WITH_SHA384 : ECDSA_WITH_SHA256 })
}

function signatureOver(tbs: ArrayBuffer, issuerKey: KeyObject): ArrayBuffer {
  const isRsa = issuerKey.asymmetricKeyType === 'rsa'
  const key = isRsa ? { key: issuerKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 48 } : issuerKey
  return Uint8Array.from(sign(isRsa || isP384(issuerKey) ? 'sha384' : 'sha256', Buffer.from(tbs), key)).buffer
}

function isP384(key: KeyObject): boolean {
  return key.asymmetricKeyDetails?.namedCurve === 'secp384r1'
}

function nameOf(commonName: string): Name {
  const attribute = new AttributeTypeAndValue({
    type: COMMON_NAME,
    value: new AttributeValue({ utf8String: commonName }),
  })
  return new Name([new RelativeDistinguishedName([attribute])])
}

function extension(extnID: string, value: ArrayBuffer | Uint8Array, critical: boolean): Extension {
  return new Extension({ extnID, critical, extnValue: new OctetString(new Uint8Array(value)) })
}

/** RFC 5280 §4.1.2.2: positive, at most 20 octets; the first bits are fixed so that it is both. */
function serialNumber(): ArrayBuffer {
  const bytes = Uint8Array.from(randomBytes(16))
  bytes[0] = ((bytes[0] ?? 0) & 0x3f) | 0x40
  return bytes.buffer
}

const ECDSA_WITH_SHA256 = '1.2.840.10045.4.3.2'
const ECDSA_WITH_SHA384 = '1.2.840.10045.4.3.3'
const RSASSA_PSS = '1.2.840.113549.1.1.10'
/** RSASSA-PSS-params (RFC 4055 §3.1): SHA-384, MGF1 with SHA-384, a salt of 48 bytes. */
const PSS_WITH_SHA384 = Buffer.from(
  '3034a00f300d06096086480165030402020500a11c301a06092a864886f70d010108300d06096086480165030402020500a203020130',
  'hex',
)
const COMMON_NAME = '2.5.4.3'
const BASIC_CONSTRAINTS = '2.5.29.19'
const KEY_USAGE = '2.5.29.15'
