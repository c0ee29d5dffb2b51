import { X509Certificate } from 'node:crypto'
import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { DetailedPeerCertificate, PeerCertificate } from 'node:tls'
import type { AttestationStatus } from '../attestation/index.js'
import { adjoined, concat } from '../bytes/index.js'
import { AlertReceived, CertificateType, decodeSession, type Established, MisuseError } from '../handshake/index.js'
import { ConnectionEnded, type ConnectionEvent, isRecyclable, recycle, type TlsConnection } from '../tls/index.js'
import { Aborted, ConnectionReset, HandshakeTimeout } from './errors.js'
import { type Foundation, foundationOf } from './foundation.js'
import { appendKeyLog } from './key-log-file.js'
import { legacyCertificate } from './legacy-certificate.js'
import { endTransport, linger } from './linger.js'
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
import { TransportSocket } from './transport-socket.js'
import { WriteQueue } from './write-queue.js'

/** What a socket is told apart from its plan. */
export interface SocketOptions {
  readonly allowHalfOpen?: boolean
  readonly highWaterMark?: number
  readonly signal?: AbortSignal
  readonly session?: Uint8Array
  /** Client: what is written first, as early data if it may be. */
  readonly earlyData?: Uint8Array
}

/** A TLS 1.3 connection as a stream, with the face of `tls.TLSSocket`. What is written before 'secureConnect' is kept
 *  until the peer has been checked, and dropped if it is refused; nothing is read before that.
 *
 *  Events beyond those of a Duplex: 'lookup', 'connect', 'secure', 'secureConnect' (client), 'session', 'keylog',
 *  'OCSPResponse', 'timeout', 'earlyData' (server); under the profile `hardened` 'attestation' with each renewal of the peer's, and
 *  'attestationLost' before the connection ends because there was none, or a bad one. */
export class AttestedSocket extends TransportSocket {
  readonly encrypted = true
  /** Whether the peer showed a credential that passed, or who it is was settled by a PSK or by attestation. */
  authorized = false
  /** Why not, if a credential that did not pass was let in. */
  authorizationError: Error | null = null
  /** false if none was agreed on; null before the handshake is complete. */
  alpnProtocol: string | false | null = null
  /** The host name that the client asked for; false if it asked for none; null before the handshake is complete. */
  servername: string | false | null = null
  readonly #plan: Plan
  readonly #writes: WriteQueue
  #deadline: NodeJS.Timeout | undefined
  #begun: Begun | undefined
  #established: Established | undefined
  /** The session to resume, or that was issued last. */
  #session: { readonly session: Uint8Array } | undefined
  /** Client: what is written first, and how much of it was sent as early data. */
  #early: { readonly data: Uint8Array; readonly sent: number; readonly alpn: string | undefined } | undefined
  /** What the connection waits for and we wait for too. */
  readonly #awaited = new Set<Promise<void>>()
  #wantsData = false
  #isFlowing = true
  #hasTransportEnded = false
  /** Whether the peer is owed time to read why it was refused. */
  #hasRefused = false
  /** Ends the writing side, when it is open. */
  #finish: ((error?: Error | null) => void) | undefined
  /** How the connection ended, to be told when all that came before has been read. */
  #ending: { readonly error: Error | undefined } | undefined
  /** Attestations of the peer that the application knows of. */
  #roundsTold = 0
  #bytesRead = 0
  #bytesWritten = 0

  /** For `connect` and servers, which make the plan. */
  constructor(transport: Duplex, plan: Plan, options: SocketOptions) {
    super(transport, options)
    this.#plan = plan
    this.#session = options.session && { session: options.session }
    this.#early = options.earlyData && { data: options.earlyData, sent: 0, alpn: undefined }
    this.#writes = new WriteQueue(batch => this.#seal(batch))
    if (plan.handshakeTimeout > 0) this.#deadline = setTimeout(() => this.#expire(), plan.handshakeTimeout)
    this.listen('error', (error: Error) => this.#transportFailed(error))
    this.listen('close', () => this.#transportClosed())
    const { signal } = options
    if (signal) this.obey(signal, () => this.destroy(new Aborted(signal.reason)))
    if (this.connecting) {
      this.listen('lookup', (...found: unknown[]) => this.emit('lookup', ...found))
      this.listen('connect', () => {
        this.emit('connect')
        this.#begin()
      })
    } else {
      process.nextTick(() => this.#begin())
    }
  }

  /** Whether the handshake is still to be completed. */
  get secureConnecting(): boolean {
    return !this.#established && !this.destroyed
  }

  /** What became of early data; null where there is none, or where it is not known yet. */
  get earlyData(): 'accepted' | 'rejected' | null {
    const status = this.#begun?.connection.earlyData
    return status === undefined || status === 'offered' ? null : status
  }

  /** How attestation stands; null without the option `attestation`, and before the handshake begins. */
  get attestation(): AttestationStatus | null {
    return this.#begun?.attestation?.status ?? null
  }

  /** Under the profile `hardened`: has the peer attest anew, now or, if it did a moment ago, soon. The event 'attestation'
   *  follows, or the connection ends. @throws MisuseError where the peer does not attest under that profile */
  renewAttestation(): void {
    const { attestation } = this.#begun ?? {}
    if (!attestation) throw new MisuseError('there is no attestation on this connection', 'ERR_ATTESTATION_STATE')
    attestation.renew()
    this.#pump()
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

  /** Our own certificate, if it was presented, in the legacy shape; an empty object if none was; null at the end. */
  getCertificate(): PeerCertificate | object | null {
    if (this.destroyed) return null
    return legacyCertificate({ certificateType: CertificateType.X509, chain: this.#begun?.ownIdentity()?.chain ?? [] })
  }

  /** Our own certificate, if it was presented. */
  getX509Certificate(): X509Certificate | undefined {
    const [leaf] = this.#begun?.ownIdentity()?.chain ?? []
    return leaf && new X509Certificate(leaf)
  }

  getCipher(): { name: string; standardName: string; version: 'TLSv1.3' } | undefined {
    return cipherOf(this.#established, 'TLSv1.3')
  }

  /** null before the handshake is complete and after the connection has ended. */
  getProtocol(): 'TLSv1.3' | null {
    return this.#established && !this.destroyed ? 'TLSv1.3' : null
  }

  /** The group of the key exchange; an empty object before it is known, null on a server. */
  getEphemeralKeyInfo(): EphemeralKey | object | null {
    return ephemeralKeyInfoOf(this.#plan.side, this.#established)
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

  /** Client: the session that was issued last, or that is to be resumed; keep it as secret as a private key. */
  getSession(): Buffer | undefined {
    return this.#session && Buffer.from(this.#session.session)
  }

  /** Client: a session to resume. @throws MisuseError once the handshake has begun */
  setSession(session: Uint8Array): void {
    if (this.#begun) throw new MisuseError('the handshake has begun already', 'ERR_TLS_INVALID_STATE')
    this.#session = { session }
  }

  /** Client: the ticket in the session. */
  getTLSTicket(): Buffer | undefined {
    const session = this.#session && decodeSession(this.#session.session)
    return session ? Buffer.from(session.ticket) : undefined
  }

  isSessionReused(): boolean {
    return this.#established?.isResumed ?? false
  }

  /** The identity of the external PSK that was used; undefined if none was. */
  get pskIdentity(): string | undefined {
    return pskIdentityOf(this.#established)
  }

  /** Replaces the keys that we write with (RFC 8446 §4.6.3). @param requestsPeer whether the peer is to do so too
   *  @throws MisuseError unless the connection is open for writing */
  updateKeys(requestsPeer = false): void {
    const { connection } = this.#begun ?? {}
    if (!connection?.isWritable) throw new MisuseError('there are no keys to update', 'ERR_TLS_INVALID_STATE')
    connection.updateKeys(requestsPeer)
    this.#flush(connection)
  }

  /** There is no renegotiation in TLS 1.3: the answer is always an error. */
  renegotiate(_options: object, callback?: (error: Error) => void): false {
    const error = new MisuseError(
      'TLS 1.3 has no renegotiation; `updateKeys` replaces the keys, a new connection replaces credentials',
      'ERR_TLS_RENEGOTIATION_DISABLED',
    )
    if (callback) process.nextTick(callback, error)
    return false
  }

  /** Nothing to be done: there is no renegotiation in TLS 1.3. */
  disableRenegotiation(): void {}

  override ref(): this {
    this.#deadline?.ref()
    return super.ref()
  }

  override unref(): this {
    this.#deadline?.unref()
    return super.unref()
  }

  /** How many bytes of application data came. */
  get bytesRead(): number {
    return this.#bytesRead
  }

  /** How many bytes of application data were sent. */
  get bytesWritten(): number {
    return this.#bytesWritten
  }

  // What is asked of a Duplex.

  /** @internal */
  override _read(): void {
    this.#wantsData = true
    this.#steer()
  }

  /** @internal */
  override _write(chunk: Uint8Array, _encoding: string, callback: (error?: Error | null) => void): void {
    this.#writes.add([chunk], callback)
  }

  /** @internal */
  override _writev(chunks: readonly { readonly chunk: Uint8Array }[], callback: (error?: Error | null) => void): void {
    this.#writes.add(
      chunks.map(({ chunk }) => chunk),
      callback,
    )
  }

  /** @internal */
  override _final(callback: (error?: Error | null) => void): void {
    this.#finish = callback
    this.#finishWriting()
  }

  /** @internal */
  override read(size?: number): unknown {
    const chunk: unknown = super.read(size)
    if (this.#ending) this.#endWhenRead()
    return chunk
  }

  /** @internal */
  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    const transport = this.transport
    clearTimeout(this.#deadline)
    this.release()
    this.#sayGoodbye(error)
    if (this.#hasRefused) linger(transport)
    else if (error) transport.destroy()
    else endTransport(transport)
    if (!this.#writes.isEmpty) this.#writes.drop(error ?? destroyed())
    callback(error)
  }

  // The connection.

  #begin(): void {
    if (this.destroyed) return
    const transport = this.transport
    if (transport.destroyed || transport.readableEnded) {
      this.destroy(new ConnectionReset('the transport was closed before the handshake began'))
      return
    }
    try {
      this.#begun = this.#plan.begin(this, this.#session?.session)
    } catch (error) {
      this.destroy(error instanceof Error ? error : new Error(String(error)))
      return
    }
    const { connection } = this.#begun
    this.listen('data', (chunk: Uint8Array) => {
      this.idle.touch()
      connection.receive(chunk)
      this.#pump()
    })
    this.listen('end', () => {
      this.#hasTransportEnded = true
      this.#pump()
    })
    this.listen('drain', () => this.#writes.drain())
    connection.start()
    transport.resume()
    this.#pump()
  }

  /** Brings out what the connection has: bytes for the transport, then events for the application. */
  #pump(): void {
    const { connection } = this.#begun ?? {}
    if (!connection || this.destroyed) return
    // While the handshake waits there may be unread bytes that explain the end.
    if (this.#hasTransportEnded && !connection.pause) connection.receiveEnd()
    this.#writeEarlyData(connection)
    try {
      this.#tell(connection)
    } finally {
      // Last: what a listener wrote has left with it, in one system call. Who destroyed the socket has said goodbye.
      if (!this.destroyed) this.#flush(connection)
    }
    if (this.destroyed) return
    this.#await(connection)
    this.#steer()
  }

  /** Tells the application what has happened. */
  #tell(connection: TlsConnection): void {
    let data: Uint8Array | undefined
    for (let event = connection.nextEvent(); event; event = connection.nextEvent()) {
      // What lies together is handed on together: every piece has its price in a stream.
      const both = data && event.type === 'data' ? adjoined(data, event.data) : undefined
      if (data && !both) this.#push(data)
      if (this.destroyed) return
      data = both ?? (event.type === 'data' ? event.data : undefined)
      if (!data) this.#take(event)
      if (this.destroyed) return
    }
    if (data) this.#push(data)
    this.#tellOfRenewals()
  }

  #tellOfRenewals(): void {
    const { attestation } = this
    if (!attestation || !this.#established || attestation.rounds <= this.#roundsTold) return
    const isRenewal = this.#roundsTold > 0
    this.#roundsTold = attestation.rounds
    if (isRenewal) this.emit('attestation', attestation)
  }

  #await(connection: TlsConnection): void {
    const { pause, background } = connection
    // What is not waited for any more never will be again.
    for (const awaited of this.#awaited) if (awaited !== pause && awaited !== background) this.#awaited.delete(awaited)
    for (const awaited of [pause, background]) {
      if (!awaited || this.#awaited.has(awaited)) continue
      this.#awaited.add(awaited)
      const resume = () => {
        if (this.destroyed || !this.#awaited.delete(awaited)) return
        connection.resume()
        this.#pump()
      }
      // Out of the promise, so that what a listener throws is an uncaught exception as everywhere.
      awaited.then(() => process.nextTick(resume))
    }
  }

  #push(data: Uint8Array): void {
    this.#bytesRead += data.length
    if (!this.push(bufferOf(data))) this.#wantsData = false
  }

  /** Takes any event but 'data'. */
  #take(event: ConnectionEvent): void {
    switch (event.type) {
      case 'established':
        this.#open(event.established)
        return
      case 'early':
        // Who handles early data may answer it; everybody else waits for the client to be there.
        if (this.listenerCount('earlyData') > 0) this.#writes.open()
        return
      case 'early_data':
        this.#bytesRead += event.data.length
        // Kept, it is not read before the handshake is complete, which no replay comes to.
        if (!this.emit('earlyData', bufferOf(event.data))) this.push(bufferOf(event.data))
        return
      case 'end':
        this.push(null)
        // Wakes a reader that waits, as net.Socket does.
        this.read(0)
        return
      case 'session':
        this.#session = event
        if (this.listenerCount('session') > 0) this.emit('session', Buffer.from(event.session))
        return
      case 'keylog':
        if (this.#plan.keyLogFile !== undefined) appendKeyLog(this.#plan.keyLogFile, `${event.line}\n`)
        this.emit('keylog', Buffer.from(`${event.line}\n`))
        return
      case 'error':
        // What was believed of the peer does not hold any more: that is told before the end.
        if (this.#roundsTold > 0 && !this.attestation?.isAttested) this.emit('attestationLost', event.error)
        if (!this.destroyed) this.#end(event.error)
        return
    }
  }

  #open(established: Established): void {
    clearTimeout(this.#deadline)
    this.#deadline = undefined
    this.#established = established
    const { peer, alpn, serverName } = established
    this.alpnProtocol = alpn ?? false
    this.servername = serverName ?? false
    const { authorized, authorizationError } = authorizationOf(established, this.attestation)
    this.authorized = authorized
    this.authorizationError = authorizationError
    if (this.#plan.asksForOcsp) this.emit('OCSPResponse', peer?.ocspResponse ? Buffer.from(peer.ocspResponse) : null)
    if (!this.destroyed) this.emit('secure')
    if (!this.destroyed && this.#plan.side === 'client') this.emit('secureConnect')
    if (this.destroyed || !this.#writeRestOfEarlyData(established)) return
    this.#writes.open()
    this.#finishWriting()
    // As net.Socket does when it has connected: reading begins without anybody asking, up to the high-water mark.
    if (!this.isPaused()) this.read(0)
  }

  /** The connection is over for an error. */
  #end(error: Error): void {
    if (error instanceof ConnectionEnded) {
      if (!this.#established) {
        this.destroy(
          new ConnectionReset('the peer closed the connection before the handshake was complete', { cause: error }),
        )
        return
      }
      this.#ending = { error }
      this.#endWhenRead()
      return
    }
    this.#hasRefused = !(error instanceof AlertReceived)
    this.destroy(surfaced(error))
  }

  /** Tells how the connection ended when there is nothing left to read. */
  #endWhenRead(): void {
    if (!this.#ending || this.readableLength > 0) return
    const { error } = this.#ending
    this.#ending = undefined
    // Not from within a read().
    process.nextTick(() => this.destroy(error))
  }

  #transportFailed(error: Error): void {
    const { connection } = this.#begun ?? {}
    // The peer has said all it had to say, and the application has nothing under way: that tickets or our own goodbye do
    // not arrive any more is no failure.
    if (!connection || !this.#established || connection.isReadable || !this.#writes.isEmpty) {
      this.destroy(error)
      return
    }
    this.#ending = { error: undefined }
    this.#endWhenRead()
  }

  #transportClosed(): void {
    this.#hasTransportEnded = true
    if (!this.#begun) {
      this.destroy(new ConnectionReset('the transport was closed before the handshake began'))
      return
    }
    this.#pump()
    if (this.destroyed || this.#ending || this.#begun.connection.pause) return
    this.#ending = { error: undefined }
    this.#endWhenRead()
  }

  /** What has to be said before the transport is ended. */
  #sayGoodbye(error: Error | null): void {
    const { connection } = this.#begun ?? {}
    if (!connection) return
    // If all that was written has been sent, the end is one (RFC 8446 §6.1). Otherwise the peer is to see that it was
    // cut short.
    if (connection.state === 'handshake' || (!error && this.#writes.isEmpty)) connection.close()
    // Also what it has said itself of an error.
    this.#flush(connection)
    // Whoever still waits on our behalf need not; nothing of this is sent any more. An error costs more than a record.
    if (connection.state !== 'closed') connection.fail(error ?? destroyed())
  }

  #expire(): void {
    // Nobody did anything wrong: the peer is told user_canceled (RFC 8446 §6.1), and has time to read it.
    this.#hasRefused = this.#begun !== undefined
    this.destroy(new HandshakeTimeout(this.#plan.handshakeTimeout))
  }

  // Writing.

  #seal(batch: readonly Uint8Array[]): boolean {
    const { connection } = this.#begun ?? {}
    if (!connection?.isWritable) {
      this.#writes.drop(new ConnectionReset('the connection was closed before this was sent'))
      return true
    }
    this.idle.touch()
    for (const { length } of batch) this.#bytesWritten += length
    connection.write(batch)
    return this.#flush(connection)
  }

  /** Sends what the connection has to send, at once. @returns whether the transport takes more */
  #flush(connection: TlsConnection): boolean {
    const [first, ...more] = connection.takeOutput()
    if (!first || this.transport.destroyed || this.transport.writableEnded) return true
    const output = more.length === 0 ? first : concat(first, ...more)
    // A stream that is no socket may keep what it was given.
    if (!isRecyclable(output) || !(this.transport instanceof Socket)) return this.transport.write(output)
    return this.transport.write(output, error => {
      // What a socket that failed was to send, the system may still have in its hands.
      if (!error) recycle(output)
    })
  }

  /** Client: as soon as the ClientHello has left, if the session is for it. */
  #writeEarlyData(connection: TlsConnection): void {
    if (this.#early?.sent !== 0 || connection.earlyData !== 'offered') return
    const { data } = this.#early
    const session = this.#session && decodeSession(this.#session.session)
    this.#early = { data, sent: connection.writeEarlyData(data), alpn: session?.alpn }
  }

  /** Client: what was not sent as early data, or not taken as such. @returns false if it must not be sent */
  #writeRestOfEarlyData({ alpn }: Established): boolean {
    const { connection } = this.#begun ?? {}
    const early = this.#early
    if (!connection || !early) return true
    this.#early = undefined
    const isAccepted = connection.earlyData === 'accepted'
    // RFC 8446 §4.2.10: what was written for one application protocol is not sent in another.
    if (early.sent > 0 && !isAccepted && alpn !== early.alpn) {
      this.destroy(
        new MisuseError(
          `early data was refused, and was written for another application protocol than ${alpn ?? 'none'}`,
          'ERR_TLS_EARLY_DATA',
        ),
      )
      return false
    }
    this.#bytesWritten += early.data.length
    connection.write(early.data.subarray(isAccepted ? early.sent : 0))
    this.#flush(connection)
    return true
  }

  #finishWriting(): void {
    const { connection } = this.#begun ?? {}
    if (!this.#finish || !this.#established || !connection) return
    const finish = this.#finish
    this.#finish = undefined
    connection.close()
    this.#flush(connection)
    // A transport that fails is told of elsewhere.
    this.transport.end(() => finish())
  }

  // Reading.

  /** Lets the transport flow while there is use for what it brings. */
  #steer(): void {
    const { connection } = this.#begun ?? {}
    if (!connection || this.destroyed) return
    const flows = !connection.pause && (!this.#established || this.#wantsData || !connection.isReadable)
    if (flows === this.#isFlowing) return
    this.#isFlowing = flows
    if (flows) this.transport.resume()
    else this.transport.pause()
  }
}

function destroyed(): Error {
  return new MisuseError('the socket was destroyed before this was sent', 'ERR_STREAM_DESTROYED')
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
}
