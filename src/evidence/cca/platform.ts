import { equalBytes } from '../../bytes/index.js'
import { hash } from '../../crypto/index.js'
import { shortHex } from '../checks.js'
import { type Finding, failed, passed } from '../finding.js'
import type { Platform } from '../format.js'
import { allowableLifecycles, ccaLifecycles } from '../psa/lifecycle.js'
import { checkArmToken, checkSignature } from '../psa/origin.js'
import { factsOfCcaPlatform } from './platform-claims.js'
import { factsOfCcaRealm } from './realm-claims.js'
import { type CcaToken, decodeCcaToken } from './token.js'

/** The machine below a realm, by the platform token: hardware, firmware, RMM. It is believed by the key that is
 *  registered for its instance, or by the certificate in its header. Its challenge is the hash of the realm's key. */
export const ccaPlatform: Platform<CcaToken> = {
  kind: 'cca-platform',
  profile: undefined,
  isSimulated: false,
  policyTerms: {
    requiredMeasurements: [],
    lifecycles: allowableLifecycles(ccaLifecycles),
    claims: [
      'profile',
      'instance-id',
      'implementation-id',
      'config',
      'hash-algorithm',
      'signer-id',
      'verification-service',
    ],
  },
  decode: decodeCcaToken,
  checkOrigin: ({ platform }, inputs) =>
    checkArmToken('cca-platform', platform.message, platform.claims.instanceId, inputs),
  challengeOf: ({ platform }) => platform.claims.binder,
  factsOf: ({ platform }) => factsOfCcaPlatform(platform.claims),
}

/** A realm, by the realm token. It is believed as far as the platform is: the realm's key, which is in its own token,
 *  counts for nothing unless the platform token holds its hash. */
export const ccaRealm: Platform<CcaToken> = {
  kind: 'cca-realm',
  profile: undefined,
  isSimulated: false,
  policyTerms: {
    // The realm's own software extends the REMs, by what RIM stands for: one without the others says little.
    requiredMeasurements: ['rim', 'rem0', 'rem1', 'rem2', 'rem3'],
    measurements: ['rim', 'rem0', 'rem1', 'rem2', 'rem3'],
    lifecycles: [],
    claims: ['profile', 'personalization-value', 'hash-algorithm', 'instance-id', 'mec-policy', 'lfa-policy'],
  },
  decode: decodeCcaToken,
  checkOrigin(token, inputs) {
    const platform = ccaPlatform.checkOrigin(token, inputs)
    return {
      ...platform,
      findings: [...platform.findings, checkRealmBinding(token), checkRealmSignature(token)],
    }
  },
  challengeOf: ({ realm }) => realm.claims.challenge,
  factsOf: ({ realm }) => factsOfCcaRealm(realm.claims),
}

/** Whether the platform stands behind the realm's key (draft-ffm-rats-cca-token-04). Without it anybody could
 *  put a realm token of his own beside a platform token. */
export function checkRealmBinding({ platform, realm }: CcaToken): Finding {
  const { keyBytes, keyHash } = realm.claims
  const expected = 'platform challenge = hash of the realm key'
  const subject = { name: 'realm-binding', expected, source: 'draft-ffm-rats-cca-token-04' }
  const { binder } = platform.claims
  if (equalBytes(binder, hash(keyHash, keyBytes))) return passed({ ...subject, actual: expected })
  const remedy = 'the platform token belongs to another realm: somebody put together what does not belong together'
  return failed({ ...subject, actual: `platform challenge ${shortHex(binder)}` }, remedy, 'instance-identity')
}

/** Whether the realm's key signed the realm token. */
export function checkRealmSignature({ realm }: CcaToken): Finding {
  return checkSignature(realm.message, realm.claims.key, 'the realm attestation key', 'realm-signature')
}
