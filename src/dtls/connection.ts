import { DecodeError, EMPTY } from '../bytes/index.js'
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
  dtls13,
  type Epoch,
  type Established,
  type Exporter,
  encodeMessage,
  HandshakeType,
  KeyLog,
  KeyUpdate,
  Machine,
  type Message,
  MisuseError,
  makeTickets,
  messageLimit,
  messageName,
  ProtocolError,
  readTicket,
  type SentRetry,
  type ServerConfig,
  type Suite,
  serverHandshake,
  type TrafficSecret,
} from '../handshake/index.js'
import { Acknowledgements, decodeAcknowledgement } from './acknowledgement.js'
import type { ConnectionIds } from './connection-ids.js'
import { completeOptions, type DatagramOptions } from './datagram-options.js'
import { Datagrams } from './datagrams.js'
import { Flights } from './flights.js'
import { type Fragment, readFragments } from './fragment.js'
import { epochNumber, OutgoingEpoch } from './outgoing-epoch.js'
import { Reassembly } from './reassembly.js'
import { ContentType, MAX_CONTENT, type Record, type RecordNumber } from './record.js'
import { RecordProtection } from './record-protection.js'
import { RecordReader } from './record-reader.js'

/** A DTLS 1.3 connection without socket, clock or randomness of its own. Times are in ms, of any clock that never goes
 *  back.
 *
 *  A. Look: `state`, `established`, `pause`, `background`, `isReadable`, `isWritable`, `signal`, `deadline`, `maxData`.
 *  B. Input: `receive`, `expire`, `resume`.
 *  C. Commands: `start`, `write`, `updateKeys`, `close`, `fail`.
 *  D. Output, to be drained after every B and C: `takeOutput` for the network, `nextEvent` for the application; and
 *     `deadline` anew: call `expire` when it comes.
 *
 *  While `pause` is set the handshake waits for the outside world: call `resume` when it settles. Datagrams are received
 *  meanwhile; they are acknowledged, so that the peer waits in peace. */
export class DtlsConnection implements Carrier {
  readonly protocol = dtls13
  readonly side: 'client' | 'server'
  readonly sentRetry: SentRetry | undefined
  readonly #config: ClientConfig | ServerConfig
  readonly #recordsPerKey: number
  readonly #reader: RecordReader
  readonly #reassembly: Reassembly
  readonly #flights: Flights
  readonly #connectionIds: ConnectionIds
  readonly #acknowledgements = new Acknowledgements()
  readonly #datagrams: Datagrams
  readonly #keyLog: KeyLog
  #writing: OutgoingEpoch
  /** Server: the epoch of its flight, until the client has shown that it has the keys of the next one. */
  #surelyRead: OutgoingEpoch | undefined
  #machine: Machine<Established> | undefined
  #control: ControlChannel | undefined
  #established: Established | undefined
  #handshakeExporter: Exporter | undefined
  #readSecret: TrafficSecret | undefined
  #writeSecret: TrafficSecret | undefined
  #state: 'new' | 'handshake' | 'open' | 'closed' = 'new'
  #hasSentClose = false
  #hasReceivedClose = false
  /** Whether a key_update of ours is on its way: there may be one at a time (RFC 9147 §8). */
  #isUpdatingKeys = false
  #owesKeyUpdate = false
  #hasAskedForKeyUpdate = false
  #maxContent = MAX_CONTENT
  #events: ConnectionEvent[] = []
  #abort: AbortController | undefined
  #now = 0

  constructor(...[side, config, options = {}]: ClientArguments | ServerArguments) {
    this.side = side
    this.#config = config
    const { mtu, retransmitAfter, maxRetransmissions, recordsPerKey, failuresPerKey, retry, connectionIds } =
      completeOptions(options)
    this.#connectionIds = connectionIds
    this.#recordsPerKey = recordsPerKey
    this.#datagrams = new Datagrams(mtu)
    this.#reader = new RecordReader(failuresPerKey)
    this.#keyLog = new KeyLog(config.hasKeyLog)
    this.sentRetry = retry?.sent
    // One message of ours and one of the client's have passed when nothing was kept.
    const messageSeq = retry ? 1 : 0
    this.#flights = new Flights(messageSeq, retransmitAfter, maxRetransmissions)
    const { control } = config.plug ?? {}
    this.#reassembly = new Reassembly(
      type => (type === control?.messageType ? control.maxLength : messageLimit(type, config)),
      config.maxCertificateLength + MAX_WAITING,
      messageSeq,
    )
    // RFC 6347 §4.2.1: who keeps nothing answers under the record number that it was asked under, so as not to use
    // one twice.
    this.#writing = new OutgoingEpoch(0, undefined, EMPTY, retry?.sequenceNumber)
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

  /** When `expire` is to be called, in ms; undefined for never. */
  get deadline(): number | undefined {
    const times = [this.#flights.deadline, this.#acknowledgements.due].filter(time => time !== undefined)
    return this.#state === 'closed' || times.length === 0 ? undefined : Math.min(...times)
  }

  /** Whether application data can be written. */
  get isWritable(): boolean {
    return this.#state === 'open' && !this.#hasSentClose
  }

  /** Whether the peer can still send. */
  get isReadable(): boolean {
    return this.#state !== 'closed' && !this.#hasReceivedClose
  }

  /** The most application data that one datagram takes, in bytes. It can become less. */
  get maxData(): number {
    return Math.min(this.#datagrams.mtu - this.#writing.overhead, this.#maxContent)
  }

  /** Fires when the connection is over, whatever the reason. */
  get signal(): AbortSignal {
    if (!this.#abort) {
      this.#abort = new AbortController()
      if (this.#state === 'closed') this.#abort.abort()
    }
    return this.#abort.signal
  }

  /** Begins the handshake: a client sends its ClientHello. */
  start(now: number): void {
    if (this.#state !== 'new') return
    this.#state = 'handshake'
    this.#guard(now, () => {
      this.#machine?.start()
      this.#afterStep()
    })
  }

  /** Takes a datagram from the network. It is not kept.
   *  @returns whether it is genuine and newer than all before: then the peer is where it came from (RFC 9147 §9) */
  receive(datagram: Uint8Array, now: number): boolean {
    this.start(now)
    let isNewest = false
    this.#guard(now, () => {
      for (const record of this.#reader.read(datagram, now)) {
        if (!this.isReadable) return
        isNewest ||= record.isNewest
        this.#readRecord(record)
      }
    })
    return isNewest
  }

  /** `deadline` has come: sends again what was not answered, acknowledges what was not answered by us. */
  expire(now: number): void {
    this.#guard(now, () => {
      if (!this.#flights.expire(this.#datagrams, now)) this.#end(new ConnectionEnded('the peer does not answer'))
    })
  }

  /** Goes on after `pause` or `background` has settled. */
  resume(now: number): void {
    this.#guard(now, () => {
      this.#machine?.resume()
      this.#afterStep()
      this.#control?.resume()
      this.#openWhenReady()
      this.#readMessages()
    })
  }

  /** Writes application data: one message, which arrives as it is or not at all. It is sealed at once; the buffer may be
   *  reused.   @throws MisuseError before the handshake is complete, after `close`, and if it is longer than `maxData` */
  write(data: Uint8Array, now: number): void {
    if (!this.isWritable) {
      throw new MisuseError(`application data cannot be written: the connection is ${this.#state}`)
    }
    if (data.length > this.maxData) {
      throw new MisuseError(`a datagram takes ${this.maxData} bytes of application data, not ${data.length}`)
    }
    this.#guard(now, () => {
      if (this.#owesKeyUpdate || this.#writing.sequenceNumber >= this.#keyLimit / 2) this.#sendKeyUpdate(false)
      if (this.#writing.sequenceNumber >= this.#keyLimit) {
        throw new Error('the peer has not acknowledged a key_update while a key could still be used')
      }
      this.#datagrams.add(this.#writing.write(ContentType.application_data, data))
    })
  }

  /** Replaces our writing keys once the peer has acknowledged that (RFC 9147 §8). While it has not, this does nothing.
   *  @param requestsPeer whether the peer is to replace its own too */
  updateKeys(requestsPeer: boolean, now: number): void {
    if (!this.isWritable) throw new MisuseError('there are no keys to update')
    this.#guard(now, () => this.#sendKeyUpdate(requestsPeer))
  }

  /** Asks the peer for connection IDs to use later (RFC 9147 §9). @throws MisuseError if it wants none */
  requestConnectionIds(count: number, now: number): void {
    if (!this.isWritable) throw new MisuseError(`nothing can be asked for: the connection is ${this.#state}`)
    const request = this.#connectionIds.request(count)
    this.#guard(now, () => this.#sendMessage(request))
  }

  /** Puts another connection ID into our records, so that nobody on the path can tell that they are those of the same
   *  connection (RFC 9147 §9). @returns whether the peer has given us another */
  changeConnectionId(): boolean {
    const isChanged = this.#connectionIds.advance()
    this.#writing.connectionId = this.#connectionIds.current
    return isChanged
  }

  /** Says close_notify: nothing more will be written. What the peer still sends is read. In the handshake it gives up
   *  instead. */
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
    if (this.#state !== 'new' && !this.#hasSentClose) this.#sendAlert(FATAL, alertFor(error))
    this.#end(error)
  }

  /** The datagrams that are to be sent, in order; empty when there are none. */
  takeOutput(): readonly Uint8Array[] {
    return this.#datagrams.take()
  }

  /** The next event; undefined when there is none. */
  nextEvent(): ConnectionEvent | undefined {
    return this.#events.shift()
  }

  /** The exporter of RFC 8446 §7.5. @throws MisuseError before the handshake is complete */
  exportKeyingMaterial(label: string, context: Uint8Array, length: number): Uint8Array {
    if (!this.#established) throw new MisuseError('there is no exporter before the handshake is complete')
    return this.#established.exporter.derive(label, context, length)
  }

  /** The Handshake Exporter: bound to ClientHello...ServerHello and the key exchange, and to nothing that comes later.
   *  @throws MisuseError before ServerHello */
  exportHandshakeKeyingMaterial(label: string, context: Uint8Array, length: number): Uint8Array {
    if (!this.#handshakeExporter) throw new MisuseError('there is no Handshake Exporter before ServerHello')
    return this.#handshakeExporter.derive(label, context, length)
  }

  // What the handshake asks of the layer below.

  send(message: Uint8Array): void {
    this.#sendMessage(message)
  }

  endFlight(): void {
    this.#flights.complete()
    // RFC 9147 §7: the next flight acknowledges the whole of the one before it.
    if (this.#machine) this.#acknowledgements.forget()
  }

  protect(direction: Direction, epoch: Epoch, secret: TrafficSecret, suite: Suite): void {
    const number = epochNumber[epoch]
    if (direction === 'read') this.#changeReadingKeys(number, secret, suite)
    else this.#changeWritingKeys(number, secret, suite)
  }

  offerHandshakeExporter(exporter: Exporter): void {
    this.#handshakeExporter = exporter
  }

  offerExporter(): void {
    // Of use with early data only.
  }

  openEarlyData(): void {
    throw new Error('there is no early data in this DTLS')
  }

  settleEarlyData(): void {
    throw new Error('there is no early data in this DTLS')
  }

  get connectionId(): Uint8Array | undefined {
    return this.#connectionIds.offered
  }

  useConnectionId(peers: Uint8Array): void {
    this.#connectionIds.agree(peers)
    this.#reader.expectConnectionIds(this.#connectionIds.own)
  }

  compatibility(): void {
    // RFC 9147 §5: DTLS has no such thing.
  }

  limitRecords(direction: Direction, recordSizeLimit: number): void {
    if (direction === 'read') {
      this.#reader.limit(recordSizeLimit)
    } else {
      this.#maxContent = Math.min(MAX_CONTENT, recordSizeLimit - 1)
      this.#flights.limit(this.#maxContent)
    }
  }

  skipEarlyData(): void {
    // Records of an epoch without keys are dropped anyway.
  }

  // Reading.

  #readRecord(record: Record): void {
    const { type, number, content } = record
    if (type === ContentType.handshake) this.#readHandshake(number, content)
    else if (type === ContentType.ack) this.#readAcknowledgement(number, content)
    else if (type === ContentType.alert) this.#readAlert(number, content)
    else if (type !== ContentType.application_data) {
      throw new ProtocolError('unexpected_message', `a protected record holds content type ${type}`)
    } else if (this.#state === 'open' && content.length > 0) {
      // What comes earlier has overtaken something, and is lost as any datagram may be.
      this.#events.push({ type: 'data', data: content })
    }
  }

  #readHandshake(number: RecordNumber, content: Uint8Array): void {
    const fragments = this.#fragmentsOf(number, content)
    const level = levelOf(number.epoch)
    if (level === epochNumber.handshake) this.#surelyRead = undefined
    let isKept = fragments.length > 0
    let isUrgent = false
    let isRepeated = false
    for (const fragment of fragments) {
      const isOld = fragment.messageSeq < this.#reassembly.next
      const outcome = isOld || level === levelOf(this.#reader.epoch) ? this.#reassembly.add(fragment, level) : 'dropped'
      if (outcome === 'dropped') isKept = false
      if (outcome === 'old') isRepeated = true
      // The peer waits for nothing else before it uses new keys (RFC 9147 §8).
      if (outcome === 'old' || outcome === 'ahead' || fragment.type === HandshakeType.key_update) isUrgent = true
    }
    if (isKept) this.#oweAcknowledgement(number, isUrgent)
    if (isRepeated && this.#machine) this.#flights.repeat(this.#now)
    this.#readMessages()
  }

  #fragmentsOf(number: RecordNumber, content: Uint8Array): readonly Fragment[] {
    try {
      return readFragments(content)
    } catch (error) {
      // A plain record may be anybody's.
      if (number.epoch === 0 && error instanceof DecodeError) return []
      throw error
    }
  }

  #readMessages(): void {
    while (!this.pause && this.#state !== 'closed') {
      const message = this.#reassembly.take()
      if (!message) return
      this.#config.plug?.observe?.('received', message)
      if (this.#machine) {
        this.#machine.expect(message.type)
        // It is the answer to what we have sent.
        this.#flights.acknowledgeAll()
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
    this.#reader.refusePlain()
    // RFC 9147 §7.1: nothing else would tell the client that its last flight has come.
    if (this.side === 'server') this.#acknowledgements.hurry(this.#now)
    const { control } = this.#config.plug ?? {}
    if (control) {
      const carrier = {
        send: (message: Uint8Array) => {
          if (!this.#hasSentClose && this.#state !== 'closed') this.#sendMessage(message)
        },
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
      for (const ticket of makeTickets(this.#config, established)) this.#sendMessage(ticket)
    }
  }

  #takeKeyLog(): void {
    for (const line of this.#keyLog.take()) this.#events.push({ type: 'keylog', line })
  }

  /** RFC 8446 §4.6. */
  #readPostHandshake(message: Message): void {
    if (message.type === HandshakeType.key_update) {
      this.#readKeyUpdate(message)
    } else if (message.type === HandshakeType.new_session_ticket && this.side === 'client') {
      this.#readTicket(message)
    } else if (message.type === HandshakeType.new_connection_id) {
      this.#connectionIds.take(message)
      this.#writing.connectionId = this.#connectionIds.current
    } else if (message.type === HandshakeType.request_connection_id) {
      const answer = this.#connectionIds.answer(message)
      this.#reader.expectConnectionIds(this.#connectionIds.own)
      if (answer) this.#sendMessage(answer)
    } else if (this.#control && message.type === this.#control.messageType) {
      this.#control.receive(message)
      this.#openWhenReady()
    } else {
      throw new ProtocolError('unexpected_message', `${messageName(message.type)} came after the handshake`)
    }
  }

  #readTicket(message: Message): void {
    if (this.side !== 'client' || !this.#established || !('session' in this.#config)) return
    const session = readTicket(this.#config, this.#established, message)
    if (session) this.#events.push(session)
  }

  #readAcknowledgement({ epoch }: RecordNumber, content: Uint8Array): void {
    // RFC 9147 §7: during the handshake it comes under the keys of what it acknowledges, or newer ones; later each side
    // counts its own epochs.
    const numbers = decodeAcknowledgement(content).filter(acknowledged => levelOf(acknowledged.epoch) <= levelOf(epoch))
    this.#flights.acknowledge(numbers, this.#now)
  }

  #readAlert({ epoch }: RecordNumber, content: Uint8Array): void {
    const [level, description] = content
    // A plain alert may be anybody's, but before there are keys it is the only kind.
    if (epoch === 0 && this.#reader.epoch > 0) return
    if (content.length !== 2 || level === undefined || description === undefined) {
      if (epoch === 0) return
      throw new ProtocolError('decode_error', 'an alert has two bytes')
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
    if (description === AlertDescription.user_canceled) return
    this.#end(new AlertReceived(description, this.#config.plug?.alertNames.get(description)))
  }

  // Flights and acknowledgements.

  #sendMessage(message: Uint8Array, onAcknowledged?: () => void): void {
    this.#config.plug?.observe?.('sent', { type: message[0] ?? 0, body: message.subarray(4), raw: message })
    this.#flights.add(message, this.#writing, onAcknowledged)
    // After the handshake every message is a flight of its own.
    if (!this.#machine) this.#flights.complete()
  }

  /** Sends what is to be sent now. */
  #flush(): void {
    const acknowledgement = this.#acknowledgements.take(this.#now)
    // A client without keys of its own has received nothing that could be acknowledged.
    if (acknowledgement && this.#writing.number > 0) {
      this.#datagrams.add(this.#writing.write(ContentType.ack, acknowledgement))
    }
    this.#flights.transmit(this.#datagrams, this.pause !== undefined, this.#now)
  }

  /** @param isUrgent whether the peer is better told at once: something is missing, or was sent for nothing
   *  (RFC 9147 §7.1) */
  #oweAcknowledgement(number: RecordNumber, isUrgent: boolean): void {
    // A client that sends plain records has no keys for our ACK.
    if (this.side === 'server' && number.epoch === 0) return
    const at = isUrgent ? this.#now : this.#now + this.#flights.interval / 4
    this.#acknowledgements.owe(number, at, this.#now)
  }

  // Keys.

  #changeReadingKeys(number: number, secret: TrafficSecret, suite: Suite): void {
    // After the handshake its messages go on under any keys.
    if (this.#machine) this.#reassembly.changeLevel()
    const protection = new RecordProtection(secret, suite)
    this.#reader.protect(number, protection, suite.aead.failureLimit, this.#now + OLD_KEYS_KEPT)
    this.#readSecret = secret
  }

  #changeWritingKeys(number: number, secret: TrafficSecret, suite: Suite): void {
    if (this.side === 'server' && number === epochNumber.application) this.#surelyRead = this.#writing
    this.#writing = new OutgoingEpoch(number, new RecordProtection(secret, suite), this.#connectionIds.current)
    this.#writeSecret = secret
  }

  #sendKeyUpdate(requestUpdate: boolean): void {
    if (this.#isUpdatingKeys) return
    this.#isUpdatingKeys = true
    this.#owesKeyUpdate = false
    if (requestUpdate) this.#hasAskedForKeyUpdate = true
    const { number } = this.#writing
    this.#sendMessage(encodeMessage(HandshakeType.key_update, KeyUpdate, { requestUpdate }), () => {
      // RFC 9147 §8: new keys only once the peer has acknowledged that they come.
      this.#isUpdatingKeys = false
      const { suite } = this.#established ?? {}
      if (suite && this.#writeSecret) this.#changeWritingKeys(number + 1, this.#writeSecret.next(), suite)
    })
  }

  #readKeyUpdate(message: Message): void {
    const { suite } = this.#established ?? {}
    if (!suite || !this.#readSecret) throw new Error('there are no keys to update')
    const { requestUpdate } = decodeMessage(KeyUpdate, message)
    this.#changeReadingKeys(this.#reader.epoch + 1, this.#readSecret.next(), suite)
    this.#hasAskedForKeyUpdate = false
    if (requestUpdate) this.#owesKeyUpdate = true
  }

  get #keyLimit(): number {
    return Math.min(this.#recordsPerKey, this.#established?.suite.aead.recordLimit ?? Number.MAX_SAFE_INTEGER)
  }

  /** Replaces keys where that is due. */
  #renewKeys(): void {
    if (!this.isWritable) return
    if (this.#owesKeyUpdate) this.#sendKeyUpdate(false)
    // The limits of RFC 9147 §4.5.3 are the writer's to keep; a peer that is about to miss them is reminded once.
    if (this.#reader.sequenceNumber >= this.#keyLimit && !this.#hasAskedForKeyUpdate) this.#sendKeyUpdate(true)
  }

  // Errors: one path for all of them.

  /** Runs a step at a time, and sends what came of it. */
  #guard(now: number, step: () => void): void {
    if (this.#state === 'closed') return
    this.#now = now
    try {
      step()
      this.#renewKeys()
      this.#flush()
    } catch (error) {
      this.fail(error instanceof Error ? error : new Error(String(error)))
    }
  }

  #sendAlert(level: number, description: number): void {
    const epoch = this.#surelyRead ?? this.#writing
    this.#datagrams.add(epoch.write(ContentType.alert, Uint8Array.of(level, description)))
  }

  #end(error: Error): void {
    this.#takeKeyLog()
    this.#events.push({ type: 'error', error })
    this.#finish()
  }

  /** The connection is over: nothing secret and nothing large is kept. */
  #finish(): void {
    this.#state = 'closed'
    this.#machine?.stop()
    this.#machine = undefined
    this.#control?.stop()
    this.#control = undefined
    this.#readSecret = undefined
    this.#writeSecret = undefined
    this.#flights.clear()
    this.#reassembly.clear()
    this.#acknowledgements.forget()
    this.#reader.clear()
    this.#abort?.abort(new ConnectionEnded('the connection is over'))
  }
}

/** What a client's connection is made of. */
export type ClientArguments = [side: 'client', config: ClientConfig, options?: DatagramOptions]
/** What a server's connection is made of. */
export type ServerArguments = [side: 'server', config: ServerConfig, options?: DatagramOptions]

const WARNING = 1
const FATAL = 2
/** Handshake messages that wait for an earlier one, beside a certificate, in bytes. */
const MAX_WAITING = 2 ** 16
/** ms: twice the default MSL, for which RFC 9147 §5.8.1 wants a server to answer what was sent under old keys. */
const OLD_KEYS_KEPT = 240_000

/** Under which keys a handshake message may go on: before, during and after the handshake. */
function levelOf(epoch: number): number {
  return Math.min(epoch, epochNumber.application)
}
