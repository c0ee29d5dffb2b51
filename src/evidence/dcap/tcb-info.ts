import type { SpelledJson } from './json.js'
import type { CollateralStatus } from './tcb-status.js'

/** TCB info (Intel's PCS, "Get SGX/TDX TCB Info"): which SVNs a family of platforms has to have. */
export interface TcbInfo {
  readonly tee: 'sgx' | 'tdx'
  readonly version: 2 | 3
  /** Milliseconds since 1970. */
  readonly issueDate: number
  /** Milliseconds since 1970. */
  readonly nextUpdate: number
  /** 6 bytes: lower-case hex. */
  readonly fmspc: string
  /** 2 bytes: lower-case hex. */
  readonly pceId: string
  /** Counts the events that TCBs are rated anew after. */
  readonly evaluationDataNumber: number
  /** The TDX module of TDs that do not tell its version; TDX only. */
  readonly tdxModule: ModuleIdentity | undefined
  /** By version of the TDX module. */
  readonly tdxModuleIdentities: ReadonlyMap<number, TdxModuleIdentity>
  /** The best first. */
  readonly levels: readonly TcbLevel[]
}

/** Who may have signed a TDX module, and with which attributes. */
export interface ModuleIdentity {
  /** 48 bytes: lower-case hex. */
  readonly mrSigner: string
  /** 8 bytes: lower-case hex. */
  readonly attributes: string
  readonly attributesMask: string
}

/** The same for one version of it, with its ratings. */
export interface TdxModuleIdentity extends ModuleIdentity {
  /** `TDX_01`. */
  readonly id: string
  /** The best first. */
  readonly levels: readonly IsvSvnLevel[]
}

/** How an SVN and all above it are rated. */
export interface IsvSvnLevel extends Rating {
  readonly isvSvn: number
}

/** How a platform is rated that has all of these SVNs. */
export interface TcbLevel extends Rating {
  /** 16 of them. */
  readonly sgxComponents: readonly number[]
  readonly pceSvn: number
  /** 16 of them; TDX only. */
  readonly tdxComponents: readonly number[] | undefined
}

/** What collateral says about a TCB. */
export interface Rating {
  readonly status: CollateralStatus
  /** Milliseconds since 1970: nothing that was found later is mended by this TCB. */
  readonly tcbDate: number
  readonly advisories: readonly string[]
}

/** Reads the value of `tcbInfo`. @throws MessageError if it is not of a version and type that are known here */
export function readTcbInfo(json: SpelledJson): TcbInfo {
  const version = json.at('version').integer(2, 3) === 2 ? 2 : 3
  const tee = version === 2 ? 'sgx' : teeOf(json.at('id'))
  const tcbType = json.at('tcbType').integer(0, 0xffff)
  // Intel's Quote Verification Library knows no other way to compare SVNs either.
  if (tcbType !== 0) json.at('tcbType').fail('is not 0')
  const levels = json
    .at('tcbLevels')
    .items()
    .map(level => readLevel(level, version, tee))
  if (levels.length === 0) json.at('tcbLevels').fail('is empty')
  return {
    tee,
    version,
    issueDate: json.at('issueDate').time(),
    nextUpdate: json.at('nextUpdate').time(),
    fmspc: json.at('fmspc').hex(6),
    pceId: json.at('pceId').hex(2),
    evaluationDataNumber: json.at('tcbEvaluationDataNumber').integer(0, 0xffffffff),
    tdxModule: tee === 'tdx' ? readModule(json.at('tdxModule')) : undefined,
    tdxModuleIdentities: tee === 'tdx' ? readModules(json.optional('tdxModuleIdentities')) : new Map(),
    levels: levels.sort(bestFirst),
  }
}

function teeOf(id: SpelledJson): 'sgx' | 'tdx' {
  switch (id.text()) {
    case 'SGX':
      return 'sgx'
    case 'TDX':
      return 'tdx'
    default:
      return id.fail('is neither SGX nor TDX')
  }
}

function readLevel(level: SpelledJson, version: 2 | 3, tee: 'sgx' | 'tdx'): TcbLevel {
  const tcb = level.at('tcb')
  return {
    sgxComponents: version === 2 ? readNamedComponents(tcb) : readComponents(tcb.at('sgxtcbcomponents')),
    pceSvn: tcb.at('pcesvn').integer(0, 0xffff),
    tdxComponents: tee === 'tdx' ? readComponents(tcb.at('tdxtcbcomponents')) : undefined,
    ...readRating(level),
  }
}

/** Version 2 has a member for each component. */
function readNamedComponents(tcb: SpelledJson): readonly number[] {
  return Array.from({ length: 16 }, (_, i) => readSvn(tcb.at(`sgxtcbcomp${String(i + 1).padStart(2, '0')}svn`)))
}

function readComponents(components: SpelledJson): readonly number[] {
  const svns = components.items().map(component => readSvn(component.at('svn')))
  if (svns.length !== 16) components.fail('does not have 16 items')
  return svns
}

/** An SVN that no byte can reach is one that no platform has; Intel's own samples have such. */
function readSvn(svn: SpelledJson): number {
  return svn.integer(0, 0xffff)
}

/** Reads what every level says besides its SVNs. */
export function readRating(level: SpelledJson): Rating {
  return {
    status: statusOf(level.at('tcbStatus')),
    tcbDate: level.at('tcbDate').time(),
    advisories: level.optional('advisoryIDs')?.items().map(advisoryOf) ?? [],
  }
}

function statusOf(json: SpelledJson): CollateralStatus {
  const text = json.text()
  return COLLATERAL_STATUSES.find(status => status === text) ?? json.fail('is no status that is known here')
}

const COLLATERAL_STATUSES: readonly CollateralStatus[] = [
  'UpToDate',
  'SWHardeningNeeded',
  'ConfigurationNeeded',
  'ConfigurationAndSWHardeningNeeded',
  'OutOfDate',
  'OutOfDateConfigurationNeeded',
  'Revoked',
]

function advisoryOf(json: SpelledJson): string {
  const text = json.text()
  if (!/^[\w.-]{1,40}$/.test(text)) json.fail('is no name of an advisory')
  return text
}

/** Reads levels that are rated by one SVN. @returns the best first */
export function readIsvSvnLevels(levels: SpelledJson): readonly IsvSvnLevel[] {
  const read = levels.items().map(level => ({
    isvSvn: level.at('tcb').at('isvsvn').integer(0, 0xffff),
    ...readRating(level),
  }))
  return read.sort((a, b) => b.isvSvn - a.isvSvn)
}

function readModule(json: SpelledJson): ModuleIdentity {
  return {
    mrSigner: json.at('mrsigner').hex(48),
    attributes: json.at('attributes').hex(8),
    attributesMask: json.at('attributesMask').hex(8),
  }
}

function readModules(json: SpelledJson | undefined): ReadonlyMap<number, TdxModuleIdentity> {
  const modules = new Map<number, TdxModuleIdentity>()
  for (const item of json?.items() ?? []) {
    const id = item.at('id').text()
    const version = /^TDX_([0-9A-Fa-f]{2})$/.exec(id)?.[1]
    // Another kind of module is none that a quote could name.
    if (version === undefined) continue
    const number = Number.parseInt(version, 16)
    if (modules.has(number)) item.fail('is a second identity for one TDX module')
    modules.set(number, { id, ...readModule(item), levels: readIsvSvnLevels(item.at('tcbLevels')) })
  }
  return modules
}

/** Descending by SGX components, PCE, TDX components: the order that levels are tried in. */
function bestFirst(a: TcbLevel, b: TcbLevel): number {
  const left = [...a.sgxComponents, a.pceSvn, ...(a.tdxComponents ?? [])]
  const right = [...b.sgxComponents, b.pceSvn, ...(b.tdxComponents ?? [])]
  const i = left.findIndex((svn, at) => svn !== right[at])
  return i < 0 ? 0 : (right[i] ?? 0) - (left[i] ?? 0)
}
