import { NITRO_MEDIA_TYPE, speaksForKey } from '../../evidence/index.js'
import { type Attester, type Cmw, type EvidenceRequest, Indicator } from '../../rats/index.js'
import type { SimulatedNitroPlatform } from './nitro.js'

/** What runs in a simulated enclave. */
export interface SimulatedEnclave {
  /** PCR values of 48 bytes by index; those that are left out are zero. */
  readonly pcrs: Readonly<Record<number, Uint8Array>>
  /** Milliseconds since 1970: `Date.now`. */
  readonly now: () => number
}

/** The attester of a simulated Nitro enclave: its documents hold the challenge and the key, and lead to certificates that
 *  say SIMULATED. */
export class SimulatedNitroAttester implements Attester {
  readonly evidenceTypes = [NITRO_MEDIA_TYPE]
  readonly #platform: SimulatedNitroPlatform
  readonly #enclave: SimulatedEnclave

  constructor(platform: SimulatedNitroPlatform, enclave: SimulatedEnclave) {
    this.#platform = platform
    this.#enclave = enclave
  }

  speaksForKey(type: string): boolean {
    return speaksForKey(type)
  }

  challengeLength(): undefined {
    return undefined
  }

  async evidence({ type, challenge, key, signal }: EvidenceRequest): Promise<Cmw> {
    signal.throwIfAborted()
    if (type !== NITRO_MEDIA_TYPE) throw new RangeError(`an enclave makes no Evidence of type ${type}`)
    const { pcrs, now } = this.#enclave
    const value = await this.#platform.document({ pcrs, timestamp: now(), nonce: challenge, publicKey: key.spki })
    return { kind: 'record', type, value, indicators: Indicator.evidence }
  }
}
