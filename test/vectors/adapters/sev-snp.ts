import { equalBytes, hex } from '#src/bytes/index.js'
import { hash } from '#src/crypto/index.js'
import {
  decodeCertificateTable,
  decodeReport,
  type Endorsements,
  type Finding,
  FixedEndorsements,
  lineOfReport,
  RootsByKind,
  type SnpReport,
  snpPlatform,
} from '#src/evidence/index.js'
import { MessageError } from '#src/rats/index.js'
import { type Certificate, CertificateError, describeName, parseCertificate } from '#src/x509/index.js'
import { booleanInput, bytesInput, type Facts, fileOf, type Outcome, type VectorCase } from '../adapter.js'
import { chainReasons } from '../chain-reasons.js'

/** SEV-SNP: a report, the certificate of its key, and what issued that. */
export function sevSnp(vector: VectorCase): Outcome {
  const ask = fileOf(vector, 'ask')
  const vek = fileOf(vector, 'vek')
  const roots = snpRoots(vector)
  if ('outcome' in roots) return roots
  const report = vector.files.get('report')
  if (!report) return chainOnly(vector, roots, vek, ask)
  return snpOutcome(vector, roots, report, bytesInput(vector, 'expected_report_data'))
}

/** The root that a vector trusts, or why it does not trust the one that it brings. */
export function snpRoots(vector: VectorCase): RootsByKind | Outcome {
  const ark = fileOf(vector, 'ark')
  const trusted = bytesInput(vector, 'ark_sha256')
  if (trusted && !equalBytes(trusted, hash('sha256', ark))) {
    return {
      outcome: 'reject',
      reasons: ['untrusted-root', 'ark_is_trust_anchor'],
      sentence: 'the root is not the one that is trusted',
    }
  }
  return new RootsByKind({ 'sev-snp': [ark] })
}

/** The certificates of a vector, whether they belong to its report or not: that is what is found out. */
export function snpEndorsements(vector: VectorCase): Endorsements {
  return {
    instanceKeys: new FixedEndorsements().instanceKeys,
    sevSnp: {
      signingCertificate: () => fileOf(vector, 'vek'),
      issuerCertificate: () => fileOf(vector, 'ask'),
      revocationList: () => undefined,
    },
  }
}

/** Appraises a report as the platform does, with the certificates of the vector. */
export function snpOutcome(
  vector: VectorCase,
  roots: RootsByKind,
  bytes: Uint8Array,
  reportData: Uint8Array | undefined,
): Outcome {
  const vek = fileOf(vector, 'vek')
  const endorsements = snpEndorsements(vector)
  try {
    const evidence = snpPlatform.decode(bytes)
    const { findings } = snpPlatform.checkOrigin(evidence, { roots, endorsements, at: vector.at ?? Number.NaN })
    const facts = { ...factsOf(evidence.report, parseCertificate(vek)), ...auxblobFacts(vector, evidence.report) }
    const broken = findings.filter(({ check }) => !check.passed)
    if (broken.length > 0) {
      return {
        outcome: 'reject',
        reasons: broken.flatMap(snpReasons),
        sentence: broken.map(({ check }) => `${check.name}: ${check.actual}`).join('; '),
        facts,
      }
    }
    if (reportData && !equalBytes(snpPlatform.challengeOf(evidence), reportData)) {
      return {
        outcome: 'reject',
        reasons: ['report-data-mismatch', 'report_data'],
        sentence: 'another challenge',
        facts,
      }
    }
    if (evidence.report.policy.allowsDebug && !booleanInput(vector, 'allow_debug', false)) {
      return { outcome: 'reject', reasons: ['debug', 'not_debug'], sentence: 'debug on', facts }
    }
    return { outcome: 'accept', facts }
  } catch (error) {
    if (error instanceof MessageError) return { outcome: 'reject', reasons: ['malformed'], sentence: error.message }
    if (error instanceof CertificateError) return { outcome: 'reject', reasons: ['chain'], sentence: error.message }
    throw error
  }
}

/** What configfs-tsm gave beside the report. */
function auxblobFacts(vector: VectorCase, report: SnpReport): Facts {
  const auxblob = vector.files.get('auxblob')
  if (!auxblob) return {}
  return {
    auxblob_guids: Object.fromEntries(
      [...decodeCertificateTable(auxblob).entries].map(([guid, { length }]) => [guid, length]),
    ),
    report_data_ascii: new TextDecoder().decode(report.reportData),
  }
}

/** A vector without report: certificates only. */
function chainOnly(vector: VectorCase, roots: RootsByKind, vek: Uint8Array, ask: Uint8Array): Outcome {
  try {
    roots.of('sev-snp').check([vek, ask], vector.at ?? Number.NaN)
  } catch (error) {
    if (!(error instanceof CertificateError)) throw error
    return { outcome: 'reject', reasons: chainReasons(error.code), sentence: error.message }
  }
  const certificate = parseCertificate(vek)
  const { extensions, validity } = vekFacts(certificate)
  const hwid = certificate.extensions.get(`${ARC}.4`)?.value
  return { outcome: 'accept', facts: { chain_valid: true, extensions, validity, hwid: hwid && hex(hwid) } }
}

/** What the vectors call a check of an SEV-SNP report that failed. */
export function snpReasons({ check }: Finding): readonly string[] {
  switch (check.name) {
    case 'signature':
      return ['signature', 'report_sig']
    case 'tcb-binding':
      return ['tcb-mismatch', 'tcb_matches_vek']
    case 'chip-binding':
      return ['chip-id-mismatch', 'chip_id_matches_vek']
    case 'chain':
      return chainReasons(check.code)
    default:
      return [check.name]
  }
}

const ARC = '1.3.6.1.4.1.3704.1'

function factsOf(report: SnpReport, vek: Certificate): Facts {
  return { product: productOf(vek) ?? lineOfReport(report), report: snpReportFacts(report), vek: vekFacts(vek) }
}

/** A report in the words of the vectors. */
export function snpReportFacts(report: SnpReport): Facts {
  const { cpu } = report
  return {
    version: report.version,
    guest_svn: report.guestSvn,
    policy: `0x${report.policy.raw.toString(16)}`,
    family_id: hex(report.familyId),
    image_id: hex(report.imageId),
    vmpl: report.vmpl,
    sig_algo: report.signatureAlgorithm,
    current_tcb: hex(report.currentTcb),
    platform_info: `0x${report.platformInfo.toString(16)}`,
    author_key_en_and_signing_key: `0x${report.signer.toString(16)}`,
    signing_key: report.signingKey,
    report_data: hex(report.reportData),
    measurement: hex(report.measurement),
    host_data: hex(report.hostData),
    id_key_digest: hex(report.idKeyDigest),
    author_key_digest: hex(report.authorKeyDigest),
    report_id: hex(report.reportId),
    report_id_ma: hex(report.reportIdMigrationAgent),
    reported_tcb: hex(report.reportedTcb),
    ...(cpu && { cpuid_fam_id: cpu.family, cpuid_mod_id: cpu.model, cpuid_step: cpu.stepping }),
    chip_id: hex(report.chipId),
    committed_tcb: hex(report.committedTcb),
    current_version: report.currentVersion,
    committed_version: report.committedVersion,
    launch_tcb: hex(report.launchTcb),
    debug_allowed: report.policy.allowsDebug,
  }
}

function vekFacts(vek: Certificate) {
  const own = [...vek.extensions].filter(([oid]) => oid.startsWith(`${ARC}.`))
  return {
    subject: rfc4514(vek.subject),
    issuer: rfc4514(vek.issuer),
    validity: [vek.notBefore, vek.notAfter].map(time => new Date(time).toISOString().replace('.000Z', 'Z')),
    extensions: Object.fromEntries(own.map(([oid, { value }]) => [oid.slice(ARC.length + 1), hex(value)])),
  }
}

/** A name as RFC 4514 writes it: without the spaces that make it easier to read. */
function rfc4514(name: Certificate['subject']): string {
  return describeName(name).replaceAll(', ', ',')
}

function productOf(vek: Certificate): string | undefined {
  const value = vek.extensions.get(`${ARC}.2`)?.value
  return value && new TextDecoder().decode(value.subarray(2)).toLowerCase().split('-')[0]
}

/** The product line of a vector's report, for other formats that carry one. */
export function snpProduct(vector: VectorCase, bytes: Uint8Array): string | undefined {
  return productOf(parseCertificate(fileOf(vector, 'vek'))) ?? lineOfReport(decodeReport(bytes))
}
