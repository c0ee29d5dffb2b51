import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { hex } from '../bytes/index.js'
import { hash, type SigningKey, signingKey } from '../crypto/index.js'
import { SIMULATED } from '../evidence/index.js'
import { issueCertificate } from './certificate.js'
import { objectIdentifier, sequence } from './simulated-intel/der.js'

/** A key that signs platform tokens, with its certificate. */
export interface PlatformKey {
  readonly key: SigningKey
  /** DER, the key's certificate first, without the root. */
  readonly chain: readonly Uint8Array[]
}

/** The root of simulated platforms: made when it is needed, trusted by nobody who was not told to, and thrown away
 *  afterwards. There is no root that all builds share, so that none can be trusted by mistake; and every certificate
 *  says SIMULATED in its subject, so that a Verifier in production refuses the root even when it is configured. */
export class SimulatedRoot {
  /** PEM, to be handed to the Verifiers that are to trust it. */
  readonly pem: string
  readonly #key: KeyObject
  readonly #name: string
  readonly #notBefore: number
  readonly #notAfter: number

  /** @param options.now milliseconds since 1970   @param options.lifetimeDays 30 unless said, since it is thrown away */
  static create(options: { readonly now: number; readonly lifetimeDays?: number }): SimulatedRoot {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const notBefore = options.now - HOUR
    const notAfter = options.now + (options.lifetimeDays ?? 30) * 24 * HOUR
    // Of two roots with one name nobody could say which it is that is not trusted.
    const fingerprint = hash('sha256', publicKey.export({ format: 'der', type: 'spki' }))
    const name = `${SIMULATED} root ${hex(fingerprint.subarray(0, 4))}`
    const certificate = issueCertificate(
      { subject: name, issuer: name, publicKey, isCa: true, notBefore, notAfter },
      privateKey,
    )
    return new SimulatedRoot(certificate, privateKey, name, notBefore, notAfter)
  }

  private constructor(certificate: Uint8Array, key: KeyObject, name: string, notBefore: number, notAfter: number) {
    this.pem = pemOf('CERTIFICATE', certificate)
    this.#key = key
    this.#name = name
    this.#notBefore = notBefore
    this.#notAfter = notAfter
  }

  /** A new platform under this root.
   *  @param name stands in the subject, behind SIMULATED
   *  @param options.notBefore, options.notAfter milliseconds since 1970; the root's unless said
   *  @param options.purposes OIDs in dots that its key is for (extKeyUsage); nothing is said about it unless given */
  issue(
    name: string,
    options: { readonly notBefore?: number; readonly notAfter?: number; readonly purposes?: readonly string[] } = {},
  ): PlatformKey {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const content = {
      subject: `${SIMULATED} ${name}`,
      issuer: this.#name,
      publicKey,
      isCa: false,
      notBefore: options.notBefore ?? this.#notBefore,
      notAfter: options.notAfter ?? this.#notAfter,
      extensions: options.purposes
        ? [{ oid: EXT_KEY_USAGE, value: sequence(...options.purposes.map(objectIdentifier)) }]
        : [],
    }
    return { key: signingKey(privateKey), chain: [issueCertificate(content, this.#key)] }
  }
}

const HOUR = 3_600_000
const EXT_KEY_USAGE = '2.5.29.37'

/** PEM (RFC 7468). @param label such as `CERTIFICATE` */
export function pemOf(label: string, der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? []
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`
}
