import { X509Certificate } from 'node:crypto'
import { EventEmitter } from 'node:events'
import type { AttestationStatus } from '../attestation/index.js'
import type { DtlsConnection } from '../dtls/index.js'
import {
  CertificateType,
  ConnectionEnded,
  type ConnectionEvent,
  type Established,
  MisuseError,
} from '../handshake/index.js'
import { Aborted, ConnectionReset, HandshakeTimeout } from './errors.js'
import { appendKeyLog } from './key-log-file.js'
import { IdentityRefused } from './peer.js'
import type { Begun, Plan } from './plan.js'

/** The way to one peer. */
export interface DatagramPath {
  readonly remoteAddress: string
  readonly remotePort: number
  /** How many bytes wait to be sent. */
  readonly pending: number
  send(datagram: Uint8Array): void
  /** Nothing more is sent. */
  close(): void
}

/** A connection that has been made, and what its handshake leaves behind for the socket. */
export interface BegunDatagrams extends Omit<Begun, 'connection'> {
  readonly connection: DtlsConnection
}

/** What a socket is told by whoever makes it. */
export interface DtlsSocketOptions {
  readonly queueLength?: number | undefined
  readonly signal?: AbortSignal | undefined
}

/** A DTLS 1.3 connection: messages that keep their boundaries, and may be lost. What is sent before 'secureConnect' is
 *  kept, in bounds, until the peer has been checked, and dropped if it is refused.
 *
 *  Events: 'secureConnect', 'message' (a Buffer), 'drop' (how many of our messages were never sent), 'session', 'keylog',
 *  'end' (the peer sends no more), 'error', 'close'. */
export class DtlsSocket extends EventEmitter {
  readonly encrypted = true
  /** Whether the peer showed a credential that passed, or who it is was settled by a PSK or by attestation. */
  authorized = false
  /** Why not, if a credential that did not pass was let in. */
  authorizationError: Error | null = null
  /** false if none was agreed on; null before the handshake is complete. */
  alpnProtocol: string | false | null = null
  /** The host name that the client asked for; false if it asked for none; null before the handshake is complete. */
  servername: string | false | null = null
  destroyed = false
  readonly #plan: Pick<Plan, 'handshakeTimeout' | 'keyLogFile'>
  readonly #queueLength: number
  #queue: Uint8Array[] = []
  #path: DatagramPath | undefined
  #begun: BegunDatagrams | undefined
  #established: Established | undefined
  #timer: NodeJS.Timeout | undefined
  #timerAt: number | undefined
  #handshakeTimer: NodeJS.Timeout | undefined
  #closeTimer: NodeJS.Timeout | undefined
  readonly #awaited = new Set<Promise<void>>()
  #forget: (() => void) | undefined

  /** For `connect` and servers, which make the plan. */
  constructor(plan: Pick<Plan, 'handshakeTimeout' | 'keyLogFile'>, options: DtlsSocketOptions) {
    super()
    this.#plan = plan
    this.#queueLength = options.queueLength ?? 64
    if (plan.handshakeTimeout > 0) {
      this.#handshakeTimer = setTimeout(
        () => this.#fail(new HandshakeTimeout(plan.handshakeTimeout)),
        plan.handshakeTimeout,
      )
    }
    const { signal } = options
    if (signal) {
      const abort = () => this.destroy(new Aborted(signal.reason))
      signal.addEventListener('abort', abort, { once: true })
      this.#forget = () => signal.removeEventListener('abort', abort)
      if (signal.aborted) process.nextTick(abort)
    }
  }

  /** For whoever made the socket: the peer can be reached. */
  begin(path: DatagramPath, begun: BegunDatagrams): void {
    if (this.destroyed) return
    this.#path = path
    this.#begun = begun
    begun.connection.start(now())
    this.#pump()
  }

  /** For whoever made the socket: a datagram has come.
   *  @returns whether it is genuine and newer than all before, so that the peer is where it came from */
  take(datagram: Uint8Array): boolean {
    const { connection } = this.#begun ?? {}
    if (!connection || this.destroyed) return false
    const isNewest = connection.receive(datagram, now())
    this.#pump()
    return isNewest
  }

  /** For whoever made the socket: the peer is to be reached in another way. */
  set path(path: DatagramPath) {
    this.#path = path
  }

  get remoteAddress(): string | undefined {
    return this.#path?.remoteAddress
  }

  get remotePort(): number | undefined {
    return this.#path?.remotePort
  }

  /** How attestation stands; null without the option `attestation`, and before the handshake begins. */
  get attestation(): AttestationStatus | null {
    return this.#begun?.attestation?.status ?? null
  }

  /** Whether the handshake is still to be completed. */
  get secureConnecting(): boolean {
    return !this.#established && !this.destroyed
  }

  /** The most bytes that a message may have now. */
  get maxMessageLength(): number {
    return this.#begun?.connection.maxData ?? 0
  }

  /** null before the handshake is complete and after the connection has ended. */
  getProtocol(): 'DTLSv1.3' | null {
    return this.#established && !this.destroyed ? 'DTLSv1.3' : null
  }

  /** The peer's certificate; undefined if it showed none. */
  getPeerX509Certificate(): X509Certificate | undefined {
    const { certificateType, chain } = this.#established?.peerChain ?? { certificateType: 0, chain: [] }
    const [leaf] = chain
    return leaf && certificateType === CertificateType.X509 ? new X509Certificate(leaf) : undefined
  }

  isSessionReused(): boolean {
    return this.#established?.isResumed ?? false
  }

  /** The exporter of RFC 8446 §7.5. @throws MisuseError before the handshake is complete */
  exportKeyingMaterial(length: number, label: string, context?: Uint8Array): Buffer {
    const { exporter } = this.#established ?? {}
    if (!exporter) {
      throw new MisuseError('there is no keying material before the handshake is complete', 'ERR_TLS_INVALID_STATE')
    }
    return Buffer.from(exporter.derive(label, context ?? new Uint8Array(0), length))
  }

  /** Sends a message: all of it arrives, or none.
   *  @returns whether it was sent or kept; otherwise it was dropped, and 'drop' follows
   *  @throws MisuseError if it is longer than `maxMessageLength`, or the connection has ended */
  send(message: Uint8Array | string): boolean {
    const bytes = typeof message === 'string' ? Buffer.from(message) : message
    const { connection } = this.#begun ?? {}
    if (this.destroyed) throw new MisuseError('the connection has ended', 'ERR_TLS_INVALID_STATE')
    if (!this.#established || !connection) {
      if (this.#queue.length >= this.#queueLength) return this.#drop(1)
      this.#queue.push(Uint8Array.from(bytes))
      return true
    }
    // What the system cannot send fast enough would otherwise pile up without bounds.
    if ((this.#path?.pending ?? 0) > MAX_PENDING) return this.#drop(1)
    connection.write(bytes, now())
    this.#pump()
    return true
  }

  /** Replaces our keys, and asks the peer to replace its own. @throws MisuseError before the handshake is complete */
  updateKeys(): void {
    const { connection } = this.#begun ?? {}
    if (!connection) throw new MisuseError('there are no keys to update', 'ERR_TLS_INVALID_STATE')
    connection.updateKeys(true, now())
    this.#pump()
  }

  /** Tells the peer that no more comes, and ends the connection: when the peer has said the same, or a second later. */
  close(): void {
    const { connection } = this.#begun ?? {}
    if (!connection) {
      this.destroy()
      return
    }
    connection.close()
    this.#pump()
    if (!this.destroyed) this.#closeTimer ??= setTimeout(() => this.destroy(), CLOSE_WAIT)
  }

  /** Ends the connection at once. @param error for the event 'error' */
  destroy(error?: Error): void {
    if (this.destroyed) return
    const { connection } = this.#begun ?? {}
    if (connection && connection.state !== 'closed') {
      if (error) connection.fail(error)
      else connection.close()
      this.#send(connection)
    }
    this.destroyed = true
    // Whoever still waits on our behalf need not.
    if (connection && connection.state !== 'closed') connection.fail(new ConnectionEnded('the socket was closed'))
    for (const timer of [this.#timer, this.#handshakeTimer, this.#closeTimer]) clearTimeout(timer)
    this.#queue = []
    this.#forget?.()
    this.#path?.close()
    process.nextTick(() => {
      if (error) this.emit('error', error)
      this.emit('close')
    })
  }

  #drop(count: number): false {
    process.nextTick(() => this.emit('drop', count))
    return false
  }

  #fail(error: Error): void {
    const { connection } = this.#begun ?? {}
    if (connection) {
      connection.fail(error)
      this.#pump()
    }
    this.destroy(error)
  }

  /** Sends, tells, waits: to be called after everything that is done with the connection. */
  #pump(): void {
    const { connection } = this.#begun ?? {}
    if (!connection || this.destroyed) return
    this.#send(connection)
    for (let event = connection.nextEvent(); event; event = connection.nextEvent()) {
      this.#tell(event)
      if (this.destroyed) return
    }
    if (connection.state === 'closed') {
      this.destroy()
      return
    }
    this.#await(connection)
    this.#schedule(connection)
  }

  #send(connection: DtlsConnection): void {
    for (const datagram of connection.takeOutput()) this.#path?.send(datagram)
  }

  #schedule(connection: DtlsConnection): void {
    const { deadline } = connection
    if (deadline === this.#timerAt) return
    clearTimeout(this.#timer)
    this.#timerAt = deadline
    if (deadline === undefined) return
    this.#timer = setTimeout(
      () => {
        this.#timerAt = undefined
        connection.expire(now())
        this.#pump()
      },
      Math.max(0, Math.ceil(deadline - now())),
    )
  }

  #await(connection: DtlsConnection): void {
    const { pause, background } = connection
    for (const awaited of this.#awaited) if (awaited !== pause && awaited !== background) this.#awaited.delete(awaited)
    for (const awaited of [pause, background]) {
      if (!awaited || this.#awaited.has(awaited)) continue
      this.#awaited.add(awaited)
      const resume = () => {
        if (this.destroyed || !this.#awaited.delete(awaited)) return
        connection.resume(now())
        this.#pump()
      }
      // Out of the promise, so that what a listener throws is an uncaught exception as everywhere.
      awaited.then(() => process.nextTick(resume))
    }
  }

  #tell(event: ConnectionEvent): void {
    switch (event.type) {
      case 'established':
        this.#open(event.established)
        return
      case 'data':
        this.emit('message', Buffer.from(event.data))
        return
      case 'end':
        this.emit('end')
        // There is no half of a connection that carries no stream.
        this.close()
        return
      case 'session':
        this.emit('session', Buffer.from(event.session))
        return
      case 'keylog':
        if (this.#plan.keyLogFile !== undefined) appendKeyLog(this.#plan.keyLogFile, `${event.line}\n`)
        this.emit('keylog', Buffer.from(`${event.line}\n`))
        return
      case 'error':
        this.destroy(surfaced(event.error, this.#established !== undefined))
        return
    }
  }

  #open(established: Established): void {
    clearTimeout(this.#handshakeTimer)
    this.#established = established
    const { peer, alpn, serverName, pskIdentity } = established
    this.alpnProtocol = alpn ?? false
    this.servername = serverName ?? false
    this.authorizationError = peer?.authorizationError ? surfaced(peer.authorizationError, true) : null
    const isKnown =
      peer?.certificateType === CertificateType.X509 || peer?.certificateType === CertificateType.RawPublicKey
    this.authorized =
      !this.authorizationError &&
      (isKnown || (peer !== undefined && this.attestation?.isAttested === true) || pskIdentity !== undefined)
    this.emit('secureConnect')
    const queue = this.#queue
    this.#queue = []
    for (const message of queue) {
      if (this.destroyed) return
      if (message.length > this.maxMessageLength) this.#drop(1)
      else this.send(message)
    }
  }
}

/** Bytes that may wait in the system's socket before messages are dropped. */
const MAX_PENDING = 2 ** 20
/** ms */
const CLOSE_WAIT = 1000

/** ms of a clock that never goes back. */
function now(): number {
  return performance.now()
}

/** An error as the caller is to see it: what the caller's own check refused with comes back as it was. */
function surfaced(error: Error, isEstablished: boolean): Error {
  if (error instanceof IdentityRefused) return error.refusal
  if (error instanceof ConnectionEnded && !isEstablished) {
    return new ConnectionReset('the handshake was not completed', { cause: error })
  }
  return error
}
