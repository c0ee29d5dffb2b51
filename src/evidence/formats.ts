import { type Cmw, sameMediaType, typeOfCmw } from '../rats/index.js'
import { androidKeyChain } from './android-key/format.js'
import { nitroFormat } from './aws-nitro/format.js'
import { bareReport, boundReport } from './bound/format.js'
import { azureSnpEvidence, azureTdxEvidence, sgxQuotes, snpReports, tdxQuotes } from './bound/rows.js'
import { ccaToken, parsecCcaBundle } from './cca/format.js'
import type { EvidenceFormat } from './format.js'
import { keyAttestationBundle } from './kat/format.js'
import { psaToken } from './psa/format.js'
import { simulatedToken } from './simulated/format.js'
import { enactTrustToken, parsecTpmBundle, tpmBundle, tpmQuotes } from './tpm/format.js'

/** Every format of Evidence that can be appraised here, the preferred one first. A new one is a folder and a row. */
export const evidenceFormats: readonly EvidenceFormat[] = [
  boundReport(snpReports),
  bareReport(snpReports),
  boundReport(tdxQuotes),
  bareReport(tdxQuotes),
  boundReport(sgxQuotes),
  bareReport(sgxQuotes),
  boundReport(azureSnpEvidence),
  bareReport(azureSnpEvidence),
  boundReport(azureTdxEvidence),
  bareReport(azureTdxEvidence),
  nitroFormat,
  keyAttestationBundle,
  psaToken,
  parsecCcaBundle,
  ccaToken,
  tpmBundle,
  parsecTpmBundle,
  tpmQuotes,
  enactTrustToken,
  androidKeyChain,
  simulatedToken,
]

/** The format that has this media type, however it is spelled; undefined where none is known. */
export function formatNamed(mediaType: string | number): EvidenceFormat | undefined {
  // Most peers spell a type as it is spelled here: then nothing has to be parsed.
  return (
    formatsByType.get(mediaType) ??
    evidenceFormats.find(({ mediaTypes }) => mediaTypes.some(known => sameMediaType(known, mediaType)))
  )
}

/** Whether Evidence of a type speaks for a key; of types that are not known, none does. */
export function speaksForKey(mediaType: string): boolean {
  return formatNamed(mediaType)?.speaksForKey ?? false
}

/** The format that a message of this type is in; undefined where none is known. A collection may be written in JSON
 *  where CBOR is named. */
export function formatOf(message: Cmw): EvidenceFormat | undefined {
  return formatNamed(typeOfCmw(message))
}

const formatsByType: ReadonlyMap<string | number, EvidenceFormat> = new Map(
  evidenceFormats.flatMap(format => format.mediaTypes.map(type => [type, format] as const)),
)
