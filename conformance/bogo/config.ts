import { createHash } from 'node:crypto'
import { NamedGroup, SignatureScheme, systemEntropy } from 'attested-tls/crypto'
import {
  type Authentication,
  type CertificateCompression,
  CertificateType,
  type ClientConfig,
  defaultCertificateSchemes,
  defaultCipherSuites,
  type EarlyDataPolicy,
  type PeerCheck,
  ProtocolError,
  type ServerConfig,
  type Session,
  type TicketIssuer,
} from 'attested-tls/handshake'
import { CertificateError } from 'attested-tls/x509'
import type { Credentials } from './credentials.js'
import { expectPeerPreferences, Unexpected } from './expectations.js'
import { type Flags, Unimplemented } from './flags.js'

/** What the connections of one test share. */
export interface Shared {
  /** ms since 1970: the clock of the shim, which `-resumption-delay` moves on. */
  now(): number
  readonly tickets: TicketIssuer
}

/** The flags of the moment: those of a retry count from when early data was rejected. */
export type Current = () => Flags

/** A client's configuration. @param session the one to resume */
export function clientConfig(
  current: Current,
  credentials: Credentials,
  shared: Shared,
  session: Session | undefined,
): ClientConfig {
  const flags = current()
  const groups = flags.numbers('-curves') ?? DEFAULT_GROUPS
  return {
    ...common(current, credentials, shared),
    groups,
    cipherSuites: flags.has('-fallback-scsv') ? [...defaultCipherSuites, TLS_FALLBACK_SCSV] : defaultCipherSuites,
    alpn: protocolsIn(flags.text('-advertise-alpn') ?? ''),
    certificateTypes: (flags.numbers('-available-client-cert-types') ?? credentials.types).filter(isOurType),
    serverName: flags.text('-host-name'),
    keyShareGroups: flags.has('-no-key-shares') ? [] : (flags.numbers('-key-shares') ?? defaultShares(groups)),
    peer: peerCheck(current),
    session,
    // BoringSSL's clients take certificates beside PSKs only where they check them.
    requiresPsk: credentials.isPskOnly && !flags.has('-verify-peer'),
    offersEarlyData: flags.has('-enable-early-data'),
    asksForOcsp: flags.has('-enable-ocsp-stapling'),
    middleboxCompatibility: true,
  }
}

/** A server's configuration. */
export function serverConfig(current: Current, credentials: Credentials, shared: Shared): ServerConfig {
  const flags = current()
  const base = common(current, credentials, shared)
  const required = flags.has('-require-any-client-certificate')
  // <EMPTY> and <NULL> name nobody.
  const namesNobody = flags.text('-use-client-ca-list')?.startsWith('<') ?? true
  return {
    ...base,
    groups: flags.numbers('-curves') ?? DEFAULT_GROUPS,
    cipherSuites: defaultCipherSuites,
    alpn: [],
    certificateTypes: credentials.types,
    clientAuthentication: required ? 'required' : flags.has('-verify-peer') ? 'optional' : 'none',
    peer: peerCheck(current),
    ...(flags.has('-enable-early-data') ? { earlyData: EARLY_DATA } : {}),
    certificateAuthorities: namesNobody ? [] : (flags.names('-use-client-ca-list') ?? []),
    tickets: flags.has('-no-ticket') ? undefined : shared.tickets,
    prefersOwnOrder: flags.has('-server-preference'),
    insistsOnGroupOrder: true,
    // BoringSSL's servers always do.
    sendsGrease: true,
    ignoresServerName: flags.has('-no-server-name-ack'),
    middleboxCompatibility: true,
    // BoringSSL resumes a session with its own suite only.
    acceptsTicket: (ticket, suite) => ticket.cipherSuite === suite.id,
    ...selectAlpn(flags),
    retryCookie: undefined,
  }
}

/** What BoringSSL takes; the runner tests replays of no kind. */
const EARLY_DATA: EarlyDataPolicy = { maxBytes: 14_336, maxSkewSeconds: 60, admit: () => true }

function common(current: Current, credentials: Credentials, shared: Shared) {
  const flags = current()
  return {
    entropy: systemEntropy,
    now: shared.now,
    // BoringSSL has a number of its own for signatures of TLS 1.1, which it never sends.
    signatureSchemes: (flags.numbers('-verify-prefs') ?? DEFAULT_VERIFY).filter(scheme => scheme !== 0xff01),
    certificateSchemes: defaultCertificateSchemes,
    recordSizeLimit: undefined,
    maxCertificateLength: flags.number('-max-cert-list') ?? 102_400,
    certificateCompression: compressionsOf(flags),
    sendsGrease: flags.has('-enable-grease'),
    hasKeyLog: flags.has('-export-traffic-secrets'),
    plug: undefined,
    preSharedKeys: credentials.psks,
    credentials: (query: Parameters<Credentials['choose']>[0]) => {
      expectPeerPreferences(flags, query)
      if (flags.has('-fail-cert-callback')) throw new Unexpected(':CERT_CB_ERROR:')
      if (flags.has('-server') && flags.has('-use-ocsp-callback') && flags.has('-fail-ocsp-callback')) {
        throw new Unexpected(':OCSP_CB_ERROR:')
      }
      const chosen = credentials.choose(query)
      return flags.has('-async') ? Promise.resolve(chosen) : chosen
    },
  }
}

/** The mock algorithms of the runner: one makes longer, one shorter, one never does the same twice. */
const COMPRESSIONS: readonly CertificateCompression[] = [
  {
    algorithm: 0xff02,
    compress: certificate => Buffer.concat([Uint8Array.of(1, 2, 3, 4), certificate]),
    decompress: compressed => compressed.subarray(4),
  },
  {
    algorithm: 0xff01,
    compress: certificate => certificate.subarray(2),
    decompress: compressed => Buffer.concat([Uint8Array.of(0, 0), compressed]),
  },
  {
    algorithm: 0xff03,
    compress: certificate => Buffer.concat([systemEntropy.bytes(1), certificate]),
    decompress: compressed => compressed.subarray(1),
  },
]

function compressionsOf(flags: Flags): readonly CertificateCompression[] {
  if (flags.has('-install-cert-compression-algs')) return COMPRESSIONS
  return COMPRESSIONS.filter(({ algorithm }) => algorithm === flags.number('-install-one-cert-compression-alg'))
}

const TLS_FALLBACK_SCSV = 0x5600

/** BoringSSL's own preferences, which the runner counts on where no flag says otherwise. */
const DEFAULT_GROUPS: readonly number[] = [
  NamedGroup.X25519MLKEM768,
  NamedGroup.x25519,
  NamedGroup.secp256r1,
  NamedGroup.secp384r1,
]
const DEFAULT_VERIFY: readonly number[] = [
  SignatureScheme.ecdsa_secp256r1_sha256,
  SignatureScheme.rsa_pss_rsae_sha256,
  SignatureScheme.ecdsa_secp384r1_sha384,
  SignatureScheme.rsa_pss_rsae_sha384,
  SignatureScheme.rsa_pss_rsae_sha512,
]

/** The first group, and the first of the other kind behind it: one classical, one post-quantum. */
function defaultShares(groups: readonly number[]): readonly number[] {
  const [first] = groups
  if (first === undefined) return []
  const other = groups.find(group => isPostQuantum(group) !== isPostQuantum(first))
  return other === undefined ? [first] : [first, other]
}

function isPostQuantum(group: number): boolean {
  return group === NamedGroup.X25519MLKEM768 || group === NamedGroup.MLKEM1024
}

function isOurType(type: number): boolean {
  return type === CertificateType.X509 || type === CertificateType.RawPublicKey
}

/** ProtocolNameList without its length. */
function protocolsIn(list: string): readonly string[] {
  const names: string[] = []
  for (let at = 0; at < list.length; at += 1 + list.charCodeAt(at)) {
    names.push(list.slice(at + 1, at + 1 + list.charCodeAt(at)))
  }
  return names
}

function selectAlpn(flags: Flags): Pick<ServerConfig, 'selectAlpn'> {
  const selected = flags.has('-select-empty-alpn') ? '' : flags.text('-select-alpn')
  if (flags.has('-reject-alpn')) return { selectAlpn: () => null }
  if (selected === undefined || flags.has('-decline-alpn')) return {}
  return {
    selectAlpn: offered => {
      const expected = flags.text('-expect-advertised-alpn')
      if (expected !== undefined && protocolsIn(expected).join() !== offered.join()) {
        throw new Unexpected('the client offers other application protocols')
      }
      return selected
    },
  }
}

/** Takes any credential, unless a flag says that it is to be refused. */
function peerCheck(current: Current): PeerCheck {
  const flags = current()
  const isChecked = isPeerChecked(flags)
  return {
    certificateTypes: (flags.numbers('-accepted-peer-cert-types') ?? [CertificateType.X509]).filter(isOurType),
    isAdvisory: !isChecked,
    check: (peer, isResumption) => {
      // What is only reported is part of a session, and is reported of it again.
      if (isResumption && isChecked && !flags.has('-reverify-on-resume')) return undefined
      const complaint = complaintOf(current(), peer, isChecked)
      if (flags.has('-async')) return complaint ? Promise.reject(complaint) : Promise.resolve()
      if (complaint) throw complaint
      return undefined
    },
  }
}

function isPeerChecked(flags: Flags): boolean {
  return flags.has('-verify-peer') || flags.has('-require-any-client-certificate')
}

/** What a session's credential is refused with when it is looked at again. */
export function reverifyComplaint(flags: Flags): Error | undefined {
  return flags.has('-reverify-on-resume')
    ? complaintOf(flags, { certificateType: 0, entries: [] }, isPeerChecked(flags))
    : undefined
}

function complaintOf(flags: Flags, peer: Authentication, isChecked: boolean): Error | undefined {
  const pinned = flags.bytes('-expect-peer-rpk-sha256')
  if (pinned) {
    const found = createHash('sha256')
      .update(peer.entries[0]?.data ?? '')
      .digest()
    return found.equals(pinned) ? undefined : refusal(isChecked, 'certificate_unknown')
  }
  if (!flags.has('-server') && flags.has('-fail-ocsp-callback') && flags.has('-use-ocsp-callback')) {
    return new ProtocolError('bad_certificate_status_response', ':OCSP_CB_ERROR:')
  }
  if (!flags.has('-verify-fail')) return undefined
  // BoringSSL takes no raw public key that nobody vouches for.
  if (peer.certificateType === CertificateType.RawPublicKey) return refusal(true, 'certificate_unknown')
  // What the two callbacks of BoringSSL answer with.
  return refusal(isChecked, flags.has('-use-custom-verify-callback') ? 'certificate_unknown' : 'handshake_failure')
}

function refusal(isChecked: boolean, alert: 'certificate_unknown' | 'handshake_failure'): Error {
  if (isChecked) return new ProtocolError(alert, ':CERTIFICATE_VERIFY_FAILED:')
  return new CertificateError('ERR_X509_SEARCH_LIMIT', 'certificate_unknown', ':CERTIFICATE_VERIFY_FAILED:')
}

/** @throws Unimplemented if the flags ask for a version other than TLS 1.3, or for groups that we do not have */
export function checkSupported(flags: Flags): void {
  if (!flags.has('-dtls')) {
    const min = flags.number('-min-version') ?? 0
    const max = flags.number('-max-version') ?? TLS13
    if (max < TLS13 || min > TLS13) throw new Unimplemented('only TLS 1.3 is spoken')
  }
  // Of DTLS 1.3 too.
  if (flags.has('-no-tls13')) throw new Unexpected(':NO_SUPPORTED_VERSIONS_ENABLED:')
  for (const group of [...(flags.numbers('-curves') ?? []), ...(flags.numbers('-key-shares') ?? [])]) {
    if (!OUR_GROUPS.includes(group)) throw new Unimplemented(`there is no group ${group}`)
  }
}

const TLS13 = 0x0304
const OUR_GROUPS: readonly number[] = Object.values(NamedGroup)
