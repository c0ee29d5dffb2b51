import { join } from '../bytes/index.js'
import {
  AlertDescription,
  AlertLevel,
  type ClientConfig,
  Connection,
  ConnectionEnded,
  type Direction,
  decodeMessage,
  type Epoch,
  type Exporter,
  encodeMessage,
  HandshakeType,
  KeyUpdate,
  type Message,
  MessageAssembler,
  MisuseError,
  messageLimit,
  ProtocolError,
  type ServerConfig,
  type Suite,
  type TrafficSecret,
  tls13,
} from '../handshake/index.js'
import { IdleCount } from './idle-count.js'
import { Parts } from './parts.js'
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
export class TlsConnection extends Connection {
  readonly protocol = tls13
  readonly sentRetry = undefined
  readonly connectionId = undefined
  readonly #reader = new RecordReader()
  readonly #writer: RecordWriter
  readonly #assembler: MessageAssembler
  #readSecret: TrafficSecret | undefined
  #writeSecret: TrafficSecret | undefined
  #hasSentChangeCipherSpec = false
  #hasReceivedMessage = false
  /** Handshake messages of the flight that is being written. */
  #flight: Uint8Array[] = []
  #output: Uint8Array[] = []
  /** What has come in a row that brings nothing: a peer that sends only that is up to no good. */
  readonly #idle = new IdleCount()
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

  constructor(...args: ClientArguments | ServerArguments) {
    const [side, config, options = {}] = args
    super(args, checkedRecordsPerKey(options.recordsPerKey))
    this.#writer = new RecordWriter(
      options.padding,
      checkedMaxContent(options.maxContent),
      side === 'client' ? INITIAL_RECORD_VERSION : RECORD_VERSION,
    )
    this.#assembler = new MessageAssembler(type => {
      // What is not welcome is refused before all of it has been waited for.
      this.expect(type)
      const { control } = config.plug ?? {}
      return type === control?.messageType ? control.maxLength : messageLimit(type, config)
    })
  }

  /** Whether application data can be written: when the handshake is complete; by a server that takes early data as soon
   *  as its own part of it is. */
  override get isWritable(): boolean {
    return super.isWritable || (this.#isHalfOpen && !this.hasSentClose)
  }

  /** What the client's early data is at; undefined if there is none. */
  get earlyData(): 'offered' | 'accepted' | 'rejected' | undefined {
    return this.#earlyData
  }

  /** Begins the handshake: a client sends its ClientHello. */
  start(): void {
    if (this.begin()) this.guard(() => this.shakeHands())
  }

  /** Takes bytes from the transport. The buffer must not change until the next call that finds `pause` unset. */
  receive(chunk: Uint8Array): void {
    this.start()
    if (!this.isReadable) return
    this.guard(() => {
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
    const during = this.state === 'open' ? 'without close_notify' : 'during the handshake'
    this.end(new ConnectionEnded(`the peer closed the connection ${during}`))
  }

  /** Goes on after `pause` has settled. */
  resume(): void {
    if (this.state === 'closed') return
    this.guard(() => {
      this.goOn()
      this.#readMessages()
      this.#readRecords()
    })
  }

  /** Writes application data, which may lie in several parts. It is sealed at once; the buffers may be reused.
   *  @throws MisuseError before the handshake is complete and after `close` */
  write(data: Uint8Array | readonly Uint8Array[]): void {
    if (!this.isWritable) {
      throw new MisuseError(`application data cannot be written: the connection is ${this.state}`)
    }
    const content = new Parts(data instanceof Uint8Array ? [data] : data)
    while (content.left > 0) {
      if (this.#recordsLeft < 1) this.updateKeys(false)
      const length = Math.min(content.left, this.#recordsLeft * this.#writer.maxContent)
      this.#output.push(this.#writer.write(ContentType.application_data, content, length))
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
      this.#output.push(this.#writer.write(ContentType.application_data, new Parts([data]), length))
    }
    return length
  }

  /** Replaces our writing keys (RFC 8446 §4.6.3). @param requestsPeer whether the peer is to replace its own too */
  updateKeys(requestsPeer: boolean): void {
    const { suite } = this.established ?? {}
    if (!this.isWritable || !suite || !this.#writeSecret) throw new MisuseError('there are no keys to update')
    const message = encodeMessage(HandshakeType.key_update, KeyUpdate, { requestUpdate: requestsPeer })
    this.#owesKeyUpdate = false
    this.sendAlone(message)
    this.#writeSecret = this.#writeSecret.replace()
    this.#writer.protect(new RecordProtection(this.#writeSecret, suite))
    if (requestsPeer) this.#hasAskedForKeyUpdate = true
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

  // What the handshake asks of the layer below.

  send(message: Uint8Array): void {
    this.observeSent(message)
    this.#flight.push(message)
  }

  endFlight(): void {
    const flight = this.#flight
    if (flight.length === 0) return
    // A flight of the handshake answers all that the peer has sent: what is left over was sent too early.
    if (this.isShakingHands) this.#expectMessageBoundary()
    this.#flight = []
    // One record for many messages: RFC 8446 §5.1 allows it, and every record costs.
    this.#output.push(this.#writer.write(ContentType.handshake, new Parts(flight)))
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

  override offerExporter(exporter: Exporter): void {
    super.offerExporter(exporter)
    this.#isHalfOpen = true
    this.emit({ type: 'early' })
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

  useConnectionId(): void {
    throw new Error('a stream needs no connection ID')
  }

  compatibility(): void {
    const isWanted =
      this.side === 'server' || ('middleboxCompatibility' in this.config && this.config.middleboxCompatibility)
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
    this.#earlyData = 'rejected'
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
    if (this.#reader.sequenceNumber >= this.keyLimit && !this.#hasAskedForKeyUpdate) this.updateKeys(true)
  }

  #readData(data: Uint8Array): void {
    if (this.#isEarlyReading) {
      this.#readEarlyData(data)
      return
    }
    if (this.state !== 'open') {
      throw new ProtocolError('unexpected_message', 'application data came before the handshake was complete')
    }
    this.#expectMessageBoundary()
    if (data.length === 0) {
      this.#idle.count('records')
      return
    }
    this.#idle.reset()
    this.emit({ type: 'data', data })
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
    if (data.length > 0) this.emit({ type: 'early_data', data })
  }

  #readHandshake(content: Uint8Array): void {
    // RFC 8446 §5.1: handshake records are never empty.
    if (content.length === 0) throw new ProtocolError('unexpected_message', 'a handshake record is empty')
    this.#assembler.add(content)
    this.#readMessages()
  }

  #readMessages(): void {
    while (!this.pause && this.state !== 'closed') {
      const message = this.#assembler.take()
      if (!message) return
      this.#hasReceivedMessage = true
      // Whether a message of the plug's is one too many is for the plug to say.
      if (this.isControl(message.type)) this.#idle.reset()
      else if (!this.isShakingHands) this.#idle.count('messages')
      this.readMessage(message)
    }
  }

  protected onComplete(): void {
    this.#isHalfOpen = false
    this.#idle.reset()
  }

  protected readKeyUpdate(message: Message): void {
    const { suite } = this.established ?? {}
    if (!suite || !this.#readSecret) throw new Error('there are no keys to update')
    const { requestUpdate } = decodeMessage(KeyUpdate, message)
    this.#expectMessageBoundary()
    this.#readSecret = this.#readSecret.replace()
    this.#reader.protect(new RecordProtection(this.#readSecret, suite), false)
    this.#hasAskedForKeyUpdate = false
    // RFC 8446 §4.6.3: what comes while we are silent is answered once, so a flood of requests costs us one answer.
    if (requestUpdate && !this.#hasAnsweredKeyUpdate) this.#owesKeyUpdate = true
  }

  #answerKeyUpdate(): void {
    this.updateKeys(false)
    this.#hasAnsweredKeyUpdate = true
  }

  /** RFC 8446 §6: an alert is two bytes in a record of its own. */
  #readAlert(content: Uint8Array): void {
    this.#expectMessageBoundary()
    const [level, description] = content
    if (content.length !== 2 || level === undefined || description === undefined) {
      throw new ProtocolError('decode_error', 'an alert has two bytes')
    }
    if (level !== AlertLevel.warning && level !== AlertLevel.fatal) {
      throw new ProtocolError('illegal_parameter', `an alert has level ${level}`)
    }
    if (description === AlertDescription.user_canceled) this.#idle.count('alerts')
    // All alerts but two are fatal; one that says it is not is malformed.
    else if (level === AlertLevel.warning && description !== AlertDescription.close_notify) {
      throw new ProtocolError('decode_error', 'there are no warnings in TLS 1.3')
    }
    this.readAlert(description)
  }

  /** RFC 8446 §5: dropped, if it is the one that middleboxes are fed with, between the first ClientHello and the peer's
   *  Finished. */
  #readChangeCipherSpec(content: Uint8Array): void {
    const isInHandshake =
      this.isShakingHands && this.state === 'handshake' && (this.side === 'client' || this.#hasReceivedMessage)
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

  /** How many records may be written before keys have to be replaced; one more is kept for the key_update itself. */
  get #recordsLeft(): number {
    return this.keyLimit - this.#writer.sequenceNumber - 1
  }

  protected sendAlert(level: number, description: number): void {
    // What was not flushed belongs to a flight that will not be completed.
    this.#flight = []
    // RFC 8446 §D.4: before the client's second flight, even if that is only an alert.
    if (this.side === 'client' && this.#writer.isProtecting) this.compatibility()
    this.#output.push(this.#writer.write(ContentType.alert, new Parts([Uint8Array.of(level, description)])))
  }

  protected release(): void {
    this.#isHalfOpen = false
    this.#earlyLeft = 0
    this.#readSecret?.wipe()
    this.#readSecret = undefined
    this.#writeSecret?.wipe()
    this.#writeSecret = undefined
    this.#flight = []
    this.#reader.clear()
    this.#writer.clear()
  }
}

/** What a client's connection is made of. */
export type ClientArguments = [side: 'client', config: ClientConfig, options?: RecordOptions]
/** What a server's connection is made of. */
export type ServerArguments = [side: 'server', config: ServerConfig, options?: RecordOptions]

const NOTHING: readonly Uint8Array[] = []
/** What may pile up while the handshake waits: the driver stops reading, but what is on its way still comes. */
const MAX_UNREAD = 2 ** 20

function checkedRecordsPerKey(count = Number.MAX_SAFE_INTEGER): number {
  if (count >= 2) return count
  throw new MisuseError(`a key protects 2 records or more, not ${count}: its successor needs one`)
}

function checkedMaxContent(length = MAX_CONTENT): number {
  if (length >= 64 && length <= MAX_CONTENT) return Math.floor(length)
  throw new MisuseError(`a record holds 64..${MAX_CONTENT} bytes at most, not ${length}`)
}
