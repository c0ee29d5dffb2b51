import { EMPTY, opaque, struct, uint8, vector } from '../bytes/index.js'
import {
  decodeMessage,
  encodeMessage,
  HandshakeType,
  type Message,
  MisuseError,
  ProtocolError,
} from '../handshake/index.js'

/*
 * RFC 9147 §9:
 *     enum { cid_immediate(0), cid_spare(1), (255) } ConnectionIdUsage;
 *     opaque ConnectionId<0..2^8-1>;
 *     struct {
 *         ConnectionId cids<0..2^16-1>;
 *         ConnectionIdUsage usage;
 *     } NewConnectionId;
 *     struct { uint8 num_cids; } RequestConnectionId;
 */
const NewConnectionId = struct({ cids: vector(opaque(0, 255), 0, 0xffff), usage: uint8 })
const RequestConnectionId = struct({ numCids: uint8 })
const CID_IMMEDIATE = 0
const CID_SPARE = 1

/** The connection IDs of one connection, both ways (RFC 9146 §3, RFC 9147 §9). */
export class ConnectionIds {
  readonly #make: (() => Uint8Array) | undefined
  /** What may stand in records to us, the newest last. */
  #own: readonly Uint8Array[]
  /** What stands in records of ours, then what may stand there later. */
  #peers: readonly Uint8Array[] = []
  #isAgreed = false
  /** Whether the peer has not answered our request. */
  #isRequested = false
  /** Whether the peer has not acknowledged our answer, and how many it has asked for since. */
  #isAnswering = false
  #owed: number | undefined

  /** @param own what we ask for; empty: we need none, but take the peer's   @param make makes further ones */
  constructor(own: Uint8Array | undefined, make: (() => Uint8Array) | undefined) {
    this.#own = own ? [Uint8Array.from(own)] : []
    this.#make = make
  }

  /** What we ask for in the handshake; undefined: nothing is said of connection IDs. */
  get offered(): Uint8Array | undefined {
    return this.#own[0]
  }

  /** What may stand in records to us; empty if nothing was agreed on. */
  get own(): readonly Uint8Array[] {
    return this.#isAgreed ? this.#own.filter(({ length }) => length > 0) : []
  }

  /** What stands in records of ours. */
  get current(): Uint8Array {
    return this.#peers[0] ?? EMPTY
  }

  /** How many further ones the peer has given us. */
  get spareCount(): number {
    return Math.max(0, this.#peers.length - 1)
  }

  /** Both sides want them. @param peers what the peer asks for */
  agree(peers: Uint8Array): void {
    this.#isAgreed = true
    this.#peers = [Uint8Array.from(peers)]
  }

  /** Goes on to the next one that the peer has given us. @returns whether there was one */
  advance(): boolean {
    if (this.spareCount === 0) return false
    this.#peers = this.#peers.slice(1)
    return true
  }

  /** The message that asks the peer for more; undefined while it has not answered one.
   *  @throws MisuseError unless there is something to have more of */
  request(numCids: number): Uint8Array | undefined {
    if (this.current.length === 0) throw new MisuseError('the peer wants no connection IDs in its records')
    // RFC 9147 §9: no request "when an existing request is still unfulfilled".
    if (this.#isRequested) return undefined
    this.#isRequested = true
    return encodeMessage(HandshakeType.request_connection_id, RequestConnectionId, { numCids })
  }

  /** The peer asks for more. */
  readRequest(message: Message): void {
    this.#expectAgreement(message)
    if (this.own.length === 0) {
      throw new ProtocolError('unexpected_message', 'connection IDs are asked for, but there are none in the records')
    }
    this.#owed = decodeMessage(RequestConnectionId, message).numCids
  }

  /** The answer to what the peer has asked for, if one is to be sent now: there is one on its way at a time
   *  (RFC 9147 §9). It may hold fewer than were asked for, or none. */
  takeAnswer(): Uint8Array | undefined {
    if (this.#owed === undefined || this.#isAnswering) return undefined
    const make = this.#make
    const count = make ? Math.min(this.#owed, MAX_ANSWERED) : 0
    const cids = Array.from({ length: count }, () => Uint8Array.from(make?.() ?? EMPTY))
    if (cids.some(cid => cid.length !== this.own[0]?.length)) {
      throw new MisuseError('connection IDs of one connection have one length: that of the first')
    }
    this.#owed = undefined
    this.#isAnswering = true
    this.#own = [...this.#own, ...cids].slice(-MAX_OWN)
    return encodeMessage(HandshakeType.new_connection_id, NewConnectionId, { cids, usage: CID_SPARE })
  }

  /** The peer has got the answer. */
  answerArrived(): void {
    this.#isAnswering = false
  }

  /** Takes what the peer gives us. */
  take(message: Message): void {
    this.#expectAgreement(message)
    const { cids, usage } = decodeMessage(NewConnectionId, message)
    this.#isRequested = false
    if (usage !== CID_IMMEDIATE && usage !== CID_SPARE) {
      throw new ProtocolError('illegal_parameter', `connection IDs come for use ${usage}, which nobody knows`)
    }
    // RFC 9147 §9: from none to some and back there is no way.
    if (this.current.length === 0) {
      throw new ProtocolError('unexpected_message', 'connection IDs come from a peer that wanted none')
    }
    const copies = cids.map(cid => Uint8Array.from(cid))
    const peers = usage === CID_IMMEDIATE && copies.length > 0 ? copies : [...this.#peers, ...copies]
    this.#peers = peers.slice(0, MAX_PEERS)
  }

  #expectAgreement(message: Message): void {
    if (this.#isAgreed) return
    const name = message.type === HandshakeType.new_connection_id ? 'new_connection_id' : 'request_connection_id'
    throw new ProtocolError('unexpected_message', `${name} came where no connection IDs were agreed on`)
  }
}

/** How many are given at a time, and how many are kept of either side. */
const MAX_ANSWERED = 4
const MAX_OWN = 16
const MAX_PEERS = 8
