import { equalBytes, hex } from '#src/bytes/index.js'
import { hash, type PublicKey } from '#src/crypto/index.js'
import {
  checkKeyName,
  checkMagic,
  checkPurpose,
  checkStatementType,
  decodeAttest,
  decodeEnactTrustToken,
  decodeParsecTpmEvidence,
  decodePublicArea,
  decodeSignature,
  decodeTcgLog,
  type Finding,
  FixedEndorsements,
  findUnexplainedPcr,
  isSignedByTpm,
  MissingEndorsement,
  type PcrBanks,
  pcrDigestOf,
  type RegisterHash,
  RootsByKind,
  replayLog,
  startOfTpm,
  type TpmAttest,
  type TpmPublic,
  type TpmStatement,
  tpmHashes,
  tpmHashLength,
  tpmPlatform,
} from '#src/evidence/index.js'
import { asMap, decodeCbor, decodeJson, MessageError, publicKeyOfCoseKey } from '#src/rats/index.js'
import { type Certificate, CertificateError, parseCertificate } from '#src/x509/index.js'
import { bytesInput, type Facts, fileOf, listInput, type Outcome, textInput, type VectorCase } from '../adapter.js'
import { chainReasons } from '../chain-reasons.js'
import { rfc4514 } from '../names.js'
import { keyFrom } from './keys.js'

/** Quotes of a TPM, one for each bank: with a certificate, a public area or a bare key of the attestation key; with the
 *  values of the PCRs and the event log, as far as the vector has them. */
export function tpmQuote(vector: VectorCase): Outcome {
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

/** A check that failed: its names in the vectors, and a sentence. */
interface Failure {
  readonly reasons: readonly string[]
  readonly sentence: string
}

function outcomeOf(failures: readonly Failure[], facts: Facts): Outcome {
  if (failures.length === 0) return { outcome: 'accept', facts }
  return {
    outcome: 'reject',
    reasons: failures.flatMap(({ reasons }) => reasons),
    sentence: failures.map(({ sentence }) => sentence).join('; '),
  }
}

function note(failures: Failure[], holds: boolean, reasons: readonly string[], sentence: string): void {
  if (!holds) failures.push({ reasons, sentence })
}

function noteFinding(failures: Failure[], { check }: Finding, reasons: readonly string[]): void {
  note(failures, check.passed, reasons, `${check.name}: ${check.actual}`)
}

function attestationKeyOf(vector: VectorCase, failures: Failure[]): PublicKey | undefined {
  const bare = vector.files.get('ak_pub')
  if (bare) return keyFrom(bare)
  const area = decodePublicArea(fileOf(vector, 'ak_tpmt_public'))
  const certificate = vector.files.get('ak_cert')
  if (certificate) {
    const leaf = chained(vector, ['ak_cert', 'ak_intermediate'], 'ak_root', failures)
    const isSame = leaf !== undefined && area.key !== undefined && equalBytes(leaf.spki, area.key.spki)
    note(failures, isSame || leaf === undefined, ['ak_matches_cert'], 'the certificate is of another key')
  }
  return area.key
}

/** The signer's certificate, if its chain leads to the root of the vector. */
function chained(
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

function checkRegisters(vector: VectorCase, suffix: string, { attest, signature }: TpmStatement, failures: Failure[]) {
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

function valuesIn(vector: VectorCase): PcrBanks | undefined {
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

function fromHex(value: unknown): Uint8Array {
  return new Uint8Array(Buffer.from(String(value), 'hex'))
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

function certificateFacts(der: Uint8Array): Facts {
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

/** A key that a TPM has certified, as WebAuthn carries it (W3C Web Authentication Level 3 §8.3): the extra data is the hash
 *  over authenticator data and client data, and the challenge stands in the latter. */
export function tpmCertify(vector: VectorCase): Outcome {
  const failures: Failure[] = []
  const leaf = chained(vector, ['aik_cert', 'aik_intermediate'], 'root', failures)
  const certInfo = fileOf(vector, 'cert_info')
  const isSigned = aikSigned(vector, parseCertificateOrNot(fileOf(vector, 'aik_cert')) ?? leaf, certInfo)
  note(failures, isSigned, ['signature', 'sig'], 'the key did not sign it')
  const facts: Record<string, unknown> = { ...clientFacts(vector), ...authenticatorFacts(vector) }
  note(
    failures,
    facts.challenge === textInput(vector, 'expected_challenge'),
    ['nonce-mismatch', 'challenge'],
    'another challenge',
  )
  note(failures, facts.type === 'webauthn.create', ['type'], 'not the creation of a key')
  const aik = certificateFacts(fileOf(vector, 'aik_cert'))
  facts.aik_issuer = aik.issuer
  facts.aik_validity = aik.validity
  try {
    const attest = decodeAttest(certInfo)
    facts.cert_info = attestFacts(attest)
    // Before it is read: bytes of another Name are another key's, or no key's at all.
    note(failures, isNamedBy(attest, fileOf(vector, 'pub_area')), ['name-binding', 'name_binds_pub'], 'another Name')
    const publicArea = decodePublicArea(fileOf(vector, 'pub_area'))
    facts.pub_area = publicFacts(publicArea)
    noteFinding(failures, checkMagic(attest), ['magic'])
    noteFinding(failures, checkStatementType(attest, 'certify'), ['type'])
    const statement = { bytes: certInfo, attest, signature: NO_SIGNATURE }
    noteFinding(failures, checkKeyName({ statement, publicArea }), ['name-binding', 'name_binds_pub'])
    note(failures, equalBytes(attest.extraData, clientHash(vector)), ['extra-data', 'extra_data'], 'other extra data')
    const credential = credentialKeyOf(vector)
    const isSame =
      credential !== null && publicArea.key !== undefined && equalBytes(credential.spki, publicArea.key.spki)
    note(failures, isSame, ['cred_key_matches_pubarea'], 'the credential is another key')
  } catch (error) {
    if (!(error instanceof MessageError)) throw error
    failures.push({ reasons: ['malformed'], sentence: error.message })
  }
  return outcomeOf(failures, facts)
}

/** Whether the Name that was certified is the hash over these bytes, by the function in its first two. */
function isNamedBy({ attested }: TpmAttest, publicArea: Uint8Array): boolean {
  if (attested.kind !== 'certify') return false
  const algorithm = ((attested.name[0] ?? 0) << 8) | (attested.name[1] ?? 0)
  const name = tpmHashes.get(algorithm)
  return name !== undefined && equalBytes(attested.name.subarray(2), hash(name, publicArea))
}

/** WebAuthn has no TPMT_SIGNATURE: the signature is checked before this is needed. */
const NO_SIGNATURE = { scheme: 'rsassa', hash: 'sha256', signature: new Uint8Array(0) } as const

function parseCertificateOrNot(der: Uint8Array): Certificate | undefined {
  try {
    return parseCertificate(der)
  } catch (error) {
    if (error instanceof CertificateError) return undefined
    throw error
  }
}

/** WebAuthn's signatures are those of COSE and X.509: bare for RSA, DER for ECDSA. */
function aikSigned(vector: VectorCase, aik: Certificate | undefined, data: Uint8Array): boolean {
  const name = hashIn(vector)
  const algorithm = ALGORITHMS[Number(vector.inputs.cose_alg)]
  if (!aik || !algorithm) return false
  return aik.publicKey.verify({ ...algorithm, hash: name }, data, fileOf(vector, 'signature'))
}

const ALGORITHMS: Readonly<Record<number, { kind: 'ecdsa'; encoding: 'der' } | { kind: 'rsa-pkcs1' }>> = {
  [-7]: { kind: 'ecdsa', encoding: 'der' },
  [-35]: { kind: 'ecdsa', encoding: 'der' },
  [-36]: { kind: 'ecdsa', encoding: 'der' },
  [-257]: { kind: 'rsa-pkcs1' },
  [-258]: { kind: 'rsa-pkcs1' },
  [-259]: { kind: 'rsa-pkcs1' },
  [-65535]: { kind: 'rsa-pkcs1' },
}

function hashIn(vector: VectorCase): RegisterHash {
  const name = textInput(vector, 'hash') ?? 'sha256'
  for (const known of ['sha1', 'sha256', 'sha384', 'sha512'] as const) if (known === name) return known
  throw new Error(`${vector.name}: ${name} is no hash of a TPM`)
}

function clientHash(vector: VectorCase): Uint8Array {
  return hash(hashIn(vector), fileOf(vector, 'auth_data'), hash('sha256', fileOf(vector, 'client_data_json')))
}

function clientFacts(vector: VectorCase): Facts {
  const client = asMap(decodeJson(fileOf(vector, 'client_data_json')), 'the client data')
  return { origin: client.get('origin'), challenge: client.get('challenge'), type: client.get('type') }
}

/** rpIdHash, flags, counter, then the AAGUID (W3C Web Authentication Level 3 §6.1). */
function authenticatorFacts(vector: VectorCase): Facts {
  const data = fileOf(vector, 'auth_data')
  return { rp_id_hash: hex(data.subarray(0, 32)), flags: data[32], aaguid: hex(data.subarray(37, 53)) }
}

function credentialKeyOf(vector: VectorCase): PublicKey | null {
  const data = fileOf(vector, 'auth_data')
  const idLength = ((data[53] ?? 0) << 8) | (data[54] ?? 0)
  try {
    return publicKeyOfCoseKey(withoutAlgorithm(data.subarray(55 + idLength)))
  } catch (error) {
    if (error instanceof MessageError) return null
    throw error
  }
}

/** COSE's RSA keys in WebAuthn name RS256 and RS1, which no message here is signed with. */
function withoutAlgorithm(key: Uint8Array) {
  const members = new Map(asMap(decodeCbor(key, 'tolerant'), 'the credential key'))
  members.delete(3)
  return members
}

/** EnactTrust: a node's quote, without a challenge. */
export function tpmEnactTrust(vector: VectorCase): Outcome {
  const node = (textInput(vector, 'expected_node_id') ?? '').replaceAll('-', '')
  try {
    const evidence = decodeEnactTrustToken(fileOf(vector, 'token'))
    const failures = platformFailures(evidence, fromHex(node), keyFrom(fileOf(vector, 'ak_pub')))
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
  try {
    const evidence = decodeParsecTpmEvidence(fileOf(vector, 'evidence'))
    const { id } = evidence.attestationKey
    const failures = platformFailures(evidence, id, keyFrom(fileOf(vector, 'ak_pub')))
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
