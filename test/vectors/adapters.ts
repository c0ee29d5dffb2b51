import type { Adapter } from './adapter.js'
import { androidKey } from './adapters/android-key.js'
import { awsNitro } from './adapters/aws-nitro.js'
import { azureSnp, azureTdx } from './adapters/azure.js'
import { cca } from './adapters/cca.js'
import { cmw } from './adapters/cmw.js'
import { corim } from './adapters/corim.js'
import { sgxAdapter, tdxAdapter } from './adapters/dcap.js'
import { ear } from './adapters/ear.js'
import { nvidiaGpu } from './adapters/nvidia-gpu.js'
import { psa } from './adapters/psa.js'
import { sevSnp } from './adapters/sev-snp.js'
import { parsecTpm, tpmEnactTrust } from './adapters/tpm-bundles.js'
import { tpmCertify } from './adapters/tpm-certify.js'
import { tpmQuote } from './adapters/tpm-quote.js'

/** By format, what runs its vectors: a row per format, each in a file of `adapters/`. Vectors of a format that does not
 *  stand here fail. */
export const adapters: Readonly<Partial<Record<string, Adapter>>> = {
  cca,
  cmw,
  corim,
  ear,
  'aws-nitro': awsNitro,
  'az-snp-vtpm': azureSnp,
  'az-tdx-vtpm': azureTdx,
  'nvidia-gpu': nvidiaGpu,
  psa,
  'android-key': androidKey,
  'sev-snp': sevSnp,
  sgx: sgxAdapter,
  tdx: tdxAdapter,
  'parsec-tpm': parsecTpm,
  'tpm-certify': tpmCertify,
  'tpm-enacttrust': tpmEnactTrust,
  'tpm-quote': tpmQuote,
}
