/** What the demonstration's main process tells the server's. */
export interface Assignment {
  /** The software that the server's simulated TEE measures. */
  readonly workload: string
  /** The Verifier whose results clients may present: the public key that it signs with, as PEM. */
  readonly resultsKey: string
}

/** What the server's process answers. */
export type Report =
  | { readonly type: 'listening'; readonly port: number; readonly platformRoot: string }
  /** A handshake came to nothing. */
  | { readonly type: 'refused'; readonly code: string; readonly message: string }
  /** How many bytes of application data the server has seen. */
  | { readonly type: 'closing'; readonly received: number }

/** The name under which results are asked for and presented. */
export const RESULTS_VERIFIER = 'fleet-verifier.example'
