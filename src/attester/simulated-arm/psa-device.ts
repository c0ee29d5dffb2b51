import { generateKeyPairSync } from 'node:crypto'
import { PublicKey, type SigningKey, signingKey } from '../../crypto/index.js'
import {
  type ArmComponent,
  encodePsaClaims,
  PSA_MEDIA_TYPE,
  PSA_PROFILE,
  type PsaClaims,
  speaksForKey,
} from '../../evidence/index.js'
import {
  type Attester,
  type Cmw,
  type EvidenceRequest,
  Indicator,
  KAT_MEDIA_TYPE,
  makeCab,
  makeKat,
  platformNonceFor,
} from '../../rats/index.js'
import type { PlatformKey } from '../simulated-root.js'
import { instanceIdOf, signToken } from './token.js'

/** What a simulated PSA device says of itself. */
export interface SimulatedPsaOptions {
  /** Its Initial Attestation Key: from `SimulatedRoot.issue`, or without a chain, to be registered. */
  readonly platform: PlatformKey
  readonly components: readonly ArmComponent[]
  /** 0x3000, secured, unless said. */
  readonly lifecycle?: number
  /** 32 bytes; zero unless said. */
  readonly implementationId?: Uint8Array
}

/** A PSA device made of software. It answers with a key attestation bundle that its token seals, or with its token
 *  alone. PSA has no claim that says what is simulated: the certificate of the key does. */
export class SimulatedPsaDevice implements Attester {
  readonly evidenceTypes: readonly string[] = [KAT_MEDIA_TYPE, PSA_MEDIA_TYPE]
  /** What the device's key is registered by. */
  readonly instanceId: Uint8Array
  readonly publicKey: PublicKey
  readonly #platform: PlatformKey
  readonly #claims: Omit<PsaClaims, 'nonce'>
  readonly #attestationKey: SigningKey
  #sealedToken: Promise<Uint8Array> | undefined

  /** @throws RangeError if a device cannot say that about itself */
  constructor(options: SimulatedPsaOptions) {
    this.#platform = options.platform
    this.publicKey = options.platform.key.publicKey
    this.instanceId = instanceIdOf(options.platform)
    this.#claims = {
      profile: PSA_PROFILE,
      instanceId: this.instanceId,
      implementationId: options.implementationId ?? new Uint8Array(32),
      clientId: NON_SECURE_CLIENT,
      lifecycle: options.lifecycle ?? 0x3000,
      components: options.components,
    }
    this.#attestationKey = signingKey(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey)
    encodePsaClaims({ ...this.#claims, nonce: new Uint8Array(32) })
  }

  speaksForKey(type: string): boolean {
    return speaksForKey(type)
  }

  challengeLength(type: string): number | undefined {
    return type === PSA_MEDIA_TYPE ? 32 : undefined
  }

  async evidence({ type, challenge, key, signal }: EvidenceRequest): Promise<Cmw> {
    signal.throwIfAborted()
    if (type === PSA_MEDIA_TYPE) {
      return { kind: 'record', type, value: await this.token({ nonce: challenge }), indicators: Indicator.evidence }
    }
    if (type !== KAT_MEDIA_TYPE) throw new RangeError(`a PSA device makes no Evidence of type ${type}`)
    this.#sealedToken ??= this.token({ nonce: platformNonceFor(this.#attestationKey.publicKey) })
    const identityKey = PublicKey.fromSpki(key.spki)
    const [kat, pat] = await Promise.all([
      makeKat({ nonce: challenge, identityKey, attestationKey: this.#attestationKey, signal }),
      this.#sealedToken,
    ])
    return makeCab(kat, pat, PSA_MEDIA_TYPE)
  }

  /** The device's token, with claims that it would not make by itself if any are given. */
  token(claims: Pick<PsaClaims, 'nonce'> & Partial<PsaClaims>): Promise<Uint8Array> {
    return signToken(encodePsaClaims({ ...this.#claims, ...claims }), this.#platform)
  }
}

const NON_SECURE_CLIENT = -1
