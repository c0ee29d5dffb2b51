import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { concat } from '../bytes/index.js'
import { hash, PublicKey, type SigningKey, signingKey } from '../crypto/index.js'
import {
  encodeSimulatedClaims,
  type LifecycleName,
  SIMULATED_MEDIA_TYPE,
  type SimulatedClaims,
  type SoftwareComponent,
  speaksForKey,
} from '../evidence/index.js'
import {
  type Attester,
  type Cmw,
  CoseHeader,
  type EvidenceRequest,
  Indicator,
  KAT_MEDIA_TYPE,
  makeCab,
  makeKat,
  makeSign1,
  messageSigner,
  platformNonceFor,
} from '../rats/index.js'
import type { PlatformKey } from './simulated-root.js'

/** What the simulated platform says of itself, besides what it is asked. */
export interface SimulatedPlatformOptions {
  /** From `SimulatedRoot.issue`. */
  readonly platform: PlatformKey
  /** What runs: at least the component `workload`, as policies ask for it. `measured` makes one of bytes. */
  readonly components: readonly SoftwareComponent[]
  /** `secured` unless said. */
  readonly lifecycle?: LifecycleName
  /** False unless said. */
  readonly isDebuggable?: boolean
  /** 32 bytes; made at random unless said. */
  readonly implementationId?: Uint8Array
}

/** A component of a simulated platform, measured by SHA-256 as a real one would be at start.
 *  @param type such as `workload`   @param software its bytes, or whatever stands for them */
export function measured(type: string, software: Uint8Array, version = ''): SoftwareComponent {
  return { type, measurement: hash('sha256', software), version, signerId: hash('sha256', concat(software, software)) }
}

/** The attester of a simulated TEE. It answers with a key attestation bundle, or with the platform's token alone; each
 *  holds the challenge that is asked for and speaks for the key, and each says that it is SIMULATED. The key
 *  attestation key is new with every attester, and the platform token that seals it is made once. */
export class SimulatedAttester implements Attester {
  readonly evidenceTypes: readonly string[] = [KAT_MEDIA_TYPE, SIMULATED_MEDIA_TYPE]
  readonly #platform: PlatformKey
  readonly #claims: Omit<SimulatedClaims, 'nonce' | 'key'>
  readonly #attestationKey: SigningKey
  #sealedToken: Promise<Uint8Array> | undefined

  /** @throws RangeError if the platform cannot say that about itself */
  constructor(options: SimulatedPlatformOptions) {
    this.#platform = options.platform
    this.#claims = {
      // RFC 9783 §4.2.1: type RAND, then a digest of the key that signs for the instance.
      instanceId: concat(Uint8Array.of(1), hash('sha256', options.platform.key.publicKey.spki)),
      implementationId: options.implementationId ?? Uint8Array.from(randomBytes(32)),
      lifecycle: options.lifecycle ?? 'secured',
      isDebuggable: options.isDebuggable ?? false,
      components: options.components,
    }
    this.#attestationKey = signingKey(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey)
    encodeSimulatedClaims({ ...this.#claims, nonce: new Uint8Array(32) })
  }

  speaksForKey(type: string): boolean {
    return speaksForKey(type)
  }

  challengeLength(type: string): number | undefined {
    return type === SIMULATED_MEDIA_TYPE ? 32 : undefined
  }

  async evidence({ type, challenge, key, signal }: EvidenceRequest): Promise<Cmw> {
    signal.throwIfAborted()
    const identityKey = PublicKey.fromSpki(key.spki)
    if (type === SIMULATED_MEDIA_TYPE) {
      const value = await this.#token({ nonce: challenge, key: identityKey })
      return { kind: 'record', type, value, indicators: Indicator.evidence }
    }
    if (type !== KAT_MEDIA_TYPE) throw new RangeError(`a simulated platform makes no Evidence of type ${type}`)
    this.#sealedToken ??= this.#token({ nonce: platformNonceFor(this.#attestationKey.publicKey) })
    const [kat, pat] = await Promise.all([
      makeKat({ nonce: challenge, identityKey, attestationKey: this.#attestationKey, signal }),
      this.#sealedToken,
    ])
    return makeCab(kat, pat, SIMULATED_MEDIA_TYPE)
  }

  #token(fresh: Pick<SimulatedClaims, 'nonce' | 'key'>): Promise<Uint8Array> {
    const { key, chain } = this.#platform
    const [first] = chain
    // RFC 9360 §2: one certificate is a byte string, several are an array.
    const x5chain = chain.length === 1 && first ? first : [...chain]
    return makeSign1(encodeSimulatedClaims({ ...this.#claims, ...fresh }), messageSigner(key), {
      unprotectedHeader: new Map([[CoseHeader.x5chain, x5chain]]),
    })
  }
}
