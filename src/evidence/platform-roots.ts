import { concat, hex } from '../bytes/index.js'
import { hash, type PublicKey } from '../crypto/index.js'
import { type Certificate, checkChain, describeName, TrustAnchors } from '../x509/index.js'
import { isSimulatedName } from './simulated/mark.js'

/** A certificate chain that leads to a trusted root. */
export interface TrustedChain {
  /** The key of the first certificate, which signs the reports. */
  readonly publicKey: PublicKey
  readonly subject: string
  readonly root: string
  /** Whether a certificate in it says that it belongs to a simulated platform. */
  readonly isSimulated: boolean
}

/** The roots that platforms are believed under: RFC 9334's Trust Anchors for Endorsements. Verdicts about chains are
 *  kept, because a platform sends the same chain with every report; the time is compared every time. */
export class PlatformRoots {
  /** A digest over all roots, in any order: lower-case hex. */
  readonly digest: string
  readonly #anchors: TrustAnchors
  readonly #verdicts = new Map<string, Verdict>()

  /** @param certificates roots as PEM text (one or several) or DER
   *  @throws CertificateError if one of them cannot be read */
  constructor(certificates: readonly (string | Uint8Array)[]) {
    this.#anchors = TrustAnchors.from(certificates)
    const fingerprints = this.#anchors.certificates.map(certificate => hex(hash('sha256', certificate.der))).sort()
    this.digest = hex(hash('sha256', new TextEncoder().encode(fingerprints.join())))
  }

  /** Checks a chain, the signer's certificate first.
   *  @param at milliseconds since 1970
   *  @throws CertificateError if it does not lead to a root, or not at that time */
  check(chain: readonly Uint8Array[], at: number): TrustedChain {
    const key = hex(hash('sha256', ...chain.flatMap(certificate => [lengthOf(certificate), certificate])))
    const held = this.#verdicts.get(key)
    if (held && held.notBefore <= at && at <= held.notAfter) return held.chain
    const path = checkChain({ chain, anchors: this.#anchors, at })
    const verdict = verdictOf(path)
    this.#verdicts.delete(key)
    if (this.#verdicts.size >= MOST_VERDICTS) this.#verdicts.delete(oldest(this.#verdicts))
    this.#verdicts.set(key, verdict)
    return verdict.chain
  }
}
