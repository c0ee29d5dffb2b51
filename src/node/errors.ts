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
