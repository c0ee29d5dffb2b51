import { azureSnpPlatform, azureTdxPlatform } from '../azure/platforms.js'
import { snpPlatform } from '../sev-snp/platform.js'
import { sgxPlatform } from '../sgx/platform.js'
import { tdxPlatform } from '../tdx/platform.js'

/** AMD SEV-SNP: 64 bytes of report data; the host's certificate table may come beside. */
export const snpReports = {
  platform: snpPlatform,
  name: 'SEV-SNP report',
  reportType: 'application/vnd.amd.sev-snp.attestation-report',
  certificatesType: 'application/vnd.amd.ghcb.guid-table',
  fieldLength: 64,
} as const

/** Intel TDX: 64 bytes of report data. No type is registered for its quotes. */
export const tdxQuotes = {
  platform: tdxPlatform,
  name: 'TDX quote',
  reportType: 'application/vnd.attested-tls.tdx-quote',
  fieldLength: 64,
} as const

/** Intel SGX: 64 bytes of report data. No type is registered for its quotes. */
export const sgxQuotes = {
  platform: sgxPlatform,
  name: 'SGX quote',
  reportType: 'application/vnd.attested-tls.sgx-quote',
  fieldLength: 64,
} as const

/** A confidential VM on Azure with SEV-SNP: what its vTPM quotes takes 50 bytes at most, and a SHA-384 fits. */
export const azureSnpEvidence = {
  platform: azureSnpPlatform,
  name: 'Azure SEV-SNP and vTPM Evidence',
  reportType: 'application/vnd.attested-tls.az-snp-vtpm+json',
  fieldLength: 48,
} as const

/** The same with Intel TDX. */
export const azureTdxEvidence = {
  platform: azureTdxPlatform,
  name: 'Azure TDX and vTPM Evidence',
  reportType: 'application/vnd.attested-tls.az-tdx-vtpm+json',
  fieldLength: 48,
} as const
