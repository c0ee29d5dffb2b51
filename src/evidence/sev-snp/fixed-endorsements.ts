import { hex, utf8 } from '../../bytes/index.js'
import { hash } from '../../crypto/index.js'
import { type Certificate, type Crl, certificatesIn, crlsIn, parseCertificate, parseCrl } from '../../x509/index.js'
import { type EndorsementKey, endorsementKeyOf, isOfChip } from './endorsement-key.js'
import type { SigningCertificateQuery, SnpEndorsements } from './endorsements.js'
import { issuerOf, lineOfRoot, type ProductLine } from './product-line.js'
import { partsOf, tcbVersion } from './tcb-version.js'

/** AMD's certificates and revocation lists, as a person has them. */
export interface FixedSnpEndorsementsOptions {
  /** DER of VCEKs and VLEKs, and of what issues them (ASK, ASVK), in any order. */
  readonly certificates?: readonly Uint8Array[]
  /** DER, by the roots. */
  readonly revocationLists?: readonly Uint8Array[]
}

/** AMD's endorsements that do not change: from an offline bundle, or for guests whose host gives them no certificates. */
export class FixedSnpEndorsements implements SnpEndorsements {
  /** A digest over all of them: lower-case hex. */
  readonly digest: string
  readonly #signers: { readonly der: Uint8Array; readonly key: EndorsementKey }[] = []
  readonly #issuers = new Map<string, Uint8Array>()
  readonly #lists = new Map<ProductLine, Crl>()

  /** @param text certificates and revocation lists in PEM, as the answers of AMD's key distribution service one after the
   *    other; the roots among them are passed over, for they are believed by the Verifier's own only
   *  @throws as the constructor does */
  static fromPem(text: string): FixedSnpEndorsements {
    return new FixedSnpEndorsements({ certificates: certificatesIn(text), revocationLists: crlsIn(text) })
  }

  /** @throws CertificateError or MessageError if one of them cannot be read
   *  @throws TypeError if one of them is by its name none of AMD's, or there are two where one can be used */
  constructor({ certificates = [], revocationLists = [] }: FixedSnpEndorsementsOptions) {
    for (const der of certificates) this.#keep(parseCertificate(der))
    for (const crl of revocationLists.map(parseCrl)) {
      const line = lineOfRoot(crl.issuer)
      if (!line) throw new TypeError('a revocation list is by none of the roots of AMD')
      keepOne(this.#lists, line, crl, 'revocation lists')
    }
    const digests = [...certificates, ...revocationLists].map(der => hex(hash('sha256', der)))
    this.digest = hex(hash('sha256', utf8(digests.sort().join())))
  }

  #keep(certificate: Certificate): void {
    if (lineOfRoot(certificate.subject)) return
    const issuer = issuerOf(certificate.subject)
    if (issuer) keepOne(this.#issuers, `${issuer.kind} ${issuer.line}`, certificate.der, 'issuers')
    else this.#signers.push({ der: certificate.der, key: endorsementKeyOf(certificate) })
  }

  signingCertificate(query: SigningCertificateQuery): Uint8Array | undefined {
    const found = this.#signers.filter(({ key }) => isAskedFor(key, query))
    // Of a chip that is masked nobody could say which of several it is.
    return found.length === 1 ? found[0]?.der : undefined
  }

  issuerCertificate(line: ProductLine, kind: 'VCEK' | 'VLEK'): Uint8Array | undefined {
    return this.#issuers.get(`${kind} ${line}`)
  }

  revocationList(line: ProductLine): Crl | undefined {
    return this.#lists.get(line)
  }
}

function isAskedFor(key: EndorsementKey, { kind, line, chipId, reportedTcb }: SigningCertificateQuery): boolean {
  const reported = tcbVersion(reportedTcb, key.line)
  return (
    key.kind === kind &&
    (line === undefined || line === key.line) &&
    isOfChip(key, chipId) &&
    reported !== null &&
    partsOf(reported).every(([part, level]) => key.levels.get(part) === level)
  )
}

function keepOne<Key, Item>(items: Map<Key, Item>, name: Key, item: Item, what: string): void {
  if (items.has(name)) throw new TypeError(`there are two ${what} for ${String(name)}`)
  items.set(name, item)
}
