export type { Certificate } from './certificate.js'
export { parseCertificate } from './certificate-cache.js'
export { type CertificateAlert, CertificateError, type CertificateErrorCode } from './certificate-error.js'
export { type ChainCheck, checkChain } from './chain.js'
export { type Crl, parseCrl } from './crl.js'
export {
  bitsOf,
  booleanOf,
  contextTag,
  DerReader,
  type DerValue,
  integerOf,
  octetsOf,
  oidOf,
  readDer,
  smallIntegerOf,
  Tag,
  timeOf,
} from './der.js'
export { type Extension, ExtensionOid, KeyUsage } from './extensions.js'
export type { GeneralNames } from './general-name.js'
export { checkHost } from './host.js'
export { describeName, type Name, type NameAttribute } from './name.js'
export { certificatesIn, crlsIn } from './pem.js'
export { modernSchemes } from './signature.js'
export { TrustAnchors } from './trust-anchors.js'
