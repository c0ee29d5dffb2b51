import type { CommonOptions, ConnectOptions, ServerOptions } from './options.js'

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
  /** Ends the connection, whatever its state. */
  readonly signal?: AbortSignal
}

/** What the `createServer` of `attested-tls/dtls` takes. */
export interface DtlsServerOptions
  extends Shared,
    Pick<ServerOptions, 'requestCert' | 'SNICallback' | 'ALPNCallback' | 'ticketKeys' | 'sessionTimeout'>,
    DatagramTuning {
  /** How many associations there may be; hellos beyond it are dropped. Default: 10000. */
  readonly maxConnections?: number
}
