import type { Entropy, HashName } from '../crypto/index.js'
import type { CertificateCompression } from './certificate-compression.js'
import type { Suite } from './cipher-suite.js'
import type { Authentication, Credential } from './credential.js'
import type { EarlyDataPolicy } from './early-data.js'
import type { Plug } from './plug.js'
import type { Session, TicketState } from './session.js'
import type { TicketIssuer } from './ticket.js'

/** What both sides of a connection are told. All of it is data or argument: the engine has no defaults of its own
 *  but those of `defaults.ts`. */
export interface CommonConfig {
  readonly entropy: Entropy
  /** ms since 1970. */
  readonly now: () => number
  /** CipherSuite code points, in order of preference. */
  readonly cipherSuites: readonly number[]
  /** NamedGroup code points, in order of preference. */
  readonly groups: readonly number[]
  /** SignatureScheme code points accepted in CertificateVerify, in order of preference. */
  readonly signatureSchemes: readonly number[]
  /** SignatureScheme code points accepted in certificates. */
  readonly certificateSchemes: readonly number[]
  /** Certificate types that we can present (RFC 7250), in order of preference; X509 alone needs no extension. */
  readonly certificateTypes: readonly number[]
  /** Application protocols (RFC 7301), in order of preference; empty: the extension is not used. */
  readonly alpn: readonly string[]
  /** The largest record content that we take, content type included: 64..16385 (RFC 8449 §4). */
  readonly recordSizeLimit: number | undefined
  /** The largest Certificate message that we take, in bytes. */
  readonly maxCertificateLength: number
  /** Ways to compress certificates, in order of preference; none by default. */
  readonly certificateCompression?: readonly CertificateCompression[]
  /** Whether secrets are yielded as `keylog` events. */
  readonly hasKeyLog: boolean
  /** Whether values that mean nothing are mixed into what is offered (RFC 8701): by a client into its ClientHello, by a server
   *  into its tickets. */
  readonly sendsGrease?: boolean
  readonly plug: Plug | undefined
  /** External PSKs (RFC 8446 §2.2): the client offers them all, the server looks identities up. */
  readonly preSharedKeys: readonly ExternalPsk[]
}

/** What a client is told besides. */
export interface ClientConfig extends CommonConfig {
  /** The name for server_name; undefined for none, as with an IP address. */
  readonly serverName: string | undefined
  /** Groups to send a key share for, out of `groups`. */
  readonly keyShareGroups: readonly number[]
  /** How the server's credential is checked. */
  readonly peer: PeerCheck
  /** What we authenticate with when the server asks. */
  readonly credentials: CredentialSource
  /** A session to resume. */
  readonly session: Session | undefined
  readonly asksForOcsp: boolean
  /** Whether only a server that knows one of our PSKs will do. */
  readonly requiresPsk?: boolean
  /** Whether early data may be sent with a session that is for it; never with a plug. */
  readonly offersEarlyData?: boolean
  readonly middleboxCompatibility: boolean
}

/** What a server is told besides. */
export interface ServerConfig extends CommonConfig {
  /** What we authenticate with. */
  readonly credentials: CredentialSource
  /** Whether and how clients are asked to authenticate. */
  readonly clientAuthentication: 'none' | 'optional' | 'required'
  /** How a client's credential is checked. */
  readonly peer: PeerCheck
  /** DER names of the authorities we name in CertificateRequest (RFC 8446 §4.2.4). */
  readonly certificateAuthorities: readonly Uint8Array[]
  /** Whether early data is taken, which it is not without a policy, nor with a plug. */
  readonly earlyData?: EarlyDataPolicy
  /** Issues and opens tickets; undefined: no resumption. */
  readonly tickets: TicketIssuer | undefined
  /** Whether our order of cipher suites and protocols counts, or the client's. */
  readonly prefersOwnOrder: boolean
  /** Whether our order of groups is worth a round trip: a HelloRetryRequest for the first group that the client supports,
   *  although there is a key share for a later one. */
  readonly insistsOnGroupOrder?: boolean
  /** Whether the name that the client asks for plays no part; then it is not acknowledged (RFC 6066 §3). */
  readonly ignoresServerName?: boolean
  /** Whether change_cipher_spec is sent to clients too that do not ask for it (RFC 8446 §D.4). */
  readonly middleboxCompatibility?: boolean
  /** Chooses the application protocol instead of `alpn`, for a client that offers some; null: there is none. */
  readonly selectAlpn?: ((offered: readonly string[], serverName: string | undefined) => string | null) | undefined
  /** Looks up external PSKs that `preSharedKeys` does not list. */
  readonly findPreSharedKey?: ((identity: Uint8Array) => ExternalPsk | null) | undefined
  /** Whether the client of a ticket is still one that would be let in; asked before the ticket is resumed.
   *  @param suite the one that would be chosen without the ticket */
  readonly acceptsTicket?: (ticket: TicketState, suite: Suite) => boolean
  /** Makes the cookie of a HelloRetryRequest out of ClientHello1; undefined for none. */
  readonly retryCookie: ((clientHello1: Uint8Array) => Uint8Array) | undefined
}

/** What a credential is chosen by. */
export interface CredentialQuery {
  readonly serverName: string | undefined
  /** SignatureScheme code points that the peer takes in CertificateVerify. */
  readonly signatureSchemes: readonly number[]
  /** SignatureScheme code points that the peer takes in certificates. */
  readonly certificateSchemes: readonly number[]
  /** The certificate type that was negotiated. */
  readonly certificateType: number
  /** DER names of the authorities that the peer named; empty if it named none. */
  readonly authorities: readonly Uint8Array[]
  /** Whether the peer takes an OCSP response with the certificate (RFC 8446 §4.4.2.1). */
  readonly asksForOcsp: boolean
}

/** Our credentials. The answer may take time; null: there is none that fits. */
export type CredentialSource = (query: CredentialQuery) => Credential | null | Promise<Credential | null>

/** How the peer's credential is checked. */
export interface PeerCheck {
  /** Certificate types (RFC 7250) that we take from the peer, in order of preference. */
  readonly certificateTypes: readonly number[]
  /** Whether a failed check is only reported, in `PeerIdentity.authorizationError`. */
  readonly isAdvisory: boolean
  /** @param isResumption whether the credential is that of a session to be resumed: a session is not to outlive the
   *  credential of its peer
   *  @throws CertificateError, or rejects with one */
  check(peer: Authentication, isResumption: boolean): void | Promise<void>
}

/** A pre-shared key that was agreed on out of band. */
export interface ExternalPsk {
  readonly identity: Uint8Array
  readonly key: Uint8Array
  /** The hash function that it is for (RFC 8446 §4.2.11). */
  readonly hash: HashName
  /** Whether it was made by `importedPsks` (RFC 9258), so that its binder is another. */
  readonly isImported?: boolean
}
