import type { X509Certificate } from 'node:crypto'
import { EventEmitter } from 'node:events'
import type { AddressInfo } from 'node:net'
import type { DetailedPeerCertificate, PeerCertificate } from 'node:tls'
import type { AttestationStatus } from '../attestation/index.js'
import type { DtlsConnection } from '../dtls/index.js'
import { ConnectionEnded, type ConnectionEvent, type Established, MisuseError } from '../handshake/index.js'
import { Aborted, ConnectionReset, HandshakeTimeout } from './errors.js'
import { type Foundation, foundationOf } from './foundation.js'
import { IdleTimer } from './idle-timer.js'
import { appendKeyLog } from './key-log-file.js'
import { legacyCertificate } from './legacy-certificate.js'
import type { EphemeralKey } from './names.js'
import {
  authorizationOf,
  cipherOf,
  ephemeralKeyInfoOf,
  exportedFrom,
  handshakeExportedFrom,
  peerChainOf,
  peerRawPublicKeyOf,
  peerX509Of,
  pskIdentityOf,
  surfaced,
} from './outcome.js'
import type { Begun, Plan } from './plan.js'

/** The way to one peer. */
export interface DatagramPath {
  readonly remoteAddress: string
  readonly remotePort: number
  /** How many bytes wait to be sent. */
  readonly pending: number
  /** Our own end; an empty object once it is closed. */
  address(): AddressInfo | object
  send(datagram: Uint8Array): void
  /** Nothing more is sent. */
  close(): void
  /** Whether the process stays for it. */
  hold(isHeld: boolean): void
}

/** What a socket needs of the plan that it is made by. */
type SocketPlan = Pick<Plan, 'side' | 'handshakeTimeout' | 'keyLogFile'>

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
 *  'timeout', 'end' (the peer sends no more), 'error', 'close'; under the profile `hardened` 'attestation' with each
 *  renewal of the peer's, and 'attestationLost' before the connection ends because there was none, or a bad one. */
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
  readonly #plan: SocketPlan
  readonly #queueLength: number
  #queue: Uint8Array[] = []
  #path: DatagramPath | undefined
  #begun: BegunDatagrams | undefined
  #established: Established | undefined
  #timer: NodeJS.Timeout | undefined
  #timerAt: number | undefined
  #handshakeTimer: NodeJS.Timeout | undefined
  #closeTimer: NodeJS.Timeout | undefined
  /** What the connection waits for and we wait for too. */
  readonly #awaited = new Set<Promise<void>>()
  readonly #idle = new IdleTimer(() => this.emit('timeout'))
  #session: Uint8Array | undefined
  /** Attestations of the peer that the application knows of. */
  #roundsTold = 0
  /** Whether `close` waits for what is kept to be sent. */
  #closesWhenOpen = false
  #isHeld = true
  #bytesRead = 0
  #bytesWritten = 0
  #forget: (() => void) | undefined

  /** For `connect` and servers, which make the plan. */
  constructor(plan: SocketPlan, options: DtlsSocketOptions) {
    super()
    this.#plan = plan
    this.#queueLength = options.queueLength ?? 64
    if (plan.handshakeTimeout > 0) {
      this.#handshakeTimer = setTimeout(() => this.#expire(), plan.handshakeTimeout)
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
    this.path = path
    this.#begun = begun
    begun.connection.start(now())
    this.#pump()
  }

  /** For whoever made the socket: a datagram has come.
   *  @param isHere called if it is genuine and newer than all before, so that the peer is where it came from, before
   *  anything that answers it */
  take(datagram: Uint8Array, isHere?: () => void): void {
    const { connection } = this.#begun ?? {}
    if (!connection || this.destroyed) return
    if (connection.receive(datagram, now())) isHere?.()
    this.#pump()
  }

  /** For whoever made the socket: the peer is to be reached in another way. */
  set path(path: DatagramPath) {
    this.#path = path
    path.hold(this.#isHeld)
  }

  get remoteAddress(): string | undefined {
    return this.#path?.remoteAddress
  }

  get remotePort(): number | undefined {
    return this.#path?.remotePort
  }

  /** Our own end, as `dgram.Socket` has it; an empty object before there is one, and after. */
  address(): AddressInfo | object {
    return this.#path?.address() ?? {}
  }

  /** How many bytes of application data came. */
  get bytesRead(): number {
    return this.#bytesRead
  }

  /** How many bytes of application data were sent. */
  get bytesWritten(): number {
    return this.#bytesWritten
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

  getCipher(): { name: string; standardName: string; version: 'DTLSv1.3' } | undefined {
    return cipherOf(this.#established, 'DTLSv1.3')
  }

  /** The group of the key exchange; an empty object before it is known, null on a server. */
  getEphemeralKeyInfo(): EphemeralKey | object | null {
    return ephemeralKeyInfoOf(this.#plan.side, this.#established)
  }

  /** The peer's certificate in the legacy shape of node:tls; an empty object if it showed none.
   *  @param isDetailed whether each certificate holds the next one as `issuerCertificate` */
  getPeerCertificate(isDetailed: true): DetailedPeerCertificate
  getPeerCertificate(isDetailed?: false): PeerCertificate
  getPeerCertificate(isDetailed = false): PeerCertificate | DetailedPeerCertificate {
    return legacyCertificate(peerChainOf(this.#established), isDetailed, this.#begun?.anchors())
  }

  /** The peer's certificate; undefined if it showed none. */
  getPeerX509Certificate(): X509Certificate | undefined {
    return peerX509Of(this.#established)
  }

  /** The peer's raw public key (RFC 7250), as SubjectPublicKeyInfo in DER; undefined if it showed none. */
  getPeerRawPublicKey(): Buffer | undefined {
    return peerRawPublicKeyOf(this.#established)
  }

  /** Client: the session that was issued last; keep it as secret as a private key. */
  getSession(): Buffer | undefined {
    return this.#session && Buffer.from(this.#session)
  }

  isSessionReused(): boolean {
    return this.#established?.isResumed ?? false
  }

  /** The identity of the external PSK that was used; undefined if none was. */
  get pskIdentity(): string | undefined {
    return pskIdentityOf(this.#established)
  }

  /** TLS-Exporter (RFC 8446 §7.5). @throws MisuseError before the handshake is complete */
  exportKeyingMaterial(length: number, label: string, context?: Uint8Array): Buffer {
    return exportedFrom(this.#established, length, label, context)
  }

  /** What is built on the connection stands on this. @throws MisuseError before the handshake is complete @internal */
  get foundation(): Foundation {
    return foundationOf(this.#plan.side, this.#established, this.#begun)
  }

  /** The Handshake Exporter: bound to the hellos and the key exchange of this connection, and there from ServerHello
   *  on. @throws MisuseError before that */
  exportHandshakeKeyingMaterial(length: number, label: string, context?: Uint8Array): Buffer {
    return handshakeExportedFrom(this.#begun?.connection, length, label, context)
  }

  /** Under the profile `hardened`: has the peer attest anew, now or, if it did a moment ago, soon. The event 'attestation'
   *  follows, or the connection ends. @throws MisuseError where the peer does not attest under that profile */
  renewAttestation(): void {
    const { attestation } = this.#begun ?? {}
    if (!attestation) throw new MisuseError('there is no attestation on this connection', 'ERR_ATTESTATION_STATE')
    attestation.renew()
    this.#pump()
  }

  /** Emits 'timeout' when nothing has come or gone for so long, in ms; 0: no more. The socket is not closed by it. */
  setTimeout(ms: number, callback?: () => void): this {
    this.#idle.set(ms)
    if (callback) {
      if (ms === 0) this.off('timeout', callback)
      else this.once('timeout', callback)
    }
    return this
  }

  /** The process stays for this socket, as it does unless told otherwise. */
  ref(): this {
    return this.#hold(true)
  }

  /** The process does not stay for this socket alone. */
  unref(): this {
    return this.#hold(false)
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
    this.#bytesWritten += bytes.length
    this.#idle.touch()
    this.#pump()
    return true
  }

  /** Replaces the keys that we write with, once the peer has acknowledged that (RFC 9147 §8).
   *  @param requestsPeer whether the peer is to do so too   @throws MisuseError unless the connection is open */
  updateKeys(requestsPeer = false): void {
    const { connection } = this.#begun ?? {}
    if (!connection?.isWritable) throw new MisuseError('there are no keys to update', 'ERR_TLS_INVALID_STATE')
    connection.updateKeys(requestsPeer, now())
    this.#pump()
  }

  /** Tells the peer that no more comes, and ends the connection: when the peer has said the same, or a second later.
   *  What is kept for the end of the handshake is sent first. */
  close(): void {
    if (this.secureConnecting && this.#queue.length > 0) {
      this.#closesWhenOpen = true
      return
    }
    const { connection } = this.#begun ?? {}
    if (!connection) {
      this.destroy()
      return
    }
    connection.close()
    this.#pump()
    if (this.destroyed || this.#closeTimer) return
    this.#closeTimer = setTimeout(() => this.destroy(), CLOSE_WAIT)
    hold(this.#closeTimer, this.#isHeld)
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
    for (const timer of this.#timers) clearTimeout(timer)
    this.#idle.clear()
    this.#queue = []
    this.#forget?.()
    this.#path?.close()
    process.nextTick(() => {
      if (error) this.emit('error', error)
      this.emit('close')
    })
  }

  get #timers(): readonly NodeJS.Timeout[] {
    return [this.#timer, this.#handshakeTimer, this.#closeTimer].filter(timer => timer !== undefined)
  }

  #hold(isHeld: boolean): this {
    this.#isHeld = isHeld
    this.#path?.hold(isHeld)
    for (const timer of this.#timers) hold(timer, isHeld)
    return this
  }

  #drop(count: number): false {
    process.nextTick(() => this.emit('drop', count))
    return false
  }

  #expire(): void {
    const { connection } = this.#begun ?? {}
    if (connection) {
      // Nobody did anything wrong: the peer is told user_canceled (RFC 8446 §6.1).
      connection.close()
      this.#send(connection)
    }
    this.destroy(new HandshakeTimeout(this.#plan.handshakeTimeout))
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
    this.#tellOfRenewals()
    if (this.destroyed) return
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

  #tellOfRenewals(): void {
    const { attestation } = this
    if (!attestation || !this.#established || attestation.rounds <= this.#roundsTold) return
    const isRenewal = this.#roundsTold > 0
    this.#roundsTold = attestation.rounds
    if (isRenewal) this.emit('attestation', attestation)
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
    hold(this.#timer, this.#isHeld)
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
        this.#bytesRead += event.data.length
        this.#idle.touch()
        this.emit('message', Buffer.from(event.data))
        return
      case 'end':
        this.emit('end')
        // There is no half of a connection that carries no stream.
        this.close()
        return
      case 'session':
        this.#session = event.session
        this.emit('session', Buffer.from(event.session))
        return
      case 'keylog':
        if (this.#plan.keyLogFile !== undefined) appendKeyLog(this.#plan.keyLogFile, `${event.line}\n`)
        this.emit('keylog', Buffer.from(`${event.line}\n`))
        return
      case 'error':
        // What was believed of the peer does not hold any more: that is told before the end.
        if (this.#roundsTold > 0 && !this.attestation?.isAttested) this.emit('attestationLost', event.error)
        this.destroy(this.#established ? surfaced(event.error) : unfinished(event.error))
        return
    }
  }

  #open(established: Established): void {
    clearTimeout(this.#handshakeTimer)
    this.#established = established
    const { alpn, serverName } = established
    this.alpnProtocol = alpn ?? false
    this.servername = serverName ?? false
    const { authorized, authorizationError } = authorizationOf(established, this.attestation)
    this.authorized = authorized
    this.authorizationError = authorizationError
    this.emit('secureConnect')
    const queue = this.#queue
    this.#queue = []
    for (const message of queue) {
      if (this.destroyed) return
      if (message.length > this.maxMessageLength) this.#drop(1)
      else this.send(message)
    }
    if (this.#closesWhenOpen) this.close()
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

/** What ended a handshake, as the caller is to see it. */
function unfinished(error: Error): Error {
  if (!(error instanceof ConnectionEnded)) return surfaced(error)
  return new ConnectionReset('the handshake was not completed', { cause: error })
}

function hold(timer: NodeJS.Timeout, isHeld: boolean): void {
  if (isHeld) timer.ref()
  else timer.unref()
}
