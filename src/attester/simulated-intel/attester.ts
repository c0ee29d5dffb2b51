import { PublicKey } from '../../crypto/index.js'
import {
  bareReport,
  boundReport,
  type DcapTee,
  makeBoundReport,
  reportDataFor,
  sgxQuotes,
  speaksForKey,
  tdxQuotes,
} from '../../evidence/index.js'
import { type Attester, type Cmw, type EvidenceRequest, Indicator } from '../../rats/index.js'
import type { SimulatedIntelPlatform } from './platform.js'
import type { SimulatedSgxReport, SimulatedTdReport } from './report-bodies.js'

/** What runs on a platform of a simulated Intel; the report data is what the attester is asked for. */
export type SimulatedIntelWorkload =
  | { readonly tee: 'tdx'; readonly report: Omit<SimulatedTdReport, 'reportData'> }
  | { readonly tee: 'sgx'; readonly report: Omit<SimulatedSgxReport, 'reportData'> }

/** The attester of a simulated TD or enclave. Its Evidence has the form of the true one, and speaks for the key by the
 *  hash of the key claims, or for the challenge alone; its certificates say that it is SIMULATED. */
export class SimulatedIntelAttester implements Attester {
  readonly evidenceTypes: readonly string[]
  readonly #platform: SimulatedIntelPlatform
  readonly #workload: SimulatedIntelWorkload

  constructor(platform: SimulatedIntelPlatform, workload: SimulatedIntelWorkload) {
    this.#platform = platform
    this.#workload = workload
    this.evidenceTypes = TYPES[workload.tee]
  }

  speaksForKey(type: string): boolean {
    return speaksForKey(type)
  }

  challengeLength(type: string): number | undefined {
    return type === ROWS[this.#workload.tee].reportType ? 64 : undefined
  }

  async evidence({ type, challenge, key, signal }: EvidenceRequest): Promise<Cmw> {
    signal.throwIfAborted()
    if (!this.evidenceTypes.includes(type)) throw new RangeError(`this platform makes no Evidence of type ${type}`)
    if (this.challengeLength(type) !== undefined) {
      return { kind: 'record', type, value: this.#quote(challenge), indicators: Indicator.evidence }
    }
    const claims = { nonce: challenge, key: PublicKey.fromSpki(key.spki) }
    const reportFor = async (keyClaims: Uint8Array) => ({ report: this.#quote(reportDataFor(keyClaims)) })
    return this.#workload.tee === 'tdx'
      ? makeBoundReport(tdxQuotes, claims, reportFor)
      : makeBoundReport(sgxQuotes, claims, reportFor)
  }

  #quote(reportData: Uint8Array): Uint8Array {
    return this.#workload.tee === 'tdx'
      ? this.#platform.tdxQuote({ ...this.#workload.report, reportData })
      : this.#platform.sgxQuote({ ...this.#workload.report, reportData })
  }
}

const ROWS = { tdx: tdxQuotes, sgx: sgxQuotes } as const

/** Bound to the key first: that can stand in place of a certificate. */
const TYPES: Readonly<Record<DcapTee, readonly string[]>> = {
  tdx: [...boundReport(tdxQuotes).mediaTypes, ...bareReport(tdxQuotes).mediaTypes],
  sgx: [...boundReport(sgxQuotes).mediaTypes, ...bareReport(sgxQuotes).mediaTypes],
}
