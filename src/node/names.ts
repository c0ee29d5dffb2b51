import { brotliCompression, NamedGroup, SignatureScheme, schemeRow, zlibCompression } from '../crypto/index.js'
import {
  type CertificateCompression,
  CipherSuite,
  defaultCertificateSchemes,
  defaultCipherSuites,
  defaultGroups,
  defaultSignatureSchemes,
  MisuseError,
} from '../handshake/index.js'

/** The cipher suites of an OpenSSL list. Names that do not begin with TLS_ belong to older versions and are passed
 *  over, as node:tls does. @throws MisuseError ERR_TLS_UNKNOWN_NAME */
export function cipherSuitesOf(ciphers: string | undefined): readonly number[] {
  const names = split(ciphers).filter(name => name.startsWith('TLS_'))
  if (names.length === 0) return defaultCipherSuites
  return names.map(name => lookUp(CIPHER_SUITES, name, 'cipher suite'))
}

/** Groups by the names of OpenSSL, Node or RFC 8446. @throws MisuseError ERR_TLS_UNKNOWN_NAME */
export function groupsOf(groups: string | readonly string[] | undefined): readonly number[] {
  const names = typeof groups === 'string' ? split(groups) : (groups ?? [])
  if (names.length === 0 || names[0] === 'auto') return defaultGroups
  return names.map(name => lookUp(GROUPS, name.toLowerCase(), 'group'))
}

/** The groups that a client sends a key share for: the first; and beside the hybrid one, which many servers do not
 *  have, x25519, which almost all have. */
export function keyShareGroupsOf(groups: readonly number[]): readonly number[] {
  const isHybridFirst = groups[0] === NamedGroup.X25519MLKEM768
  return isHybridFirst && groups.includes(NamedGroup.x25519) ? [groups[0], NamedGroup.x25519] : groups.slice(0, 1)
}

/** Signature schemes by the names of RFC 8446 or OpenSSL. @throws MisuseError ERR_TLS_UNKNOWN_NAME */
export function signatureSchemesOf(sigalgs: string | undefined): {
  readonly handshake: readonly number[]
  readonly certificates: readonly number[]
} {
  const names = split(sigalgs)
  if (names.length === 0) return { handshake: defaultSignatureSchemes, certificates: defaultCertificateSchemes }
  const certificates = [...new Set(names.flatMap(name => lookUp(SCHEMES, name.toLowerCase(), 'signature scheme')))]
  const handshake = certificates.filter(scheme => !schemeRow(scheme)?.isForCertificatesOnly)
  if (handshake.length === 0) {
    throw new MisuseError('none of the signature schemes can sign a TLS 1.3 handshake', 'ERR_TLS_UNKNOWN_NAME')
  }
  return { handshake, certificates }
}

/** Ways to compress certificates (RFC 8879 §7.3). @throws MisuseError ERR_TLS_UNKNOWN_NAME */
export function compressionsOf(names: readonly string[] | undefined): readonly CertificateCompression[] {
  return (names ?? []).map(name => lookUp(COMPRESSIONS, name, 'compression of certificates'))
}

/** Application protocols as a list of names. @throws MisuseError ERR_TLS_ALPN */
export function protocolsOf(option: readonly (string | Uint8Array)[] | Uint8Array | undefined): readonly string[] {
  if (!option) return []
  const list = option instanceof Uint8Array ? wireList(option) : option
  return list.map(entry => {
    const name = typeof entry === 'string' ? entry : Buffer.from(entry).toString('latin1')
    // Names are bytes; RFC 7301 §3.1 bounds their length.
    if (name.length === 0 || name.length > 255 || /[^\0-\xff]/.test(name)) {
      throw new MisuseError('an application protocol has a name of 1..255 bytes', 'ERR_TLS_ALPN')
    }
    return name
  })
}

function wireList(bytes: Uint8Array): Uint8Array[] {
  const list: Uint8Array[] = []
  for (let at = 0; at < bytes.length; ) {
    const end = at + 1 + (bytes[at] ?? 0)
    if (end > bytes.length) throw new MisuseError('the list of application protocols is cut short', 'ERR_TLS_ALPN')
    list.push(bytes.subarray(at + 1, end))
    at = end
  }
  return list
}

/** The group of a key exchange in the words of node:tls: what is no plain Diffie-Hellman is a `TLSGroup`. */
export interface EphemeralKey {
  readonly type: 'ECDH' | 'TLSGroup'
  readonly name: string
  /** Bits. */
  readonly size?: number
}

/** What node:tls calls the group of a key exchange. */
export function ephemeralKeyOf(group: number): EphemeralKey {
  return EPHEMERAL_KEYS.get(group) ?? { type: 'TLSGroup', name: String(group) }
}

function split(list: string | undefined): readonly string[] {
  return (list ?? '').split(/[:, ]+/).filter(name => name !== '')
}

function lookUp<T>(table: ReadonlyMap<string, T>, name: string, kind: string): T {
  const value = table.get(name)
  if (value === undefined) {
    throw new MisuseError(
      `there is no ${kind} ${name}; there are ${[...table.keys()].join(', ')}`,
      'ERR_TLS_UNKNOWN_NAME',
    )
  }
  return value
}

const CIPHER_SUITES: ReadonlyMap<string, number> = new Map(Object.entries(CipherSuite))

const GROUPS: ReadonlyMap<string, number> = new Map<string, number>([
  ['x25519', NamedGroup.x25519],
  ['secp256r1', NamedGroup.secp256r1],
  ['secp384r1', NamedGroup.secp384r1],
  ['secp521r1', NamedGroup.secp521r1],
  ['x25519mlkem768', NamedGroup.X25519MLKEM768],
  ['mlkem1024', NamedGroup.MLKEM1024],
  ['p-256', NamedGroup.secp256r1],
  ['p-384', NamedGroup.secp384r1],
  ['p-521', NamedGroup.secp521r1],
  ['prime256v1', NamedGroup.secp256r1],
])

const SCHEMES: ReadonlyMap<string, readonly number[]> = new Map([
  ...Object.entries(SignatureScheme).map(([name, scheme]): [string, number[]] => [name, [scheme]]),
  ['ecdsa+sha256', [SignatureScheme.ecdsa_secp256r1_sha256]],
  ['ecdsa+sha384', [SignatureScheme.ecdsa_secp384r1_sha384]],
  ['ecdsa+sha512', [SignatureScheme.ecdsa_secp521r1_sha512]],
  ['rsa-pss+sha256', [SignatureScheme.rsa_pss_rsae_sha256, SignatureScheme.rsa_pss_pss_sha256]],
  ['rsa-pss+sha384', [SignatureScheme.rsa_pss_rsae_sha384, SignatureScheme.rsa_pss_pss_sha384]],
  ['rsa-pss+sha512', [SignatureScheme.rsa_pss_rsae_sha512, SignatureScheme.rsa_pss_pss_sha512]],
  ['rsa+sha256', [SignatureScheme.rsa_pkcs1_sha256]],
  ['rsa+sha384', [SignatureScheme.rsa_pkcs1_sha384]],
  ['rsa+sha512', [SignatureScheme.rsa_pkcs1_sha512]],
])

const COMPRESSIONS: ReadonlyMap<string, CertificateCompression> = new Map([
  ['zlib', zlibCompression],
  ['brotli', brotliCompression],
])

const EPHEMERAL_KEYS: ReadonlyMap<number, EphemeralKey> = new Map([
  [NamedGroup.x25519, { type: 'ECDH', name: 'X25519', size: 253 }],
  [NamedGroup.secp256r1, { type: 'ECDH', name: 'prime256v1', size: 256 }],
  [NamedGroup.secp384r1, { type: 'ECDH', name: 'secp384r1', size: 384 }],
  [NamedGroup.secp521r1, { type: 'ECDH', name: 'secp521r1', size: 521 }],
  [NamedGroup.X25519MLKEM768, { type: 'TLSGroup', name: 'X25519MLKEM768' }],
  [NamedGroup.MLKEM1024, { type: 'TLSGroup', name: 'MLKEM1024' }],
])
