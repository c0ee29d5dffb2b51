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

/** By format, what runs its vectors: a row per format, each in a file of `adapters/`. */
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

/** Formats whose vectors are skipped, because nothing here can read them yet. The list has to become empty; a format
 *  that stands neither here nor above fails. */
export const withoutAdapter: readonly string[] = []
