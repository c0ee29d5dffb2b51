import { sameMediaType } from '../rats/index.js'
import type { EvidenceFormat } from './format.js'
import { keyAttestationBundle } from './kat/format.js'
import { simulatedToken } from './simulated/format.js'

/** Every format of Evidence that can be appraised here, the preferred one first. A new one is a folder and a row. */
export const evidenceFormats: readonly EvidenceFormat[] = [keyAttestationBundle, simulatedToken]
