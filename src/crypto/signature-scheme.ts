import type { KeyKind, SignatureAlgorithm } from './signature.js'

/** SignatureScheme (RFC 8446 §4.2.3): the code points that this engine signs or checks with. */
export const SignatureScheme = {
  rsa_pkcs1_sha256: 0x0401,
  rsa_pkcs1_sha384: 0x0501,
  rsa_pkcs1_sha512: 0x0601,
  ecdsa_secp256r1_sha256: 0x0403,
  ecdsa_secp384r1_sha384: 0x0503,
  ecdsa_secp521r1_sha512: 0x0603,
  rsa_pss_rsae_sha256: 0x0804,
  rsa_pss_rsae_sha384: 0x0805,
  rsa_pss_rsae_sha512: 0x0806,
  ed25519: 0x0807,
  ed448: 0x0808,
  rsa_pss_pss_sha256: 0x0809,
  rsa_pss_pss_sha384: 0x080a,
  rsa_pss_pss_sha512: 0x080b,
  rsa_pkcs1_sha256_legacy: 0x0420,
  rsa_pkcs1_sha384_legacy: 0x0520,
  rsa_pkcs1_sha512_legacy: 0x0620,
} as const
export type SignatureScheme = (typeof SignatureScheme)[keyof typeof SignatureScheme]

/** What a scheme stands for: the algorithm, and the one kind of key that TLS 1.3 allows with it. */
export interface SchemeRow {
  readonly name: keyof typeof SignatureScheme
  readonly algorithm: SignatureAlgorithm
  readonly keyKind: KeyKind
  /** RSASSA-PKCS1-v1_5 signs certificates only (RFC 8446 §4.2.3). */
  readonly isForCertificatesOnly: boolean
  /** RSASSA-PKCS1-v1_5 of clients whose key, in some old device, does nothing else (draft-ietf-tls-tls13-pkcs1 §3): no key
   *  signs so unless it says so itself. */
  readonly isForClientsOnly: boolean
}

const rows: ReadonlyMap<number, SchemeRow> = new Map<number, SchemeRow>([
  pkcs1('rsa_pkcs1_sha256', 'sha256'),
  pkcs1('rsa_pkcs1_sha384', 'sha384'),
  pkcs1('rsa_pkcs1_sha512', 'sha512'),
  ecdsa('ecdsa_secp256r1_sha256', 'sha256', 'p256'),
  ecdsa('ecdsa_secp384r1_sha384', 'sha384', 'p384'),
  ecdsa('ecdsa_secp521r1_sha512', 'sha512', 'p521'),
  pss('rsa_pss_rsae_sha256', 'sha256', 'rsa'),
  pss('rsa_pss_rsae_sha384', 'sha384', 'rsa'),
  pss('rsa_pss_rsae_sha512', 'sha512', 'rsa'),
  pss('rsa_pss_pss_sha256', 'sha256', 'rsa-pss'),
  pss('rsa_pss_pss_sha384', 'sha384', 'rsa-pss'),
  pss('rsa_pss_pss_sha512', 'sha512', 'rsa-pss'),
  row('ed25519', { kind: 'eddsa' }, 'ed25519'),
  row('ed448', { kind: 'eddsa' }, 'ed448'),
  legacy('rsa_pkcs1_sha256_legacy', 'sha256'),
  legacy('rsa_pkcs1_sha384_legacy', 'sha384'),
  legacy('rsa_pkcs1_sha512_legacy', 'sha512'),
])

/** The row of a scheme; undefined for one that this engine does not know. */
export function schemeRow(scheme: number): SchemeRow | undefined {
  return rows.get(scheme)
}

/** The schemes that a key of this kind can sign a handshake with, in order of preference. */
export function schemesFor(kind: KeyKind): readonly SignatureScheme[] {
  return byKind.get(kind) ?? []
}

const byKind: ReadonlyMap<KeyKind, readonly SignatureScheme[]> = (() => {
  const map = new Map<KeyKind, SignatureScheme[]>()
  for (const { name, keyKind, isForCertificatesOnly, isForClientsOnly } of rows.values()) {
    if (isForCertificatesOnly || isForClientsOnly) continue
    const list = map.get(keyKind)
    if (list) list.push(SignatureScheme[name])
    else map.set(keyKind, [SignatureScheme[name]])
  }
  return map
})()

function row(
  name: keyof typeof SignatureScheme,
  algorithm: SignatureAlgorithm,
  keyKind: KeyKind,
  only?: 'certificates' | 'clients',
): [number, SchemeRow] {
  const isForCertificatesOnly = only === 'certificates'
  const isForClientsOnly = only === 'clients'
  return [SignatureScheme[name], { name, algorithm, keyKind, isForCertificatesOnly, isForClientsOnly }]
}

function ecdsa(name: keyof typeof SignatureScheme, hash: 'sha256' | 'sha384' | 'sha512', kind: KeyKind) {
  return row(name, { kind: 'ecdsa', hash, encoding: 'der' }, kind)
}

function pss(name: keyof typeof SignatureScheme, hash: 'sha256' | 'sha384' | 'sha512', kind: KeyKind) {
  return row(name, { kind: 'rsa-pss', hash }, kind)
}

function pkcs1(name: keyof typeof SignatureScheme, hash: 'sha256' | 'sha384' | 'sha512') {
  return row(name, { kind: 'rsa-pkcs1', hash }, 'rsa', 'certificates')
}

function legacy(name: keyof typeof SignatureScheme, hash: 'sha256' | 'sha384' | 'sha512') {
  return row(name, { kind: 'rsa-pkcs1', hash }, 'rsa', 'clients')
}
