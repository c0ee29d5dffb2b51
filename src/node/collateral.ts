import { createHash, randomBytes } from 'node:crypto'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  type CollateralStore,
  KdsEndorsements,
  type KdsOptions,
  PcsEndorsements,
  type PcsOptions,
} from '../verifier/index.js'

/** Where Intel's collateral comes from, and where it is kept. */
export interface IntelCollateralOptions extends Pick<PcsOptions, 'url' | 'rootCrlUrl' | 'requestTimeout' | 'warn'> {
  /** A folder to keep answers in beyond the life of the process; made if it is not there. In memory only, if absent. */
  readonly folder?: string
}

/** Collateral for SGX and TDX, for the `endorsements` of a Verifier: from Intel's PCS, or from a PCCS of one's own.
 *  With it the Verifier touches the network, when a quote needs what it does not hold yet. */
export function intelCollateral(options: IntelCollateralOptions = {}): PcsEndorsements {
  const { folder, ...others } = options
  return new PcsEndorsements({
    ...others,
    fetch: globalThis.fetch,
    now: Date.now,
    timeout: ms => AbortSignal.timeout(ms),
    ...(folder === undefined ? {} : { store: collateralFolder(folder) }),
  })
}

/** Where AMD's certificates come from, and where they are kept. */
export interface AmdCollateralOptions extends Pick<KdsOptions, 'url' | 'requestTimeout' | 'warn'> {
  /** A folder to keep answers in beyond the life of the process; made if it is not there. In memory only, if absent. */
  readonly folder?: string
}

/** Certificates and revocation lists for SEV-SNP, for the `endorsements` of a Verifier: from AMD's key distribution
 *  service, or from a cache of one's own. With it the Verifier touches the network, when a report needs what it does not
 *  hold yet. */
export function amdCollateral(options: AmdCollateralOptions = {}): KdsEndorsements {
  const { folder, ...others } = options
  return new KdsEndorsements({
    ...others,
    fetch: globalThis.fetch,
    now: Date.now,
    timeout: ms => AbortSignal.timeout(ms),
    ...(folder === undefined ? {} : { store: collateralFolder(folder) }),
  })
}

/** Keeps collateral in files of a folder. Several processes may share it: a file is there whole, or not at all. */
export function collateralFolder(folder: string): CollateralStore {
  const pathOf = (name: string) => join(folder, `${createHash('sha256').update(name).digest('hex')}.collateral`)
  return {
    async read(name) {
      try {
        return await readFile(pathOf(name))
      } catch (error) {
        if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
        throw error
      }
    },
    async write(name, bytes) {
      await mkdir(folder, { recursive: true })
      const path = pathOf(name)
      const draft = `${path}.${randomBytes(6).toString('hex')}`
      await writeFile(draft, bytes, { flag: 'wx' })
      await rename(draft, path)
    },
  }
}
