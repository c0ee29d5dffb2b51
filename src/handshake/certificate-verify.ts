import { utf8 } from '../bytes/index.js'
import { type PublicKey, type SigningKey, schemeRow } from '../crypto/index.js'
import { ProtocolError } from './alert.js'
import { type Step, until } from './machine.js'
import { CertificateVerify, decodeMessage, encodeMessage, HandshakeType, type Message } from './messages.js'
import { chooseScheme } from './negotiate.js'

/** What a CertificateVerify is for: the handshake of a side, or an exported authenticator (RFC 9261 §5.2.2). */
export type SignaturePurpose = 'client' | 'server' | 'authenticator'

/** What CertificateVerify signs (RFC 8446 §4.4.3): 64 spaces, the context, a zero byte, the transcript hash. */
export function signedContent(purpose: SignaturePurpose, transcriptHash: Uint8Array): Uint8Array {
  const prefix = PREFIXES[purpose]
  const content = new Uint8Array(prefix.length + transcriptHash.length)
  content.set(prefix)
  content.set(transcriptHash, prefix.length)
  return content
}

const PREFIXES = {
  client: utf8(`${' '.repeat(64)}TLS 1.3, client CertificateVerify\0`),
  server: utf8(`${' '.repeat(64)}TLS 1.3, server CertificateVerify\0`),
  authenticator: utf8(`${' '.repeat(64)}Exported Authenticator\0`),
}

/** Our CertificateVerify. @param peerSchemes the peer's signature_algorithms */
export function* makeCertificateVerify(
  purpose: SignaturePurpose,
  key: SigningKey,
  peerSchemes: readonly number[],
  transcriptHash: Uint8Array,
  carrier: { readonly signal: AbortSignal },
): Step<Uint8Array> {
  const schemes =
    purpose === 'client' ? key.schemes : key.schemes.filter(scheme => !schemeRow(scheme)?.isForClientsOnly)
  const algorithm = chooseScheme(schemes, peerSchemes)
  const content = signedContent(purpose, transcriptHash)
  const signature = yield* until(
    key.isLocal ? key.sign(algorithm, content) : key.sign(algorithm, content, carrier.signal),
  )
  return encodeMessage(HandshakeType.certificate_verify, CertificateVerify, { algorithm, signature })
}

/** Checks the peer's CertificateVerify.
 *  @param ownSchemes our signature_algorithms   @returns the scheme that it uses
 *  @throws ProtocolError illegal_parameter or decrypt_error */
export function checkCertificateVerify(
  message: Message,
  purpose: SignaturePurpose,
  key: PublicKey,
  ownSchemes: readonly number[],
  transcriptHash: Uint8Array,
): number {
  const { algorithm, signature } = decodeMessage(CertificateVerify, message)
  const row = schemeRow(algorithm)
  const isExcluded = row?.isForCertificatesOnly || (row?.isForClientsOnly && purpose !== 'client')
  if (!row || isExcluded || !ownSchemes.includes(algorithm)) {
    throw new ProtocolError('illegal_parameter', 'certificate_verify uses a signature scheme that was not offered')
  }
  if (row.keyKind !== key.kind) {
    throw new ProtocolError('illegal_parameter', `certificate_verify uses ${row.name}, which is not for this key`)
  }
  if (!key.verify(row.algorithm, signedContent(purpose, transcriptHash), signature)) {
    throw new ProtocolError('decrypt_error', 'the signature of certificate_verify is wrong')
  }
  return algorithm
}
