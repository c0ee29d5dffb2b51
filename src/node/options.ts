import type { KeyObject } from 'node:crypto'
import type { LookupFunction, ServerOpts, SocketConnectOpts } from 'node:net'
import type { Duplex } from 'node:stream'
import type { PeerCertificate } from 'node:tls'
import type { AttestationOptions } from '../attestation/index.js'
import type { HashName, SigningKey } from '../crypto/index.js'
import type { EarlyDataUse } from '../handshake/index.js'
import type { SecureContext } from './secure-context.js'
import type { AttestedSocket } from './socket.js'

/** PEM as text or bytes, or DER. */
export type PemOrDer = string | Uint8Array

/** A private key: PEM, DER (PKCS#8), a KeyObject, or a `SigningKey` whose bytes may be in a TPM or another process. */
export type PrivateKeyOption =
  | PemOrDer
  | KeyObject
  | SigningKey
  | { readonly pem: PemOrDer; readonly passphrase?: string }

/** What `createSecureContext` takes: what we are, whom we trust, and how the connection is protected. Names are those
 *  of node:tls where it has one. */
export interface SecureContextOptions {
  /** Certificates we trust, instead of those that Node brings. */
  readonly ca?: PemOrDer | readonly PemOrDer[]
  /** Certificate chains we present, end entity first; several for keys of several kinds. */
  readonly cert?: PemOrDer | readonly PemOrDer[]
  /** The private keys of `cert`; which is whose is found out. */
  readonly key?: PrivateKeyOption | readonly PrivateKeyOption[]
  /** For an encrypted `key`. */
  readonly passphrase?: string
  /** Refused: PKCS#12 is not read. */
  readonly pfx?: unknown
  /** Revocation lists, in PEM or DER. If given, each issuer of a chain needs one that is in force. */
  readonly crl?: PemOrDer | readonly PemOrDer[]
  /** Our key is presented as a raw public key (RFC 7250) to peers that take it; `only`: to no others. */
  readonly presentRawPublicKey?: boolean | 'only'
  /** Raw public keys (RFC 7250) that we take from the peer: SubjectPublicKeyInfo as PEM, DER or KeyObject. */
  readonly acceptRawPublicKeys?: readonly (PemOrDer | KeyObject)[]
  /** An OCSP response (DER) for our certificate, stapled for clients that ask. */
  readonly ocspResponse?: Uint8Array
  /** Cipher suites by preference, as `TLS_AES_128_GCM_SHA256:…`. Names of older versions are passed over. */
  readonly ciphers?: string
  /** Groups by preference, as `X25519:P-256`. */
  readonly groups?: string | readonly string[]
  /** The same under the name of node:tls. */
  readonly ecdhCurve?: string
  /** Signature schemes by preference, as `ecdsa_secp256r1_sha256` or `ECDSA+SHA256`. */
  readonly sigalgs?: string
  /** `TLSv1.3` is what is spoken, whatever lower bound is given. */
  readonly minVersion?: string
  /** Only `TLSv1.3`. */
  readonly maxVersion?: string
  /** Only `TLS_method` and the like, and `TLSv1_3_method`. */
  readonly secureProtocol?: string
  /** Of these only `SSL_OP_NO_TICKET` means anything in TLS 1.3. */
  readonly secureOptions?: number
  /** Server: whether our order of cipher suites and protocols counts. Default: true. */
  readonly honorCipherOrder?: boolean
  /** The largest record content that we take: 64..16385 (RFC 8449 §4). Default: the extension is not sent. */
  readonly recordSizeLimit?: number
  /** Pads records: to a multiple of so many bytes, or by as many as the function says (RFC 8446 §5.4). */
  readonly recordPadding?: number | ((contentLength: number) => number)
  /** The largest Certificate message that we take, in bytes. Default: 262144, since Evidence may stand in it. */
  readonly maxCertificateLength?: number
  /** Ways to compress certificates, by preference (RFC 8879). They are offered to the peer, and used for our own where it
   *  takes them. Default: none. */
  readonly certificateCompression?: readonly ('zlib' | 'brotli')[]
  /** Whether values that mean nothing are mixed into what we offer (RFC 8701), so that peers do not forget to pass over what
   *  they do not know. Default: false. */
  readonly grease?: boolean
}

/** What both sides of a connection have in common. */
export interface CommonOptions extends SecureContextOptions {
  /** Made by `createSecureContext`; what stands beside it in these options is then ignored. */
  readonly secureContext?: SecureContext
  /** Application protocols by preference: names, or the bytes of the list as it stands on the wire. */
  readonly ALPNProtocols?: readonly (string | Uint8Array)[] | Uint8Array
  /** Whether a peer whose certificate does not pass is refused. Default: true. */
  readonly rejectUnauthorized?: boolean
  /** Attestation in the handshake; see the room `attestation`. */
  readonly attestation?: AttestationOptions
  /** How long the handshake may take, in ms; 0: for ever. Default: 30000. */
  readonly handshakeTimeout?: number
  /** A file that secrets are appended to in the NSS format. **Who reads it reads the connection.** Default: that of the
   *  environment variable SSLKEYLOGFILE. */
  readonly keyLogFile?: string
  /** Whether the writing side stays open after the peer has closed its own. Default: false. */
  readonly allowHalfOpen?: boolean
  /** The hash that external PSKs are for (RFC 8446 §4.2.11). Default: `sha256`. */
  readonly pskHash?: HashName
}

/** What `connect` takes. */
export interface ConnectOptions extends CommonOptions {
  /** Default: `localhost`. */
  readonly host?: string
  readonly port?: number | string
  /** A Unix domain socket or pipe. */
  readonly path?: string | null
  /** A stream that is there already, such as one on which STARTTLS was agreed. */
  readonly socket?: Duplex
  /** The name for SNI, and that the certificate has to be for. Default: the host, if it is a name. */
  readonly servername?: string
  /** Takes the place of the check that the certificate is for the host: an error, returned, thrown or as a promise's
   *  answer, refuses it. */
  readonly checkServerIdentity?: (
    hostname: string,
    certificate: PeerCertificate,
  ) => Error | undefined | Promise<Error | undefined>
  /** A session from a 'session' event. */
  readonly session?: Uint8Array
  /** What is written first, as early data (RFC 8446 §4.2.10) if `session` and the server allow it, and as ordinary data where
   *  they do not. **Whoever is on the path can have the server read it again**: only for what does no harm when done twice.
   *  Not with `attestation`. */
  readonly replayableEarlyData?: string | Uint8Array
  /** Whether to ask for a stapled OCSP response; see the event 'OCSPResponse'. */
  readonly requestOCSP?: boolean
  /** An external PSK to offer. @returns null for none */
  readonly pskCallback?: (hint: null) => { readonly psk: Uint8Array; readonly identity: string } | null
  /** Idle time in ms after which there is a 'timeout' event. */
  readonly timeout?: number
  /** Destroys the socket, whatever state it is in. */
  readonly signal?: AbortSignal
  readonly highWaterMark?: number
  readonly lookup?: LookupFunction
  readonly family?: number
  readonly localAddress?: string
  readonly localPort?: number
  /** Default: true; what belongs together is sent together anyway. */
  readonly noDelay?: boolean
  readonly keepAlive?: boolean
  readonly keepAliveInitialDelay?: number
  /** Further options of `net.connect`. */
  readonly net?: Partial<SocketConnectOpts>
}

/** How a server lets sessions be resumed. */
export interface TicketOptions {
  /** How long a session may be resumed, in seconds; at most 7 days. Default: 7200. */
  readonly sessionTimeout?: number
  /** 48 bytes of key material per ticket key, one after the other; the first seals, all open. Default: keys of its own,
   *  which the server replaces as it goes. */
  readonly ticketKeys?: Uint8Array
}

/** How a server takes early data. */
export interface EarlyDataOptions {
  /** How many bytes a client may send. Default: 16384. */
  readonly maxBytes?: number
  /** By how much the age of a ticket may differ from what the client says it is, in seconds (RFC 8446 §8.3). Default: 10. */
  readonly maxSkewSeconds?: number
  /** How many ClientHellos are remembered at once; beyond it no early data is taken. Default: 100000. */
  readonly limit?: number
  /** Takes the place of that memory (RFC 8446 §8), which is one process's: has to answer true to each ClientHello only once,
   *  wherever it comes. Servers that share `ticketKeys` need it. */
  readonly admit?: (use: EarlyDataUse) => boolean | Promise<boolean>
}

/** What `createServer` takes. */
export interface ServerOptions
  extends CommonOptions,
    TicketOptions,
    Omit<ServerOpts, 'pauseOnConnect' | 'allowHalfOpen' | 'highWaterMark'> {
  readonly highWaterMark?: number
  /** Whether clients that resume a session may send data with their ClientHello (RFC 8446 §4.2.10). **Whoever is on the path
   *  can have it read again**, if by all servers together no more than once: see the event 'earlyData'. Not with
   *  `attestation`. Default: false. */
  readonly replayableEarlyData?: boolean | EarlyDataOptions
  /** Whether clients are asked for a certificate. */
  readonly requestCert?: boolean
  /** The context for a host name; none: that of the server. */
  readonly SNICallback?: (servername: string, done: (error: Error | null, context?: SecureContext) => void) => void
  /** Chooses the application protocol; undefined refuses the connection. Not beside `ALPNProtocols`. */
  readonly ALPNCallback?: (offer: {
    readonly servername: string
    readonly protocols: readonly string[]
  }) => string | undefined
  readonly pskCallback?: PskLookup<AttestedSocket>
}

/** The external PSK of an identity; null: it is not known. */
export type PskLookup<S> = (socket: S, identity: string) => Uint8Array | null
