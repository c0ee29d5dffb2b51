import { defaultCodePoints } from '../attestation/index.js'
import { AlertReceived } from '../handshake/index.js'

/** The handshake took longer than it may. */
export class HandshakeTimeout extends Error {
  override readonly name = 'HandshakeTimeout'
  readonly code = 'ERR_TLS_HANDSHAKE_TIMEOUT'

  constructor(ms: number) {
    super(`the handshake was not complete after ${ms} ms`)
  }
}

/** The transport ended before the connection was secure. */
export class ConnectionReset extends Error {
  override readonly name = 'ConnectionReset'
  readonly code = 'ECONNRESET'
}

/** The caller's `signal` fired. */
export class Aborted extends Error {
  override readonly name = 'AbortError'
  readonly code = 'ABORT_ERR'

  constructor(reason: unknown) {
    super('the connection was aborted', { cause: reason })
  }
}

/** An alert with what can be done about it, if it is one of the draft's: they come to those too who know nothing of
 *  attestation, and so have no name for them. */
export function explained(error: AlertReceived): AlertReceived {
  const [name, complaint] = COMPLAINTS.find(([code]) => isCalled(error, code)) ?? []
  return name === undefined ? error : new AlertReceived(error.alert, name, complaint)
}

function isCalled({ alert, code }: AlertReceived, name: 'unsupported_evidence' | 'unsupported_verifiers'): boolean {
  const hasNoName = code === `ERR_TLS_ALERT_ALERT_${alert}`
  return code === `ERR_TLS_ALERT_${name.toUpperCase()}` || (hasNoName && alert === defaultCodePoints[name])
}

const COMPLAINTS = [
  [
    'unsupported_evidence',
    'it wants Evidence of us and gets none that it takes: give `attestation` with an attester of a type that its Verifier knows',
  ],
  [
    'unsupported_verifiers',
    'it wants Attestation Results of us and gets none that it takes: give `attestation` with a presenter of a Verifier that it knows',
  ],
] as const
