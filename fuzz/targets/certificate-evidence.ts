import { generateKeyPairSync } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import { hash } from '#src/crypto/index.js'
import {
  EvidenceExtension,
  encodeRaTlsClaims,
  encodeRaTlsEvidence,
  evidenceInCertificate,
  FixedDcapEndorsements,
  FixedEndorsements,
  raTlsReportData,
} from '#src/evidence/index.js'
import { type Cmw, encodeCmw, type IdentityKey } from '#src/rats/index.js'
import { Policy } from '#src/verifier/index.js'
import { parseCertificate } from '#src/x509/index.js'
import { collateral, DAY, intel, measurements, NOON, platform } from '../../test/support/intel.js'
import { makeSelfSigned } from '../../test/support/pki.js'
import { attesterOf, document, patient, NOON as RECENTLY, root, verifierOf } from '../../test/support/simulated.js'
import { checkSentence, gist, type Target, Violation } from '../target.js'
import { decoder, refusal } from './decoder.js'

/*
 * Evidence in certificates. Whoever sends one has signed it, so that the extension may hold whatever they like; all that they do
 * not have is the key of a platform.
 */

const { cmw, dice, gramine } = EvidenceExtension
const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const spki = Uint8Array.from(keys.publicKey.export({ format: 'der', type: 'spki' }))
const key: IdentityKey = { spki, id: hash('sha256', spki) }
const claims = encodeRaTlsClaims(spki, new Uint8Array(16))
const quote = (reportData: Uint8Array) => platform.tdxQuote({ ...measurements, reportData })

/** Trusts one simulated machine, and one Intel whose collateral is of another day. */
const verifierAt = (at: number) =>
  verifierOf({
    now: () => at,
    policy: Policy.from({
      version: 1,
      platforms: [
        ...(document.platforms ?? []),
        {
          kind: 'tdx',
          measurements: [
            {
              values: {
                mrtd: '01'.repeat(48),
                rtmr0: '02'.repeat(48),
                rtmr1: '03'.repeat(48),
                rtmr2: '04'.repeat(48),
                rtmr3: '05'.repeat(48),
              },
            },
          ],
        },
      ],
    }),
    roots: { simulated: [root.pem], tdx: [intel.rootPem] },
    endorsements: new FixedEndorsements({ dcap: new FixedDcapEndorsements([collateral.tdx]) }),
  })

/** What a CMW in JSON stands in (RFC 9999 §4.4). */
function utf8String(content: Uint8Array): Uint8Array {
  return Uint8Array.of(0x0c, 0x82, content.length >>> 8, content.length & 0xff, ...content.subarray(0, 0xffff))
}

/** What stands in the extension, in each way that there is. */
async function extensions(): Promise<readonly (readonly [oid: string, value: Uint8Array])[]> {
  const attester = attesterOf()
  const [type = ''] = attester.evidenceTypes
  const evidence: Cmw = await attester.evidence({ type, challenge: new Uint8Array(32), key, signal: patient })
  return [
    [cmw, encodeCmw(evidence, 'json')],
    [dice, encodeCmw(evidence, 'cbor')],
    [dice, encodeRaTlsEvidence(quote(raTlsReportData(claims)), claims)],
    [gramine, quote(raTlsReportData(spki))],
  ]
}

function certificateWith(oid: string, value: Uint8Array, at = NOON): Uint8Array {
  const [notBefore, notAfter] = [new Date(at - 3_600_000), new Date(at + DAY)]
  return makeSelfSigned({ subject: 'enclave', keys, notBefore, notAfter, extraExtensions: [{ oid, value }] })
    .certificate
}

/** Evidence that came in the certificate of a peer. */
export const certificateEvidenceTargets: readonly Target[] = [
  decoder({
    name: 'certificate-evidence',
    form: 'der',
    seeds: async () =>
      (await extensions()).map(([oid, value]) => certificateWith(oid, oid === cmw ? utf8String(value) : value)),
    decode: bytes => evidenceInCertificate(parseCertificate(bytes)),
    describe: found => `${found?.extension} ${found?.format?.name}`,
  }),
  appraised('cmw', 'json', cmw, { wrap: utf8String, at: RECENTLY }),
  appraised('dice', 'cbor', dice),
  appraised('gramine', 'binary', gramine),
]

/** Appraises a certificate that holds the input. */
function appraised(
  name: string,
  form: Target['form'],
  oid: string,
  { wrap = (input: Uint8Array) => input, at = NOON } = {},
): Target {
  const verifier = verifierAt(at)
  let genuine: Promise<readonly { readonly input: Uint8Array; readonly claims: object | undefined }[]> | undefined
  const appraisal = (value: Uint8Array) =>
    verifier.appraiseCertificate?.({
      certificate: certificateWith(oid, wrap(value), at),
      key,
      maxAgeSeconds: 86_400,
      signal: patient,
    })
  const known = () => {
    genuine ??= (async () => {
      const own = (await extensions()).filter(([extension]) => extension === oid)
      return Promise.all(own.map(async ([, input]) => ({ input, claims: (await appraisal(input))?.submodules })))
    })()
    return genuine
  }
  return {
    name: `certificate-evidence:${name}`,
    form,
    seeds: async () => (await known()).map(({ input }) => input),
    async run(input) {
      let result: Awaited<ReturnType<typeof appraisal>>
      try {
        result = await appraisal(input)
      } catch (error) {
        checkSentence(error)
        return error instanceof Error && 'code' in error ? gist(error) : refusal(error)
      }
      if (!result?.isAccepted) {
        const failed = result?.checks.filter(({ passed }) => !passed).map(({ name }) => name)
        return `failed: ${failed?.join(' ')}`
      }
      const isKnown = (await known()).some(({ claims }) => isDeepStrictEqual(claims, result?.submodules))
      if (!isKnown || !Buffer.from(result.attestedKey ?? []).equals(spki)) {
        throw new Violation('Evidence that nobody has made is accepted')
      }
      return `accepted ${Object.keys(result.submodules).join()}`
    },
  }
}
