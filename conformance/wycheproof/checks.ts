import {
  AeadKey,
  aeadAlgorithms,
  answerKeyShare,
  type HashName,
  hkdfExtract,
  KeyExchangeError,
  MacKey,
  NamedGroup,
  PublicKey,
  type SignatureAlgorithm,
} from 'attested-tls/crypto'

/** A test as the files have it: bytes are hexadecimal. */
export interface Vector {
  readonly tcId: number
  readonly flags?: readonly string[]
  /** `acceptable`: what standards leave open. */
  readonly result: 'valid' | 'invalid' | 'acceptable'
  readonly [name: string]: unknown
}

/** Tests that have something in common. */
export interface Group {
  readonly tests: readonly Vector[]
  readonly [name: string]: unknown
}

/** What is done with a file. */
export interface Check {
  readonly file: RegExp
  readonly title: string
  /** Why a group is left out; undefined if it is not. */
  omits?(group: Group): string | undefined
  /** Whether what the vector says is taken, by our own code. */
  takes(vector: Vector, group: Group): boolean
  /** What RFC 8446 wants, where the vector leaves it open or says something else. */
  wants?(vector: Vector): boolean | undefined
}

/** Everything that goes through code of ours on its way to node:crypto. */
export const checks: readonly Check[] = [
  ...(['p256', 'p384', 'p521'] as const).map((_, i): Check => {
    const [curve = '', hash = ''] = [
      ['secp256r1', 'sha256'],
      ['secp384r1', 'sha384'],
      ['secp521r1', 'sha512'],
    ][i] as [string, HashName]
    return {
      file: new RegExp(`^ecdsa_${curve}_${hash}_test\\.json$`),
      title: 'ECDSA, signatures in DER',
      takes: signatureTaker({ kind: 'ecdsa', hash: hash as HashName, encoding: 'der' }),
    }
  }),
  ...(['sha256', 'sha384', 'sha512'] as const).flatMap((hash): Check[] => [
    {
      file: new RegExp(`^rsa_signature_\\d+_${hash}_test\\.json$`),
      title: 'RSASSA-PKCS1-v1_5',
      takes: signatureTaker({ kind: 'rsa-pkcs1', hash }),
    },
    {
      file: new RegExp(`^rsa_pss_\\d+_${hash}_mgf1_\\d+(_params)?_test\\.json$`),
      title: 'RSASSA-PSS',
      omits: ({ sLen, mgfSha, sha }) =>
        sLen === HASH_LENGTH[hash] && mgfSha === sha ? undefined : 'RFC 8446 §4.2.3: salt and hash are of one length',
      takes: signatureTaker({ kind: 'rsa-pss', hash }),
    },
    {
      file: new RegExp(`^hkdf_${hash}_test\\.json$`),
      title: 'HKDF',
      takes({ ikm, salt, info, size, okm }) {
        const prk = hkdfExtract(hash, bytes(salt), bytes(ikm))
        return equal(new MacKey(hash, prk).expand(bytes(info), Number(size)), okm)
      },
    },
    {
      file: new RegExp(`^hmac_${hash}_test\\.json$`),
      title: 'HMAC',
      takes: ({ key, msg, tag }, { tagSize }) =>
        equal(new MacKey(hash, bytes(key)).mac(bytes(msg)).subarray(0, Number(tagSize) / 8), tag),
    },
  ]),
  { file: /^ed(25519|448)_test\.json$/, title: 'EdDSA', takes: signatureTaker({ kind: 'eddsa' }) },
  {
    file: /^aes_gcm_test\.json$/,
    title: 'AES-GCM',
    omits: ({ ivSize, tagSize, keySize }) =>
      ivSize === 96 && tagSize === 128 && keySize !== 192 ? undefined : 'not a size of TLS',
    takes: (vector, { keySize }) => opensAndSeals(keySize === 128 ? 'aes128gcm' : 'aes256gcm', vector),
  },
  {
    file: /^chacha20_poly1305_test\.json$/,
    title: 'ChaCha20-Poly1305',
    omits: ({ ivSize, tagSize }) => (ivSize === 96 && tagSize === 128 ? undefined : 'not a size of TLS'),
    takes: vector => opensAndSeals('chacha20poly1305', vector),
  },
  {
    file: /^x25519_test\.json$/,
    title: 'X25519, key shares of peers',
    takes: ({ public: share }) => answers(NamedGroup.x25519, bytes(share)),
    // RFC 8446 §7.4.2: a secret of zeros ends the handshake. All other points are as good as they are.
    wants: ({ shared }) => !/^0*$/.test(String(shared)),
  },
  ...(['secp256r1', 'secp384r1', 'secp521r1'] as const).map(
    (group): Check => ({
      file: new RegExp(`^ecdh_${group}_ecpoint_test\\.json$`),
      title: 'ECDH, key shares of peers',
      takes: ({ public: share }) => answers(NamedGroup[group], bytes(share)),
      // RFC 8446 §4.2.8.2: only the uncompressed form.
      wants: ({ public: share, result }) => result !== 'invalid' && String(share).startsWith('04'),
    }),
  ),
  {
    file: /^mlkem_1024_encaps_test\.json$/,
    title: 'ML-KEM, key shares of clients',
    takes: ({ ek }) => answers(NamedGroup.MLKEM1024, bytes(ek)),
  },
  {
    file: /^mlkem_768_encaps_test\.json$/,
    title: 'ML-KEM, key shares of clients',
    takes: ({ ek }) => answers(NamedGroup.X25519MLKEM768, Buffer.concat([bytes(ek), X25519_BASE_POINT])),
  },
]

const HASH_LENGTH = { sha256: 32, sha384: 48, sha512: 64 }
const X25519_BASE_POINT = Buffer.from(`09${'00'.repeat(31)}`, 'hex')

function signatureTaker(algorithm: SignatureAlgorithm): Check['takes'] {
  return ({ msg, sig }, { publicKeyDer }) =>
    PublicKey.fromSpki(bytes(publicKeyDer)).verify(algorithm, bytes(msg), bytes(sig))
}

function opensAndSeals(name: keyof typeof aeadAlgorithms, { key, iv, aad, msg, ct, tag, result }: Vector): boolean {
  const sealed = bytes(`${ct}${tag}`)
  const opened = new AeadKey(aeadAlgorithms[name], bytes(key)).open(bytes(iv), bytes(aad), sealed)
  if (!opened || !equal(opened, msg)) return false
  const output = new Uint8Array(sealed.length)
  new AeadKey(aeadAlgorithms[name], bytes(key)).seal(bytes(iv), bytes(aad), bytes(msg), output, 0)
  return result !== 'valid' || equal(output, `${ct}${tag}`)
}

/** Whether we answer a key share; what we do not must be a KeyExchangeError, which is illegal_parameter on the wire. */
function answers(group: NamedGroup, share: Uint8Array): boolean {
  try {
    return answerKeyShare(group, share).secret.length > 0
  } catch (error) {
    if (error instanceof KeyExchangeError) return false
    throw error
  }
}

function bytes(hex: unknown): Uint8Array {
  return Uint8Array.from(Buffer.from(String(hex), 'hex'))
}

function equal(actual: Uint8Array, hex: unknown): boolean {
  return Buffer.from(actual).toString('hex') === hex
}
