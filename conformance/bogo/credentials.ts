import { sign } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { SignatureScheme, type SigningKey, signingKey } from 'attested-tls/crypto'
import {
  CertificateType,
  type Credential,
  type CredentialQuery,
  dtls13,
  type ExternalPsk,
  extensionValue,
  importedPsks,
  type Protocol,
  ProtocolError,
  statusRequest,
  tls13,
} from 'attested-tls/handshake'
import { certificatesIn, parseCertificate } from 'attested-tls/x509'
import type { CredentialFlags, Flags } from './flags.js'

/** A credential of the command line. */
interface Candidate {
  /** As `-expect-selected-credential` counts: the default credential is -1. */
  readonly number: number
  readonly credential: Credential
  /** DER names of the issuers of its certificates, if it is only for those who name one of them. */
  readonly issuers: readonly Uint8Array[] | undefined
}

/** Our credentials, and which of them was chosen last. */
export class Credentials {
  readonly #psks: readonly { readonly number: number; readonly psk: ExternalPsk }[]
  readonly #candidates: readonly Candidate[]
  #selected: number | undefined

  /** @param beforeSigning what happens while a signature is waited for */
  constructor(flags: Flags, beforeSigning: () => void = () => {}) {
    const protocol = flags.has('-dtls') ? dtls13 : tls13
    this.#psks = flags.credentials.flatMap((credential, number) =>
      credential.kind === 'psk' ? importedPsksOf(credential, protocol).map(psk => ({ number, psk })) : [],
    )
    const candidates = flags.credentials.map((credential, number) =>
      candidateOf(credential, number, credential.kind, beforeSigning),
    )
    // The default credential is asked last.
    if (flags.has('-key-file')) candidates.push(candidateOf(flags, -1, 'x509', beforeSigning))
    this.#candidates = candidates.filter(candidate => candidate !== undefined)
  }

  /** The number of the credential that was used.
   *  @param pskIdentity the identity of the PSK, if it was one */
  numberOf(pskIdentity: Uint8Array | undefined): number {
    const used = pskIdentity && this.#psks.find(({ psk }) => Buffer.compare(psk.identity, pskIdentity) === 0)
    return used?.number ?? this.#selected ?? -1
  }

  /** The pre-shared keys, imported. */
  get psks(): readonly ExternalPsk[] {
    return this.#psks.map(({ psk }) => psk)
  }

  /** Whether there is nothing else than pre-shared keys. */
  get isPskOnly(): boolean {
    return this.#psks.length > 0 && this.#candidates.length === 0
  }

  /** The certificate types that there are credentials of, in their order. */
  get types(): readonly number[] {
    const types = this.#candidates.map(({ credential }) => credential.certificateType)
    return types.length === 0 ? [CertificateType.X509] : [...new Set(types)]
  }

  /** The first one that the peer takes. */
  readonly choose = (query: CredentialQuery): Credential | null => {
    const chosen = this.#candidates.find(candidate => fits(candidate, query))
    this.#selected = chosen?.number
    // BoringSSL's clients too fail rather than do without a credential that they have.
    if (!chosen && this.#candidates.length > 0) {
      throw new ProtocolError('handshake_failure', whyNone(this.#candidates, query))
    }
    return chosen?.credential ?? null
  }
}

/** BoringSSL's words for what no credential fits. */
function whyNone(candidates: readonly Candidate[], query: CredentialQuery): string {
  const typed = candidates.filter(({ credential }) => credential.certificateType === query.certificateType)
  if (typed.length === 0) return ':UNKNOWN_CERTIFICATE_TYPE:'
  return typed.every(candidate => !isNamed(candidate, query))
    ? ':NO_MATCHING_ISSUER:'
    : ':NO_COMMON_SIGNATURE_ALGORITHMS:'
}

function isNamed({ issuers }: Candidate, query: CredentialQuery): boolean {
  return !issuers || issuers.some(issuer => query.authorities.some(name => Buffer.compare(issuer, name) === 0))
}

function fits(candidate: Candidate, query: CredentialQuery): boolean {
  const { credential } = candidate
  return (
    credential.certificateType === query.certificateType &&
    credential.key.schemes.some(scheme => query.signatureSchemes.includes(scheme)) &&
    isNamed(candidate, query)
  )
}

function candidateOf(
  flags: Flags | CredentialFlags,
  number: number,
  kind: string,
  beforeSigning: () => void,
): Candidate | undefined {
  if (kind === 'psk') return undefined
  const key = keyOf(flags, beforeSigning)
  if (kind === 'rpk') {
    const entries = [{ data: key.publicKey.spki, extensions: [] }]
    return {
      number,
      credential: { certificateType: CertificateType.RawPublicKey, entries, key },
      issuers: undefined,
    }
  }
  const chain = chainIn(flags.text('-cert-file'))
  if (chain.length === 0) return undefined
  const response = flags.has('-decline-ocsp-callback') ? undefined : flags.bytes('-ocsp-response')
  const entries = chain.map((data, i) => ({
    data,
    extensions: i === 0 && response ? [extensionValue(statusRequest.certificate, { statusType: 1, response })] : [],
  }))
  return {
    number,
    credential: { certificateType: CertificateType.X509, entries, key },
    issuers: flags.has('-must-match-issuer') ? chain.map(der => parseCertificate(der).issuer.der) : undefined,
  }
}

function importedPsksOf(flags: CredentialFlags, protocol: Protocol): readonly ExternalPsk[] {
  const psk = {
    identity: flags.bytes('-psk-importer-identity') ?? new Uint8Array(0),
    key: flags.bytes('-psk-importer-key') ?? new Uint8Array(0),
    hash: flags.has('-psk-importer-sha384') ? ('sha384' as const) : ('sha256' as const),
    context: flags.bytes('-psk-importer-context') ?? new Uint8Array(0),
  }
  return importedPsks(psk, protocol)
}

/** The certificates in a PEM file, as DER; none if there is no file. */
export function chainIn(file: string | undefined): readonly Uint8Array[] {
  return file === undefined ? [] : certificatesIn(readFileSync(file, 'latin1'))
}

/** The key of a credential. It answers late where the test wants to see it wait. */
function keyOf(flags: Flags, beforeSigning: () => void): SigningKey {
  const pem = readFileSync(flags.text('-key-file') ?? '', 'latin1')
  const key = signingKey(pem)
  const schemes = flags.numbers('-signing-prefs') ?? key.schemes
  const isLegacy = (scheme: number) =>
    scheme === SignatureScheme.rsa_pkcs1_sha256_legacy && key.publicKey.kind === 'rsa'
  return {
    publicKey: key.publicKey,
    schemes: schemes.filter(scheme => key.schemes.includes(scheme) || isLegacy(scheme)),
    sign: async (scheme, data) => {
      await undefined
      beforeSigning()
      return isLegacy(scheme) ? sign('sha256', data, pem) : key.sign(scheme, data)
    },
  }
}
