import type { CredentialQuery, Established, PeerIdentity } from 'attested-tls/handshake'
import { type Credentials, chainIn } from './credentials.js'
import type { Flags } from './flags.js'

/** Something is not as the test expects it. */
export class Unexpected extends Error {}

/** What an established connection has to be. @throws Unexpected */
export function expectEstablished(
  flags: Flags,
  established: Established,
  credentials: Credentials,
  isResumption: boolean,
): void {
  const { suite, group, alpn, isResumed, isRetried, serverName, peer } = established
  const isServer = flags.has('-server')
  expect('resumption', isResumed, isResumption && !flags.has('-expect-session-miss'))
  expect('version', established.version, flags.number('-expect-version') ?? established.version)
  expect('group', group, flags.number('-expect-curve-id') ?? group)
  for (const flag of ['-expect-cipher', '-expect-cipher-aes']) expect('suite', suite.id, flags.number(flag) ?? suite.id)
  if (isServer) expect('server name', serverName, flags.text('-expect-server-name') ?? serverName)
  const protocol = isServer ? flags.text('-select-alpn') : flags.text('-expect-alpn')
  expect('application protocol', alpn ?? '', protocol ?? '')
  if (flags.has('-expect-hrr')) expect('retry', isRetried, true)
  if (flags.has('-expect-no-hrr')) expect('retry', isRetried, false)
  if (flags.has('-expect-verify-result')) {
    expect('verdict', peer?.authorizationError !== undefined, flags.has('-verify-fail'))
  }
  const isPeerExpected =
    !flags.has('-expect-no-peer-cert') &&
    established.pskIdentity === undefined &&
    (!isServer || flags.has('-require-any-client-certificate'))
  if (isPeerExpected) expect('credential of the peer', peer !== undefined, true)
  if (flags.has('-expect-no-peer-cert')) expect('certificate of the peer', peer?.certificateType === 0, false)
  if (peer) expectPeer(flags, peer)
  const selected = flags.number('-expect-selected-credential')
  if (selected !== undefined) expect('own credential', credentials.numberOf(established.pskIdentity), selected)
}

/** @param retry the flags that count since early data was rejected, if it was   @throws Unexpected */
export function expectEarlyData(flags: Flags, retry: Flags, { earlyData, ticketAgeSkewSeconds }: Established): void {
  if (flags.has('-expect-accept-early-data')) expect('early data', earlyData, 'accepted')
  if (flags.has('-expect-reject-early-data')) expect('early data taken', earlyData === 'accepted', false)
  const reason = earlyData === 'accepted' ? 'accept' : earlyData
  expect('early data', reason, retry.text('-expect-early-data-reason') ?? reason)
  const skew = flags.number('-expect-ticket-age-skew')
  if (skew && ticketAgeSkewSeconds !== undefined) expect('ticket age skew', ticketAgeSkewSeconds, skew)
}

function expectPeer(flags: Flags, peer: PeerIdentity): void {
  expect(
    'certificate type',
    peer.certificateType,
    flags.number('-expect-peer-certificate-type') ?? peer.certificateType,
  )
  // A resumed session knows the signature of long ago no more.
  if (peer.signatureScheme !== undefined) {
    expect(
      'signature scheme of the peer',
      peer.signatureScheme,
      flags.number('-expect-peer-signature-algorithm') ?? peer.signatureScheme,
    )
  }
  const file = flags.text('-expect-peer-cert-file')
  if (file !== undefined) expect('chain of the peer', textOf(peer.chain), textOf(chainIn(file)))
  const response = flags.bytes('-expect-ocsp-response')
  // What was stapled to a certificate is not kept with a session.
  if (response && peer.signatureScheme !== undefined)
    expect('OCSP response', textOf([peer.ocspResponse ?? new Uint8Array(0)]), textOf([response]))
}

/** What the peer asks of a credential of ours. @throws Unexpected */
export function expectPeerPreferences(flags: Flags, query: CredentialQuery): void {
  const schemes = flags.numbers('-expect-peer-verify-pref')
  if (schemes) expect('signature schemes of the peer', query.signatureSchemes.join(), schemes.join())
  const authorities = flags.names('-expect-client-ca-list')
  if (authorities) expect('authorities', textOf(query.authorities), textOf(authorities))
}

/** @throws Unexpected */
export function expect<T>(what: string, found: T, expected: T): void {
  if (found !== expected) throw new Unexpected(`${what}: ${found} instead of ${expected}`)
}

function textOf(list: readonly Uint8Array[]): string {
  return list.map(bytes => Buffer.from(bytes).toString('hex')).join()
}
