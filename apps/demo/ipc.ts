/** What the demonstration's main process tells the server's. */
export interface Assignment {
  /** The software that the server's simulated TEE measures. */
  readonly workload: string
  /** Which clients may come under the profile `draft08`; null: the profile is `hardened`, and all may. */
  readonly fleet: Fleet | null
}

/** What a server has to know of clients that present results. */
export interface Fleet {
  /** The key that the Verifier of the fleet signs with, as PEM. */
  readonly resultsKey: string
  /** SHA-256 of the client's key, as hex. */
  readonly keyId: string
}

/** What the server's process answers. */
export type Report =
  | Listening
  /** A handshake came to nothing. */
  | { readonly type: 'refused'; readonly code: string; readonly message: string }
  /** How many bytes of application data the server has seen. */
  | { readonly type: 'closing'; readonly received: number }

/** What a client has to know of the server. */
export interface Listening {
  readonly type: 'listening'
  readonly port: number
  /** PEM. */
  readonly platformRoot: string
  /** The server's certificate, as PEM; null where it has none. */
  readonly certificate: string | null
  /** SHA-256 of the key that the server authenticates with, as hex. */
  readonly keyId: string
}

/** The name under which results are asked for and presented. */
export const RESULTS_VERIFIER = 'fleet-verifier.example'
