import { readFileSync } from 'node:fs'
import { type ConnectOptions, createVerifier, intelCollateral } from 'attested-tls'
import type { AttestationOptions, Draft08Risk } from 'attested-tls/attestation'
import { type Cmw, typeOfCmw, type Verifier } from 'attested-tls/rats'
import { Policy } from 'attested-tls/verifier'
import { UsageError } from './exit-code.js'

/** A profile by its name. */
export type ProfileName = 'hardened' | 'draft08'

/** What both `inspect` and `get` are told. */
export interface PeerOptions {
  readonly policy?: string
  /** `hardened`, unless said. */
  readonly profile?: ProfileName
  readonly acceptDraft08Risks?: readonly Draft08Risk[]
  /** SHA-256 of keys, 32 bytes each. */
  readonly expectKey?: readonly Uint8Array[]
  readonly credential: readonly ('x509' | 'attestation-only')[]
  /** `KIND=FILE` each. */
  readonly root?: readonly string[]
  readonly ca?: string
  readonly servername?: string
  readonly insecure?: boolean
  readonly pcs?: string | true
  readonly certificateEvidence?: number
  readonly trustSimulated?: boolean
  readonly timeout: number
}

/** What came of Evidence on a connection. */
export interface Seen {
  /** Its type and size, as it came. */
  evidence: { readonly type: string; readonly bytes: number } | null
}

/** How to connect as the options say.
 *  @param onlooker a Verifier that lets nobody in, in place of the one that goes by the policy; without either there is no
 *  attestation
 *  @throws UsageError, PolicyError */
export function connectOptionsOf(options: PeerOptions, seen: Seen, onlooker?: Verifier): ConnectOptions {
  const { ca, servername, timeout, insecure, certificateEvidence, profile = 'hardened' } = options
  const verifier = onlooker ?? verifierOf(options)
  return {
    ...(ca !== undefined && { ca: contentOf(ca) }),
    ...(servername !== undefined && { servername }),
    rejectUnauthorized: insecure !== true,
    handshakeTimeout: timeout,
    ...(verifier && {
      attestation: {
        ...(onlooker && profile === 'draft08' ? TRUSTING_NOBODY : trustOf(options)),
        profile,
        verifier: watched(verifier, message => note(seen, message)),
        peerCredentials: options.credential,
        ...(certificateEvidence !== undefined && {
          dangerouslyAcceptCertificateEvidence: { maxAgeSeconds: certificateEvidence },
        }),
      },
    }),
  }
}

function trustOf({ acceptDraft08Risks, expectKey }: PeerOptions): AttestationOptions {
  return {
    ...(acceptDraft08Risks && { acceptDraft08Risks }),
    ...(expectKey && { expectedIdentity: { keyIds: expectKey } }),
    warn: warnOf,
  }
}

/** Who lets nobody in accepts no risk by looking. */
const TRUSTING_NOBODY: AttestationOptions = {
  acceptDraft08Risks: ['relay', 'replay', 'diversion'],
  expectedIdentity: { keyIds: [new Uint8Array(32)] },
  warn: () => {},
}

function verifierOf(options: PeerOptions): Verifier | undefined {
  if (options.policy === undefined) return undefined
  const { pcs } = options
  return createVerifier({
    policy: Policy.parse(contentOf(options.policy), options.policy),
    roots: rootsOf(options.root ?? []),
    dangerouslyTrustSimulatedPlatforms: options.trustSimulated ?? false,
    warn: warnOf,
    ...(pcs !== undefined && { endorsements: intelCollateral({ ...(pcs !== true && { url: pcs }), warn: warnOf }) }),
  })
}

function warnOf(sentence: string): void {
  process.stderr.write(`${sentence}\n`)
}

/** `KIND=FILE`, each with one or more certificates in PEM. */
function rootsOf(given: readonly string[]): Readonly<Record<string, readonly string[]>> {
  const roots: Record<string, string[]> = {}
  for (const text of given) {
    const [, kind = '', file = ''] = /^([\w-]+)=(.+)$/.exec(text) ?? []
    if (kind === '') throw new UsageError(`--root takes KIND=FILE, such as tdx=root.pem, not ${text}`)
    const pem = contentOf(file).match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? []
    if (pem.length === 0) throw new UsageError(`${file} holds no certificate in PEM`)
    roots[kind] = [...(roots[kind] ?? []), ...pem]
  }
  return roots
}

/** The text of a file. @throws UsageError if it cannot be read */
export function contentOf(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    throw new UsageError(`${file} cannot be read: ${cause instanceof Error ? cause.message : 'no reason given'}`)
  }
}

/** The Verifier, with somebody who looks over its shoulder. */
function watched(verifier: Verifier, tell: (message: Cmw) => void): Verifier {
  return {
    identity: verifier.identity,
    evidenceTypes: verifier.evidenceTypes,
    ...(verifier.resultIdentities && { resultIdentities: verifier.resultIdentities }),
    policyDigest: verifier.policyDigest,
    challengeLength: type => verifier.challengeLength(type),
    speaksForKey: type => verifier.speaksForKey?.(type) ?? true,
    checkResults: submission => verifier.checkResults(submission),
    ...(verifier.appraiseCertificate && {
      appraiseCertificate: async submission => (await verifier.appraiseCertificate?.(submission)) ?? null,
    }),
    async newSession(options) {
      const session = await verifier.newSession(options)
      return {
        nonce: session.nonce,
        close: () => session.close?.(),
        appraise(submission) {
          tell(submission.message)
          return session.appraise(submission)
        },
      }
    },
  }
}

function note(seen: Seen, message: Cmw): void {
  seen.evidence = { type: String(typeOfCmw(message)), bytes: sizeOf(message) }
}

function sizeOf(message: Cmw): number {
  if (message.kind === 'record') return message.value.length
  return [...message.entries.values()].reduce((sum, entry) => sum + sizeOf(entry), 0)
}
