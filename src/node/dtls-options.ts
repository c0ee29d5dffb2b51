import type { LookupFunction } from 'node:net'
import type { DtlsSocket } from './dtls-socket.js'
import type { CommonOptions, ConnectOptions, PskLookup, ServerOptions } from './options.js'

/** What a DTLS connection is told about its datagrams. */
export interface DatagramTuning {
  /** The largest datagram that we send, in bytes: 128 or more. Less is tried when nothing comes through. Default: 1200. */
  readonly mtu?: number
  /** How long an answer is waited for before a flight is sent again, at first, in ms. Default: 1000. */
  readonly retransmitAfter?: number
  /** How many messages are kept until the handshake is complete; more are dropped. Default: 64. */
  readonly queueLength?: number
}

type Shared = Omit<CommonOptions, 'allowHalfOpen' | 'recordPadding'>

/** What the `connect` of `attested-tls/dtls` takes. */
export interface DtlsConnectOptions
  extends Shared,
    Pick<ConnectOptions, 'servername' | 'checkServerIdentity' | 'session' | 'pskCallback'>,
    DatagramTuning {
  /** Default: `localhost`. */
  readonly host?: string
  readonly port: number
  /** Of the addresses of `host`: 4 or 6; 0, the default, for the first, whichever it is. */
  readonly family?: 0 | 4 | 6
  /** Finds the address of `host`. Default: `dns.lookup`. */
  readonly lookup?: LookupFunction
  /** Our own address and port. Default: what the system chooses. */
  readonly localAddress?: string
  readonly localPort?: number
  /** Ends the connection, whatever its state. */
  readonly signal?: AbortSignal
}

/** What the `createServer` of `attested-tls/dtls` takes. */
export interface DtlsServerOptions
  extends Shared,
    Pick<ServerOptions, 'requestCert' | 'SNICallback' | 'ALPNCallback' | 'ticketKeys' | 'sessionTimeout'>,
    DatagramTuning {
  /** The external PSK of an identity; null: it is not known. */
  readonly pskCallback?: PskLookup<DtlsSocket>
  /** How many associations there may be. Beyond that a new one takes the place of the one that has been silent longest, if
   *  that is `idleTimeout` or more; otherwise it is dropped. Default: 10000. */
  readonly maxConnections?: number
  /** For how long an association may be silent, in ms, before it may have to make room. Default: 60000. */
  readonly idleTimeout?: number
}
