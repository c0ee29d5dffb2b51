import { concat, equalBytes, hex } from '#src/bytes/index.js'
import { decodeNvidiaReport, nvidiaGpuPlatform, RootsByKind } from '#src/evidence/index.js'
import { MessageError } from '#src/rats/index.js'
import { CertificateError, certificatesIn, parseCertificate } from '#src/x509/index.js'
import { bytesInput, type Facts, fileOf, type Outcome, type VectorCase } from '../adapter.js'
import { chainReasons } from '../chain-reasons.js'
import { rfc4514 } from '../names.js'

/** A report of a GPU or NVSwitch, and the chain of its key. */
export function nvidiaGpu(vector: VectorCase): Outcome {
  const report = fileOf(vector, 'report')
  const chain = fileOf(vector, 'cert_chain')
  try {
    const { rest } = decodeNvidiaReport(report)
    if (rest.length > 0) return unsigned(`${rest.length} bytes follow the report`)
    const evidence = nvidiaGpuPlatform.decode(concat(report, chain))
    const { findings } = nvidiaGpuPlatform.checkOrigin(evidence, {
      roots: new RootsByKind({ 'nvidia-gpu': [fileOf(vector, 'root')] }),
      endorsements: { instanceKeys: { keyOf: () => undefined } },
      at: vector.at ?? Number.NaN,
    })
    const facts: Facts = {
      spdm_version: evidence.report.version,
      nonce: hex(evidence.report.nonce),
      chain: subjectsIn(chain),
      report_len: report.length,
    }
    const broken = findings.filter(({ check }) => !check.passed)
    if (broken.length > 0) {
      return {
        outcome: 'reject',
        reasons: broken.flatMap(({ check }) => reasonsOf(check.name, check.code)),
        sentence: broken.map(({ check }) => `${check.name}: ${check.actual}`).join('; '),
        facts,
      }
    }
    const nonce = bytesInput(vector, 'expected_nonce')
    if (nonce && !equalBytes(nvidiaGpuPlatform.challengeOf(evidence), nonce)) {
      return { outcome: 'reject', reasons: ['nonce-mismatch', 'nonce'], sentence: 'another nonce' }
    }
    return { outcome: 'accept', facts }
  } catch (error) {
    // Of the certificates only the root is read without the platform, which tells of the others as a check that failed.
    if (error instanceof CertificateError) {
      return { outcome: 'reject', reasons: ['untrusted-root', ...chainReasons(error.code)], sentence: error.message }
    }
    if (!(error instanceof MessageError)) throw error
    return { outcome: 'reject', reasons: ['malformed', 'spdm_request'], sentence: error.message }
  }
}

/** Bytes that came as a part of the report, and are under no signature. */
function unsigned(sentence: string): Outcome {
  return { outcome: 'reject', reasons: ['malformed', 'signature', 'sig'], sentence }
}

function reasonsOf(name: string, code: string | undefined): readonly string[] {
  if (name === 'chain') return chainReasons(code)
  return name === 'signature' ? ['signature', 'sig'] : [name]
}

function subjectsIn(chain: Uint8Array): readonly string[] {
  try {
    return certificatesIn(Buffer.from(chain).toString('latin1')).map(der => rfc4514(parseCertificate(der).subject))
  } catch (error) {
    if (error instanceof CertificateError) return []
    throw error
  }
}
