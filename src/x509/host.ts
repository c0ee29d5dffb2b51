import { equalBytes } from '../bytes/index.js'
import type { Certificate } from './certificate.js'
import { refusal } from './certificate-error.js'

/** Checks that a certificate is for this host (RFC 9525 §6). Only subjectAltName counts: a common name never does.
 *  @param name a DNS name (in Unicode or A-labels, a final dot is ignored) or an IP address
 *  @throws CertificateError */
export function checkHost(leaf: Certificate, name: string): void {
  const { dnsNames, ipAddresses } = leaf.subjectAltNames
  const address = addressOf(name)
  if (address) {
    // RFC 9525 §6.4: an IP address is compared with iPAddress entries, byte for byte, and with nothing else.
    if (ipAddresses.some(candidate => equalBytes(candidate, address))) return
    throw refusal(
      'ERR_X509_NAME_MISMATCH',
      `the certificate is ${describeNames(leaf)}, not for the address ${name}; ${REMEDY}`,
    )
  }
  const host = dnsNameOf(name)
  if (host === undefined) throw refusal('ERR_X509_NAME_MISMATCH', 'the name to check is no DNS name and no IP address')
  if (dnsNames.some(candidate => matches(candidate, host))) return
  throw refusal('ERR_X509_NAME_MISMATCH', `the certificate is ${describeNames(leaf)}, not for ${host}; ${REMEDY}`)
}
const REMEDY = 'connect by a name that it is for'

function describeNames({ subjectAltNames: { dnsNames, ipAddresses } }: Certificate): string {
  const names = [...dnsNames.slice(0, MOST_SHOWN), ...ipAddresses.slice(0, MOST_SHOWN).map(addressText)]
  const shown = names.slice(0, MOST_SHOWN).map(text => text.slice(0, 253).replace(/[^\x21-\x7e]/g, '\ufffd'))
  if (shown.length === 0) return 'for no host at all (its subjectAltName has neither DNS names nor IP addresses)'
  const more = dnsNames.length + ipAddresses.length - shown.length
  return `for ${shown.join(', ')}${more > 0 ? ` and ${more} more` : ''}`
}
const MOST_SHOWN = 5

/** RFC 9525 §6.3: a wildcard is the whole left-most label and stands for exactly one. We want two labels after it, so
 *  that nobody owns a top-level domain. */
function matches(presented: string, host: string): boolean {
  const pattern = presented.toLowerCase()
  const name = pattern.endsWith('.') ? pattern.slice(0, -1) : pattern
  if (name === host) return true
  if (!name.startsWith('*.')) return false
  const rest = name.slice(1)
  const dot = host.indexOf('.')
  return dot > 0 && host.slice(dot) === rest && rest.indexOf('.', 1) > 0 && DNS_NAME.test(rest.slice(1))
}

/** A DNS name in A-labels and lower case, without a final dot; undefined if it is none. */
function dnsNameOf(name: string): string | undefined {
  let host = name.toLowerCase()
  if (NOT_ASCII.test(host)) {
    try {
      // UTS #46, as browsers do it.
      host = new URL(`https://${host}/`).hostname
    } catch {
      return undefined
    }
  }
  if (host.endsWith('.')) host = host.slice(0, -1)
  return host.length <= 253 && DNS_NAME.test(host) && !LAST_IS_NUMBER.test(host) ? host : undefined
}
/** Such a name is an IP address to others (RFC 1123 §2.1). */
const LAST_IS_NUMBER = /(?:^|\.)\d+$/
const NOT_ASCII = /[^\x21-\x7e]/
const DNS_NAME = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*$/

/** The 4 or 16 bytes of an IP address in text; undefined if it is none. */
export function addressOf(text: string): Uint8Array | undefined {
  return IPV4.test(text) ? ipv4Of(text) : ipv6Of(text.startsWith('[') && text.endsWith(']') ? text.slice(1, -1) : text)
}
const IPV4 = /^\d{1,3}(?:\.\d{1,3}){3}$/

function ipv4Of(text: string): Uint8Array | undefined {
  const parts = text.split('.')
  if (parts.some(part => Number(part) > 255 || (part.length > 1 && part.startsWith('0')))) return undefined
  return Uint8Array.from(parts, Number)
}

/** RFC 4291 §2.2; the zone of RFC 4007 §11 is not part of the address. */
function ipv6Of(text: string): Uint8Array | undefined {
  if (!text.includes(':')) return undefined
  const [address = ''] = text.split('%', 1)
  if (!/^[0-9a-fA-F:.]{2,45}$/.test(address)) return undefined
  const halves = address.split('::')
  if (halves.length > 2) return undefined
  const [head, tail] = halves.map(groupsOf)
  if (!head || (halves.length === 2 && !tail)) return undefined
  const after = tail ?? []
  const missing = 16 - head.length - after.length
  if (halves.length === 2 ? missing < 2 : missing !== 0) return undefined
  return Uint8Array.from([...head, ...new Array<number>(missing).fill(0), ...after])
}

function groupsOf(text: string): number[] | undefined {
  if (text === '') return []
  const bytes: number[] = []
  const groups = text.split(':')
  for (const [i, group] of groups.entries()) {
    if (i === groups.length - 1 && IPV4.test(group)) {
      const address = ipv4Of(group)
      if (!address) return undefined
      bytes.push(...address)
    } else if (/^[0-9a-fA-F]{1,4}$/.test(group)) {
      const number = Number.parseInt(group, 16)
      bytes.push(number >> 8, number & 0xff)
    } else {
      return undefined
    }
  }
  return bytes
}

function addressText(address: Uint8Array): string {
  if (address.length === 4) return address.join('.')
  const groups: string[] = []
  for (let i = 0; i < address.length; i += 2) {
    groups.push((((address[i] as number) << 8) | (address[i + 1] as number)).toString(16))
  }
  return groups.join(':')
}
