import { concat } from '../../bytes/index.js'
import { PublicKey } from '../../crypto/index.js'
import {
  bareReport,
  boundReport,
  makeBoundReport,
  reportDataFor,
  snpReports,
  speaksForKey,
} from '../../evidence/index.js'
import { type Attester, type Cmw, type EvidenceRequest, Indicator } from '../../rats/index.js'
import type { SimulatedAmdPlatform } from './platform.js'
import type { SimulatedSnpReport } from './report.js'

/** The attester of a simulated SEV-SNP guest. Its Evidence has the form of the true one, and speaks for the key by the
 *  hash of the key claims, or for the challenge alone; its certificates say that it is SIMULATED. */
export class SimulatedSnpAttester implements Attester {
  /** Bound to the key first: that can stand in place of a certificate. */
  readonly evidenceTypes = [...boundReport(snpReports).mediaTypes, ...bareReport(snpReports).mediaTypes]
  readonly #platform: SimulatedAmdPlatform
  readonly #report: Omit<SimulatedSnpReport, 'reportData'>

  constructor(platform: SimulatedAmdPlatform, report: Omit<SimulatedSnpReport, 'reportData'>) {
    this.#platform = platform
    this.#report = report
  }

  speaksForKey(type: string): boolean {
    return speaksForKey(type)
  }

  challengeLength(type: string): number | undefined {
    return type === snpReports.reportType ? snpReports.fieldLength : undefined
  }

  async evidence({ type, challenge, key, signal }: EvidenceRequest): Promise<Cmw> {
    signal.throwIfAborted()
    if (!this.evidenceTypes.includes(type)) throw new RangeError(`this platform makes no Evidence of type ${type}`)
    const certificates = this.#platform.certificateTable
    if (this.challengeLength(type) !== undefined) {
      const value = concat(this.#reportOver(challenge), certificates)
      return { kind: 'record', type, value, indicators: Indicator.evidence }
    }
    const claims = { nonce: challenge, key: PublicKey.fromSpki(key.spki) }
    return makeBoundReport(snpReports, claims, async keyClaims => ({
      report: this.#reportOver(reportDataFor(keyClaims)),
      certificates,
    }))
  }

  #reportOver(reportData: Uint8Array): Uint8Array {
    return this.#platform.report({ ...this.#report, reportData })
  }
}
