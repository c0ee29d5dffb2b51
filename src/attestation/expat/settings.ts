import type { ExtensionRow } from '../../handshake/index.js'
import type { Verifier } from '../../rats/index.js'
import { type HardenedExtensions, hardenedExtensions } from '../hardened/extensions.js'
import { hardenedAttester, hardenedVerifier } from '../hardened/roles.js'
import { milliseconds, misuse } from '../option-values.js'
import type { AttestationOptions, Clock, ExpectedIdentity } from '../options.js'
import type { Proving } from '../prove.js'
import { Quotes } from '../quotes.js'
import { checkIdentity, codePointsOf, quoteLimits } from '../settings.js'
import type { Asking } from '../verifier-session.js'

/** What the profile `expat` is told: what other profiles know by the same names. Of the code points it has
 *  `cmw_attestation`. */
export type ExportedAttestationOptions = Pick<
  AttestationOptions,
  'attester' | 'verifier' | 'expectedIdentity' | 'quotes' | 'timeouts' | 'codePoints'
>

/** What the options come to. */
export type ExpatSettings = Proving['settings'] &
  Asking['settings'] & {
    readonly verifier: Verifier | undefined
    readonly expectedIdentity: ExpectedIdentity | undefined
    readonly cmwAttestation: HardenedExtensions['cmwAttestation']
    /** For the table of extensions. */
    readonly rows: readonly ExtensionRow[]
  }

/** @throws MisuseError ERR_ATTESTATION_CONFIG */
export function expatSettings(options: ExportedAttestationOptions, environment: Clock): ExpatSettings {
  const unknown = Object.keys(options).find(name => !NAMES.includes(name))
  if (unknown !== undefined) {
    throw misuse(`${JSON.stringify(unknown)} is no option of the profile expat: there are ${NAMES.join(', ')}`)
  }
  const { timeouts, expectedIdentity } = options
  // What cannot hold a digest, or rests on a key that software holds, is not taken here either.
  const attester = hardenedAttester(options.attester)
  const verifier = hardenedVerifier(options.verifier)
  if (!attester && !verifier) throw misuse('the profile expat needs an attester, a verifier or both')
  if (attester?.evidenceTypes.length === 0) throw misuse('the attester has no Evidence type that can be bound')
  if (verifier?.evidenceTypes.length === 0) throw misuse('the verifier takes no Evidence that can be bound')
  if (expectedIdentity && !verifier) throw misuse('expectedIdentity is about the peer: it needs a verifier')
  checkIdentity(options)
  const { cmwAttestation } = hardenedExtensions(codePointsOf(options.codePoints))
  return {
    environment,
    profile: { minNonceLength: 32 },
    attester,
    turns: options.attester && Quotes.of(options.attester),
    quotes: quoteLimits(options.quotes),
    batches: undefined,
    attesterTimeout: milliseconds(timeouts?.attester, 'timeouts.attester'),
    verifier,
    verifierTimeout: milliseconds(timeouts?.verifier, 'timeouts.verifier'),
    expectedIdentity,
    cmwAttestation,
    rows: [cmwAttestation.row],
  }
}
const NAMES: readonly string[] = ['attester', 'verifier', 'expectedIdentity', 'quotes', 'timeouts', 'codePoints']
