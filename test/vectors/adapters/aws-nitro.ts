import { equalBytes, hex } from '#src/bytes/index.js'
import { type Finding, FixedEndorsements, type NitroDocument, nitroPlatform, RootsByKind } from '#src/evidence/index.js'
import { MessageError } from '#src/rats/index.js'
import { CertificateError, describeName, parseCertificate } from '#src/x509/index.js'
import { booleanInput, bytesInput, type Facts, fileOf, type Outcome, type VectorCase } from '../adapter.js'
import { chainReasons } from '../chain-reasons.js'

/** AWS Nitro: a document and the root that is trusted. */
export function awsNitro(vector: VectorCase): Outcome {
  let document: NitroDocument
  try {
    document = nitroPlatform.decode(fileOf(vector, 'document'))
  } catch (error) {
    if (error instanceof MessageError) return { outcome: 'reject', reasons: ['malformed'], sentence: error.message }
    throw error
  }
  let roots: RootsByKind
  try {
    roots = new RootsByKind({ 'aws-nitro': [fileOf(vector, 'root')] })
  } catch (error) {
    if (!(error instanceof CertificateError)) throw error
    return { outcome: 'reject', reasons: ['untrusted-root'], sentence: error.message }
  }
  const inputs = { roots, endorsements: new FixedEndorsements(), at: vector.at ?? Number.NaN }
  const { findings } = nitroPlatform.checkOrigin(document, inputs)
  const facts = factsOf(document)
  const broken = findings.filter(({ check }) => !check.passed)
  if (broken.length > 0) {
    const sentence = broken.map(({ check }) => `${check.name}: ${check.actual}`).join('; ')
    return { outcome: 'reject', reasons: broken.flatMap(reasonsOf), sentence, facts }
  }
  const reasons = comparisons(vector, document)
  if (reasons.length > 0) return { outcome: 'reject', reasons, sentence: reasons.join('; '), facts }
  return { outcome: 'accept', facts }
}

function comparisons(vector: VectorCase, document: NitroDocument): readonly string[] {
  const reasons: string[] = []
  const nonce = bytesInput(vector, 'expected_nonce')
  if (nonce && !equalBytes(nonce, nitroPlatform.challengeOf(document))) reasons.push('nonce-mismatch', 'nonce')
  const userData = bytesInput(vector, 'expected_user_data')
  if (userData && !(document.userData && equalBytes(userData, document.userData))) {
    reasons.push('user-data-mismatch', 'user_data')
  }
  const pcrs = vector.inputs.expected_pcrs as Readonly<Record<string, string>> | undefined
  const isOther = ([index, value]: readonly [string, string]) =>
    hex(document.pcrs.get(Number(index)) ?? nonce0) !== value
  if (pcrs && Object.entries(pcrs).some(isOther)) reasons.push('measurement-mismatch', 'pcrs')
  const { isDebuggable } = nitroPlatform.factsOf(document, { findings: [], isSimulated: false })
  if (isDebuggable && !booleanInput(vector, 'allow_debug', false)) reasons.push('debug', 'not_debug')
  return reasons
}
const nonce0 = new Uint8Array(0)

function reasonsOf({ check: { name, code } }: Finding): readonly string[] {
  if (name === 'signature') {
    return code === 'ERR_RATS_ALGORITHM' ? ['unsupported-alg', 'alg_es384'] : ['signature', 'cose_sig']
  }
  return chainReasons(code)
}

function factsOf(document: NitroDocument): Facts {
  const leaf = parseCertificate(document.certificate)
  const optional = (value: Uint8Array | undefined) => (value ? hex(value) : null)
  const nonzero = [...document.pcrs].filter(([, value]) => value.some(byte => byte !== 0))
  return {
    module_id: document.moduleId,
    digest: 'SHA384',
    timestamp_ms: document.timestamp,
    timestamp: isoTime(Math.floor(document.timestamp / 1000) * 1000),
    nonzero_pcrs: Object.fromEntries(nonzero.map(([index, value]) => [String(index), hex(value)])),
    pcr_count: document.pcrs.size,
    cabundle_len: document.caBundle.length,
    debug_mode: nitroPlatform.factsOf(document, { findings: [], isSimulated: false }).isDebuggable,
    nonce: optional(document.nonce),
    user_data: optional(document.userData),
    public_key: optional(document.publicKey),
    cose_alg: document.message.protectedHeader.get(1),
    cose_tagged: document.message.tagging !== 'none',
    payload_map_indefinite: document.message.payload[0] === 0xbf,
    leaf_subject: describeName(leaf.subject).replaceAll(', ', ','),
    leaf_validity: [isoTime(leaf.notBefore), isoTime(leaf.notAfter)],
  }
}

function isoTime(milliseconds: number): string {
  return new Date(milliseconds).toISOString().replace('.000Z', 'Z')
}
