import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { concat, utf8 } from '../../bytes/index.js'
import { hash } from '../../crypto/index.js'
import {
  ANDROID_KEY_MEDIA_TYPE,
  KEY_DESCRIPTION,
  type SecurityLevel,
  SIMULATED,
  securityLevels,
} from '../../evidence/index.js'
import { type Attester, Indicator } from '../../rats/index.js'
import { issueCertificate } from '../certificate.js'
import { integer, octetString, sequence, tlv } from '../simulated-intel/der.js'

/** What a simulated device says of a key. */
export interface SimulatedKeyDescription {
  readonly challenge: Uint8Array
  /** The name of the app and the SHA-256 of the certificate that it is signed with. */
  readonly app: { readonly package: string; readonly signer: Uint8Array }
  /** `trusted-environment` unless said. */
  readonly securityLevel?: SecurityLevel
  /** 0, verified, unless said. */
  readonly verifiedBootState?: 0 | 1 | 2 | 3
  /** True unless said. */
  readonly isLocked?: boolean
  /** 0, generated, unless said. */
  readonly origin?: number
  /** `202611` unless said. */
  readonly patchLevel?: number
  /** Whether the tags stand in the order of their numbers; true unless said. */
  readonly isOrdered?: boolean
}

/** A Google for tests, and a device that it has certified. The hierarchy is that of the true one: a root, an
 *  intermediate, the attestation key of the device, and below it the keys in its keystore. Every certificate but that of
 *  the key, whose subject the keystore fixes, says SIMULATED. */
export class SimulatedAndroidDevice {
  /** PEM, for the Verifiers that are to trust it. */
  readonly rootPem: string
  readonly #validity: { readonly notBefore: number; readonly notAfter: number }
  readonly #root = newKeys()
  readonly #rootCertificate: Uint8Array
  readonly #attestation = newKeys()
  readonly #attestationCertificate: Uint8Array

  /** @param options.now milliseconds since 1970   @param options.isAttestationKeyCa false for a device of a maker who
   *  forgot to say that it is; true unless said */
  constructor(options: { readonly now: number; readonly isAttestationKeyCa?: boolean }) {
    this.#validity = { notBefore: options.now - DAY, notAfter: options.now + 30 * DAY }
    this.#rootCertificate = this.rootCertificate()
    this.rootPem = pemOf(this.#rootCertificate)
    this.#attestationCertificate = issueCertificate(
      {
        subject: `${SIMULATED} TEE`,
        issuer: ROOT,
        publicKey: this.#attestation.publicKey,
        isCa: options.isAttestationKeyCa ?? true,
        ...this.#validity,
      },
      this.#root.privateKey,
    )
  }

  /** A certificate for the key of the root, of which there may be several.
   *  @param validity as the first one's unless said */
  rootCertificate(validity = this.#validity): Uint8Array {
    return issueCertificate(
      { subject: ROOT, issuer: ROOT, publicKey: this.#root.publicKey, isCa: true, ...validity },
      this.#root.privateKey,
    )
  }

  /** The chain of a key in the keystore, in PEM.
   *  @param root the certificate to end with; the first one unless said */
  chain(publicKey: KeyObject, description: SimulatedKeyDescription, root = this.#rootCertificate): Uint8Array {
    const leaf = this.#certificateOf(publicKey, description, this.#attestation.privateKey, `${SIMULATED} TEE`)
    return utf8([leaf, this.#attestationCertificate, root].map(pemOf).join(''))
  }

  /** The attester of an app on this device: as if each key that it is asked about were made in the keystore. */
  attester(app: SimulatedKeyDescription['app']): Attester {
    return {
      evidenceTypes: [ANDROID_KEY_MEDIA_TYPE],
      challengeLength: () => undefined,
      evidence: async ({ type, challenge, key, signal }) => {
        signal.throwIfAborted()
        if (type !== ANDROID_KEY_MEDIA_TYPE) throw new RangeError(`a keystore makes no Evidence of type ${type}`)
        const publicKey = createPublicKey({ key: Buffer.from(key.spki), format: 'der', type: 'spki' })
        const value = this.chain(publicKey, { challenge, app })
        return { kind: 'record', type, value, indicators: Indicator.evidence }
      },
    }
  }

  /** A chain in which a key of the keystore has certified another, which no keystore does.
   *  @param own what the keystore certified, with its private key */
  forgedChain(
    publicKey: KeyObject,
    description: SimulatedKeyDescription,
    own: { readonly privateKey: KeyObject; readonly publicKey: KeyObject },
  ): Uint8Array {
    const parent = this.#certificateOf(own.publicKey, description, this.#attestation.privateKey, `${SIMULATED} TEE`)
    const leaf = this.#certificateOf(publicKey, description, own.privateKey, LEAF)
    return utf8([leaf, parent, this.#attestationCertificate, this.#rootCertificate].map(pemOf).join(''))
  }

  #certificateOf(publicKey: KeyObject, description: SimulatedKeyDescription, key: KeyObject, issuer: string) {
    const extensions = [{ oid: KEY_DESCRIPTION, value: encodeDescription(description) }]
    return issueCertificate({ subject: LEAF, issuer, publicKey, isCa: false, ...this.#validity, extensions }, key)
  }
}

const ROOT = `${SIMULATED} Google root`
/** What every keystore calls its keys. */
const LEAF = 'Android Keystore Key'
const DAY = 86_400_000

function newKeys() {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' })
}

/** KeyDescription of version 300. */
function encodeDescription(description: SimulatedKeyDescription): Uint8Array {
  const { challenge, app, securityLevel = 'trusted-environment', verifiedBootState = 0 } = description
  const { isLocked = true, origin = 0, patchLevel = 202611, isOrdered = true } = description
  const level = enumerated(securityLevels.indexOf(securityLevel))
  const packages = tlv(SET, sequence(octetString(utf8(app.package)), integer(1)))
  const applicationId = sequence(packages, tlv(SET, octetString(app.signer)))
  const rootOfTrust = sequence(
    octetString(new Uint8Array(32)),
    tlv(BOOLEAN, Uint8Array.of(isLocked ? 0xff : 0)),
    enumerated(verifiedBootState),
    octetString(hash('sha256', utf8('an Android'))),
  )
  const hardware = [
    explicit(1, tlv(SET, integer(2))),
    explicit(2, integer(3)),
    explicit(3, integer(256)),
    explicit(503, tlv(NULL)),
    explicit(702, integer(origin)),
    explicit(704, rootOfTrust),
    explicit(705, integer(16)),
    explicit(706, tlv(INTEGER, bigEndian(patchLevel))),
  ]
  return sequence(
    integer(300),
    level,
    integer(300),
    level,
    octetString(challenge),
    octetString(new Uint8Array(0)),
    sequence(explicit(709, octetString(applicationId))),
    sequence(...(isOrdered ? hardware : hardware.reverse())),
  )
}

const BOOLEAN = 0x01
const INTEGER = 0x02
const NULL = 0x05
const SET = 0x31

function enumerated(value: number): Uint8Array {
  return tlv(0x0a, Uint8Array.of(value))
}

/** Three bytes are enough for a month of this century. */
function bigEndian(value: number): Uint8Array {
  return Uint8Array.of((value >> 16) & 0xff, (value >> 8) & 0xff, value & 0xff)
}

/** A context-specific tag of any number around a value. */
function explicit(number: number, value: Uint8Array): Uint8Array {
  if (number < 0x1f) return tlv(0xa0 | number, value)
  const high = number >> 7
  const identifier = high > 0 ? [0xbf, 0x80 | high, number & 0x7f] : [0xbf, number]
  // The length is that of any value: it is written under another tag.
  return concat(Uint8Array.from(identifier), tlv(0x30, value).subarray(1))
}

function pemOf(der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? []
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`
}
