import { misuse } from './option-values.js'
import type { AttestationModel, AttestationOptions, Draft08Risk } from './options.js'
import type { Settings } from './settings.js'

/** What a connection under the profile `draft08` leaves open, as sentences to be read by who accepts it. */
const RISKS: Readonly<Record<Draft08Risk, string>> = {
  relay: 'who has stolen a key, or the secrets of a handshake, passes another machine’s Evidence off as its own',
  replay: 'results, and Evidence in certificates, can be presented again for as long as they hold',
  diversion: 'without a certificate a sound machine may answer that is not the one meant',
}

/** The profile `draft08` is had by who says which of its risks are accepted, and about whom: an attestation-only peer has no
 *  name, so that somebody has to say who it is.
 *  @param settings those of the profile `draft08`
 *  @returns what is to be told to whoever runs this   @throws MisuseError ERR_ATTESTATION_CONFIG */
export function checkDraft08Risks(
  { acceptDraft08Risks: accepted = [] }: AttestationOptions,
  settings: Settings,
): string {
  const open = risksOf(settings)
  const missing = open.filter(risk => !accepted.includes(risk))
  if (missing.length > 0) {
    const list = open.map(risk => `'${risk}'`).join(', ')
    throw misuse(
      `the profile draft08 has to be asked for with acceptDraft08Risks: [${list}], because it leaves open what hardened, ` +
        `the default, does not (${described(missing)})`,
    )
  }
  if (settings.peerCredentials.includes('attestation-only') && settings.verifier && !settings.expectedIdentity) {
    throw misuse(
      'peerCredentials has attestation-only, which says what the peer is but not who: give expectedIdentity, with the ' +
        'keyIds of the peers that are meant or claims that only they make; or take x509 alone',
    )
  }
  return `attestation under the profile draft08 is weaker than under hardened (${described(open)})`
}

/** The risks that there are, given what is configured. */
function risksOf(settings: Settings): readonly Draft08Risk[] {
  const { models, presenter, verifier, trustedVerifiers, certificateEvidence } = settings
  const uses = (model: AttestationModel) => models.includes(model)
  const hasResults = uses('passport') && (presenter !== undefined || trustedVerifiers.length > 0)
  const isAlone = [verifier ? settings.peerCredentials : [], settings.ownCredentials].some(credentials =>
    credentials.includes('attestation-only'),
  )
  const risks: Draft08Risk[] = ['relay']
  if (hasResults || certificateEvidence) risks.push('replay')
  if (isAlone) risks.push('diversion')
  return risks
}

function described(risks: readonly Draft08Risk[]): string {
  return risks.map(risk => `${risk}: ${RISKS[risk]}`).join('; ')
}
