import { hex } from '../../bytes/index.js'
import { MessageError } from '../../rats/index.js'
import { needsOf } from '../dcap/authenticity.js'
import { checkQuote } from '../dcap/origin.js'
import { decodeQuote, type Quote } from '../dcap/quote.js'
import type { SgxReport } from '../dcap/report-body.js'
import { dcapClaims, dcapPassingClaims, dcapStatuses, dcapVersions, dcapVersionsOf } from '../dcap/terms.js'
import type { Platform } from '../format.js'

/** An SGX quote: a quote whose body is the report of an enclave. */
export type SgxQuote = Quote<SgxReport>

/** Intel SGX: enclaves, by the quotes of Intel's Quoting Enclave (version 3, and what 4 and 5 hold of SGX). */
export const sgxPlatform: Platform<SgxQuote> = {
  kind: 'sgx',
  profile: undefined,
  isSimulated: false,
  policyTerms: {
    requiredMeasurements: ['mrenclave', 'mrsigner'],
    sufficientPins: [
      { measurements: ['mrenclave'], claims: [], versions: [] },
      // A signer vouches for all that it ever signs: which of it is meant, the product and the version say.
      { measurements: ['mrsigner'], claims: ['isv-prod-id'], versions: ['isv'] },
    ],
    measurements: ['mrenclave', 'mrsigner'],
    lifecycles: [],
    claims: ['isv-prod-id', 'attributes', ...dcapClaims],
    versions: ['isv', ...dcapVersions],
    tcbStatuses: dcapStatuses,
  },
  passingClaims: dcapPassingClaims,
  decode(report) {
    const quote = decodeQuote(report)
    const { body } = quote
    if (body.type !== 'SGX') throw new MessageError('ERR_RATS_MALFORMED', 'the quote is about a TD, not an SGX enclave')
    return { ...quote, body }
  },
  needs: needsOf,
  checkOrigin: checkQuote,
  challengeOf: ({ body }) => body.reportData,
  factsOf({ body, qeReport }, origin) {
    const measurements = new Map([
      ['mrenclave', hex(body.mrEnclave)],
      ['mrsigner', hex(body.mrSigner)],
    ])
    return {
      measurements,
      isDebuggable: body.isDebuggable,
      lifecycle: undefined,
      claims: {
        ...Object.fromEntries(measurements),
        'isv-prod-id': body.isvProdId,
        'isv-svn': body.isvSvn,
        attributes: hex(body.attributes),
        debug: body.isDebuggable,
        'cpu-svn': hex(body.cpuSvn),
        ...origin.claims,
      },
      versions: new Map([['isv', body.isvSvn], ...dcapVersionsOf(qeReport.isvSvn, origin.claims)]),
      tcb: origin.tcb,
    }
  },
}
