import { EMPTY } from '../bytes/index.js'
import { PublicKey } from '../crypto/index.js'
import { CertificateError, KeyUsage, parseCertificate, type Certificate as X509Certificate } from '../x509/index.js'
import { ProtocolError } from './alert.js'
import type { PeerCheck } from './config.js'
import type { Authentication, Credential, PeerIdentity } from './credential.js'
import { Extensions, type ExtensionTable } from './extension-table.js'
import { CertificateType, statusRequest } from './extensions.js'
import { type Step, until } from './machine.js'
import { Certificate, decodeMessage, encodeMessage, HandshakeType, type Message } from './messages.js'
import type { Plug, View } from './plug.js'

/** Our Certificate message; without a credential the empty one of a client (RFC 8446 §4.4.2).
 *  @param asksForOcsp whether the peer takes a staple, which goes only to who asked for it (RFC 8446 §4.4.2.1) */
export function makeCertificate(
  credential: Credential | null,
  certificateRequestContext: Uint8Array,
  asksForOcsp: boolean,
): Uint8Array {
  return encodeMessage(HandshakeType.certificate, Certificate, {
    certificateRequestContext,
    certificateList: (credential?.entries ?? []).map(({ data, extensions }) => ({
      data,
      extensions: extensions.filter(({ type }) => asksForOcsp || type !== statusRequest.row.type),
    })),
  })
}

/** Reads the peer's Certificate message.
 *  @param requested extension types that we sent in what the message answers   @returns null if it is empty */
export function readCertificate(
  table: ExtensionTable,
  message: Message,
  certificateType: number,
  requested: ReadonlySet<number>,
): Authentication | null {
  const { certificateRequestContext, certificateList } = decodeMessage(Certificate, message)
  if (certificateRequestContext.length > 0) {
    throw new ProtocolError('illegal_parameter', 'certificate_request_context is not empty during the handshake')
  }
  if (certificateList.length === 0) return null
  if (certificateType === CertificateType.RawPublicKey && certificateList.length > 1) {
    throw new ProtocolError('bad_certificate', 'there is one raw public key, not a chain of them')
  }
  const entries = certificateList.map(({ data, extensions }) => ({
    data,
    extensions: table.readResponse('certificate', extensions, requested),
  }))
  return { certificateType, entries }
}

/** Decides whether the peer's credential is good and which key its CertificateVerify is checked with: the credential
 *  itself first, then the plug, which may refuse it or bring the key. */
export function* checkAuthentication(
  view: () => View,
  check: PeerCheck,
  plug: Plug | undefined,
  peer: Authentication,
): Step<PeerIdentity> {
  const { certificateType, entries } = peer
  const isOurs = isEngineType(certificateType)
  const own = isOurs ? publicKeyOf(peer) : null
  const authorizationError = isOurs ? yield* complaintOf(check, peer, false) : undefined
  const publicKey = (plug ? yield* plug.examine(view(), peer, own) : null) ?? own
  if (!publicKey) {
    throw new ProtocolError('unsupported_certificate', `certificate type ${certificateType} brings no key`)
  }
  // What a plug brings is its own to keep: for sessions and for people the key says who it is.
  const chain = isOurs ? entries.map(({ data }) => new Uint8Array(data)) : [publicKey.spki]
  const ocspResponse = entries[0]?.extensions.get(statusRequest.certificate)?.response
  return {
    certificateType,
    chain,
    publicKey,
    signatureScheme: undefined,
    ocspResponse: ocspResponse && new Uint8Array(ocspResponse),
    authorizationError,
  }
}

/** The peer of a session that is to be resumed: what its credential was then has to be good today, since a resumption is
 *  not to outlive a certificate or the trust in its issuer.
 *  @returns null if it no longer is; `peer` is undefined if it had no credential */
export function* recheckPeer(
  check: PeerCheck,
  certificateType: number,
  chain: readonly Uint8Array[],
): Step<{ readonly peer: PeerIdentity | undefined } | null> {
  const [first] = chain
  if (!first) return { peer: undefined }
  const entries = chain.map(data => ({ data, extensions: Extensions.none }))
  try {
    if (!isEngineType(certificateType)) {
      // Whether it is still good is for the plug to say, which keeps its own record.
      const publicKey = PublicKey.fromSpki(first)
      return { peer: notShown(certificateType, chain, publicKey, undefined) }
    }
    const authentication = { certificateType, entries }
    const authorizationError = yield* complaintOf(check, authentication, true)
    const publicKey = publicKeyOf(authentication)
    return { peer: notShown(certificateType, chain, publicKey, authorizationError) }
  } catch (error) {
    if (error instanceof CertificateError || error instanceof ProtocolError) return null
    throw error
  }
}

/** Who a peer is that has shown it before, and shows nothing now. */
function notShown(
  certificateType: number,
  chain: readonly Uint8Array[],
  publicKey: PublicKey,
  authorizationError: Error | undefined,
): PeerIdentity {
  return { certificateType, chain, publicKey, signatureScheme: undefined, ocspResponse: undefined, authorizationError }
}

/** Why the credential is not good, if that is only to be reported. @throws what the check throws otherwise */
function* complaintOf(check: PeerCheck, peer: Authentication, isResumption: boolean): Step<Error | undefined> {
  try {
    yield* until(check.check(peer, isResumption) ?? undefined)
    return undefined
  } catch (error) {
    if (!check.isAdvisory || !(error instanceof CertificateError)) throw error
    return error
  }
}

/** Whether the engine knows what a certificate of this type is; the others are a plug's. */
function isEngineType(certificateType: number): boolean {
  return certificateType === CertificateType.X509 || certificateType === CertificateType.RawPublicKey
}

/** The certificate type that a credential is looked for by. One that a plug brings is made of the X.509 credential. */
export function ownCertificateType(certificateType: number): number {
  return certificateType === CertificateType.RawPublicKey ? certificateType : CertificateType.X509
}

/** The key in the first entry, which may sign. @throws CertificateError or ProtocolError if there is none to be had */
function publicKeyOf({ certificateType, entries }: Authentication): PublicKey {
  const data = entries[0]?.data ?? EMPTY
  if (certificateType === CertificateType.X509) {
    const { keyUsage, publicKey } = parseLeaf(data)
    // RFC 8446 §4.4.2.2: "if the Key Usage extension is present, the digitalSignature bit MUST be set".
    if (keyUsage !== undefined && (keyUsage & KeyUsage.digitalSignature) === 0) {
      throw new ProtocolError(
        'unsupported_certificate',
        'the keyUsage of the certificate does not have digitalSignature',
      )
    }
    return publicKey
  }
  try {
    return PublicKey.fromSpki(data)
  } catch (cause) {
    throw new ProtocolError('decode_error', 'the raw public key is no SubjectPublicKeyInfo', { cause })
  }
}

/** @throws ProtocolError decode_error for what is no certificate at all */
function parseLeaf(data: Uint8Array): X509Certificate {
  try {
    return parseCertificate(data)
  } catch (cause) {
    if (!(cause instanceof CertificateError) || cause.code !== 'ERR_X509_MALFORMED') throw cause
    throw new ProtocolError('decode_error', cause.message, { code: cause.code, cause })
  }
}
