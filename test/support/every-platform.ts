import {
  SimulatedAmd,
  SimulatedAndroidDevice,
  SimulatedAttester,
  SimulatedAzureAttester,
  SimulatedAzureVm,
  SimulatedCcaMachine,
  SimulatedIntel,
  SimulatedIntelAttester,
  SimulatedNitro,
  SimulatedNitroAttester,
  SimulatedPsaDevice,
  SimulatedSnpAttester,
  SimulatedTpm,
} from '#src/attester/index.js'
import { hex, utf8 } from '#src/bytes/index.js'
import { systemEntropy } from '#src/crypto/index.js'
import {
  describeSelections,
  ENACTTRUST_MEDIA_TYPE,
  FixedDcapEndorsements,
  FixedEndorsements,
  FixedSnpEndorsements,
  type InstanceKey,
  pcrDigestOf,
} from '#src/evidence/index.js'
import { type Attester, type Cmw, Indicator, PARSEC_TPM_MEDIA_TYPE, type Verifier } from '#src/rats/index.js'
import { type EmbeddedVerifierOptions, embeddedVerifier, Policy, type PolicyDocument } from '#src/verifier/index.js'
import { NOON, patient, root, someKey, workload } from './simulated.js'

/** A kind of platform: what attests, what trusts it, and its policy. */
export interface SimulatedKind {
  readonly attester: Attester
  readonly roots: Readonly<Record<string, readonly string[]>>
  readonly platforms: NonNullable<PolicyDocument['platforms']>
  /** Keys that are registered for it. */
  readonly instanceKeys?: readonly InstanceKey[]
  /** Types that are believed by registered keys only, which no root makes up for. */
  readonly registeredOnly?: readonly string[]
}

const component = {
  type: 'RMM',
  measurement: new Uint8Array(32).fill(1),
  version: '1',
  signerId: new Uint8Array(32).fill(2),
  description: undefined,
}
const measured = { RMM: '01'.repeat(32) }
const zero = '00'.repeat(32)

const amd = new SimulatedAmd({ now: NOON })
const amdPlatform = amd.platform()
const launch = new Uint8Array(48).fill(7)
const snpPolicy = { measurements: [{ values: { launch: hex(launch) } }], minimumVersions: { microcode: 1 } }

const intel = new SimulatedIntel({ now: NOON })
const intelPlatform = intel.platform()
const td = { mrTd: new Uint8Array(48).fill(1), rtmrs: [2, 3, 4, 5].map(byte => new Uint8Array(48).fill(byte)) }
const tdPins = {
  mrtd: hex(td.mrTd),
  ...Object.fromEntries(td.rtmrs.map((value, i) => [`rtmr${i}`, hex(value)])),
}
const enclave = { mrEnclave: new Uint8Array(32).fill(8), mrSigner: new Uint8Array(32).fill(9) }

const nitro = new SimulatedNitro({ now: NOON })
const pcrs = { 0: new Uint8Array(48).fill(1), 1: new Uint8Array(48).fill(2), 2: new Uint8Array(48).fill(3) }

const tpm = new SimulatedTpm({ platform: root.issue('TPM', { purposes: ['2.23.133.8.3'] }) })
tpm.extend(0, new Uint8Array(8))
const selections = [{ bank: 'sha256', registers: [0, 1, 2, 3, 4, 5, 6, 7] }] as const
const pcrDigest = hex(pcrDigestOf(selections, tpm.values, 'sha256') ?? new Uint8Array(0))
const tpmPolicy = { kind: 'tpm', measurements: [{ values: { [describeSelections(selections)]: pcrDigest } }] }
const node = new Uint8Array(16).fill(6)

const android = new SimulatedAndroidDevice({ now: NOON })
const signer = new Uint8Array(32).fill(4)

/** What AMD and Intel publish about the platforms below. */
const vendors = {
  sevSnp: new FixedSnpEndorsements({ certificates: amdPlatform.chain.slice(1) }),
  dcap: new FixedDcapEndorsements([
    intel.collateral({ tee: 'tdx', issuedAt: NOON - 86_400_000 }),
    intel.collateral({ tee: 'sgx', issuedAt: NOON - 86_400_000 }),
  ]),
}

const azure = {
  snp: new SimulatedAzureVm({ tee: 'sev-snp', platform: amdPlatform, report: { version: 3, measurement: launch } }),
  tdx: new SimulatedAzureVm({ tee: 'tdx', platform: intelPlatform, report: td }),
}
for (const vm of Object.values(azure)) {
  vm.extend(4, utf8('a boot loader'))
  vm.extend(11, utf8('a kernel'))
}
const pcrPins = Object.fromEntries(
  [4, 11].map(register => [`sha256:${register}`, hex(azure.snp.pcrs.get(register) ?? new Uint8Array(0))]),
)

/** EnactTrust's agent on the simulated TPM, given a challenge. */
const enactTrust: Attester = {
  evidenceTypes: [ENACTTRUST_MEDIA_TYPE],
  challengeLength: () => 32,
  evidence: async ({ type, challenge, signal }): Promise<Cmw> => {
    signal.throwIfAborted()
    if (type !== ENACTTRUST_MEDIA_TYPE) throw new RangeError(`EnactTrust makes no Evidence of type ${type}`)
    return { kind: 'record', type, value: await tpm.enactTrustToken(node, challenge), indicators: Indicator.evidence }
  },
}

/** Every kind of platform that this package can simulate, one of each. */
export const simulatedKinds: Readonly<Record<string, SimulatedKind>> = {
  simulated: {
    attester: new SimulatedAttester({ platform: root.issue('machine'), components: [workload] }),
    roots: { simulated: [root.pem] },
    platforms: [{ kind: 'simulated', measurements: [{ values: { workload: hex(workload.measurement) } }] }],
  },
  'sev-snp': {
    attester: new SimulatedSnpAttester(amdPlatform, { measurement: launch }),
    roots: { 'sev-snp': [amd.rootPem] },
    platforms: [{ kind: 'sev-snp', ...snpPolicy }],
  },
  tdx: {
    attester: new SimulatedIntelAttester(intelPlatform, { tee: 'tdx', report: td }),
    roots: { tdx: [intel.rootPem] },
    platforms: [{ kind: 'tdx', measurements: [{ values: tdPins }] }],
  },
  sgx: {
    attester: new SimulatedIntelAttester(intelPlatform, { tee: 'sgx', report: enclave }),
    roots: { sgx: [intel.rootPem] },
    platforms: [
      {
        kind: 'sgx',
        measurements: [{ values: { mrenclave: hex(enclave.mrEnclave), mrsigner: hex(enclave.mrSigner) } }],
      },
    ],
  },
  'az-snp-vtpm': {
    attester: new SimulatedAzureAttester(azure.snp),
    roots: { 'sev-snp': [amd.rootPem] },
    platforms: [
      {
        kind: 'az-snp-vtpm',
        measurements: [{ values: { launch: hex(launch), ...pcrPins } }],
        minimumVersions: { microcode: 1 },
      },
    ],
  },
  'az-tdx-vtpm': {
    attester: new SimulatedAzureAttester(azure.tdx),
    roots: { tdx: [intel.rootPem] },
    platforms: [{ kind: 'az-tdx-vtpm', measurements: [{ values: { mrtd: hex(td.mrTd), ...pcrPins } }] }],
  },
  'aws-nitro': {
    attester: new SimulatedNitroAttester(nitro.platform(), { pcrs, now: () => NOON }),
    roots: { 'aws-nitro': [nitro.rootPem] },
    platforms: [
      {
        kind: 'aws-nitro',
        measurements: [{ values: Object.fromEntries(Object.entries(pcrs).map(([i, pcr]) => [`pcr${i}`, hex(pcr)])) }],
      },
    ],
  },
  psa: {
    attester: new SimulatedPsaDevice({ platform: root.issue('PSA device'), components: [component] }),
    roots: { psa: [root.pem] },
    platforms: [{ kind: 'psa', measurements: [{ values: measured }] }],
  },
  cca: {
    attester: new SimulatedCcaMachine({
      platform: root.issue('CCA machine'),
      components: [component],
      initialMeasurement: new Uint8Array(32),
    }),
    roots: { 'cca-platform': [root.pem] },
    platforms: [
      { kind: 'cca-platform', measurements: [{ values: measured }] },
      {
        kind: 'cca-realm',
        measurements: [{ values: { rim: zero, rem0: zero, rem1: zero, rem2: zero, rem3: zero } }],
      },
    ],
  },
  tpm: {
    attester: tpm,
    roots: { tpm: [root.pem] },
    platforms: [tpmPolicy],
    instanceKeys: [{ kind: 'tpm', id: tpm.keyId, key: tpm.publicKey }],
    registeredOnly: [PARSEC_TPM_MEDIA_TYPE],
  },
  enacttrust: {
    attester: enactTrust,
    roots: { tpm: [root.pem] },
    platforms: [tpmPolicy],
    instanceKeys: [{ kind: 'tpm', id: node, key: tpm.publicKey }],
    registeredOnly: [ENACTTRUST_MEDIA_TYPE],
  },
  'android-key': {
    attester: android.attester({ package: 'com.example.shop', signer }),
    roots: { 'android-key': [android.rootPem] },
    platforms: [
      {
        kind: 'android-key',
        measurements: [{ values: { 'app-signer': hex(signer) } }],
        claims: { 'verified-boot-state': 'verified', package: 'com.example.shop' },
        minimumVersions: { 'os-patch-level': 202601 },
      },
    ],
  },
}

/** A Verifier that trusts platforms of that kind, simulated as they are. */
export function verifierFor(
  { platforms, roots }: SimulatedKind,
  options: Partial<EmbeddedVerifierOptions> = {},
): Verifier {
  return embeddedVerifier({
    policy: Policy.from({ version: 1, platforms }),
    now: () => NOON,
    entropy: systemEntropy,
    roots,
    endorsements: new FixedEndorsements(vendors),
    dangerouslyTrustSimulatedPlatforms: true,
    warn: () => undefined,
    ...options,
  })
}

/** The endorsements with the registered keys, for types that are believed by nothing else. */
export function endorsementsFor({ instanceKeys = [] }: SimulatedKind): FixedEndorsements {
  return new FixedEndorsements({ ...vendors, instanceKeys })
}

/** A challenge of the size that the type asks for. */
export function challengeFor({ attester }: SimulatedKind, type: string, byte = 5): Uint8Array {
  return new Uint8Array(attester.challengeLength(type) ?? 32).fill(byte)
}

/** Evidence of that type, for a challenge and a key. */
export function evidenceOf(
  kind: SimulatedKind,
  type: string,
  { challenge = challengeFor(kind, type), key = someKey } = {},
): Promise<Cmw> {
  return kind.attester.evidence({ type, challenge, key, signal: patient })
}
