import { hex } from '../../bytes/index.js'
import { MessageError } from '../../rats/index.js'
import { needsOf } from '../dcap/authenticity.js'
import { checkQuote } from '../dcap/origin.js'
import { decodeQuote, isZero, type Quote } from '../dcap/quote.js'
import type { TdReport } from '../dcap/report-body.js'
import { dcapClaims, dcapPassingClaims, dcapStatuses, dcapVersions, dcapVersionsOf } from '../dcap/terms.js'
import type { Platform } from '../format.js'

/** A TDX quote: a quote whose body is a TD report. */
export type TdxQuote = Quote<TdReport>

/** Intel TDX: Trust Domains, by the quotes of Intel's Quoting Enclave (versions 4 and 5). */
export const tdxPlatform: Platform<TdxQuote> = {
  kind: 'tdx',
  profile: undefined,
  isSimulated: false,
  policyTerms: {
    // RTMRs hold what the firmware that MRTD stands for has started: one without the others says little about what runs.
    requiredMeasurements: ['mrtd', 'rtmr0', 'rtmr1', 'rtmr2', 'rtmr3'],
    measurements: ['mrtd', 'rtmr0', 'rtmr1', 'rtmr2', 'rtmr3', 'mrservicetd'],
    lifecycles: [],
    claims: [
      'mrconfigid',
      'mrowner',
      'mrownerconfig',
      'mrseam',
      'td-attributes',
      'xfam',
      'sept-ve-disable',
      'tdx-module',
      ...dcapClaims,
    ],
    versions: ['tdx-module', ...dcapVersions],
    tcbStatuses: dcapStatuses,
  },
  passingClaims: dcapPassingClaims,
  decode(report) {
    const quote = decodeQuote(report)
    const { body } = quote
    if (body.type === 'SGX') throw new MessageError('ERR_RATS_MALFORMED', 'the quote is about an SGX enclave, not a TD')
    return { ...quote, body }
  },
  needs: needsOf,
  checkOrigin: checkQuote,
  challengeOf: ({ body }) => body.reportData,
  factsOf({ body, qeReport }, origin) {
    const { teeTcbSvn, teeTcbSvn2, mrServiceTd } = body
    const measurements = new Map([
      ['mrtd', hex(body.mrTd)],
      ...body.rtmrs.map((rtmr, i) => [`rtmr${i}`, hex(rtmr)] as const),
      // A service TD, such as one that migrates others, sees the secrets of those it is bound to.
      ...(mrServiceTd && !isZero(mrServiceTd) ? [['mrservicetd', hex(mrServiceTd)] as const] : []),
    ])
    const claims = {
      ...Object.fromEntries(measurements),
      mrconfigid: hex(body.mrConfigId),
      mrowner: hex(body.mrOwner),
      mrownerconfig: hex(body.mrOwnerConfig),
      mrseam: hex(body.mrSeam),
      'td-attributes': hex(body.tdAttributes),
      xfam: hex(body.xfam),
      'sept-ve-disable': ((body.tdAttributes[3] ?? 0) & SEPT_VE_DISABLE) !== 0,
      debug: body.isDebuggable,
      'tee-tcb-svn': hex(teeTcbSvn),
      ...(teeTcbSvn2 ? { 'tee-tcb-svn2': hex(teeTcbSvn2) } : {}),
      ...origin.claims,
    }
    return {
      measurements,
      isDebuggable: body.isDebuggable,
      lifecycle: undefined,
      claims,
      versions: new Map([['tdx-module', teeTcbSvn[0] ?? 0], ...dcapVersionsOf(qeReport.isvSvn, origin.claims)]),
      tcb: origin.tcb,
    }
  },
}

/** Bit 28 of the TD attributes, as a bit of their fourth byte. */
const SEPT_VE_DISABLE = 1 << 4
