import { NamedGroup } from '../../crypto/index.js'
import { type Extensions, type ExtensionValue, extensionValue, type View } from '../../handshake/index.js'
import { AttestationError } from '../errors.js'
import type { Participant } from '../participant.js'
import { canDemand, canProve, MIN_RENEWAL } from '../settings.js'
import { HARDENED_VERSION, HardenedFlag } from './extensions.js'

/** `hardened_attestation` in our ClientHello. */
export function hardenedOffer({ settings }: Participant): ExtensionValue {
  const { client_hello } = settings.hardenedExtensions.hardenedAttestation
  return extensionValue(client_hello, { versions: [HARDENED_VERSION], flags: flagsOf(settings) })
}

/** Server: whether the client speaks the profile, and what we answer. Never is anything less agreed on.
 *  @throws AttestationError if it does not, or requires what we cannot do */
export function answerHardened(participant: Participant, hs: View): ExtensionValue {
  const { settings } = participant
  const { client_hello, encrypted_extensions } = settings.hardenedExtensions.hardenedAttestation
  const offer = hs.clientHello.get(client_hello)
  if (!offer) throw notSpoken('the client')
  if (!offer.versions.includes(HARDENED_VERSION)) {
    throw new AttestationError(
      'ERR_ATTESTATION_NEGOTIATION',
      'handshake_failure',
      `the client speaks versions ${offer.versions.join(', ')} of the profile hardened, and we version 1`,
    )
  }
  checkGroup(hs)
  checkRequirement('the client', offer.flags, settings.attester !== undefined)
  participant.takesBatches = (offer.flags & HardenedFlag.takesBatches) !== 0
  const { renewalInterval } = settings
  return extensionValue(encrypted_extensions, {
    version: HARDENED_VERSION,
    flags: flagsOf(settings),
    maxRenewalSeconds: Math.min(0xffff, Math.ceil(renewalInterval / 1000)),
  })
}

/** Client: whether the server speaks the profile.
 *  @throws AttestationError if it does not, or requires what we cannot do */
export function acceptHardened(participant: Participant, hs: View, answer: Extensions): void {
  const { settings, own } = participant
  const { encrypted_extensions } = settings.hardenedExtensions.hardenedAttestation
  const chosen = answer.get(encrypted_extensions)
  if (!chosen) throw notSpoken('the server')
  if (chosen.version !== HARDENED_VERSION) {
    throw new AttestationError(
      'ERR_ATTESTATION_NEGOTIATION',
      'illegal_parameter',
      `the server selects version ${chosen.version} of the profile hardened, which was not offered`,
    )
  }
  checkGroup(hs)
  checkRequirement('the server', chosen.flags, own !== undefined)
  participant.takesBatches = (chosen.flags & HardenedFlag.takesBatches) !== 0
  // 0: the server says nothing of it.
  if (chosen.maxRenewalSeconds > 0) participant.maxRenewal = Math.max(MIN_RENEWAL, chosen.maxRenewalSeconds * 1000)
}

/** The peer's nonce has to be one that nobody guesses, whatever the draft allows. @throws AttestationError */
export function checkPeerNonce({ own, settings }: Participant): void {
  if (own?.model !== 'background-check' || own.nonce.length >= settings.profile.minNonceLength) return
  throw new AttestationError(
    'ERR_ATTESTATION_NEGOTIATION',
    'illegal_parameter',
    `the peer's nonce has ${own.nonce.length} bytes, of which the profile hardened wants ${settings.profile.minNonceLength}`,
  )
}

function flagsOf(settings: Participant['settings']): number {
  const attests = canProve(settings, 'background-check') ? HardenedFlag.attests : 0
  const requires =
    settings.requirement === 'required' && canDemand(settings, 'background-check') ? HardenedFlag.requires : 0
  const takesBatches = canDemand(settings, 'background-check') ? HardenedFlag.takesBatches : 0
  return attests | requires | takesBatches
}

function checkRequirement(peer: string, flags: number, canAttest: boolean): void {
  if ((flags & HardenedFlag.requires) === 0 || canAttest) return
  throw new AttestationError(
    'ERR_ATTESTATION_NEGOTIATION',
    'handshake_failure',
    `${peer} requires that we attest, which we are not set up to do`,
  )
}

/** The key exchange has to be one that nobody on the way can steer. */
function checkGroup({ group }: View): void {
  if (GROUPS.includes(group)) return
  throw new AttestationError(
    'ERR_ATTESTATION_NEGOTIATION',
    'insufficient_security',
    `the profile hardened does not take key exchanges in group ${group}`,
  )
}
const GROUPS: readonly number[] = [
  NamedGroup.X25519MLKEM768,
  NamedGroup.x25519,
  NamedGroup.secp256r1,
  NamedGroup.secp384r1,
]

function notSpoken(peer: string): AttestationError {
  return new AttestationError(
    'ERR_ATTESTATION_NEGOTIATION',
    'missing_extension',
    `${peer} does not speak the profile hardened, and nothing less will do: draft08 has to be asked for by name`,
  )
}
