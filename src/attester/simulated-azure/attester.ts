import { PublicKey } from '../../crypto/index.js'
import {
  azureSnpEvidence,
  azureTdxEvidence,
  bareReport,
  boundReport,
  makeBoundReport,
  reportDataFor,
  speaksForKey,
} from '../../evidence/index.js'
import { type Attester, type Cmw, type EvidenceRequest, Indicator } from '../../rats/index.js'
import type { SimulatedAzureVm } from './vm.js'

/** The attester of a confidential VM of a simulated Azure: what its vTPM quotes speaks for the key by the hash of the key
 *  claims, or is the challenge alone. */
export class SimulatedAzureAttester implements Attester {
  /** Bound to the key first: that can stand in place of a certificate. */
  readonly evidenceTypes: readonly string[]
  readonly #vm: SimulatedAzureVm

  constructor(vm: SimulatedAzureVm) {
    this.#vm = vm
    this.evidenceTypes = TYPES[vm.tee]
  }

  speaksForKey(type: string): boolean {
    return speaksForKey(type)
  }

  challengeLength(type: string): number | undefined {
    const { reportType, fieldLength } = ROWS[this.#vm.tee]
    return type === reportType ? fieldLength : undefined
  }

  async evidence({ type, challenge, key, signal }: EvidenceRequest): Promise<Cmw> {
    signal.throwIfAborted()
    if (!this.evidenceTypes.includes(type)) throw new RangeError(`this VM makes no Evidence of type ${type}`)
    if (this.challengeLength(type) !== undefined) {
      return { kind: 'record', type, value: this.#vm.evidence(challenge), indicators: Indicator.evidence }
    }
    const claims = { nonce: challenge, key: PublicKey.fromSpki(key.spki) }
    const reportFor = async (keyClaims: Uint8Array) => ({
      report: this.#vm.evidence(reportDataFor(keyClaims, ROWS[this.#vm.tee].fieldLength)),
    })
    return this.#vm.tee === 'tdx'
      ? makeBoundReport(azureTdxEvidence, claims, reportFor)
      : makeBoundReport(azureSnpEvidence, claims, reportFor)
  }
}

const ROWS = { 'sev-snp': azureSnpEvidence, tdx: azureTdxEvidence } as const

const TYPES = {
  'sev-snp': [...boundReport(azureSnpEvidence).mediaTypes, ...bareReport(azureSnpEvidence).mediaTypes],
  tdx: [...boundReport(azureTdxEvidence).mediaTypes, ...bareReport(azureTdxEvidence).mediaTypes],
} as const
