import { hex } from '#src/bytes/index.js'
import { hash } from '#src/crypto/index.js'
import {
  appraiseReport,
  checkAuthenticity,
  type DcapCollateral,
  type DcapOrigin,
  decodeCcel,
  decodeDstackLog,
  type Finding,
  FixedDcapEndorsements,
  FixedEndorsements,
  findUnexplainedRtmr,
  MissingEndorsement,
  type OriginInputs,
  type Platform,
  type PlatformReference,
  type Quote,
  RootsByKind,
  type SgxQuote,
  sgxPlatform,
  type TdxQuote,
  tdxPlatform,
} from '#src/evidence/index.js'
import { CborError, MessageError } from '#src/rats/index.js'
import { type Certificate, CertificateError } from '#src/x509/index.js'
import {
  type Adapter,
  booleanInput,
  bytesInput,
  type Facts,
  fileOf,
  listInput,
  type Outcome,
  textInput,
  type VectorCase,
} from '../adapter.js'

/** Vectors of TDX quotes. */
export const tdxAdapter: Adapter = vector => {
  const outcome = appraised(vector, tdxPlatform, factsOfTdx)
  return outcome.outcome === 'accept' ? explained(vector, outcome) : outcome
}

/** Vectors of SGX quotes. */
export const sgxAdapter: Adapter = vector => appraised(vector, sgxPlatform, factsOfSgx)

/** Vectors that bring a log of measurements, or what one of them was made of. */
function explained(vector: VectorCase, outcome: Extract<Outcome, { outcome: 'accept' }>): Outcome {
  const { body } = tdxPlatform.decode(fileOf(vector, 'quote'))
  const [ccel, dstack, compose] = ['ccel', 'event_log', 'app_compose'].map(name => vector.files.get(name))
  try {
    const runtimeEvents = dstack ? decodeDstackLog(new TextDecoder().decode(dstack)) : []
    for (const events of [ccel ? decodeCcel(ccel) : [], runtimeEvents]) {
      const register = findUnexplainedRtmr(events, body)
      if (register !== undefined) return mismatch(`RTMR${register} is not what the event log comes to`)
    }
    if (!compose) return outcome
    const digest = hex(hash('sha256', compose))
    const [named] = runtimeEvents.filter(({ name }) => name === 'compose-hash').map(({ data }) => hex(data))
    if (named !== undefined && named !== digest) return mismatch('the event log names another app compose file')
    return {
      ...outcome,
      facts: { ...outcome.facts, app_compose_sha256: digest, dstack: { compose_hash: named } },
      // They stand in metadata that dstack serves beside quote and log.
      unsaid: ['dstack.os_image_hash', 'dstack.device_id'],
    }
  } catch (error) {
    if (error instanceof MessageError) return mismatch(error.message)
    throw error
  }
}

function mismatch(sentence: string): Outcome {
  return { outcome: 'reject', reasons: ['rtmr-mismatch', 'rtmr_replay'], sentence }
}

type FactsOf<Report> = (quote: Report, origin: DcapOrigin | null) => Facts

function appraised<Report extends Quote>(
  vector: VectorCase,
  platform: Platform<Report>,
  factsOf: FactsOf<Report>,
): Outcome {
  try {
    const quote = platform.decode(fileOf(vector, 'quote'))
    const hasCollateral = vector.files.has('tcb_info') || listInput(vector, 'accepted_tcb_status') !== undefined
    const observed = observing(hasCollateral ? platform : unrated(platform))
    const referenceValues = {
      source: vector.name,
      platforms: new Map([[platform.kind, referenceOf(vector, platform, quote)]]),
      trustsSimulatedPlatforms: false,
    }
    const inputs = { ...originInputs(vector, hasCollateral), referenceValues }
    const { findings } = appraiseReport(observed.platform, quote, inputs, found =>
      compareReportData(found, bytesInput(vector, 'expected_report_data')),
    )
    const failure = findings.find(({ check }) => !check.passed)
    if (failure) return refused(failure)
    return { outcome: 'accept', facts: factsOf(quote, observed.origin()) }
  } catch (error) {
    return notAppraised(error)
  }
}

/** Roots, collateral and time of a vector with an Intel quote. */
export function originInputs(vector: VectorCase, hasCollateral: boolean): OriginInputs {
  const root = fileOf(vector, 'root')
  if (vector.at === undefined) throw new Error(`${vector.name} has no verification time`)
  return {
    roots: new RootsByKind({ tdx: [root], sgx: [root] }),
    endorsements: hasCollateral ? new FixedEndorsements({ dcap: collateralOf(vector) }) : new FixedEndorsements(),
    at: vector.at,
  }
}

/** What is there of it: a file that cannot be read is a piece of collateral that is not good. */
function collateralOf(vector: VectorCase): FixedDcapEndorsements {
  const bytes = (name: string) => vector.files.get(name)
  const text = (name: string) => {
    const file = bytes(name)
    return file && new TextDecoder().decode(file)
  }
  const chain = text('tcb_sign_chain')
  const pieces: readonly (readonly [kind: string, collateral: DcapCollateral])[] = [
    ['dcap-tcb-info', { tcbInfo: text('tcb_info'), tcbInfoIssuerChain: chain }],
    ['dcap-qe-identity', { qeIdentity: text('qe_identity'), qeIdentityIssuerChain: chain }],
    ['dcap-pck-crl', { pckCrl: bytes('pck_crl') }],
    ['dcap-root-crl', { rootCrl: bytes('root_ca_crl') }],
    ['dcap-pck-chain', { pckChain: text('pck_chain') }],
  ]
  for (const [kind, piece] of pieces) {
    try {
      new FixedDcapEndorsements([piece])
    } catch (error) {
      if (!(error instanceof MessageError) && !(error instanceof CertificateError)) throw error
      throw new MissingEndorsement(error.message, '', { kind, code: 'ERR_ENDORSEMENT_INVALID' })
    }
  }
  return new FixedDcapEndorsements(pieces.map(([, piece]) => piece))
}

/** Remembers what was found about where the quote comes from: the facts are compared with it. */
function observing<Report extends Quote>(platform: Platform<Report>) {
  let origin: DcapOrigin | null = null
  const checkOrigin = (report: Report, inputs: OriginInputs) => {
    const found = platform.checkOrigin(report, inputs)
    origin = found as DcapOrigin // what `checkOrigin` of both platforms, and that of `unrated`, returns
    return found
  }
  return { platform: { ...platform, checkOrigin }, origin: () => origin }
}

/** For vectors without collateral: whether the quote is genuine, and nothing about its platform. */
function unrated<Report extends Quote>(platform: Platform<Report>): Platform<Report> {
  const checkOrigin = (report: Report, inputs: OriginInputs): DcapOrigin => {
    const authenticity = checkAuthenticity(report, inputs)
    const isSimulated = authenticity.chain?.isSimulated ?? false
    return { ...authenticity, isSimulated, collateral: undefined, rating: undefined }
  }
  return { ...platform, checkOrigin }
}

function referenceOf<Report extends Quote>(
  vector: VectorCase,
  platform: Platform<Report>,
  quote: Report,
): PlatformReference {
  const { measurements } = platform.factsOf(quote, { findings: [], isSimulated: false })
  const values = new Map([...measurements].map(([name, value]) => [name, [value]]))
  for (const [input, name] of Object.entries(MEASUREMENTS)) {
    const expected = textInput(vector, input)
    if (expected !== undefined) values.set(name, [expected.toLowerCase()])
  }
  const statuses = listInput(vector, 'accepted_tcb_status')
  return {
    source: vector.name,
    measurementSets: [{ name: 'expected', values }],
    allowsDebug: booleanInput(vector, 'allow_debug', false),
    lifecycles: null,
    claims: new Map(),
    minimumVersions: new Map(),
    tcb: statuses ? { statuses, graceSeconds: 0 } : null,
  }
}

const MEASUREMENTS = {
  expected_mr_td: 'mrtd',
  expected_rtmr0: 'rtmr0',
  expected_rtmr1: 'rtmr1',
  expected_rtmr2: 'rtmr2',
  expected_rtmr3: 'rtmr3',
  expected_mr_enclave: 'mrenclave',
  expected_mr_signer: 'mrsigner',
} as const

function compareReportData(found: Uint8Array, expected: Uint8Array | undefined): readonly Finding[] {
  if (expected === undefined) return []
  const passed = hex(found) === hex(expected)
  const check = { name: 'challenge', expected: hex(expected), actual: hex(found), source: 'the vector', passed }
  return [{ check, asserts: null }]
}

/** What the vectors call a check of ours that failed. */
export function refused({ check }: Finding): Outcome {
  const sentence = `${check.name}: ${check.actual} instead of ${check.expected}`
  return { outcome: 'reject', reasons: REASONS[check.name] ?? [check.name], sentence }
}

/** What the vectors call our checks. */
const REASONS: Readonly<Record<string, readonly string[]>> = {
  'qe-vendor': ['qe-vendor', 'qe_vendor_id'],
  chain: ['pck_chain', 'untrusted-root', 'chain'],
  'qe-report-signature': ['qe-signature', 'qe_report_sig'],
  'attestation-key': ['qe-binding', 'qe_report_binds_ak'],
  signature: ['signature', 'quote_sig'],
  revocation: ['revoked', 'crl', 'pck_chain'],
  'qe-identity': ['qe-identity-mismatch', 'qe_identity_match'],
  'tdx-module': ['tdx-module', 'seam_ok'],
  'tcb-level': ['no-matching-tcb-level', 'tcb_status_accepted'],
  'tcb-status': ['tcb-status', 'tcb_status_accepted'],
  challenge: ['report-data-mismatch', 'report_data'],
  measurement: ['measurement-mismatch', 'mr_td', 'mr_enclave', 'mr_signer'],
  debug: ['debug', 'not_debug'],
}

/** What the vectors call an appraisal that could not be done. @throws the error if it is of another kind */
export function notAppraised(error: unknown): Outcome {
  if (error instanceof MissingEndorsement) {
    const reasons = MISSING[error.kind ?? '']?.[error.code] ?? [`${error.kind} ${error.code}`]
    return { outcome: 'reject', reasons, sentence: error.message }
  }
  if (error instanceof MessageError || error instanceof CborError || error instanceof CertificateError) {
    return { outcome: 'reject', reasons: ['malformed'], sentence: error.message }
  }
  throw error
}

/** What the vectors call collateral that does not do: by its kind, then by what is wrong with it. */
const MISSING: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  'dcap-root-crl': crlReasons(),
  'dcap-pck-crl': crlReasons(),
  'dcap-tcb-info': documentReasons('tcb_info', ['fmspc', 'collateral-missing']),
  'dcap-qe-identity': documentReasons('qe_identity', [
    'qe_identity_match',
    'qe-identity-mismatch',
    'collateral-missing',
  ]),
  'dcap-pck-chain': { ERR_ENDORSEMENT_MISSING: ['pck_chain'], ERR_ENDORSEMENT_INVALID: ['pck_chain', 'malformed'] },
}

function crlReasons(): Readonly<Record<string, readonly string[]>> {
  return {
    ERR_ENDORSEMENT_MISSING: ['crl', 'pck_chain', 'collateral-missing'],
    ERR_ENDORSEMENT_EXPIRED: ['collateral-expired', 'pck_chain'],
    ERR_ENDORSEMENT_NOT_YET_VALID: ['not-yet-valid', 'pck_chain'],
    ERR_ENDORSEMENT_INVALID: ['crl', 'pck_chain'],
  }
}

function documentReasons(file: string, missing: readonly string[]): Readonly<Record<string, readonly string[]>> {
  return {
    ERR_ENDORSEMENT_MISSING: missing,
    ERR_ENDORSEMENT_EXPIRED: ['collateral-expired', `${file}_fresh`, 'tcb_sign_chain'],
    ERR_ENDORSEMENT_NOT_YET_VALID: ['not-yet-valid', `${file}_fresh`, 'tcb_sign_chain'],
    ERR_ENDORSEMENT_INVALID: ['collateral-signature', `${file}_sig`, 'tcb_sign_chain'],
  }
}

/** What the vectors say about a TDX quote and its platform. */
export function factsOfTdx(quote: TdxQuote, origin: DcapOrigin | null): Facts {
  const { body } = quote
  const { teeTcbSvn2, mrServiceTd } = body
  return {
    quote: {
      ...factsOfQuote(quote),
      tee_type: '0x81',
      ...(quote.version === 5 ? { body_type_id: teeTcbSvn2 ? 3 : 2 } : {}),
      body_type: body.type,
      tee_tcb_svn: hex(body.teeTcbSvn),
      mr_seam: hex(body.mrSeam),
      mrsigner_seam: hex(body.mrSignerSeam),
      seam_attributes: hex(body.seamAttributes),
      td_attributes: hex(body.tdAttributes),
      xfam: hex(body.xfam),
      mr_td: hex(body.mrTd),
      mr_config_id: hex(body.mrConfigId),
      mr_owner: hex(body.mrOwner),
      mr_owner_config: hex(body.mrOwnerConfig),
      ...Object.fromEntries(body.rtmrs.map((rtmr, i) => [`rtmr${i}`, hex(rtmr)])),
      ...(teeTcbSvn2 ? { tee_tcb_svn2: hex(teeTcbSvn2) } : {}),
      ...(mrServiceTd ? { mr_service_td: hex(mrServiceTd) } : {}),
    },
    ...factsOfOrigin(quote, origin),
  }
}

function factsOfSgx(quote: SgxQuote, origin: DcapOrigin | null): Facts {
  const { body } = quote
  return {
    quote: {
      ...factsOfQuote(quote),
      tee_type: '0x0',
      body_type: body.type,
      cpu_svn: hex(body.cpuSvn),
      attributes: hex(body.attributes),
      mr_enclave: hex(body.mrEnclave),
      mr_signer: hex(body.mrSigner),
      isv_prod_id: body.isvProdId,
      isv_svn: body.isvSvn,
    },
    ...factsOfOrigin(quote, origin),
  }
}

function factsOfQuote(quote: Quote): Facts {
  return {
    version: quote.version,
    att_key_type: 2,
    qe_vendor_id: hex(quote.qeVendorId),
    user_data: hex(quote.userData),
    report_data: hex(quote.body.reportData),
    debug: quote.body.isDebuggable,
    signed_len: quote.signedBytes.length,
    sig_data_len: quote.signatureDataLength,
    trailing: quote.trailing,
  }
}

function factsOfOrigin({ qeReport }: Quote, origin: DcapOrigin | null): Facts {
  return {
    qe_report: {
      mr_enclave: hex(qeReport.mrEnclave),
      mr_signer: hex(qeReport.mrSigner),
      isv_prod_id: qeReport.isvProdId,
      isv_svn: qeReport.isvSvn,
      miscselect: hex(qeReport.miscSelect),
      attributes: hex(qeReport.attributes),
    },
    pck: factsOfPck(origin),
    tcb: factsOfTcb(origin),
  }
}

function factsOfPck(origin: DcapOrigin | null): Facts | undefined {
  const leaf = origin?.chain?.path[0]
  const pck = origin?.pck
  if (!leaf || !pck) return undefined
  return {
    ppid: pck.ppid,
    fmspc: pck.fmspc,
    pceid: pck.pceId,
    pcesvn: pck.pceSvn,
    cpusvn: pck.cpuSvn,
    comp: pck.componentSvns,
    type: pck.sgxType,
    validity: [seconds(leaf.notBefore), seconds(leaf.notAfter)],
    issuer: issuerText(leaf),
  }
}

function factsOfTcb(origin: DcapOrigin | null): Facts | undefined {
  const { collateral, rating } = origin ?? {}
  if (!collateral || !rating) return undefined
  const { module } = rating
  const moduleFacts = module && {
    tdx_module_id: module.id,
    tdx_module_status: module.status,
    tdx_module_advisories: module.advisories,
    tdx_module_mrsigner_ok: true,
  }
  return {
    tcb_level_status: rating.level.status,
    tcb_level_date: seconds(rating.level.tcbDate),
    advisory_ids: rating.level.advisories,
    ...moduleFacts,
    qe_tcb_status: rating.qe.status,
    qe_advisory_ids: rating.qe.advisories,
    seam_ok: true,
    final: rating.converged,
    tcb_evaluation_data_number: collateral.tcbInfo.evaluationDataNumber,
    tcb_info_issue_date: seconds(collateral.tcbInfo.issueDate),
    tcb_info_next_update: seconds(collateral.tcbInfo.nextUpdate),
    qe_identity_issue_date: seconds(collateral.qeIdentity.issueDate),
  }
}

function seconds(time: number): string {
  return new Date(time).toISOString().replace('.000Z', 'Z')
}

/** The name as the vectors write it. */
function issuerText({ issuer }: Certificate): string {
  const parts = issuer.rdns.flat().map(({ type, value }) => [TYPES[type] ?? type, value] as const)
  const order = Object.values(TYPES)
  parts.sort(([a], [b]) => order.indexOf(a) - order.indexOf(b))
  return parts.map(([type, value]) => `${type}=${value}`).join(',')
}

const TYPES: Readonly<Record<string, string>> = {
  '2.5.4.6': 'C',
  '2.5.4.8': 'ST',
  '2.5.4.7': 'L',
  '2.5.4.10': 'O',
  '2.5.4.3': 'CN',
}
