import { equalBytes } from '../../bytes/index.js'
import { shortHex } from '../checks.js'
import { type Finding, failed, passed } from '../finding.js'
import { type SnpEvidence, snpPlatform } from '../sev-snp/platform.js'
import { type TdxQuote, tdxPlatform } from '../tdx/platform.js'
import { type HclReport, reportDataOfTdReport } from './hcl-report.js'
import { type AzurePlatform, azurePlatform } from './platform.js'

/** A confidential VM on Azure with SEV-SNP. */
export const azureSnpPlatform: AzurePlatform<SnpEvidence> = azurePlatform({
  kind: 'az-snp-vtpm',
  tee: 'sev-snp',
  inner: snpPlatform,
  requiredMeasurements: ['launch'],
  checkHardware: ({ hardware: { report } }) => [checkPrivilege(report.vmpl)],
})

/** The same with Intel TDX. */
export const azureTdxPlatform: AzurePlatform<TdxQuote> = azurePlatform({
  kind: 'az-tdx-vtpm',
  tee: 'tdx',
  inner: tdxPlatform,
  // The paravisor extends no RTMR: what the guest has started stands in the PCRs of the vTPM.
  requiredMeasurements: ['mrtd'],
  checkHardware: ({ hcl, hardware }) => [checkTdReport(hcl, tdxPlatform.challengeOf(hardware))],
})

/** The guest can ask for reports too, of a lower privilege, and could have them vouch for a key of its own. */
function checkPrivilege(vmpl: number): Finding {
  const subject = { name: 'paravisor-privilege', expected: 'VMPL 0', actual: `VMPL ${vmpl}`, source: 'the report' }
  if (vmpl === 0) return passed(subject)
  return failed(subject, 'send the report that the paravisor has left in the vTPM', 'instance-identity')
}

/** Whether the paravisor's own report of the hardware, which has no signature, is about the same as the quote. */
function checkTdReport({ hardwareReport }: HclReport, quoted: Uint8Array): Finding {
  const found = reportDataOfTdReport(hardwareReport)
  const subject = {
    name: 'td-report',
    expected: `report data ${shortHex(quoted)}`,
    actual: `report data ${shortHex(found)}`,
    source: 'the TD quote',
  }
  if (equalBytes(found, quoted)) return passed(subject)
  return failed(subject, 'have the report that is in the vTPM quoted, and no other', 'instance-identity')
}
