import { isDeepStrictEqual } from 'node:util'
import { SimulatedGpu } from '#src/attester/index.js'
import { encodeTcgLog } from '#src/attester/simulated-tpm/log.js'
import { readAzureEvidence } from '#src/evidence/azure/evidence.js'
import { decodeCcaPlatformClaims } from '#src/evidence/cca/platform-claims.js'
import { decodeCcaRealmClaims } from '#src/evidence/cca/realm-claims.js'
import {
  decodeAttest,
  decodeCcaEnvelope,
  decodeCcaToken,
  decodeCcel,
  decodeCertificateTable,
  decodeDstackLog,
  decodeEnactTrustToken,
  decodeHclReport,
  decodeKeyClaims,
  decodeNitroDocument,
  decodeNvidiaReport,
  decodeParsecTpmEvidence,
  decodePsaClaims,
  decodePublicArea,
  decodeQuote,
  decodeRaTlsClaims,
  decodeReport,
  decodeSignature,
  decodeTcgLog,
  decodeTpmBundle,
  type EvidenceFormat,
  encodeKeyClaims,
  encodeRaTlsClaims,
  evidenceFormats,
  FixedDcapEndorsements,
  formatOf,
  keyDescriptionOf,
  platforms,
  RootsByKind,
  readCollateralBundle,
  readVariableData,
} from '#src/evidence/index.js'
import { decodeSimulatedClaims } from '#src/evidence/simulated/claims.js'
import { type CborValue, type Cmw, decodeCbor, decodeCmw, encodeCmw, Tagged } from '#src/rats/index.js'
import { Policy } from '#src/verifier/index.js'
import { certificatesIn, parseCertificate } from '#src/x509/index.js'
import {
  challengeFor,
  endorsementsFor,
  evidenceOf,
  type SimulatedKind,
  simulatedKinds,
} from '../../test/support/every-platform.js'
import { collateral } from '../../test/support/intel.js'
import { document, NOON, newKey, someKey } from '../../test/support/simulated.js'
import { type Form, type Target, Violation } from '../target.js'
import { decoder, refusal } from './decoder.js'

const log = encodeTcgLog([
  { register: 0, data: new Uint8Array(8) },
  { register: 1, data: new Uint8Array(3) },
])

const BINARY: ReadonlySet<string> = new Set(['sev-snp', 'tdx', 'sgx'])
/** Reports of what is only ever part of something else. */
const KINDS: Readonly<Record<string, string>> = { 'cca-platform': 'cca', 'cca-realm': 'cca' }

const bundle = {
  tcb_info_issuer_chain: collateral.tdx.tcbInfoIssuerChain,
  tcb_info: JSON.stringify(JSON.parse(collateral.tdx.tcbInfo).tcbInfo),
  tcb_info_signature: JSON.parse(collateral.tdx.tcbInfo).signature,
  qe_identity_issuer_chain: collateral.tdx.qeIdentityIssuerChain,
  qe_identity: JSON.stringify(JSON.parse(collateral.tdx.qeIdentity).enclaveIdentity),
  qe_identity_signature: JSON.parse(collateral.tdx.qeIdentity).signature,
  pck_crl: Buffer.from(collateral.tdx.pckCrl).toString('hex'),
  root_ca_crl: Buffer.from(collateral.tdx.rootCrl).toString('hex'),
}

/** Evidence of all formats, and what it is made of. */
export const evidenceTargets: readonly Target[] = [
  ...evidenceFormats.flatMap(formatTarget),
  ...parts(),
  decoder({
    name: 'policy',
    form: 'json',
    seeds: () => [
      json(document),
      ...Object.values(simulatedKinds).map(({ platforms }) => json({ version: 1, platforms })),
    ],
    decode: bytes => Policy.parse(Buffer.from(bytes).toString()),
    check: policy => void policy.referenceValues({ trustsSimulatedPlatforms: true }),
    describe: policy => String(policy.platforms.size),
  }),
]

/** Appraises a message by whatever format it is of. It may be refused; if it is accepted, it says what the Evidence said
 *  that it was made of. */
function formatTarget(format: EvidenceFormat): readonly Target[] {
  return Object.entries(simulatedKinds).flatMap(([name, kind]) => {
    const type = kind.attester.evidenceTypes.find(one => format.mediaTypes.includes(one))
    return type === undefined ? [] : [appraisalTarget(`evidence:${format.name}:${name}`, kind, type)]
  })
}

function appraisalTarget(name: string, kind: SimulatedKind, type: string): Target {
  let honest: Promise<Cmw> | undefined
  const made = () => {
    honest ??= evidenceOf(kind, type)
    return honest
  }
  const inputs = { challenge: challengeFor(kind, type), key: someKey, ...inputsOf(kind) }
  const appraised = (message: Cmw) => {
    const format = formatOf(message)
    format?.needs?.(message)
    return format?.appraise(message, inputs)
  }
  return {
    name,
    form: 'cbor',
    seeds: async () => [encodeCmw(await made(), 'cbor')],
    async run(bytes) {
      const genuine = appraised(await made())
      let found: ReturnType<typeof appraised>
      try {
        found = appraised(decodeCmw(bytes, 'cbor'))
      } catch (error) {
        return refusal(error)
      }
      if (!found) return 'of no format'
      const failed = found.checks.filter(({ passed }) => !passed).map(({ name }) => name)
      if (failed.length > 0) return `failed: ${failed.join(' ')}`
      const saysTheSame = isDeepStrictEqual(
        Object.keys(found.environments).sort(),
        Object.keys(genuine?.environments ?? {}).sort(),
      )
      if (!saysTheSame || !isDeepStrictEqual(found.attestedKey, genuine?.attestedKey)) {
        throw new Violation('Evidence that nobody has made is accepted')
      }
      return 'accepted'
    },
  }
}

/** What a Verifier knows that trusts platforms of a kind. */
function inputsOf(kind: SimulatedKind) {
  return {
    roots: new RootsByKind(kind.roots),
    endorsements: endorsementsFor(kind),
    at: NOON,
    referenceValues: Policy.from({ version: 1, platforms: kind.platforms }).referenceValues({
      trustsSimulatedPlatforms: true,
    }),
  }
}

/** The decoders of reports, tokens and logs, each with the Evidence that holds such a thing. */
function parts(): readonly Target[] {
  const one = (name: string, form: Form, kind: string, decode: (bytes: Uint8Array) => unknown): Target =>
    decoder({ name: `part:${name}`, form, seeds: () => valuesOf(simulatedKind(kind)), decode })
  return [
    one('snp-report', 'binary', 'sev-snp', decodeReport),
    one('snp-certificate-table', 'binary', 'sev-snp', decodeCertificateTable),
    one('quote:tdx', 'binary', 'tdx', decodeQuote),
    one('quote:sgx', 'binary', 'sgx', decodeQuote),
    one('nitro-document', 'cbor', 'aws-nitro', decodeNitroDocument),
    one('psa-claims', 'cbor', 'psa', decodePsaClaims),
    one('cca-platform-claims', 'cbor', 'cca', decodeCcaPlatformClaims),
    one('cca-realm-claims', 'cbor', 'cca', decodeCcaRealmClaims),
    one('simulated-claims', 'cbor', 'simulated', decodeSimulatedClaims),
    one('enacttrust-token', 'binary', 'enacttrust', decodeEnactTrustToken),
    one('tpm-parsec', 'cbor', 'tpm', decodeParsecTpmEvidence),
    one('tpm-attest', 'binary', 'tpm', decodeAttest),
    one('azure-evidence', 'json', 'az-snp-vtpm', bytes => readAzureEvidence('sev-snp', bytes)),
    one('cca-token', 'cbor', 'cca', decodeCcaToken),
    one('cca-envelope', 'cbor', 'cca', decodeCcaEnvelope),
    one('tpm-bundle', 'cbor', 'tpm', decodeTpmBundle),
    one('tpm-public', 'binary', 'tpm', decodePublicArea),
    one('tpm-signature', 'binary', 'tpm', decodeSignature),
    decoder({
      name: 'part:hcl-report',
      form: 'binary',
      seeds: async () => (await valuesOf(simulatedKind('az-snp-vtpm'))).flatMap(paravisorReportIn),
      decode: decodeHclReport,
    }),
    decoder({
      name: 'part:android-key-description',
      form: 'der',
      seeds: async () =>
        (await valuesOf(simulatedKind('android-key'))).flatMap(chain =>
          certificatesIn(Buffer.from(chain).toString('latin1')),
        ),
      decode: bytes => keyDescriptionOf(parseCertificate(bytes)),
    }),
    decoder({
      name: 'part:azure-variable-data',
      form: 'json',
      seeds: async () =>
        (await valuesOf(simulatedKind('az-snp-vtpm')))
          .flatMap(paravisorReportIn)
          .map(report => decodeHclReport(report).variableData),
      decode: readVariableData,
    }),
    decoder({ name: 'part:tcg-log', form: 'binary', seeds: () => [log], decode: decodeTcgLog }),
    decoder({ name: 'part:ccel', form: 'binary', seeds: () => [log], decode: decodeCcel }),
    ...platforms.map(platform => {
      const kind = simulatedKind(KINDS[platform.kind] ?? platform.kind)
      const inputs = inputsOf(kind)
      return decoder({
        name: `platform:${platform.kind}`,
        form: BINARY.has(platform.kind) ? 'binary' : 'cbor',
        seeds: () => valuesOf(kind),
        decode: bytes => platform.appraise(bytes, inputs, () => []),
      })
    }),
    decoder({
      name: 'part:nvidia-report',
      form: 'binary',
      seeds: () => gpuReports(),
      decode: decodeNvidiaReport,
    }),
    decoder({
      name: 'part:key-claims',
      form: 'cbor',
      seeds: () => [encodeKeyClaims({ nonce: new Uint8Array(32), key: newKey().publicKey })],
      decode: decodeKeyClaims,
    }),
    decoder({
      name: 'part:ra-tls-claims',
      form: 'cbor',
      seeds: () => [encodeRaTlsClaims(someKey.spki, new Uint8Array(16))],
      decode: decodeRaTlsClaims,
    }),
    decoder({
      name: 'part:dstack-log',
      form: 'json',
      seeds: () => [json([{ imr: 0, event_type: 1, digest: '00'.repeat(48), event: '', event_payload: '00ff' }])],
      decode: bytes => decodeDstackLog(Buffer.from(bytes).toString()),
    }),
    decoder({
      name: 'part:dcap-bundle',
      form: 'json',
      seeds: () => [json(bundle)],
      decode: bytes => readCollateralBundle(Buffer.from(bytes).toString()),
      check: found => void takesOrRefuses(() => new FixedDcapEndorsements([found])),
    }),
    ...(['tcbInfo', 'qeIdentity'] as const).map(member =>
      decoder({
        name: `part:dcap-${member}`,
        form: 'json',
        seeds: () => [Buffer.from(collateral.tdx[member]), Buffer.from(collateral.sgx[member])],
        decode: bytes => new FixedDcapEndorsements([{ ...collateral.tdx, [member]: Buffer.from(bytes).toString() }]),
      }),
    ),
  ]
}

function takesOrRefuses(take: () => unknown): void {
  try {
    take()
  } catch (error) {
    refusal(error)
  }
}

function simulatedKind(name: string): SimulatedKind {
  const kind = simulatedKinds[name]
  if (!kind) throw new RangeError(`there is no simulated platform "${name}"`)
  return kind
}

/** All byte strings in the Evidence of a kind, those inside of others too: among them is the one that is meant. */
async function valuesOf(kind: SimulatedKind): Promise<readonly Uint8Array[]> {
  const messages = await Promise.all(kind.attester.evidenceTypes.map(type => evidenceOf(kind, type)))
  const all = messages.flatMap(recordsIn).flatMap(value => [value, ...stringsIn(value)])
  return [...new Map(all.map(value => [Buffer.from(value).toString('base64'), value])).values()]
}

/** The byte strings in CBOR, down to the last; none in what is none. */
function stringsIn(bytes: Uint8Array): readonly Uint8Array[] {
  const inside = (value: CborValue): readonly Uint8Array[] => {
    if (value instanceof Uint8Array) return [value, ...stringsIn(value)]
    if (value instanceof Tagged) return inside(value.value)
    if (Array.isArray(value)) return value.flatMap(inside)
    return value instanceof Map ? [...value.values()].flatMap(inside) : []
  }
  try {
    return inside(decodeCbor(bytes, 'tolerant'))
  } catch (error) {
    refusal(error)
    return []
  }
}

/** What the paravisor says, in the Evidence of a VM on Azure. */
function paravisorReportIn(bytes: Uint8Array): readonly Uint8Array[] {
  try {
    return [readAzureEvidence('sev-snp', bytes).hclReport]
  } catch (error) {
    refusal(error)
    return []
  }
}

function recordsIn(message: Cmw): readonly Uint8Array[] {
  if (message.kind === 'record') return [message.value]
  return [...message.entries.values()].flatMap(recordsIn)
}

function gpuReports(): readonly Uint8Array[] {
  const gpu = new SimulatedGpu({ now: NOON, measurements: new Map([[1, new Uint8Array(48)]]) })
  return [gpu.report(new Uint8Array(32))]
}

function json(value: unknown): Uint8Array {
  return Uint8Array.from(Buffer.from(JSON.stringify(value, null, 1)))
}
