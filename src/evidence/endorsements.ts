import { hex } from '../bytes/index.js'
import { hash, type PublicKey } from '../crypto/index.js'
import type { AndroidKeyEndorsements } from './android-key/platform.js'
import type { DcapEndorsements, FixedDcapEndorsements } from './dcap/endorsements.js'
import type { SnpEndorsements } from './sev-snp/endorsements.js'
import type { FixedSnpEndorsements } from './sev-snp/fixed-endorsements.js'

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
  /** Intel's collateral for SGX and TDX; absent where there is none. */
  readonly dcap?: DcapEndorsements
  /** What is known of Android's certificates. */
  readonly androidKey?: AndroidKeyEndorsements
}

/** Keys by the name of the instance that signs with them: a PSA Instance ID, a CCA platform's, a TPM's AK name. */
export interface InstanceKeys {
  /** @param kind the kind of platform, such as `psa`   @param id the instance as its reports name it */
  keyOf(kind: string, id: Uint8Array): PublicKey | undefined
  /** The secret that an instance makes authentication codes with instead of signatures; absent where no kind does. */
  secretOf?(kind: string, id: Uint8Array): Uint8Array | undefined
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

/** What is wrong with an Endorsement that an appraisal needs. */
export type EndorsementErrorCode =
  /** It is not at hand. */
  | 'ERR_ENDORSEMENT_MISSING'
  /** It holds no longer: a newer one has to be fetched. */
  | 'ERR_ENDORSEMENT_EXPIRED'
  | 'ERR_ENDORSEMENT_NOT_YET_VALID'
  /** It is not by whom it has to be by, or is about something else. */
  | 'ERR_ENDORSEMENT_INVALID'

/** What keeps Evidence from being appraised, though nothing is wrong with it that we know of: collateral that was not
 *  to be had, or that says nothing at this time. */
export class MissingEndorsement extends Error {
  readonly code: EndorsementErrorCode
  readonly remedy: string
  /** Which piece of collateral it is, as its EndorsementNeed names it: `dcap-tcb-info`; undefined for others. */
  readonly kind: string | undefined

  /** @param sentence what is missing   @param remedy what a person can do about it */
  constructor(
    sentence: string,
    remedy: string,
    details: { readonly code?: EndorsementErrorCode; readonly kind?: string } = {},
  ) {
    super(sentence)
    this.name = 'MissingEndorsement'
    this.code = details.code ?? 'ERR_ENDORSEMENT_MISSING'
    this.remedy = remedy
    this.kind = details.kind
  }
}

/** A key that was registered for one instance. */
export interface InstanceKey {
  readonly kind: string
  readonly id: Uint8Array
  readonly key: PublicKey
}

/** A secret that was registered for one instance: whoever has it can make its reports. Only for platforms that have
 *  no room for a signature (RFC 9783 §5.1 recommends against it). */
export interface InstanceSecret {
  readonly kind: string
  readonly id: Uint8Array
  /** At least 32 bytes. */
  readonly secret: Uint8Array
}

/** Endorsements that do not change. */
export interface FixedEndorsementsOptions {
  readonly instanceKeys?: readonly InstanceKey[]
  readonly instanceSecrets?: readonly InstanceSecret[]
  readonly sevSnp?: FixedSnpEndorsements
  readonly dcap?: FixedDcapEndorsements
  readonly androidKey?: AndroidKeyEndorsements
}

/** Endorsements that were all configured, and a source of them that never waits. */
export class FixedEndorsements implements EndorsementSource, Endorsements {
  readonly digest: string
  readonly instanceKeys: InstanceKeys
  readonly sevSnp?: SnpEndorsements
  readonly dcap?: DcapEndorsements
  readonly androidKey?: AndroidKeyEndorsements

  /** @throws TypeError if two keys are registered for one instance, or a secret is shorter than 32 bytes */
  constructor(options: FixedEndorsementsOptions = {}) {
    if (options.sevSnp) this.sevSnp = options.sevSnp
    if (options.dcap) this.dcap = options.dcap
    if (options.androidKey) this.androidKey = options.androidKey
    const keys = new Map<string, PublicKey>()
    const secrets = new Map<string, Uint8Array>()
    for (const { kind, id, key } of options.instanceKeys ?? []) keys.set(newName(kind, id, keys, secrets), key)
    for (const { kind, id, secret } of options.instanceSecrets ?? []) {
      if (secret.length < 32)
        throw new TypeError(`the secret of the ${kind} instance ${hex(id)} is shorter than 32 bytes`)
      // Both at once would let the weaker of the two speak for the instance.
      secrets.set(newName(kind, id, keys, secrets), Uint8Array.from(secret))
    }
    this.instanceKeys = {
      keyOf: (kind, id) => keys.get(nameOf(kind, id)),
      secretOf: (kind, id) => secrets.get(nameOf(kind, id)),
    }
    const entries = [
      ...[...keys].map(([name, key]) => `${name} ${hex(key.spki)}`),
      ...[...secrets].map(([name, secret]) => `${name} secret ${hex(hash('sha256', secret))}`),
    ].sort()
    if (options.sevSnp) entries.push(`sev-snp ${options.sevSnp.digest}`)
    if (options.androidKey) {
      const { revokedSerialNumbers, acceptsUnmarkedCas } = options.androidKey
      entries.push(`android-key ${acceptsUnmarkedCas ?? false} ${[...(revokedSerialNumbers ?? [])].sort().join(' ')}`)
    }
    if (options.dcap) entries.push(`dcap ${options.dcap.digest}`)
    this.digest = hex(hash('sha256', new TextEncoder().encode(entries.join())))
  }

  gather(): Endorsements {
    return this
  }
}

function newName(kind: string, id: Uint8Array, ...taken: readonly ReadonlyMap<string, unknown>[]): string {
  const name = nameOf(kind, id)
  if (taken.some(map => map.has(name)))
    throw new TypeError(`two keys are registered for the ${kind} instance ${hex(id)}`)
  return name
}

function nameOf(kind: string, id: Uint8Array): string {
  return `${kind} ${hex(id)}`
}
