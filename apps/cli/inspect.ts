import { once } from 'node:events'
import { checkServerIdentity, type PeerCertificate } from 'node:tls'
import { AttestationError, type AttestationStatus, type AttestedSocket, connect } from 'attested-tls'
import { EvidenceExtension, evidenceInCertificate } from 'attested-tls/evidence'
import { type AttestationResult, typeOfCmw, type Verifier } from 'attested-tls/rats'
import { report } from 'attested-tls/verifier'
import { describeName, parseCertificate } from 'attested-tls/x509'
import { ExitCode, exitCodeOf } from './exit-code.js'
import { listsOfTypes, onlooker } from './onlooker.js'
import { connectOptionsOf, type PeerOptions, type Seen } from './relying-party.js'
import type { Target } from './target.js'

/** What is found out about a peer; the form of `--json`. */
interface Findings {
  readonly host: string
  readonly port: number
  readonly protocol: string | null
  readonly cipher: string | null
  readonly group: string | null
  readonly certificate: CertificateSummary | null
  readonly isAuthorized: boolean
  readonly authorizationError: string | null
  /** What was agreed on, how strongly it is bound, and the verdict; null where no policy was given. */
  readonly attestation: unknown
  readonly evidence: Seen['evidence']
  /** Why there is no connection, or no attestation. */
  readonly error: { readonly code: string; readonly message: string } | null
  readonly exitCode: ExitCode
}

interface CertificateSummary {
  readonly subject: string
  readonly issuer: string
  readonly notBefore: string
  readonly notAfter: string
  readonly fingerprint256: string
  /** Evidence that stands in it; null if there is none. */
  readonly evidence: { readonly extension: string; readonly type: string } | null
}

/** Connects, and tells what the peer shows: its certificate, what was agreed on, and what a policy makes of it. */
export async function inspect(target: Target, options: PeerOptions & { readonly json?: boolean }): Promise<ExitCode> {
  const { socket, ...attempt } = await attempted(target, options)
  const findings = findingsOf(target, options, { socket, ...attempt })
  const { error } = attempt
  const result = error instanceof AttestationError ? error.result : socket.attestation?.peer.result
  socket.destroy()
  if (options.json) process.stdout.write(`${JSON.stringify(findings, null, 2)}\n`)
  else print(findings, socket, result ?? null)
  return findings.exitCode
}

/** What came of connecting. */
interface Attempt {
  readonly socket: AttestedSocket
  /** The certificate, if it came so far. */
  readonly shown: PeerCertificate | undefined
  readonly seen: Seen
  readonly error: unknown
}

/** Connects with the policy. Without one the peer is asked for every type of Evidence that there is, a list at a time, in
 *  one profile after the other, and at last for none. */
async function attempted(target: Target, options: PeerOptions): Promise<Attempt> {
  if (options.policy !== undefined) return attemptedWith(target, options)
  const profiles = options.profile ? [options.profile] : (['hardened', 'draft08'] as const)
  for (const profile of profiles) {
    for (const types of listsOfTypes(profile, options)) {
      const attempt = await attemptedWith(target, { ...options, profile }, onlooker(types))
      const code = codeOf(attempt.error)
      // It does not speak the profile, whatever the types are.
      if (code === 'ERR_ATTESTATION_NEGOTIATION') break
      if (code !== 'ERR_TLS_ALERT_UNSUPPORTED_EVIDENCE') return attempt
    }
  }
  return attemptedWith(target, options)
}

async function attemptedWith(target: Target, options: PeerOptions, verifier?: Verifier): Promise<Attempt> {
  const seen: Seen = { evidence: null }
  const { attestation, ...connectOptions } = connectOptionsOf(options, seen, verifier)
  let shown: PeerCertificate | undefined
  const socket = connect({
    ...connectOptions,
    ...target,
    // Who has signed the certificate, and whether there is attestation, is told, not insisted on: more can be seen so.
    rejectUnauthorized: false,
    ...(attestation && { attestation: { ...attestation, require: 'optional' } }),
    checkServerIdentity: (host, certificate) => {
      shown = certificate
      return checkServerIdentity(host, certificate)
    },
  })
  try {
    await once(socket, 'secureConnect')
    return { socket, shown, seen, error: undefined }
  } catch (error) {
    return { socket, shown, seen, error }
  }
}

function findingsOf({ host, port }: Target, options: PeerOptions, { socket, shown, seen, error }: Attempt): Findings {
  const { evidence } = seen
  const { attestation } = socket
  const key = socket.getEphemeralKeyInfo()
  const complaint = error === undefined ? null : { code: codeOf(error), message: messageOf(error) }
  const raw = socket.getPeerX509Certificate()?.raw ?? shown?.raw
  return {
    host,
    port,
    protocol: socket.getProtocol(),
    cipher: socket.getCipher()?.standardName ?? null,
    group: key && 'name' in key ? String(key.name) : null,
    certificate: raw ? summaryOf(raw) : null,
    isAuthorized: socket.authorized,
    authorizationError: socket.authorizationError ? messageOf(socket.authorizationError) : null,
    attestation: attestation?.toJSON() ?? null,
    evidence,
    error: complaint,
    exitCode: error === undefined ? verdictOf(options, socket) : exitCodeOf(error),
  }
}

function verdictOf({ policy, insecure }: PeerOptions, { authorized, attestation }: AttestedSocket): ExitCode {
  if (!authorized && !insecure && attestation?.peer.negotiated?.credential !== 'attestation-only') {
    return ExitCode.refused
  }
  if (policy === undefined) return ExitCode.notAppraised
  return attestation?.isAttested ? ExitCode.ok : ExitCode.refused
}

function summaryOf(der: Uint8Array): CertificateSummary {
  const certificate = parseCertificate(der)
  return {
    subject: describeName(certificate.subject),
    issuer: describeName(certificate.issuer),
    notBefore: new Date(certificate.notBefore).toISOString(),
    notAfter: new Date(certificate.notAfter).toISOString(),
    fingerprint256: certificate.fingerprint,
    evidence: carriedBy(certificate),
  }
}

function carriedBy(certificate: ReturnType<typeof parseCertificate>): CertificateSummary['evidence'] {
  try {
    const carried = evidenceInCertificate(certificate)
    return carried && { extension: nameOf(carried.extension), type: String(typeOfCmw(carried.message)) }
  } catch (error) {
    return { extension: 'unreadable', type: messageOf(error) }
  }
}

function nameOf(oid: string): string {
  const [name = oid] = Object.entries(EvidenceExtension).find(([, value]) => value === oid) ?? []
  return name
}

function print(findings: Findings, socket: AttestedSocket, result: AttestationResult | null): void {
  for (const [label, value] of linesOf(findings, socket)) {
    process.stdout.write(`${label.padEnd(13)}${printable(value)}\n`)
  }
  const colour = process.stdout.isTTY === true && !process.env.NO_COLOR
  if (result) process.stdout.write(`\n${report(result, { colour })}`)
}

type Line = readonly [label: string, value: string]

function linesOf(findings: Findings, { attestation }: AttestedSocket): readonly Line[] {
  const { host, port, protocol, cipher, group, certificate, evidence, error } = findings
  const lines: Line[] = [['peer', `${host}:${port}`]]
  if (protocol) lines.push(['protocol', [protocol, cipher, group].filter(part => part !== null).join(', ')])
  if (certificate) lines.push(...certificateLines(certificate))
  if (!error)
    lines.push(['trusted', findings.isAuthorized ? 'yes' : `NO: ${findings.authorizationError ?? 'no reason'}`])
  if (attestation) lines.push(...attestationLines(attestation, evidence, error === null))
  else if (!error) lines.push(['attested', 'NO: it has no Evidence of a type that is known here'])
  if (error) lines.push(['error', `${error.message} (${error.code})`])
  return lines
}

function certificateLines({ subject, issuer, notBefore, notAfter, ...others }: CertificateSummary): readonly Line[] {
  const { fingerprint256, evidence } = others
  const lines: Line[] = [
    ['certificate', subject],
    ['', `by ${issuer}`],
    ['', `${notBefore} to ${notAfter}`],
    ['', `SHA-256 ${fingerprint256}`],
  ]
  if (evidence) lines.push(['', `with Evidence in it (${evidence.extension}): ${evidence.type}`])
  return lines
}

function attestationLines(
  { isAttested, bindingLevel, bindingMeaning, profile, peer: { negotiated, carrier, reason } }: AttestationStatus,
  evidence: Seen['evidence'],
  isConnected: boolean,
): readonly Line[] {
  const lines: Line[] = []
  if (negotiated) lines.push(['agreed on', `${negotiated.model}, ${negotiated.credential}, profile ${profile}`])
  if (carrier === 'certificate') lines.push(['agreed on', 'nothing: the Evidence stands in the certificate'])
  if (evidence) lines.push(['Evidence', `${evidence.type}, ${evidence.bytes} bytes`])
  // Where there is no connection, the error says why.
  const why = isConnected && reason ? `: ${reason}` : ''
  lines.push(['attested', isAttested ? 'yes' : `NO${why}`], ['bound', `level ${bindingLevel}, ${bindingMeaning}`])
  return lines
}

/** What a peer wrote, without what would steer the terminal. */
function printable(text: string): string {
  return text.replace(/\p{C}/gu, '?')
}

/** The code of an error, or its name. */
export function codeOf(error: unknown): string {
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') return error.code
  return error instanceof Error ? error.name : 'ERROR'
}

/** What an error says. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
