import { EMPTY, hex } from '../../bytes/index.js'
import { checkSign1, MessageError } from '../../rats/index.js'
import { type Finding, failed, passed } from '../finding.js'
import type { Platform } from '../format.js'
import { checkOriginChain } from '../origin.js'
import type { PlatformFacts } from '../reference-values.js'
import { decodeNitroDocument, type NitroDocument } from './document.js'

/** What the PCRs are measurements of; the others say who runs the enclave, or are the enclave's own. */
const MEASURED = [0, 1, 2] as const
const OTHERS = Array.from({ length: 29 }, (_, i) => i + 3)

/** AWS Nitro Enclaves: documents of the hypervisor's security module about an enclave. PCR 0 measures the image, PCR 1
 *  kernel and boot, PCR 2 the application; all of them are zero in an enclave that was started for debugging. */
export const nitroPlatform: Platform<NitroDocument> = {
  kind: 'aws-nitro',
  profile: undefined,
  isSimulated: false,
  policyTerms: {
    requiredMeasurements: ['pcr0'],
    measurements: MEASURED.map(nameOf),
    lifecycles: [],
    claims: ['module-id', ...OTHERS.map(nameOf)],
  },
  passingClaims: ['timestamp', 'public-key', 'user-data'],

  decode: decodeNitroDocument,

  checkOrigin({ message, certificate, caBundle }, { roots, at }) {
    const chain = [certificate, ...caBundle.toReversed()]
    const { finding, trusted } = checkOriginChain('aws-nitro', chain, roots.of('aws-nitro'), at)
    if (!trusted) return { findings: [finding], isSimulated: false }
    let signature: Finding
    const subject = { name: 'signature', expected: `a signature by ${trusted.subject}`, source: 'the document' }
    try {
      checkSign1(message, trusted.publicKey, { algorithms: ['ES384'] })
      signature = passed({ ...subject, actual: `a signature by ${trusted.subject}` }, 'instance-identity')
    } catch (error) {
      if (!(error instanceof MessageError)) throw error
      const remedy = 'the document was changed on its way, or forged: do not trust the sender'
      signature = failed({ ...subject, actual: error.message, code: error.code }, remedy, 'instance-identity')
    }
    return { findings: [finding, signature], isSimulated: trusted.isSimulated }
  },

  challengeOf: ({ nonce }) => nonce ?? EMPTY,

  factsOf,
}

function factsOf({ moduleId, timestamp, pcrs, publicKey, userData }: NitroDocument): PlatformFacts {
  const measured = MEASURED.map(index => [nameOf(index), hex(pcrs.get(index) ?? EMPTY)] as const)
  const others = OTHERS.flatMap(index => {
    const value = pcrs.get(index)
    return value && !isZero(value) ? [[nameOf(index), hex(value)] as const] : []
  })
  return {
    measurements: new Map(measured),
    isDebuggable: MEASURED.some(index => isZero(pcrs.get(index) ?? EMPTY)),
    lifecycle: undefined,
    claims: {
      'module-id': moduleId,
      timestamp,
      ...Object.fromEntries([...measured, ...others]),
      ...(publicKey && { 'public-key': hex(publicKey) }),
      ...(userData && { 'user-data': hex(userData) }),
    },
  }
}

function nameOf(index: number): string {
  return `pcr${index}`
}

function isZero(value: Uint8Array): boolean {
  return value.every(byte => byte === 0)
}
