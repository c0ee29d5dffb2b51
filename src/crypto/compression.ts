import { brotliCompressSync, brotliDecompressSync, deflateSync, inflateSync } from 'node:zlib'

/** zlib(1) for certificates (RFC 8879 §7.3). */
export const zlibCompression = {
  algorithm: 1,
  compress: (certificate: Uint8Array): Uint8Array => deflateSync(certificate),
  decompress: (compressed: Uint8Array, length: number): Uint8Array =>
    inflateSync(compressed, { maxOutputLength: Math.max(1, length) }),
}

/** brotli(2) for certificates (RFC 8879 §7.3). */
export const brotliCompression = {
  algorithm: 2,
  compress: (certificate: Uint8Array): Uint8Array => brotliCompressSync(certificate),
  decompress: (compressed: Uint8Array, length: number): Uint8Array =>
    brotliDecompressSync(compressed, { maxOutputLength: Math.max(1, length) }),
}
