import { refusal } from './certificate-error.js'
import { contextTag, type DerValue, readDer, smallIntegerOf, Tag } from './der.js'
import { type GeneralNames, GeneralNamesBuilder } from './general-name.js'
import type { Name } from './name.js'

/** NameConstraints (RFC 5280 §4.2.1.10). */
export interface NameConstraints {
  readonly permitted: GeneralNames
  readonly excluded: GeneralNames
}

/** The names of a certificate that constraints apply to. */
export interface ConstrainedNames {
  readonly subject: Name
  readonly subjectAltNames: GeneralNames
}

/** @throws CertificateError */
export function nameConstraintsOf(value: Uint8Array): NameConstraints {
  const reader = readDer(value, Tag.sequence, 'nameConstraints').reader()
  const permitted = subtreesOf(reader.optional(contextTag(0, true)), 'the permitted subtrees')
  const excluded = subtreesOf(reader.optional(contextTag(1, true)), 'the excluded subtrees')
  reader.finish('nameConstraints')
  return { permitted, excluded }
}

function subtreesOf(list: DerValue | undefined, what: string): GeneralNames {
  const names = new GeneralNamesBuilder(what, MOST_SUBTREES)
  const reader = list?.reader()
  while (reader && !reader.isAtEnd) {
    const subtree = reader.read(Tag.sequence, `one of ${what}`).reader()
    names.add(subtree.any())
    // RFC 5280 §4.2.1.10: "the minimum MUST be zero, and maximum MUST be absent."
    const minimum = subtree.optional(contextTag(0, false))
    if (minimum && smallIntegerOf(minimum, 'the minimum of a subtree') !== 0) {
      throw refusal('ERR_X509_MALFORMED', `the minimum of one of ${what} is not zero`)
    }
    subtree.finish(`one of ${what}`)
  }
  const built = names.build()
  for (const block of built.ipAddresses) if (!isAddressBlock(block)) throw malformedBlock(what)
  return built
}
const MOST_SUBTREES = 1024

function isAddressBlock(block: Uint8Array): boolean {
  if (block.length !== 8 && block.length !== 32) return false
  let isOver = false
  for (const byte of block.subarray(block.length / 2)) {
    for (let bit = 0x80; bit > 0; bit >>= 1) {
      if ((byte & bit) === 0) isOver = true
      else if (isOver) return false
    }
  }
  return true
}

function malformedBlock(what: string): Error {
  return refusal('ERR_X509_MALFORMED', `${what} have an IP address that is no block of addresses (RFC 4632)`)
}

/** Counts the comparisons of names, so that a hostile chain cannot ask for any number of them. */
export class ComparisonBudget {
  #left = MOST_COMPARISONS

  spend(count: number): void {
    this.#left -= count
    if (this.#left < 0) throw refusal('ERR_X509_SEARCH_LIMIT', 'the chain asks for too many comparisons of names')
  }
}
const MOST_COMPARISONS = 250_000

/** Checks the names of a certificate against the constraints of one above it (RFC 5280 §6.1.3 (b) and (c)).
 *  @throws CertificateError if a name is excluded, not permitted, or of a form that we cannot compare */
export function checkNameConstraints(
  { permitted, excluded }: NameConstraints,
  { subject, subjectAltNames }: ConstrainedNames,
  budget: ComparisonBudget,
): void {
  const check = <T, B>(
    form: string,
    names: readonly T[],
    permittedBases: readonly B[],
    excludedBases: readonly B[],
    isWithin: (name: T, base: B, isExclusion: boolean) => boolean,
  ): void => {
    if (permittedBases.length + excludedBases.length === 0) return
    budget.spend(names.length * (permittedBases.length + excludedBases.length))
    for (const name of names) {
      if (excludedBases.some(base => isWithin(name, base, true))) {
        throw refusal('ERR_X509_NAME_CONSTRAINTS', `a CA of the chain excludes a ${form} of the certificate`)
      }
      if (permittedBases.length > 0 && !permittedBases.some(base => isWithin(name, base, false))) {
        throw refusal('ERR_X509_NAME_CONSTRAINTS', `no CA of the chain is permitted to certify a ${form} in it`)
      }
    }
  }
  check('DNS name', subjectAltNames.dnsNames, permitted.dnsNames, excluded.dnsNames, isDnsWithin)
  check('IP address', subjectAltNames.ipAddresses, permitted.ipAddresses, excluded.ipAddresses, isAddressWithin)
  check('mail address', emailsOf(subject, subjectAltNames), permitted.emails, excluded.emails, isEmailWithin)
  check('URI', subjectAltNames.uris, permitted.uris, excluded.uris, isUriWithin)
  const directoryNames = subject.isEmpty ? subjectAltNames.directoryNames : [subject, ...subjectAltNames.directoryNames]
  check('directory name', directoryNames, permitted.directoryNames, excluded.directoryNames, (name, base) =>
    name.isWithin(base),
  )
  for (const form of subjectAltNames.otherForms) {
    if (permitted.otherForms.has(form) || excluded.otherForms.has(form)) {
      throw refusal('ERR_X509_NAME_CONSTRAINTS', `names of form ${form} are constrained, which cannot be checked here`)
    }
  }
}

/** RFC 5280 §4.2.1.10: without a mail address in subjectAltName, those of the subject count. */
function emailsOf(subject: Name, names: GeneralNames): readonly string[] {
  if (names.emails.length > 0) return names.emails
  const emails: string[] = []
  for (const rdn of subject.rdns) for (const { type, value } of rdn) if (type === EMAIL_ADDRESS) emails.push(value)
  return emails
}
const EMAIL_ADDRESS = '1.2.840.113549.1.9.1'

/** What is no name counts as excluded and as not permitted. */
function isDnsWithin(name: string, base: string, isExclusion: boolean): boolean {
  const host = hostOf(name)
  const domain = base.toLowerCase()
  const isWildcard = host.startsWith('*.')
  const rest = isWildcard ? host.slice(2) : host
  if (!isHost(rest)) return isExclusion
  // A wildcard stands for every host one label below: it is excluded if one of those is.
  if (isWildcard && isExclusion) {
    const bare = domain.startsWith('.') ? domain.slice(1) : domain
    if (bare.endsWith(`.${rest}`) && !bare.slice(0, -rest.length - 1).includes('.')) return true
  }
  return domain.startsWith('.') ? host.endsWith(domain) : isSubdomain(host, domain)
}

function isSubdomain(host: string, domain: string): boolean {
  return domain === '' || host === domain || host.endsWith(`.${domain}`)
}

function hostOf(name: string): string {
  const lower = name.toLowerCase()
  return lower.endsWith('.') ? lower.slice(0, -1) : lower
}

function isHost(host: string): boolean {
  return host.length <= 253 && HOST.test(host)
}
const HOST = /^[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*$/

function isAddressWithin(address: Uint8Array, block: Uint8Array): boolean {
  if (block.length !== address.length * 2) return false
  return address.every((byte, i) => {
    const mask = block[address.length + i] as number
    return (byte & mask) === ((block[i] as number) & mask)
  })
}

/** A base is a mailbox, a host, or (with a dot in front) the hosts of a domain. */
function isEmailWithin(email: string, base: string, isExclusion: boolean): boolean {
  const at = email.lastIndexOf('@')
  const host = hostOf(email.slice(at + 1))
  if (at < 1 || !isHost(host)) return isExclusion
  const baseAt = base.lastIndexOf('@')
  const baseHost = base.slice(baseAt + 1).toLowerCase()
  if (baseAt >= 0) return email.slice(0, at) === base.slice(0, baseAt) && host === baseHost
  return isHostWithin(host, baseHost)
}

/** RFC 5280 §4.2.1.10: a URI without a host name, where URIs are constrained, is refused. */
function isUriWithin(uri: string, base: string, isExclusion: boolean): boolean {
  const authority = /^[a-z][a-z0-9+.-]*:\/\/([^/?#]*)/i.exec(uri)?.[1] ?? ''
  const host = hostOf(authority.slice(authority.lastIndexOf('@') + 1).replace(/:\d*$/, ''))
  if (!isHost(host) || /(?:^|\.)\d+$/.test(host)) return isExclusion
  return isHostWithin(host, base.toLowerCase())
}

function isHostWithin(host: string, base: string): boolean {
  return base === '' || (base.startsWith('.') ? host.endsWith(base) : host === base)
}
