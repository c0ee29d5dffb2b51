import { type Certificate, readCertificate } from './certificate.js'
import { refusal } from './certificate-error.js'
import { Tag } from './der.js'
import { latin1, type Name } from './name.js'
import { certificatesIn } from './pem.js'

/** The certificates that chains may end in: roots, or certificates that are trusted as they are. */
export class TrustAnchors {
  readonly certificates: readonly Certificate[]
  readonly #bySubject = new Map<string, Certificate[]>()
  readonly #fingerprints = new Set<string>()

  private constructor(certificates: readonly Certificate[]) {
    this.certificates = certificates
    for (const certificate of certificates) {
      this.#fingerprints.add(certificate.fingerprint)
      const list = this.#bySubject.get(certificate.subject.key)
      if (list) list.push(certificate)
      else this.#bySubject.set(certificate.subject.key, [certificate])
    }
  }

  /** @param certificates each one in DER, or PEM with one or several, as text or as bytes
   *  @throws CertificateError if one of them cannot be read, or a text has none */
  static from(certificates: readonly (string | Uint8Array)[]): TrustAnchors {
    const found = new Map<string, Certificate>()
    for (const source of certificates) {
      const ders = dersOf(source)
      if (ders.length === 0) throw refusal('ERR_X509_MALFORMED', 'a text that should have certificates in PEM has none')
      for (const der of ders) {
        const certificate = readCertificate(der)
        found.set(certificate.fingerprint, certificate)
      }
    }
    return new TrustAnchors([...found.values()])
  }

  /** Whether this very certificate is an anchor. */
  has(certificate: Certificate): boolean {
    return this.#fingerprints.has(certificate.fingerprint)
  }

  /** The anchors of this subject. */
  named(subject: Name): readonly Certificate[] {
    return this.#bySubject.get(subject.key) ?? []
  }
}

/** DER begins with the tag of a SEQUENCE, PEM (RFC 7468) with dashes or with words about what follows. */
function dersOf(source: string | Uint8Array): readonly Uint8Array[] {
  if (typeof source === 'string') return certificatesIn(source)
  return source[0] === Tag.sequence ? [source] : certificatesIn(latin1(source))
}
