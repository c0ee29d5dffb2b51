import { equalBytes, hex } from '../../bytes/index.js'
import type { PublicKey } from '../../crypto/index.js'
import type { Certificate } from '../../x509/index.js'
import { shortHex } from '../checks.js'
import { MissingEndorsement } from '../endorsements.js'
import { type Finding, failed, passed } from '../finding.js'
import type { Origin, OriginInputs, Platform } from '../format.js'
import { checkOriginChain } from '../origin.js'
import type { PlatformFacts } from '../reference-values.js'
import {
  checkAttestationKey,
  checkEventLog,
  checkKeyAttributes,
  checkKeyName,
  checkMagic,
  checkPcrValues,
  checkSameSession,
  checkStatementType,
  checkTpmSignature,
} from './checks.js'
import { decodeTpmBundle, type TpmAttestationKey, type TpmCertified, type TpmEvidence } from './evidence.js'
import { describeSelections, measurementsOfPcrs, registersIn } from './pcr.js'

/** A TPM 2.0, by quotes over its PCRs and the certification of a key. What it says is believed by the key that is
 *  registered for its attestation key's name, or by the certificate that comes along. */
export const tpmPlatform: Platform<TpmEvidence> = {
  kind: 'tpm',
  profile: undefined,
  isSimulated: false,
  policyTerms: {
    requiredMeasurements: [],
    complaintAbout: complaintAboutNames,
    maySignWithSha1: true,
    lifecycles: [],
    claims: ['ak-name', 'firmware-version', 'tpm-manufacturer', 'tpm-model', 'tpm-version'],
  },
  passingClaims: ['clock', 'key-name'],
  decode: decodeTpmBundle,

  checkOrigin(evidence, inputs) {
    const { findings, key, signer, isSimulated, claims } = keyOf(evidence.attestationKey, inputs)
    if (!key) return { findings, isSimulated }
    const { quotes, certified } = evidence
    return {
      findings: [
        ...findings,
        ...quotes.flatMap(quote => [
          checkTpmSignature(quote, key, signer),
          checkMagic(quote.attest),
          checkStatementType(quote.attest, 'quote'),
        ]),
        ...(certified ? checkCertified(certified, key, signer) : []),
        ...(quotes.length + (certified ? 1 : 0) > 1
          ? [checkSameSession([...quotes, ...(certified ? [certified.statement] : [])])]
          : []),
        ...quotes.flatMap(quote => checkPcrValues(quote, evidence)),
        ...checkEventLog(evidence),
      ],
      isSimulated,
      claims,
    }
  },

  challengeOf: ({ quotes }) => quotes[0]?.attest.extraData ?? new Uint8Array(0),

  factsOf,
}

function checkCertified(certified: TpmCertified, key: PublicKey, signer: string): readonly Finding[] {
  const { statement, publicArea } = certified
  return [
    checkTpmSignature(statement, key, signer, 'kat-signature'),
    checkMagic(statement.attest),
    checkStatementType(statement.attest, 'certify'),
    checkKeyName(certified),
    checkKeyAttributes(publicArea),
  ]
}

interface FoundKey extends Origin {
  /** Null if it is not to be believed. */
  readonly key: PublicKey | null
  /** For people. */
  readonly signer: string
}

/** The attestation key: registered, or certified. @throws MissingEndorsement if it is neither */
function keyOf(attestationKey: TpmAttestationKey, { endorsements, roots, at }: OriginInputs): FoundKey {
  const { id, chain, publicArea } = attestationKey
  const own = publicArea ? [checkAttestationKey(publicArea)] : []
  const signer = `the attestation key ${shortHex(id)}`
  const registered = endorsements.instanceKeys.keyOf('tpm', id)
  if (registered) {
    const findings = [...own, ...checkSameKey(attestationKey, registered, 'endorsements: registered keys')]
    return { findings, key: registered, signer, isSimulated: false }
  }
  if (chain.length === 0) {
    throw new MissingEndorsement(
      `there is no key for the TPM whose attestation key is ${shortHex(id)}, and it brings no certificate`,
      'register the public key of its attestation key, or have it certified',
      { kind: 'tpm-instance-key' },
    )
  }
  const { finding, trusted } = checkOriginChain('tpm', chain, roots.of('tpm'), at)
  const [leaf] = trusted?.path ?? []
  if (!trusted || !leaf) return { findings: [finding, ...own], key: null, signer, isSimulated: false }
  const findings = [
    finding,
    checkPurpose(leaf),
    ...own,
    ...checkSameKey(attestationKey, trusted.publicKey, 'the certificate of the attestation key'),
  ]
  return { findings, key: trusted.publicKey, signer, isSimulated: trusted.isSimulated, claims: makeOf(leaf) }
}

function checkSameKey({ publicArea }: TpmAttestationKey, key: PublicKey, source: string): readonly Finding[] {
  if (!publicArea) return []
  const subject = { name: 'ak-binding', expected: 'the attestation key of the Evidence', source }
  if (publicArea.key && equalBytes(publicArea.key.spki, key.spki))
    return [passed({ ...subject, actual: subject.expected })]
  const remedy = 'send the certificate that belongs to the attestation key'
  return [failed({ ...subject, actual: 'another key' }, remedy, 'instance-identity')]
}

/** tcg-kp-AIKCertificate. Google certifies the attestation keys of its vTPMs as tcg-kp-EKCertificate: such a key signs
 *  too, while a true endorsement key never does. */
const PURPOSES = ['2.23.133.8.3', '2.23.133.8.1']

/** Whether the certificate is one of an attestation key: whoever certifies them certifies other keys as well. */
export function checkPurpose(leaf: Certificate): Finding {
  const purposes = [...(leaf.extendedKeyUsage ?? [])]
  const subject = {
    name: 'ak-certificate',
    expected: `a certificate for ${PURPOSES.join(' or ')}`,
    actual: purposes.length === 0 ? 'one for nothing said' : `one for ${purposes.join(', ')}`,
    source: 'TCG EK Credential Profile',
  }
  if (purposes.some(purpose => PURPOSES.includes(purpose)) && !leaf.basicConstraints?.isCa) return passed(subject)
  return failed(subject, 'have the attestation key certified as such', 'instance-identity')
}

/** Attributes of a TPM's make, in the name that its certificate has as an alternative (TCG EK Credential Profile). */
const MAKE = [
  ['tpm-manufacturer', '2.23.133.2.1'],
  ['tpm-model', '2.23.133.2.2'],
  ['tpm-version', '2.23.133.2.3'],
] as const

function makeOf(leaf: Certificate): Readonly<Record<string, string>> {
  const attributes = leaf.subjectAltNames.directoryNames.flatMap(({ rdns }) => rdns.flat())
  return Object.fromEntries(
    MAKE.flatMap(([name, oid]) => {
      const value = attributes.find(attribute => attribute.type === oid)?.value
      return value === undefined ? [] : [[name, value]]
    }),
  )
}

function factsOf(evidence: TpmEvidence, { claims }: Origin): PlatformFacts {
  const { attestationKey, quotes, certified, values } = evidence
  const measurements = new Map<string, string>()
  for (const { attest } of quotes) {
    if (attest.attested.kind !== 'quote') continue
    const { selections, pcrDigest } = attest.attested
    for (const [name, value] of measurementsOfPcrs(selections, values)) measurements.set(name, value)
    // Of a quote over one register the digest is not that register: it has no name of its own.
    const count = selections.reduce((sum, { registers }) => sum + registers.length, 0)
    if (count > 1) measurements.set(describeSelections(selections), hex(pcrDigest))
  }
  const [first] = quotes
  const hashes = [...quotes, ...(certified ? [certified.statement] : [])].map(({ signature }) => signature.hash)
  return {
    measurements,
    areRegisters: true,
    isDebuggable: false,
    lifecycle: undefined,
    signatureHash: hashes.includes('sha1') ? 'sha1' : hashes[0],
    claims: {
      ...claims,
      'ak-name': hex(attestationKey.id),
      ...(first && {
        'qualified-signer': hex(first.attest.qualifiedSigner),
        'firmware-version': `0x${first.attest.firmwareVersion.toString(16).padStart(16, '0')}`,
        clock: String(first.attest.clock),
        'reset-count': first.attest.resetCount,
        'restart-count': first.attest.restartCount,
      }),
      ...(certified && { 'key-name': hex(certified.publicArea.name) }),
      pcrs: Object.fromEntries(measurements),
    },
  }
}

/** What is wrong with a set of these measurements in a policy; null if nothing is. */
export function complaintAboutNames(names: readonly string[]): string | null {
  const counts = names.map(registersIn)
  const unknown = counts.indexOf(undefined)
  if (unknown >= 0) {
    return `names "${names[unknown]}", where the PCRs of a TPM are written as "sha256:7", a digest over several as "sha256:0,2,7"`
  }
  const total = counts.reduce((sum: number, count) => sum + (count ?? 0), 0)
  return total >= FEWEST_REGISTERS ? null : 'pins a single register, which says too little about what runs'
}

const FEWEST_REGISTERS = 2
