import type { Certificate } from './certificate.js'
import { parseCertificate } from './certificate-cache.js'
import { CertificateError, refusal } from './certificate-error.js'
import type { Crl } from './crl.js'
import { KeyUsage } from './extensions.js'
import { describeName } from './name.js'
import { ComparisonBudget, checkNameConstraints } from './name-constraints.js'
import { checkKey, checkSignature } from './signature.js'
import type { TrustAnchors } from './trust-anchors.js'

/** What a chain is checked for. */
export interface ChainCheck {
  /** DER: the end entity first, then others in any order; superfluous ones do no harm. */
  readonly chain: readonly Uint8Array[]
  readonly anchors: TrustAnchors
  /** ms since 1970. */
  readonly at: number
  /** What the end entity is going to do in TLS; undefined: keyUsage and extKeyUsage are the caller's business. */
  readonly purpose?: 'serverAuth' | 'clientAuth' | undefined
  /** SignatureScheme code points that may sign certificates; undefined: all that this engine knows, none with SHA-1. */
  readonly signatureSchemes?: readonly number[] | undefined
  /** Revocation lists. If given, each certificate below the anchor has to be on none of them; see `crlCoverage`. */
  readonly crls?: readonly Crl[] | undefined
  /** `every` (the default): each certificate below the anchor needs a list in force by its issuer. `given`: those
   *  certificates do whose issuer has a list among `crls`. */
  readonly crlCoverage?: 'every' | 'given' | undefined
  /** `ignored`: issuers need not say that they are CAs, as RFC 5280 §4.2.1.9 demands, and may even say the contrary. For
   *  hierarchies that are known to be so, whose caller sees to it that no end entity has issued anything. */
  readonly caMarks?: 'required' | 'ignored' | undefined
}

/** Finds a path from the end entity to a trust anchor and checks it (RFC 5280 §6.1).
 *  @returns the path: the end entity first, the anchor last; one certificate if the end entity is itself an anchor
 *  @throws CertificateError for the reason that the most promising path failed for */
export function checkChain(check: ChainCheck): readonly Certificate[] {
  if (check.chain.length > MOST_CERTIFICATES) {
    throw refusal(
      'ERR_X509_TOO_LARGE',
      `a chain of ${check.chain.length} came, where ${MOST_CERTIFICATES} are the most`,
    )
  }
  const [leaf, ...others] = check.chain.map(parseCertificate)
  if (!leaf) throw refusal('ERR_X509_MALFORMED', 'the chain is empty')
  checkEndEntity(leaf, check)
  if (check.anchors.has(leaf)) return [leaf]
  return new Search(check, others).from(leaf)
}
const MOST_CERTIFICATES = 32

function checkEndEntity(leaf: Certificate, { at, purpose }: ChainCheck): void {
  checkAlone(leaf, at)
  checkKey(leaf)
  if (purpose === undefined) return
  // RFC 8446 §4.4.2.2: "if the Key Usage extension is present, the digitalSignature bit MUST be set".
  if (leaf.keyUsage !== undefined && (leaf.keyUsage & KeyUsage.digitalSignature) === 0) {
    throw refusal('ERR_X509_KEY_USAGE', `the keyUsage of ${describeName(leaf.subject)} does not have digitalSignature`)
  }
  checkPurpose(leaf, purpose)
}

/** What a certificate of a path has to fulfil wherever it stands. */
function checkAlone(certificate: Certificate, at: number): void {
  const name = describeName(certificate.subject)
  if (!(at >= certificate.notBefore)) {
    throw refusal(
      'ERR_X509_NOT_YET_VALID',
      `${name} is valid from ${dateOf(certificate.notBefore)}; it is ${dateOf(at)}: is the clock right?`,
    )
  }
  if (!(at <= certificate.notAfter)) {
    throw refusal(
      'ERR_X509_EXPIRED',
      `${name} was valid until ${dateOf(certificate.notAfter)}; it is ${dateOf(at)}: renew it, or set the clock`,
    )
  }
  const [unknown] = certificate.unknownCriticalExtensions
  if (unknown !== undefined) {
    throw refusal('ERR_X509_CRITICAL_EXTENSION', `${name} has the critical extension ${unknown}, which is not known`)
  }
}

function checkPurpose(certificate: Certificate, purpose: 'serverAuth' | 'clientAuth'): void {
  const purposes = certificate.extendedKeyUsage
  if (!purposes || purposes.has(PURPOSES[purpose]) || purposes.has(ANY_PURPOSE)) return
  throw refusal('ERR_X509_PURPOSE', `the extKeyUsage of ${describeName(certificate.subject)} does not have ${purpose}`)
}
const PURPOSES = { serverAuth: '1.3.6.1.5.5.7.3.1', clientAuth: '1.3.6.1.5.5.7.3.2' } as const
const ANY_PURPOSE = '2.5.29.37.0'

function dateOf(ms: number): string {
  return Number.isFinite(ms) && Math.abs(ms) <= 8.64e15 ? new Date(ms).toISOString() : String(ms)
}

/** A search through the certificates at hand, depth first, with bounds on all that costs. */
class Search {
  readonly #check: ChainCheck
  readonly #intermediates = new Map<string, Certificate[]>()
  readonly #comparisons = new ComparisonBudget()
  #signaturesLeft = MOST_SIGNATURES
  #stepsLeft = MOST_STEPS
  #failure: CertificateError | undefined

  constructor(check: ChainCheck, others: readonly Certificate[]) {
    this.#check = check
    for (const certificate of new Set(others)) {
      const key = certificate.subject.key
      const list = this.#intermediates.get(key)
      if (list) list.push(certificate)
      else this.#intermediates.set(key, [certificate])
    }
  }

  from(leaf: Certificate): readonly Certificate[] {
    const path = this.#extend([leaf])
    if (path) return path
    throw this.#failure ?? unknownIssuer(leaf)
  }

  /** @returns the whole path; undefined if none starts like this */
  #extend(path: readonly Certificate[]): readonly Certificate[] | undefined {
    const child = path.at(-1) as Certificate
    for (const anchor of inOrder(this.#check.anchors.named(child.issuer), child)) {
      const whole = [...path, anchor]
      if (this.#isGood(whole, true) && this.#isNotRevoked(whole)) return whole
    }
    if (path.length >= MOST_PATH - 1) {
      this.#note(refusal('ERR_X509_SEARCH_LIMIT', `no path of at most ${MOST_PATH} certificates leads to an anchor`))
      return undefined
    }
    for (const issuer of inOrder(this.#intermediates.get(child.issuer.key) ?? [], child)) {
      // The same subject and key again, by another certificate or the same, leads nowhere new.
      if (path.some(({ identity }) => identity === issuer.identity)) continue
      const longer = [...path, issuer]
      if (!this.#isGood(longer, false)) continue
      const whole = this.#extend(longer)
      if (whole) return whole
    }
    if (path.length > 1) this.#note(unknownIssuer(child))
    return undefined
  }

  /** Whether the last certificate of a path may stand there and signed the one before. */
  #isGood(path: readonly Certificate[], isAnchor: boolean): boolean {
    return this.#try(() => {
      if (--this.#stepsLeft < 0) throw refusal('ERR_X509_SEARCH_LIMIT', 'the chain offers too many paths to try')
      const { at, purpose, signatureSchemes } = this.#check
      const issuer = path.at(-1) as Certificate
      const child = path.at(-2) as Certificate
      // First, so that what is said about the issuer is not said about somebody else of its name.
      this.#checkSignature(child, issuer, signatureSchemes)
      checkAlone(issuer, at)
      checkIssuer(issuer, path, isAnchor, this.#check.caMarks === 'ignored')
      if (purpose !== undefined) checkPurpose(issuer, purpose)
      if (issuer.nameConstraints) {
        for (const [i, certificate] of path.slice(0, -1).entries()) {
          // RFC 5280 §6.1.3: a self-issued certificate is exempt unless it is the end entity.
          if (i > 0 && certificate.isSelfIssued) continue
          checkNameConstraints(issuer.nameConstraints, certificate, this.#comparisons)
        }
      }
    })
  }

  #checkSignature(child: Certificate, issuer: Certificate, schemes: readonly number[] | undefined): void {
    try {
      checkSignature(child, issuer, describeName(child.subject), schemes, () => {
        if (--this.#signaturesLeft < 0) {
          throw refusal('ERR_X509_SEARCH_LIMIT', 'the chain asks for too many signatures to be checked')
        }
      })
    } catch (error) {
      const isNamesake =
        child.authorityKeyIdentifier !== undefined &&
        issuer.subjectKeyIdentifier !== undefined &&
        child.authorityKeyIdentifier !== issuer.subjectKeyIdentifier
      throw isNamesake && error instanceof CertificateError && error.code !== 'ERR_X509_SEARCH_LIMIT'
        ? unknownIssuer(child)
        : error
    }
  }

  #isNotRevoked(path: readonly Certificate[]): boolean {
    return this.#try(() => checkRevocation(path, this.#check))
  }

  #try(check: () => void): boolean {
    try {
      check()
      return true
    } catch (error) {
      if (!(error instanceof CertificateError) || error.code === 'ERR_X509_SEARCH_LIMIT') throw error
      this.#note(error)
      return false
    }
  }

  /** The first reason counts, but that an issuer is not known is the weakest of them: another path had one. */
  #note(error: CertificateError): void {
    if (!this.#failure || this.#failure.code === 'ERR_X509_UNKNOWN_ISSUER') this.#failure = error
  }
}
const MOST_PATH = 10
const MOST_SIGNATURES = 64
const MOST_STEPS = 512

function unknownIssuer({ issuer, subject }: Certificate): CertificateError {
  return new CertificateError(
    'ERR_X509_UNKNOWN_ISSUER',
    'unknown_ca',
    `${describeName(subject)} is issued by ${describeName(issuer)}, which is neither trusted nor in the chain`,
    { advice: 'trust that issuer (`ca`), or have the intermediates sent along' },
  )
}

/** Those whose key identifier is the one that the child names come first. It is a hint, no more. */
function inOrder(candidates: readonly Certificate[], { authorityKeyIdentifier }: Certificate): readonly Certificate[] {
  if (candidates.length < 2 || authorityKeyIdentifier === undefined) return candidates
  const rank = ({ subjectKeyIdentifier }: Certificate) => (subjectKeyIdentifier === authorityKeyIdentifier ? 0 : 1)
  return [...candidates].sort((a, b) => rank(a) - rank(b))
}

function checkIssuer(
  issuer: Certificate,
  path: readonly Certificate[],
  isAnchor: boolean,
  ignoresMarks: boolean,
): void {
  const name = describeName(issuer.subject)
  // Without extensions a certificate cannot say that it is a CA. A root of that age is believed to be one because it was
  // chosen as an anchor (RFC 5280 §6.1.4 (k)).
  if (!issuer.basicConstraints?.isCa && !(isAnchor && issuer.version < 3) && !ignoresMarks) {
    throw refusal('ERR_X509_NOT_A_CA', `${name} is not a CA but has issued a certificate`)
  }
  if (issuer.keyUsage !== undefined && (issuer.keyUsage & KeyUsage.keyCertSign) === 0 && !ignoresMarks) {
    throw refusal('ERR_X509_NOT_A_CA', `the keyUsage of ${name} does not have keyCertSign`)
  }
  const most = issuer.basicConstraints?.pathLength
  if (most === undefined) return
  const between = path.slice(1, -1).filter(certificate => !certificate.isSelfIssued).length
  if (between > most) {
    throw refusal('ERR_X509_PATH_LENGTH', `${name} allows ${most} CAs below it, where the path has ${between}`)
  }
}

function checkRevocation(path: readonly Certificate[], { crls, crlCoverage, at, signatureSchemes }: ChainCheck): void {
  if (!crls) return
  for (const [i, certificate] of path.slice(0, -1).entries()) {
    const issuer = path[i + 1] as Certificate
    const lists = crls.filter(crl => crl.issuer.equals(certificate.issuer) && isAbout(crl, certificate))
    const name = describeName(certificate.subject)
    if (lists.length === 0) {
      if (crlCoverage === 'given') continue
      throw refusal('ERR_X509_REVOCATION_UNKNOWN', `there is no CRL that says whether ${name} is revoked`)
    }
    for (const crl of lists) {
      crl.check(issuer, at, signatureSchemes)
      if (crl.isRevoked(certificate.serialNumber)) {
        throw refusal('ERR_X509_REVOKED', `${name} is revoked by ${describeName(crl.issuer)}`)
      }
    }
  }
}

function isAbout({ scope }: Crl, { basicConstraints }: Certificate): boolean {
  return scope === 'all' || (scope === 'ca') === (basicConstraints?.isCa ?? false)
}
