import { equalBytes, hex } from '#src/bytes/index.js'
import { type HashName, hash } from '#src/crypto/index.js'
import {
  type AzureEvidence,
  type AzurePlatform,
  appraiseReport,
  azureSnpPlatform,
  azureTdxPlatform,
  type DcapOrigin,
  type Finding,
  type HclReport,
  type OriginInputs,
  type PlatformReference,
  tdxPlatform,
} from '#src/evidence/index.js'
import { asMap, asText, decodeJson, encodeJson } from '#src/rats/index.js'
import { booleanInput, bytesInput, type Facts, fileOf, listInput, type Outcome, type VectorCase } from '../adapter.js'
import { factsOfTdx, notAppraised, originInputs, refused } from './dcap.js'
import { snpEndorsements, snpProduct, snpReasons, snpReportFacts, snpRoots } from './sev-snp.js'
import { attestFacts } from './tpm-facts.js'

/** A confidential VM on Azure with SEV-SNP. */
export function azureSnp(vector: VectorCase): Outcome {
  const roots = snpRoots(vector)
  if ('outcome' in roots) return roots
  const inputs = { roots, endorsements: snpEndorsements(vector), at: vector.at ?? Number.NaN }
  return appraised(vector, azureSnpPlatform, inputs, snpReasons, ({ hcl, hardware, values }) => ({
    product: snpProduct(vector, hcl.hardwareReport),
    snp_report: snpReportFacts(hardware.report),
    pcr0_sha256: hex(values.get('sha256')?.get(0) ?? new Uint8Array(0)),
  }))
}

/** A confidential VM on Azure with TDX. */
export function azureTdx(vector: VectorCase): Outcome {
  const inputs = originInputs(vector, vector.files.has('tcb_info'))
  const reasons = (finding: Finding) => {
    const outcome = refused(finding)
    return outcome.outcome === 'reject' ? outcome.reasons : []
  }
  return appraised(vector, azureTdxPlatform, inputs, reasons, ({ hardware }) =>
    // What `checkOrigin` of that platform returns.
    factsOfTdx(hardware, tdxPlatform.checkOrigin(hardware, inputs) as DcapOrigin),
  )
}

function appraised<Report>(
  vector: VectorCase,
  platform: AzurePlatform<Report>,
  inputs: OriginInputs,
  reasonsOfHardware: (finding: Finding) => readonly string[],
  factsOf: (evidence: AzureEvidence<Report>) => Facts,
): Outcome {
  try {
    const evidence = platform.assemble({
      hclReport: fileOf(vector, 'hcl_report'),
      message: fileOf(vector, 'tpm_quote_message'),
      signature: fileOf(vector, 'tpm_quote_signature'),
      pcrs: pcrsOf(fileOf(vector, 'pcrs')),
      vcek: vector.files.get('vek'),
      tdQuote: vector.files.get('quote'),
    })
    const json = vector.files.get('evidence_json')
    // The same parts as the attestation agent has sent them, with the name of the platform around them or not.
    if (json) platform.decode(unwrapped(json))
    const { findings } = appraiseReport(
      platform,
      evidence,
      { ...inputs, referenceValues: referencesOf(vector, platform) },
      () => [],
    )
    const broken = findings.filter(({ check }) => !check.passed)
    const nonce = bytesInput(vector, 'expected_nonce')
    const isForNonce = !nonce || equalBytes(nonce, platform.challengeOf(evidence))
    const reasons = [
      ...broken.flatMap(finding => REASONS[finding.check.name] ?? reasonsOfHardware(finding)),
      ...(isForNonce ? [] : ['nonce-mismatch', 'nonce']),
    ]
    if (reasons.length > 0) {
      const sentence = broken.map(({ check }) => `${check.name}: ${check.actual}`).join('; ') || 'another nonce'
      return { outcome: 'reject', reasons, sentence }
    }
    return {
      outcome: 'accept',
      facts: { ...factsOf(evidence), hcl: hclFacts(evidence.hcl), tpm_quote: attestFacts(evidence.quote.attest) },
    }
  } catch (error) {
    return notAppraised(error)
  }
}

const REASONS: Readonly<Record<string, readonly string[]>> = {
  'vtpm-signature': ['signature', 'tpm_quote_sig'],
  magic: ['magic', 'tpm_magic_quote'],
  type: ['magic', 'tpm_magic_quote'],
  'pcr-digest': ['pcr-digest', 'pcr_digest'],
  'paravisor-binding': ['binding', 'report_data_binds_var_data'],
  'td-report': ['binding', 'hcl_tdreport_reportdata'],
  'vtpm-key': ['malformed', 'tpm_quote_sig'],
  debug: ['debug', 'not_debug'],
}

function referencesOf<Report>(vector: VectorCase, { kind }: AzurePlatform<Report>) {
  const statuses = listInput(vector, 'accepted_tcb_status')
  const reference: PlatformReference = {
    source: vector.name,
    measurementSets: null,
    allowsDebug: booleanInput(vector, 'allow_debug', false),
    lifecycles: null,
    claims: new Map(),
    minimumVersions: new Map(),
    tcb: statuses ? { statuses, graceSeconds: 0 } : null,
  }
  return { source: vector.name, platforms: new Map([[kind, reference]]), trustsSimulatedPlatforms: false }
}

/** `{"sha256": {"0": hex, …}}`. */
function pcrsOf(bytes: Uint8Array): ReadonlyMap<number, Uint8Array> {
  const bank = asMap(asMap(decodeJson(bytes), 'the PCRs').get('sha256'), 'the bank')
  return new Map(
    [...bank].map(([register, value]) => [
      Number(register),
      Uint8Array.from(Buffer.from(asText(value, 'a PCR'), 'hex')),
    ]),
  )
}

function unwrapped(json: Uint8Array): Uint8Array {
  const inner = asMap(decodeJson(json), 'the Evidence').get('evidence')
  return inner === undefined ? json : new TextEncoder().encode(encodeJson(inner))
}

const TYPES = { 'sev-snp': 2, tdx: 4 } as const
const HASHES: Readonly<Record<HashName, number>> = { sha256: 1, sha384: 2, sha512: 3 }

function hclFacts({ tee, hash: name, variableData }: HclReport): Facts {
  return {
    report_type: TYPES[tee],
    hash_type: HASHES[name],
    var_data_sha256: hex(hash('sha256', variableData)),
    var_data: JSON.parse(new TextDecoder().decode(variableData)),
  }
}
