import { equalBytes } from '../bytes/index.js'
import {
  type Certificate,
  CertificateError,
  type Crl,
  checkChain,
  checkHost,
  type TrustAnchors,
} from '../x509/index.js'
import { ProtocolError } from './alert.js'
import type { PeerCheck } from './config.js'
import type { Authentication } from './credential.js'
import { CertificateType } from './extensions.js'

/** What a peer's credential has to be. */
export interface PeerCheckOptions {
  readonly anchors: TrustAnchors
  readonly purpose: 'serverAuth' | 'clientAuth'
  /** The name or IP address that the certificate has to be for (RFC 9525); undefined: any. */
  readonly name: string | undefined
  /** ms since 1970. */
  readonly now: () => number
  /** SignatureScheme code points that certificates may be signed with. */
  readonly certificateSchemes: readonly number[]
  /** SubjectPublicKeyInfos (DER) that are taken as raw public keys (RFC 7250); none: raw public keys are not taken. */
  readonly rawPublicKeys?: readonly Uint8Array[]
  /** Revocation lists; undefined: revocation is not checked. If given, each issuer of the path needs one in force. */
  readonly crls?: readonly Crl[] | undefined
  /** Whether a failed check is reported instead of refused. */
  readonly isAdvisory?: boolean
  /** A further check of the path, end entity first; throws to refuse. It stands for the name check if there is one. */
  readonly checkIdentity?: (path: readonly Certificate[]) => void
}

/** Checks X.509 chains (RFC 5280 §6, RFC 9525) and pinned raw public keys. */
export function peerCheck(options: PeerCheckOptions): PeerCheck {
  const rawPublicKeys = options.rawPublicKeys ?? []
  return {
    // Who pins raw public keys prefers them.
    certificateTypes:
      rawPublicKeys.length > 0 ? [CertificateType.RawPublicKey, CertificateType.X509] : [CertificateType.X509],
    isAdvisory: options.isAdvisory ?? false,
    check(peer) {
      if (peer.certificateType === CertificateType.RawPublicKey) checkRawPublicKey(peer, rawPublicKeys)
      else checkCertificates(peer, options)
    },
  }
}

function checkRawPublicKey({ entries }: Authentication, accepted: readonly Uint8Array[]): void {
  const key = entries[0]?.data
  if (!key || !accepted.some(candidate => equalBytes(candidate, key))) {
    throw new ProtocolError('certificate_unknown', 'the raw public key of the peer is none of those configured', {
      code: 'ERR_TLS_RAW_PUBLIC_KEY_UNKNOWN',
    })
  }
}

function checkCertificates({ entries }: Authentication, options: PeerCheckOptions): void {
  const path = checkChain({
    chain: entries.map(({ data }) => data),
    anchors: options.anchors,
    at: options.now(),
    purpose: options.purpose,
    signatureSchemes: options.certificateSchemes,
    crls: options.crls,
  })
  const [leaf] = path
  if (!leaf) throw new CertificateError('ERR_X509_MALFORMED', 'bad_certificate', 'the chain is empty')
  if (options.checkIdentity) options.checkIdentity(path)
  else if (options.name !== undefined) checkHost(leaf, options.name)
}
