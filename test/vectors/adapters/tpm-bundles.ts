import { equalBytes, hex } from '#src/bytes/index.js'
import type { PublicKey } from '#src/crypto/index.js'
import {
  decodeEnactTrustToken,
  decodeParsecTpmEvidence,
  FixedEndorsements,
  MissingEndorsement,
  RootsByKind,
  tpmPlatform,
} from '#src/evidence/index.js'
import { MessageError } from '#src/rats/index.js'
import { bytesInput, fileOf, type Outcome, textInput, type VectorCase } from '../adapter.js'
import { keyOrNone, WITHOUT_KEY } from './keys.js'
import {
  attestFacts,
  checkRegisters,
  type Failure,
  fromHex,
  note,
  noteFinding,
  outcomeOf,
  publicFacts,
} from './tpm-facts.js'

/** EnactTrust: a node's quote, without a challenge. */
export function tpmEnactTrust(vector: VectorCase): Outcome {
  const key = keyOrNone(fileOf(vector, 'ak_pub'))
  if (!key) return WITHOUT_KEY
  const node = (textInput(vector, 'expected_node_id') ?? '').replaceAll('-', '')
  try {
    const evidence = decodeEnactTrustToken(fileOf(vector, 'token'))
    const failures = platformFailures(evidence, fromHex(node), key)
    const [quote] = evidence.quotes
    if (!quote) throw new Error('a token has a quote')
    checkRegisters(vector, '', quote, failures)
    return outcomeOf(failures, { attest: attestFacts(quote.attest) })
  } catch (error) {
    if (!(error instanceof MessageError)) throw error
    return { outcome: 'reject', reasons: ['malformed'], sentence: error.message }
  }
}

/** Parsec: a certified key and a quote. */
export function parsecTpm(vector: VectorCase): Outcome {
  const key = keyOrNone(fileOf(vector, 'ak_pub'))
  if (!key) return WITHOUT_KEY
  try {
    const evidence = decodeParsecTpmEvidence(fileOf(vector, 'evidence'))
    const { id } = evidence.attestationKey
    const failures = platformFailures(evidence, id, key)
    const nonce = bytesInput(vector, 'expected_nonce')
    const isFresh = nonce === undefined || equalBytes(tpmPlatform.challengeOf(evidence), nonce)
    note(failures, isFresh, ['nonce-mismatch', 'kat_extra_data', 'pat_nonce'], 'another nonce')
    const [quote] = evidence.quotes
    const { certified } = evidence
    if (!quote || !certified) throw new Error('a bundle has both halves')
    checkRegisters(vector, '', quote, failures)
    return outcomeOf(failures, {
      kat: attestFacts(certified.statement.attest),
      kat_pub: publicFacts(certified.publicArea),
      pat: attestFacts(quote.attest),
      kid: hex(id),
    })
  } catch (error) {
    if (!(error instanceof MessageError)) throw error
    return { outcome: 'reject', reasons: ['malformed'], sentence: error.message }
  }
}

/** What the platform complains of, if its key is registered by that name. */
function platformFailures(
  evidence: Parameters<typeof tpmPlatform.checkOrigin>[0],
  id: Uint8Array,
  key: PublicKey,
): Failure[] {
  const failures: Failure[] = []
  const endorsements = new FixedEndorsements({ instanceKeys: [{ kind: 'tpm', id, key }] })
  try {
    const { findings } = tpmPlatform.checkOrigin(evidence, { roots: new RootsByKind({}), endorsements, at: 0 })
    for (const finding of findings) noteFinding(failures, finding, REASONS[finding.check.name] ?? [finding.check.name])
  } catch (error) {
    if (!(error instanceof MissingEndorsement)) throw error
    failures.push({ reasons: ['identity', 'node_id'], sentence: error.message })
  }
  return failures
}

const REASONS: Readonly<Record<string, readonly string[]>> = {
  signature: ['signature', 'sig', 'pat_sig'],
  'kat-signature': ['signature', 'kat_sig'],
  magic: ['magic', 'kat_magic', 'pat_magic'],
  'key-name': ['binding', 'name-binding', 'kat_name_binds_pub'],
  'same-session': ['nonce-mismatch', 'kat_extra_data', 'pat_nonce'],
}
