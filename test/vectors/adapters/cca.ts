import { equalBytes } from '#src/bytes/index.js'
import type { PublicKey } from '#src/crypto/index.js'
import {
  type CcaToken,
  ccaRealm,
  checkRealmBinding,
  decodeCcaEnvelope,
  decodeCcaToken,
  FixedEndorsements,
  RootsByKind,
} from '#src/evidence/index.js'
import { asMap, CoseHeader, type CoseMessage, checkSign1, decodeCbor } from '#src/rats/index.js'
import { bytesInput, fileOf, type Outcome, type VectorCase } from '../adapter.js'
import { keyOrNone, WITHOUT_KEY } from './keys.js'
import { factOf, rejection } from './message-reasons.js'
import { checkKnown } from './psa.js'

/** A CCA token, and the key of its platform. */
export function cca(vector: VectorCase): Outcome {
  const bytes = fileOf(vector, 'token')
  const key = keyOrNone(fileOf(vector, 'cpak_pub'))
  if (!key) return WITHOUT_KEY
  try {
    const { platform } = decodeCcaEnvelope(bytes)
    // Before the claims, which the platform reads to find the key.
    checkKnown(platform, () => checkSign1(platform, key))
    return appraised(vector, decodeCcaToken(bytes), key)
  } catch (error) {
    return rejection(error)
  }
}

function appraised(vector: VectorCase, token: CcaToken, key: PublicKey): Outcome {
  const { claims } = token.realm
  const { findings } = ccaRealm.checkOrigin(token, {
    roots: new RootsByKind({}),
    endorsements: new FixedEndorsements({
      instanceKeys: [{ kind: 'cca-platform', id: token.platform.claims.instanceId, key }],
    }),
    at: vector.at ?? 0,
  })
  const broken = findings.filter(({ check }) => !check.passed)
  if (broken.length > 0) {
    return {
      outcome: 'reject',
      reasons: broken.flatMap(({ check }) => REASONS[check.name] ?? [check.name]),
      sentence: broken.map(({ check }) => `${check.name}: ${check.actual}`).join('; '),
      facts: factsOf(vector, token),
    }
  }
  const challenge = bytesInput(vector, 'expected_challenge')
  if (challenge && !equalBytes(ccaRealm.challengeOf(token), challenge)) {
    return { outcome: 'reject', reasons: ['nonce-mismatch', 'challenge'], sentence: 'another challenge' }
  }
  const rim = bytesInput(vector, 'expected_rim')
  if (rim && !equalBytes(claims.initialMeasurement, rim)) {
    return { outcome: 'reject', reasons: ['measurement-mismatch', 'rim'], sentence: 'another initial measurement' }
  }
  return { outcome: 'accept', facts: factsOf(vector, token) }
}

const REASONS: Readonly<Record<string, readonly string[]>> = {
  signature: ['signature', 'platform_sig'],
  'realm-signature': ['signature', 'realm_sig'],
  'realm-binding': ['realm-binding', 'binding'],
}

function factsOf(vector: VectorCase, { platform, realm }: CcaToken) {
  const { tag, isWrapped } = decodeCcaEnvelope(fileOf(vector, 'token'))
  const wrapping = isWrapped ? 'array(cmw)' : 'bstr'
  const [platformClaims, realmClaims] = [platform, realm].map(({ message }) => claimsOf(message))
  return {
    collection_tag: tag,
    wrapping: [wrapping, wrapping],
    rak_format: realm.claims.keyBytes.length === 97 ? 'raw97' : 'cose_key',
    platform_alg: platform.message.protectedHeader.get(CoseHeader.algorithm),
    realm_alg: realm.message.protectedHeader.get(CoseHeader.algorithm),
    platform_profile: platform.claims.profile,
    realm_profile: realm.claims.profile ?? null,
    platform_claims: platformClaims,
    realm_claims: realmClaims,
    platform_challenge_binds_rak: checkRealmBinding({ platform, realm }).check.passed,
  }
}

function claimsOf({ payload }: CoseMessage): unknown {
  return factOf(asMap(decodeCbor(payload, 'tolerant'), 'the claims set'))
}
