import { fingerprint } from '../crypto/index.js'
import { type Certificate, readCertificate } from './certificate.js'

/** Reads a certificate, or finds it among those read lately: peers show the same ones again and again. What is found
 *  keeps its imported key and the signatures that were checked; dates and names are compared anew each time.
 *  @param der copied   @throws CertificateError if it is not a certificate in strict DER, or longer than 64 KiB */
export function parseCertificate(der: Uint8Array): Certificate {
  const key = fingerprint(der)
  const held = cache.get(key)
  if (held) {
    // Deleted and set again it is the youngest.
    cache.delete(key)
    cache.set(key, held)
    return held
  }
  const certificate = readCertificate(der)
  cache.set(key, certificate)
  bytes += certificate.der.length
  for (const [oldest, { der }] of cache) {
    if (cache.size <= MOST_CERTIFICATES && bytes <= MOST_BYTES) break
    cache.delete(oldest)
    bytes -= der.length
  }
  return certificate
}

/** The one state of this room. It changes how long an answer takes, and never which it is. */
const cache = new Map<string, Certificate>()
let bytes = 0
const MOST_CERTIFICATES = 1024
const MOST_BYTES = 4 * 1024 * 1024
