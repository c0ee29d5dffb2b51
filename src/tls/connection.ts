import { join } from '../bytes/index.js'
import {
  AlertDescription,
  AlertReceived,
  alertFor,
  type Carrier,
  type ClientConfig,
  ConnectionEnded,
  type ConnectionEvent,
  ControlChannel,
  clientHandshake,
  type Direction,
  decodeMessage,
  type Epoch,
  type Established,
  type Exporter,
  encodeMessage,
  HandshakeType,
  KeyLog,
  KeyUpdate,
  Machine,
  type Message,
  MessageAssembler,
  MisuseError,
  makeTickets,
  messageLimit,
  messageName,
  ProtocolError,
  readTicket,
  type ServerConfig,
  type Suite,
  serverHandshake,
  type TrafficSecret,
  tls13,
} from '../handshake/index.js'
import { IdleCount } from './idle-count.js'
import { ContentType, INITIAL_RECORD_VERSION, MAX_CONTENT, RECORD_VERSION } from './record.js'
import type { RecordOptions } from './record-options.js'
import { RecordProtection } from './record-protection.js'
import { RecordReader } from './record-reader.js'
import { RecordWriter } from './record-writer.js'

/** A TLS 1.3 connection without socket, clock or randomness of its own.
 *
 *  A. Look: `state`, `established`, `pause`, `isReadable`, `isWritable`, `signal`.
 *  B. Input: `receive`, `receiveEnd`, `resume`.
 *  C. Commands: `start`, `write`, `updateKeys`, `close`, `fail`.
 *  D. Output, to be drained after every B and C: `takeOutput` for the transport, `nextEvent` for the application.
 *
 *  While `pause` is set the handshake waits for the outside world: call `resume` when it settles. What is received
 *  meanwhile is kept, unread and bounded, so the driver should stop reading. `background` is the same where reading goes
 *  on meanwhile. */
export class TlsConnection implements Carrier {
  readonly protocol = tls13
  readonly sentRetry = undefined
  readonly connectionId = undefined
  readonly side: 'client' | 'server'
  readonly #config: ClientConfig | ServerConfig
  readonly #reader: RecordReader
  readonly #writer: RecordWriter
  readonly #keyLog: KeyLog
  readonly #recordsPerKey: number
  readonly #assembler: MessageAssembler
  #machine: Machine<Established> | undefined
  /** What a plug does after the handshake. */
  #control: ControlChannel | undefined
  #established: Established | undefined
  #handshakeExporter: Exporter | undefined
  #readSecret: TrafficSecret | undefined
  #writeSecret: TrafficSecret | undefined
  #state: 'new' | 'handshake' | 'open' | 'closed' = 'new'
  #hasSentClose = false
  #hasReceivedClose = false
  #hasSentChangeCipherSpec = false
  #hasReceivedMessage = false
  /** Handshake messages of the flight that is being written. */
  #flight: Uint8Array[] = []
  #output: Uint8Array[] = []
  #events: ConnectionEvent[] = []
  #abort: AbortController | undefined
  /** What has come in a row that brings nothing: a peer that sends only that is up to no good. */
  readonly #idle = new IdleCount()
  #exporter: Exporter | undefined
  #earlyData: 'offered' | 'accepted' | 'rejected' | undefined
  /** How many bytes of early data may still be written (client) or read (server). */
  #earlyLeft = 0
  #isEarlyReading = false
  /** Whether we write under the keys of application data although the handshake is not complete. */
  #isHalfOpen = false
  #owesKeyUpdate = false
  /** Whether that was answered since we last wrote data. */
  #hasAnsweredKeyUpdate = false
  #hasAskedForKeyUpdate = false

  constructor(...[side, config, options = {}]: ClientArguments | ServerArguments) {
    this.side = side
    this.#config = config
    this.#reader = new RecordReader()
    this.#writer = new RecordWriter(
      options.padding,
      checkedMaxContent(options.maxContent),
      side === 'client' ? INITIAL_RECORD_VERSION : RECORD_VERSION,
    )
    this.#keyLog = new KeyLog(config.hasKeyLog)
    this.#recordsPerKey = options.recordsPerKey ?? Number.MAX_SAFE_INTEGER
    if (!(this.#recordsPerKey >= 2)) {
      throw new MisuseError(`a key protects 2 records or more, not ${options.recordsPerKey}: its successor needs one`)
    }
    this.#assembler = new MessageAssembler(type => {
      // What is not welcome is refused before all of it has been waited for.
      this.#machine?.expect(type)
      const { control } = config.plug ?? {}
      return type === control?.messageType ? control.maxLength : messageLimit(type, config)
    })
    this.#machine = new Machine(
      side === 'client' ? clientHandshake(config, this, this.#keyLog) : serverHandshake(config, this, this.#keyLog),
    )
  }

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

  /** Whether application data can be written: when the handshake is complete; by a server that takes early data as soon
   *  as its own part of it is. */
  get isWritable(): boolean {
    return (this.#state === 'open' || this.#isHalfOpen) && !this.#hasSentClose
  }

  /** What the client's early data is at; undefined if there is none. */
  get earlyData(): 'offered' | 'accepted' | 'rejected' | undefined {
    return this.#earlyData
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
      if (this.#state === 'closed') this.#abort.abort()
    }
    return this.#abort.signal
  }

  /** Begins the handshake: a client sends its ClientHello. */
  start(): void {
    if (this.#state !== 'new') return
    this.#state = 'handshake'
    this.#guard(() => {
      this.#machine?.start()
      this.#afterStep()
    })
  }

  /** Takes bytes from the transport. The buffer must not change until the next call that finds `pause` unset. */
  receive(chunk: Uint8Array): void {
    this.start()
    if (!this.isReadable) return
    this.#guard(() => {
      if (this.pause && this.#reader.pending + chunk.length > MAX_UNREAD) {
        throw new ProtocolError('internal_error', 'the peer sends too much while its last message is being looked at')
      }
      this.#reader.add(chunk)
      this.#readRecords()
    })
  }

  /** The transport has ended. Without close_notify before it the data may have been cut short (RFC 8446 §6.1). */
  receiveEnd(): void {
    if (!this.isReadable) return
    const during = this.#state === 'open' ? 'without close_notify' : 'during the handshake'
    this.#end(new ConnectionEnded(`the peer closed the connection ${during}`))
  }

  /** Goes on after `pause` has settled. */
  resume(): void {
    if (this.#state === 'closed') return
    this.#guard(() => {
      this.#machine?.resume()
      this.#afterStep()
      this.#control?.resume()
      this.#openWhenReady()
      this.#readMessages()
      this.#readRecords()
    })
  }

  /** Writes application data. It is sealed at once; the buffer may be reused.
   *  @throws MisuseError before the handshake is complete and after `close` */
  write(data: Uint8Array): void {
    if (!this.isWritable) {
      throw new MisuseError(`application data cannot be written: the connection is ${this.#state}`)
    }
    for (let from = 0; from < data.length; ) {
      if (this.#recordsLeft < 1) this.updateKeys(false)
      const length = Math.min(data.length - from, this.#recordsLeft * this.#writer.maxContent)
      this.#output.push(this.#writer.write(ContentType.application_data, data.subarray(from, from + length)))
      from += length
      this.#hasAnsweredKeyUpdate = false
    }
  }

  /** Client: writes data before the server has answered (RFC 8446 §4.2.10), of which an attacker can make the server see
   *  copies, and which the server may not take at all: then `earlyData` comes to `rejected`, and it has to be written again.
   *  @returns how many bytes were taken: the ticket has a limit, and the time for it passes */
  writeEarlyData(data: Uint8Array): number {
    const length = this.side === 'client' ? Math.min(data.length, this.#earlyLeft) : 0
    if (length > 0) {
      this.#earlyLeft -= length
      this.#output.push(this.#writer.write(ContentType.application_data, data.subarray(0, length)))
    }
    return length
  }

  /** Replaces our writing keys (RFC 8446 §4.6.3). @param requestsPeer whether the peer is to replace its own too */
  updateKeys(requestsPeer: boolean): void {
    const { suite } = this.#established ?? {}
    if (!this.isWritable || !suite || !this.#writeSecret) throw new MisuseError('there are no keys to update')
    const message = encodeMessage(HandshakeType.key_update, KeyUpdate, { requestUpdate: requestsPeer })
    this.#owesKeyUpdate = false
    this.send(message)
    this.endFlight()
    this.#writeSecret = this.#writeSecret.next()
    this.#writer.protect(new RecordProtection(this.#writeSecret, suite))
    if (requestsPeer) this.#hasAskedForKeyUpdate = true
  }

  /** Says close_notify: nothing more will be written. What the peer still sends is read (RFC 8446 §6.1). In the
   *  handshake it gives up instead. */
  close(): void {
    if (this.#hasSentClose || this.#state === 'closed') return
    this.#hasSentClose = true
    if (this.#state === 'handshake') this.#sendAlert(WARNING, AlertDescription.user_canceled)
    if (this.#state !== 'new') this.#sendAlert(WARNING, AlertDescription.close_notify)
    if (this.#state !== 'open' || this.#hasReceivedClose) this.#finish()
  }

  /** Ends the connection for an error of ours: the peer gets the alert that fits. */
  fail(error: Error): void {
    if (this.#state === 'closed') return
    // RFC 8446 §6.1: nothing is sent after close_notify.
    if (this.#state !== 'new' && !this.#hasSentClose) this.#sendAlert(FATAL, alertFor(error))
    this.#end(error)
  }

  /** What is to be sent, in order; empty when there is nothing. */
  takeOutput(): readonly Uint8Array[] {
    const output = this.#output
    if (output.length === 0) return NOTHING
    this.#output = []
    if (output.length === 1) return output
    // Small pieces, such as the records of one flight, are cheaper to copy than to write one by one.
    const length = output.reduce((sum, piece) => sum + piece.length, 0)
    return length <= MAX_CONTENT ? [join(output)] : output
  }

  /** The next event; undefined when there is none. */
  nextEvent(): ConnectionEvent | undefined {
    return this.#events.shift()
  }

  /** TLS-Exporter (RFC 8446 §7.5). @throws MisuseError before the handshake is complete */
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

  // What the handshake asks of the layer below.

  send(message: Uint8Array): void {
    this.#config.plug?.observe?.('sent', { type: message[0] ?? 0, body: message.subarray(4), raw: message })
    this.#flight.push(message)
  }

  endFlight(): void {
    const [first, ...more] = this.#flight
    if (!first) return
    // A flight of the handshake answers all that the peer has sent: what is left over was sent too early.
    if (this.#machine) this.#expectMessageBoundary()
    this.#flight = []
    // One record for many messages: RFC 8446 §5.1 allows it, and every record costs.
    const content = more.length === 0 ? first : join([first, ...more])
    this.#output.push(this.#writer.write(ContentType.handshake, content))
  }

  protect(direction: Direction, epoch: Epoch, secret: TrafficSecret, suite: Suite): void {
    const protection = new RecordProtection(secret, suite)
    if (direction === 'read') {
      this.#expectMessageBoundary()
      // A client that cannot read our ServerHello has no keys for the alert that says so.
      this.#reader.protect(protection, this.side === 'server' && epoch === 'handshake')
      this.#isEarlyReading = epoch === 'early'
      if (epoch === 'application') this.#readSecret = secret
    } else {
      this.endFlight()
      this.#writer.protect(protection)
      if (this.side === 'client') this.#earlyLeft = 0
      if (epoch === 'application') this.#writeSecret = secret
    }
  }

  offerExporter(exporter: Exporter): void {
    this.#exporter = exporter
    this.#isHalfOpen = true
    this.#events.push({ type: 'early' })
  }

  openEarlyData(secret: TrafficSecret, suite: Suite, limit: number): void {
    const direction = this.side === 'client' ? 'write' : 'read'
    this.#earlyData = direction === 'write' ? 'offered' : 'accepted'
    this.protect(direction, 'early', secret, suite)
    this.#earlyLeft = limit
  }

  settleEarlyData(isAccepted: boolean): void {
    this.#earlyData = isAccepted ? 'accepted' : 'rejected'
    if (isAccepted) return
    this.#earlyLeft = 0
    this.#writer.clear()
  }

  offerHandshakeExporter(exporter: Exporter): void {
    this.#handshakeExporter = exporter
  }

  useConnectionId(): void {
    throw new Error('a stream needs no connection ID')
  }

  compatibility(): void {
    const isWanted =
      this.side === 'server' || ('middleboxCompatibility' in this.#config && this.#config.middleboxCompatibility)
    if (this.#hasSentChangeCipherSpec || !isWanted) return
    this.#hasSentChangeCipherSpec = true
    this.endFlight()
    this.#output.push(Uint8Array.of(ContentType.change_cipher_spec, 3, 3, 0, 1, 1))
  }

  limitRecords(direction: Direction, recordSizeLimit: number): void {
    if (direction === 'read') this.#reader.limit(recordSizeLimit)
    else this.#writer.limit(recordSizeLimit)
  }

  skipEarlyData(): void {
    this.#reader.skipEarlyData()
  }

  // Reading.

  #readRecords(): void {
    while (!this.pause && this.isReadable) {
      const record = this.#reader.next()
      if (!record) break
      const { type, content } = record
      if (type === ContentType.application_data) this.#readData(content)
      else if (type === ContentType.handshake) this.#readHandshake(content)
      else if (type === ContentType.alert) this.#readAlert(content)
      else this.#readChangeCipherSpec(content)
    }
    if (!this.isWritable) return
    if (this.#owesKeyUpdate) this.#answerKeyUpdate()
    // The limits of RFC 8446 §5.5 are the writer's to keep; a peer that is about to miss them is reminded once.
    if (this.#reader.sequenceNumber >= this.#keyLimit && !this.#hasAskedForKeyUpdate) this.updateKeys(true)
  }

  #readData(data: Uint8Array): void {
    if (this.#isEarlyReading) {
      this.#readEarlyData(data)
      return
    }
    if (this.#state !== 'open') {
      throw new ProtocolError('unexpected_message', 'application data came before the handshake was complete')
    }
    this.#expectMessageBoundary()
    if (data.length === 0) {
      this.#idle.count('records')
      return
    }
    this.#idle.reset()
    this.#events.push({ type: 'data', data })
  }

  #readEarlyData(data: Uint8Array): void {
    this.#expectMessageBoundary()
    // Empty records have their price too.
    this.#earlyLeft -= Math.max(1, data.length)
    // RFC 8446 §4.2.10: "A server receiving more than max_early_data_size bytes of 0-RTT data SHOULD terminate the connection
    // with an "unexpected_message" alert."
    if (this.#earlyLeft < 0) {
      throw new ProtocolError('unexpected_message', 'the client sends more early data than its ticket allows')
    }
    if (data.length > 0) this.#events.push({ type: 'early_data', data })
  }

  #readHandshake(content: Uint8Array): void {
    // RFC 8446 §5.1: handshake records are never empty.
    if (content.length === 0) throw new ProtocolError('unexpected_message', 'a handshake record is empty')
    this.#assembler.add(content)
    this.#readMessages()
  }

  #readMessages(): void {
    while (!this.pause && this.#state !== 'closed') {
      const message = this.#assembler.take()
      if (!message) return
      this.#hasReceivedMessage = true
      this.#config.plug?.observe?.('received', message)
      if (this.#machine) {
        this.#machine.receive(message)
        this.#afterStep()
      } else {
        this.#readPostHandshake(message)
      }
    }
  }

  /** Sends what a step of the handshake logged, and opens the connection when it was the last one. */
  #afterStep(): void {
    this.#takeKeyLog()
    const result = this.#machine?.result
    if (!result) return
    const established = result.value
    this.#machine = undefined
    this.#established = established
    this.#isHalfOpen = false
    this.#idle.reset()
    const { control } = this.#config.plug ?? {}
    if (control) {
      const carrier = {
        send: (message: Uint8Array) => {
          if (this.#hasSentClose || this.#state === 'closed') return
          this.send(message)
          this.endFlight()
        },
        // Looked at by few, and costly to have.
        signal: () => this.signal,
      }
      this.#control = new ControlChannel(control, this.side, established, this.#config.entropy, carrier)
      this.#control.start()
    }
    this.#openWhenReady()
  }

  /** Lets application data pass, once nothing stands in its way any more. */
  #openWhenReady(): void {
    const established = this.#established
    if (!established || this.#state !== 'handshake' || (this.#control && !this.#control.isOpen)) return
    this.#state = 'open'
    this.#events.push({ type: 'established', established })
    if (this.side === 'server' && 'tickets' in this.#config) {
      for (const ticket of makeTickets(this.#config, established)) this.send(ticket)
      this.endFlight()
    }
  }

  #takeKeyLog(): void {
    for (const line of this.#keyLog.take()) this.#events.push({ type: 'keylog', line })
  }

  /** RFC 8446 §4.6. */
  #readPostHandshake(message: Message): void {
    this.#idle.count('messages')
    if (message.type === HandshakeType.key_update) {
      this.#readKeyUpdate(message)
    } else if (message.type === HandshakeType.new_session_ticket && this.side === 'client') {
      this.#readTicket(message)
    } else if (this.#control && message.type === this.#control.messageType) {
      // Whether it is one too many is for the plug to say.
      this.#idle.reset()
      this.#control.receive(message)
      this.#openWhenReady()
    } else {
      throw new ProtocolError('unexpected_message', `${messageName(message.type)} came after the handshake`)
    }
  }

  #readKeyUpdate(message: Message): void {
    const { suite } = this.#established ?? {}
    if (!suite || !this.#readSecret) throw new Error('there are no keys to update')
    const { requestUpdate } = decodeMessage(KeyUpdate, message)
    this.#expectMessageBoundary()
    this.#readSecret = this.#readSecret.next()
    this.#reader.protect(new RecordProtection(this.#readSecret, suite), false)
    this.#hasAskedForKeyUpdate = false
    // RFC 8446 §4.6.3: what comes while we are silent is answered once, so a flood of requests costs us one answer.
    if (requestUpdate && !this.#hasAnsweredKeyUpdate) this.#owesKeyUpdate = true
  }

  #answerKeyUpdate(): void {
    this.updateKeys(false)
    this.#hasAnsweredKeyUpdate = true
  }

  #readTicket(message: Message): void {
    if (this.side !== 'client' || !this.#established || !('session' in this.#config)) return
    const session = readTicket(this.#config, this.#established, message)
    if (session) this.#events.push(session)
  }

  /** RFC 8446 §6: an alert is two bytes in a record of its own. */
  #readAlert(content: Uint8Array): void {
    this.#expectMessageBoundary()
    const [level, description] = content
    if (content.length !== 2 || level === undefined || description === undefined) {
      throw new ProtocolError('decode_error', 'an alert has two bytes')
    }
    if (level !== WARNING && level !== FATAL) {
      throw new ProtocolError('illegal_parameter', `an alert has level ${level}`)
    }
    if (description === AlertDescription.close_notify) {
      this.#hasReceivedClose = true
      if (this.#state !== 'open') {
        this.#end(new ConnectionEnded('the peer closed the connection during the handshake'))
        return
      }
      this.#events.push({ type: 'end' })
      if (this.#hasSentClose) this.#finish()
      return
    }
    if (description === AlertDescription.user_canceled) {
      this.#idle.count('alerts')
      return
    }
    // All other alerts are fatal whatever their level; one that says it is not is malformed.
    if (level === WARNING) throw new ProtocolError('decode_error', 'there are no warnings in TLS 1.3')
    this.#end(new AlertReceived(description, this.#config.plug?.alertNames.get(description)))
  }

  /** RFC 8446 §5: dropped, if it is the one that middleboxes are fed with, between the first ClientHello and the peer's
   *  Finished. */
  #readChangeCipherSpec(content: Uint8Array): void {
    const isInHandshake =
      this.#machine !== undefined && this.#state === 'handshake' && (this.side === 'client' || this.#hasReceivedMessage)
    if (!isInHandshake || content.length !== 1 || content[0] !== 1) {
      throw new ProtocolError('unexpected_message', 'change_cipher_spec came where none may stand')
    }
    this.#expectMessageBoundary()
    this.#idle.count('records')
  }

  /** RFC 8446 §5.1: a handshake message is not interleaved with anything, and does not span a change of keys. */
  #expectMessageBoundary(): void {
    if (this.#assembler.isPartial) {
      throw new ProtocolError('unexpected_message', 'something stands in the middle of a handshake message')
    }
  }

  get #keyLimit(): number {
    return Math.min(this.#recordsPerKey, this.#established?.suite.aead.recordLimit ?? Number.MAX_SAFE_INTEGER)
  }

  /** How many records may be written before keys have to be replaced; one more is kept for the key_update itself. */
  get #recordsLeft(): number {
    return this.#keyLimit - this.#writer.sequenceNumber - 1
  }

  // Errors: one path for all of them.

  #guard(step: () => void): void {
    try {
      step()
    } catch (error) {
      this.fail(error instanceof Error ? error : new Error(String(error)))
    }
  }

  #sendAlert(level: number, description: number): void {
    // What was not flushed belongs to a flight that will not be completed.
    this.#flight = []
    // RFC 8446 §D.4: before the client's second flight, even if that is only an alert.
    if (this.side === 'client' && this.#writer.isProtecting) this.compatibility()
    this.#output.push(this.#writer.write(ContentType.alert, Uint8Array.of(level, description)))
  }

  #end(error: Error): void {
    this.#takeKeyLog()
    this.#events.push({ type: 'error', error })
    this.#finish()
  }

  /** The connection is over: nothing secret and nothing large is kept. */
  #finish(): void {
    this.#state = 'closed'
    this.#isHalfOpen = false
    this.#earlyLeft = 0
    this.#machine?.stop()
    this.#machine = undefined
    this.#control?.stop()
    this.#control = undefined
    this.#readSecret = undefined
    this.#writeSecret = undefined
    this.#flight = []
    this.#reader.clear()
    this.#writer.clear()
    this.#abort?.abort(OVER)
  }
}

/** What a client's connection is made of. */
export type ClientArguments = [side: 'client', config: ClientConfig, options?: RecordOptions]
/** What a server's connection is made of. */
export type ServerArguments = [side: 'server', config: ServerConfig, options?: RecordOptions]

/** Why signals fire: one for all, since every error costs a stack. */
const OVER = new ConnectionEnded('the connection is over')
const NOTHING: readonly Uint8Array[] = []
const WARNING = 1
const FATAL = 2
/** What may pile up while the handshake waits: the driver stops reading, but what is on its way still comes. */
const MAX_UNREAD = 2 ** 20

function checkedMaxContent(length = MAX_CONTENT): number {
  if (length >= 64 && length <= MAX_CONTENT) return Math.floor(length)
  throw new MisuseError(`a record holds 64..${MAX_CONTENT} bytes at most, not ${length}`)
}
