import { equalBytes, hex, utf8 } from '../bytes/index.js'
import { hash, type PublicKey } from '../crypto/index.js'
import {
  type Certificate,
  CertificateError,
  certificatesIn,
  checkChain,
  describeName,
  parseCertificate,
  TrustAnchors,
} from '../x509/index.js'
import { isSimulatedName } from './simulated/mark.js'

/** A chain as a platform presents it: DER of each certificate, or PEM of them all. */
export type PresentedChain = readonly Uint8Array[] | { readonly pem: Uint8Array }

/** A certificate chain that leads to a trusted root. */
export interface TrustedChain {
  /** The key of the first certificate, which signs the reports. */
  readonly publicKey: PublicKey
  readonly subject: string
  readonly root: string
  /** Whether a certificate in it says that it belongs to a simulated platform. */
  readonly isSimulated: boolean
  /** The certificates from the signer's to the root. */
  readonly path: readonly Certificate[]
  /** Whether the certificates that were presented are those of the path, in its order, and no others; the root may be
   *  among them or not. */
  readonly isExact: boolean
  /** Keeps what was found out under this chain, for as long as the chain itself is kept. */
  readonly memory: ChainMemory
}

/** What was found out under a chain, by a name that holds all that it depends on: a signature by the chain's key does
 *  not have to be checked again. It changes how long an answer takes, and never which it is. */
export class ChainMemory {
  readonly #entries = new Map<string, unknown>()

  /** What `compute` came to the last time, or comes to now. @param name says what it is, and what it depends on */
  recall<Value>(name: string, compute: () => Value): Value {
    // Each name belongs to one place in the code, and so to one type.
    if (this.#entries.has(name)) return this.#entries.get(name) as Value
    const value = compute()
    if (this.#entries.size >= MOST_ENTRIES) this.#entries.delete(oldest(this.#entries))
    this.#entries.set(name, value)
    return value
  }
}

/** A platform has few keys at a time; one that makes new ones all the time slows nobody down but itself. */
const MOST_ENTRIES = 16

/** The roots that platforms are believed under: RFC 9334's Trust Anchors for Endorsements. Verdicts about chains are
 *  kept, because a platform sends the same chain with every report; the time is compared every time. */
export class PlatformRoots {
  /** A digest over all roots, in any order: lower-case hex. */
  readonly digest: string
  /** Names of the roots that say of themselves that they belong to a simulated platform. */
  readonly simulated: readonly string[]
  /** By how many ms the clock of whoever issues under them may differ from ours. */
  readonly leeway: number
  readonly #anchors: TrustAnchors
  readonly #verdicts = new Map<string, Verdict>()

  /** @param certificates roots as PEM text (one or several) or DER
   *  @throws CertificateError if one of them cannot be read */
  constructor(certificates: readonly (string | Uint8Array)[], { leeway = 0 }: ClockLeeway = {}) {
    this.leeway = leeway
    this.#anchors = TrustAnchors.from(certificates)
    const all = this.#anchors.certificates
    const fingerprints = all.map(certificate => hex(hash('sha256', certificate.der))).sort()
    this.digest = hex(hash('sha256', utf8(fingerprints.join())))
    this.simulated = all.map(certificate => describeName(certificate.subject)).filter(isSimulatedName)
  }

  /** Checks a chain, the signer's certificate first.
   *  @param at milliseconds since 1970
   *  @throws CertificateError if it does not lead to a root, or not within the leeway around that time */
  check(chain: PresentedChain, at: number, options: RootOptions = {}): TrustedChain {
    const key = `${options.trustsKeys ?? false} ${options.caMarks ?? ''} ${keyOf(chain)}`
    const held = this.#verdicts.get(key)
    if (held && held.notBefore - this.leeway <= at && at <= held.notAfter + this.leeway) return held.chain
    const presented = certificatesOf(chain)
    const anchors = options.trustsKeys ? this.#withOwn(presented) : this.#anchors
    const path = this.#withinLeeway(at, time =>
      checkChain({ chain: presented, anchors, at: time, caMarks: options.caMarks }),
    )
    const verdict = verdictOf(path, presented)
    this.#verdicts.delete(key)
    if (this.#verdicts.size >= MOST_VERDICTS) this.#verdicts.delete(oldest(this.#verdicts))
    this.#verdicts.set(key, verdict)
    return verdict.chain
  }

  /** What is out of date by our clock may not be so by that of its issuer. */
  #withinLeeway<Found>(at: number, check: (time: number) => Found): Found {
    try {
      return check(at)
    } catch (error) {
      if (!(error instanceof CertificateError) || this.leeway === 0) throw error
      if (error.code === 'ERR_X509_EXPIRED') return check(at - this.leeway)
      if (error.code === 'ERR_X509_NOT_YET_VALID') return check(at + this.leeway)
      throw error
    }
  }

  /** The anchors, and those certificates of a chain that hold the key of one. Whatever such a certificate says, it can
   *  have signed nothing that the root did not. */
  #withOwn(chain: readonly Uint8Array[]): TrustAnchors {
    const trusted = this.#anchors.certificates
    const own = chain.slice(1).filter(der => {
      const { spki } = parseCertificate(der)
      return trusted.some(anchor => equalBytes(anchor.spki, spki))
    })
    return TrustAnchors.from([...trusted.map(({ der }) => der), ...own])
  }
}

/** How exact clocks have to be. */
export interface ClockLeeway {
  /** ms; none unless said. */
  readonly leeway?: number
}

/** How a chain is checked where a vendor does otherwise than RFC 5280. */
export interface RootOptions {
  /** Whether a certificate in the chain counts as a root if it has the key of one: for vendors that have issued several
   *  for one key. */
  readonly trustsKeys?: boolean
  /** As `ChainCheck` has it. */
  readonly caMarks?: 'required' | 'ignored'
}

/** A chain that was found good, and the time in which all of its certificates are valid. */
interface Verdict {
  readonly chain: TrustedChain
  /** Milliseconds since 1970. */
  readonly notBefore: number
  readonly notAfter: number
}

/** A peer can send any number of good chains of its own: as many verdicts are kept, and no more. */
const MOST_VERDICTS = 1024

function verdictOf(path: readonly Certificate[], presented: readonly Uint8Array[]): Verdict {
  const [leaf] = path
  const root = path.at(-1)
  if (!leaf || !root) throw new Error('a checked chain has at least one certificate')
  const names = path.map(certificate => describeName(certificate.subject))
  return {
    chain: {
      publicKey: leaf.publicKey,
      subject: names[0] ?? '',
      root: names.at(-1) ?? '',
      isSimulated: names.some(isSimulatedName),
      path,
      isExact:
        presented.length >= path.length - 1 &&
        presented.every((der, i) => equalBytes(der, path[i]?.der ?? new Uint8Array(0))),
      memory: new ChainMemory(),
    },
    notBefore: Math.max(...path.map(certificate => certificate.notBefore)),
    notAfter: Math.min(...path.map(certificate => certificate.notAfter)),
  }
}

function certificatesOf(chain: PresentedChain): readonly Uint8Array[] {
  // PEM is ASCII; what is not is found out when its base64 is read.
  return 'pem' in chain ? certificatesIn(new TextDecoder('latin1').decode(chain.pem)) : chain
}

function keyOf(chain: PresentedChain): string {
  if ('pem' in chain) return `pem ${hex(hash('sha256', chain.pem))}`
  return hex(hash('sha256', ...chain.flatMap(certificate => [lengthOf(certificate), certificate])))
}

/** Four bytes in front of each certificate, so that no two chains are hashed as the same bytes. */
function lengthOf(certificate: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setUint32(0, certificate.length)
  return bytes
}

function oldest<Key>(map: ReadonlyMap<Key, unknown>): Key {
  for (const key of map.keys()) return key
  throw new Error('the map is empty')
}

/** The roots by kind of platform: a certificate of one vendor says nothing about the platforms of another. */
export class RootsByKind {
  /** A digest over all of them: lower-case hex. */
  readonly digest: string
  /** Names of the roots that say of themselves that they belong to a simulated platform. */
  readonly simulated: readonly string[]
  readonly #roots: ReadonlyMap<string, PlatformRoots>

  /** @param roots by kind, each as PEM text (one or several) or DER
   *  @throws CertificateError if one of them cannot be read */
  constructor(roots: Readonly<Record<string, readonly (string | Uint8Array)[]>>, clock: ClockLeeway = {}) {
    this.#roots = new Map(
      Object.entries(roots).map(([kind, certificates]) => [kind, new PlatformRoots(certificates, clock)]),
    )
    const digests = [...this.#roots].map(([kind, { digest }]) => `${kind} ${digest}`).sort()
    this.digest = hex(hash('sha256', utf8(digests.join())))
    this.simulated = [...this.#roots.values()].flatMap(({ simulated }) => simulated)
  }

  /** The roots for that kind of platform; none, if none were given. */
  of(kind: string): PlatformRoots {
    return this.#roots.get(kind) ?? NO_ROOTS
  }
}

const NO_ROOTS = new PlatformRoots([])
