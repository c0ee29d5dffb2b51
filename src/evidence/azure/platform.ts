import { equalBytes } from '../../bytes/index.js'
import type { PublicKey } from '../../crypto/index.js'
import { MessageError } from '../../rats/index.js'
import { shortHex } from '../checks.js'
import { type Finding, failed, passed } from '../finding.js'
import type { Platform } from '../format.js'
import { checkMagic, checkPcrValues, checkStatementType, checkTpmSignature } from '../tpm/checks.js'
import { measurementsOfPcrs } from '../tpm/pcr.js'
import { complaintAboutNames } from '../tpm/platform.js'
import { type AzureEvidence, type AzureParts, hardwareBytesOf, quoteOf, readAzureEvidence } from './evidence.js'
import {
  type AzureTee,
  decodeHclReport,
  type HclClaims,
  type HclReport,
  keyNameOf,
  readVariableData,
  reportDataOf,
} from './hcl-report.js'

/** A platform of Azure's, whose Evidence can be put together of its parts as well. */
export interface AzurePlatform<Report> extends Platform<AzureEvidence<Report>> {
  /** @throws MessageError unless each part has the form that it has to have */
  assemble(parts: AzureParts): AzureEvidence<Report>
}

/** What makes one kind of confidential VM on Azure. */
export interface AzureKind<Report> {
  readonly kind: string
  readonly tee: AzureTee
  /** The platform that protects the VM. */
  readonly inner: Platform<Report>
  readonly requiredMeasurements: readonly string[]
  /** What has to hold besides, so that it was the paravisor that the hardware vouches for. */
  readonly checkHardware: (evidence: AzureEvidence<Report>) => readonly Finding[]
}

/** The platform of a confidential VM on Azure: the hardware vouches for the paravisor, which vouches for the key of its
 *  vTPM, which quotes what the guest has started. */
export function azurePlatform<Report>(options: AzureKind<Report>): AzurePlatform<Report> {
  const { kind, tee, inner } = options
  const { measurements: hardwareMeasurements = [], ...terms } = inner.policyTerms
  const assemble = (parts: AzureParts): AzureEvidence<Report> => {
    const hcl = decodeHclReport(parts.hclReport)
    if (hcl.tee !== tee) {
      throw new MessageError('ERR_RATS_MALFORMED', `the report of the paravisor is about ${hcl.tee}, not ${tee}`)
    }
    return {
      hcl,
      hardware: inner.decode(hardwareBytesOf(hcl, parts)),
      quote: quoteOf(parts),
      values: new Map([['sha256', parts.pcrs]]),
    }
  }
  return {
    kind,
    profile: undefined,
    isSimulated: false,
    policyTerms: {
      ...terms,
      requiredMeasurements: options.requiredMeasurements,
      complaintAbout: names => complaintAbout(names, hardwareMeasurements),
      claims: [...terms.claims, ...CONFIGURATION.values()],
    },
    ...(inner.passingClaims && { passingClaims: inner.passingClaims }),
    assemble,
    decode: bytes => assemble(readAzureEvidence(tee, bytes)),
    ...(inner.needs && { needs: ({ hardware }) => inner.needs?.(hardware) ?? [] }),

    checkOrigin(evidence, inputs) {
      const origin = inner.checkOrigin(evidence.hardware, inputs)
      const bound = checkBinding(evidence.hcl, inner.challengeOf(evidence.hardware))
      const findings = [...origin.findings, ...options.checkHardware(evidence), bound]
      // Data that the hardware does not vouch for are not looked into.
      if (!bound.check.passed) return { ...origin, findings }
      const claims = readClaims(evidence.hcl)
      if ('check' in claims) return { ...origin, findings: [...findings, claims] }
      return {
        ...origin,
        findings: [...findings, ...checkQuote(evidence, claims.attestationKey)],
        claims: { ...origin.claims, ...claimsOf(claims) },
      }
    },

    challengeOf: ({ quote }) => quote.attest.extraData,

    factsOf(evidence, origin) {
      const facts = inner.factsOf(evidence.hardware, origin)
      const { attested } = evidence.quote.attest
      const pcrs = attested.kind === 'quote' ? measurementsOfPcrs(attested.selections, evidence.values) : []
      return {
        ...facts,
        measurements: new Map([...facts.measurements, ...pcrs]),
        areRegisters: true,
        claims: { ...facts.claims, pcrs: Object.fromEntries(pcrs) },
      }
    },
  }
}

/** Whether the data of the paravisor are those that the hardware vouches for. */
function checkBinding(hcl: HclReport, found: Uint8Array): Finding {
  const expected = reportDataOf(hcl)
  const subject = {
    name: 'paravisor-binding',
    expected: `report data ${shortHex(expected)}: ${hcl.hash} of what the paravisor says`,
    actual: `report data ${shortHex(found)}`,
    source: 'the report of the paravisor',
  }
  if (equalBytes(found, expected)) return passed(subject, 'instance-identity')
  const remedy = 'somebody put together what does not belong together, or changed it: do not trust the sender'
  return failed(subject, remedy, 'instance-identity')
}

/** What the paravisor says, or that it cannot be read. */
function readClaims({ variableData }: HclReport): HclClaims | Finding {
  try {
    return readVariableData(variableData)
  } catch (error) {
    if (!(error instanceof MessageError)) throw error
    const subject = {
      name: 'vtpm-key',
      expected: 'the attestation key of the vTPM',
      actual: error.message,
      source: 'the report of the paravisor',
    }
    return failed(subject, 'find out what paravisor this is: it says something else than that of Azure', 'hardware')
  }
}

function checkQuote(
  { quote, values }: Pick<AzureEvidence<unknown>, 'quote' | 'values'>,
  key: PublicKey,
): readonly Finding[] {
  return [
    checkTpmSignature(quote, key, `the vTPM’s key ${keyNameOf(key).slice(0, 16)}…`, 'vtpm-signature'),
    checkMagic(quote.attest),
    checkStatementType(quote.attest, 'quote'),
    ...checkPcrValues(quote, { values }),
  ]
}

/** Names of what is in the configuration of the VM, as claims; the rest of it may change with any update of Azure. */
const CONFIGURATION: ReadonlyMap<string, string> = new Map([
  ['vmUniqueId', 'vm-id'],
  ['secure-boot', 'secure-boot'],
  ['tpm-enabled', 'tpm-enabled'],
  ['console-enabled', 'console-enabled'],
])

function claimsOf({ attestationKey, configuration, userData }: HclClaims): Readonly<Record<string, unknown>> {
  const known = [...CONFIGURATION].flatMap(([member, name]) => {
    const value = configuration[member]
    return value === undefined ? [] : [[name, value] as const]
  })
  return {
    ...Object.fromEntries(known),
    'vtpm-key': keyNameOf(attestationKey),
    ...(userData !== undefined && { 'vm-user-data': userData }),
  }
}

/** What is wrong with a set of these measurements in a policy; null if nothing is. */
function complaintAbout(names: readonly string[], ofHardware: readonly string[]): string | null {
  const ofVtpm = names.filter(name => !ofHardware.includes(name))
  return ofVtpm.length === 0
    ? 'pins no PCR of the vTPM, without which it says nothing about what the guest has started'
    : complaintAboutNames(ofVtpm)
}
