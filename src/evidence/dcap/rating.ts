import { hex } from '../../bytes/index.js'
import type { TcbStanding } from '../format.js'
import type { PckFacts } from './pck.js'
import type { QeIdentity } from './qe-identity.js'
import { isZero } from './quote.js'
import type { SgxReport, TdReport } from './report-body.js'
import type { IsvSvnLevel, ModuleIdentity, Rating, TcbInfo, TcbLevel, TdxModuleIdentity } from './tcb-info.js'
import { type CollateralStatus, converge, isOutOfDate, needsConfiguration, type TcbStatus } from './tcb-status.js'

/** How collateral rates the platform of a quote, part by part. */
export interface TcbRating extends ReachedLevels {
  /** The level's status, lowered by those of the TDX module and of the Quoting Enclave. */
  readonly converged: CollateralStatus
  /** `converged`, or that launching the TD again would be enough. */
  readonly status: TcbStatus
  readonly standing: TcbStanding
}

/** How a version of the TDX module is rated. */
export interface ModuleRating extends IsvSvnLevel {
  /** `TDX_01`. */
  readonly id: string
}

/** The levels that the parts of a platform were found to reach. */
export interface ReachedLevels {
  readonly level: TcbLevel
  /** Undefined where the TDX module is rated with the platform, or there is none. */
  readonly module: ModuleRating | undefined
  readonly qe: IsvSvnLevel
}

/** Rates a TCB by the levels that its parts reach. */
export function rateTcb(
  body: SgxReport | TdReport,
  pck: PckFacts,
  { tcbInfo, qeIdentity }: { readonly tcbInfo: TcbInfo; readonly qeIdentity: QeIdentity },
  reached: ReachedLevels,
): TcbRating {
  const { level, module, qe } = reached
  const converged = converge(module ? converge(level.status, module.status) : level.status, qe.status)
  const isRelaunchEnough = isOutOfDate(converged) && body.type !== 'SGX' && wouldRelaunchDo(body, pck, tcbInfo, qe)
  const status = isRelaunchEnough ? relaunched(converged, pck, tcbInfo) : converged
  const moduleLevels = [...tcbInfo.tdxModuleIdentities.values()].find(({ id }) => id === module?.id)?.levels ?? []
  const since = [
    outdatedSince(level, tcbInfo.levels),
    module ? outdatedSince(module, moduleLevels) : null,
    outdatedSince(qe, qeIdentity.levels),
  ].filter(time => time !== null)
  const rated: readonly Rating[] = module ? [level, module, qe] : [level, qe]
  return {
    ...reached,
    converged,
    status,
    standing: {
      status,
      // Whoever allows a platform that is out of date allows one that only its TD keeps from being up to date.
      ...(status === converged ? {} : { impliedBy: [converged] }),
      outdatedSince: since.length > 0 ? Math.min(...since) : null,
      advisories: [...new Set(rated.flatMap(({ advisories }) => advisories))],
    },
  }
}

/** Since when there has been something better, as the collateral dates it; null if the rating is not out of date. */
function outdatedSince<Level extends Rating>(rated: Level, levels: readonly Level[]): number | null {
  if (!isOutOfDate(rated.status)) return null
  const better = levels.filter(({ status }) => !isOutOfDate(status) && status !== 'Revoked')
  return better.length > 0 ? Math.min(...better.map(({ tcbDate }) => tcbDate)) : rated.tcbDate
}

/** The first level, best first, that the platform reaches with every one of its SVNs. They are compared one by one,
 *  never as one number.
 *  @returns undefined if it reaches none: Intel has nothing to say about such a platform */
export function findLevel(body: SgxReport | TdReport, pck: PckFacts, tcbInfo: TcbInfo): TcbLevel | undefined {
  return tcbInfo.levels.find(level => {
    if (!reachesSgx(pck, level)) return false
    return body.type === 'SGX' || (level.tdxComponents !== undefined && reachesTdx(body.teeTcbSvn, level.tdxComponents))
  })
}

/** What counts is what the PCK certificate was issued for, not what the report says. */
function reachesSgx({ componentSvns, pceSvn }: PckFacts, level: TcbLevel): boolean {
  return pceSvn >= level.pceSvn && componentSvns.every((svn, i) => svn >= (level.sgxComponents[i] ?? Infinity))
}

/** Where the TD tells the version of its module, that is rated by its own identity, and the two bytes that hold it have
 *  no part in the comparison (Intel's Quote Verification Library, `TcbLevelCheck`). */
function reachesTdx(teeTcbSvn: Uint8Array, components: readonly number[]): boolean {
  const first = moduleVersionOf(teeTcbSvn) > 0 ? 2 : 0
  return components.every((svn, i) => i < first || (teeTcbSvn[i] ?? -1) >= svn)
}

/** Major version of the TDX module; 0 where a TD does not tell it. */
export function moduleVersionOf(teeTcbSvn: Uint8Array): number {
  return teeTcbSvn[1] ?? 0
}

/** What the collateral knows about the TDX module that a TD was launched by; undefined if it knows none. */
export function moduleIdentityOf(body: TdReport, tcbInfo: TcbInfo): ModuleIdentity | TdxModuleIdentity | undefined {
  const version = moduleVersionOf(body.teeTcbSvn)
  return version === 0 ? tcbInfo.tdxModule : tcbInfo.tdxModuleIdentities.get(version)
}

/** Whether it is that module: its signer, and its attributes, of which Intel's own module has none. */
export function isModule(body: TdReport, identity: ModuleIdentity): boolean {
  return (
    hex(body.mrSignerSeam) === identity.mrSigner &&
    masked(body.seamAttributes, identity.attributesMask) === identity.attributes &&
    isZero(body.seamAttributes)
  )
}

/** How the module is rated: undefined if it is not rated by itself, null if it reaches no level. */
export function rateModule(
  teeTcbSvn: Uint8Array,
  identity: ModuleIdentity | TdxModuleIdentity,
): ModuleRating | undefined | null {
  if (!('levels' in identity)) return undefined
  const level = identity.levels.find(({ isvSvn }) => (teeTcbSvn[0] ?? -1) >= isvSvn)
  return level ? { id: identity.id, ...level } : null
}

/** Whether a Quoting Enclave is one that the identity describes. */
export function isQuotingEnclave(qe: SgxReport, identity: QeIdentity): boolean {
  return (
    hex(qe.mrSigner) === identity.mrSigner &&
    qe.isvProdId === identity.isvProdId &&
    masked(qe.miscSelect, identity.miscSelectMask) === identity.miscSelect &&
    masked(qe.attributes, identity.attributesMask) === identity.attributes &&
    !qe.isDebuggable
  )
}

/** The first level that a Quoting Enclave reaches; undefined if it reaches none. */
export function findQeLevel(qe: SgxReport, { levels }: QeIdentity): IsvSvnLevel | undefined {
  return levels.find(({ isvSvn }) => qe.isvSvn >= isvSvn)
}

/** @param mask hex of as many bytes   @returns lower-case hex */
function masked(bytes: Uint8Array, mask: string): string {
  return hex(bytes.map((byte, i) => byte & Number.parseInt(mask.slice(i * 2, i * 2 + 2), 16)))
}

/** Whether everything but the module that launched the TD is up to date: the platform by itself, the Quoting Enclave,
 *  and the module that runs now, which TDX 1.5 tells. */
function wouldRelaunchDo(body: TdReport, pck: PckFacts, tcbInfo: TcbInfo, qe: IsvSvnLevel): boolean {
  const running = body.teeTcbSvn2
  const [newest] = tcbInfo.levels
  if (!running || !newest?.tdxComponents || !reachesTdx(running, newest.tdxComponents)) return false
  const sgxLevel = tcbInfo.levels.find(level => reachesSgx(pck, level))
  if (!sgxLevel || isOutOfDate(sgxLevel.status) || sgxLevel.status === 'Revoked') return false
  if (isOutOfDate(qe.status) || qe.status === 'Revoked') return false
  const version = moduleVersionOf(running)
  if (version === 0) return true
  const identity = tcbInfo.tdxModuleIdentities.get(version)
  const module = identity && rateModule(running, identity)
  return module?.status === 'UpToDate'
}

function relaunched(converged: CollateralStatus, pck: PckFacts, tcbInfo: TcbInfo): TcbStatus {
  const sgxLevel = tcbInfo.levels.find(level => reachesSgx(pck, level))
  return needsConfiguration(converged) || (sgxLevel && needsConfiguration(sgxLevel.status))
    ? 'TDRelaunchAdvisedConfigurationNeeded'
    : 'TDRelaunchAdvised'
}
