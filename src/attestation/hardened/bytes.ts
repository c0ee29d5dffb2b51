import {
  checked,
  concat,
  encode,
  fixed,
  opaque,
  struct,
  type TypeOf,
  uint8,
  uint16,
  uint32,
  utf8,
} from '../../bytes/index.js'
import { type HashName, hash, MacKey } from '../../crypto/index.js'

/*
 * What the profile `hardened` (ATLS-H1) puts under signatures and MACs, byte for byte. Each of these values is made by
 * both ends from their own state; nothing in them is read off the wire of the message that they protect.
 *
 *   RD0     inside the Evidence of the handshake
 *   CTX     what an attestation after the handshake is about, and the context of both exporters
 *   RD      inside the Evidence after the handshake
 *   ACCEPT  the Relying Party's word that it has accepted RD
 */

/** Which side attests. */
export const AttesterRole = { client: 0, server: 1 } as const
/** What an attestation after the handshake is: the first one, or a renewal. */
export const Phase = { first: 1, renewal: 2 } as const

/** What RD0 is made of. */
export const HandshakeBinding = struct({
  attesterRole: uint8,
  credentialKind: uint8,
  cipherSuite: uint16,
  group: uint16,
  nonce: opaque(0, 0xff),
  /** TLS-Handshake-Exporter("attestation-binder", nonce, 32). */
  handshakeBinder: opaque(0, 0xff),
  /** SubjectPublicKeyInfo of the key that CertificateVerify is checked with. */
  spki: opaque(0, 0xffff),
  /** EvidenceType as it stands on the wire. */
  evidenceType: opaque(0, 0xffff),
})
export type HandshakeBinding = TypeOf<typeof HandshakeBinding>

/** RD0: the challenge of the Evidence in the handshake.
 *  @returns 64 bytes */
export function handshakeReportData(binding: HandshakeBinding): Uint8Array {
  return hash('sha512', RD0_DOMAIN, encode(HandshakeBinding, binding))
}
const RD0_DOMAIN = utf8('ATLS-H1/0\0')

const CONTEXT_DOMAIN = utf8('ATLS-H1/1')
const Digest = opaque(32, 64)
/** A digest, or nothing where there is no key to take one of. */
const OptionalDigest = checked(
  opaque(0, 64),
  digest => digest.length === 0 || digest.length >= 32,
  'a digest has 32 to 64 bytes',
)

/** What an attestation after the handshake is about. */
const Fields = struct({
  attesterRole: uint8,
  phase: uint8,
  /** 0x0304 for TLS, 0xFEFC for DTLS. */
  version: uint16,
  cipherSuite: uint16,
  group: uint16,
  seq: uint32,
  /** Hash of the authenticator request, header included. */
  requestHash: Digest,
  /** Transcript-Hash(ClientHello...client Finished). */
  transcriptHash: Digest,
  /** Hash of the SubjectPublicKeyInfo that the attester authenticated the handshake with; empty if with none. */
  tlsSpki: OptionalDigest,
  /** Hash of the SubjectPublicKeyInfo of the authenticator's key. */
  aikSpki: Digest,
  /** As `tlsSpki`, of the Relying Party. */
  relyingPartySpki: OptionalDigest,
  /** server_name as it was sent; empty if it was not. */
  serverName: opaque(0, 0xff),
  /** EvidenceType as it stands on the wire. */
  evidenceType: checked(opaque(0, 0xffff), type => type.length <= 1024, 'an EvidenceType has at most 1024 bytes'),
  /** RD of the last attestation that was accepted in this direction: RD0 for the first one, zeros without it. */
  previous: fixed(64),
})
/** The fields of CTX. */
export type AttestationContext = TypeOf<typeof Fields>
const DomainSeparatedFields = struct({ domain: opaque(0, 0xff), fields: Fields })

/** CTX. @throws RangeError if a field is longer than it may be */
export function attestationContext(fields: AttestationContext): Uint8Array {
  if (fields.evidenceType.length > 1024) throw new RangeError('an EvidenceType has at most 1024 bytes')
  return encode(DomainSeparatedFields, { domain: CONTEXT_DOMAIN, fields })
}

/** Label of EKM, the exported secret under an RD: 32 bytes with CTX as context. One for each role, so that no side can
 *  be shown its own Evidence. */
export const EXPORTER_LABELS = {
  client: 'EXPORTER-ATLS-H1 client attester',
  server: 'EXPORTER-ATLS-H1 server attester',
} as const

/** RD: the challenge of the Evidence after the handshake.
 *  @param context CTX   @param exported EKM, 32 bytes   @returns 64 bytes */
export function reportData(context: Uint8Array, exported: Uint8Array): Uint8Array {
  return hash('sha512', RD_DOMAIN, encode(opaque(0, 0xffff), context), exported)
}
const RD_DOMAIN = utf8('ATLS-H1 report_data\0')

/** Label of the key of ACCEPT: Hash.length bytes with CTX as context. */
export const ACCEPT_LABEL = 'EXPORTER-ATLS-H1 accept'

/** ACCEPT: the Relying Party has accepted `rd`.
 *  @param key exported under `ACCEPT_LABEL`   @returns Hash.length bytes */
export function acceptance(name: HashName, key: Uint8Array, seq: number, rd: Uint8Array): Uint8Array {
  return new MacKey(name, key).mac(concat(encode(uint32, seq), rd))
}

/** certificate_request_context of a request: never the same twice on one connection, nor on two. */
export const RequestContext = struct({
  version: checked(uint8, version => version === 1, 'certificate_request_context is of another version'),
  seq: uint32,
  random: fixed(32),
  verifierNonce: {
    read: r => r.rest(),
    write: (w, nonce: Uint8Array) => w.bytes(nonce),
  },
})
export type RequestContext = TypeOf<typeof RequestContext>
/** The most that a Verifier's nonce may have in a `RequestContext`, in bytes. */
export const MAX_VERIFIER_NONCE = 200
