import type { KeyShare } from '../crypto/index.js'
import { ProtocolError } from './alert.js'
import { type Suite, suiteOf } from './cipher-suite.js'

/** Every choice that is a pure function of an offer and a configuration. */

/** RFC 8446 §4.1.1: the cipher suites in common, in the order in which they are to be chosen.
 *  @returns at least one   @throws ProtocolError handshake_failure if there is none in common */
export function commonSuites(
  offered: readonly number[],
  own: readonly number[],
  prefersOwnOrder: boolean,
): readonly [Suite, ...Suite[]] {
  const [order, others] = prefersOwnOrder ? [own, offered] : [offered, own]
  const suites: Suite[] = []
  for (const id of order) {
    const suite = others.includes(id) ? suiteOf(id) : undefined
    if (suite && !suites.includes(suite)) suites.push(suite)
  }
  const [first, ...more] = suites
  if (!first) throw new ProtocolError('handshake_failure', 'the client offers no cipher suite that we have')
  return [first, ...more]
}

/** RFC 8446 §4.2.7, RFC 8446 §4.2.8: the group, and the client's share if it sent one for it. A share that is there wins
 *  over a preferred group without one, since it saves a round trip, unless the order is insisted on.
 *  @throws ProtocolError handshake_failure if there is none in common */
export function chooseGroup(
  offered: readonly number[],
  shares: readonly { readonly group: number; readonly keyExchange: Uint8Array }[],
  own: readonly number[],
  insistsOnOrder: boolean,
): { readonly group: number; readonly share: Uint8Array | undefined } {
  const shareFor = (group: number) => shares.find(entry => entry.group === group)?.keyExchange
  const common = own.filter(group => offered.includes(group))
  const [first] = common
  if (first === undefined) throw new ProtocolError('handshake_failure', 'the client offers no group that we have')
  const group = insistsOnOrder ? first : (common.find(shareFor) ?? first)
  return { group, share: shareFor(group) }
}

/** RFC 7301 §3.2: the application protocol; undefined if the client asks for none or we have none.
 *  @throws ProtocolError no_application_protocol if there is none in common */
export function chooseAlpn(
  offered: readonly string[] | undefined,
  own: readonly string[],
  prefersOwnOrder: boolean,
): string | undefined {
  if (!offered || own.length === 0) return undefined
  const chosen = prefersOwnOrder ? own.find(name => offered.includes(name)) : offered.find(name => own.includes(name))
  if (chosen === undefined) {
    throw new ProtocolError('no_application_protocol', `the client offers ${quote(offered)}, we have ${quote(own)}`)
  }
  return chosen
}

/** RFC 7250 §4.2: the certificate type. @param offered undefined: X509 alone
 *  @throws ProtocolError unsupported_certificate if there is none in common */
export function chooseCertificateType(offered: readonly number[] | undefined, own: readonly number[]): number {
  const types = offered ?? [0]
  const chosen = own.find(type => types.includes(type))
  if (chosen === undefined) {
    throw new ProtocolError('unsupported_certificate', 'there is no certificate type in common')
  }
  return chosen
}

/** RFC 8446 §4.4.3: the scheme to sign with. @throws ProtocolError handshake_failure if there is none in common */
export function chooseScheme(own: readonly number[], peer: readonly number[]): number {
  const scheme = own.find(candidate => peer.includes(candidate))
  if (scheme === undefined) {
    throw new ProtocolError('handshake_failure', 'the peer takes no signature scheme that our key signs with')
  }
  return scheme
}

/** Which of our shares the server completed. @throws ProtocolError illegal_parameter for a group we sent none for */
export function shareOf(group: number, shares: readonly KeyShare[]): KeyShare {
  const share = shares.find(candidate => candidate.group === group)
  if (!share)
    throw new ProtocolError('illegal_parameter', 'server_hello has a key share for a group without one of ours')
  return share
}

function quote(names: readonly string[]): string {
  // Protocol names are a peer's bytes: show what prints, bounded.
  return names
    .slice(0, 8)
    .map(name => JSON.stringify(name.replace(/[^\x21-\x7e]/g, '?').slice(0, 32)))
    .join(', ')
}
