import type { Plug } from '../handshake/index.js'
import type { AttestationEnvironment, AttestationOptions } from './options.js'
import type { AttestationStatus } from './status.js'

/** Attestation as one side of many connections uses it: options that were checked once. */
export interface Attestation {
  /** Takes part in one connection. */
  connect(): ConnectionAttestation
}

/** Attestation on one connection. */
export interface ConnectionAttestation {
  /** For the configuration of the handshake. */
  readonly plug: Plug
  /** How attestation stands. */
  readonly status: AttestationStatus
}

/** Checks what a side is told about attestation.
 *  @throws MisuseError ERR_ATTESTATION_CONFIG if it cannot work, such as a list that does not fit into 255 bytes */
export declare function createAttestation(
  options: AttestationOptions,
  side: 'client' | 'server',
  environment: AttestationEnvironment,
): Attestation
