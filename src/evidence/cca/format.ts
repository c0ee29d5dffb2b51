import { type Cmw, decodeParsecCca, isBoundToRealm, PARSEC_CCA_MEDIA_TYPE, type ParsecCca } from '../../rats/index.js'
import { appraiseReport } from '../appraise-platform.js'
import { checkAttestedKey, checkChallenge, shortHex } from '../checks.js'
import { allPassed, type Finding, failed, passed, vectorOf } from '../finding.js'
import type { Appraisal, AppraisalInputs, EvidenceFormat, Platform } from '../format.js'
import { recordOf, wellFormed } from '../message.js'
import { ccaPlatform, ccaRealm, checkRealmBinding, checkRealmSignature } from './platform.js'
import { type CcaToken, decodeCcaToken } from './token.js'

/** What Veraison's CCA scheme calls a CCA token, whatever its profile; nothing is registered. */
export const CCA_MEDIA_TYPE = 'application/eat-collection; profile="http://arm.com/CCA-SSD/1.0.0"'

/** A CCA token that stands alone: the realm's challenge is the challenge. It speaks for no key, and so is of use
 *  beside a certificate. */
export const ccaToken: EvidenceFormat = {
  name: 'CCA token',
  kinds: [ccaPlatform.kind, ccaRealm.kind],
  mediaTypes: [CCA_MEDIA_TYPE],
  challengeLength: 64,
  speaksForKey: false,

  appraise(message, inputs) {
    const token = wellFormed(() => decodeCcaToken(recordOf(message, 'a CCA token').value))
    return appraiseToken(token, inputs, [], found => [checkChallenge(found, inputs.challenge)], {
      attestedKey: null,
      challenge: token.realm.claims.challenge,
    })
  },
}

/** Parsec's bundle for CCA: an unsigned key attestation with the challenge and the key, and a CCA token whose realm
 *  challenge is the hash of it. It speaks for the key, so that it can stand in place of a certificate. */
export const parsecCcaBundle: EvidenceFormat = {
  name: 'Parsec bundle for CCA',
  kinds: [ccaPlatform.kind, ccaRealm.kind],
  mediaTypes: [PARSEC_CCA_MEDIA_TYPE],
  challengeLength: undefined,
  speaksForKey: true,

  appraise(message: Cmw, inputs) {
    const { value } = recordOf(message, 'a Parsec bundle')
    const bundle = wellFormed(() => decodeParsecCca(value))
    const token = wellFormed(() => decodeCcaToken(bundle.pat))
    const attestedKey = bundle.identityKey.spki
    const own = [checkChallenge(bundle.nonce, inputs.challenge), checkAttestedKey(attestedKey, inputs.key)]
    return appraiseToken(token, inputs, own, found => [checkKatBinding(bundle, found)], {
      attestedKey,
      challenge: bundle.nonce,
    })
  },
}

/** Appraises both halves of a token. What the realm says counts for nothing where the platform is not genuine, or does
 *  not stand behind the realm's key. */
function appraiseToken(
  token: CcaToken,
  inputs: AppraisalInputs,
  own: readonly Finding[],
  checkRealmChallenge: (found: Uint8Array) => readonly Finding[],
  bound: Pick<Appraisal, 'attestedKey' | 'challenge'>,
): Appraisal {
  const platform = appraiseReport(ccaPlatform, token, inputs, () => [checkRealmBinding(token)])
  const isSealed = platform.isGenuine && allPassed(platform.findings, ['realm-binding'])
  const realm = appraiseReport(realmOf(platform.isSimulated), token, inputs, checkRealmChallenge)
  const realmFindings = [...own, ...realm.findings]
  const isVouchedFor = isSealed && realm.isGenuine && allPassed(realmFindings, ['kat-binding'])
  const findings = [...platform.findings, ...realmFindings]
  return {
    checks: findings.map(({ check }) => check),
    environments: {
      [ccaPlatform.kind]: { vector: vectorOf(platform.findings), claims: platform.environment.claims },
      // Everything that contradicts the platform contradicts what runs on it.
      [ccaRealm.kind]: { vector: vectorOf(findings), claims: isSealed ? realm.environment.claims : {} },
    },
    ...(isVouchedFor ? bound : { attestedKey: null, challenge: null }),
    isSimulated: platform.isSimulated,
  }
}

/** The realm of a token whose platform is appraised already. */
function realmOf(isSimulated: boolean): Platform<CcaToken> {
  return { ...ccaRealm, checkOrigin: token => ({ findings: [checkRealmSignature(token)], isSimulated }) }
}

/** The unsigned key attestation counts for nothing but by this. */
function checkKatBinding(bundle: ParsecCca, found: Uint8Array): Finding {
  const expected = 'realm challenge = hash of the key attestation'
  const subject = { name: 'kat-binding', expected, source: 'docs/binding.md' }
  if (isBoundToRealm(bundle, found)) return passed({ ...subject, actual: expected })
  const remedy = 'the token belongs to another key or session: somebody put together what does not belong together'
  return failed({ ...subject, actual: `realm challenge ${shortHex(found)}` }, remedy, 'instance-identity')
}
