import { hex } from '../../bytes/index.js'
import { Assertion, type Finding, failed, passed } from '../finding.js'
import type { Origin, OriginInputs } from '../format.js'
import { type Authenticity, checkAuthenticity, teeOf } from './authenticity.js'
import { type CheckedCollateral, checkCollateral } from './collateral.js'
import type { PckFacts } from './pck.js'
import type { QeIdentity } from './qe-identity.js'
import type { Quote } from './quote.js'
import {
  findLevel,
  findQeLevel,
  isModule,
  isQuotingEnclave,
  type ModuleRating,
  moduleIdentityOf,
  moduleVersionOf,
  rateModule,
  rateTcb,
  type TcbRating,
} from './rating.js'
import type { TdReport } from './report-body.js'
import type { IsvSvnLevel, TcbInfo, TcbLevel } from './tcb-info.js'

/** What was found about where a quote comes from. */
export interface DcapOrigin extends Origin, Authenticity {
  readonly findings: readonly Finding[]
  /** The collateral that was used; undefined if the quote was found bad without any. */
  readonly collateral: CheckedCollateral | undefined
  /** Undefined unless everything about the quote held. */
  readonly rating: TcbRating | undefined
}

/** Checks where a quote comes from, from the root down to its signature, and rates the platform's TCB by Intel's
 *  collateral.
 *  @throws MissingEndorsement if the quote is genuine as far as can be said without collateral, but the collateral is
 *  not at hand or does not hold at this time: then nothing is known about revocation and TCB */
export function checkQuote(quote: Quote, inputs: OriginInputs): DcapOrigin {
  const authenticity = checkAuthenticity(quote, inputs)
  const { chain, pck, findings } = authenticity
  if (!chain || !pck || !findings.every(({ check }) => check.passed)) {
    const isSimulated = chain?.isSimulated ?? false
    return { ...authenticity, isSimulated, collateral: undefined, rating: undefined }
  }
  const tee = teeOf(quote)
  const collateral = checkCollateral(inputs.endorsements.dcap, tee, pck, chain, inputs.roots.of(tee), inputs.at)
  const parts = checkParts(quote, pck, collateral)
  const rating = parts.rating
  return {
    ...authenticity,
    findings: [...findings, collateral.revocation, ...parts.findings],
    isSimulated: chain.isSimulated || collateral.isSimulated,
    collateral,
    rating,
    tcb: rating?.standing,
    claims: { ...claimsOfPck(pck), ...(rating ? claimsOfRating(rating, collateral) : {}) },
  }
}

interface Parts {
  readonly findings: readonly Finding[]
  readonly rating: TcbRating | undefined
}

/** Each part of the platform has to be one that the collateral knows, and reach a level that it rates. */
function checkParts(quote: Quote, pck: PckFacts, collateral: CheckedCollateral): Parts {
  const { body } = quote
  const { tcbInfo, qeIdentity } = collateral
  const qe = checkQe(quote, qeIdentity)
  const module = body.type === 'SGX' ? null : checkModule(body, tcbInfo)
  const level = checkLevel(quote, pck, tcbInfo)
  const findings = [qe.finding, ...(module ? [module.finding] : []), level.finding]
  if (!qe.level || !level.level || (module && !module.finding.check.passed)) return { findings, rating: undefined }
  const reached = { level: level.level, module: module?.rating, qe: qe.level }
  return { findings, rating: rateTcb(body, pck, collateral, reached) }
}

function checkQe({ qeReport }: Quote, identity: QeIdentity): { finding: Finding; level: IsvSvnLevel | undefined } {
  const isKnown = isQuotingEnclave(qeReport, identity)
  const level = isKnown ? findQeLevel(qeReport, identity) : undefined
  const subject = {
    name: 'qe-identity',
    expected: `the Quoting Enclave of signer ${identity.mrSigner.slice(0, 8)}…, product ${identity.isvProdId}`,
    actual: `signer ${hex(qeReport.mrSigner).slice(0, 8)}…, product ${qeReport.isvProdId}, version ${qeReport.isvSvn}`,
    source: 'Intel’s QE identity',
  }
  if (level) return { finding: passed(subject), level }
  const remedy = 'have the quote made by the Quoting Enclave that Intel publishes'
  return { finding: failed(subject, remedy, 'hardware', Assertion.contraindicated), level: undefined }
}

function checkModule(body: TdReport, tcbInfo: TcbInfo): { finding: Finding; rating: ModuleRating | undefined } {
  const version = moduleVersionOf(body.teeTcbSvn)
  const name = version === 0 ? 'the TDX module' : `TDX module ${version}.${body.teeTcbSvn[0]}`
  const identity = moduleIdentityOf(body, tcbInfo)
  const rating = identity && isModule(body, identity) ? rateModule(body.teeTcbSvn, identity) : null
  const subject = {
    name: 'tdx-module',
    expected: identity ? `a TDX module of signer ${identity.mrSigner.slice(0, 8)}…` : 'a TDX module that Intel knows',
    actual: `${name} of signer ${hex(body.mrSignerSeam).slice(0, 8)}…`,
    source: 'Intel’s TCB info',
  }
  if (rating !== null) return { finding: passed(subject), rating }
  const remedy = 'run the TD on a TDX module that Intel has signed and rates'
  return { finding: failed(subject, remedy, 'hardware', Assertion.contraindicated), rating: undefined }
}

function checkLevel(
  { body }: Quote,
  pck: PckFacts,
  tcbInfo: TcbInfo,
): { finding: Finding; level: TcbLevel | undefined } {
  const level = findLevel(body, pck, tcbInfo)
  const subject = {
    name: 'tcb-level',
    expected: 'a TCB that reaches a level of the TCB info',
    actual: level ? `the level of ${new Date(level.tcbDate).toISOString().slice(0, 10)}` : 'a TCB below every level',
    source: `Intel’s TCB info for ${tcbInfo.fmspc}`,
  }
  if (level) return { finding: passed(subject), level }
  const remedy = 'update the platform’s microcode and firmware: Intel does not rate this TCB at all'
  return { finding: failed(subject, remedy, 'hardware', Assertion.contraindicated), level: undefined }
}

/** Claims about the platform, for policy and for people. */
function claimsOfPck(pck: PckFacts): Readonly<Record<string, unknown>> {
  return {
    fmspc: pck.fmspc,
    ppid: pck.ppid,
    'pce-svn': pck.pceSvn,
    ...(pck.platformInstanceId === undefined ? {} : { 'platform-instance-id': pck.platformInstanceId }),
  }
}

function claimsOfRating(
  rating: TcbRating,
  { tcbInfo, qeIdentity }: CheckedCollateral,
): Readonly<Record<string, unknown>> {
  const { standing, level, module } = rating
  return {
    'tcb-status': standing.status,
    'tcb-date': new Date(level.tcbDate).toISOString().slice(0, 10),
    'tcb-advisories': standing.advisories,
    'tcb-evaluation-data-number': Math.min(tcbInfo.evaluationDataNumber, qeIdentity.evaluationDataNumber),
    ...(module ? { 'tdx-module': module.id } : {}),
  }
}
