import { type Attester, KAT_MEDIA_TYPE, sameMediaType, type Verifier } from '../../rats/index.js'

/*
 * An Attester or Verifier without the types that the profile cannot rest on: those whose challenge is too short, and key
 * attestation bundles, whose attestation key is held by software and could be stolen like any other.
 */

/** An Attester as the profile uses it; the same one for the same Attester. */
export function hardenedAttester(attester: Attester | undefined): Attester | undefined {
  if (!attester) return undefined
  let wrapped = attesters.get(attester)
  if (!wrapped) {
    wrapped = {
      evidenceTypes: usableTypes(attester),
      challengeLength: type => attester.challengeLength(type),
      evidence: request => attester.evidence(request),
    }
    attesters.set(attester, wrapped)
  }
  return wrapped
}
const attesters = new WeakMap<Attester, Attester>()

/** A Verifier as the profile uses it; the same one for the same Verifier. */
export function hardenedVerifier(verifier: Verifier | undefined): Verifier | undefined {
  if (!verifier) return undefined
  let wrapped = verifiers.get(verifier)
  if (!wrapped) {
    wrapped = {
      identity: verifier.identity,
      evidenceTypes: usableTypes(verifier),
      challengeLength: type => verifier.challengeLength(type),
      newSession: options => verifier.newSession(options),
      checkResults: submission => verifier.checkResults(submission),
      get policyDigest() {
        return verifier.policyDigest
      },
    }
    verifiers.set(verifier, wrapped)
  }
  return wrapped
}
const verifiers = new WeakMap<Verifier, Verifier>()

function usableTypes(role: Pick<Attester, 'evidenceTypes' | 'challengeLength'>): readonly string[] {
  return role.evidenceTypes.filter(type => {
    const length = role.challengeLength(type)
    return !sameMediaType(type, KAT_MEDIA_TYPE) && (length === undefined || length >= MIN_CHALLENGE)
  })
}
const MIN_CHALLENGE = 32
