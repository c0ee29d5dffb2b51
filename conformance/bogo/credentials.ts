import { sign } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { SignatureScheme, type SigningKey, signingKey } from 'attested-tls/crypto'
import {
  CertificateType,
  type Credential,
  type CredentialQuery,
  type CredentialSource,
  extensionValue,
  ProtocolError,
  statusRequest,
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
  readonly #candidates: readonly Candidate[]
  #selected: number | undefined

  constructor(flags: Flags) {
    const candidates = flags.credentials.map((credential, number) => candidateOf(credential, number, credential.kind))
    // The default credential is asked last.
    if (flags.has('-key-file')) candidates.push(candidateOf(flags, -1, 'x509'))
    this.#candidates = candidates.filter(candidate => candidate !== undefined)
  }

  /** The number of the credential that was chosen. */
  get selected(): number | undefined {
    return this.#selected
  }

  /** The certificate types that there are credentials of, in their order. */
  get types(): readonly number[] {
    const types = this.#candidates.map(({ credential }) => credential.certificateType)
    return types.length === 0 ? [CertificateType.X509] : [...new Set(types)]
  }

  /** The first one that the peer takes. */
  readonly choose: CredentialSource = query => {
    const chosen = this.#candidates.find(candidate => fits(candidate, query))
    this.#selected = chosen?.number
    // BoringSSL's clients too fail rather than do without a credential that they have.
    if (!chosen && this.#candidates.length > 0) {
      throw new ProtocolError('handshake_failure', ':NO_COMMON_SIGNATURE_ALGORITHMS:')
    }
    return chosen?.credential ?? null
  }
}

function fits({ credential, issuers }: Candidate, query: CredentialQuery): boolean {
  return (
    credential.certificateType === query.certificateType &&
    credential.key.schemes.some(scheme => query.signatureSchemes.includes(scheme)) &&
    (!issuers || issuers.some(issuer => query.authorities.some(name => Buffer.compare(issuer, name) === 0)))
  )
}

function candidateOf(flags: Flags | CredentialFlags, number: number, kind: string): Candidate | undefined {
  if (kind === 'psk') return undefined
  const key = keyOf(flags)
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
  const response = flags.bytes('-ocsp-response')
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

/** The certificates in a PEM file, as DER; none if there is no file. */
export function chainIn(file: string | undefined): readonly Uint8Array[] {
  return file === undefined ? [] : certificatesIn(readFileSync(file, 'latin1'))
}

/** The key of a credential. It answers late where the test wants to see it wait. */
function keyOf(flags: Flags): SigningKey {
  const pem = readFileSync(flags.text('-key-file') ?? '', 'latin1')
  const key = signingKey(pem)
  const schemes = flags.numbers('-signing-prefs') ?? key.schemes
  const isLegacy = (scheme: number) =>
    scheme === SignatureScheme.rsa_pkcs1_sha256_legacy && key.publicKey.kind === 'rsa'
  return {
    publicKey: key.publicKey,
    schemes: schemes.filter(scheme => key.schemes.includes(scheme) || isLegacy(scheme)),
    sign: async (scheme, data) => (isLegacy(scheme) ? sign('sha256', data, pem) : key.sign(scheme, data)),
  }
}
