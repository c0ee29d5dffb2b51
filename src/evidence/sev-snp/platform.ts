import { hex } from '../../bytes/index.js'
import { MessageError } from '../../rats/index.js'
import { type Certificate, CertificateError, type Crl, describeName, parseCertificate } from '../../x509/index.js'
import { type EndorsementErrorCode, type EndorsementNeed, MissingEndorsement } from '../endorsements.js'
import { Assertion, type Finding, failed, passed } from '../finding.js'
import type { Origin, OriginInputs, Platform } from '../format.js'
import { checkOriginChain } from '../origin.js'
import type { TrustedChain } from '../platform-roots.js'
import type { PlatformFacts } from '../reference-values.js'
import { type CertificateTable, decodeCertificateTable } from './certificate-table.js'
import { type EndorsementKey, endorsementKeyOf, isOfChip } from './endorsement-key.js'
import { issuerNeed, revocationNeed, signerNeed } from './kds.js'
import type { ProductLine } from './product-line.js'
import { decodeReport, lineOfReport, REPORT_LENGTH, type SnpReport } from './report.js'
import { partsOf, tcbParts, tcbVersion } from './tcb-version.js'

/** A report with the certificates that came with it. */
export interface SnpEvidence {
  readonly report: SnpReport
  readonly certificates: CertificateTable
}

/** The TCBs that a report tells, by what stands before the names of their parts: the one that the key is derived for, the
 *  one that the platform cannot go back behind, and the one that the guest was launched on. */
const STANDINGS = [
  ['', 'reportedTcb'],
  ['committed-', 'committedTcb'],
  ['launch-', 'launchTcb'],
] as const

/** AMD SEV-SNP: reports of a guest about its launch, signed by a key of the security processor. A report is followed
 *  by the table of certificates that the host gave with it, if it gave one (the extended guest request). */
export const snpPlatform: Platform<SnpEvidence> = {
  kind: 'sev-snp',
  profile: undefined,
  isSimulated: false,
  policyTerms: {
    requiredMeasurements: ['launch'],
    measurements: ['launch'],
    lifecycles: [],
    versions: [...STANDINGS.flatMap(([prefix]) => tcbParts.map(part => prefix + part)), 'guest-svn'],
    claims: [
      'vmpl',
      'family-id',
      'image-id',
      'host-data',
      'id-key-digest',
      'author-key-digest',
      'report-id',
      'chip-id',
      'product',
      'migration-agent-allowed',
      'smt-allowed',
      'operator',
    ],
  },
  passingClaims: ['report-data'],

  decode(bytes) {
    return {
      report: decodeReport(bytes.subarray(0, REPORT_LENGTH)),
      certificates: decodeCertificateTable(bytes.subarray(REPORT_LENGTH)),
    }
  },

  needs: needsOf,

  checkOrigin(evidence, inputs) {
    const { report } = evidence
    const found = findCertificate(evidence, inputs)
    if ('finding' in found) return { findings: [found.finding], isSimulated: false }
    const { certificate, key } = found
    const chained = checkCertificates(evidence, certificate, key.line, inputs)
    const findings = [...chained.findings, ...checkKey(report, key), checkSignature(report, certificate)]
    return {
      findings,
      isSimulated: chained.chain?.isSimulated ?? false,
      claims: key.operator === undefined ? { product: key.line } : { product: key.line, operator: key.operator },
    }
  },

  challengeOf: ({ report }) => report.reportData,

  factsOf: ({ report }, { claims }) => factsOf(report, claims),
}

/** What the host has not given, and the revocation list. */
function needsOf({ report, certificates }: SnpEvidence): readonly EndorsementNeed[] {
  const { signingKey: kind, chipId, reportedTcb } = report
  const sent = kind === 'VCEK' ? certificates.vcek : certificates.vlek
  const line = lineOfReport(report) ?? (sent && lineOfCertificate(sent))
  const signers = sent ? [] : [signerNeed({ kind, line, chipId, reportedTcb }) ?? []]
  const issuers = line === undefined || certificates.ask ? [] : [issuerNeed(line, kind)]
  return [...signers.flat(), ...issuers, ...(line === undefined ? [] : [revocationNeed(line)])]
}

/** Undefined where it cannot be told: the appraisal will say why. */
function lineOfCertificate(der: Uint8Array): ProductLine | undefined {
  try {
    return endorsementKeyOf(parseCertificate(der)).line
  } catch (error) {
    if (error instanceof CertificateError || error instanceof MessageError) return undefined
    throw error
  }
}

/** The certificate of the key that the report says it was signed with. */
function findCertificate(
  { report, certificates }: SnpEvidence,
  { endorsements }: OriginInputs,
): { readonly certificate: Certificate; readonly key: EndorsementKey } | { readonly finding: Finding } {
  const kind = report.signingKey
  const { chipId, reportedTcb } = report
  const sent = kind === 'VCEK' ? certificates.vcek : certificates.vlek
  const der = sent ?? endorsements.sevSnp?.signingCertificate({ kind, line: lineOfReport(report), chipId, reportedTcb })
  if (!der) {
    throw new MissingEndorsement(
      `there is no ${kind} certificate for the platform of the report`,
      'let the guest send the certificate table of the extended report, or configure a source of VCEK certificates',
      { kind: 'sev-snp-vcek' },
    )
  }
  try {
    const certificate = parseCertificate(der)
    return { certificate, key: endorsementKeyOf(certificate) }
  } catch (error) {
    return {
      finding: failed(
        {
          name: 'certificate',
          expected: `a ${kind} certificate of AMD`,
          actual: error instanceof Error ? error.message : 'one that cannot be read',
          source: sent ? 'the certificate table of the report' : 'endorsements',
        },
        `get the ${kind} certificate of this platform anew from AMD's key distribution service`,
        'hardware',
        Assertion.unrecognised,
      ),
    }
  }
}

/** Chain, validity and revocation up to a root of AMD. */
function checkCertificates(
  { report, certificates }: SnpEvidence,
  certificate: Certificate,
  line: ProductLine,
  inputs: OriginInputs,
): { readonly findings: readonly Finding[]; readonly chain?: TrustedChain } {
  const { roots, endorsements, at } = inputs
  const issuer = certificates.ask ?? endorsements.sevSnp?.issuerCertificate(line, report.signingKey)
  if (!issuer) {
    throw new MissingEndorsement(
      `there is no certificate of what issues ${report.signingKey}s of ${line}`,
      'let the guest send the certificate table of the extended report, or configure the ASK and ASVK of the product line',
      { kind: 'sev-snp-issuer' },
    )
  }
  const { finding, trusted } = checkOriginChain('sev-snp', [certificate.der, issuer], roots.of('sev-snp'), at)
  if (!trusted) return { findings: [finding] }
  return { findings: [finding, ...checkRevocation(trusted, line, inputs)], chain: trusted }
}

/** Whether AMD's root has revoked what issued the key. Where no list is configured, nobody asked. */
function checkRevocation(
  { path }: TrustedChain,
  line: ProductLine,
  { endorsements, roots, at }: OriginInputs,
): readonly Finding[] {
  const crl = endorsements.sevSnp?.revocationList(line)
  const root = path.at(-1)
  if (!crl && endorsements.sevSnp?.asksForRevocation) {
    throw new MissingEndorsement(`the revocation list of ${line} is not at hand`, NEWER_LIST, { kind: 'sev-snp-crl' })
  }
  if (!crl || !root) return []
  const subject = {
    name: 'revocation',
    expected: `a list of ${describeName(root.subject)} that is in force and names no certificate of the chain`,
    source: 'endorsements: sev-snp revocation list',
  }
  const nearest = Math.min(Math.max(at, crl.thisUpdate), crl.nextUpdate ?? Number.POSITIVE_INFINITY)
  try {
    crl.check(root, Math.abs(nearest - at) <= roots.of('sev-snp').leeway ? nearest : at)
  } catch (error) {
    if (!(error instanceof CertificateError)) throw error
    throw new MissingEndorsement(`the revocation list of ${line} cannot be used: ${error.message}`, NEWER_LIST, {
      kind: 'sev-snp-crl',
      code: codeOf(crl, at),
    })
  }
  const revoked = path.find(
    certificate => certificate.issuer.equals(root.subject) && crl.isRevoked(certificate.serialNumber),
  )
  if (!revoked) return [passed({ ...subject, actual: `a list of ${crl.size} certificates, none of them in the chain` })]
  const remedy = 'AMD has revoked what issues the keys of this platform: update its firmware, and get new certificates'
  return [
    failed({ ...subject, actual: `${describeName(revoked.subject)} is revoked` }, remedy, 'instance-identity', 96),
  ]
}

const NEWER_LIST = 'get the revocation list of the product line anew from AMD’s key distribution service'

function codeOf({ thisUpdate, nextUpdate }: Crl, at: number): EndorsementErrorCode {
  if (nextUpdate !== undefined && at > nextUpdate) return 'ERR_ENDORSEMENT_EXPIRED'
  return at < thisUpdate ? 'ERR_ENDORSEMENT_NOT_YET_VALID' : 'ERR_ENDORSEMENT_INVALID'
}

/** The key has to be the one that this platform has at the TCB that it reports: AMD derives it from chip and TCB. */
function checkKey(report: SnpReport, key: EndorsementKey): readonly Finding[] {
  const source = `the extensions of the ${key.kind} certificate`
  const reported = tcbVersion(report.reportedTcb, key.line)
  const line = lineOfReport(report)
  const comparisons = [
    {
      name: 'endorsement-key-kind',
      expected: report.signingKey,
      actual: key.kind,
      holds: key.kind === report.signingKey,
    },
    {
      name: 'product',
      expected: line ?? key.line,
      actual: key.line,
      holds: line === undefined || line === key.line,
    },
    {
      name: 'tcb-binding',
      expected: describeLevels(key.levels),
      actual: reported ? describeLevels(new Map(partsOf(reported))) : `no TCB of ${key.line}`,
      holds: reported !== null && partsOf(reported).every(([part, level]) => key.levels.get(part) === level),
    },
    {
      name: 'chip-binding',
      expected: key.chipId ? short(key.chipId) : 'any chip of the operator',
      actual: report.chipId.every(value => value === 0) ? 'a masked chip' : short(report.chipId),
      holds: isOfChip(key, report.chipId),
    },
  ]
  return comparisons.map(({ holds, ...subject }) =>
    holds
      ? passed({ ...subject, source })
      : failed(
          { ...subject, source },
          'send the certificate that belongs to the chip and the TCB of the report',
          'hardware',
          Assertion.cryptographicFailure,
        ),
  )
}

const ECDSA_P384 = { kind: 'ecdsa', hash: 'sha384', encoding: 'raw' } as const
/** SIGNATURE_ALGO of ECDSA P-384 with SHA-384. */
const SIGNATURE_ALGORITHM = 1

function checkSignature(report: SnpReport, certificate: Certificate): Finding {
  const subject = {
    name: 'signature',
    expected: `ECDSA P-384 by the ${report.signingKey}`,
    source: 'the report',
  }
  if (report.signatureAlgorithm !== SIGNATURE_ALGORITHM) {
    const actual = `signature algorithm ${report.signatureAlgorithm}`
    return failed({ ...subject, actual }, 'a report is signed with algorithm 1', 'hardware')
  }
  const { publicKey } = certificate
  if (publicKey.kind === 'p384' && publicKey.verify(ECDSA_P384, report.signed, report.signature)) {
    return passed({ ...subject, actual: 'a signature that holds' }, 'hardware')
  }
  return failed(
    { ...subject, actual: 'a signature that does not hold' },
    'the report was changed on its way, or does not belong to this certificate: send report and certificate of one platform',
    'hardware',
  )
}

function factsOf(report: SnpReport, certified: Origin['claims']): PlatformFacts {
  // Where the report does not tell the line it is not Turin, and the lines before have one layout.
  const line = lineOfReport(report) ?? 'genoa'
  const levels = STANDINGS.flatMap(([prefix, member]) => {
    const tcb = tcbVersion(report[member], line)
    return tcb ? partsOf(tcb).map(([part, level]) => [prefix + part, level] as const) : []
  })
  return {
    measurements: new Map([['launch', hex(report.measurement)]]),
    isDebuggable: report.policy.allowsDebug,
    lifecycle: undefined,
    versions: new Map<string, number>([...levels, ['guest-svn', report.guestSvn]]),
    claims: {
      ...certified,
      version: report.version,
      vmpl: report.vmpl,
      measurement: hex(report.measurement),
      'report-data': hex(report.reportData),
      'family-id': hex(report.familyId),
      'image-id': hex(report.imageId),
      'host-data': hex(report.hostData),
      'id-key-digest': hex(report.idKeyDigest),
      'author-key-digest': hex(report.authorKeyDigest),
      'report-id': hex(report.reportId),
      'chip-id': hex(report.chipId),
      policy: `0x${report.policy.raw.toString(16)}`,
      'migration-agent-allowed': report.policy.allowsMigrationAgent,
      'smt-allowed': report.policy.allowsSmt,
      'platform-info': `0x${report.platformInfo.toString(16)}`,
      'reported-tcb': hex(report.reportedTcb),
      'committed-tcb': hex(report.committedTcb),
      'launch-tcb': hex(report.launchTcb),
      'current-tcb': hex(report.currentTcb),
      firmware: report.currentVersion,
    },
  }
}

function describeLevels(levels: ReadonlyMap<string, number>): string {
  return [...levels].map(([part, level]) => `${part} ${level}`).join(', ')
}

function short(bytes: Uint8Array): string {
  return `chip ${hex(bytes.subarray(0, 4))}…`
}
