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
export class DtlsConnection extends Connection {
  readonly protocol = dtls13
  readonly sentRetry: SentRetry | undefined
  readonly #reader: RecordReader
  readonly #reassembly: Reassembly
  readonly #flights: Flights
  readonly #connectionIds: ConnectionIds
  readonly #acknowledgements = new Acknowledgements()
  readonly #datagrams: Datagrams
  #writing: OutgoingEpoch
  /** Server: the epoch of its flight, until the client has shown that it has the keys of the next one. */
  #surelyRead: OutgoingEpoch | undefined
  #readSecret: TrafficSecret | undefined
  #writeSecret: TrafficSecret | undefined
  /** Whether a key_update of ours is on its way: there may be one at a time (RFC 9147 §8). */
  #isUpdatingKeys = false
  #owesKeyUpdate = false
  #hasAskedForKeyUpdate = false
  #maxContent = MAX_CONTENT
  #now = 0

  constructor(...args: ClientArguments | ServerArguments) {
    const [, config, options] = args
    const { mtu, retransmitAfter, maxRetransmissions, recordsPerKey, failuresPerKey, retry, connectionIds } =
      completeOptions(options ?? {})
    super(args, recordsPerKey)
    this.#connectionIds = connectionIds
    this.#datagrams = new Datagrams(mtu)
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
    this.#writing = new OutgoingEpoch(0, undefined, EMPTY, retry?.sequenceNumber)
  }

  /** When `expire` is to be called, in ms; undefined for never. */
  get deadline(): number | undefined {
    const times = [this.#flights.deadline, this.#acknowledgements.due].filter(time => time !== undefined)
    return this.state === 'closed' || times.length === 0 ? undefined : Math.min(...times)
  }

  /** The most application data that one datagram takes, in bytes. It can become less. */
  get maxData(): number {
    return Math.min(this.#datagrams.mtu - this.#writing.overhead, this.#maxContent)
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
      if (this.#owesKeyUpdate || this.#writing.sequenceNumber >= this.keyLimit / 2) this.#sendKeyUpdate(false)
      if (this.#writing.sequenceNumber >= this.keyLimit) {
        throw new Error('the peer has not acknowledged a key_update while a key could still be used')
      }
      this.#datagrams.add(this.#writing.write(ContentType.application_data, data))
    })
  }

  /** Replaces our writing keys once the peer has acknowledged that (RFC 9147 §8). While it has not, this does nothing.
   *  @param requestsPeer whether the peer is to replace its own too */
  updateKeys(requestsPeer: boolean, now: number): void {
    if (!this.isWritable) throw new MisuseError('there are no keys to update')
    this.#at(now, () => this.#sendKeyUpdate(requestsPeer))
  }

  /** Asks the peer for connection IDs to use later (RFC 9147 §9). @throws MisuseError if it wants none */
  requestConnectionIds(count: number, now: number): void {
    if (!this.isWritable) throw new MisuseError(`nothing can be asked for: the connection is ${this.state}`)
    const request = this.#connectionIds.request(count)
    this.#at(now, () => this.sendAlone(request))
  }

  /** Puts another connection ID into our records, so that nobody on the path can tell that they are those of the same
   *  connection (RFC 9147 §9). @returns whether the peer has given us another */
  changeConnectionId(): boolean {
    const isChanged = this.#connectionIds.advance()
    this.#writing.connectionId = this.#connectionIds.current
    return isChanged
  }

  /** The datagrams that are to be sent, in order; empty when there are none. */
  takeOutput(): readonly Uint8Array[] {
    return this.#datagrams.take()
  }

  // What the handshake asks of the layer below.

  send(message: Uint8Array): void {
    this.#add(message)
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
    } else if (this.state === 'open' && content.length > 0) {
      // What comes earlier has overtaken something, and is lost as any datagram may be.
      this.emit({ type: 'data', data: content })
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
    if (isRepeated && this.isShakingHands) this.#flights.repeat(this.#now)
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
      this.#writing.connectionId = this.#connectionIds.current
    } else if (message.type === HandshakeType.request_connection_id) {
      const answer = this.#connectionIds.answer(message)
      this.#reader.expectConnectionIds(this.#connectionIds.own)
      if (answer) this.sendAlone(answer)
    } else {
      return false
    }
    return true
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
    this.readAlert(description)
  }

  // Flights and acknowledgements.

  /** Adds a message to the flight. @param onAcknowledged called when the peer has got it */
  #add(message: Uint8Array, onAcknowledged?: () => void): void {
    this.observeSent(message)
    this.#flights.add(message, this.#writing, onAcknowledged)
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
    if (this.isShakingHands) this.#reassembly.changeLevel()
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
    this.#add(encodeMessage(HandshakeType.key_update, KeyUpdate, { requestUpdate }), () => {
      // RFC 9147 §8: new keys only once the peer has acknowledged that they come.
      this.#isUpdatingKeys = false
      const { suite } = this.established ?? {}
      if (suite && this.#writeSecret) this.#changeWritingKeys(number + 1, this.#writeSecret.next(), suite)
    })
    this.endFlight()
  }

  protected readKeyUpdate(message: Message): void {
    const { suite } = this.established ?? {}
    if (!suite || !this.#readSecret) throw new Error('there are no keys to update')
    const { requestUpdate } = decodeMessage(KeyUpdate, message)
    this.#changeReadingKeys(this.#reader.epoch + 1, this.#readSecret.next(), suite)
    this.#hasAskedForKeyUpdate = false
    if (requestUpdate) this.#owesKeyUpdate = true
  }

  /** Replaces keys where that is due. */
  #renewKeys(): void {
    if (!this.isWritable) return
    if (this.#owesKeyUpdate) this.#sendKeyUpdate(false)
    // The limits of RFC 9147 §4.5.3 are the writer's to keep; a peer that is about to miss them is reminded once.
    if (this.#reader.sequenceNumber >= this.keyLimit && !this.#hasAskedForKeyUpdate) this.#sendKeyUpdate(true)
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
    // The keys of an alert may be in messages that have not been sent yet.
    this.#flights.hasten(this.#datagrams)
    const epoch = this.#surelyRead ?? this.#writing
    this.#datagrams.add(epoch.write(ContentType.alert, Uint8Array.of(level, description)))
  }

  protected release(): void {
    this.#readSecret = undefined
    this.#writeSecret = undefined
    this.#flights.clear()
    this.#reassembly.clear()
    this.#acknowledgements.forget()
    this.#reader.clear()
  }
}

/** What a client's connection is made of. */
export type ClientArguments = [side: 'client', config: ClientConfig, options?: DatagramOptions]
/** What a server's connection is made of. */
export type ServerArguments = [side: 'server', config: ServerConfig, options?: DatagramOptions]

/** Handshake messages that wait for an earlier one, beside a certificate, in bytes. */
const MAX_WAITING = 2 ** 16
/** ms: twice the default MSL, for which RFC 9147 §5.8.1 wants a server to answer what was sent under old keys. */
const OLD_KEYS_KEPT = 240_000

/** Under which keys a handshake message may go on: before, during and after the handshake. */
function levelOf(epoch: number): number {
  return Math.min(epoch, epochNumber.application)
}
