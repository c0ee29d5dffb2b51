import { equalBytes, hex } from '#src/bytes/index.js'
import { hash, type PublicKey } from '#src/crypto/index.js'
import {
  checkMagic,
  checkStatementType,
  decodeAttest,
  decodePublicArea,
  decodeSignature,
  decodeTcgLog,
  isSignedByTpm,
  type TpmAttest,
} from '#src/evidence/index.js'
import { MessageError } from '#src/rats/index.js'
import { bytesInput, type Facts, fileOf, listInput, type Outcome, type VectorCase } from '../adapter.js'
import { keyOrNone } from './keys.js'
import {
  attestFacts,
  certificateFacts,
  chained,
  checkRegisters,
  type Failure,
  note,
  noteFinding,
  outcomeOf,
  publicFacts,
  valuesIn,
} from './tpm-facts.js'

/** Quotes of a TPM, one for each bank: with a certificate, a public area or a bare key of the attestation key; with the
 *  values of the PCRs and the event log, as far as the vector has them. */
export function tpmQuote(vector: VectorCase): Outcome {
  try {
    return quoted(vector)
  } catch (error) {
    if (!(error instanceof MessageError)) throw error
    // The public area of the key, or the values of the registers: what a quote is like has been found out by itself.
    return { outcome: 'reject', reasons: ['malformed', 'pcr-digest', 'ak_matches_cert'], sentence: error.message }
  }
}

function quoted(vector: VectorCase): Outcome {
  const failures: Failure[] = []
  const key = attestationKeyOf(vector, failures)
  const facts: Record<string, unknown> = akFacts(vector)
  const attests: Record<string, unknown> = {}
  for (const suffix of listInput(vector, 'quotes') ?? ['']) {
    const attest = quoteOf(vector, suffix, key, failures)
    if (attest) attests[suffix] = attestFacts(attest)
  }
  facts.attest = listInput(vector, 'quotes') ? attests : attests['']
  if (vector.files.has('creation_attest')) facts.creation = creationFacts(vector, key)
  return outcomeOf(failures, facts)
}

function attestationKeyOf(vector: VectorCase, failures: Failure[]): PublicKey | undefined {
  const bare = vector.files.get('ak_pub')
  if (bare) return keyOrNone(bare) ?? undefined
  const area = decodePublicArea(fileOf(vector, 'ak_tpmt_public'))
  const certificate = vector.files.get('ak_cert')
  if (certificate) {
    const leaf = chained(vector, ['ak_cert', 'ak_intermediate'], 'ak_root', failures)
    const isSame = leaf !== undefined && area.key !== undefined && equalBytes(leaf.spki, area.key.spki)
    note(failures, isSame || leaf === undefined, ['ak_matches_cert'], 'the certificate is of another key')
  }
  return area.key
}

function quoteOf(
  vector: VectorCase,
  suffix: string,
  key: PublicKey | undefined,
  failures: Failure[],
): TpmAttest | undefined {
  const bytes = fileOf(vector, `attest${suffix}`)
  try {
    const signature = decodeSignature(fileOf(vector, `signature${suffix}`))
    const isSigned = key !== undefined && isSignedByTpm(signature, key, bytes)
    note(failures, isSigned, ['signature', `sig${suffix}`], 'the key did not sign it')
    const statement = { bytes, attest: decodeAttest(bytes), signature }
    noteFinding(failures, checkMagic(statement.attest), ['magic', `magic${suffix}`])
    noteFinding(failures, checkStatementType(statement.attest, 'quote'), ['type'])
    const nonce = bytesInput(vector, 'expected_nonce')
    const isFresh = nonce === undefined || equalBytes(nonce, statement.attest.extraData)
    note(failures, isFresh, ['nonce-mismatch', `nonce${suffix}`], 'another nonce')
    checkRegisters(vector, suffix, statement, failures)
    return statement.attest
  } catch (error) {
    if (!(error instanceof MessageError)) throw error
    failures.push({ reasons: ['malformed'], sentence: error.message })
    return undefined
  }
}

function akFacts(vector: VectorCase): Record<string, unknown> {
  const facts: Record<string, unknown> = {}
  const area = vector.files.get('ak_tpmt_public')
  if (area) facts.ak = publicFacts(decodePublicArea(area))
  const certificate = vector.files.get('ak_cert')
  if (certificate) facts.ak_cert = certificateFacts(certificate)
  const values = valuesIn(vector)?.get('sha256')
  if (values) facts.pcrs_sha256 = Object.fromEntries([...values].map(([number, value]) => [number, hex(value)]))
  const log = vector.files.get('event_log')
  if (log) facts.event_log_events = eventsIn(log)
  return facts
}

function eventsIn(log: Uint8Array): number | undefined {
  try {
    return decodeTcgLog(log).length
  } catch (error) {
    if (error instanceof MessageError) return undefined
    throw error
  }
}

/** TPM2_CertifyCreation of the attestation key by itself. */
function creationFacts(vector: VectorCase, key: PublicKey | undefined): Facts {
  const bytes = fileOf(vector, 'creation_attest')
  const attest = decodeAttest(bytes)
  const area = decodePublicArea(fileOf(vector, 'ak_tpmt_public'))
  const { attested } = attest
  const signature = decodeSignature(fileOf(vector, 'creation_signature'))
  const isCreation = attested.kind === 'creation'
  return {
    ...attestFacts(attest),
    signature_ok: key !== undefined && isSignedByTpm(signature, key, bytes),
    creation_hash_ok:
      isCreation && equalBytes(attested.creationHash, hash(area.nameAlgorithm, fileOf(vector, 'creation_data'))),
    object_name_is_ak: isCreation && equalBytes(attested.objectName, area.name),
  }
}
