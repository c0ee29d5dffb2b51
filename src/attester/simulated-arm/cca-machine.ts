import { generateKeyPairSync } from 'node:crypto'
import { hash, PublicKey, type SigningKey, signingKey } from '../../crypto/index.js'
import {
  type ArmComponent,
  CCA_MEDIA_TYPE,
  type CcaPlatformClaims,
  type CcaRealmClaims,
  encodeCcaPlatformClaims,
  encodeCcaRealmClaims,
  encodeKeyClaims,
  encodeRealmKey,
  reportDataFor,
  speaksForKey,
} from '../../evidence/index.js'
import {
  type Attester,
  type CborValue,
  type Cmw,
  decodeCbor,
  type EvidenceRequest,
  encodeCbor,
  Indicator,
  makeSign1,
  messageSigner,
  PARSEC_CCA_MEDIA_TYPE,
  Tagged,
} from '../../rats/index.js'
import type { PlatformKey } from '../simulated-root.js'
import { instanceIdOf, signToken } from './token.js'

/** What a simulated CCA machine and its realm say of themselves. */
export interface SimulatedCcaOptions {
  /** The platform's key (CPAK): from `SimulatedRoot.issue`, or without a chain, to be registered. */
  readonly platform: PlatformKey
  /** The firmware. */
  readonly components: readonly ArmComponent[]
  /** RIM: 32, 48 or 64 bytes. */
  readonly initialMeasurement: Uint8Array
  /** Four REMs of the same size as RIM; zero unless said. */
  readonly extensibleMeasurements?: readonly Uint8Array[]
  /** 0x3000, secured, unless said. */
  readonly lifecycle?: number
  /** Which form the token has: that of RMM 1.0, or that of the drafts (the default). */
  readonly form?: 'legacy' | 'draft'
}

/** What a token is to say otherwise. */
export interface SimulatedCcaChanges {
  readonly platform?: Partial<CcaPlatformClaims>
  readonly realm?: Partial<CcaRealmClaims>
}

/** A realm on a CCA machine, both made of software. It answers with Parsec's bundle, or with its token alone. CCA has no
 *  claim that says what is simulated: the certificate of the platform's key does. */
export class SimulatedCcaMachine implements Attester {
  readonly evidenceTypes: readonly string[] = [PARSEC_CCA_MEDIA_TYPE, CCA_MEDIA_TYPE]
  /** What the platform's key is registered by. */
  readonly instanceId: Uint8Array
  readonly publicKey: PublicKey
  readonly #options: SimulatedCcaOptions
  readonly #realmKey: SigningKey

  constructor(options: SimulatedCcaOptions) {
    this.#options = options
    this.publicKey = options.platform.key.publicKey
    this.instanceId = instanceIdOf(options.platform)
    this.#realmKey = signingKey(generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey)
  }

  speaksForKey(type: string): boolean {
    return speaksForKey(type)
  }

  challengeLength(type: string): number | undefined {
    return type === CCA_MEDIA_TYPE ? 64 : undefined
  }

  async evidence({ type, challenge, key, signal }: EvidenceRequest): Promise<Cmw> {
    signal.throwIfAborted()
    if (!this.evidenceTypes.includes(type)) throw new RangeError(`a CCA machine makes no Evidence of type ${type}`)
    const value =
      type === CCA_MEDIA_TYPE
        ? await this.token(challenge)
        : await this.parsecBundle({ nonce: challenge, key: PublicKey.fromSpki(key.spki) })
    return { kind: 'record', type, value, indicators: Indicator.evidence }
  }

  /** Parsec's bundle: the key claims, and a token whose realm challenge is their hash. */
  async parsecBundle(claims: { readonly nonce: Uint8Array; readonly key: PublicKey }): Promise<Uint8Array> {
    const kat = encodeKeyClaims(claims)
    const pat = await this.token(reportDataFor(kat))
    return encodeCbor(
      new Map<string, CborValue>([
        ['kat', decodeCbor(kat)],
        ['pat', decodeCbor(pat)],
      ]),
    )
  }

  /** The machine's token, with claims that it would not make by itself if any are given.
   *  @param challenge 64 bytes */
  async token(challenge: Uint8Array, changes: SimulatedCcaChanges = {}): Promise<Uint8Array> {
    const isLegacy = this.#options.form === 'legacy'
    const realmProfile = isLegacy ? undefined : 'tag:arm.com,2023:realm#1.0.0'
    const { initialMeasurement } = this.#options
    const zero = new Uint8Array(initialMeasurement.length)
    const realmClaims = {
      profile: realmProfile,
      challenge,
      personalizationValue: new Uint8Array(64),
      hashAlgorithm: 'sha-256',
      key: this.#realmKey.publicKey,
      keyHash: 'sha256',
      initialMeasurement,
      extensibleMeasurements: this.#options.extensibleMeasurements ?? [zero, zero, zero, zero],
      ...changes.realm,
    } as const
    const platformClaims = {
      profile: isLegacy ? 'http://arm.com/CCA-SSD/1.0.0' : 'tag:arm.com,2023:cca_platform#1.0.0',
      binder: hash('sha256', encodeRealmKey(this.#realmKey.publicKey, realmClaims.profile)),
      instanceId: this.instanceId,
      implementationId: new Uint8Array(32),
      config: new Uint8Array(4),
      lifecycle: this.#options.lifecycle ?? 0x3000,
      components: this.#options.components,
      hashAlgorithm: 'sha-256',
      ...changes.platform,
    } as const
    const platform = await signToken(encodeCcaPlatformClaims(platformClaims), this.#options.platform)
    const realm = await makeSign1(encodeCcaRealmClaims(realmClaims), messageSigner(this.#realmKey))
    return encodeCcaToken(platform, realm, isLegacy)
  }
}

/** The collection of both tokens: 0xACCA and 0xACD1, in CMW records or bare. */
function encodeCcaToken(platform: Uint8Array, realm: Uint8Array, isLegacy: boolean): Uint8Array {
  const entry = (token: Uint8Array): CborValue => (isLegacy ? token : [EAT_CWT, token])
  const entries = new Map([
    [0xacca, entry(platform)],
    [0xacd1, entry(realm)],
  ])
  return encodeCbor(new Tagged(isLegacy ? 399 : 907, entries))
}

/** CoAP Content-Format of `application/eat+cwt`. */
const EAT_CWT = 263
