import { createPublicKey, KeyObject } from 'node:crypto'
import { type SigningKey, signingKey } from '../crypto/index.js'
import { MisuseError } from '../handshake/index.js'
import { type Crl, certificatesIn, parseCrl } from '../x509/index.js'
import type { PemOrDer, PrivateKeyOption } from './options.js'

/** The certificates in PEM or DER, as DER. @throws MisuseError ERR_TLS_CERTIFICATE_UNREADABLE if there are none */
export function certificatesOf(input: PemOrDer): readonly Uint8Array[] {
  if (isDer(input)) return [Uint8Array.from(input)]
  const found = certificatesIn(textOf(input))
  if (found.length === 0) {
    throw new MisuseError('what was given as a certificate is none, in PEM or DER', 'ERR_TLS_CERTIFICATE_UNREADABLE')
  }
  return found
}

/** The revocation lists in PEM or DER. @throws MisuseError ERR_TLS_CRL_UNREADABLE if there are none
 *  @throws CertificateError if one of them is malformed */
export function crlsOf(input: PemOrDer): readonly Crl[] {
  if (isDer(input)) return [parseCrl(Uint8Array.from(input))]
  const found = Array.from(textOf(input).matchAll(CRL_PEM), ([, body = '']) => Buffer.from(body, 'base64'))
  if (found.length === 0) {
    throw new MisuseError('what was given as a revocation list is none, in PEM or DER', 'ERR_TLS_CRL_UNREADABLE')
  }
  return found.map(der => parseCrl(Uint8Array.from(der)))
}
/** RFC 7468 §6. */
const CRL_PEM = /-----BEGIN X509 CRL-----([A-Za-z0-9+/=\s]*)-----END X509 CRL-----/g

/** A private key out of any of its forms. @throws MisuseError ERR_TLS_KEY_UNREADABLE */
export function privateKeyOf(option: PrivateKeyOption, passphrase: string | undefined): SigningKey {
  if (isSigningKey(option)) return option
  const [key, secret] = isWrapped(option) ? [option.pem, option.passphrase ?? passphrase] : [option, passphrase]
  try {
    return signingKey(key instanceof Uint8Array && !isDer(key) ? textOf(key) : key, secret)
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new MisuseError(`the private key cannot be used: ${reason}`, 'ERR_TLS_KEY_UNREADABLE')
  }
}

/** A SubjectPublicKeyInfo in DER. @throws MisuseError ERR_TLS_KEY_UNREADABLE */
export function publicKeyIn(input: PemOrDer | KeyObject): Uint8Array {
  try {
    return Uint8Array.from(toPublicKey(input).export({ format: 'der', type: 'spki' }))
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new MisuseError(`a raw public key cannot be read: ${reason}`, 'ERR_TLS_KEY_UNREADABLE')
  }
}

function toPublicKey(input: PemOrDer | KeyObject): KeyObject {
  if (input instanceof KeyObject) return input.type === 'public' ? input : createPublicKey(input)
  if (isDer(input)) return createPublicKey({ key: Buffer.from(input), format: 'der', type: 'spki' })
  return createPublicKey(textOf(input))
}

/** A list of what may be given alone. */
export function listOf<T>(value: T | readonly T[] | undefined): readonly T[] {
  if (value === undefined) return []
  // Array.isArray does not narrow readonly arrays.
  return Array.isArray(value) ? (value as readonly T[]) : [value as T]
}

function isSigningKey(option: PrivateKeyOption): option is SigningKey {
  return typeof option === 'object' && 'schemes' in option && 'sign' in option && 'publicKey' in option
}

function isWrapped(option: PrivateKeyOption): option is { readonly pem: PemOrDer; readonly passphrase?: string } {
  return typeof option === 'object' && 'pem' in option
}

/** A DER certificate or key is a SEQUENCE; PEM is text. */
function isDer(input: PemOrDer): input is Uint8Array {
  return input instanceof Uint8Array && input[0] === 0x30
}

function textOf(input: PemOrDer): string {
  return typeof input === 'string'
    ? input
    : Buffer.from(input.buffer, input.byteOffset, input.length).toString('latin1')
}
