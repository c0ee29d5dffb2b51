import { equalBytes, hex } from '#src/bytes/index.js'
import {
  checkPurpose,
  decodeTcgLog,
  type Finding,
  findUnexplainedPcr,
  type PcrBanks,
  pcrDigestOf,
  type RegisterHash,
  RootsByKind,
  replayLog,
  startOfTpm,
  type TpmAttest,
  type TpmPublic,
  type TpmStatement,
  tpmHashLength,
} from '#src/evidence/index.js'
import { asMap, decodeJson, MessageError } from '#src/rats/index.js'
import { type Certificate, CertificateError, parseCertificate } from '#src/x509/index.js'
import { bytesInput, type Facts, fileOf, type Outcome, type VectorCase } from '../adapter.js'
import { chainReasons } from '../chain-reasons.js'
import { rfc4514 } from '../names.js'

/** A check that failed: its names in the vectors, and a sentence. */
export interface Failure {
  readonly reasons: readonly string[]
  readonly sentence: string
}

export function outcomeOf(failures: readonly Failure[], facts: Facts): Outcome {
  if (failures.length === 0) return { outcome: 'accept', facts }
  return {
    outcome: 'reject',
    reasons: failures.flatMap(({ reasons }) => reasons),
    sentence: failures.map(({ sentence }) => sentence).join('; '),
  }
}

export function note(failures: Failure[], holds: boolean, reasons: readonly string[], sentence: string): void {
  if (!holds) failures.push({ reasons, sentence })
}

export function noteFinding(failures: Failure[], { check }: Finding, reasons: readonly string[]): void {
  note(failures, check.passed, reasons, `${check.name}: ${check.actual}`)
}

/** The signer's certificate, if its chain leads to the root of the vector. */
export function chained(
  vector: VectorCase,
  names: readonly string[],
  root: string,
  failures: Failure[],
): Certificate | undefined {
  try {
    const chain = names.flatMap(name => vector.files.get(name) ?? [])
    const roots = new RootsByKind({ tpm: [fileOf(vector, root)] })
    const { path } = roots.of('tpm').check(chain, vector.at ?? Number.NaN)
    const [leaf] = path
    if (!leaf) throw new Error('a path has a certificate')
    noteFinding(failures, checkPurpose(leaf), ['ak-certificate'])
    return leaf
  } catch (error) {
    if (!(error instanceof CertificateError)) throw error
    failures.push({ reasons: [...chainReasons(error.code), 'ak_cert_chain'], sentence: error.message })
    return undefined
  }
}

export function checkRegisters(
  vector: VectorCase,
  suffix: string,
  { attest, signature }: TpmStatement,
  failures: Failure[],
) {
  const { attested } = attest
  if (attested.kind !== 'quote') return
  const digest = bytesInput(vector, 'expected_pcr_digest')
  const isExpected = digest === undefined || equalBytes(digest, attested.pcrDigest)
  note(failures, isExpected, ['measurement-mismatch', 'pcr_digest_value'], 'another digest')
  const values = valuesIn(vector)
  if (!values) return
  const computed = pcrDigestOf(attested.selections, values, signature.hash)
  const isQuoted = computed !== undefined && equalBytes(computed, attested.pcrDigest)
  note(failures, isQuoted, ['pcr-digest', `pcr_digest${suffix}`], 'other values than were quoted')
  const log = vector.files.get('event_log')
  if (!log) return
  for (const { bank } of attested.selections) {
    const reasons = ['event-log', `event_log_replay${suffix}`]
    try {
      const events = decodeTcgLog(log)
      const registers = replayLog(events, bank, startOfTpm(events, tpmHashLength[bank]))
      const register = findUnexplainedPcr(registers, values.get(bank) ?? new Map())
      note(failures, register === undefined, reasons, `the log does not explain PCR ${register}`)
    } catch (error) {
      if (!(error instanceof MessageError) && !(error instanceof RangeError)) throw error
      failures.push({ reasons, sentence: error.message })
    }
  }
}

export function valuesIn(vector: VectorCase): PcrBanks | undefined {
  const file = vector.files.get('pcrs')
  if (!file) return undefined
  const banks = asMap(decodeJson(file), 'the PCRs')
  return new Map(
    [...banks].map(([bank, registers]) => [
      bank as RegisterHash, // the vectors name them as we do
      new Map([...asMap(registers, 'a bank')].map(([number, value]) => [Number(number), fromHex(value)])),
    ]),
  )
}

export function fromHex(value: unknown): Uint8Array {
  return new Uint8Array(Buffer.from(String(value), 'hex'))
}

export function certificateFacts(der: Uint8Array): Facts {
  try {
    const { issuer, notBefore, notAfter } = parseCertificate(der)
    return {
      issuer: rfc4514(issuer),
      validity: [notBefore, notAfter].map(time => new Date(time).toISOString().replace('.000Z', 'Z')),
    }
  } catch (error) {
    if (error instanceof CertificateError) return {}
    throw error
  }
}

/** A public area in the words of the vectors. */
export function publicFacts({ type, nameAlgorithm, attributes, key, name }: TpmPublic): Facts {
  return {
    type: type === 'rsa' ? 1 : 35,
    name_alg: { sha1: 4, sha256: 11, sha384: 12, sha512: 13 }[nameAlgorithm],
    attributes: `0x${attributes.toString(16).padStart(8, '0')}`,
    ...(type === 'rsa' && { bits: key?.modulusLength }),
    rest: 0,
    name: hex(name),
  }
}

/** What a TPM signed, in the words of the vectors. Nothing is left over: that would not have been read. */
export function attestFacts(attest: TpmAttest): Facts {
  const { attested } = attest
  return {
    magic: attest.magic,
    type: `0x${attest.type.toString(16)}`,
    qualified_signer: hex(attest.qualifiedSigner),
    extra_data: hex(attest.extraData),
    clock: Number(attest.clock),
    reset_count: attest.resetCount,
    restart_count: attest.restartCount,
    safe: attest.safe,
    firmware_version: `0x${attest.firmwareVersion.toString(16).padStart(16, '0')}`,
    kind: attested.kind,
    ...(attested.kind === 'quote' && {
      pcr_select: attested.selections.map(({ bank, registers }) => ({ hash: bank, pcrs: registers })),
      pcr_digest: hex(attested.pcrDigest),
    }),
    ...(attested.kind === 'certify' && {
      name: hex(attested.name),
      qualified_name: hex(attested.qualifiedName),
    }),
    ...(attested.kind === 'creation' && {
      object_name: hex(attested.objectName),
      creation_hash: hex(attested.creationHash),
    }),
    rest: 0,
  }
}
