import type { Entropy, PublicKey } from '../crypto/index.js'
import type { Suite } from './cipher-suite.js'
import type { Authentication, Credential } from './credential.js'
import type { Established } from './established.js'
import type { ExtensionRow, Extensions, ExtensionValue } from './extension-table.js'
import type { Step } from './machine.js'
import type { Message } from './messages.js'

/** What a plug may know of a handshake, from ServerHello on. Read-only. */
export interface View {
  readonly side: 'client' | 'server'
  /** 0x0304 for TLS 1.3, 0xfefc for DTLS 1.3. */
  readonly version: number
  readonly suite: Suite
  /** NamedGroup of the key exchange. */
  readonly group: number
  /** The host name that the client asked for. */
  readonly serverName: string | undefined
  /** The extensions of the ClientHello that counted. */
  readonly clientHello: Extensions
  /** Certificate types (RFC 7250) that stand, so far as extensions have said; X509 otherwise. */
  readonly serverCertificateType: number | undefined
  readonly clientCertificateType: number | undefined
  /** Fires when the connection is over, whatever the reason. */
  readonly signal: AbortSignal
  /** The Handshake Exporter: bound to ClientHello...ServerHello and the key exchange.
   *  @returns `length` bytes */
  handshakeExporter(label: string, context: Uint8Array, length: number): Uint8Array
}

/** What a plug knows before ServerHello. */
export interface EarlyView {
  readonly serverName: string | undefined
  /** The certificate types (RFC 7250) that this client presents and takes as it is configured. */
  readonly clientCertificateTypes: readonly number[]
  readonly serverCertificateTypes: readonly number[]
  readonly signal: AbortSignal
}

/** What a handshake authenticates with: certificates, the PSK of a session that is resumed, or an external PSK. */
export type Authenticator = 'certificate' | 'session' | 'external_psk'

/** Something that takes part in one handshake without the handshake knowing what it is. Its numbers (extensions,
 *  alerts, certificate types) are its own; its steps may wait for the outside world. */
export interface Plug {
  /** Rows added to the table of RFC 8446 §4.2. */
  readonly extensions: readonly ExtensionRow[]
  /** The names of the alerts that it defines, by number. */
  readonly alertNames: ReadonlyMap<number, string>
  /** Is shown each handshake message as it passes, before it was looked at. It must not throw. */
  readonly observe?: (direction: 'sent' | 'received', message: Message) => void
  /** Client: what stands in the ClientHello, the same in both if there is a second one. */
  offer(hs: EarlyView): Step<PlugOffer>
  /** Server: what stands in EncryptedExtensions. */
  answer(hs: View, authenticator: Authenticator): Step<PlugAnswer>
  /** Client: checks the server's answer. @throws ProtocolError */
  accept(hs: View, answer: Extensions, authenticator: Authenticator): { readonly needsCertificateRequest: boolean }
  /** The certificate type of that side's Certificate where no extension of RFC 7250 says it; undefined: X509. */
  certificateType(hs: View, side: 'client' | 'server'): number | undefined
  /** Before we authenticate: may replace or extend the credential; null for the empty Certificate of a client.
   *  @param own the credential of the negotiated certificate type; the X.509 one where that type is the plug's */
  prove(hs: View, own: Credential | null): Step<Credential | null>
  /** Before the peer's CertificateVerify is checked: may supply the key, may refuse.
   *  @param peer null if the peer sent no certificate
   *  @param publicKey the key in its first entry; null where the certificate type is the plug's
   *  @returns the key that CertificateVerify is checked with, null for that of the first entry */
  examine(hs: View, peer: Authentication | null, publicKey: PublicKey | null): Step<PublicKey | null>
  /** The handshake is complete: the peer has proved that it holds the key of its credential. Nothing of the application
   *  has passed before. */
  complete(): void
  /** What a later connection that resumes this one has to know; null if it must not be resumed. */
  saveSession(): Uint8Array | null
  /** Whether nothing but a certificate may authenticate the connection: no PSK is offered or taken, no ticket is issued
   *  or kept. */
  readonly forbidsPsk?: boolean
  /** What it does after the handshake; undefined: nothing. */
  readonly control?: PlugControl
  /** Whether a session may be resumed now, given what `saveSession` said then; asked before it is offered (client) or
   *  accepted (server). */
  restoreSession(state: Uint8Array): boolean
}

/** Handshake messages of a plug's own, after the handshake. */
export interface PlugControl {
  /** HandshakeType of its messages. */
  readonly messageType: number
  /** The largest body that it takes, in bytes. */
  readonly maxLength: number
  /** Runs from the end of the handshake until the end of the connection, and waits for no messages but its own. What it
   *  throws ends the connection. No application data passes, either way, before it opens the gate. */
  run(session: ControlSession): Step<void>
}

/** What a plug has to work with after the handshake. */
export interface ControlSession {
  readonly side: 'client' | 'server'
  readonly established: Established
  readonly entropy: Entropy
  /** Fires when the connection is over, whatever the reason. */
  readonly signal: AbortSignal
  /** Sends a message. Nothing is sent any more once we have said that no more comes. */
  send(body: Uint8Array): void
  /** Application data may pass from here on. */
  openGate(): void
}

/** What a plug puts into the ClientHello. */
export interface PlugOffer {
  readonly extensions: readonly ExtensionValue[]
  /** The certificate types (RFC 7250) to offer, those of the client's configuration included, in order of
   *  preference. */
  readonly serverCertificateTypes: readonly number[]
  readonly clientCertificateTypes: readonly number[]
}

/** What a plug puts into EncryptedExtensions, and what it chose for the rest of the handshake. */
export interface PlugAnswer {
  readonly extensions: readonly ExtensionValue[]
  readonly needsCertificateRequest: boolean
  /** The certificate types that it chose; undefined where it leaves the choice to the server. */
  readonly serverCertificateType: number | undefined
  readonly clientCertificateType: number | undefined
}
