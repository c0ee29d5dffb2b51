import { AlertDescription, AlertReceived, alertFor, MisuseError, ProtocolError } from './alert.js'
import type { Carrier, Direction, Epoch } from './carrier.js'
import type { Suite } from './cipher-suite.js'
import { clientHandshake } from './client.js'
import type { ClientConfig, ServerConfig } from './config.js'
import { ConnectionEnded, type ConnectionEvent } from './connection-event.js'
import { ControlChannel } from './control-channel.js'
import type { Established } from './established.js'
import { KeyLog } from './key-log.js'
import type { Exporter, TrafficSecret } from './key-schedule.js'
import { Machine } from './machine.js'
import { HandshakeType, type Message, messageName } from './messages.js'
import { makeTickets, readTicket } from './new-session-ticket.js'
import type { Protocol } from './protocol.js'
import type { SentRetry } from './retry.js'
import { serverHandshake } from './server.js'

/*
 * The life of a connection, whatever carries it:
 *
 *   new ---> handshake ---> open ---> closed
 *                |                      ^
 *                +----------------------+
 *
 * It is open when the handshake is complete and nothing that a plug has to do before application data is left.
 */

/** What TLS and DTLS have in common above their records: the handshake and the messages after it, alerts, and what a driver
 *  sees. The class below it answers the handshake as its `Carrier`. */
export abstract class Connection implements Carrier {
  abstract readonly protocol: Protocol
  abstract readonly sentRetry: SentRetry | undefined
  abstract readonly connectionId: Uint8Array | undefined
  readonly side: 'client' | 'server'
  /** Not a property: it holds PSKs, and who prints a connection is not to print them. */
  readonly #config: ClientConfig | ServerConfig
  readonly #keyLog: KeyLog
  readonly #recordsPerKey: number
  #machine: Machine<Established> | undefined
  /** What a plug does after the handshake. */
  #control: ControlChannel | undefined
  #established: Established | undefined
  #handshakeExporter: Exporter | undefined
  #exporter: Exporter | undefined
  #state: 'new' | 'handshake' | 'open' | 'closed' = 'new'
  #hasSentClose = false
  #hasReceivedClose = false
  #events: ConnectionEvent[] = []
  #abort: AbortController | undefined

  protected constructor([side, config]: RoleAndConfig, recordsPerKey: number) {
    this.side = side
    this.#config = config
    this.#keyLog = new KeyLog(config.hasKeyLog)
    this.#recordsPerKey = recordsPerKey
    // The steps do not run before `start`, so they see no half-made carrier.
    this.#machine = new Machine(
      side === 'client' ? clientHandshake(config, this, this.#keyLog) : serverHandshake(config, this, this.#keyLog),
    )
  }

  // What a driver sees.

  get state(): 'new' | 'handshake' | 'open' | 'closed' {
    return this.#state
  }

  /** What the handshake came to; undefined before it is complete. */
  get established(): Established | undefined {
    return this.#established
  }

  /** Settles when the world that the handshake waits for has answered; call `resume` then. */
  get pause(): Promise<void> | undefined {
    return this.#machine?.pause ?? this.#control?.pause
  }

  /** Settles when the world has answered, or a time is up, that something waits for while records are read; call `resume`
   *  then. */
  get background(): Promise<void> | undefined {
    return this.#control?.background
  }

  /** Whether application data can be written. */
  get isWritable(): boolean {
    return this.#state === 'open' && !this.#hasSentClose
  }

  /** Whether the peer can still send. */
  get isReadable(): boolean {
    return this.#state !== 'closed' && !this.#hasReceivedClose
  }

  /** Fires when the connection is over, whatever the reason. */
  get signal(): AbortSignal {
    if (!this.#abort) {
      // Made when somebody asks: most connections need none.
      this.#abort = new AbortController()
      if (this.#state === 'closed') this.#abort.abort(OVER)
    }
    return this.#abort.signal
  }

  /** The next event; undefined when there is none. */
  nextEvent(): ConnectionEvent | undefined {
    return this.#events.shift()
  }

  /** The exporter of RFC 8446 §7.5. @throws MisuseError before the handshake is complete */
  exportKeyingMaterial(label: string, context: Uint8Array, length: number): Uint8Array {
    const exporter = this.#established?.exporter ?? this.#exporter
    if (!exporter) throw new MisuseError('there is no exporter before the handshake is complete')
    return exporter.derive(label, context, length)
  }

  /** The Handshake Exporter: bound to ClientHello...ServerHello and the key exchange, and to nothing that comes later.
   *  @throws MisuseError before ServerHello */
  exportHandshakeKeyingMaterial(label: string, context: Uint8Array, length: number): Uint8Array {
    if (!this.#handshakeExporter) throw new MisuseError('there is no Handshake Exporter before ServerHello')
    return this.#handshakeExporter.derive(label, context, length)
  }

  /** Says close_notify: nothing more will be written. What the peer still sends is read (RFC 8446 §6.1). In the
   *  handshake it gives up instead. */
  close(): void {
    if (this.#hasSentClose || this.#state === 'closed') return
    this.#hasSentClose = true
    if (this.#state === 'handshake') this.sendAlert(AlertLevel.warning, AlertDescription.user_canceled)
    if (this.#state !== 'new') this.sendAlert(AlertLevel.warning, AlertDescription.close_notify)
    if (this.#state !== 'open' || this.#hasReceivedClose) this.#finish()
  }

  /** Ends the connection for an error of ours: the peer gets the alert that fits. */
  fail(error: Error): void {
    if (this.#state === 'closed') return
    // RFC 8446 §6.1: nothing is sent after close_notify.
    if (this.#state !== 'new' && !this.#hasSentClose) this.sendAlert(AlertLevel.fatal, alertFor(error))
    this.end(error)
  }

  // What the handshake asks of the layer below.

  abstract send(message: Uint8Array): void
  abstract endFlight(): void
  abstract protect(direction: Direction, epoch: Epoch, secret: TrafficSecret, suite: Suite): void
  abstract compatibility(): void
  abstract limitRecords(direction: Direction, recordSizeLimit: number): void
  abstract openEarlyData(secret: TrafficSecret, suite: Suite, limit: number): void
  abstract settleEarlyData(isAccepted: boolean): void
  abstract skipEarlyData(): void
  abstract useConnectionId(peers: Uint8Array): void

  offerHandshakeExporter(exporter: Exporter): void {
    this.#handshakeExporter = exporter
  }

  offerExporter(exporter: Exporter): void {
    this.#exporter = exporter
  }

  // What this class asks of the layer below.

  /** Puts an alert into a record of its own. */
  protected abstract sendAlert(level: number, description: number): void
  /** The peer's key_update. */
  protected abstract readKeyUpdate(message: Message): void
  /** The handshake is complete. */
  protected abstract onComplete(): void
  /** The connection is over: nothing secret and nothing large is kept. */
  protected abstract release(): void

  /** A message after the handshake that only one protocol has. @returns whether it is one */
  protected readFurther(_message: Message): boolean {
    return false
  }

  // What the layer below asks of this class.

  protected get config(): ClientConfig | ServerConfig {
    return this.#config
  }

  /** Whether the handshake is not complete yet. */
  protected get isShakingHands(): boolean {
    return this.#machine !== undefined
  }

  protected get hasSentClose(): boolean {
    return this.#hasSentClose
  }

  /** After how many records a key has to be replaced. */
  protected get keyLimit(): number {
    return Math.min(this.#recordsPerKey, this.#established?.suite.aead.recordLimit ?? Number.MAX_SAFE_INTEGER)
  }

  protected emit(event: ConnectionEvent): void {
    this.#events.push(event)
  }

  /** Sends a message that is a flight of its own. */
  protected sendAlone(message: Uint8Array): void {
    this.send(message)
    this.endFlight()
  }

  /** Shows a message that is sent to those who look on. */
  protected observeSent(message: Uint8Array): void {
    this.config.plug?.observe?.('sent', { type: message[0] ?? 0, body: message.subarray(4), raw: message })
  }

  /** Begins the handshake. @returns whether it had not begun */
  protected begin(): boolean {
    if (this.#state !== 'new') return false
    this.#state = 'handshake'
    return true
  }

  /** Runs the handshake up to its first pause. */
  protected shakeHands(): void {
    this.#machine?.start()
    this.#afterStep()
  }

  /** Goes on after `pause` or `background` has settled. */
  protected goOn(): void {
    this.#machine?.resume()
    this.#afterStep()
    this.#control?.resume()
    this.#openWhenReady()
  }

  /** Checks that a handshake message of this type is welcome, which can be known before all of it is there.
   *  @throws ProtocolError unexpected_message */
  protected expect(type: number): void {
    this.#machine?.expect(type)
  }

  /** Whether messages of this type are the plug's. */
  protected isControl(type: number): boolean {
    return type === this.#control?.messageType
  }

  /** Takes a whole handshake message. Not while `pause` is set. */
  protected readMessage(message: Message): void {
    this.config.plug?.observe?.('received', message)
    if (this.#machine) {
      this.#machine.receive(message)
      this.#afterStep()
    } else {
      this.#readPostHandshake(message)
    }
  }

  /** Takes an alert. All but two are fatal whatever their level (RFC 8446 §6). */
  protected readAlert(description: number): void {
    if (description === AlertDescription.user_canceled) return
    if (description !== AlertDescription.close_notify) {
      this.end(new AlertReceived(description, this.config.plug?.alertNames.get(description)))
      return
    }
    this.#hasReceivedClose = true
    if (this.#state !== 'open') {
      this.end(new ConnectionEnded('the peer closed the connection during the handshake'))
      return
    }
    this.emit({ type: 'end' })
    if (this.#hasSentClose) this.#finish()
  }

  /** Ends the connection without a word to the peer. */
  protected end(error: Error): void {
    this.#takeKeyLog()
    this.emit({ type: 'error', error })
    this.#finish()
  }

  /** Runs a step; what it throws ends the connection. There is no other way for an error. */
  protected guard(step: () => void): void {
    try {
      step()
    } catch (error) {
      this.fail(error instanceof Error ? error : new Error(String(error)))
    }
  }

  /** Takes what a step of the handshake logged, and goes on to what comes after it when it was the last one. */
  #afterStep(): void {
    this.#takeKeyLog()
    const result = this.#machine?.result
    if (!result) return
    const established = result.value
    this.#machine = undefined
    this.#established = established
    this.onComplete()
    const { control } = this.config.plug ?? {}
    if (control) {
      const carrier = {
        send: (message: Uint8Array) => {
          if (!this.#hasSentClose && this.#state !== 'closed') this.sendAlone(message)
        },
        // Looked at by few, and costly to have.
        signal: () => this.signal,
      }
      this.#control = new ControlChannel(control, this.side, established, this.config.entropy, carrier)
      this.#control.start()
    }
    this.#openWhenReady()
  }

  /** Lets application data pass, once nothing stands in its way any more. */
  #openWhenReady(): void {
    const established = this.#established
    if (!established || this.#state !== 'handshake' || (this.#control && !this.#control.isOpen)) return
    this.#state = 'open'
    this.emit({ type: 'established', established })
    if (this.side !== 'server' || !('tickets' in this.config)) return
    for (const ticket of makeTickets(this.config, established)) this.send(ticket)
    this.endFlight()
  }

  #takeKeyLog(): void {
    for (const line of this.#keyLog.take()) this.emit({ type: 'keylog', line })
  }

  /** RFC 8446 §4.6. */
  #readPostHandshake(message: Message): void {
    if (message.type === HandshakeType.key_update) {
      this.readKeyUpdate(message)
    } else if (message.type === HandshakeType.new_session_ticket && this.side === 'client') {
      this.#readTicket(message)
    } else if (this.#control && message.type === this.#control.messageType) {
      this.#control.receive(message)
      this.#openWhenReady()
    } else if (!this.readFurther(message)) {
      throw new ProtocolError('unexpected_message', `${messageName(message.type)} came after the handshake`)
    }
  }

  #readTicket(message: Message): void {
    if (!this.#established || !('session' in this.config)) return
    const session = readTicket(this.config, this.#established, message)
    if (session) this.emit(session)
  }

  #finish(): void {
    this.#state = 'closed'
    this.#machine?.stop()
    this.#machine = undefined
    this.#control?.stop()
    this.#control = undefined
    this.release()
    this.#abort?.abort(OVER)
  }
}

/** A side with the configuration that it needs, first of what a connection is made of. */
export type RoleAndConfig =
  | readonly [side: 'client', config: ClientConfig, ...more: unknown[]]
  | readonly [side: 'server', config: ServerConfig, ...more: unknown[]]

/** AlertLevel of RFC 8446 §6. */
export const AlertLevel = { warning: 1, fatal: 2 } as const

/** Why signals fire: one for all, since every error costs a stack. */
const OVER = new ConnectionEnded('the connection is over')
