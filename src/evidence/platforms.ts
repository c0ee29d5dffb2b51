import { androidKeyPlatform } from './android-key/platform.js'
import { type RegisteredPlatform, registered } from './appraise-platform.js'
import { nitroPlatform } from './aws-nitro/platform.js'
import { azureSnpPlatform, azureTdxPlatform } from './azure/platforms.js'
import { ccaPlatform, ccaRealm } from './cca/platform.js'
import type { PolicyTerms } from './format.js'
import { psaPlatform } from './psa/platform.js'
import { snpPlatform } from './sev-snp/platform.js'
import { sgxPlatform } from './sgx/platform.js'
import { simulatedPlatform } from './simulated/platform.js'
import { tdxPlatform } from './tdx/platform.js'
import { tpmPlatform } from './tpm/platform.js'

/** Every kind of platform that can be appraised here. A new one is a folder and a row. */
export const platforms: readonly RegisteredPlatform[] = [
  registered(snpPlatform),
  registered(tdxPlatform),
  registered(sgxPlatform),
  registered(azureSnpPlatform),
  registered(azureTdxPlatform),
  registered(nitroPlatform),
  registered(psaPlatform),
  registered(ccaPlatform),
  registered(ccaRealm),
  registered(tpmPlatform),
  registered(androidKeyPlatform),
  registered(simulatedPlatform),
]

/** Names of the claims that may differ between two reports of one machine in one state, by kind of platform. */
export const passingClaims: ReadonlyMap<string, readonly string[]> = new Map(
  platforms.map(({ kind, passingClaims }) => [kind, passingClaims]),
)

/** What policies may and must say, by kind of platform. */
export const platformTerms: ReadonlyMap<string, PolicyTerms> = new Map(
  platforms.map(({ kind, policyTerms }) => [kind, policyTerms]),
)
