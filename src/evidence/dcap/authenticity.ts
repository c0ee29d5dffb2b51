import { concat, equalBytes, hex, utf8 } from '../../bytes/index.js'
import { hash, PublicKey } from '../../crypto/index.js'
import { CertificateError, certificatesIn, parseCertificate } from '../../x509/index.js'
import type { EndorsementNeed } from '../endorsements.js'
import { Assertion, type Finding, failed, passed } from '../finding.js'
import type { OriginInputs } from '../format.js'
import { checkOriginChain } from '../origin.js'
import type { PresentedChain, TrustedChain } from '../platform-roots.js'
import { type DcapTee, dcapNeeds, missingItem, pckCaOf } from './endorsements.js'
import { type PckFacts, readPck } from './pck.js'
import { INTEL_QE_VENDOR, isByIntel, isZero, PCK_CHAIN, type Quote } from './quote.js'

/** What is found out about a quote without any collateral. */
export interface Authenticity {
  readonly findings: readonly Finding[]
  /** The chain of the PCK certificate; undefined if it is not to be trusted. */
  readonly chain: TrustedChain | undefined
  /** What the PCK certificate says; undefined like `chain`. */
  readonly pck: PckFacts | undefined
}

/** Which TEE a quote is about. */
export function teeOf(quote: Quote): DcapTee {
  return quote.body.type === 'SGX' ? 'sgx' : 'tdx'
}

/** Checks that a quote was signed on a platform of Intel's, whatever the state of that platform: the chain of its PCK
 *  certificate, the Quoting Enclave's report, the attestation key, the quote. This alone is no reason to trust it.
 *  @throws MissingEndorsement if the PCK chain is neither in the quote nor at hand */
export function checkAuthenticity(quote: Quote, inputs: OriginInputs): Authenticity {
  const findings: Finding[] = [checkVendor(quote)]
  const { finding, chain, pck } = checkPckChain(quote, inputs)
  findings.push(finding)
  if (!chain) return { findings, chain, pck }
  const certified = certifiedKeyOf(quote, chain)
  findings.push(checkQeReport(certified), checkAttestationKey(quote))
  // A signature by a key that nobody vouches for says nothing, right or wrong.
  if (findings.every(({ check }) => check.passed)) findings.push(checkSignature(quote, certified))
  return { findings, chain, pck }
}

function checkVendor(quote: Quote): Finding {
  const subject = {
    name: 'qe-vendor',
    expected: `a Quoting Enclave of Intel (${INTEL_QE_VENDOR.slice(0, 8)}…)`,
    actual: `${hex(quote.qeVendorId).slice(0, 8)}…`,
    source: 'Intel DCAP',
  }
  if (isByIntel(quote)) return passed(subject)
  return failed(subject, 'have the quote made by Intel’s Quoting Enclave', 'hardware', Assertion.unrecognised)
}

interface PckChain {
  readonly finding: Finding
  readonly chain: TrustedChain | undefined
  readonly pck: PckFacts | undefined
}

function checkPckChain(quote: Quote, inputs: OriginInputs): PckChain {
  const tee = teeOf(quote)
  const { finding, trusted } = checkOriginChain(tee, chainOf(quote, inputs), inputs.roots.of(tee), inputs.at)
  const [leaf] = trusted?.path ?? []
  if (!trusted || !leaf) return { finding, chain: undefined, pck: undefined }
  if (!trusted.isExact) {
    const actual = 'certificates beside the chain, or another root in it'
    const subject = {
      ...finding.check,
      expected: 'the PCK certificate, its CA and their root, and nothing else',
      actual,
    }
    const remedy = 'present the chain as Intel issues it: somebody has changed it'
    return { finding: failed(subject, remedy, 'instance-identity'), chain: undefined, pck: undefined }
  }
  try {
    return { finding, chain: trusted, pck: trusted.memory.recall('pck', () => readPck(leaf)) }
  } catch (error) {
    if (!(error instanceof CertificateError)) throw error
    const subject = { ...finding.check, expected: 'the certificate of a PCK', actual: error.message }
    const remedy = 'find out who made this chain: its certificate is none that signs for Quoting Enclaves'
    return { finding: failed(subject, remedy, 'instance-identity'), chain: undefined, pck: undefined }
  }
}

/** The chain that the quote brings along; or the one that is at hand, for quotes that only name their platform. */
function chainOf({ certificationData: { type, data } }: Quote, { endorsements }: OriginInputs): PresentedChain {
  if (type === PCK_CHAIN && isPem(data)) return { pem: data }
  const fetched = endorsements.dcap?.pckChain(data)
  if (fetched) return fetched
  throw missingItem(
    'dcap-pck-chain',
    `the PCK chain is not at hand, and the quote has certification data of type ${type} instead of it`,
  )
}

function isPem(data: Uint8Array): boolean {
  return PEM_BEGINS.every((byte, i) => data[i] === byte)
}

const PEM_BEGINS = utf8('-----BEGIN ')

/** What the PCK vouches for. */
interface CertifiedKey {
  /** Whether it has signed the Quoting Enclave's report. */
  readonly isSigned: boolean
  /** The attestation key of the quote; undefined if it is not on its curve. */
  readonly key: PublicKey | undefined
}

/** A Quoting Enclave makes an attestation key once, and many quotes with it. */
function certifiedKeyOf(quote: Quote, { publicKey, memory }: TrustedChain): CertifiedKey {
  const { qeReportBytes, qeReportSignature, attestationKey } = quote
  const digest = hex(hash('sha256', qeReportBytes, qeReportSignature, attestationKey))
  return memory.recall(`attestation key ${digest}`, () => ({
    isSigned: publicKey.kind === 'p256' && publicKey.verify(ECDSA_P256, qeReportBytes, qeReportSignature),
    key: keyOf(attestationKey),
  }))
}

function checkQeReport({ isSigned }: CertifiedKey): Finding {
  const subject = {
    name: 'qe-report-signature',
    expected: 'the Quoting Enclave’s report, signed by the PCK',
    actual: isSigned ? 'a signature by the PCK' : 'no signature by the PCK',
    source: 'the PCK certificate',
  }
  if (isSigned) return passed(subject)
  return failed(subject, NOT_GENUINE, 'hardware')
}

/** The Quoting Enclave vouches for the attestation key by a digest in its report, in the first half of the data. */
function checkAttestationKey({ attestationKey, qeAuthData, qeReport }: Quote): Finding {
  const digest = hash('sha256', attestationKey, qeAuthData)
  const isVouchedFor =
    equalBytes(qeReport.reportData.subarray(0, 32), digest) && isZero(qeReport.reportData.subarray(32))
  const subject = {
    name: 'attestation-key',
    expected: 'the attestation key that the Quoting Enclave’s report names',
    actual: isVouchedFor ? 'that key' : 'another key',
    source: 'the Quoting Enclave’s report',
  }
  if (isVouchedFor) return passed(subject)
  return failed(subject, NOT_GENUINE, 'hardware')
}

function checkSignature({ signedBytes, signature }: Quote, { key }: CertifiedKey): Finding {
  const isSigned = key?.verify(ECDSA_P256, signedBytes, signature) ?? false
  const subject = {
    name: 'signature',
    expected: 'the quote, signed by the attestation key',
    actual: isSigned ? 'a signature by the attestation key' : 'no signature by the attestation key',
    source: 'the quote',
  }
  if (isSigned) return passed(subject, 'hardware')
  return failed(subject, NOT_GENUINE, 'hardware')
}

const NOT_GENUINE = 'present the quote as the platform made it: this one was altered, or made by something else'
const ECDSA_P256 = { kind: 'ecdsa', hash: 'sha256', encoding: 'raw' } as const

/** @param point X‖Y   @returns undefined if it is not on the curve */
function keyOf(point: Uint8Array): PublicKey | undefined {
  try {
    return PublicKey.fromSpki(concat(P256_SPKI, point))
  } catch {
    return undefined
  }
}

/** SubjectPublicKeyInfo of a P-256 key (RFC 5480 §2), as far as the coordinates. */
const P256_SPKI = Uint8Array.from([
  0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
  0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
])

/** The collateral that a quote asks for, by what its PCK certificate says, which nobody has checked yet. A quote that
 *  names its platform in another way asks for the certificate first. */
export function needsOf(quote: Quote): readonly EndorsementNeed[] {
  const { type, data } = quote.certificationData
  if (type !== PCK_CHAIN || !isPem(data)) return [{ kind: 'dcap-pck-chain', parameters: { platform: hex(data) } }]
  try {
    const [der] = certificatesIn(new TextDecoder('latin1').decode(data))
    if (!der) return []
    const leaf = parseCertificate(der)
    return dcapNeeds(teeOf(quote), readPck(leaf).fmspc, pckCaOf(leaf.issuer))
  } catch (error) {
    // What is wrong with it is said by the appraisal, which no collateral will change.
    if (error instanceof CertificateError) return []
    throw error
  }
}
