import { opaque, struct, uint16, uint24 } from '../bytes/index.js'
import { ProtocolError } from './alert.js'
import type { CommonConfig } from './config.js'
import { decodeMessage, encodeMessage, HandshakeType, type Message } from './messages.js'

/** A way to compress Certificate messages (RFC 8879): each direction for itself. */
export interface CertificateCompression {
  /** CertificateCompressionAlgorithm (RFC 8879 §7.3). */
  readonly algorithm: number
  readonly compress?: (certificate: Uint8Array) => Uint8Array
  /** @param length of what has to come out   @throws Error if it cannot be */
  readonly decompress?: (compressed: Uint8Array, length: number) => Uint8Array
}

/** RFC 8879 §4. */
const CompressedCertificate = struct({
  algorithm: uint16,
  uncompressedLength: uint24,
  compressedCertificateMessage: opaque(1, 0xff_ffff),
})

type Config = Pick<CommonConfig, 'certificateCompression' | 'maxCertificateLength'>

/** The algorithms that we decompress, to be offered to the peer. */
export function acceptedCompressions({ certificateCompression = [] }: Config): number[] {
  return certificateCompression.filter(({ decompress }) => decompress).map(({ algorithm }) => algorithm)
}

/** The types of message that a certificate of the peer may come in. */
export function certificateMessages(config: Config): readonly number[] {
  const { certificate, compressed_certificate } = HandshakeType
  return acceptedCompressions(config).length > 0 ? [certificate, compressed_certificate] : [certificate]
}

/** Our Certificate message, compressed in the first of our ways that the peer takes.
 *  @param accepted the peer's compress_certificate */
export function compressed(
  { certificateCompression = [] }: Config,
  accepted: readonly number[] | undefined,
  certificate: Uint8Array,
): Uint8Array {
  for (const { algorithm, compress } of certificateCompression) {
    if (!compress || !accepted?.includes(algorithm)) continue
    const body = certificate.subarray(4)
    return encodeMessage(HandshakeType.compressed_certificate, CompressedCertificate, {
      algorithm,
      uncompressedLength: body.length,
      compressedCertificateMessage: compress(body),
    })
  }
  return certificate
}

/** The Certificate message in what came, which keeps the bytes that the transcript hashes (RFC 8879 §4).
 *  @throws ProtocolError illegal_parameter for an algorithm that was not offered, bad_certificate for what cannot be
 *  decompressed or is too long */
export function decompressed(config: Config, message: Message): Message {
  if (message.type !== HandshakeType.compressed_certificate) return message
  const { algorithm, uncompressedLength, compressedCertificateMessage } = decodeMessage(CompressedCertificate, message)
  const { decompress } = config.certificateCompression?.find(row => row.algorithm === algorithm) ?? {}
  if (!decompress) {
    throw new ProtocolError('illegal_parameter', 'compressed_certificate has a compression that was not offered')
  }
  // RFC 8879 §5: what is to come out is bounded before anything is.
  if (uncompressedLength > config.maxCertificateLength) {
    throw new ProtocolError(
      'bad_certificate',
      `compressed_certificate would hold ${uncompressedLength} bytes, too many`,
    )
  }
  const body = tryDecompress(decompress, compressedCertificateMessage, uncompressedLength)
  return { type: HandshakeType.certificate, body, raw: message.raw }
}

function tryDecompress(
  decompress: NonNullable<CertificateCompression['decompress']>,
  bytes: Uint8Array,
  length: number,
): Uint8Array {
  let body: Uint8Array
  try {
    body = decompress(bytes, length)
  } catch (cause) {
    throw new ProtocolError('bad_certificate', 'compressed_certificate cannot be decompressed', { cause })
  }
  if (body.length === length) return body
  throw new ProtocolError('bad_certificate', 'compressed_certificate has not the length that it claims')
}
