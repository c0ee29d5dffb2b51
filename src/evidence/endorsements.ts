import { hex } from '../bytes/index.js'
import { hash, type PublicKey } from '../crypto/index.js'
import type { SnpEndorsements } from './sev-snp/endorsements.js'

/** What a Verifier holds of Endorsements (RFC 9334 §8.2) and of other collateral at the moment of an appraisal: typed
 *  lookups, each answered from what is at hand, without IO. A format that needs a member which is not there throws
 *  MissingEndorsement: that Evidence could not be appraised, which is not to say that it was refused.
 *
 *  A format with collateral of its own adds a member here, and defines the member's type in its folder. */
export interface Endorsements {
  /** Keys that were registered for single instances: platforms whose reports carry no certificates. */
  readonly instanceKeys: InstanceKeys
  /** AMD's certificates and revocation lists. */
  readonly sevSnp?: SnpEndorsements
}

/** Keys by the name of the instance that signs with them: a PSA Instance ID, a CCA platform's, a TPM's AK name. */
export interface InstanceKeys {
  /** @param kind the kind of platform, such as `psa`   @param id the instance as its reports name it */
  keyOf(kind: string, id: Uint8Array): PublicKey | undefined
}

/** One piece of collateral that Evidence asks for, so that a source can get it before the appraisal. */
export interface EndorsementNeed {
  /** What it is, such as `dcap-tcb-info`: the folder of a format documents its own. */
  readonly kind: string
  /** Where it is fetched by, such as `{ fmspc: "00906ed50000" }`: lower-case hex or short ASCII. It comes out of
   *  Evidence that nobody has checked yet. */
  readonly parameters: Readonly<Record<string, string>>
}

/** Where Endorsements come from: memory, a disk, a service. The one part of an appraisal that may wait. */
export interface EndorsementSource {
  /** A digest over what a verdict depends on and a person configured: registered keys, pinned files. Collateral that
   *  comes and goes by itself has no part in it. */
  readonly digest: string
  /** What is at hand, after what `needs` names was looked for: at once if it is all there already. A need that could
   *  not be met is missing from the answer, and no reason to reject.
   *  @param at milliseconds since 1970   @throws the signal's reason when it fires */
  gather(
    needs: readonly EndorsementNeed[],
    options: { readonly at: number; readonly signal: AbortSignal },
  ): Endorsements | Promise<Endorsements>
}

/** What keeps Evidence from being appraised, though nothing is wrong with it that we know of: collateral that was not
 *  to be had. */
export class MissingEndorsement extends Error {
  readonly code = 'ERR_ENDORSEMENT_MISSING'
  readonly remedy: string

  /** @param sentence what is missing   @param remedy what a person can do about it */
  constructor(sentence: string, remedy: string) {
    super(sentence)
    this.name = 'MissingEndorsement'
    this.remedy = remedy
  }
}

/** A key that was registered for one instance. */
export interface InstanceKey {
  readonly kind: string
  readonly id: Uint8Array
  readonly key: PublicKey
}

/** Endorsements that were all configured, and a source of them that never waits. */
export class FixedEndorsements implements EndorsementSource, Endorsements {
  readonly digest: string
  readonly instanceKeys: InstanceKeys
  readonly sevSnp?: SnpEndorsements

  /** @throws TypeError if two keys are registered for one instance */
  constructor(options: { readonly instanceKeys?: readonly InstanceKey[]; readonly sevSnp?: SnpEndorsements } = {}) {
    if (options.sevSnp) this.sevSnp = options.sevSnp
    const keys = new Map<string, PublicKey>()
    for (const { kind, id, key } of options.instanceKeys ?? []) {
      const name = `${kind} ${hex(id)}`
      if (keys.has(name)) throw new TypeError(`two keys are registered for the ${kind} instance ${hex(id)}`)
      keys.set(name, key)
    }
    this.instanceKeys = { keyOf: (kind, id) => keys.get(`${kind} ${hex(id)}`) }
    const entries = [...keys].map(([name, key]) => `${name} ${hex(key.spki)}`).sort()
    this.digest = hex(hash('sha256', new TextEncoder().encode(entries.join())))
  }

  gather(): Endorsements {
    return this
  }
}
