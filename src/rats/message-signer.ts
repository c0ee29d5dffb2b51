import {
  type KeyKind,
  type PublicKey,
  rawEcdsaSignature,
  type SignatureAlgorithm,
  SignatureScheme,
  type SigningKey,
} from '../crypto/index.js'

/** A signature algorithm of COSE (RFC 9053, RFC 9864) and JOSE (RFC 7518), for the one kind of key that goes with it. */
export interface MessageAlgorithm {
  /** The JOSE name; undefined where JOSE has none. */
  readonly name: string | undefined
  /** COSE numbers, the one that we write first. */
  readonly numbers: readonly number[]
  readonly keyKind: KeyKind
  readonly algorithm: SignatureAlgorithm
}

/** The algorithms that messages may be signed with. No MACs and no `none`: those are other messages, or none at all.
 *  Each goes with one kind of key: RFC 9053 §2.1 and RFC 7518 §3.4 both ask for that or recommend it. */
export const messageAlgorithms: readonly MessageAlgorithm[] = [
  ecdsa('ES256', [-7, -9], 'p256', 'sha256'),
  ecdsa('ES384', [-35, -51], 'p384', 'sha384'),
  ecdsa('ES512', [-36, -52], 'p521', 'sha512'),
  { name: 'EdDSA', numbers: [-8, -19], keyKind: 'ed25519', algorithm: { kind: 'eddsa' } },
  { name: 'Ed25519', numbers: [], keyKind: 'ed25519', algorithm: { kind: 'eddsa' } },
  { name: undefined, numbers: [-8, -53], keyKind: 'ed448', algorithm: { kind: 'eddsa' } },
  pss('PS256', -37, 'sha256'),
  pss('PS384', -38, 'sha384'),
  pss('PS512', -39, 'sha512'),
]

/** Whether a key is one that the algorithm goes with: of its kind, and RSA of 2048 bits at least (RFC 7518 §3.5,
 *  RFC 8230 §2). */
export function goesWith({ keyKind }: MessageAlgorithm, key: PublicKey): boolean {
  return keyKind === key.kind && (key.modulusLength === undefined || key.modulusLength >= 2048)
}

/** A key that signs messages. Its bytes stay where they are, as those of a SigningKey do. */
export interface MessageSigner {
  readonly key: SigningKey
  readonly algorithm: MessageAlgorithm
  /** The signature as COSE and JOSE have it: ECDSA as r‖s. */
  sign(data: Uint8Array, signal?: AbortSignal): Promise<Uint8Array>
}

/** Makes a key that signs handshakes sign messages.
 *  @throws TypeError if no algorithm here goes with the key */
export function messageSigner(key: SigningKey): MessageSigner {
  const { kind } = key.publicKey
  const algorithm = messageAlgorithms.find(row => goesWith(row, key.publicKey))
  const scheme = SCHEMES[kind]
  if (!algorithm || scheme === undefined || !key.schemes.includes(scheme)) {
    throw new TypeError(`this key of kind ${kind} cannot sign messages`)
  }
  const size = COORDINATE_SIZE[kind]
  return {
    key,
    algorithm,
    async sign(data, signal) {
      const signature = await key.sign(scheme, data, signal)
      return size === undefined ? signature : rawEcdsaSignature(signature, size)
    },
  }
}

const SCHEMES: Readonly<Partial<Record<KeyKind, number>>> = {
  p256: SignatureScheme.ecdsa_secp256r1_sha256,
  p384: SignatureScheme.ecdsa_secp384r1_sha384,
  p521: SignatureScheme.ecdsa_secp521r1_sha512,
  ed25519: SignatureScheme.ed25519,
  ed448: SignatureScheme.ed448,
  rsa: SignatureScheme.rsa_pss_rsae_sha256,
}

const COORDINATE_SIZE: Readonly<Partial<Record<KeyKind, number>>> = { p256: 32, p384: 48, p521: 66 }

function ecdsa(name: string, numbers: readonly number[], keyKind: KeyKind, hash: 'sha256' | 'sha384' | 'sha512') {
  return { name, numbers, keyKind, algorithm: { kind: 'ecdsa', hash, encoding: 'raw' } } as const
}

function pss(name: string, number: number, hash: 'sha256' | 'sha384' | 'sha512') {
  return { name, numbers: [number], keyKind: 'rsa', algorithm: { kind: 'rsa-pss', hash } } as const
}
