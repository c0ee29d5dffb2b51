import { DecodeError, EMPTY } from '../bytes/index.js'
import {
  type ClientConfig,
  Connection,
  ConnectionEnded,
  type Direction,
  decodeMessage,
  dtls13,
  type Epoch,
  encodeMessage,
  HandshakeType,
  KeyUpdate,
  type Message,
  MisuseError,
  messageLimit,
  ProtocolError,
  type SentRetry,
  type ServerConfig,
  type Suite,
  type TrafficSecret,
} from '../handshake/index.js'
import { Acknowledgements, decodeAcknowledgement } from './acknowledgement.js'
import type { ConnectionIds } from './connection-ids.js'
import { checkedInterval, checkedMtu, completeOptions, type DatagramOptions, type Path } from './datagram-options.js'
import { Datagrams } from './datagrams.js'
import { Flights } from './flights.js'
import { type Fragment, readFragments } from './fragment.js'
import { KeyUpdates, type Outgoing } from './key-updates.js'
import { epochNumber, OutgoingEpoch } from './outgoing-epoch.js'
import { OutgoingEpochs } from './outgoing-epochs.js'
import { Reassembly } from './reassembly.js'
import { ContentType, MAX_CONTENT, type Record, type RecordNumber } from './record.js'
import { RecordProtection } from './record-protection.js'
import { RecordReader } from './record-reader.js'

/** A DTLS 1.3 connection without socket, clock or randomness of its own. Times are in ms, of any clock that never goes
 *  back.
 *
 *  A. Look: `state`, `established`, `pause`, `background`, `isReadable`, `isWritable`, `signal`, `deadline`, `maxData`,
 *     `heldBytes`.
 *  B. Input: `receive`, `expire`, `resume`.
 *  C. Commands: `start`, `write`, `updateKeys`, `adapt`, `close`, `fail`.
 *  D. Output, to be drained after every B and C: `takeOutput` for the network, `nextEvent` for the application; and
 *     `deadline` anew: call `expire` when it comes.
 *
 *  While `pause` is set the handshake waits for the outside world: call `resume` when it settles. Datagrams are received
 *  meanwhile; they are acknowledged, so that the peer waits in peace. */
export class DtlsConnection extends Connection {
  readonly protocol = dtls13
  readonly sentRetry: SentRetry | undefined
  readonly #reader: RecordReader
  readonly #reassembly: Reassembly
  readonly #flights: Flights
  readonly #connectionIds: ConnectionIds
  readonly #acknowledgements = new Acknowledgements()
  readonly #datagrams: Datagrams
  readonly #padding: DatagramOptions['padding']
  readonly #epochs: OutgoingEpochs
  readonly #keyUpdates = new KeyUpdates()
  #readSecret: TrafficSecret | undefined
  #writeSecret: TrafficSecret | undefined
  #maxContent = MAX_CONTENT
  #now = 0

  constructor(...args: ClientArguments | ServerArguments) {
    const [, config, options] = args
    const { mtu, padding, retransmitAfter, maxRetransmissions, recordsPerKey, failuresPerKey, retry, connectionIds } =
      completeOptions(options ?? {})
    super(args, recordsPerKey)
    this.#connectionIds = connectionIds
    this.#datagrams = new Datagrams(mtu)
    this.#padding = padding
    this.#reader = new RecordReader(failuresPerKey)
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
    this.#epochs = new OutgoingEpochs(new OutgoingEpoch(0, undefined, EMPTY, retry?.sequenceNumber))
  }

  /** When `expire` is to be called, in ms; undefined for never. */
  get deadline(): number | undefined {
    const due = this.#epochs.isCurrentReadable ? this.#acknowledgements.due : undefined
    const times = [this.#flights.deadline, due].filter(time => time !== undefined)
    return this.state === 'closed' || times.length === 0 ? undefined : Math.min(...times)
  }

  /** The most application data that one datagram takes, in bytes. It can become less. */
  get maxData(): number {
    return Math.min(this.#datagrams.mtu - this.#epochs.current.overhead, this.#maxContent)
  }

  /** How many bytes of messages and records are kept: of ours until the peer has them, of the peer's until what comes before
   *  them is there. */
  get heldBytes(): number {
    return this.#flights.length + this.#reassembly.length + this.#reader.length
  }

  /** Begins the handshake: a client sends its ClientHello. */
  start(now: number): void {
    if (this.begin()) this.#at(now, () => this.shakeHands())
  }

  /** Takes a datagram from the network. It is not kept.
   *  @returns whether it is genuine and newer than all before: then the peer is where it came from (RFC 9147 §9) */
  receive(datagram: Uint8Array, now: number): boolean {
    this.start(now)
    let isNewest = false
    this.#at(now, () => {
      for (const record of this.#reader.read(datagram, now)) {
        if (!this.isReadable) return
        isNewest ||= record.isNewest
        this.#readRecord(record)
      }
      // RFC 9147 §7.1: what was to bring the keys may be lost, and the server hears of it so before its timer expires.
      if (this.#reader.lacksKeys && this.#isVersionKnown) {
        this.#acknowledgements.scheduleEmpty(now, this.#flights.interval)
      }
    })
    return isNewest
  }

  /** `deadline` has come: sends again what was not answered, acknowledges what was not answered by us. */
  expire(now: number): void {
    this.#at(now, () => {
      if (!this.#flights.expire(this.#datagrams, now)) this.end(new ConnectionEnded('the peer does not answer'))
    })
  }

  /** Goes on after `pause` or `background` has settled. */
  resume(now: number): void {
    this.#at(now, () => {
      this.goOn()
      this.#readMessages()
      for (const record of this.#reader.readEarly(now)) this.#readRecord(record)
    })
  }

  /** Writes application data: one message, which arrives as it is or not at all. It is sealed at once; the buffer may be
   *  reused.   @throws MisuseError before the handshake is complete, after `close`, and if it is longer than `maxData` */
  write(data: Uint8Array, now: number): void {
    if (!this.isWritable) {
      throw new MisuseError(`application data cannot be written: the connection is ${this.state}`)
    }
    if (data.length > this.maxData) {
      throw new MisuseError(`a datagram takes ${this.maxData} bytes of application data, not ${data.length}`)
    }
    this.#at(now, () => {
      const epoch = this.#epochs.current
      if (epoch.sequenceNumber >= this.keyLimit / 2) this.#keyUpdates.want(false)
      if (this.#keyUpdates.answer()) {
        this.#renewKeys()
        this.#flush()
      }
      if (epoch.sequenceNumber >= this.keyLimit) {
        throw new Error('the peer has not acknowledged a key_update while a key could still be used')
      }
      this.#datagrams.add(epoch.write(ContentType.application_data, data, this.#paddingFor(data.length)))
    })
  }

  #paddingFor(contentLength: number): number {
    const wanted = Math.floor(this.#padding?.(contentLength) ?? 0)
    return Math.max(0, Math.min(wanted, this.maxData - contentLength))
  }

  /** Replaces our writing keys once the peer has acknowledged that, and all before it (RFC 9147 §8). While it has not,
   *  this does nothing.
   *  @param requestsPeer whether the peer is to replace its own too */
  updateKeys(requestsPeer: boolean, now: number): void {
    if (!this.isWritable) throw new MisuseError('there are no keys to update')
    this.#at(now, () => this.#keyUpdates.want(requestsPeer))
  }

  /** More is known of the path than when the options were chosen: the largest datagram that it takes, and how long an
   *  answer is waited for at first (RFC 9147 §4.4, RFC 9147 §5.8.2).   @throws MisuseError if a value is too small */
  adapt({ mtu, retransmitAfter }: Path): void {
    if (mtu !== undefined) this.#datagrams.mtu = checkedMtu(mtu)
    if (retransmitAfter === undefined) return
    this.#flights.adapt(checkedInterval(retransmitAfter))
    this.#acknowledgements.adapt(this.#flights.interval)
  }

  /** Asks the peer for connection IDs to use later (RFC 9147 §9). While it has not answered, this does nothing.
   *  @throws MisuseError if it wants none */
  requestConnectionIds(count: number, now: number): void {
    if (!this.isWritable) throw new MisuseError(`nothing can be asked for: the connection is ${this.state}`)
    const request = this.#connectionIds.request(count)
    if (request) this.#at(now, () => this.sendAlone(request))
  }

  /** Puts another connection ID into our records, so that nobody on the path can tell that they are those of the same
   *  connection (RFC 9147 §9). @returns whether the peer has given us another */
  changeConnectionId(): boolean {
    const isChanged = this.#connectionIds.advance()
    this.#epochs.current.connectionId = this.#connectionIds.current
    return isChanged
  }

  /** The datagrams that are to be sent, in order; empty when there are none. */
  takeOutput(): readonly Uint8Array[] {
    return this.#datagrams.take()
  }

  // What the handshake asks of the layer below.

  send(message: Uint8Array): void {
    this.#queue({ message })
  }

  endFlight(): void {
    this.#flights.complete()
    // RFC 9147 §7: the next flight acknowledges the whole of the one before it.
    if (this.isShakingHands) this.#acknowledgements.forget()
  }

  protect(direction: Direction, epoch: Epoch, secret: TrafficSecret, suite: Suite): void {
    const number = epochNumber[epoch]
    if (direction === 'read') this.#changeReadingKeys(number, secret, suite)
    else this.#changeWritingKeys(number, secret, suite)
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
    } else if (number.epoch < epochNumber.application) {
      throw new ProtocolError('unexpected_message', 'application data came under the keys of the handshake')
    } else if (this.state === 'open' && content.length > 0) {
      // What comes earlier has overtaken something, and is lost as any datagram may be.
      this.emit({ type: 'data', data: content })
    }
  }

  #readHandshake(number: RecordNumber, content: Uint8Array): void {
    const { epoch } = number
    const fragments = this.#listIn(number, () => readFragments(content))
    const outcomes = fragments.map(fragment => this.#readFragment(fragment, epoch))
    // A client that answers in its first protected epoch has read all of our flight.
    if (epoch === epochNumber.handshake) this.#epochs.confirm(epochNumber.application)
    // RFC 9147 §7: what is dropped must not be acknowledged.
    if (outcomes.length > 0 && !outcomes.includes('dropped') && !this.#isAnswered(number))
      this.#acknowledgements.add(number, outcomes.includes('new'))
    if (this.isShakingHands) {
      if (outcomes.includes('old')) this.#flights.repeat(this.#now)
      // RFC 9147 §7.2: a part of the answer shows that all was received that is answered. A server that keeps nothing
      // may have answered the first ClientHello, and not send its HelloRetryRequest again.
      if (outcomes.includes('new') && this.#isVersionKnown) this.#flights.acknowledgeAll()
    }
    this.#readMessages()
  }

  #readFragment(fragment: Fragment, epoch: number): 'old' | 'new' | 'dropped' {
    // RFC 8446 §5.1: messages do not go on under older keys. What is plain may be anybody's.
    if (fragment.messageSeq >= this.#reassembly.next && epoch < this.#reader.epoch) {
      if (epoch === 0) return 'dropped'
      throw new ProtocolError('unexpected_message', 'a handshake message came under keys that have been replaced')
    }
    return this.#reassembly.add(fragment, epoch)
  }

  /** Whether the peer speaks DTLS 1.3 for sure: one of its hellos has been read. */
  get #isVersionKnown(): boolean {
    return this.#reassembly.next > 0
  }

  #listIn<T>({ epoch }: RecordNumber, read: () => readonly T[]): readonly T[] {
    try {
      return read()
    } catch (error) {
      // A plain record may be anybody's.
      if (epoch === 0 && error instanceof DecodeError) return []
      throw error
    }
  }

  #readMessages(): void {
    while (!this.pause && this.state !== 'closed') {
      const message = this.#reassembly.take()
      if (!message) return
      if (this.isShakingHands) {
        this.expect(message.type)
        // It is the answer to what we have sent.
        this.#flights.acknowledgeAll()
      }
      this.readMessage(message)
    }
  }

  protected onComplete(): void {
    this.#reader.refusePlain()
    // RFC 9147 §7.1: nothing else would tell the client that its last flight has come.
    if (this.side === 'server') this.#acknowledgements.hurry(this.#now)
  }

  protected override readFurther(message: Message): boolean {
    if (message.type === HandshakeType.new_connection_id) {
      this.#connectionIds.take(message)
      this.#epochs.current.connectionId = this.#connectionIds.current
    } else if (message.type === HandshakeType.request_connection_id) {
      this.#connectionIds.readRequest(message)
      this.#giveConnectionIds()
    } else {
      return false
    }
    return true
  }

  #giveConnectionIds(): void {
    const message = this.#connectionIds.takeAnswer()
    if (!message) return
    this.#reader.expectConnectionIds(this.#connectionIds.own)
    const onAcknowledged = () => {
      this.#connectionIds.answerArrived()
      this.#giveConnectionIds()
    }
    this.#queue({ message, onAcknowledged })
    this.endFlight()
  }

  #readAcknowledgement(number: RecordNumber, content: Uint8Array): void {
    const { epoch } = number
    if (!this.#isVersionKnown) return
    // RFC 9147 §7: during the handshake it comes under the keys of what it acknowledges, or newer ones; later each side
    // counts its own epochs.
    const numbers = this.#listIn(number, () => decodeAcknowledgement(content))
    if (numbers.length === 0) this.#flights.hurry(this.#now)
    this.#flights.acknowledge(
      numbers.filter(acknowledged => epoch >= epochNumber.application || acknowledged.epoch <= epoch),
      this.#now,
    )
  }

  #readAlert({ epoch }: RecordNumber, content: Uint8Array): void {
    const [level, description] = content
    // A plain alert may be anybody's, but before there are keys it is the only kind.
    if (epoch === 0 && this.#reader.epoch > 0) return
    if (content.length !== 2 || level === undefined || description === undefined) {
      if (epoch === 0) return
      throw new ProtocolError('decode_error', 'an alert has two bytes')
    }
    if (level !== WARNING && level !== FATAL) {
      throw new ProtocolError('illegal_parameter', `an alert has level ${level}`)
    }
    this.readAlert(description)
  }

  // Flights and acknowledgements.

  /** Adds a message to the flight, or to what has to wait for new keys. */
  #queue(outgoing: Outgoing): void {
    if (!this.#keyUpdates.hold(outgoing)) this.#add(outgoing)
  }

  #add({ message, onAcknowledged }: Outgoing): void {
    this.observeSent(message)
    this.#flights.add(message, this.#epochs.current, onAcknowledged)
  }

  /** Sends what is to be sent now. */
  #flush(): void {
    const epochs = this.#epochs
    if (epochs.isCurrentReadable) this.#acknowledge(epochs.current)
    // A client that waits has keys, and acknowledges; a server's client may have none.
    const mayBePart = this.pause !== undefined && this.side === 'server'
    if (!this.#flights.transmit(this.#datagrams, mayBePart, this.#now)) return
    epochs.confirm(epochNumber.handshake)
    if (mayBePart) this.#acknowledgements.forget()
  }

  #acknowledge(epoch: OutgoingEpoch): void {
    if (this.#isVersionKnown) this.#acknowledgements.schedule(this.#now, this.#flights.interval)
    for (const content of this.#acknowledgements.take(this.#now, this.#datagrams.mtu - epoch.overhead)) {
      // Each alone: a datagram with more than one might be too long again.
      this.#datagrams.next()
      this.#datagrams.add(epoch.write(ContentType.ack, content))
    }
  }

  /** Whether the peer has been answered that sent it: a server's flight follows a plain ClientHello. */
  #isAnswered({ epoch }: RecordNumber): boolean {
    return this.side === 'server' && epoch === 0 && this.#epochs.current.number > 0
  }

  // Keys.

  #changeReadingKeys(number: number, secret: TrafficSecret, suite: Suite): void {
    this.#reassembly.changeLevel()
    this.#reader.protect(number, new RecordProtection(secret, suite), suite.aead.failureLimit)
    this.#readSecret = secret
  }

  #changeWritingKeys(number: number, secret: TrafficSecret, suite: Suite): void {
    const epoch = new OutgoingEpoch(number, new RecordProtection(secret, suite), this.#connectionIds.current)
    // A server's client has to show that it can read its flight; all other keys answer something.
    this.#epochs.add(epoch, this.side === 'client' || number > epochNumber.application)
    this.#writeSecret = secret
  }

  #sendKeyUpdate(update: { readonly requestUpdate: boolean }): void {
    const message = encodeMessage(HandshakeType.key_update, KeyUpdate, update)
    this.#add({ message, onAcknowledged: () => this.#useNextKeys() })
    this.endFlight()
  }

  /** RFC 9147 §8: only once the peer has acknowledged that they come. */
  #useNextKeys(): void {
    const { suite } = this.established ?? {}
    if (!suite || !this.#writeSecret) return
    this.#changeWritingKeys(this.#epochs.current.number + 1, this.#writeSecret.replace(), suite)
    for (const outgoing of this.#keyUpdates.done()) this.#add(outgoing)
    this.endFlight()
  }

  protected readKeyUpdate(message: Message): void {
    const { suite } = this.established ?? {}
    if (!suite || !this.#readSecret) throw new Error('there are no keys to update')
    const { requestUpdate } = decodeMessage(KeyUpdate, message)
    this.#changeReadingKeys(this.#reader.epoch + 1, this.#readSecret.replace(), suite)
    this.#keyUpdates.readPeers(requestUpdate)
  }

  /** Replaces keys where that is due. */
  #renewKeys(): void {
    if (!this.isWritable) return
    // The limits of RFC 9147 §4.5.3 are the writer's to keep; a peer that is about to miss them is reminded once.
    if (this.#reader.sequenceNumber >= this.keyLimit) this.#keyUpdates.wantPeers()
    const update = this.#keyUpdates.take(this.#flights.isIdle)
    if (update) this.#sendKeyUpdate(update)
  }

  /** Runs a step at a time, and sends what came of it. */
  #at(now: number, step: () => void): void {
    if (this.state === 'closed') return
    this.#now = now
    this.guard(() => {
      step()
      this.#renewKeys()
      this.#flush()
    })
  }

  protected sendAlert(level: number, description: number): void {
    this.#datagrams.add(this.#epochs.readable.write(ContentType.alert, Uint8Array.of(level, description)))
  }

  protected release(): void {
    this.#readSecret?.wipe()
    this.#readSecret = undefined
    this.#writeSecret?.wipe()
    this.#writeSecret = undefined
    this.#flights.clear()
    this.#reassembly.clear()
    this.#acknowledgements.forget()
    this.#reader.clear()
    this.#epochs.wipe()
  }
}

/** What a client's connection is made of. */
export type ClientArguments = [side: 'client', config: ClientConfig, options?: DatagramOptions]
/** What a server's connection is made of. */
export type ServerArguments = [side: 'server', config: ServerConfig, options?: DatagramOptions]

/** Handshake messages that wait for an earlier one, beside a certificate, in bytes. */
const MAX_WAITING = 2 ** 16
const WARNING = 1
const FATAL = 2
