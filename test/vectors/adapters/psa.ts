import { equalBytes } from '#src/bytes/index.js'
import type { PublicKey } from '#src/crypto/index.js'
import { FixedEndorsements, type PsaToken, psaPlatform, RootsByKind } from '#src/evidence/index.js'
import {
  asMap,
  CoseHeader,
  type CoseMessage,
  checkMac0,
  checkSign1,
  decodeCbor,
  MessageError,
  mac0From,
  messageAlgorithms,
  sign1From,
  Tagged,
} from '#src/rats/index.js'
import { bytesInput, fileOf, type Outcome, type VectorCase } from '../adapter.js'
import { keyOrNone, WITHOUT_KEY } from './keys.js'
import { factOf, rejection } from './message-reasons.js'

/** A PSA token, and the key that its platform signs with or makes authentication codes with. */
export function psa(vector: VectorCase): Outcome {
  const bytes = fileOf(vector, 'token')
  const signing = vector.files.get('iak_pub')
  const key = signing && keyOrNone(signing)
  if (key === null) return WITHOUT_KEY
  const secret = vector.files.get('iak_sym')
  try {
    checkProof(bytes, key, secret)
    return appraised(vector, psaPlatform.decode(bytes), key, secret)
  } catch (error) {
    return rejection(error)
  }
}

/** The proof comes first: about claims that nobody signed there is nothing to say. The platform finds the key by a claim,
 *  and so reads the claims before it. */
function checkProof(bytes: Uint8Array, key: PublicKey | undefined, secret: Uint8Array | undefined): void {
  const outer = decodeCbor(bytes, 'tolerant')
  const isMac = outer instanceof Tagged && outer.tag === 17
  if (isMac && secret) checkMac0(mac0From(outer), secret)
  if (isMac || !key) return
  const message = sign1From(outer)
  checkKnown(message, () => checkSign1(message, key))
}

/** Runs a check of a signature. That a key is on another curve than the algorithm asks for says that it is another key:
 *  the algorithm is a known one. */
export function checkKnown({ protectedHeader }: CoseMessage, check: () => void): void {
  try {
    check()
  } catch (error) {
    const number = protectedHeader.get(CoseHeader.algorithm)
    const isKnown = messageAlgorithms.some(({ numbers }) => numbers.some(known => known === number))
    if (!(error instanceof MessageError) || error.code !== 'ERR_RATS_ALGORITHM' || !isKnown) throw error
    throw new MessageError('ERR_RATS_SIGNATURE', error.message)
  }
}

function appraised(
  vector: VectorCase,
  token: PsaToken,
  key: PublicKey | undefined,
  secret: Uint8Array | undefined,
): Outcome {
  const { message, claims } = token
  const id = claims.instanceId
  const endorsements = new FixedEndorsements({
    instanceKeys: key ? [{ kind: 'psa', id, key }] : [],
    instanceSecrets: secret ? [{ kind: 'psa', id, secret }] : [],
  })
  const { findings } = psaPlatform.checkOrigin(token, { roots: new RootsByKind({}), endorsements, at: vector.at ?? 0 })
  const broken = findings.find(({ check }) => !check.passed)
  if (broken) {
    const { name, actual } = broken.check
    return { outcome: 'reject', reasons: REASONS[name] ?? [name], sentence: `${name}: ${actual}` }
  }
  const nonce = bytesInput(vector, 'expected_nonce')
  if (nonce && !equalBytes(psaPlatform.challengeOf(token), nonce)) {
    return { outcome: 'reject', reasons: ['nonce-mismatch', 'nonce'], sentence: 'another nonce' }
  }
  // What Veraison makes of the token is not in its files.
  return { outcome: 'accept', facts: factsOf(message), unsaid: ['ear_status'] }
}

const REASONS: Readonly<Record<string, readonly string[]>> = {
  signature: ['signature', 'cose_sig', 'cose_mac'],
  'proof-kind': ['wrong-cose-type'],
}

function factsOf(message: CoseMessage) {
  return {
    cose_tag: message.kind === 'Mac0' ? 17 : 18,
    alg: message.protectedHeader.get(CoseHeader.algorithm) ?? null,
    claims: factOf(asMap(decodeCbor(message.payload, 'tolerant'), 'the claims set')),
  }
}
